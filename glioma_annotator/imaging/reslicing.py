"""A scan seen on another scan's voxels: sampled slice by slice where it is looked at, never as a whole.

A slice of 240 x 240 voxels takes a few milliseconds, so that a registration nudged by hand shows at once; resampling
the volume would take a second. The classes stand where an array (i, j, k) is read by slices and indices.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, SupportsIndex, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glioma_annotator.domain.geometry import FloatArray, Grid, Shape
from glioma_annotator.domain.sequences import Window
from glioma_annotator.domain.volume import Volume
from glioma_annotator.imaging.subtraction import match

Axes = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]

#: So many voxels tell the scale and the scatter of a difference well enough.
_SAMPLES = 100_000
#: Of the brightest voxel: a smaller difference is shown as none.
_LEAST_DIFFERENCE = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Deformation:
    """How the moving scan is bent, once registered, to look like the fixed one.

    Attributes
    ----------
    grid: coarse voxels in the fixed scan's world.
    shift_mm: float32 (i, j, k, 3) on that grid, world RAS mm to add to a fixed point before it is looked up.
    """

    grid: Grid
    shift_mm: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Where points of a fixed scan lie in a moving one: bent by `deformation` where there is one, then by `matrix`.

    `matrix` is (4, 4), world RAS mm of the fixed scan to that of the moving one.
    """

    matrix: FloatArray
    deformation: Deformation | None = None

    def apply(self, points: ArrayLike) -> FloatArray:
        """World RAS mm in the moving scan, shape (..., 3), of points in the fixed scan of shape (..., 3)."""
        fixed = np.asarray(points, dtype=np.float64)
        if self.deformation is not None:
            fixed = fixed + _shifts(self.deformation, fixed)
        return np.asarray(fixed @ self.matrix[:3, :3].T + self.matrix[:3, 3])


def _shifts(deformation: Deformation, points: FloatArray) -> FloatArray:
    from scipy.ndimage import map_coordinates  # here, to keep it off the program's start

    index = deformation.grid.world_to_index(points.reshape(-1, 3)).T
    parts = [map_coordinates(deformation.shift_mm[..., n], index, order=1, mode="nearest") for n in range(3)]
    return np.stack(parts, axis=-1).astype(np.float64).reshape(points.shape)


class SlicedArray(ABC):
    """What is computed where it is indexed, by numbers, slices or the arrays of `numpy.ix_`; axes (i, j, k)."""

    ndim = 3

    def __init__(self, shape: Shape, dtype: Any = np.float32) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def __getitem__(self, index: tuple[Any, ...]) -> Any:
        axes, single = [], []
        for count, part in zip(self.shape, index, strict=True):
            one = isinstance(part, SupportsIndex) and not isinstance(part, np.ndarray)
            axes.append(np.atleast_1d(np.arange(count)[part]).reshape(-1))
            single.append(one)
        values = self._at((axes[0], axes[1], axes[2]))
        return values[tuple(0 if one else slice(None) for one in single)]

    @abstractmethod
    def _at(self, axes: Axes) -> NDArray[Any]:
        """Values at every combination of the indices along each axis, shape (len i, len j, len k)."""

    def as_volume(self, grid: Grid) -> Volume:
        """On its grid, for whoever reads it by slices only."""
        return Volume(cast("NDArray[Any]", self), grid)


class Resliced(SlicedArray):
    """A moving scan or mask on the voxels of a fixed grid; 0 outside, beyond the edges of the outermost voxels.

    Parameters
    ----------
    moving: intensities, interpolated linearly; or a mask.
    grid: of the fixed scan.
    nearest: take the nearest voxel, as a mask needs.
    """

    def __init__(self, moving: Volume, grid: Grid, placement: Placement, *, nearest: bool = False) -> None:
        super().__init__(grid.shape, moving.data.dtype if nearest else np.float32)
        self._moving, self._grid, self._placement, self._nearest = moving, grid, placement, nearest

    def _at(self, axes: Axes) -> NDArray[Any]:
        from scipy.ndimage import map_coordinates  # here, to keep it off the program's start

        index = self._index(axes)
        keep_edges(index, self._moving.data.shape)
        found: NDArray[Any] = np.empty(index.shape[1:], self.dtype)
        order: Literal[0, 1] = 0 if self._nearest else 1
        map_coordinates(self._moving.data, index, found, order=order, mode="constant", cval=0, prefilter=False)
        return found

    def _index(self, axes: Axes) -> FloatArray:
        """Fractional indices (3, ...) in the moving scan."""
        i, j, k = np.ix_(*axes)
        if self._placement.deformation is None:
            step = np.linalg.inv(self._moving.grid.affine) @ self._placement.matrix @ self._grid.affine
            rows = [step[n, 0] * i + step[n, 1] * j + step[n, 2] * k + step[n, 3] for n in range(3)]
            return np.stack(rows)
        points = self._grid.index_to_world(np.stack(np.broadcast_arrays(i, j, k), axis=-1))
        return np.moveaxis(self._moving.grid.world_to_index(self._placement.apply(points)), -1, 0)


