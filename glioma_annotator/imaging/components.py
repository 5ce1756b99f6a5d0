"""Connected components of masks.

Tissue is connected through faces, edges and corners (26 neighbours): a thin oblique rim is one component. Background
is connected through faces only, so that such a rim still encloses what lies inside it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.labels import IGNORE
from glioma_annotator.domain.volume import LabelArray

_FULL = np.ones((3, 3, 3), dtype=bool)


def components(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Number the 26-connected components of a mask (i, j, k).

    Returns an int32 array of the same shape, 0 outside the mask and 1..n in scan order, and n.
    """
    numbered = np.zeros(mask.shape, dtype=np.int32)
    box = Box.around(mask)
    if box is None:
        return numbered, 0
    from scipy import ndimage  # here, to keep it off the program's start

    count = ndimage.label(mask[box.slices], structure=_FULL, output=numbered[box.slices])
    return numbered, int(count)


def largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest 26-connected component of a mask (i, j, k); the first of equal ones; empty for an empty mask."""
    numbered, count = components(mask)
    if count < 2:
        return mask.copy()
    sizes = np.bincount(numbered[mask])
    return np.asarray(numbered == sizes.argmax())


def fill_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask (i, j, k) with every cavity that no path through faces joins to the outside filled."""
    box = Box.around(mask)
    if box is None:
        return mask.copy()
    from scipy import ndimage  # here, to keep it off the program's start

    outside, _ = ndimage.label(np.pad(~mask[box.slices], 1, constant_values=True))
    filled = mask.copy()
    filled[box.slices] = (outside != outside[0, 0, 0])[1:-1, 1:-1, 1:-1]
    return filled


def remove_small(labels: LabelArray, min_ml: float, grid: Grid) -> LabelArray:
    """Labels (i, j, k) without the components of tissue smaller than `min_ml` millilitres.

    All tissues count as one for connectivity: a small island of one label inside another is not a component of its
    own. Voxels marked as not reviewed are neither tissue nor changed.
    """
    tissue = (labels != 0) & (labels != IGNORE)
    numbered, count = components(tissue)
    if count == 0:
        return labels.copy()
    small = np.bincount(numbered[tissue], minlength=count + 1) * grid.voxel_volume_ml < min_ml
    small[0] = False
    return np.where(small[numbered], np.uint8(0), labels)
