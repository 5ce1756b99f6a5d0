"""The view of one visit: panes, their layout, and everything the panes share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtGui import QCloseEvent, QImage
from PySide6.QtOpenGLWidgets import QOpenGLWidget
from PySide6.QtWidgets import QVBoxLayout, QWidget

from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.sequences import Window
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.ui.tools.base import Tool
from glioma_annotator.ui.viewer.comparing import Comparing
from glioma_annotator.ui.viewer.interaction import Interaction
from glioma_annotator.ui.viewer.mask_display import MaskDisplay
from glioma_annotator.ui.viewer.mask_view import MaskView
from glioma_annotator.ui.viewer.pane import Pane
from glioma_annotator.ui.viewer.pane_stage import PaneStage
from glioma_annotator.ui.viewer.picture import take_picture
from glioma_annotator.ui.viewer.reading_aids import ReadingAids
from glioma_annotator.ui.viewer.refreshing import Refresher
from glioma_annotator.ui.viewer.repainting import Repainter
from glioma_annotator.ui.viewer.scene import Scene
from glioma_annotator.ui.viewer.slice_pane import SlicePane
from glioma_annotator.ui.viewer.surface_pane import FIRST_TURN
from glioma_annotator.ui.viewer.types import Convention, Layout, Marker, Submit
from glioma_annotator.ui.viewer.view_state import ViewState
from glioma_annotator.ui.viewer.visit import Visit

_AXIAL = 2  # array axis normal to the axial plane


class StudyView(MaskView):
    """Linked panes on one visit's sequences and mask, with another visit beside it where asked.

    Methods change what the view shall show; the panes follow once per turn of the event loop, so that several changes
    cost one redraw. Canvases are made when a visit is first shown, or ahead of it by `prepare`; napari is imported for
    the first of them, or ahead of it by `preload`.

    The window that holds the view calls `close` on it when it closes itself, so that the canvases let go of OpenGL.

    Parameters
    ----------
    submit: runs surface extraction off the GUI thread; the view starts no thread itself.

    Signals
    -------
    crosshair_moved(CrosshairPlace), hovered(HoverInfo, or None when the pointer left the images),
    window_changed(str, Window) when the reader drags or resets a window of the visit shown, brush_size_step(int) for
    Shift+wheel, state_changed() when `state()` changed, layout_changed(str), active_pane_changed(int).
    """

    crosshair_moved = Signal(object)
    hovered = Signal(object)
    window_changed = Signal(str, object)
    brush_size_step = Signal(int)
    state_changed = Signal()
    layout_changed = Signal(str)
    active_pane_changed = Signal(int)

    def __init__(self, submit: Submit, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene = Scene()
        self._masks = MaskDisplay()
        self._closed = False
        self._told = ""
        self.aids = ReadingAids(self._scene, self)
        self.comparing = Comparing(self._scene, self)
        self._refresher = Refresher(self._scene, self._masks, self.aids.measuring, self)
        self._interaction = Interaction(self._scene, self)
        self._stage = PaneStage(self._scene, self, self._interaction, submit)
        self._grid = self._stage.grid
        self._refresher.use(self._grid)
        self._refresher.refreshed.connect(self._on_refreshed)
        self._repainter = Repainter(self._scene, self._masks, self._grid)
        # A window that gets its first OpenGL child while it is shown is taken down and made anew.
        QOpenGLWidget(self).hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._grid)

    # --- contents -------------------------------------------------------------------------------------------------

    def show_images(
        self,
        images: Mapping[str, Volume],
        labels: LabelArray,
        scheme: LabelScheme,
        windows: Mapping[str, Window],
        title: str,
        defaults: Mapping[str, Window] | None = None,
    ) -> None:
        """Show a visit.

        Parameters
        ----------
        images: float32 intensities by sequence name, on one grid.
        labels: uint8 (i, j, k) on that grid, shared with the editor, never copied for the slices.
        scheme: meaning and colours of the labels.
        windows: display windows the reader left; sequences without one get the default.
        title: what the reader knows the visit by.
        defaults: what a reset goes back to; sequences without one get the robust window of the image.
        """
        self._interaction.cancel()
        before = self._scene.visit
        self._scene.visit = Visit(images, labels, title, dict(windows), dict(defaults or {}))
        self._masks.forget()
        self._masks.set_scheme(scheme)
        if before is None or not before.grid.matches(self._scene.visit.grid):
            self._scene.state.centre_mm, self._scene.state.zoom = None, 1.0
            self._scene.set_crosshair(self._scene.visit, self._scene.centre_in(self._scene.visit))
        self.comparing.rebuild()
        self._stage.arrange()

    def show_other(
        self,
        images: Mapping[str, Volume] | None,
        labels: LabelArray | None = None,
        title: str = "",
        windows: Mapping[str, Window] | None = None,
    ) -> None:
        """The other visit of the *timepoints* layout, on its own grid, linked through RAS mm; None for none."""
        self.comparing.show(Visit(images, labels, title, dict(windows or {})) if images else None)

    def say_beside(self, text: str) -> None:
        """What the pane beside says while no other visit is there."""
        self._scene.without_other = text
        self.schedule()

    def clear(self) -> None:
        """Show nothing."""
        self._interaction.cancel()
        self._scene.visit = None
        self.comparing.show(None)
        self._masks.forget()
        self.schedule()

    def preload(self) -> None:
        """Import on a worker what draws the panes, so that `prepare` has less to do."""
        self._stage.load()

    def prepare(self, layout: Layout | str | None = None) -> None:
        """Make a layout's canvases, the present one's by default, ahead of the visit that will be shown in it.

        One canvas in a turn of the event loop, after what draws them was imported on a worker: each takes a tenth of a
        second or two. A visit shown meanwhile appears when all are there.
        """
        if layout is not None and self._scene.visit is None and self._stage.ready:
            self._scene.state.layout = Layout(layout)
        self._stage.prepare()

    def make_ahead(self) -> bool:
        """Make one pane that other layouts need, a tenth of a second's work; whether there may be more to make."""
        return self._stage.make_ahead()

    @property
    def ready(self) -> bool:
        """Whether the canvases of the layout are there."""
        return self._stage.ready

    def set_markers(self, markers: Sequence[Marker]) -> None:
        """Findings of the visit shown, marked in every slice that is near enough."""
        self._refresher.markers = tuple(markers)
        self.schedule()

    def set_window(self, sequence: str, window: Window) -> None:
        """Show a sequence of the visit in another window."""
        if self._scene.visit is not None and sequence in self._scene.visit.images:
            self._scene.visit.windows[sequence] = window
            self.schedule()

    def set_smooth(self, smooth: bool) -> None:
        """Interpolate the images between voxels, or show voxels as they are. Masks are never interpolated."""
        self._stage.set_smooth(smooth)

    # --- panes ----------------------------------------------------------------------------------------------------

    def set_layout(self, layout: Layout | str) -> None:
        layout = Layout(layout)
        if layout is not self._scene.state.layout:
            self._interaction.cancel()
            self._scene.state.layout = layout
            self._scene.state.active = 0
            self._stage.arrange()
            self.layout_changed.emit(layout.value)
            self.active_pane_changed.emit(0)

    @property
    def layout_name(self) -> str:
        return self._scene.state.layout.value

    def set_convention(self, convention: Convention | str) -> None:
        self._scene.convention = Convention(convention)
        self.schedule()

    @property
    def panes(self) -> tuple[Pane, ...]:
        """The panes of the layout in reading order; only one is visible while it is maximised."""
        return self._grid.shown

    @property
    def active_pane(self) -> int:
        """Position of the active pane in the layout, counted from 0."""
        return self._scene.state.active

    def activate(self, slot: int) -> None:
        """Make a pane of the layout the active one."""
        if self._stage.activate(slot):
            self.active_pane_changed.emit(slot)
            self.schedule()

    def focus_next_pane(self) -> None:
        """Make the next pane of the layout active; where one is maximised, the next one fills the view."""
        if self._grid.shown:
            self.activate((self._scene.state.active + 1) % len(self._grid.shown))

    def set_pane_sequence(self, name: str) -> None:
        """Show another sequence in the active pane (in both panes of the *timepoints* layout)."""
        self._scene.choose_sequence(self._scene.state.active, name)
        self.schedule()

    def set_plane(self, axis: int) -> None:
        """Plane of the *sequences* and *timepoints* layouts: 0 sagittal, 1 coronal, 2 axial."""
        self._scene.state.axis = axis
        self.schedule()

    def toggle_maximised(self) -> None:
        """The active pane fills the view, or goes back to its place."""
        self._stage.toggle_maximised()

    @property
    def crosshair_index(self) -> tuple[int, int, int]:
        return self._scene.state.crosshair

    @crosshair_index.setter
    def crosshair_index(self, index: tuple[int, int, int]) -> None:
        if self._scene.visit is not None and self._scene.set_crosshair(self._scene.visit, index):
            self.moved()

    def set_crosshair_visible(self, visible: bool) -> None:
        self._refresher.crosshair_visible = visible
        self.schedule()

    def step_slice(self, delta: int) -> None:
        """Move the active pane by `delta` slices; while the 3D pane is the active one, the axial plane."""
        axis = self._axis_to_step
        if axis is not None and self._scene.step(axis, delta):
            self.moved()

    def next_slice_with_label(self, value: int | None, direction: int) -> None:
        """Move the active pane to the next slice (direction +1 or -1) with a label's voxels; None is any label.

        While the 3D pane is the active one, the axial plane.
        """
        axis = self._axis_to_step
        number = None if axis is None else self._scene.slice_with_label(axis, value, direction)
        if axis is not None and number is not None:
            self.step_slice(number - self._scene.state.crosshair[axis])

    @property
    def active_axis(self) -> int | None:
        """Array axis normal to the active pane's plane; None while it shows no slice."""
        contents = self._scene.contents()
        active = self._scene.state.active
        on_slice = self._grid.shown and isinstance(self._grid.shown[active], SlicePane)
        return contents[active].axis if on_slice and self._scene.visit is not None else None

    @property
    def _axis_to_step(self) -> int | None:
        axis = self.active_axis
        return _AXIAL if axis is None and self._grid.shown and self._scene.visit is not None else axis

    @property
    def active_slice(self) -> tuple[int, int] | None:
        """That axis and the number of the slice shown; None while the active pane shows none."""
        axis = self.active_axis
        return None if axis is None else (axis, self._scene.state.crosshair[axis])

    def reset_view(self) -> None:
        """The whole head in every pane."""
        self._scene.state.zoom, self._scene.state.centre_mm = 1.0, None
        if self._grid.surface is not None:
            self._grid.surface.reset_view()
        self._scene.state.turn = None
        self.schedule()

    # --- tools ----------------------------------------------------------------------------------------------------

    def set_tool(self, tool: Tool | None) -> None:
        """What the left button does; None moves the crosshair."""
        self._interaction.set_tool(tool)

    def set_measuring(self, on: bool) -> None:
        """Whether the left button measures instead; see `aids`."""
        self._interaction.set_measuring(self.aids.measuring if on else None)

    def let_go(self) -> None:
        """End what the left button is doing: the visit is about to be left."""
        self._interaction.cancel()

    def refresh_cursor(self) -> None:
        """Draw the tool's outline anew, after its size or shape changed."""
        self._interaction.refresh_cursor()

    # --- state ----------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """JSON values: layout, crosshair, zoom, centre, plane, sequences, maximised panes, dividers."""
        return {**self._scene.state.to_json(), **self._scene.place_to_json(), "dividers": self._stage.dividers}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to an earlier `state()`; entries that do not fit the visit shown are ignored."""
        self._interaction.cancel()
        before = self._scene.state
        self._scene.state = ViewState.from_json(state)
        self._scene.go_back(state)
        self._stage.want_dividers(state.get("dividers"))
        if self._grid.surface is not None:
            self._grid.surface.set_turn(self._scene.state.turn or FIRST_TURN)
        self._stage.arrange(even=True)
        if before.layout is not self._scene.state.layout:
            self.layout_changed.emit(self.layout_name)
        self.active_pane_changed.emit(self.active_pane)
        self.moved()

    def take_picture(self, done: Callable[[QImage], None]) -> None:
        """Hand a picture of what the view shows now to `done`, a few turns of the event loop later."""
        self.refresh()
        take_picture(self, [pane for pane in self.panes if pane.isVisible()], done)

    # --- refreshing ---------------------------------------------------------------------------------------------------

    def slot(self, pane: Pane) -> int:
        """Position of a pane in the layout; -1 when it is not in it."""
        return self._stage.slot(pane)

    def moved(self) -> None:
        """The crosshair moved."""
        place = self._scene.place()
        if place is not None:
            self.crosshair_moved.emit(place)
        self.schedule()

    def schedule(self) -> None:
        """Refresh the panes at the next turn of the event loop."""
        if not self._closed:
            self._refresher.schedule()

    def refresh(self) -> None:
        """Bring every visible pane up to date now."""
        self._refresher.refresh()

    def _on_refreshed(self) -> None:
        self.aids.refresh()
        self._interaction.refresh_cursor()
        told = repr(self._scene.state)
        if told != self._told:
            self._told = told
            self.state_changed.emit()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Let go of tools, timers and OpenGL."""
        if not self._closed:
            self._closed = True
            self._interaction.stop()
            self.aids.close()
            self.comparing.close()
            self._refresher.stop()
            self._stage.close()
        super().closeEvent(event)
