"""A pane that shows the mask's surfaces, turned with the mouse."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QTimer, Signal
from PySide6.QtGui import QColor

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.ui.viewer.canvas import SurfaceCanvas
from glioma_annotator.ui.viewer.pane import Pane
from glioma_annotator.ui.viewer.planes import direction_letters
from glioma_annotator.ui.viewer.surfaces import SurfaceMesh, label_surfaces
from glioma_annotator.ui.viewer.types import Submit

_DEGREES_PER_PIXEL = 0.4
_STEEPEST = 89.0
_SETTLE_MS = 300  # surfaces follow the mask once it has been left alone for this long
_FIT = 0.8


class SurfacePane(Pane):
    """Surfaces in world RAS mm, seen from the front at first: the patient's right is on the left.

    Parameters
    ----------
    canvas: what draws.
    submit: runs the extraction off the GUI thread.

    Signals
    -------
    surfaces_shown(): the mask as it was when last asked for is on the screen. turned(): the view was turned or zoomed.
    """

    surfaces_shown = Signal()
    turned = Signal()

    def __init__(self, canvas: SurfaceCanvas, submit: Submit) -> None:
        super().__init__(canvas.widget, canvas.surface)
        self._canvas = canvas
        self._submit = submit
        self._labels: LabelArray | None = None
        self._grid: Grid | None = None
        self._colours: dict[int, QColor] = {}
        self._meshes: Mapping[int, SurfaceMesh] = {}
        self._keys: set[int] = set()
        self._shown = True
        self._wanted = 0
        self._stale = False
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLE_MS)
        self._settle.timeout.connect(self._extract)
        self.azimuth, self.elevation, self.zoom = 20.0, 15.0, 1.0
        self._shift_mm = np.zeros(3)
        self._camera_key: tuple[object, ...] = ()
        self.gestures.pressed.connect(self._press)
        self.gestures.dragged.connect(self._drag)
        self.gestures.panned.connect(self._pan)
        self.gestures.scrolled.connect(lambda notches: self._zoom_by(notches))
        self.gestures.zoomed.connect(lambda _at, notches: self._zoom_by(notches))
        self.resized.connect(self.place_camera)
        self._last = QPointF()

    # --- contents -------------------------------------------------------------------------------------------------

    def show_mask(
        self, labels: LabelArray | None, grid: Grid | None, colours: dict[int, QColor], shown: bool, title: str
    ) -> None:
        """The mask to show (shared, not copied), colours by visible label value, and whether masks are shown at all."""
        restyled = colours != self._colours or shown != self._shown
        self._colours, self._shown = dict(colours), shown
        if labels is not self._labels or grid is not self._grid:
            self._labels, self._grid = labels, grid
            self._meshes = {}
            self._stale = True
            self._settle.stop()
            self._draw()
        elif restyled:
            self._draw()
        self.header.set_text("3D", "", "", title)
        self.place_camera()
        if self._stale and not self._settle.isActive():
            self._extract()

    def mask_changed(self) -> None:
        """The mask's voxels changed: extract anew once it is left alone."""
        self._stale = True
        if self.isVisible():
            self._settle.start()

    def _extract(self) -> None:
        if self._labels is None or self._grid is None or not self.isVisible():
            return
        self._stale = False
        self._wanted += 1
        snapshot, grid, wanted = self._labels.copy(), self._grid, self._wanted
        values = tuple(int(v) for v in range(1, 255))

        def work() -> Mapping[int, SurfaceMesh]:
            present = set(np.flatnonzero(np.bincount(snapshot.reshape(-1), minlength=256)))
            return label_surfaces(snapshot, grid, [v for v in values if v in present])

        def done(meshes: Mapping[int, SurfaceMesh]) -> None:
            if wanted == self._wanted:  # a later request makes this one's answer stale
                self._meshes = meshes
                self._draw()
                self.surfaces_shown.emit()

        self._submit(work, done)

    def _draw(self) -> None:
        for key in self._keys | set(self._meshes):
            visible = self._shown and key in self._colours
            mesh = self._meshes.get(key) if visible else None
            colour = self._colours[key].name() if visible else ""
            self._canvas.set_surface(key, mesh, colour, 0.75)
        self._keys |= set(self._meshes)
        empty = self._labels is not None and not self._meshes
        self.overlay.marks.note = "The mask is empty." if empty and not self._stale else ""
        self.overlay.update()

    # --- camera ---------------------------------------------------------------------------------------------------

    def _directions(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """World unit vectors of looking, of up and of right on the screen."""
        azimuth, elevation = np.radians((self.azimuth, self.elevation))
        out = np.array([-np.sin(azimuth) * np.cos(elevation), np.cos(azimuth) * np.cos(elevation), np.sin(elevation)])
        up = np.array([np.sin(azimuth) * np.sin(elevation), -np.cos(azimuth) * np.sin(elevation), np.cos(elevation)])
        return -out, up, np.cross(-out, up)

    def place_camera(self) -> None:
        if self._grid is None:
            return
        size = float(np.linalg.norm(np.asarray(self._grid.shape) * self._grid.spacing_mm))
        zoom = self.zoom * _FIT * max(min(self.overlay.width(), self.overlay.height()), 1) / (size * 0.6)
        key = (zoom, self.azimuth, self.elevation, tuple(self._shift_mm), self._grid)
        if key == self._camera_key:
            return
        self._camera_key = key
        view, up, right = self._directions()
        centre = self._grid.index_to_world((np.asarray(self._grid.shape) - 1) / 2) + self._shift_mm
        self._canvas.set_camera(centre, zoom, view, up)
        marks = self.overlay.marks
        marks.zoom = zoom
        marks.letters = (
            direction_letters(-right),
            direction_letters(right),
            direction_letters(up),
            direction_letters(-up),
        )
        self.overlay.update()

    def reset_view(self) -> None:
        self.azimuth, self.elevation, self.zoom = 20.0, 15.0, 1.0
        self._shift_mm = np.zeros(3)
        self.place_camera()

    def _press(self, at: QPointF, _modifiers: object) -> None:
        self._last = at

    def _drag(self, at: QPointF, _modifiers: object) -> None:
        moved, self._last = at - self._last, at
        self.azimuth = (self.azimuth - moved.x() * _DEGREES_PER_PIXEL) % 360
        self.elevation = min(max(self.elevation + moved.y() * _DEGREES_PER_PIXEL, -_STEEPEST), _STEEPEST)
        self._turned()

    def _pan(self, moved: QPointF) -> None:
        _, up, right = self._directions()
        self._shift_mm += (-moved.x() * right + moved.y() * up) / self.overlay.marks.zoom
        self._turned()

    def _zoom_by(self, notches: float) -> None:
        self.zoom = min(max(self.zoom * 1.15**notches, 0.3), 20.0)
        self._turned()

    def _turned(self) -> None:
        self.place_camera()
        self.turned.emit()

    def close_canvas(self) -> None:
        self._settle.stop()
        self._wanted += 1
        self._canvas.close()
