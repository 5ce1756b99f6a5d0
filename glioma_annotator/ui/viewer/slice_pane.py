"""A pane that shows one slice of one sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor

from glioma_annotator.domain.geometry import Box
from glioma_annotator.domain.sequences import Window
from glioma_annotator.imaging.reslicing import shares
from glioma_annotator.ui.tools.base import Sketch
from glioma_annotator.ui.viewer.drawing import SliceCanvas
from glioma_annotator.ui.viewer.mask_slice import MaskSlice, outline_segments, shifted_lines
from glioma_annotator.ui.viewer.measures import Measure
from glioma_annotator.ui.viewer.mirroring import Mirror
from glioma_annotator.ui.viewer.overlay_measures import MeasureMark
from glioma_annotator.ui.viewer.pane import Pane
from glioma_annotator.ui.viewer.planes import PLANE_NAMES, SlicePlane
from glioma_annotator.ui.viewer.types import Marker
from glioma_annotator.ui.viewer.visit import Visit

#: Share of the pane that the head takes at zoom 1.
FIT = 0.9
#: A finding is marked on slices up to this far from it.
_MARKER_MM = 2.5


class SlicePane(Pane):
    """Draws what it is told; where the pointer is, it knows in array indices."""

    def __init__(self, canvas: SliceCanvas) -> None:
        super().__init__(canvas.widget, canvas.surface)
        self._canvas = canvas
        self.visit: Visit | None = None
        self.sequence = ""
        self.plane: SlicePlane | None = None
        self.number = 0
        self._drawn: tuple[object, ...] = ()
        self._cursor_key: object = None
        self._picture: NDArray[Any] = np.zeros((0, 0), dtype=np.float32)
        self._window = Window(0.0, 1.0)

    def show_note(self, note: str, header: str, visit_title: str, choices: Sequence[str] = ()) -> None:
        """Say why there is no picture; `choices` are the sequences the header offers instead."""
        self.visit, self.plane, self._drawn = None, None, ()
        self._canvas.set_shown(False)
        marks = self.overlay.marks
        marks.mask = marks.proposal = marks.removed = marks.heat = marks.crosshair = marks.letters = None
        marks.sketch = ()
        marks.markers = marks.measures = marks.midline = ()
        marks.opposite = {}
        marks.cursor = ()
        marks.note = note
        self.header.set_text(header, "", "", visit_title)
        self.header.set_choices(choices, False)
        self.header.set_blend("", 0.5)
        self.overlay.update()

    def show_slice(
        self,
        visit: Visit,
        sequence: str,
        plane: SlicePlane,
        number: int,
        choices: Sequence[str] = (),
        planes: bool = False,
        blend: str = "",
        weight: float = 0.5,
        mirror: Mirror | None = None,
    ) -> None:
        """Show a slice of a sequence, with a share `weight` of the sequence `blend` laid over it.

        `choices` and `planes` are what the header offers instead. With `mirror` the slice is compared with, or replaced
        by, what lies opposite, and nothing is laid over it.
        """
        volume, window = visit.volume(sequence), visit.window(sequence)
        blend = "" if mirror is not None else blend
        mixed = (visit.volume(blend), weight, window, visit.window(blend)) if blend else None
        if self._drawn != (volume, plane, number, mixed, mirror):  # volumes and planes compare by what they are
            picture = plane.picture(volume.data, number)
            if mirror is not None:
                picture = mirror.picture(volume.data, plane, number)
            elif mixed is not None:
                over = plane.picture(mixed[0].data, number)
                picture = (1 - weight) * shares(picture, window) + weight * shares(over, mixed[3])
            self._canvas.set_picture(picture, plane.row_mm, plane.column_mm)
            self._picture = picture
            self._drawn = (volume, plane, number, mixed, mirror)
        self._window = window if mixed is None else Window(0.0, 1.0)
        if mirror is not None:
            self._window = mirror.window(window)
        self._canvas.set_window(self._window)
        self._canvas.set_shown(True)
        self.visit, self.sequence, self.plane, self.number = visit, sequence, plane, number
        marks = self.overlay.marks
        marks.row_mm, marks.column_mm = plane.row_mm, plane.column_mm
        marks.letters = plane.letters()
        marks.note = ""
        name = sequence if mirror is None else f"{sequence} {mirror.mode.value}"
        self.header.set_text(name, PLANE_NAMES[plane.axis], f"{number + 1}/{plane.depth}", visit.title)
        self.header.set_choices(choices, planes)
        self.header.set_blend(blend, weight)
        marks.opposite = {} if mirror is None else mirror.outlines(visit.labels, plane, number)
        marks.midline = () if mirror is None else mirror.midline(plane, number)

    def picture(self) -> tuple[NDArray[Any], Window]:
        """The slice shown, rows and columns from the top left corner, and the window it is shown in."""
        return self._picture, self._window

    def show_mask(
        self,
        mask: MaskSlice | None,
        proposal: MaskSlice | None,
        colours: dict[int, QColor],
        fill: bool,
        outline: bool,
    ) -> None:
        marks = self.overlay.marks
        marks.mask, marks.proposal, marks.colours = mask, proposal, colours
        marks.fill, marks.outline = fill, outline

    def show_extras(self, removed: MaskSlice | None, heat: MaskSlice | None) -> None:
        """What a proposal would take away, and a coloured slice under the mask; None for none."""
        self.overlay.marks.removed, self.overlay.marks.heat = removed, heat

    def show_measures(self, measures: Sequence[Measure], current: Measure | None) -> None:
        """Rulers and diameters that lie in the slice shown."""
        plane = self.plane
        assert plane is not None
        self.overlay.marks.measures = tuple(
            MeasureMark(
                tuple((plane.to_plane(a), plane.to_plane(b)) for a, b in measure.lines),
                measure.text,
                measure is current,
            )
            for measure in measures
            if (measure.axis, measure.number) == (plane.axis, self.number)
        )

    def show_markers(self, markers: Sequence[Marker]) -> None:
        """Findings and samples within `_MARKER_MM` of the slice shown."""
        plane = self.plane
        assert plane is not None
        away = plane.grid.spacing_mm[plane.axis]
        near = [m for m in markers if abs(m.index[plane.axis] - self.number) * away <= max(_MARKER_MM, away / 2)]
        self.overlay.marks.markers = tuple((plane.to_plane(m.index), m) for m in near)

    def set_sketch(self, sketch: Sketch | None) -> None:
        """Draw a tool's outline where it lies in the slice shown; None for none."""
        marks, plane = self.overlay.marks, self.plane
        points: tuple[tuple[float, float], ...] = ()
        if sketch is not None and plane is not None and (sketch.axis, sketch.number) == (plane.axis, self.number):
            points = tuple(plane.to_plane(point) for point in sketch.points)
        if points or marks.sketch:
            marks.sketch = points
            marks.sketch_closed = sketch is not None and sketch.closed
            marks.sketch_handles = sketch is not None and sketch.handles
            self.overlay.update()

    def set_camera(self, centre: tuple[float, float], zoom: float) -> None:
        """Plane mm at the middle of the pane, and pixels per mm."""
        marks = self.overlay.marks
        if (marks.centre, marks.zoom) != (centre, zoom):
            marks.centre, marks.zoom = centre, zoom
            self._canvas.set_camera(centre, zoom)

    def set_smooth(self, smooth: bool) -> None:
        self._canvas.set_smooth(smooth)

    def fit_zoom(self, plane: SlicePlane, box: Box) -> float:
        """Pixels per mm at which a box of array indices is seen whole."""
        width = (box.stop[plane.column_axis] - box.start[plane.column_axis]) * plane.column_mm
        height = (box.stop[plane.row_axis] - box.start[plane.row_axis]) * plane.row_mm
        return FIT * min(max(self.overlay.width(), 1) / width, max(self.overlay.height(), 1) / height)

    def index_at(self, pixel: QPointF) -> tuple[float, float, float] | None:
        """Fractional array index under a pixel of the canvas; None when nothing is shown."""
        if self.plane is None:
            return None
        return self.plane.to_index(self.overlay.to_plane(pixel), self.number)

    def set_cursor_voxels(self, voxels: NDArray[np.intp] | None, key: object) -> None:
        """Outline voxels (n, 3) of the slice shown; `key` tells whether they are the ones already outlined."""
        if key == self._cursor_key:
            return
        self._cursor_key = key
        if voxels is None or self.plane is None:
            self.overlay.set_cursor(())
            return
        plane = self.plane
        voxels = voxels[((voxels >= 0) & (voxels < np.asarray(plane.grid.shape))).all(axis=1)]
        if voxels.size == 0:
            self.overlay.set_cursor(())
            return
        columns, rows = voxels[:, plane.column_axis], plane.rows - 1 - voxels[:, plane.row_axis]
        if plane.flip_columns:
            columns = plane.columns - 1 - columns
        left, top = int(columns.min()), int(rows.min())
        inside = np.zeros((int(rows.max()) - top + 1, int(columns.max()) - left + 1), dtype=np.bool_)
        inside[rows - top, columns - left] = True
        self.overlay.set_cursor(shifted_lines(outline_segments(inside), left, top))

    def close_canvas(self) -> None:
        self._canvas.close()
