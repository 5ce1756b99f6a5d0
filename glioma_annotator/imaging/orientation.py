"""Between the axis order of a file and the closest canonical (RAS) order that the program works in.

Axes are only permuted and flipped, so no voxel is interpolated and the way back is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glioma_annotator.domain.geometry import FloatArray, Grid, Shape


def axis_codes(affine: ArrayLike) -> str:
    """Axis codes of an index-to-RAS affine (4, 4), e.g. "LPS": where each array axis points, to the closest axis."""
    from nibabel import orientations  # here and below, to keep it off the program's start

    return "".join(orientations.aff2axcodes(np.asarray(affine)))


def canonical_grid(shape: Shape, affine: ArrayLike) -> Grid:
    """The grid of a file of `shape` and `affine` after its axes are brought into closest canonical order."""
    from nibabel import orientations

    turn = orientations.io_orientation(np.asarray(affine))
    new_shape = [0, 0, 0]
    for axis, target in enumerate(turn[:, 0].astype(int)):
        new_shape[target] = shape[axis]
    new_affine = np.asarray(affine) @ orientations.inv_ornt_aff(turn, shape)
    return Grid((new_shape[0], new_shape[1], new_shape[2]), new_affine)


def to_canonical(data: NDArray[Any], affine: ArrayLike) -> NDArray[Any]:
    """A view of `data` (file order) with its axes in closest canonical order."""
    from nibabel import orientations

    return np.asarray(orientations.apply_orientation(data, orientations.io_orientation(np.asarray(affine))))


def from_canonical(data: NDArray[Any], grid: Grid, source_axes: str) -> tuple[NDArray[Any], FloatArray]:
    """A view of `data` (i, j, k on `grid`) in the axis order `source_axes`, e.g. "LPS", and the affine of that view."""
    from nibabel import orientations

    canonical = orientations.axcodes2ornt("RAS")
    turn = orientations.ornt_transform(canonical, orientations.axcodes2ornt(source_axes))
    affine = grid.affine @ orientations.inv_ornt_aff(turn, grid.shape)
    return np.asarray(orientations.apply_orientation(data, turn)), np.asarray(affine, dtype=np.float64)
