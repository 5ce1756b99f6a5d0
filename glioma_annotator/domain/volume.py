"""A volume: an array of intensities or labels on its grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Grid

LabelArray = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """Intensities or labels on a grid.

    Attributes
    ----------
    data: array with axes (i, j, k) in the grid's order; intensities float32, labels uint8.
    grid: where the voxels lie.
    """

    data: NDArray[Any]
    grid: Grid

    def __post_init__(self) -> None:
        if self.data.shape != self.grid.shape:
            raise ValueError(f"array of shape {self.data.shape} on a grid of shape {self.grid.shape}")
