"""Working on the part of an array that matters."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box, Grid, Shape

Mask = NDArray[np.bool_]
Index = tuple[int, int, int]


def reach_voxels(grid: Grid, mm: float) -> Shape:
    """Voxels along each array axis that a ball of radius `mm` spans to one side, on an oblique or sheared grid too."""
    inverse = np.linalg.inv(grid.affine[:3, :3])
    i, j, k = (math.floor(mm * float(np.linalg.norm(row)) + 1e-9) for row in inverse)
    return i, j, k


def box_around(index: Index, reach: Shape, shape: Shape) -> Box:
    """The box of `reach` voxels to each side of `index`, within an array of `shape`."""
    low = (index[0] - reach[0], index[1] - reach[1], index[2] - reach[2])
    high = (index[0] + reach[0] + 1, index[1] + reach[1] + 1, index[2] + reach[2] + 1)
    return Box(low, high).clipped(shape)


def widened(box: Box, reach: Shape, shape: Shape) -> Box:
    """A box with `reach` more voxels on every side, within an array of `shape`."""
    (i, j, k), (u, v, w) = box.start, box.stop
    a, b, c = reach
    return Box((i - a, j - b, k - c), (u + a, v + b, w + c)).clipped(shape)


def slice_box(axis: int, number: int, shape: Shape) -> Box:
    """The box of one slice: array index `number` along `axis`."""
    start, stop = [0, 0, 0], list(shape)
    start[axis], stop[axis] = number, number + 1
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def placed(part: Mask, box: Box, shape: Shape) -> Mask:
    """A mask of `shape` (i, j, k) that is `part` within `box` and empty outside."""
    whole = np.zeros(shape, dtype=np.bool_)
    whole[box.slices] = part
    return whole


def inside(index: Index, shape: Shape) -> bool:
    return all(0 <= v < n for v, n in zip(index, shape, strict=True))
