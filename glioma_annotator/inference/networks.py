"""The networks a model card can name, built from MONAI's blocks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from monai.networks.blocks.convolutions import Convolution
from torch import Tensor, nn
from torch.nn import functional

from glioma_annotator.errors import UserError
from glioma_annotator.inference.network_size import network_size

RESIDUAL_INCEPTION_UNET = "residual-inception-unet"
DYNUNET = "dynunet"
SEGRESNET = "segresnet"
ARCHITECTURES = (RESIDUAL_INCEPTION_UNET, DYNUNET, SEGRESNET)


class SegmentationNetwork(nn.Module):
    """What every network here is: features at the input's size, and a 1x1x1 head that reads them.

    Attributes
    ----------
    head: from the features to logits; the part that an adaptation can train alone.
    """

    head: nn.Conv3d

    @property
    def multiple(self) -> int:
        """Input sizes must be multiples of this many voxels."""
        raise NotImplementedError

    def features(self, x: Tensor) -> Tensor:
        """What the head reads: (batch, features, i, j, k) from (batch, channels, i, j, k)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, classes, i, j, k) of z-scored images (batch, channels, i, j, k)."""
        logits: Tensor = self.head(self.features(x))
        return logits


def simple_block(
    in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1, transposed: bool = False
) -> nn.Module:
    """Convolution, ReLU, batch normalisation, in that order; "same" padding."""
    return Convolution(
        3,
        in_channels,
        out_channels,
        strides=stride,
        kernel_size=kernel,
        adn_ordering="AN",
        act=("RELU", {"inplace": True}),
        norm="BATCH",
        is_transposed=transposed,
    )


class MaxPool3(nn.Module):
    """Max pool of 3x3x3 with stride 1 and "same" padding, one axis at a time: the same values as the 3-D pool.

    Without gradients it takes maxima of shifted views, which a CPU does about ten times faster in bfloat16; their
    gradient is slower than the pool's, so training uses 1-D pools.
    """

    def forward(self, x: Tensor) -> Tensor:
        for axis in (2, 3, 4):
            x = self._pool(x, axis) if torch.is_grad_enabled() else self._shifted(x, axis)
        return x

    @staticmethod
    def _pool(x: Tensor, axis: int) -> Tensor:
        size = [3 if a == axis else 1 for a in (2, 3, 4)]
        return functional.max_pool3d(x, size, stride=1, padding=[n // 2 for n in size])

    @staticmethod
    def _shifted(x: Tensor, axis: int) -> Tensor:
        last = x.shape[axis] - 1
        if last == 0:
            return x
        pairs = torch.maximum(x.narrow(axis, 0, last), x.narrow(axis, 1, last))
        out = torch.empty_like(x)
        out.narrow(axis, 0, 1).copy_(pairs.narrow(axis, 0, 1))
        out.narrow(axis, last, 1).copy_(pairs.narrow(axis, last - 1, 1))
        torch.maximum(
            pairs.narrow(axis, 0, last - 1), pairs.narrow(axis, 1, last - 1), out=out.narrow(axis, 1, last - 1)
        )
        return out


class ResidualInceptionBlock(nn.Module):
    """Four parallel branches, concatenated, reduced by a 1x1x1 simple block, plus the input.

    Branches: 1x1x1 | 3x3x3 | 3x3x3 then 3x3x3 | max-pool 3 with stride 1 then 1x1x1. The input is added as it is when
    it has `out_channels` channels, else through a 1x1x1 convolution.

    Parameters
    ----------
    branch_channels: filters of every convolution in the branches.
    """

    def __init__(self, in_channels: int, out_channels: int, branch_channels: int) -> None:
        super().__init__()
        self.point = simple_block(in_channels, branch_channels, 1)
        self.single = simple_block(in_channels, branch_channels)
        self.double_first = simple_block(in_channels, branch_channels)
        self.double_second = simple_block(branch_channels, branch_channels)
        self.pool = MaxPool3()
        self.pooled = simple_block(in_channels, branch_channels, 1)
        self.reduce = simple_block(4 * branch_channels, out_channels, 1)
        same = in_channels == out_channels
        self.shortcut = nn.Identity() if same else nn.Conv3d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        branches = [
            self.point(x),
            self.single(x),
            self.double_second(self.double_first(x)),
            self.pooled(self.pool(x)),
        ]
        out: Tensor = self.reduce(torch.cat(branches, dim=1)) + self.shortcut(x)
        return out


class ResidualInceptionUNet(SegmentationNetwork):
    """Residual-inception 3D U-Net of "Design of a medical image semantic annotator for gliomas" (UPV, 2022).

    Layout: one residual-inception block per encoder level, the first reading the image itself; between levels a 3x3x3
    simple block of stride 2 that doubles the filters; in the decoder a transposed 3x3x3 simple block that halves them,
    concatenation with the encoder's output, and one residual-inception block that reads both. A 1x1x1 head. The source
    gives the blocks and the size but not their number per level. Of the layouts tried (a stem before the first block,
    7.28 M; a 3x3x3 simple block after each concatenation, 7.25 M) this one lands nearest the published 7.3 M: 7.30 M
    parameters and 118 GFLOP per 64x64x64 patch at 24-48-96-192 filters, 3 channels and 4 or 5 classes.

    Parameters
    ----------
    in_channels: image channels.
    out_channels: classes, background included.
    filters: filters per level, finest first.
    branch_fraction: filters of an inception branch as a share of the level's; 1 is the published width.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        filters: Sequence[int] = (24, 48, 96, 192),
        branch_fraction: float = 1.0,
    ) -> None:
        super().__init__()
        if len(filters) < 2 or min(filters) < 1 or branch_fraction <= 0:
            raise ValueError("a U-Net needs at least two levels of at least one filter and branches wider than zero")

        def inception(inputs: int, outputs: int) -> nn.Module:
            return ResidualInceptionBlock(inputs, outputs, max(1, round(outputs * branch_fraction)))

        pairs = list(itertools.pairwise(filters))
        self.encoders = nn.ModuleList([inception(in_channels, filters[0]), *[inception(f, f) for f in filters[1:]]])
        self.downs = nn.ModuleList([simple_block(fine, coarse, stride=2) for fine, coarse in pairs])
        self.ups = nn.ModuleList([simple_block(coarse, fine, stride=2, transposed=True) for fine, coarse in pairs])
        self.decoders = nn.ModuleList([inception(2 * f, f) for f in filters[:-1]])
        self.head = nn.Conv3d(filters[0], out_channels, 1)

    @property
    def multiple(self) -> int:
        """Input sizes must be multiples of this many voxels."""
        return int(2 ** len(self.downs))

    def features(self, x: Tensor) -> Tensor:
        """What the head reads: (batch, filters[0], i, j, k) from (batch, channels, i, j, k)."""
        skips: list[Tensor] = []
        for encoder, down in zip(self.encoders, self.downs, strict=False):
            x = encoder(x)
            skips.append(x)
            x = down(x)
        x = self.encoders[-1](x)
        for level in reversed(range(len(self.downs))):
            x = self.ups[level](x)
            x = self.decoders[level](torch.cat([x, skips.pop()], dim=1))
        return x


