"""Lengths that the reader lays over a slice: rulers and pairs of perpendicular diameters. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Grid

IndexPoint = tuple[float, float, float]
Vector = NDArray[np.float64]


class MeasureKind(StrEnum):
    """What is measured."""

    RULER = "ruler"
    DIAMETERS = "diameters"


def in_plane_axes(axis: int) -> tuple[int, int]:
    """The two array axes of the slices along `axis`."""
    first, second = (a for a in (0, 1, 2) if a != axis)
    return first, second


@dataclass(slots=True, eq=False)
class Measure:
    """A measurement in one slice of a grid; its ends move, changed in place.

    The second line of a pair of diameters always stands upright on the first: it is kept as the place where it crosses
    the first (`along`, 0 at its start and 1 at its end) and how far it reaches to either side in mm.

    Attributes
    ----------
    kind: a ruler has the first line only.
    axis, number: the slice, along an array axis.
    start, end: of the first line, mm along the two in-plane array axes from the centre of voxel 0.
    """

    kind: MeasureKind
    grid: Grid
    axis: int
    number: int
    start: Vector
    end: Vector
    along: float = 0.5
    sides: tuple[float, float] = (0.0, 0.0)

    @property
    def spacing(self) -> Vector:
        return np.array([self.grid.spacing_mm[a] for a in in_plane_axes(self.axis)])

    @property
    def long_mm(self) -> float:
        return float(np.linalg.norm(self.end - self.start))

    @property
    def short_mm(self) -> float:
        return abs(self.sides[1] - self.sides[0])

    @property
    def text(self) -> str:
        if self.kind is MeasureKind.RULER:
            return f"{self.long_mm:.1f} mm"
        return f"{self.long_mm:.1f} × {self.short_mm:.1f} mm"

    def _directions(self) -> tuple[Vector, Vector]:
        length = self.long_mm
        direction = (self.end - self.start) / length if length else np.array([1.0, 0.0])
        return direction, np.array([-direction[1], direction[0]])

    @property
    def points(self) -> list[Vector]:
        """The ends in plane mm: of the first line, then of the second where there is one."""
        ends = [self.start, self.end]
        if self.kind is MeasureKind.DIAMETERS:
            direction, across = self._directions()
            foot = self.start + self.along * self.long_mm * direction
            ends += [foot + side * across for side in self.sides]
        return ends

    def move(self, handle: int, to: Vector) -> None:
        """Drag an end, as numbered in `points`."""
        if handle == 0:
            self.start = to
        elif handle == 1:
            self.end = to
        else:
            direction, across = self._directions()
            away = to - self.start
            self.along = float(np.clip(away @ direction / max(self.long_mm, 1e-9), 0.0, 1.0))
            side = float(away @ across)
            self.sides = (side, self.sides[1]) if handle == 2 else (self.sides[0], side)

    def erect(self) -> None:
        """Give a pair of diameters a second line: through the middle, half as long."""
        self.along, self.sides = 0.5, (-self.long_mm / 4, self.long_mm / 4)

    def from_index(self, index: IndexPoint) -> Vector:
        """Plane mm of a fractional array index."""
        return np.array([index[a] for a in in_plane_axes(self.axis)]) * self.spacing

    def to_index(self, point: Vector) -> IndexPoint:
        """Fractional array index of plane mm."""
        index = [0.0, 0.0, 0.0]
        index[self.axis] = float(self.number)
        for a, value in zip(in_plane_axes(self.axis), point / self.spacing, strict=True):
            index[a] = float(value)
        return index[0], index[1], index[2]

    def to_json(self) -> dict[str, Any]:
        """JSON values, to be kept with the visit."""
        return {
            "kind": self.kind.value,
            "axis": self.axis,
            "number": self.number,
            "start": self.start.tolist(),
            "end": self.end.tolist(),
            "along": self.along,
            "sides": list(self.sides),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any], grid: Grid) -> Measure | None:
        """What `to_json` gave, on the grid it was laid over; None when it does not lie there or is malformed."""
        try:
            kind, axis, number = MeasureKind(values["kind"]), int(values["axis"]), int(values["number"])
            start, end = (np.array(values[name], dtype=np.float64) for name in ("start", "end"))
            low, high = (float(side) for side in values["sides"])
            along = float(values["along"])
        except (KeyError, TypeError, ValueError):
            return None
        known = start.shape == end.shape == (2,) and bool(np.isfinite([*start, *end, low, high, along]).all())
        if not known or axis not in (0, 1, 2) or not 0 <= number < grid.shape[axis]:
            return None
        return cls(kind, grid, axis, number, start, end, along, (low, high))

    @property
    def lines(self) -> list[tuple[IndexPoint, IndexPoint]]:
        """The lines as fractional array indices."""
        ends = [self.to_index(point) for point in self.points]
        return [(ends[n], ends[n + 1]) for n in range(0, len(ends), 2)]


def proposed(mask: NDArray[np.bool_], grid: Grid, axis: int, number: int) -> Measure | None:
    """The diameters of a mask's slice (rows and columns along the two in-plane array axes); None for an empty one."""
    from glioma_annotator.imaging.diameters import bidimensional  # scipy: not at the program's start

    first, second = in_plane_axes(axis)
    found = bidimensional(mask, (grid.spacing_mm[first], grid.spacing_mm[second]))
    if found is None:
        return None
    spacing = np.array([grid.spacing_mm[first], grid.spacing_mm[second]])
    start, end = (np.asarray(point) * spacing for point in found.long_ends)
    measure = Measure(MeasureKind.DIAMETERS, grid, axis, number, start, end)
    direction, across = measure._directions()
    low, high = (np.asarray(point) * spacing - start for point in found.short_ends)
    measure.along = float(low @ direction / max(measure.long_mm, 1e-9))
    measure.sides = (float(low @ across), float(high @ across))
    return measure
