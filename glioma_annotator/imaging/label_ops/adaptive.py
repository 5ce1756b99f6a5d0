"""The adaptive brush: of the voxels under the brush only those like the ones at its centre."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.imaging.brush import Brush, footprint_offsets
from glioma_annotator.imaging.label_ops.patch import Index, box_around, inside

#: Part of the brush's diameter that is taken as an example of what to paint.
_CORE = 0.3
#: An example of equal voxels would accept only its own value; noise of this share of it is expected at least.
_LEAST_NOISE = 0.02


def like_centre(image: NDArray[Any], centre: Index, brush: Brush, grid: Grid, tolerance: float) -> NDArray[np.int64]:
    """Flat C-order indices, ascending, of the voxels under the brush that are like its centre and connected to it.

    Alike means within `tolerance` standard deviations of the mean of the voxels in the middle of the brush, and the
    region reaches voxels through faces only, so it stops at edges. Empty when the centre lies outside the image.

    Parameters
    ----------
    image: intensities (i, j, k).
    centre: voxel under the middle of the brush.
    tolerance: in standard deviations, > 0.
    """
    if not inside(centre, grid.shape):
        return np.zeros(0, dtype=np.int64)
    offsets = footprint_offsets(brush, grid)
    reach = np.abs(offsets).max(axis=0)
    box = box_around(centre, (int(reach[0]), int(reach[1]), int(reach[2])), grid.shape)
    part = np.asarray(image[box.slices], dtype=np.float32)
    core = _valid(footprint_offsets(Brush(brush.diameter_mm * _CORE, brush.axis), grid) + centre, grid)
    example = image[tuple(core.T)].astype(np.float64)
    mean = float(example.mean())
    spread = max(float(example.std()), _LEAST_NOISE * abs(mean), 1e-6)
    alike = np.zeros(part.shape, dtype=np.bool_)
    under = _valid(offsets + centre, grid) - np.asarray(box.start)
    alike[tuple(under.T)] = True
    alike &= np.abs(part - mean) <= tolerance * spread
    at = tuple(c - s for c, s in zip(centre, box.start, strict=True))
    alike[at] = True
    numbered, _ = ndimage.label(alike)
    i, j, k = (np.argwhere(numbered == numbered[at]) + np.asarray(box.start)).T
    flat: NDArray[np.int64] = ((i * grid.shape[1] + j) * grid.shape[2] + k).astype(np.int64)
    return flat


def _valid(voxels: NDArray[np.int64], grid: Grid) -> NDArray[np.int64]:
    kept: NDArray[np.int64] = voxels[((voxels >= 0) & (voxels < np.asarray(grid.shape))).all(axis=1)]
    return kept
