"""Networks in the form that OpenVINO runs fastest, and their conversion.

Nothing here computes something else than the network does: layers are merged, and concatenations and splits, which only
move memory, are written as 1x1x1 convolutions that add up. On the published network this saves a tenth of the time.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from glioma_annotator.inference.fusing import FusedInceptionBlock
from glioma_annotator.inference.networks import ResidualInceptionBlock, ResidualInceptionUNet, SegmentationNetwork

#: Last parts of the names of the places where convolutions read.
PLACES = ("at_input", "at_both", "at_point", "at_pick", "at_second", "at_pooled")


def exportable(network: SegmentationNetwork) -> SegmentationNetwork:
    """A copy in evaluation mode whose inception blocks are `SummingInceptionBlock`s; equal up to rounding.

    Where its convolutions read there are identities, named in `PLACES`, to be replaced by what rounds or watches.
    """
    copied = copy.deepcopy(network).eval()
    if isinstance(copied, ResidualInceptionUNet):
        for blocks in (copied.encoders, copied.decoders):
            for level, block in enumerate(blocks):
                if isinstance(block, ResidualInceptionBlock):
                    blocks[level] = SummingInceptionBlock(block)
        for steps in (copied.downs, copied.ups):
            for level, step in enumerate(steps):
                steps[level] = nn.Sequential(OrderedDict(at_input=nn.Identity(), step=step))
    return copied.requires_grad_(False)


class SummingInceptionBlock(nn.Module):
    """A residual-inception block without concatenation and split.

    The 1x1x1 convolution over the concatenated branches is the sum of one per branch. The two 3x3x3 convolutions that
    read the input are one; the half of its output that goes on is picked, and normalised, by a 1x1x1 convolution.
    """

    def __init__(self, block: ResidualInceptionBlock) -> None:
        super().__init__()
        fused = FusedInceptionBlock(block)
        self.both, self.point, self.second, self.pooled = fused.both, fused.point, fused.second, fused.pooled
        self.reduce_norm, self.shortcut = fused.reduce_norm, fused.shortcut
        self.pool = nn.MaxPool3d(3, stride=1, padding=1)
        width = fused.second.in_channels
        norm = fused.first_norm
        assert norm.running_mean is not None and norm.running_var is not None  # `fused` has checked it
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        self.pick = _pointwise(torch.cat([torch.zeros(width, width), torch.diag(scale)], dim=1))
        self.pick.bias = nn.Parameter(norm.bias - norm.running_mean * scale)
        weight = fused.reduce.weight.flatten(1)
        of_point, of_single, of_second, of_pooled = torch.split(weight, width, dim=1)
        self.from_point, self.from_second, self.from_pooled = map(_pointwise, (of_point, of_second, of_pooled))
        self.from_both = _pointwise(torch.cat([of_single, torch.zeros_like(of_single)], dim=1))
        self.from_both.bias = fused.reduce.bias
        self.at_input, self.at_both, self.at_point = nn.Identity(), nn.Identity(), nn.Identity()
        self.at_pick, self.at_second, self.at_pooled = nn.Identity(), nn.Identity(), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        read = self.at_input(x)
        both = self.at_both(functional.relu(self.both(read)))
        second = self.second(self.at_pick(self.pick(both)))
        out = self.from_both(both)
        out = out + self.from_point(self.at_point(functional.relu(self.point(read))))
        out = out + self.from_second(self.at_second(functional.relu(second)))
        out = out + self.from_pooled(self.at_pooled(functional.relu(self.pooled(self.pool(read)))))
        past = x if isinstance(self.shortcut, nn.Identity) else self.shortcut(read)
        result: Tensor = self.reduce_norm(functional.relu(out)) + past
        return result


def _pointwise(weight: Tensor) -> nn.Conv3d:
    """A 1x1x1 convolution without bias from its weights (output, input)."""
    conv = nn.Conv3d(weight.shape[1], weight.shape[0], 1, bias=False)
    conv.weight = nn.Parameter(weight.detach().reshape(*weight.shape, 1, 1, 1).clone())
    return conv


class _Whole(nn.Module):
    """From images to softmax and features."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.network.features(x)
        return torch.softmax(self.network.head(features), dim=1), features.to(torch.float16)


class _Encode(nn.Module):
    """The finest encoder level and the way down: the skip's and the next level's (1, i, j, k, channel) tensors."""

    def __init__(self, network: ResidualInceptionUNet) -> None:
        super().__init__()
        self.block, self.down = network.encoders[0], network.downs[0]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        skip = self.block(x)
        return _channels_last(skip), _channels_last(self.down(skip))


class _Middle(nn.Module):
    """Everything below the finest level, from and to (1, i, j, k, channel) at half the resolution."""

    def __init__(self, network: ResidualInceptionUNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        network, x = self.network, _channels_first(x)
        skips: list[Tensor] = []
        last = len(network.downs)
        for level in range(1, last):
            skips.append(network.encoders[level](x))
            x = network.downs[level](skips[-1])
        x = network.encoders[last](x)
        for level in reversed(range(1, last)):
            x = network.decoders[level](torch.cat([network.ups[level](x), skips.pop()], dim=1))
        return _channels_last(x)


class _Decode(nn.Module):
    """The finest decoder level and the head, from the middle's and the skip's (1, i, j, k, channel)."""

    def __init__(self, network: ResidualInceptionUNet) -> None:
        super().__init__()
        self.up, self.block, self.head = network.ups[0], network.decoders[0], network.head

    def forward(self, middle: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cat([self.up(_channels_first(middle)), _channels_first(skip)], dim=1)
        features = self.block(x)
        return torch.softmax(self.head(features), dim=1), features.to(torch.float16)


def converted(ready: SegmentationNetwork, in_channels: int, openvino: Any) -> tuple[dict[str, Any], list[Any]]:
    """OpenVINO models of an `exportable` network for any size of block, and facts about them.

    One model, from float32 (1, channel, i, j, k) to softmax and float16 features (1, ..., i, j, k); or three that do
    the same one after the other, so that the first and last, which are most of the work and need few neighbours, can
    run on slabs: encode, middle, decode. Facts: "multiple" of block sizes, "widths" of the two finest levels.
    """
    size = 2 * ready.multiple
    image = torch.zeros(1, in_channels, size, size, size)
    facts: dict[str, Any] = {"multiple": ready.multiple, "widths": [ready.head.in_channels, 0]}
    if not isinstance(ready, ResidualInceptionUNet):
        return facts, [openvino.convert_model(_Whole(ready), example_input=image)]
    encode = _Encode(ready)
    with torch.inference_mode():
        skip, below = encode(image)
    skip, below = torch.zeros(skip.shape), torch.zeros(below.shape)
    facts["widths"] = [skip.shape[-1], below.shape[-1]]
    return facts, [
        openvino.convert_model(encode, example_input=image),
        openvino.convert_model(_Middle(ready), example_input=below),
        openvino.convert_model(_Decode(ready), example_input=(below, skip)),
    ]


def _channels_last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 4, 1)


def _channels_first(x: Tensor) -> Tensor:
    return x.permute(0, 4, 1, 2, 3)
