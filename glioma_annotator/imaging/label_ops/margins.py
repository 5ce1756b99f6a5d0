"""Margins in millimetres: growing and shrinking a mask by a distance measured in the world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box, FloatArray, Grid, Shape
from glioma_annotator.imaging.label_ops.patch import Mask, placed, reach_voxels, widened

#: Relative length of a shear above which distances along the axes do not add up as in a right-angled grid.
_RIGHT_ANGLED = 1e-3


@dataclass(frozen=True, slots=True)
class RealisedMargin:
    """What voxels allow of a margin asked for in mm.

    Attributes
    ----------
    voxels: whole voxels along array axes (i, j, k) that the margin spans.
    mm: the same in mm.
    """

    voxels: Shape
    mm: tuple[float, float, float]


def realised(grid: Grid, mm: float) -> RealisedMargin:
    """The largest whole number of voxels along each axis that is no longer than `mm`."""
    i, j, k = (int(mm / spacing + 1e-9) for spacing in grid.spacing_mm)
    x, y, z = (n * spacing for n, spacing in zip((i, j, k), grid.spacing_mm, strict=True))
    return RealisedMargin((i, j, k), (x, y, z))


def grow(mask: Mask, mm: float, grid: Grid) -> Mask:
    """Every voxel whose centre lies within `mm` of a voxel centre of the mask (i, j, k)."""
    box = Box.around(mask)
    if box is None or mm <= 0:
        return mask.copy()
    area = widened(box, reach_voxels(grid, mm), grid.shape)
    return placed(_within(mask[area.slices], mm, grid), area, grid.shape)


def shrink(mask: Mask, mm: float, grid: Grid) -> Mask:
    """The voxels of the mask (i, j, k) further than `mm` from every voxel centre outside it.

    What lies beyond the image is not known to be outside, so a mask at its edge keeps its face there.
    """
    box = Box.around(mask)
    if box is None or mm <= 0:
        return mask.copy()
    area = widened(box, (1, 1, 1), grid.shape)
    inner = mask[area.slices]
    if inner.all():
        return mask.copy()
    return placed(inner & ~_within(~inner, mm, grid), area, grid.shape)


def _within(part: Mask, mm: float, grid: Grid) -> Mask:
    """Voxels no further than `mm` from the nearest voxel of `part`, which lies on a part of `grid`."""
    from scipy import ndimage  # here, to keep it off the program's start
    from scipy.spatial import KDTree

    tolerance = 1e-6
    if right_angled(grid):
        distance = ndimage.distance_transform_edt(~part, sampling=grid.spacing_mm)
        return np.asarray(distance <= mm + tolerance)
    matrix: FloatArray = grid.affine[:3, :3]
    surface = part & ~ndimage.binary_erosion(part)
    outside = np.argwhere(~part)
    result = part.copy()
    if outside.size:
        near, _ = KDTree(np.argwhere(surface) @ matrix.T).query(
            outside @ matrix.T, distance_upper_bound=mm + 2 * tolerance
        )
        reached: NDArray[np.intp] = outside[near <= mm + tolerance]
        result[tuple(reached.T)] = True
    return result


def right_angled(grid: Grid) -> bool:
    """Whether the grid's axes are perpendicular, as those of every scan without gantry tilt are."""
    unit = grid.affine[:3, :3] / np.asarray(grid.spacing_mm)
    return bool(np.abs(unit.T @ unit - np.eye(3)).max() < _RIGHT_ANGLED)
