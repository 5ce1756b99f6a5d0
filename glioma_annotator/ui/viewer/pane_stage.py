"""The panes of a view: made one by one when a layout first needs them, wired to the view, put in their places."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QTimer

from glioma_annotator.ui.viewer.canvas_source import CanvasSource
from glioma_annotator.ui.viewer.interaction import Interaction
from glioma_annotator.ui.viewer.pane import Pane
from glioma_annotator.ui.viewer.pane_grid import PaneGrid
from glioma_annotator.ui.viewer.scene import Scene
from glioma_annotator.ui.viewer.slice_pane import SlicePane
from glioma_annotator.ui.viewer.surface_pane import SurfacePane
from glioma_annotator.ui.viewer.types import Layout, Submit

if TYPE_CHECKING:
    from glioma_annotator.ui.viewer.study_view import StudyView


class PaneStage:
    """Makes and arranges the panes of one view.

    Parameters
    ----------
    scene: says which layout is wanted.
    view: is told what the headers of the panes ask for.
    interaction: hears the pointer in the panes.
    submit: runs the import of what draws, and surface extraction, off the GUI thread.

    Attributes
    ----------
    grid: the panes in their rows.
    """

    def __init__(self, scene: Scene, view: StudyView, interaction: Interaction, submit: Submit) -> None:
        self._scene = scene
        self._view = view
        self._interaction = interaction
        self._submit = submit
        self._canvases = CanvasSource(submit)
        self._preparing = False
        self._closed = False
        self._smooth = True
        self._dividers: list[list[int]] | None = None  # wanted once the panes are there
        self.grid = PaneGrid(self._make_slice, self._make_surface)
        self.grid.dividers_moved.connect(view.state_changed)

    # --- making ---------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Import on a worker what draws the panes."""
        self._canvases.load()

    def prepare(self) -> None:
        """Make the canvases of the scene's layout, one in a turn of the event loop, and arrange them."""
        if not self._preparing and not self._closed:
            self._preparing = True
            self._canvases.load(self._prepare_next)

    @property
    def ready(self) -> bool:
        """Whether the canvases of the layout are there."""
        return not self._preparing

    def _prepare_next(self) -> None:
        if self._closed:
            return
        if self.grid.make_one(self._scene.state.layout):
            QTimer.singleShot(0, self._view, self._prepare_next)
        else:
            self._preparing = False
            # What napari, Qt and scipy brought stays: without this, every full collection walks through all of it and
            # holds the window up for a quarter of a second, in the middle of a stroke as anywhere.
            gc.freeze()
            self.arrange(even=True)

    def make_ahead(self) -> bool:
        """Make one pane that another layout will need; False when none is missing, so that asking again is idle."""
        if self._preparing:
            return True
        if self._closed or not self._canvases.ready:
            return False
        made = any(self.grid.make_one(layout) for layout in Layout)
        if made:
            gc.freeze()  # as in `_prepare_next`
        return made

    def _make_slice(self) -> SlicePane:
        pane = SlicePane(self._canvases.slice_canvas())
        pane.set_smooth(self._smooth)
        self._interaction.attach_slice(pane)
        self._attach(pane)
        return pane

    def _make_surface(self) -> SurfacePane:
        pane = SurfacePane(self._canvases.surface_canvas(), self._submit)
        self._interaction.attach_surface(pane)
        self._attach(pane)
        if self._scene.state.turn is not None:
            pane.set_turn(self._scene.state.turn)
        pane.turned.connect(lambda: self._turned(pane))
        return pane

    def _turned(self, pane: SurfacePane) -> None:
        self._scene.state.turn = pane.turn
        self._view.schedule()

    def _attach(self, pane: Pane) -> None:
        view = self._view
        pane.resized.connect(view.schedule)
        pane.header.sequence_chosen.connect(lambda _name: view.activate(self.slot(pane)))
        pane.header.sequence_chosen.connect(view.set_pane_sequence)
        pane.header.plane_chosen.connect(view.set_plane)
        for signal in (pane.header.blend_chosen, pane.header.blend_weighted):
            signal.connect(lambda _value: view.activate(self.slot(pane)))
        pane.header.blend_chosen.connect(view.aids.blend_with)
        pane.header.blend_weighted.connect(view.aids.set_blend_weight)
        pane.header.doubled.connect(lambda: view.activate(self.slot(pane)))
        pane.header.doubled.connect(view.toggle_maximised)

    def set_smooth(self, smooth: bool) -> None:
        """Interpolate the images between voxels in every pane, or show voxels as they are."""
        self._smooth = smooth
        for pane in self.grid.slices:
            pane.set_smooth(smooth)

    # --- places ---------------------------------------------------------------------------------------------------

    def slot(self, pane: Pane) -> int:
        """Position of a pane in the layout; -1 when it is not in it."""
        return next((n for n, shown in enumerate(self.grid.shown) if shown is pane), -1)

    def arrange(self, *, even: bool = False) -> None:
        """Show the panes of the scene's layout, made first where they are missing."""
        if not self._canvases.ready:
            self.prepare()
        if self._preparing:
            return  # it ends here
        state, known = self._scene.state, len(self.grid.slices)
        with self.grid.drawn_once():
            self.grid.arrange(state.layout, state.maximised.get(state.layout))
            if even:  # panes that came one after another share the room as they came
                self.grid.even()
            if self._dividers is not None:
                self.grid.set_dividers(self._dividers)
                self._dividers = None
        if len(self.grid.slices) > known:
            gc.freeze()  # what came with the new panes stays as well
        state.active = min(state.active, len(self.grid.shown) - 1)
        self._view.schedule()

    def activate(self, slot: int) -> bool:
        """Give the keyboard to a pane of the layout and make it the active one; whether it was not."""
        if not 0 <= slot < len(self.grid.shown):
            return False
        self.grid.shown[slot].setFocus()
        state = self._scene.state
        if slot == state.active:
            return False
        state.active = slot
        if state.layout in state.maximised:
            state.maximised[state.layout] = slot
            self.arrange()
        return True

    def toggle_maximised(self) -> None:
        """The active pane fills the view, or goes back to its place."""
        state = self._scene.state
        if state.maximised.pop(state.layout, None) is None:
            state.maximised[state.layout] = state.active
        self.arrange()

    @property
    def dividers(self) -> list[list[int]]:
        """Sizes in pixels, as `PaneGrid.dividers`, or what they will be."""
        return self.grid.dividers() if self._dividers is None else self._dividers

    def want_dividers(self, sizes: Any) -> None:
        """Go back to earlier `dividers` when the panes are arranged next; anything else is ignored."""
        if isinstance(sizes, list) and all(isinstance(part, list) for part in sizes):
            self._dividers = sizes

    def close(self) -> None:
        """Let go of OpenGL."""
        self._closed = True
        for pane in self.grid.slices:
            pane.close_canvas()
        if self.grid.surface is not None:
            self.grid.surface.close_canvas()