def build_network(
    architecture: str, parameters: Mapping[str, Any], in_channels: int, out_channels: int
) -> SegmentationNetwork:
    """A freshly initialised network.

    Raises `UserError` for an architecture this version does not know, parameters it does not take, and a network so
    large that it is not built (`network_size`).
    """
    if architecture not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise UserError(
            f"The model uses the network “{architecture}”, which this version of the program does not know.",
            f"Choose a model made for one of: {known}; or update the program.",
        )
    size = network_size(architecture, parameters, in_channels, out_channels)
    if size is not None and size.problem:
        raise UserError(f"The model asks for {size.problem}.", "Choose a smaller model.")
    try:
        return _class_of(architecture)(in_channels, out_channels, **parameters)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(
            f"The parameters of the network “{architecture}” do not make sense: {error}.",
            "Choose another model, or ask its maker for a corrected card.json.",
        ) from error


def _class_of(architecture: str) -> Callable[..., SegmentationNetwork]:
    if architecture == RESIDUAL_INCEPTION_UNET:
        return ResidualInceptionUNet
    from glioma_annotator.inference.monai_networks import DynUNetNetwork, SegResNetNetwork  # a second to import

    return {DYNUNET: DynUNetNetwork, SEGRESNET: SegResNetNetwork}[architecture]
