"""The voxel grid: array indices on one side, RAS millimetres on the other.

Inside the program every volume is held in its *closest canonical* axis order: array axis 0 runs roughly to the
patient's right, axis 1 to anterior, axis 2 to superior. Only axes are permuted and flipped to get there, so voxels
stay the native ones; an oblique grid stays oblique.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Shape = tuple[int, int, int]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A regular voxel grid.

    Attributes
    ----------
    shape: number of voxels along array axes (i, j, k).
    affine: (4, 4) float64, homogeneous index (i, j, k, 1) to world (x, y, z, 1) in RAS millimetres; an index of
        integers is a voxel's centre.
    """

    shape: Shape
    affine: FloatArray

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise ValueError("a grid's affine must be a finite 4 x 4 matrix")
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ValueError(f"a grid needs three axes of at least one voxel, not {self.shape}")
        if abs(np.linalg.det(affine[:3, :3])) < 1e-9:
            raise ValueError("a grid's affine must be invertible")
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxel centres along array axes (i, j, k), in mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    @property
    def voxel_volume_ml(self) -> float:
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    def index_to_world(self, index: ArrayLike) -> FloatArray:
        """World RAS mm, shape (..., 3), of array indices of shape (..., 3); fractions allowed."""
        points = np.asarray(index, dtype=np.float64)
        return np.asarray(points @ self.affine[:3, :3].T + self.affine[:3, 3])

    def world_to_index(self, world: ArrayLike) -> FloatArray:
        """Fractional array indices, shape (..., 3), of RAS mm points of shape (..., 3)."""
        inverse = np.linalg.inv(self.affine)
        points = np.asarray(world, dtype=np.float64)
        return np.asarray(points @ inverse[:3, :3].T + inverse[:3, 3])

    def contains(self, index: ArrayLike) -> bool:
        """Whether the voxel nearest to a fractional index (3,) lies in the grid."""
        nearest = np.rint(np.asarray(index, dtype=np.float64))
        return bool(((nearest >= 0) & (nearest < np.asarray(self.shape))).all())

    def matches(self, other: Grid, tolerance_mm: float = 0.01) -> bool:
        """Whether both grids have the same voxels: same shape, all corners within `tolerance_mm`."""
        if self.shape != other.shape:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape])).reshape(3, -1).T
        distance = np.linalg.norm(self.index_to_world(corners) - other.index_to_world(corners), axis=1)
        return bool(distance.max() <= tolerance_mm)


@dataclass(frozen=True, slots=True)
class Box:
    """A half-open box of voxels: array indices `start` (inclusive) to `stop` (exclusive), axes (i, j, k)."""

    start: Shape
    stop: Shape

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        (i, j, k), (u, v, w) = self.start, self.stop
        return slice(i, u), slice(j, v), slice(k, w)

    @property
    def shape(self) -> Shape:
        (i, j, k), (u, v, w) = self.start, self.stop
        return u - i, v - j, w - k

    @property
    def empty(self) -> bool:
        return min(self.shape) <= 0

    @classmethod
    def whole(cls, shape: Shape) -> Box:
        return cls((0, 0, 0), shape)

    @classmethod
    def around(cls, mask: NDArray[np.generic]) -> Box | None:
        """The smallest box that holds every non-zero voxel of `mask` (i, j, k); None when there is none."""
        start, stop = [], []
        for axis in range(3):
            others = tuple(a for a in range(3) if a != axis)
            hits = np.flatnonzero(np.any(mask, axis=others))
            if hits.size == 0:
                return None
            start.append(int(hits[0]))
            stop.append(int(hits[-1]) + 1)
        return cls((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))

    def clipped(self, shape: Shape) -> Box:
        low = [min(max(a, 0), n) for a, n in zip(self.start, shape, strict=True)]
        high = [min(max(b, 0), n) for b, n in zip(self.stop, shape, strict=True)]
        return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))

    def union(self, other: Box) -> Box:
        """The smallest box that holds both."""
        (i, j, k), (u, v, w) = self.start, self.stop
        (a, b, c), (d, e, f) = other.start, other.stop
        return Box((min(i, a), min(j, b), min(k, c)), (max(u, d), max(v, e), max(w, f)))

    def grown(self, margin: int) -> Box:
        (i, j, k), (u, v, w) = self.start, self.stop
        return Box((i - margin, j - margin, k - margin), (u + margin, v + margin, w + margin))
