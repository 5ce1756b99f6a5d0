"""Islands: the connected components of every label, listed and removed."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.island import Island
from glioma_annotator.domain.volume import LabelArray

_FULL = np.ones((3, 3, 3), dtype=np.bool_)


def islands(labels: LabelArray, grid: Grid, values: Collection[int]) -> tuple[Island, ...]:
    """Every island of the labels `values` (i, j, k), largest first."""
    found = [island for value in values for island in _of_label(labels, grid, value)]
    return tuple(sorted(found, key=lambda island: -island.voxels))


def _of_label(labels: LabelArray, grid: Grid, value: int) -> list[Island]:
    mask = labels == value
    box = Box.around(mask)
    if box is None:
        return []
    numbered, count = ndimage.label(mask[box.slices], structure=_FULL)
    voxels = np.argwhere(numbered) + np.asarray(box.start)
    number = numbered[numbered > 0]
    order = np.argsort(number, kind="stable")
    pieces = np.split(voxels[order], np.cumsum(np.bincount(number, minlength=count + 1)[1:])[:-1])
    return [_island(piece, value, grid) for piece in pieces]


def _island(voxels: NDArray[np.intp], value: int, grid: Grid) -> Island:
    middle = voxels.mean(axis=0)
    nearest = voxels[int(((voxels - middle) ** 2).sum(axis=1).argmin())]
    x, y, z = grid.index_to_world(middle)
    flat = (voxels[:, 0] * grid.shape[1] + voxels[:, 1]) * grid.shape[2] + voxels[:, 2]
    return Island(
        value=value,
        ml=len(voxels) * grid.voxel_volume_ml,
        voxels=len(voxels),
        centroid_mm=(float(x), float(y), float(z)),
        inside=(int(nearest[0]), int(nearest[1]), int(nearest[2])),
        index=flat.astype(np.int64),
    )


def without(labels: LabelArray, removed: Collection[Island]) -> LabelArray:
    """Labels with the voxels of some islands made background."""
    return relabelled(labels, removed, 0)


def relabelled(labels: LabelArray, changed: Collection[Island], value: int) -> LabelArray:
    """Labels with the voxels of some islands set to `value`."""
    result = labels.copy()
    flat = result.reshape(-1)
    for island in changed:
        flat[island.index] = value
    return result
