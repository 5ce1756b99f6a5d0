"""Everything painted over a picture: mask, proposal, crosshair, letters, scale bar, cursor."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from PySide6.QtCore import QLineF, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetrics, QImage, QPainter, QPaintEvent, QPen, QTransform
from PySide6.QtWidgets import QWidget

from glioma_annotator.ui.viewer.mask_slice import MaskSlice, Part
from glioma_annotator.ui.viewer.overlay_measures import MeasureMark, paint_measures
from glioma_annotator.ui.viewer.planes import Letters, nice_length_mm
from glioma_annotator.ui.viewer.types import Marker

LETTER_COLOUR = QColor(255, 255, 255, 190)
CROSSHAIR_COLOUR = QColor(76, 154, 255, 190)
CURSOR_COLOUR = QColor(255, 255, 255, 230)
SHADOW = QColor(0, 0, 0, 160)
_GAP_PX = 9.0  # the crosshair leaves the voxel itself free
_MARGIN_PX = 8
_MARKER_PX = 7.0
_SAMPLE_PX = 11.0
_RIM_PX = 40  # letters and scale bar lie within this of the edges


@dataclass(slots=True)
class Marks:
    """What is painted; changed in place, then `Overlay.update`.

    Attributes
    ----------
    centre, zoom: plane mm (x, y) at the middle of the pane, pixels per mm.
    row_mm, column_mm: size of a voxel in the plane.
    mask, proposal: label slices; None for none.
    colours: outline colour by label value; labels that are hidden are absent.
    fill, outline: whether the mask's voxels and its edges are painted.
    crosshair: plane mm; None for none.
    letters: at the left, right, top and bottom edge; None for none.
    scale_bar: whether there is one.
    cursor: edges of the tool's footprint in voxel corners.
    removed: a label slice that a proposal would take away, hatched the other way; None for none.
    heat: a coloured slice under the mask, such as uncertainty; None for none.
    sketch: plane mm of an outline that is being drawn; `sketch_closed`, `sketch_handles` say how.
    markers: findings and samples on this slice, each with its place in plane mm.
    measures: rulers and diameters on this slice.
    opposite: outlines of the mask's mirror image by label value, in voxel corners; `midline`: where it is mirrored.
    lines: of the crosshair in a view of surfaces, in pixels.
    note: said in the middle where there is no picture.
    active: whether the pane has the quiet outline.
    """

    centre: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0
    row_mm: float = 1.0
    column_mm: float = 1.0
    mask: MaskSlice | None = None
    proposal: MaskSlice | None = None
    colours: dict[int, QColor] = field(default_factory=dict)
    fill: bool = True
    outline: bool = True
    crosshair: tuple[float, float] | None = None
    letters: Letters | None = None
    scale_bar: bool = True
    cursor: Collection[QLineF] = ()
    removed: MaskSlice | None = None
    heat: MaskSlice | None = None
    sketch: tuple[tuple[float, float], ...] = ()
    sketch_closed: bool = False
    sketch_handles: bool = False
    markers: tuple[tuple[tuple[float, float], Marker], ...] = ()
    measures: tuple[MeasureMark, ...] = ()
    opposite: Mapping[int, list[QLineF]] = field(default_factory=dict)
    midline: tuple[QLineF, ...] = ()
    lines: tuple[QLineF, ...] = ()
    note: str = ""
    active: bool = False


class Overlay(QWidget):
    """A see-through child of a canvas's surface; the pointer passes through it."""

    def __init__(self, surface: QWidget) -> None:
        super().__init__(surface)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.marks = Marks()

    # --- places -----------------------------------------------------------------------------------------------------

    def to_pixels(self, point: tuple[float, float]) -> QPointF:
        """Widget pixels of plane mm (x, y)."""
        m = self.marks
        x = self.width() / 2 + (point[0] - m.centre[0]) * m.zoom
        y = self.height() / 2 + (point[1] - m.centre[1]) * m.zoom
        return QPointF(x, y)

    def to_plane(self, pixel: QPointF) -> tuple[float, float]:
        """Plane mm (x, y) of widget pixels."""
        m = self.marks
        x = m.centre[0] + (pixel.x() - self.width() / 2) / m.zoom
        y = m.centre[1] + (pixel.y() - self.height() / 2) / m.zoom
        return x, y

    def corners(self) -> QTransform:
        """Voxel corners (column, row), counted from the top left of the slice, to widget pixels."""
        m = self.marks
        origin = self.to_pixels((-0.5 * m.column_mm, -0.5 * m.row_mm))
        return QTransform(m.column_mm * m.zoom, 0, 0, m.row_mm * m.zoom, origin.x(), origin.y())

    def part_rect(self, part: tuple[slice, slice]) -> QRect:
        """Pixels that rows and columns of the slice cover, with a rim for the outline."""
        rows, columns = part
        rect = QRectF(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        return self.corners().mapRect(rect).toAlignedRect().adjusted(-3, -3, 3, 3)

    def set_cursor(self, lines: Collection[QLineF]) -> None:
        """Replace the tool's footprint, repainting where it was and where it is."""
        for edges in (self.marks.cursor, lines):
            if edges:
                self.update(self._lines_rect(edges))
        self.marks.cursor = lines

    def _lines_rect(self, lines: Collection[QLineF]) -> QRect:
        xs = [v for line in lines for v in (line.x1(), line.x2())]
        ys = [v for line in lines for v in (line.y1(), line.y2())]
        rect = QRectF(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
        return self.corners().mapRect(rect).toAlignedRect().adjusted(-3, -3, 3, 3)

    # --- painting ---------------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setClipRect(event.rect())
        m, dirty = self.marks, event.rect()
        self.paint_masks(painter, dirty)
        if m.proposal is not None:
            self._paint_proposal(painter, m.proposal, dirty, Qt.BrushStyle.BDiagPattern)
        if m.removed is not None:
            self._paint_proposal(painter, m.removed, dirty, Qt.BrushStyle.FDiagPattern)
        for value, lines in m.opposite.items():
            if value in m.colours and m.mask is not None:
                self._paint_lines(painter, lines, _outline_pen(m.colours[value], 1.0, Qt.PenStyle.DotLine))
        if m.midline:
            self._paint_lines(painter, m.midline, _outline_pen(LETTER_COLOUR, 1.0, Qt.PenStyle.DashLine))
        if m.crosshair is not None:
            self._paint_crosshair(painter, self.to_pixels(m.crosshair))
        for place, marker in m.markers:
            self._paint_marker(painter, self.to_pixels(place), marker)
        if m.lines:
            painter.setPen(QPen(CROSSHAIR_COLOUR, 1.0))
            painter.drawLines(list(m.lines))
        if m.measures:
            paint_measures(painter, m.measures, self.to_pixels)
        if not self.rect().adjusted(_RIM_PX, _RIM_PX, -_RIM_PX, -_RIM_PX).contains(dirty):
            if m.letters is not None:
                self._paint_letters(painter, m.letters)
            if m.scale_bar and not m.note:
                self._paint_scale_bar(painter)
        if m.note:
            painter.setPen(self.palette().placeholderText().color())
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, m.note)
        if m.cursor:
            self._paint_lines(painter, m.cursor, _outline_pen(SHADOW, 3.0))
            self._paint_lines(painter, m.cursor, _outline_pen(CURSOR_COLOUR, 1.0))
        if m.sketch:
            self._paint_sketch(painter)
        if m.active:
            colour = self.palette().highlight().color()
            colour.setAlpha(150)
            painter.setPen(QPen(colour, 1.0))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def paint_masks(self, painter: QPainter, dirty: QRect) -> None:
        """The mask and the colours under it, as far as they lie in the pixels `dirty`."""
        m = self.marks
        painter.save()
        painter.setTransform(self.corners(), combine=True)
        if m.heat is not None:
            _draw_voxels(painter, m.heat, self._part_in(m.heat, dirty))
        if m.mask is not None:
            part = self._part_in(m.mask, dirty)
            if m.fill:
                _draw_voxels(painter, m.mask, part)
            if m.outline:
                for value, lines in m.mask.lines(m.colours, part).items():
                    painter.setPen(_outline_pen(m.colours[value], 1.5))
                    painter.drawLines(lines)
        painter.restore()

    def _part_in(self, mask: MaskSlice, dirty: QRect) -> Part:
        """Rows and columns of a slice whose voxels or outlines reach into pixels; empty slices for none."""
        corners = self.corners()
        left = math.floor((dirty.left() - 3 - corners.dx()) / corners.m11())
        top = math.floor((dirty.top() - 3 - corners.dy()) / corners.m22())
        right = math.ceil((dirty.right() + 4 - corners.dx()) / corners.m11())
        bottom = math.ceil((dirty.bottom() + 4 - corners.dy()) / corners.m22())
        rows, columns = mask.extent
        top, left = max(top, rows.start), max(left, columns.start)
        return slice(top, max(min(bottom, rows.stop), top)), slice(left, max(min(right, columns.stop), left))

    def _paint_sketch(self, painter: QPainter) -> None:
        m = self.marks
        points = [self.to_pixels(point) for point in m.sketch]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for pen in (QPen(SHADOW, 3.5), QPen(CURSOR_COLOUR, 1.5)):
            painter.setPen(pen)
            painter.drawPolygon(points) if m.sketch_closed else painter.drawPolyline(points)
        if m.sketch_handles:
            painter.setPen(QPen(SHADOW, 1.0))
            painter.setBrush(CURSOR_COLOUR)
            for point in points:
                painter.drawRect(QRectF(point.x() - 3, point.y() - 3, 6, 6))
        painter.restore()

    def _paint_proposal(self, painter: QPainter, proposal: MaskSlice, dirty: QRect, hatch: Qt.BrushStyle) -> None:
        """Hatched on the screen's own pixels: the proposal's voxels cut out of a hatch."""
        area = dirty.intersected(self.part_rect(proposal.extent))
        if not area.isEmpty():
            layer = QImage(area.size(), QImage.Format.Format_ARGB32_Premultiplied)
            layer.fill(Qt.GlobalColor.transparent)
            inner = QPainter(layer)
            inner.translate(-area.topLeft())
            inner.save()
            inner.setTransform(self.corners(), combine=True)
            _draw_voxels(inner, proposal, self._part_in(proposal, area))
            inner.restore()
            inner.setCompositionMode(QPainter.CompositionMode.CompositionMode_DestinationIn)
            inner.fillRect(area, QBrush(Qt.GlobalColor.black, hatch))
            inner.end()
            painter.drawImage(area.topLeft(), layer)
        for value, lines in proposal.lines(self.marks.colours, self._part_in(proposal, dirty)).items():
            pen = _outline_pen(
                self.marks.colours[value], 1.0, Qt.PenStyle.DashLine
            )  # wider dashes take many times as long
            self._paint_lines(painter, lines, pen)

    def _paint_lines(self, painter: QPainter, lines: Collection[QLineF], pen: QPen) -> None:
        if not lines:
            return
        painter.save()
        painter.setTransform(self.corners(), combine=True)
        painter.setPen(pen)
        painter.drawLines(list(lines))
        painter.restore()

    def _paint_crosshair(self, painter: QPainter, at: QPointF) -> None:
        painter.setPen(QPen(CROSSHAIR_COLOUR, 1.0))
        x, y = math.floor(at.x()) + 0.5, math.floor(at.y()) + 0.5
        painter.drawLines(
            [
                QLineF(0, y, x - _GAP_PX, y),
                QLineF(x + _GAP_PX, y, self.width(), y),
                QLineF(x, 0, x, y - _GAP_PX),
                QLineF(x, y + _GAP_PX, x, self.height()),
            ]
        )

    def _paint_marker(self, painter: QPainter, at: QPointF, marker: Marker) -> None:
        """A ring around a finding, a diamond around a sample, with its text; the chosen one in the accent colour."""
        colour = self.palette().highlight().color() if marker.current else LETTER_COLOUR
        across, down = QPointF(_SAMPLE_PX, 0), QPointF(0, _SAMPLE_PX)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for pen in (QPen(SHADOW, 3.5), QPen(colour, 1.5)):
            painter.setPen(pen)
            if marker.sample:
                painter.drawPolygon([at - down, at + across, at + down, at - across])
            else:
                painter.drawEllipse(at, _MARKER_PX, _MARKER_PX)
        painter.restore()
        high, low = 4 - _MARKER_PX, _MARKER_PX + QFontMetrics(painter.font()).capHeight()
        # A sample's text is lower, for a finding may lie in the same place.
        x, y = at.x() + _MARKER_PX + 2, at.y() + (low if marker.sample else high)
        painter.setPen(SHADOW)
        for right, lower in ((-1, -1), (-1, 1), (1, -1)):  # all round: enhancement and its label are bright
            painter.drawText(QPointF(x + right, y + lower), marker.text)
        self._text(painter, x, y, marker.text)

    def _text(self, painter: QPainter, x: float, y: float, text: str) -> None:
        painter.setPen(SHADOW)
        painter.drawText(QPointF(x + 1, y + 1), text)
        painter.setPen(LETTER_COLOUR)
        painter.drawText(QPointF(x, y), text)

    def _paint_letters(self, painter: QPainter, letters: Letters) -> None:
        metrics = QFontMetrics(self.font())
        middle = (self.height() + metrics.capHeight()) / 2
        left, right, top, bottom = letters
        self._text(painter, _MARGIN_PX, middle, left)
        self._text(painter, self.width() - _MARGIN_PX - metrics.horizontalAdvance(right), middle, right)
        self._text(painter, (self.width() - metrics.horizontalAdvance(top)) / 2, _MARGIN_PX + metrics.capHeight(), top)
        self._text(painter, (self.width() - metrics.horizontalAdvance(bottom)) / 2, self.height() - _MARGIN_PX, bottom)

    def _paint_scale_bar(self, painter: QPainter) -> None:
        length_mm = nice_length_mm(1 / self.marks.zoom, min(140.0, self.width() / 4))
        length = length_mm * self.marks.zoom
        y = self.height() - _MARGIN_PX - 0.5
        bar = [
            QLineF(_MARGIN_PX, y, _MARGIN_PX + length, y),
            QLineF(_MARGIN_PX, y - 4, _MARGIN_PX, y),
            QLineF(_MARGIN_PX + length, y - 4, _MARGIN_PX + length, y),
        ]
        for colour, shift in ((SHADOW, 1.0), (LETTER_COLOUR, 0.0)):
            painter.setPen(QPen(colour, 1.0))
            painter.drawLines([line.translated(shift, shift) for line in bar])
        self._text(painter, _MARGIN_PX + length + 6, y, f"{length_mm:g} mm")


def _draw_voxels(painter: QPainter, mask: MaskSlice, part: Part) -> None:
    """The voxels of a part of a slice, for a painter in voxel corners."""
    rows, columns = part
    if rows.stop > rows.start and columns.stop > columns.start:
        rect = QRectF(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        painter.drawImage(rect, mask.image, rect)


def _outline_pen(colour: QColor, width: float, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> QPen:
    """A pen as wide in pixels whatever the zoom, whose lines meet at their corners."""
    pen = QPen(colour, width, style, Qt.PenCapStyle.SquareCap)
    pen.setCosmetic(True)
    return pen
