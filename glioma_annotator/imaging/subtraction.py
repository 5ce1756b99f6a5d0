"""Two images on one scale of intensity, as their subtraction (`reslicing.Enhancement`) needs them.

The unenhanced image is carried onto the scale of the enhanced one by a straight line, fitted to the head's voxels by
least squares with the worst-fitting ones left out in turn (iterative trimming), so that enhancing tissue, vessels and
misregistered edges have no say. Subtraction maps after intensity matching: Ellingson et al., Radiology 2014;271:200.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 8
_KEPT_SDS = 2.0  # voxels within so many (robust) standard deviations of the line stay in the fit
_MAD_TO_SD = 1.4826
_LEAST_VOXELS = 30
_LEAST_SPREAD = 1e-7  # of the brightest voxel: what rounding makes
_SAMPLES = 200_000


@dataclass(frozen=True, slots=True)
class Matching:
    """`enhanced` is about `slope * plain + offset` where nothing enhances; `noise` is the scatter about it (SD)."""

    slope: float
    offset: float
    noise: float


def match(enhanced: NDArray[np.float32], plain: NDArray[np.float32]) -> Matching:
    """The line that carries `plain` onto the scale of `enhanced`; both (i, j, k) on one grid.

    Voxels that are zero in either are background. Too few others give the identity.
    """
    step = max(1, int(np.ceil((enhanced.size / _SAMPLES) ** (1 / 3))))
    y = enhanced[::step, ::step, ::step].astype(np.float64).reshape(-1)
    x = plain[::step, ::step, ::step].astype(np.float64).reshape(-1)
    inside = np.isfinite(x) & np.isfinite(y) & (x != 0) & (y != 0)
    x, y = x[inside], y[inside]
    if x.size < _LEAST_VOXELS or float(np.ptp(x)) == 0.0:
        return Matching(1.0, 0.0, 0.0)
    kept = np.ones(x.size, dtype=np.bool_)
    least = _LEAST_SPREAD * float(np.abs(y).max())
    slope, offset, spread = 1.0, 0.0, 0.0
    for _ in range(_ROUNDS):
        slope, offset = np.polyfit(x[kept], y[kept], 1)
        away = y - (slope * x + offset)
        middle = float(np.median(away[kept]))  # the line leans towards what enhances; most voxels lie below it
        spread = _MAD_TO_SD * float(np.median(np.abs(away[kept] - middle)))
        still = np.abs(away - middle) <= _KEPT_SDS * max(spread, least)
        if still.sum() < _LEAST_VOXELS or (still == kept).all():
            break
        kept = still
    return Matching(float(slope), float(offset), spread)
