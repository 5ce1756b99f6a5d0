"""Brush shapes in millimetres and the voxels a stroke touches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Grid, Shape


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


@lru_cache(maxsize=64)
def _offsets(brush: Brush, spacing_mm: tuple[float, float, float]) -> NDArray[np.int64]:
    radius = brush.diameter_mm / 2
    reach = [0 if axis == brush.axis else int(radius / spacing_mm[axis]) for axis in range(3)]
    axes = [np.arange(-r, r + 1) for r in reach]
    offsets = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    inside = ((offsets * np.asarray(spacing_mm)) ** 2).sum(axis=1) <= radius**2 + 1e-9
    inside |= (offsets == 0).all(axis=1)
    chosen: NDArray[np.int64] = offsets[inside].astype(np.int64)
    chosen.setflags(write=False)
    return chosen


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
    offsets = footprint_offsets(brush, grid)
    voxels = (centres[:, None, :] + offsets[None, :, :]).reshape(-1, 3)
    shape: Shape = grid.shape
    inside = ((voxels >= 0) & (voxels < np.asarray(shape))).all(axis=1)
    voxels = voxels[inside]
    return np.unique((voxels[:, 0] * shape[1] + voxels[:, 1]) * shape[2] + voxels[:, 2])
