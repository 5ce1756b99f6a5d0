"""A pane that shows one slice of one sequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor

from glioma_annotator.domain.geometry import Box
from glioma_annotator.ui.tools.base import Sketch
from glioma_annotator.ui.viewer.drawing import SliceCanvas
from glioma_annotator.ui.viewer.mask_slice import MaskSlice, outline_segments, shifted_lines
from glioma_annotator.ui.viewer.pane import Pane
from glioma_annotator.ui.viewer.planes import PLANE_NAMES, SlicePlane
from glioma_annotator.ui.viewer.visit import Visit

#: Share of the pane that the head takes at zoom 1.
FIT = 0.9


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

    def show_note(self, note: str, header: str, visit_title: str, choices: Sequence[str] = ()) -> None:
        """Say why there is no picture; `choices` are the sequences the header offers instead."""
        self.visit, self.plane, self._drawn = None, None, ()
        self._canvas.set_shown(False)
        marks = self.overlay.marks
        marks.mask = marks.proposal = marks.removed = marks.heat = marks.crosshair = marks.letters = None
        marks.sketch = ()
        marks.cursor = ()
        marks.note = note
        self.header.set_text(header, "", "", visit_title)
        self.header.set_choices(choices, False)
        self.overlay.update()

    def show_slice(
        self,
        visit: Visit,
        sequence: str,
        plane: SlicePlane,
        number: int,
        choices: Sequence[str] = (),
        planes: bool = False,
    ) -> None:
        """Show a slice of a sequence; `choices` and `planes` are what the header offers instead."""
        volume = visit.images[sequence]
        if self._drawn != (volume, plane, number):  # volumes and planes compare by what they are
            self._canvas.set_picture(plane.picture(volume.data, number), plane.row_mm, plane.column_mm)
            self._drawn = (volume, plane, number)
        self._canvas.set_window(visit.window(sequence))
        self._canvas.set_shown(True)
        self.visit, self.sequence, self.plane, self.number = visit, sequence, plane, number
        marks = self.overlay.marks
        marks.row_mm, marks.column_mm = plane.row_mm, plane.column_mm
        marks.letters = plane.letters()
        marks.note = ""
        self.header.set_text(sequence, PLANE_NAMES[plane.axis], f"{number + 1}/{plane.depth}", visit.title)
        self.header.set_choices(choices, planes)

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
