"""Lasso and polygon: outlines drawn by hand, edited where wanted, then filled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.ui.tools.base import PointerEvent, Sketch, VoxelOutline

_GRAB_PX = 7.0  # how near the pointer must be to a vertex to take hold of it
_SIMPLE_PX = 1.5  # a freehand outline is simplified to within this before its vertices are shown

#: Takes a closed outline: its fractional array indices (n, 3), the axis normal to its slice, and the slice.
Fill = Callable[[NDArray[np.float64], int, int], None]


class OutlineTool:
    """What lasso and polygon share: an outline in one slice, whose vertices can be dragged before it is applied.

    Parameters
    ----------
    grid: of the mask.
    fill: what is done with a closed outline.
    refuse: told why a click does nothing.
    changed: told that there may be an outline to apply now, or none any more.
    """

    def __init__(self, grid: Grid, fill: Fill, refuse: Callable[[str], None], changed: Callable[[], None]) -> None:
        self._grid = grid
        self._fill = fill
        self._refuse = refuse
        self._changed = changed
        self._points: list[tuple[float, float, float]] = []
        self._axis = 2
        self._number = 0
        self._held: int | None = None
        self._closed = False

    # Tool

    def press(self, event: PointerEvent) -> None:
        raise NotImplementedError

    def move(self, event: PointerEvent) -> None:
        if self._held is not None and self._here(event):
            self._points[self._held] = event.index

    def release(self, event: PointerEvent) -> None:  # noqa: ARG002 - the protocol's
        self._held = None
        self._changed()

    def interrupt(self) -> None:
        """Let go of the vertex in hand."""
        self._held = None
        self._changed()

    def hover(self, event: PointerEvent) -> None:
        pass

    def outline(self, event: PointerEvent) -> VoxelOutline | None:  # the cursor shows that a tool is in hand
        return np.rint([event.index]).astype(np.intp)

    # the outline

    def sketch(self) -> Sketch | None:
        if not self._points:
            return None
        return Sketch(self._axis, self._number, np.asarray(self._points), self._closed, self.shows_vertices)

    @property
    def shows_vertices(self) -> bool:
        return self._closed

    @property
    def pending(self) -> bool:
        """Whether an outline waits to be applied or discarded."""
        return bool(self._points)

    def apply(self) -> None:
        """Fill the outline; what has fewer than three points encloses nothing."""
        points, axis, number = np.asarray(self._points), self._axis, self._number
        self.discard()
        if len(points) >= 3:
            self._fill(points, axis, number)

    def discard(self) -> None:
        self._points, self._held, self._closed = [], None, False

    def take_back(self) -> None:
        """Forget the last vertex."""
        if self._points:
            self._points.pop()
            self._held, self._closed = None, False

    def _here(self, event: PointerEvent) -> bool:
        """Whether the pointer is in the outline's slice."""
        return (event.axis, event.number) == (self._axis, self._number)

    def _start(self, event: PointerEvent) -> None:
        self._points, self._axis, self._number = [event.index], event.axis, event.number
        self._held, self._closed = None, False

    def _elsewhere(self) -> None:
        plane = ("sagittal", "coronal", "axial")[self._axis]
        self._refuse(f"An outline waits in {plane} slice {self._number + 1}: Return applies it, Esc discards it.")

    def _nearest(self, event: PointerEvent) -> int | None:
        """The vertex under the pointer."""
        if not self._points:
            return None
        away = (np.asarray(self._points) - event.index) * self._grid.spacing_mm
        distance = np.linalg.norm(away, axis=1) / event.pixel_mm
        nearest = int(distance.argmin())
        return nearest if distance[nearest] <= _GRAB_PX else None


class LassoTool(OutlineTool):
    """Draws while the button is down; on release the outline is closed and filled, or waits to be edited.

    Parameters
    ----------
    edit_first: whether the outline waits; asked at every release.
    """

    def __init__(
        self,
        grid: Grid,
        fill: Fill,
        refuse: Callable[[str], None],
        changed: Callable[[], None],
        edit_first: Callable[[], bool],
    ) -> None:
        super().__init__(grid, fill, refuse, changed)
        self._edit_first = edit_first
        self._drawing = False

    def press(self, event: PointerEvent) -> None:
        if self._closed and not self._here(event):
            self._elsewhere()
            return
        if self._closed:
            self._held = self._nearest(event)
            if self._held is not None:
                return
        self._start(event)
        self._drawing = True

    def move(self, event: PointerEvent) -> None:
        if self._drawing and self._here(event):
            self._points.append(event.index)
        else:
            super().move(event)

    def release(self, event: PointerEvent) -> None:
        drawn, self._drawing = self._drawing, False
        if drawn:
            self._finish(event)
        super().release(event)

    def interrupt(self) -> None:
        """Forget an outline that is still being drawn."""
        if self._drawing:
            self.discard()
        super().interrupt()

    def discard(self) -> None:
        self._drawing = False
        super().discard()

    def _finish(self, event: PointerEvent) -> None:
        """Close what was drawn."""
        if len(self._points) < 3:
            self.discard()
        elif self._edit_first():
            from glioma_annotator.imaging.label_ops.lasso import simplified  # scikit-image: not when the window opens

            kept = simplified(self._points, self._axis, self._grid.spacing_mm, _SIMPLE_PX * event.pixel_mm)
            self._points = [(float(i), float(j), float(k)) for i, j, k in kept]
            self._closed = True
        else:
            self.apply()


class PolygonTool(OutlineTool):
    """Every click sets a vertex; a double click or one on the first vertex closes, Return applies."""

    def press(self, event: PointerEvent) -> None:
        if self._points and not self._here(event):
            self._elsewhere()
            return
        near = self._nearest(event)
        if self._closed:
            self._held = near
        elif len(self._points) >= 3 and near in (0, len(self._points) - 1):
            self._closed = True
            self._held = near
        elif near is not None:
            self._held = near
        elif self._points:
            self._points.append(event.index)
            self._held = len(self._points) - 1
        else:
            self._start(event)

    @property
    def shows_vertices(self) -> bool:
        return True
