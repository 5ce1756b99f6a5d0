"""Connected fill and threshold: voxels of one label, or of one range of intensity, that hang together with a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.domain.geometry import Box, Shape
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.imaging.label_ops.patch import Index, Mask, inside, placed, slice_box


def connected_to(mask: Mask, seed: Index, *, faces_only: bool = False) -> Mask:
    """The component of `mask` (i, j, k) that holds `seed`; empty when the seed lies outside it.

    Neighbours share a face, an edge or a corner (26), or with `faces_only` a face (6): a fill of background must not
    leak through the corners of a thin closed outline.
    """
    if not inside(seed, _shape(mask)) or not mask[seed]:
        return np.zeros_like(mask)
    box = Box.around(mask)
    assert box is not None
    structure = ndimage.generate_binary_structure(3, 1 if faces_only else 3)
    numbered, _ = ndimage.label(mask[box.slices], structure=structure)
    at = tuple(s - b for s, b in zip(seed, box.start, strict=True))
    return placed(numbered == numbered[at], box, _shape(mask))


def same_label(labels: LabelArray, seed: Index, axis: int | None = None) -> Mask:
    """Voxels of the seed's label (background too) connected to it: in its slice normal to `axis`, or in 3D for None."""
    part = _extent(labels, seed, axis)
    value = labels[seed]
    mask = placed(labels[part.slices] == value, part, _shape(labels))
    return connected_to(mask, seed, faces_only=int(value) == 0)


def same_intensity(image: NDArray[Any], seed: Index, low: float, high: float, axis: int | None = None) -> Mask:
    """Voxels with `low` <= intensity <= `high` connected through faces to the seed; `axis` as in `same_label`."""
    part = _extent(image, seed, axis)
    mask = placed(in_range(image[part.slices], low, high), part, _shape(image))
    return connected_to(mask, seed, faces_only=True)


def in_range(values: NDArray[Any], low: float, high: float, *, inverted: bool = False) -> Mask:
    """Whether intensities (any shape) lie in `low`..`high`, both included; with `inverted`, whether they do not."""
    within = (values >= low) & (values <= high)
    return ~within if inverted else np.asarray(within)


def sampled_range(values: NDArray[Any], share: float = 0.9) -> tuple[float, float]:
    """The range of intensity of an example: the middle `share` of its voxels. Raises `ValueError` for no voxels."""
    if values.size == 0:
        raise ValueError("an example needs at least one voxel")
    edge = 50 * (1 - share)
    low, high = np.percentile(values, [edge, 100 - edge])
    return float(low), float(high)


def _extent(array: NDArray[Any], seed: Index, axis: int | None) -> Box:
    shape = _shape(array)
    return Box.whole(shape) if axis is None else slice_box(axis, seed[axis], shape)


def _shape(array: NDArray[Any]) -> Shape:
    i, j, k = array.shape
    return i, j, k
