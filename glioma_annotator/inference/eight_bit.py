"""Residual-inception U-Nets computed in 8 bits: for processors whose 8-bit products are the fastest.

What a convolution reads is rounded to 256 levels over a range that was measured once and travels in the model's card,
and its weights to 255 levels per output channel (Jacob et al., CVPR 2018, arXiv 1712.05877). The convolutions that read
the images, and the head, keep their precision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from glioma_annotator.inference.exporting import PLACES, exportable
from glioma_annotator.inference.networks import ResidualInceptionUNet, SegmentationNetwork

#: Smallest and largest value of a tensor, by the name of the place in the network where it is read.
Ranges = Mapping[str, tuple[float, float]]
#: Ranges are this much wider than what was measured: another patient's brain may have brighter features.
MARGIN = 1.25
#: Share of an image's values that may lie beyond either end: a few stray ones would make the steps coarse for all.
BEYOND = 1e-5
#: Of a convolution. OpenVINO 2026.4 computes narrower ones wrongly in 8 bits on processors with AMX: with branches of
#: 2 and 3 channels probabilities were off by 0.19, with 4 and more by 0.003.
LEAST_CHANNELS = 4
_MOST_VALUES = 3_000_000
_LEAST_STEP = 1e-6
#: The place and the convolutions that read the images, and the head.
_AS_THEY_ARE = ("head", *(f"encoders.0.{part}" for part in ("at_input", "both", "point", "pooled", "shortcut")))


def measured_ranges(network: SegmentationNetwork, images: Iterable[Tensor]) -> dict[str, tuple[float, float]]:
    """Ranges of what the convolutions of a network read, over images (1, channel, i, j, k).

    Each contains 0 and, but for the share `BEYOND`, what they read of any image; it is wider than that by `MARGIN`.
    Empty for a network that is not computed in 8 bits: any but a residual-inception U-Net, and such with a convolution
    of fewer than `LEAST_CHANNELS`.
    """
    if not isinstance(network, ResidualInceptionUNet):
        return {}
    if min(part.out_channels for part in network.encoders.modules() if isinstance(part, nn.Conv3d)) < LEAST_CHANNELS:
        return {}
    ready = exportable(network)
    watches = {name: _Watch() for name in _places(ready)}
    for name, watch in watches.items():
        _put(ready, name, watch)
    with torch.inference_mode():
        for image in images:
            ready(image)
    return {name: (MARGIN * watch.low, MARGIN * watch.high) for name, watch in watches.items()}


def round_to_eight_bits(ready: SegmentationNetwork, ranges: Ranges) -> None:
    """Change an `exportable` network so that it rounds as it is computed in 8 bits.

    Raises ValueError when `ranges` are not of this network.
    """
    if set(_places(ready)) != set(ranges):
        raise ValueError("the ranges are not of this network")
    for name, (low, high) in ranges.items():
        _put(ready, name, _Round(low, high, symmetric=name.startswith("ups.")))
    for name, module in list(ready.named_modules()):
        if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)) and name not in _AS_THEY_ARE:
            _put(ready, name, _RoundedConvolution(module))


class _Watch(nn.Module):
    """Lets values through and remembers between which nearly all of them lay; 0 counts as seen."""

    low = high = 0.0

    def forward(self, x: Tensor) -> Tensor:
        values = x.flatten()
        values = values[:: -(-len(values) // _MOST_VALUES)].sort().values
        stray = int(BEYOND * len(values))
        self.low, self.high = min(self.low, float(values[stray])), max(self.high, float(values[-1 - stray]))
        return x


class _Round(nn.Module):
    """Values rounded to 256 levels, 0 among them, that reach from `low` to `high`.

    A transposed convolution is computed in 8 bits only where the levels lie symmetrically about 0.
    """

    def __init__(self, low: float, high: float, symmetric: bool) -> None:
        super().__init__()
        if symmetric:
            self.step, self.least, self.most = max(-low / 128, high / 127, _LEAST_STEP), -128, 127
            self.zero = 0
        else:
            self.step, self.least, self.most = max((high - low) / 255, _LEAST_STEP), 0, 255
            self.zero = round(-low / self.step)

    def forward(self, x: Tensor) -> Tensor:
        return torch.fake_quantize_per_tensor_affine(x, self.step, self.zero, self.least, self.most)


class _RoundedConvolution(nn.Module):
    """A convolution whose weights are rounded to 255 levels, symmetric about 0, for each output channel."""

    step: Tensor
    zero: Tensor

    def __init__(self, convolution: nn.Conv3d | nn.ConvTranspose3d) -> None:
        super().__init__()
        self.convolution = convolution
        self.axis = 1 if isinstance(convolution, nn.ConvTranspose3d) else 0
        others = [axis for axis in range(5) if axis != self.axis]
        largest = convolution.weight.detach().abs().amax(dim=others)
        self.register_buffer("step", (largest / 127).clamp(min=_LEAST_STEP))
        self.register_buffer("zero", torch.zeros(len(largest), dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        own = self.convolution
        weight = torch.fake_quantize_per_channel_affine(own.weight, self.step, self.zero, self.axis, -127, 127)
        if isinstance(own, nn.ConvTranspose3d):
            return functional.conv_transpose3d(x, weight, own.bias, own.stride, _three(own.padding), own.output_padding)
        return functional.conv3d(x, weight, own.bias, own.stride, _three(own.padding))


def _three(padding: str | tuple[int, ...]) -> tuple[int, ...]:
    assert not isinstance(padding, str)  # the networks' own are numbers
    return padding


def _places(ready: SegmentationNetwork) -> list[str]:
    """Names of the places where a network reads tensors that are rounded."""
    names = [name for name, _ in ready.named_modules() if name.rpartition(".")[2] in PLACES]
    return [name for name in names if name not in _AS_THEY_ARE]


def _put(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, module)
