"""A pane that shows the mask's surfaces, turned with the mouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QTimer, Signal
from PySide6.QtGui import QColor, QGuiApplication

from glioma_annotator.domain.labels import BACKGROUND
from glioma_annotator.domain.measurement import label_counts
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.ui.viewer.drawing import ColouredSurface, SurfaceCanvas
from glioma_annotator.ui.viewer.measures import in_plane_axes
from glioma_annotator.ui.viewer.pane import Pane
from glioma_annotator.ui.viewer.planes import direction_letters
from glioma_annotator.ui.viewer.slice_pane import FIT
from glioma_annotator.ui.viewer.surfaces import SurfaceMesh, head_surface, label_surfaces, unchanged
from glioma_annotator.ui.viewer.types import Marker, Submit
from glioma_annotator.ui.viewer.visit import Visit

_DEGREES_PER_PIXEL = 0.4
_STEEPEST = 89.0
#: Azimuth and elevation in degrees, zoom, shift in mm: from the front, a little from above.
FIRST_TURN = (20.0, 15.0, 1.0, 0.0, 0.0, 0.0)
_LEAST_ZOOM, _MOST_ZOOM = 0.3, 20.0
_SETTLE_MS = 300  # surfaces follow the mask once it has been left alone for this long
_OUTER_OPACITY, _HEAD_OPACITY = 0.45, 0.18
_HEAD_COLOUR = "#C8CCD2"


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
        self._visit: Visit | None = None
        self._colours: dict[int, QColor] = {}
        self._meshes: Mapping[int, SurfaceMesh] = {}
        self._meshed: LabelArray | None = None  # the mask that they are of
        self._head: SurfaceMesh | None = None
        self._shown = True
        self._wanted = 0
        self._stale = False
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLE_MS)
        self._settle.timeout.connect(self._extract)
        self._surfaces: list[ColouredSurface] = []  # wanted on the canvas
        self._handed: list[ColouredSurface] = []  # what it has been given
        self._colours_known: dict[int, str] = {}
        self._told_late = False  # `surfaces_shown` is due once all is handed over
        self._turn = QTimer(self)
        self._turn.setSingleShot(True)
        self._turn.timeout.connect(self._hand_over)
        self.azimuth, self.elevation, self.zoom = FIRST_TURN[:3]
        self._shift_mm = np.zeros(3)
        self._camera_key: tuple[object, ...] = ()
        self.gestures.pressed.connect(self._press)
        self.gestures.dragged.connect(self._drag)
        self.gestures.panned.connect(self._pan)
        self.gestures.scrolled.connect(lambda notches: self._zoom_by(notches))
        self.gestures.zoomed.connect(lambda _at, notches: self._zoom_by(notches))
        self.resized.connect(self.place_camera)
        self._last = QPointF()
        self.head_shown = True
        self._place: tuple[int, int, int] | None = None
        self._plane_axis: int | None = None
        self._markers: tuple[Marker, ...] = ()

    # --- contents -------------------------------------------------------------------------------------------------

    def show_visit(self, visit: Visit | None, colours: dict[int, QColor], shown: bool) -> None:
        """Show the surfaces of a visit's mask in `colours` by visible label value, none unless `shown`."""
        restyled = colours != self._colours or shown != self._shown
        self._colours, self._shown = dict(colours), shown
        if visit is not self._visit:
            self._visit, self._meshes, self._meshed, self._head = visit, {}, None, None
            self._wanted += 1
            self._stale, self._told_late = True, False
            self._settle.stop()
            self._draw()
        elif restyled:
            self._draw()
        self.header.set_text("3D", "", "", visit.title if visit is not None else "")
        self.place_camera()
        if self._stale and not self._settle.isActive():
            self._extract()

    def mask_changed(self) -> None:
        """The mask's voxels changed: extract anew once it is left alone."""
        self._stale = True
        if self.isVisible():
            self._settle.start()

    def _extract(self) -> None:
        visit = self._visit
        if visit is None or visit.labels is None or not self.isVisible():
            return
        if QGuiApplication.mouseButtons():  # a stroke that pauses: drawing surfaces would hold it up
            self._settle.start()
            return
        self._stale = False
        self._wanted += 1
        wanted, grid, known_head, head = self._wanted, visit.grid, self._head, visit.head
        steps, snapshot = visit.head_steps, visit.labels.copy()
        meshes, meshed = self._meshes, self._meshed

        def work() -> tuple[Mapping[int, SurfaceMesh], SurfaceMesh | None]:
            self._canvas.warm_up()
            present = [int(v) for v in np.flatnonzero(label_counts(snapshot))]
            same = unchanged(meshed, snapshot, meshes) if meshed is not None else frozenset()
            known = {value: meshes[value] for value in same}
            found = label_surfaces(snapshot, grid, [v for v in present if v != BACKGROUND], known)
            return found, known_head or head_surface(head, steps, grid)

        def done(result: tuple[Mapping[int, SurfaceMesh], SurfaceMesh | None]) -> None:
            if wanted == self._wanted:  # a later request makes this answer stale
                self._meshes, self._head = result
                self._meshed = snapshot
                self._told_late = True
                self._draw()

        self._submit(work, done)

    def _draw(self) -> None:
        """Show the meshes there are. What is not seen keeps its place, to be there at once when it is wanted."""
        meshes = sorted(self._meshes.items(), key=lambda item: item[1].reach_mm)
        seen = [value for value, _ in meshes if self._shown and value in self._colours]
        outer = seen[-1] if len(seen) > 1 else None  # the outermost lets the others be seen
        self._colours_known |= {value: colour.name() for value, colour in self._colours.items()}
        self._surfaces = [
            ColouredSurface(
                mesh,
                self._colours_known.get(value, _HEAD_COLOUR),
                _OUTER_OPACITY if value == outer else 1.0,
                value in seen,
            )
            for value, mesh in meshes
        ]
        if self._head is not None:
            self._surfaces.append(ColouredSurface(self._head, _HEAD_COLOUR, _HEAD_OPACITY, self.head_shown))
        self._hand_over()

    def _hand_over(self) -> None:
        """Give the canvas one new mesh in a turn of the event loop: its first drawing takes a twentieth of a second."""
        wanted, handed = self._surfaces, self._handed
        new = [n for n, part in enumerate(wanted) if n >= len(handed) or handed[n].mesh is not part.mesh]
        if len(new) > 1:
            later = new[0] + 1
            self._handed = [*wanted[:later], *handed[later : len(wanted)]]
            self._turn.start()
        else:
            self._handed = wanted
            self._turn.stop()
        self._canvas.set_surfaces(self._handed)
        if self._told_late and not self._turn.isActive():
            self._told_late = False
            self.surfaces_shown.emit()

    def show_head(self, shown: bool) -> None:
        """Show or hide the shell of the head."""
        if shown != self.head_shown:
            self.head_shown = shown
            self._draw()

    def show_place(self, place: tuple[int, int, int] | None, axis: int | None) -> None:
        """The crosshair's voxel as three lines, and the plane of the slices along `axis` through it; None for none."""
        if (place, axis) != (self._place, self._plane_axis):
            self._place, self._plane_axis = place, axis
            self._mark_place()

    def show_markers(self, markers: Sequence[Marker]) -> None:
        """Findings and samples of the visit, painted over the surfaces that they lie in."""
        if tuple(markers) != self._markers:
            self._markers = tuple(markers)
            self._mark_place()

    def _mark_place(self) -> None:
        """Crosshair's lines and plane, and the markers, painted over the surfaces: moving them redraws no surface."""
        visit, lines = self._visit, []
        if visit is not None and self._place is not None:
            box = visit.extent
            ends = [(float(a), float(b - 1)) for a, b in zip(box.start, box.stop, strict=True)]
            for axis in range(3):
                line = [[float(v) for v in self._place] for _ in range(2)]
                line[0][axis], line[1][axis] = ends[axis]
                lines.append(line)
            if self._plane_axis is not None:
                first, second = in_plane_axes(self._plane_axis)
                corners = []
                for a, b in ((0, 0), (0, 1), (1, 1), (1, 0)):
                    corner = [float(v) for v in self._place]
                    corner[first], corner[second] = ends[first][a], ends[second][b]
                    corners.append(corner)
                lines += [[corners[n], corners[(n + 1) % 4]] for n in range(4)]
        pixels = [[self._pixel(point) for point in line] for line in lines]
        self.overlay.marks.lines = tuple(QLineF(a, b) for a, b in pixels)
        seen = self._markers if visit is not None else ()
        self.overlay.marks.markers = tuple((self.overlay.to_plane(self._pixel(list(m.index))), m) for m in seen)
        self.overlay.update()

    def _pixel(self, index: list[float]) -> QPointF:
        """Where a fractional voxel index is drawn; the camera looks without perspective."""
        assert self._visit is not None
        _, up, right = self._directions()
        away = self._visit.grid.index_to_world(index) - self._centre()
        zoom = self.overlay.marks.zoom
        middle = QPointF(self.overlay.width() / 2, self.overlay.height() / 2)
        return middle + QPointF(float(away @ right), -float(away @ up)) * zoom

    def _centre(self) -> NDArray[np.float64]:
        """World RAS mm in the middle of the pane."""
        assert self._visit is not None
        box = self._visit.extent
        centre: NDArray[np.float64] = self._visit.grid.index_to_world((np.asarray(box.start) + box.stop - 1) / 2)
        return centre + self._shift_mm

    @property
    def turn(self) -> tuple[float, ...]:
        """Azimuth and elevation in degrees, zoom, shift (x, y, z) in mm."""
        x, y, z = (float(v) for v in self._shift_mm)
        return self.azimuth, self.elevation, self.zoom, x, y, z

    def set_turn(self, turn: tuple[float, ...]) -> None:
        """Go back to an earlier `turn`."""
        azimuth, elevation, zoom, *shift = turn
        self.azimuth, self.elevation = azimuth % 360, min(max(elevation, -_STEEPEST), _STEEPEST)
        self.zoom = min(max(zoom, _LEAST_ZOOM), _MOST_ZOOM)
        self._shift_mm = np.array(shift, dtype=np.float64)
        self.place_camera()

    # --- camera ---------------------------------------------------------------------------------------------------

    def _directions(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """World unit vectors of looking, of up and of right on the screen."""
        azimuth, elevation = np.radians((self.azimuth, self.elevation))
        out = np.array([-np.sin(azimuth) * np.cos(elevation), np.cos(azimuth) * np.cos(elevation), np.sin(elevation)])
        up = np.array([np.sin(azimuth) * np.sin(elevation), -np.cos(azimuth) * np.sin(elevation), np.cos(elevation)])
        return -out, up, np.cross(-out, up)

    def place_camera(self) -> None:
        if self._visit is None:
            return
        grid, box = self._visit.grid, self._visit.extent
        size = float((np.asarray(box.shape) * grid.spacing_mm).max())
        zoom = self.zoom * FIT * max(min(self.overlay.width(), self.overlay.height()), 1) / size
        key = (zoom, *self.turn, grid, self.overlay.size().toTuple())
        if key == self._camera_key:
            return
        self._camera_key = key
        view, up, right = self._directions()
        self._canvas.set_camera(self._centre(), zoom, view, up)
        marks = self.overlay.marks
        marks.zoom = zoom
        marks.letters = (
            direction_letters(-right),
            direction_letters(right),
            direction_letters(up),
            direction_letters(-up),
        )
        self._mark_place()

    def reset_view(self) -> None:
        self.set_turn(FIRST_TURN)

    def _press(self, at: QPointF, _modifiers: object) -> None:
        self._last = at

    def _drag(self, at: QPointF, _modifiers: object) -> None:
        moved, self._last = at - self._last, at
        self.turn_by(moved.x() * _DEGREES_PER_PIXEL, -moved.y() * _DEGREES_PER_PIXEL)

    def turn_by(self, right: float, up: float) -> None:
        """Turn what is shown by degrees, as a drag to the right and up does."""
        self.azimuth = (self.azimuth - right) % 360
        self.elevation = min(max(self.elevation - up, -_STEEPEST), _STEEPEST)
        self._turned()

    def _pan(self, moved: QPointF) -> None:
        _, up, right = self._directions()
        self._shift_mm += (-moved.x() * right + moved.y() * up) / self.overlay.marks.zoom
        self._turned()

    def _zoom_by(self, notches: float) -> None:
        self.zoom = min(max(self.zoom * 1.15**notches, _LEAST_ZOOM), _MOST_ZOOM)
        self._turned()

    def _turned(self) -> None:
        self.place_camera()
        self.turned.emit()

    def close_canvas(self) -> None:
        self._settle.stop()
        self._turn.stop()
        self._wanted += 1
        self._canvas.close()
