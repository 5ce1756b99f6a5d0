"""Tools that take a place: one click, or a box dragged in a slice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.ui.tools.base import IndexPoint, PointerEvent, Sketch, VoxelOutline


class ClickTool:
    """Hands every click on a voxel of the grid to `act`."""

    def __init__(self, grid: Grid, act: Callable[[PointerEvent], None]) -> None:
        self._grid = grid
        self._act = act

    def press(self, event: PointerEvent) -> None:
        if self._grid.contains(event.index):
            self._act(event)

    def move(self, event: PointerEvent) -> None:
        pass

    def release(self, event: PointerEvent) -> None:
        pass

    def hover(self, event: PointerEvent) -> None:
        pass

    def outline(self, event: PointerEvent) -> VoxelOutline | None:
        return np.rint([event.index]).astype(np.intp)


class BoxTool:
    """Drags a rectangle in a slice; the box reaches `depth_mm` (asked at release) to either side of it."""

    def __init__(self, grid: Grid, depth_mm: Callable[[], float], act: Callable[[Box], None]) -> None:
        self._grid = grid
        self._depth_mm = depth_mm
        self._act = act
        self._from: PointerEvent | None = None
        self._to: IndexPoint = (0.0, 0.0, 0.0)

    def press(self, event: PointerEvent) -> None:
        self._from, self._to = event, event.index

    def move(self, event: PointerEvent) -> None:
        if self._from is not None and event.axis == self._from.axis:
            self._to = event.index

    def release(self, event: PointerEvent) -> None:  # noqa: ARG002 - the protocol's
        start, self._from = self._from, None
        if start is None:
            return
        axis = start.axis
        low = np.floor(np.minimum(start.index, self._to) + 0.5).astype(int)
        high = np.floor(np.maximum(start.index, self._to) + 0.5).astype(int) + 1
        slices = int(self._depth_mm() / self._grid.spacing_mm[axis] + 1e-9)
        low[axis], high[axis] = start.number - slices, start.number + slices + 1
        box = Box((int(low[0]), int(low[1]), int(low[2])), (int(high[0]), int(high[1]), int(high[2])))
        box = box.clipped(self._grid.shape)
        flat = [n for a, n in enumerate(box.shape) if a != axis]
        if not box.empty and min(flat) > 1:
            self._act(box)

    def interrupt(self) -> None:
        """Forget the box."""
        self._from = None

    def hover(self, event: PointerEvent) -> None:
        pass

    def outline(self, event: PointerEvent) -> VoxelOutline | None:
        return np.rint([event.index]).astype(np.intp)

    def sketch(self) -> Sketch | None:
        start = self._from
        if start is None:
            return None
        a, b = (n for n in range(3) if n != start.axis)
        corners = np.tile(np.asarray(start.index), (4, 1))
        corners[1:3, a] = self._to[a]
        corners[2:4, b] = self._to[b]
        return Sketch(start.axis, start.number, corners, closed=True)
