"""The same network in a form that runs faster: for inference only."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from glioma_annotator.inference.networks import MaxPool3, ResidualInceptionBlock, SegmentationNetwork

_Network = TypeVar("_Network", bound=SegmentationNetwork)


def fused(network: _Network) -> _Network:
    """A copy in evaluation mode whose inception blocks are `FusedInceptionBlock`s; equal up to rounding.

    Networks without such blocks are only copied.
    """
    blocks = (block for block in network.modules() if isinstance(block, ResidualInceptionBlock))
    instead: dict[int, object] = {id(block): FusedInceptionBlock(block) for block in blocks}
    return copy.deepcopy(network, instead).eval().requires_grad_(False)


class FusedInceptionBlock(nn.Module):
    """A residual-inception block with less work for the memory; nothing of it belongs to the block it is made from.

    The two 3x3x3 convolutions that read the block's input are one; the batch normalisations at the branches' ends are
    folded into the 1x1x1 convolution that follows. That is exact only there: a 3x3x3 convolution pads with zeros
    after the normalisation.
    """

    def __init__(self, block: ResidualInceptionBlock) -> None:
        super().__init__()
        single, first = _conv(block.single), _conv(block.double_first)
        self._width = single.out_channels
        self.both = nn.Conv3d(single.in_channels, 2 * self._width, 3, padding=1)
        self.both.weight = nn.Parameter(torch.cat([single.weight, first.weight]))
        self.both.bias = nn.Parameter(torch.cat([_bias(single), _bias(first)]))
        self.first_norm = copy.deepcopy(_norm(block.double_first))
        self.second = copy.deepcopy(_conv(block.double_second))
        self.point, self.pooled = copy.deepcopy(_conv(block.point)), copy.deepcopy(_conv(block.pooled))
        self.pool = MaxPool3()
        self.reduce = _folded(
            [_norm(b) for b in (block.point, block.single, block.double_second, block.pooled)], _conv(block.reduce)
        )
        self.reduce_norm = copy.deepcopy(_norm(block.reduce))
        self.shortcut = copy.deepcopy(block.shortcut)

    def forward(self, x: Tensor) -> Tensor:
        both = torch.relu_(self.both(x))
        single, first = both.narrow(1, 0, self._width), both.narrow(1, self._width, self._width)
        second = self.second(self.first_norm(first))
        branches = torch.cat([self.point(x), single, second, self.pooled(self.pool(x))], dim=1).relu_()
        out: Tensor = self.reduce_norm(self.reduce(branches).relu_())
        return out.add_(self.shortcut(x))


def _folded(norms: list[nn.BatchNorm3d], conv: nn.Conv3d) -> nn.Conv3d:
    """A 1x1x1 convolution that does what `norms`, side by side on its input channels, and then `conv` do."""
    scales, shifts = [], []
    for norm in norms:
        if norm.running_mean is None or norm.running_var is None:
            raise ValueError("a batch normalisation without running statistics cannot be folded")
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        scales.append(scale)
        shifts.append(norm.bias - norm.running_mean * scale)
    result = nn.Conv3d(conv.in_channels, conv.out_channels, 1)
    result.weight = nn.Parameter(conv.weight * torch.cat(scales).view(1, -1, 1, 1, 1))
    result.bias = nn.Parameter(_bias(conv) + conv.weight.flatten(1) @ torch.cat(shifts))
    return result


def _conv(simple_block: nn.Module) -> nn.Conv3d:
    conv = simple_block.get_submodule("conv")
    assert isinstance(conv, nn.Conv3d)
    return conv


def _norm(simple_block: nn.Module) -> nn.BatchNorm3d:
    norm = simple_block.get_submodule("adn.N")
    assert isinstance(norm, nn.BatchNorm3d)
    return norm


def _bias(conv: nn.Conv3d) -> Tensor:
    assert conv.bias is not None
    return conv.bias
