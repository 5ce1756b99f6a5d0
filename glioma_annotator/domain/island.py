"""An island of a mask: a connected component of one label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Island:
    """A connected component (26 neighbours) of one label.

    Attributes
    ----------
    value: its label.
    ml: volume in mL.
    voxels: number of voxels.
    centroid_mm: mean of its voxel centres, world RAS mm.
    inside: a voxel of it near the centroid (i, j, k); inside[2] is the axial slice.
    index: flat C-order indices of its voxels, ascending.
    """

    value: int
    ml: float
    voxels: int
    centroid_mm: tuple[float, float, float]
    inside: tuple[int, int, int]
    index: NDArray[np.int64]
