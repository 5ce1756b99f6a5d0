"""Smooth random fields."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]

#: Standard deviation of a cubic B-spline field with unit normal coefficients in 3D: (151 / 315) ** 1.5.
_SPLINE_STD = (151.0 / 315.0) ** 1.5


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> Field:
    """A random field of mean about 0 and standard deviation about 1, float32, axes as in `shape`.

    Parameters
    ----------
    scale: distance between the control points of the cubic B-spline, in voxels; structures are about that large.
    """
    weights = [_spline_weights(n, max(scale, 1.0), float(rng.random())) for n in shape]
    field = rng.standard_normal([w.shape[1] for w in weights]).astype(np.float32)
    for matrix in weights:
        field = np.tensordot(field, matrix, axes=(0, 1))  # contracts the first axis, appends the fine one
    return np.asarray(field / np.float32(_SPLINE_STD))


def _spline_weights(length: int, scale: float, phase: float) -> Field:
    """Cubic B-spline weights, shape (length, control points), of control points `scale` voxels apart."""
    position = np.arange(length) / scale + phase
    cell = np.floor(position).astype(int)
    t = position - cell
    taps = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]) / 6
    weights = np.zeros((length, int(cell[-1]) + 4), dtype=np.float32)
    for tap in range(4):
        weights[np.arange(length), cell + tap] = taps[tap]
    return weights