def keep_edges(index: FloatArray, shape: tuple[int, ...]) -> None:
    """Bring fractional indices (3, ...) within half a voxel of the outermost centres of `shape` onto these.

    A voxel reaches that far, and interpolation knows nothing beyond the centres: else half of the first and of the last
    slice would be missing, all of a single one, and, by rounding errors, a whole one now and then.
    """
    for along, count in zip(index, shape, strict=True):
        nearest = np.clip(along, 0, count - 1)
        np.copyto(along, nearest, where=np.abs(along - nearest) <= 0.5)


class Checkerboard(SlicedArray):
    """Cubes of two scans in turn, each as shares 0..1 of its display window.

    Parameters
    ----------
    one, other: (i, j, k) of one shape.
    windows: give the display window of either when it is drawn.
    edge: of a cube, in voxels along each axis.
    """

    def __init__(
        self,
        one: NDArray[np.float32] | SlicedArray,
        other: NDArray[np.float32] | SlicedArray,
        windows: tuple[Callable[[], Window], Callable[[], Window]],
        edge: Shape,
    ) -> None:
        if one.shape != other.shape:
            raise ValueError("a checkerboard needs scans of one shape")
        super().__init__(cast("Shape", one.shape))
        self._one, self._other, self._windows, self._edge = one, other, windows, edge

    def _at(self, axes: Axes) -> NDArray[Any]:
        where = np.ix_(*axes)
        i, j, k = (part // max(edge, 1) for part, edge in zip(where, self._edge, strict=True))
        one, other = self._windows[0](), self._windows[1]()
        return np.where((i + j + k) % 2 == 0, shares(self._one[where], one), shares(self._other[where], other))


def drawn_width(window: Window) -> float:
    """The width of a window as it is drawn, in single precision: never none, however large or small its values are."""
    return max(window.width, 1e-6 * max(abs(window.low), abs(window.high)), 1e-30)


def shares(values: NDArray[Any], window: Window) -> NDArray[np.float32]:
    """Intensities as shares of a window, 0 at or below its foot and 1 at or above its top."""
    return np.asarray(np.clip((values - window.low) / drawn_width(window), 0, 1), dtype=np.float32)


class MatchedDifference(SlicedArray):
    """One scan less another that is carried onto its scale of intensity; the window's foot where either is background.

    The scale is a straight line fitted to the voxels of both (`subtraction.match`).

    Attributes
    ----------
    window: no difference is mid-grey, brighter is more signal in the first scan.
    """

    _SEEN_PERCENTILE = 98.0
    _LOWEST = -1.0  # of the window, as a share of its top

    def __init__(self, one: NDArray[np.float32] | SlicedArray, other: NDArray[np.float32] | SlicedArray) -> None:
        super().__init__(cast("Shape", one.shape))
        self._one, self._other = one, other
        step = max(1, int(np.ceil((self.size / _SAMPLES) ** (1 / 3))))
        cut = (slice(None, None, step),) * 3
        ours, theirs = np.asarray(one[cut], dtype=np.float32), np.asarray(other[cut], dtype=np.float32)
        matching = match(ours, theirs)
        self._slope, self._offset = np.float32(matching.slope), np.float32(matching.offset)
        seen = self._difference(ours, theirs, np.nan)
        seen = self._told(seen[np.isfinite(seen)])
        brightest = float(np.abs(ours[np.isfinite(ours)]).max(initial=0.0)) or 1.0
        most = float(np.percentile(seen, self._SEEN_PERCENTILE)) if seen.size else 0.0
        top = max(most, 4 * matching.noise, _LEAST_DIFFERENCE * brightest)
        self.window = Window(self._LOWEST * top, top)

    @staticmethod
    def _told(seen: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of the differences seen, what the window's top is taken from."""
        return np.abs(seen)

    def _difference(self, one: NDArray[Any], other: NDArray[Any], background: float) -> NDArray[np.float32]:
        difference = one - self._slope * other - self._offset
        outside = (one == 0) | (other == 0) | ~np.isfinite(difference)
        return np.where(outside, np.float32(background), difference)

    def _at(self, axes: Axes) -> NDArray[Any]:
        where = np.ix_(*axes)
        return self._difference(self._one[where], self._other[where], self.window.low)


class Enhancement(MatchedDifference):
    """T1Gd less T1 of one visit, on the scale of T1Gd.

    In its window no enhancement is a dark grey, so that a loss of signal can be told from none; background is black.
    """

    _SEEN_PERCENTILE = 99.5
    _LOWEST = -0.25

    @staticmethod
    def _told(seen: NDArray[np.float32]) -> NDArray[np.float32]:
        return seen
