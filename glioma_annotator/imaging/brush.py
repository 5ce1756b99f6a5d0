"""Brush shapes in millimetres and the voxels a stroke touches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Grid


@dataclass(frozen=True, slots=True)
class Brush:
    """A round brush.

    Attributes
    ----------
    diameter_mm: diameter in millimetres, measured between voxel centres.
    axis: array axis normal to the disc (0, 1 or 2); None for a 3D ball.
    """

    diameter_mm: float
    axis: int | None = None


def footprint_offsets(brush: Brush, grid: Grid) -> NDArray[np.int64]:
    """Voxels under the brush, as index offsets (n, 3) from the voxel at its centre.

    A voxel belongs to the brush when its centre lies within the radius, by the grid's spacing along each axis; the
    central voxel always does, so the smallest brush paints one voxel.
    """
    return _offsets(brush, grid.spacing_mm)


@lru_cache(maxsize=8)
def _offsets(brush: Brush, spacing_mm: tuple[float, float, float]) -> NDArray[np.int64]:
    block = _block(brush, spacing_mm)
    offsets: NDArray[np.int64] = np.argwhere(block) - np.asarray(block.shape) // 2
    offsets.setflags(write=False)
    return offsets


@lru_cache(maxsize=32)
def _block(brush: Brush, spacing_mm: tuple[float, float, float]) -> NDArray[np.bool_]:
    """The brush as voxels (i, j, k) around its own, which is the one in the middle."""
    radius = brush.diameter_mm / 2
    reach = [0 if axis == brush.axis else int(radius / spacing_mm[axis]) for axis in range(3)]
    i, j, k = np.ogrid[tuple(slice(-r, r + 1) for r in reach)]
    x, y, z = spacing_mm
    inside: NDArray[np.bool_] = (i * x) ** 2 + (j * y) ** 2 + (k * z) ** 2 <= radius**2 + 1e-9
    inside[tuple(reach)] = True
    inside.setflags(write=False)
    return inside


def line_centres(start: tuple[float, float, float], end: tuple[float, float, float], brush: Brush) -> NDArray[np.int64]:
    """Voxel indices (n, 3) of brush centres from `start` to `end` (fractional indices), `start` left out.

    Consecutive centres are at most one voxel apart along every axis, so that a fast stroke leaves no gap. A disc stays
    in the plane of `end`.
    """
    first, last = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    if brush.axis is not None:
        first[brush.axis] = last[brush.axis]
    steps = max(int(np.ceil(np.abs(last - first).max())), 1)
    share = np.arange(1, steps + 1)[:, None] / steps
    return np.unique(np.rint(first + share * (last - first)).astype(np.int64), axis=0)


def stroke_indices(centres: NDArray[np.int64], brush: Brush, grid: Grid) -> NDArray[np.int64]:
    """Flat C-order indices, unique and ascending, of the voxels under the brush at every centre (n, 3)."""
    block, shape = _block(brush, grid.spacing_mm), grid.shape
    reach = np.asarray(block.shape) // 2
    low = np.maximum(centres.min(axis=0) - reach, 0)
    high = np.minimum(centres.max(axis=0) + reach + 1, shape)
    if (low >= high).any():
        return np.zeros(0, dtype=np.int64)
    under = np.zeros(high - low, dtype=np.bool_)
    for corner in centres - reach:
        start, stop = np.maximum(corner, low), np.minimum(corner + block.shape, high)
        if (start < stop).all():
            part = tuple(slice(a, b) for a, b in zip(start - corner, stop - corner, strict=True))
            under[tuple(slice(a, b) for a, b in zip(start - low, stop - low, strict=True))] |= block[part]
    i, j, k = np.nonzero(under)
    flat: NDArray[np.int64] = ((i + low[0]) * shape[1] + j + low[1]) * shape[2] + k + low[2]
    return flat
