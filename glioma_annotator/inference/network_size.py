"""How large a network would be, from its name and parameters alone: nothing is built, torch is not needed.

A card or a bundle comes from anywhere. One that asks for a million filters must be refused in words before the memory
is asked for; the counts below are exact for the networks of `inference.networks` (tests compare them).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Weights that a network may have: 1 GiB in float32. The published network has 7 million, the largest of nnU-Net's
#: presets (ResEnc XL, Isensee et al. 2024, arXiv 2404.09556) about 140 million.
MOST_WEIGHTS = 256 * 2**20
#: Channels at the images' full resolution, where memory is used: 0.5 GiB for a patch of 64 voxels' edge. The published
#: network has 96, nnU-Net's 64.
MOST_WIDTH = 512
#: Levels: with nine, an image has to be a multiple of 256 voxels.
MOST_LEVELS = 9
#: Blocks of a level, where their number is a parameter.
MOST_BLOCKS = 32


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """Weights of a network, its widest layer at the images' full resolution, its levels, its blocks in a level."""

    weights: int
    width: int
    levels: int
    blocks: int = 1

    @property
    def problem(self) -> str:
        """Why it is not built; empty where it may be."""
        for what, there, most in (
            ("levels", self.levels, MOST_LEVELS),
            ("blocks in a level", self.blocks, MOST_BLOCKS),
            ("channels at full resolution", self.width, MOST_WIDTH),
            ("weights", self.weights, MOST_WEIGHTS),
        ):
            if there > most:
                return f"a network of {_plain(there)} {what}, at most {_plain(most)} are built"
        return ""


def network_size(
    architecture: str, parameters: Mapping[str, Any], in_channels: int, out_channels: int
) -> NetworkSize | None:
    """The size of a network; None for one that is unknown, or parameters that make no sense: building it says so."""
    measure = _MEASURES.get(architecture)
    try:
        return measure(in_channels, out_channels, parameters) if measure is not None else None
    except (TypeError, ValueError, OverflowError):
        return None


def _residual_inception(channels: int, classes: int, parameters: Mapping[str, Any]) -> NetworkSize:
    filters = _numbers(parameters.get("filters", (24, 48, 96, 192)))
    fraction = float(parameters.get("branch_fraction", 1.0))
    if max(filters) > MOST_WEIGHTS:  # a share of it may be no number that a computer has
        return NetworkSize(max(filters), 0, len(filters))

    def branch(outputs: int) -> int:
        return max(1, round(outputs * fraction))

    def inception(inputs: int, outputs: int) -> int:
        b = branch(outputs)
        branches = 2 * _simple(inputs, b, 1) + 2 * _simple(inputs, b, 3) + _simple(b, b, 3)
        return branches + _simple(4 * b, outputs, 1) + (inputs * outputs if inputs != outputs else 0)

    weights = inception(channels, filters[0]) + sum(inception(f, f) for f in filters[1:])
    weights += sum(inception(2 * f, f) for f in filters[:-1])
    weights += sum(_simple(fine, coarse, 3) + _simple(coarse, fine, 3) for fine, coarse in itertools.pairwise(filters))
    weights += filters[0] * classes + classes
    width = max(4 * branch(filters[0]), 2 * filters[0], channels, classes)
    return NetworkSize(weights, width, len(filters))


def _dynunet(channels: int, classes: int, parameters: Mapping[str, Any]) -> NetworkSize:
    filters = _numbers(parameters.get("filters", (32, 64, 128, 256)))
    residual = bool(parameters.get("residual", False))

    def block(inputs: int, outputs: int, stride: int) -> int:
        weights = 27 * outputs * (inputs + outputs) + 4 * outputs
        if residual and (stride > 1 or inputs != outputs):
            weights += inputs * outputs + 2 * outputs
        return weights

    def up(coarse: int, fine: int) -> int:
        return 8 * coarse * fine + 27 * fine * (2 * fine + fine) + 4 * fine

    pairs = list(itertools.pairwise(filters))
    weights = block(channels, filters[0], 1) + sum(block(fine, coarse, 2) for fine, coarse in pairs)
    weights += sum(up(coarse, fine) for fine, coarse in pairs) + filters[0] * classes + classes
    return NetworkSize(weights, max(2 * filters[0], channels, classes), len(filters))


def _segresnet(channels: int, classes: int, parameters: Mapping[str, Any]) -> NetworkSize:
    (first,) = _numbers([parameters.get("init_filters", 16)])
    down = _numbers(parameters.get("blocks_down", (1, 2, 2, 4)))
    up = _numbers(parameters.get("blocks_up", (1, 1, 1)))
    if len(down) > MOST_LEVELS:  # before filters are doubled as often
        return NetworkSize(0, 0, len(down))

    def block(width: int) -> int:
        return 2 * 27 * width * width + 4 * width

    widths = [first * 2**level for level in range(len(down))]
    weights = 27 * channels * first + sum(n * block(width) for n, width in zip(down, widths, strict=True))
    weights += sum(27 * fine * coarse + coarse * fine for fine, coarse in itertools.pairwise(widths))
    weights += sum(n * block(width) for n, width in zip(up, widths[-2::-1], strict=True))
    weights += 2 * first + first * classes + classes
    return NetworkSize(weights, max(first, channels, classes), len(down), max(*down, *up))


_MEASURES: dict[str, Callable[[int, int, Mapping[str, Any]], NetworkSize]] = {
    "residual-inception-unet": _residual_inception,
    "dynunet": _dynunet,
    "segresnet": _segresnet,
}


def _simple(inputs: int, outputs: int, kernel: int) -> int:
    """Weights of a convolution with bias and its batch normalisation."""
    return inputs * outputs * kernel**3 + 3 * outputs


def _numbers(values: Sequence[Any]) -> list[int]:
    """Whole numbers; raises `ValueError` where one is none, or there is none at all."""
    if isinstance(values, (str, bytes)) or not len(values) or any(not isinstance(v, int) for v in values):
        raise ValueError
    return list(values)


def _plain(number: int) -> str:
    """A number in words that fit on a line, however large."""
    if number >= 10**15:
        return f"10 to the power of {math.floor(math.log10(number))}"
    return f"{number / 1e6:,.0f} million" if number >= 10**6 else f"{number:,}"
