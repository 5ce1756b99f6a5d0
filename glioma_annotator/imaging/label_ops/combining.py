"""Writing a mask into labels: one label's new extent, logical operations, a label from another mask."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

import numpy as np
from scipy import ndimage

from glioma_annotator.domain.geometry import Box
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.imaging.label_ops.patch import Mask


class Logic(StrEnum):
    """How a label is combined with the same or another label of another mask."""

    ADD = "add"
    SUBTRACT = "subtract"
    INTERSECT = "intersect"
    DIFFERENCE = "difference"


def combined(one: Mask, other: Mask, logic: Logic) -> Mask:
    """Union, what `other` has not, what both have, or what only one of them has; masks of one shape (i, j, k)."""
    if logic is Logic.ADD:
        return one | other
    if logic is Logic.SUBTRACT:
        return one & ~other
    if logic is Logic.INTERSECT:
        return one & other
    return one ^ other


def with_extent(
    labels: LabelArray, value: int, mask: Mask, *, over_labels: bool = False, heal: bool = False
) -> LabelArray:
    """Labels (i, j, k) in which label `value` covers just `mask`.

    Parameters
    ----------
    over_labels: whether voxels of other labels are taken too; else only background is.
    heal: what the label leaves goes to the nearest other label or background instead of to background.
    """
    result = labels.copy()
    gone = (labels == value) & ~mask
    if gone.any():
        result[gone] = _nearest_other(labels, value, gone) if heal else 0
    free = mask if over_labels else mask & (labels == 0)
    result[free] = value
    return result


def _nearest_other(labels: LabelArray, value: int, gone: Mask) -> LabelArray:
    """For every voxel of `gone`, the value of the nearest voxel (counted in voxels) that is not of the label."""
    box = Box.around(labels == value)
    assert box is not None
    area = box.grown(1).clipped((labels.shape[0], labels.shape[1], labels.shape[2]))
    part = labels[area.slices]
    if (part == value).all():
        return np.zeros(int(gone.sum()), dtype=np.uint8)
    nearest = ndimage.distance_transform_edt(part == value, return_distances=False, return_indices=True)
    found: LabelArray = part[tuple(nearest)][gone[area.slices]]
    return found


def replaced(labels: LabelArray, where: Mask, value: int) -> LabelArray:
    """Labels with the voxels of `where` set to `value`."""
    return np.where(where, np.uint8(value), labels)


def copied(labels: LabelArray, source: LabelArray, values: Collection[int], *, replace: bool = True) -> LabelArray:
    """Labels with the labels `values` taken over from `source` of the same shape.

    With `replace` a taken label ends up as it is in the source; else its voxels are added over background only.
    """
    chosen = sorted(values)
    taken = np.isin(source, chosen)
    if not replace:
        return np.where(taken & (labels == 0), source, labels)
    cleared = np.where(np.isin(labels, chosen), np.uint8(0), labels)
    return np.where(taken, source, cleared)
