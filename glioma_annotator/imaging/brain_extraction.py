"""Around the brain model: what it is given, and from its answer to a mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.components import fill_holes, largest
from glioma_annotator.imaging.resampling import resample_to

#: Percentiles of the voxels in front of the air that become 0 and 1.
_LOW, _HIGH = 0.5, 99.5
_STRIDE = 3
#: No scan of a head is longer than this; a longer one is a wrong voxel size in its header.
LONGEST_MM = 400.0
#: A smaller mask is no brain: a child's of one year has about 900 mL, a slab of five thick slices about 200 mL.
LEAST_BRAIN_ML = 100.0
#: From this mean share of looks and scans on a voxel is brain: more than half of them, so that ties are none.
BRAIN_SHARE = 0.55
#: Half the width of the widest gap that is closed. Sulci are within the share of brain that models learn.
GAP_MM = 2.0


def scaled(image: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Intensities (i, j, k) brought to 0 to 1 by percentiles, float32; all 0 when they are constant.

    Zeros (air that was masked, or what lies beyond the field of view) do not count in the percentiles, and stay 0
    where no intensity is negative.
    """
    finite = np.nan_to_num(np.asarray(image, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    few = finite[::_STRIDE, ::_STRIDE, ::_STRIDE]
    values = few[few != 0]
    if values.size == 0:
        return np.zeros(finite.shape, dtype=np.float32)
    low, high = np.percentile(values, (_LOW, _HIGH))
    if few.min() >= 0:
        low = 0.0  # air is 0 on every MR image; its noise says little
    if high <= low:
        return np.zeros(finite.shape, dtype=np.float32)
    return np.asarray(np.clip((finite - np.float32(low)) / np.float32(high - low), 0, 1), dtype=np.float32)


def at_spacing(volume: Volume, spacing_mm: Sequence[float]) -> Volume:
    """The scan on voxels of `spacing_mm` (i, j, k) along its own axes, smoothed first along axes that get coarser.

    Raises `UserError` when the scan is impossibly long.
    """
    have, want = np.asarray(volume.grid.spacing_mm), np.asarray(spacing_mm, dtype=np.float64)
    lengths = have * volume.grid.shape
    if lengths.max() > LONGEST_MM:
        raise UserError(
            f"The scan would be {lengths.max():.0f} mm long: the voxel size in its header must be wrong.",
            "Correct the header, or leave the file out.",
        )
    from scipy.ndimage import gaussian_filter  # here, to keep it off the program's start

    shape = np.maximum(np.rint(lengths / want).astype(int), 1)
    scale = lengths / shape / have
    affine = volume.grid.affine @ np.diag([*scale, 1.0])
    affine[:3, 3] = volume.grid.index_to_world((scale - 1) / 2)
    sigma = np.where(scale > 1, 0.4 * np.sqrt(np.maximum(scale**2 - 1, 0)), 0)
    data = gaussian_filter(np.asarray(volume.data, dtype=np.float32), sigma, truncate=3) if sigma.any() else volume.data
    grid = Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)
    return resample_to(Volume(data, volume.grid), grid)


def mean_share(shares: Sequence[Volume], grid: Grid) -> NDArray[np.float32]:
    """The mean share of brain (i, j, k on `grid`) over several scans of one head, each where it was taken."""
    total, seen = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.float32)
    for share in shares:
        total += resample_to(share, grid).data
        seen += resample_to(Volume(np.ones(share.grid.shape, np.float32), share.grid), grid).data
    return np.asarray(total / np.maximum(seen, 1e-3), dtype=np.float32)


def mask_of_share(share: NDArray[np.float32], grid: Grid) -> NDArray[np.bool_]:
    """The brain mask (i, j, k) of the share of brain in each voxel: `BRAIN_SHARE`, largest component, holes filled.

    Gaps of up to twice `GAP_MM` are closed: the mask goes over the sulci, not into them.

    Raises `UserError` when there is no brain.
    """
    mask = fill_holes(_closed(largest(share >= BRAIN_SHARE), grid))
    if np.count_nonzero(mask) * grid.voxel_volume_ml < LEAST_BRAIN_ML:
        raise UserError(
            "No brain was found in the scan.",
            "Check that it shows a head and that its voxel size is right, or import it as it is.",
        )
    return mask


def _closed(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    """Closing by a ball of `GAP_MM`."""
    box = Box.around(mask)
    if box is None:
        return mask
    from scipy.ndimage import distance_transform_edt  # here, to keep it off the program's start

    reach = [(int(np.ceil(GAP_MM / mm)) + 1,) * 2 for mm in grid.spacing_mm]
    padded = np.pad(mask[box.slices], reach)
    near = distance_transform_edt(~padded, sampling=grid.spacing_mm) <= GAP_MM
    closed = distance_transform_edt(near, sampling=grid.spacing_mm) > GAP_MM
    inner = tuple(slice(r[0], -r[0]) for r in reach)
    result = mask.copy()
    result[box.slices] |= closed[inner]
    return result
