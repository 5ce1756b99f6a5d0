"""Brings panes up to date with the scene."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QWidget

from glioma_annotator.ui.viewer.mask_display import MaskDisplay
from glioma_annotator.ui.viewer.measuring import Measuring
from glioma_annotator.ui.viewer.pane_grid import PaneGrid
from glioma_annotator.ui.viewer.scene import Content, Scene
from glioma_annotator.ui.viewer.slice_pane import SlicePane
from glioma_annotator.ui.viewer.surface_pane import SurfacePane
from glioma_annotator.ui.viewer.types import Marker

#: A turn of the event loop in which this long was spent on panes leaves the others to the next one.
_TURN_S = 0.03


class Refresher(QObject):
    """Tells every visible pane what to show, at the next turn of the event loop or now.

    Panes that take long, as in the mirror check of a large volume, are brought up to date in several turns.

    Parameters
    ----------
    view: in which panes may be visible.

    Attributes
    ----------
    crosshair_visible: whether its lines are drawn.
    markers: findings of the visit shown.

    Signals
    -------
    refreshed: every pane is up to date.
    """

    refreshed = Signal()

    def __init__(self, scene: Scene, masks: MaskDisplay, measuring: Measuring, view: QWidget) -> None:
        super().__init__(view)
        self._scene = scene
        self._masks = masks
        self._measuring = measuring
        self._view = view
        self._grid: PaneGrid | None = None
        self._turns: Iterator[None] | None = None
        self.crosshair_visible = True
        self.markers: Sequence[Marker] = ()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._go_on)

    def use(self, grid: PaneGrid) -> None:
        """From now on the panes of `grid` are brought up to date."""
        self._grid = grid

    def schedule(self) -> None:
        """Bring the panes up to date at the next turn of the event loop."""
        self._turns = None  # what was brought up to date so far may show something else now
        self._timer.start(0)

    def refresh(self) -> None:
        """Bring the visible panes up to date now."""
        self.stop()
        if self._grid is not None:
            for _ in self._panes(self._grid):
                pass
            self.refreshed.emit()

    def stop(self) -> None:
        """What is scheduled does not happen."""
        self._timer.stop()
        self._turns = None

    def _go_on(self) -> None:
        if self._grid is None:
            return
        turns = self._turns = self._turns or self._panes(self._grid)
        until = time.perf_counter() + _TURN_S
        for _ in turns:
            if time.perf_counter() > until:
                self._timer.start(0)
                return
        self._turns = None
        self.refreshed.emit()

    def _panes(self, grid: PaneGrid) -> Iterator[None]:
        """Bring one visible pane after the other up to date."""
        scene, state = self._scene, self._scene.state
        contents = scene.contents()
        panes = [(slot, pane) for slot, pane in enumerate(grid.shown) if pane.isVisibleTo(self._view)]
        slices = [(pane, contents[slot]) for slot, pane in panes if isinstance(pane, SlicePane)]
        fits = [p.fit_zoom(scene.plane(c.visit, c.axis), c.visit.extent) for p, c in slices if c.visit is not None]
        zoom = state.zoom * min(fits, default=1.0)
        visit = scene.visit
        self._measuring.use(visit.title if visit else "", visit.grid if visit else None)
        for pane, content in slices:
            self._refresh_slice(pane, content, zoom)
            yield
        self._masks.prune()
        for slot, shown in panes:
            if isinstance(shown, SurfacePane):
                shown.show_head(scene.head_shown)
                shown.show_visit(visit, self._masks.colours, self._masks.visible)
                shown.show_markers(self.markers)
                axis = contents[state.active].axis if state.active < len(contents) else None
                shown.show_place(state.crosshair if visit and self.crosshair_visible else None, axis)
            shown.set_active(slot == state.active and len(grid.shown) > 1)
            shown.setAccessibleName(f"Pane {slot + 1}: {shown.header.text}")

    def _refresh_slice(self, pane: SlicePane, content: Content, zoom: float) -> None:
        scene, visit = self._scene, content.visit
        if visit is None:
            pane.show_note(content.note, content.sequence, "", content.choices)
            return
        plane = scene.plane(visit, content.axis)
        crosshair = scene.crosshair_in(visit)
        number = crosshair[content.axis]
        own = visit is scene.visit
        mirror = scene.mirror if own else None
        pane.show_slice(
            visit,
            content.sequence,
            plane,
            number,
            content.choices,
            content.planes,
            content.blend,
            content.weight,
            mirror,
        )
        mask = self._masks.labels_slice(visit.labels, plane, number)
        proposal = self._masks.labels_slice(visit.proposal, plane, number, proposed=True)
        removed = self._masks.labels_slice(visit.removed, plane, number, proposed=True)
        pane.show_markers(self.markers if own else ())
        pane.show_measures(self._measuring.items if own else (), self._measuring.current)
        coloured = self._masks.heat_slice(visit.heat, plane, number)
        pane.show_extras(removed, coloured or self._masks.changes_slice(visit.changes, plane, number))
        pane.show_mask(mask, proposal, self._masks.colours, self._masks.fill, self._masks.outline)
        pane.overlay.marks.crosshair = plane.to_plane(crosshair) if self.crosshair_visible else None
        pane.set_camera(plane.to_plane(scene.centre_in(visit)), zoom)
        pane.overlay.update()
