"""What the pointer does in the panes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QCursor

from glioma_annotator.domain.sequences import Window
from glioma_annotator.ui.tools.base import InterruptibleTool, PointerEvent, SketchingTool, Tool
from glioma_annotator.ui.viewer.pane import Pane
from glioma_annotator.ui.viewer.scene import Scene
from glioma_annotator.ui.viewer.slice_pane import SlicePane
from glioma_annotator.ui.viewer.surface_pane import SurfacePane

if TYPE_CHECKING:
    from glioma_annotator.ui.viewer.study_view import StudyView

_ZOOM_STEP = 1.15
_NO_MODIFIER = Qt.KeyboardModifier.NoModifier
_NO_BUTTON = Qt.MouseButton.NoButton


class Interaction:
    """Turns gestures in the panes into changes of the scene and calls of the tool.

    Parameters
    ----------
    scene: what is changed.
    view: asked to redraw, and emits the signals.
    """

    def __init__(self, scene: Scene, view: StudyView) -> None:
        self._scene = scene
        self._view = view
        self._tool: Tool | None = None  # what the left button does: the tool in hand, or measuring
        self._in_hand: Tool | None = None
        self._measuring: Tool | None = None
        self._pane: SlicePane | None = None  # the pane under the pointer
        self._at = QPointF()
        self._modifiers = _NO_MODIFIER
        self._stroke: PointerEvent | None = None  # the last event of a stroke in progress
        self._start_window: Window | None = None

    def attach_slice(self, pane: SlicePane) -> None:
        g = pane.gestures
        self._attach(pane)
        g.pressed.connect(lambda at, modifiers: self._press(pane, at, modifiers))
        g.dragged.connect(lambda at, modifiers: self._drag(pane, at, modifiers))
        g.released.connect(lambda at, modifiers: self._release(pane, at, modifiers))
        g.doubled.connect(lambda at, modifiers: self._double(pane, at, modifiers))
        g.hovered.connect(lambda at, modifiers: self._hover(pane, at, modifiers))
        g.left.connect(lambda: self._leave(pane))
        g.scrolled.connect(lambda notches: self._scroll(pane, notches))
        g.zoomed.connect(lambda at, notches: self._zoom(pane, at, notches))
        g.panned.connect(lambda moved: self._pan(pane, moved))
        g.windowing_started.connect(lambda: self._start_windowing(pane))
        g.windowing.connect(lambda moved: self._drag_window(pane, moved))
        g.window_reset.connect(lambda: self._reset_window(pane))
        g.sized.connect(self._view.brush_size_step)

    def attach_surface(self, pane: SurfacePane) -> None:
        self._attach(pane)
        pane.gestures.doubled.connect(lambda _at, _modifiers: self._view.toggle_maximised())

    def _attach(self, pane: Pane) -> None:
        pane.gestures.activated.connect(lambda: self._view.activate(self._view.slot(pane)))
        pane.gestures.activated.connect(self._view.aids.cine.stop)

    # --- tools ----------------------------------------------------------------------------------------------------

    def set_tool(self, tool: Tool | None) -> None:
        self.cancel()
        self._in_hand = tool
        self._tool = self._measuring or tool
        self.refresh_cursor()

    def set_measuring(self, tool: Tool | None) -> None:
        """What takes the left button from the tool in hand; None gives it back."""
        self.cancel()
        self._measuring = tool
        self._tool = tool or self._in_hand
        self.refresh_cursor()

    def cancel(self) -> None:
        """End a gesture in progress: a stroke stays as far as it came, an outline that is not closed is dropped."""
        if self._stroke is not None and isinstance(self._tool, InterruptibleTool):
            self._stroke = None
            self._tool.interrupt()
        self._end()

    def _end(self) -> None:
        """The button came up."""
        stroke, self._stroke = self._stroke, None
        if stroke is not None and self._tool is not None:
            self._tool.release(replace(stroke, buttons=_NO_BUTTON))

    def stop(self) -> None:
        """End a stroke and forget tool and panes: the canvases go away."""
        self.cancel()
        self._tool = self._in_hand = self._measuring = self._pane = None

    def _event(
        self, pane: SlicePane, at: QPointF, modifiers: Qt.KeyboardModifier, buttons: Qt.MouseButton
    ) -> PointerEvent | None:
        """The pointer for the tool; None where tools do not act: outside the visit that is edited."""
        index = pane.index_at(at)
        if index is None or pane.plane is None or pane.visit is not self._scene.visit:
            return None
        pressure = pane.gestures.pressure if buttons else 1.0
        return PointerEvent(pane.plane.axis, index, modifiers, buttons, 1 / pane.overlay.marks.zoom, pressure)

    def refresh_cursor(self) -> None:
        """Outline what the tool would touch, in the pane under the pointer, and what it has drawn so far."""
        sketch = self._tool.sketch() if isinstance(self._tool, SketchingTool) else None
        for shown in self._view.panes:
            if isinstance(shown, SlicePane):
                shown.set_sketch(sketch if shown.visit is self._scene.visit else None)
        pane = self._pane
        if pane is None:
            return
        event = self._event(pane, self._at, self._modifiers, _NO_BUTTON) if self._tool is not None else None
        voxels = self._tool.outline(event) if self._tool is not None and event is not None else None
        key = None if voxels is None else (pane.plane, pane.number, voxels.tobytes())
        pane.set_cursor_voxels(voxels, key)
        shape = Qt.CursorShape.CrossCursor if voxels is not None else Qt.CursorShape.ArrowCursor
        if pane.surface.cursor().shape() != shape:
            pane.surface.setCursor(QCursor(shape))

    # --- left button ----------------------------------------------------------------------------------------------

    def _track(self, pane: SlicePane, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        if self._pane is not None and self._pane is not pane:
            self._pane.set_cursor_voxels(None, None)
        self._pane, self._at, self._modifiers = pane, at, modifiers
        self._view.aids.pointer_at(pane, at)

    def _press(self, pane: SlicePane, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        self._track(pane, at, modifiers)
        event = self._event(pane, at, modifiers, Qt.MouseButton.LeftButton)
        if self._tool is not None and event is not None:
            self._stroke = event
            self._tool.press(event)
            self.refresh_cursor()
        else:
            self._crosshair_to(pane, at)

    def _drag(self, pane: SlicePane, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        self._track(pane, at, modifiers)
        if self._stroke is not None:
            self._go_on(pane)
            self.refresh_cursor()
        else:
            self._crosshair_to(pane, at)
        self._tell(pane, at)

    def _go_on(self, pane: SlicePane) -> None:
        """Lead the stroke to where the pointer is now."""
        event = self._event(pane, self._at, self._modifiers, Qt.MouseButton.LeftButton)
        if self._tool is not None and event is not None:
            self._stroke = event
            self._tool.move(event)

    def _release(self, pane: SlicePane, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        self._track(pane, at, modifiers)
        self._end()
        self.refresh_cursor()

    def _double(self, pane: SlicePane, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """With a tool in hand a fast second click is a second dab; the header maximises then."""
        if self._tool is not None:
            self._press(pane, at, modifiers)
        else:
            self._view.activate(self._view.slot(pane))
            self._view.toggle_maximised()

    def _hover(self, pane: SlicePane, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        self._track(pane, at, modifiers)
        if modifiers & Qt.KeyboardModifier.ShiftModifier:
            self._crosshair_to(pane, at)
        event = self._event(pane, at, modifiers, _NO_BUTTON)
        if self._tool is not None and event is not None:
            self._tool.hover(event)
        self.refresh_cursor()
        self._tell(pane, at)

    def _leave(self, pane: SlicePane) -> None:
        pane.set_cursor_voxels(None, None)
        if self._stroke is None:
            self._pane = None
        self._view.aids.pointer_left()
        self._view.hovered.emit(None)

    def _tell(self, pane: SlicePane, at: QPointF) -> None:
        index = pane.index_at(at)
        info = None if index is None or pane.visit is None else self._scene.look(pane.visit, index)
        self._view.hovered.emit(info)

    def _crosshair_to(self, pane: SlicePane, at: QPointF) -> None:
        index = pane.index_at(at)
        if index is not None and pane.visit is not None and self._scene.set_crosshair(pane.visit, index):
            self._view.moved()

    # --- slices, zoom, pan ----------------------------------------------------------------------------------------

    def _scroll(self, pane: SlicePane, notches: int) -> None:
        if pane.plane is None or not self._scene.step(pane.plane.axis, notches):
            return
        self._view.moved()
        if self._stroke is not None and pane is self._pane:
            self._view.refresh()  # the stroke goes on in the new slice
            self._go_on(pane)

    def _zoom(self, pane: SlicePane, at: QPointF, notches: float) -> None:
        """Zoom so that the point under the pointer stays there."""
        if pane.plane is None:
            return
        fixed = pane.overlay.to_plane(at)
        centre = pane.overlay.marks.centre
        before = self._scene.state.zoom
        self._scene.state.set_zoom(before * _ZOOM_STEP**notches)
        ratio = before / self._scene.state.zoom
        self._centre_on(pane, fixed[0] + (centre[0] - fixed[0]) * ratio, fixed[1] + (centre[1] - fixed[1]) * ratio)

    def _pan(self, pane: SlicePane, moved: QPointF) -> None:
        if pane.plane is not None:
            marks = pane.overlay.marks
            self._centre_on(pane, marks.centre[0] - moved.x() / marks.zoom, marks.centre[1] - moved.y() / marks.zoom)

    def _centre_on(self, pane: SlicePane, x: float, y: float) -> None:
        """Put plane mm (x, y) of a pane in the middle; the depth of the common centre stays."""
        if pane.plane is not None and pane.visit is not None:
            depth = self._scene.centre_in(pane.visit)[pane.plane.axis]
            self._scene.set_centre(pane.visit, pane.plane.to_index((x, y), depth))
            self._view.refresh() if self._view.isVisible() else self._view.schedule()

    # --- window ---------------------------------------------------------------------------------------------------

    def _start_windowing(self, pane: SlicePane) -> None:
        self._start_window = None if pane.visit is None else pane.visit.window(pane.sequence)

    def _drag_window(self, pane: SlicePane, moved: QPointF) -> None:
        if pane.visit is not None and self._start_window is not None:
            window = self._scene.dragged_window(pane.visit, pane.sequence, self._start_window, moved.x(), moved.y())
            self._tell_window(pane, window)

    def _reset_window(self, pane: SlicePane) -> None:
        if pane.visit is not None:
            window = pane.visit.windows[pane.sequence] = pane.visit.default_window(pane.sequence)
            self._tell_window(pane, window)

    def _tell_window(self, pane: SlicePane, window: Window) -> None:
        if pane.visit is self._scene.visit:
            self._view.window_changed.emit(pane.sequence, window)
        self._view.schedule()
