"""Closed outlines drawn by hand and the voxels within them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.draw import polygon as polygon_voxels
from skimage.measure import approximate_polygon

from glioma_annotator.domain.geometry import Shape


def plane_axes(axis: int) -> tuple[int, int]:
    """The two array axes within a slice normal to `axis`, ascending."""
    first, second = (a for a in range(3) if a != axis)
    return first, second


def enclosed(points: ArrayLike, axis: int, number: int, shape: Shape, slices: int = 0) -> NDArray[np.int64]:
    """Flat C-order indices, ascending, of the voxels whose centres lie within or on a closed outline.

    Parameters
    ----------
    points: fractional array indices (n, 3), n >= 3; the last is joined to the first. Crossing outlines fill by the
        even-odd rule.
    axis, number: the slice it was drawn in.
    shape: of the array.
    slices: how many slices to either side are filled as well.
    """
    outline = np.asarray(points, dtype=np.float64)
    if len(outline) < 3:
        return np.zeros(0, dtype=np.int64)
    a, b = plane_axes(axis)
    rows, columns = polygon_voxels(  # type: ignore[no-untyped-call]
        outline[:, a], outline[:, b], (shape[a], shape[b])
    )
    numbers = np.arange(max(number - slices, 0), min(number + slices, shape[axis] - 1) + 1)
    voxels = np.empty((len(numbers), len(rows), 3), dtype=np.int64)
    voxels[..., a], voxels[..., b], voxels[..., axis] = rows, columns, numbers[:, None]
    i, j, k = voxels.reshape(-1, 3).T
    flat: NDArray[np.int64] = np.unique((i * shape[1] + j) * shape[2] + k)
    return flat


def simplified(points: ArrayLike, axis: int, spacing_mm: ArrayLike, tolerance_mm: float) -> NDArray[np.float64]:
    """A freehand outline (n, 3) in a slice normal to `axis`, with only the vertices that matter.

    None of those left out is further than `tolerance_mm` from the result.

    Ramer-Douglas-Peucker (scikit-image's `approximate_polygon`) on the outline in mm.
    """
    outline, spacing = np.array(points, dtype=np.float64), np.asarray(spacing_mm, dtype=np.float64)
    if len(outline) < 4:
        return outline
    plane = list(plane_axes(axis))
    kept = approximate_polygon(outline[:, plane] * spacing[plane], tolerance_mm)  # type: ignore[no-untyped-call]
    result = np.full((len(kept), 3), outline[0, axis])
    result[:, plane] = kept / spacing[plane]
    return result
