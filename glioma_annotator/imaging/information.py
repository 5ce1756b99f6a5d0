"""How much two scans tell about each other, as one number that a reader can compare."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.volume import Volume
from glioma_annotator.imaging.resampling import resample_to

_BINS = 32
_SPACING_MM = 2.0
_LEAST_VOXELS = 200


def shared_information(fixed: Volume, moving: Volume, mask: NDArray[np.bool_] | None = None) -> float:
    """Share of the information that two scans have in common, 0 (none) to 1 (each determines the other).

    The symmetric uncertainty 2 I(f; m) / (H(f) + H(m)) of a joint histogram of 32 x 32 bins, on about 2 mm, where both
    have values; constant background is left out. 0 when they hardly overlap.

    Parameters
    ----------
    mask: (i, j, k) on `fixed`; None for everything in front of the background.
    """
    step = [max(1, round(_SPACING_MM / mm)) for mm in fixed.grid.spacing_mm]
    cut = tuple(slice(None, None, s) for s in step)
    ours = np.asarray(fixed.data[cut], dtype=np.float32)
    affine = fixed.grid.affine @ np.diag([*step, 1.0])
    grid = Grid((ours.shape[0], ours.shape[1], ours.shape[2]), affine)
    theirs = resample_to(moving, grid).data
    where = (ours != ours.flat[0]) if mask is None else mask[cut]
    inside = where & (resample_to(Volume(np.ones(moving.data.shape, np.float32), moving.grid), grid).data > 0.99)
    if np.count_nonzero(inside) < _LEAST_VOXELS:
        return 0.0
    joint, _, _ = np.histogram2d(_binned(ours[inside]), _binned(theirs[inside]), bins=_BINS, range=[[0, 1], [0, 1]])
    shares = joint / joint.sum()
    one, other, both = (_entropy(p) for p in (shares.sum(axis=1), shares.sum(axis=0), shares))
    return float(max(0.0, 2 * (one + other - both) / (one + other))) if one + other > 0 else 0.0


def _binned(values: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = np.percentile(values, (0.5, 99.5))
    return np.asarray(np.clip((values - low) / max(high - low, 1e-6), 0, 1), dtype=np.float32)


def _entropy(shares: NDArray[np.float64]) -> float:
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())
