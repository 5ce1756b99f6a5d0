"""Filling the slices between painted ones.

Shape-based interpolation: Raya and Udupa, "Shape-based interpolation of multidimensional objects", IEEE Trans. Med.
Imaging 9 (1990) 32-42. A slice between two painted ones holds the voxels where the interpolated signed distance to the
two outlines is positive. Outlines that do not overlap are brought together by their centroids first, for else nothing
would lie between them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.imaging.label_ops.lasso import plane_axes
from glioma_annotator.imaging.label_ops.patch import Mask


def between_slices(mask: Mask, grid: Grid, axis: int) -> Mask:
    """A mask (i, j, k) with the empty slices between two painted ones filled; painted slices are given back as is.

    `axis` is the array axis normal to the slices. Raises `ValueError` when no empty slice lies between two painted.
    """
    slices = np.moveaxis(mask, axis, 0)
    painted = np.flatnonzero(slices.any(axis=(1, 2)))
    gaps = np.flatnonzero(np.diff(painted) > 1)
    if gaps.size == 0:
        raise ValueError("no empty slice lies between two painted ones")
    a, b = plane_axes(axis)
    sampling = (grid.spacing_mm[a], grid.spacing_mm[b])
    filled = mask.copy()
    target = np.moveaxis(filled, axis, 0)
    for gap in gaps:
        first, last = int(painted[gap]), int(painted[gap + 1])
        _fill_gap(target, slices[first], slices[last], first, last, sampling)
    return filled


def fillable(labels: LabelArray, value: int, axis: int) -> bool:
    """Whether a label has an empty slice between two painted ones along `axis`."""
    others = tuple(a for a in range(3) if a != axis)
    painted = np.flatnonzero((labels == value).any(axis=others))
    return bool((np.diff(painted) > 1).any())


def _fill_gap(target: Mask, below: Mask, above: Mask, first: int, last: int, sampling: tuple[float, float]) -> None:
    shift = np.zeros(2)
    if not (below & above).any():
        shift = np.subtract(ndimage.center_of_mass(above), ndimage.center_of_mass(below))
    low, high = _signed_mm(below, sampling), _signed_mm(above, sampling)
    for number in range(first + 1, last):
        share = (number - first) / (last - first)
        moved_low, moved_high = low, high
        if shift.any():
            moved_low = ndimage.shift(low, share * shift, order=1, mode="nearest")
            moved_high = ndimage.shift(high, (share - 1) * shift, order=1, mode="nearest")
        target[number] = (1 - share) * moved_low + share * moved_high > 0


def _signed_mm(mask: Mask, sampling: tuple[float, float]) -> NDArray[np.float64]:
    """Distance in mm to the outline, positive inside; both sides measured to the nearest voxel centre beyond it."""
    outside = ndimage.distance_transform_edt(~mask, sampling=sampling)
    within = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=sampling)[1:-1, 1:-1]
    signed: NDArray[np.float64] = np.where(mask, within, -outside)
    return signed
