"""The left button lays rulers and diameters over a slice, and drags their ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.ui.tools.base import PointerEvent, VoxelOutline
from glioma_annotator.ui.viewer.measures import Measure, MeasureKind

_GRIP_PX = 8.0
_CLICK_PX = 3.0  # a line shorter than this was a click


class Measuring:
    """The measurements of the visit shown, and the tool (`ui.tools.base.Tool`) that makes them.

    Measurements belong to the visit by its title; whoever opens a visit brings back what was kept of it.

    Parameters
    ----------
    changed: called after any change, to redraw.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self.kind: MeasureKind | None = None
        self._of: dict[str, list[Measure]] = {}
        self._title = ""
        self._grid: Grid | None = None
        self.current: Measure | None = None
        self._handle: int | None = None
        self._new = False

    def use(self, title: str, grid: Grid | None) -> None:
        """Another visit is shown, or none."""
        if (title, grid) != (self._title, self._grid):
            self._title, self._grid = title, grid
            self.current = self._handle = None

    @property
    def items(self) -> list[Measure]:
        return [m for m in self._of.get(self._title, []) if m.grid is self._grid or m.grid == self._grid]

    def kept(self) -> list[dict[str, Any]]:
        """The measurements of the visit as JSON values."""
        return [measure.to_json() for measure in self.items]

    def bring_back(self, title: str, grid: Grid, values: Iterable[Mapping[str, Any]]) -> None:
        """Lay over the visit `title`, on `grid`, what was kept of it, in place of anything else."""
        found = (Measure.from_json(one, grid) for one in values)
        self._of[title] = [measure for measure in found if measure is not None]
        self.use(title, grid)
        self._changed()

    def add(self, measure: Measure) -> None:
        self._of.setdefault(self._title, []).append(measure)
        self.current = measure
        self._changed()

    def remove(self) -> None:
        """Take away the current measurement, else the last one."""
        items = self.items
        gone = self.current if self.current in items else (items[-1] if items else None)
        if gone is not None:
            self._of[self._title].remove(gone)
            self.current = None
            self._changed()

    def clear(self) -> None:
        """Take away every measurement of the visit."""
        self._of.pop(self._title, None)
        self.current = None
        self._changed()

    def grip(self, event: PointerEvent) -> tuple[Measure, int] | None:
        """The end under the pointer, the newest where several are."""
        reach = _GRIP_PX * event.pixel_mm
        for measure in reversed(self.items):
            if (measure.axis, measure.number) != (event.axis, event.number):
                continue
            away = [float(np.linalg.norm(p - measure.from_index(event.index))) for p in measure.points]
            if min(away) <= reach:
                return measure, int(np.argmin(away))
        return None

    # the tool

    def press(self, event: PointerEvent) -> None:
        gripped = self.grip(event)
        if gripped is not None:
            self.current, self._handle = gripped
            self._new = False
        elif self.kind is not None and self._grid is not None:
            place = Measure(self.kind, self._grid, event.axis, event.number, np.zeros(2), np.zeros(2))
            place.start = place.end = place.from_index(event.index)
            self._handle, self._new = 1, True
            self.add(place)
        self._changed()

    def move(self, event: PointerEvent) -> None:
        if self.current is not None and self._handle is not None and event.axis == self.current.axis:
            self.current.move(self._handle, self.current.from_index(event.index))
            if self._new and self.current.kind is MeasureKind.DIAMETERS:
                self.current.erect()
            self._changed()

    def release(self, event: PointerEvent) -> None:
        measure, self._handle = self.current, None
        if measure is not None and self._new and measure.long_mm < _CLICK_PX * event.pixel_mm:
            self.remove()
        self._new = False

    def hover(self, event: PointerEvent) -> None:
        pass

    def outline(self, event: PointerEvent) -> VoxelOutline | None:  # noqa: ARG002 - the protocol's
        return np.empty((0, 3), dtype=np.intp)  # a cross for a cursor, no footprint
