"""The two diameters of a lesion on its slice, with ends that are dragged or moved with the arrow keys."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QTransform, QWheelEvent
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from glioma_annotator.domain.finding import Point
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.response import DiameterLine, LesionMeasurement
from glioma_annotator.domain.volume import Volume
from glioma_annotator.imaging.normalisation import robust_window
from glioma_annotator.ui.panels.parts import push_button, quiet
from glioma_annotator.ui.viewer.mask_slice import outline_segments, shifted_lines
from glioma_annotator.ui.viewer.measures import Measure, MeasureKind
from glioma_annotator.ui.viewer.overlay_measures import MeasureMark, paint_measures
from glioma_annotator.ui.viewer.planes import SlicePlane
from glioma_annotator.ui.viewer.types import Convention

_GRIP_PX = 12.0
_STEP_MM = 0.5
_AROUND_MM = 30.0  # shown around the lesion
_AXIAL = 2
_HANDLES = ("start of the first diameter", "end of the first diameter", "start of the second", "end of the second")


@dataclass(frozen=True, slots=True, eq=False)
class LesionPicture:
    """What the diameters are laid over.

    Attributes
    ----------
    image: the sequence, (i, j, k).
    lesion: bool (i, j, k), the lesion in the mask.
    title: of lesion and visit.
    """

    image: Volume
    lesion: NDArray[np.bool_]
    title: str


def measure_of(made: LesionMeasurement, grid: Grid) -> Measure | None:
    """A lesion's diameters as lines that can be moved, on the axial slice where they lie; None without lines."""
    if made.longest is None or made.perpendicular is None:
        return None
    first, last, low, high = (
        grid.world_to_index(point)
        for line in (made.longest, made.perpendicular)
        for point in (line.start_mm, line.end_mm)
    )
    measure = Measure(MeasureKind.DIAMETERS, grid, _AXIAL, round(float(first[_AXIAL])), np.zeros(2), np.zeros(2))
    measure.start, measure.end = (measure.from_index(tuple(p)) for p in (first, last))
    ends = [measure.from_index(tuple(p)) - measure.start for p in (low, high)]
    direction = (measure.end - measure.start) / max(measure.long_mm, 1e-9)
    across = np.array([-direction[1], direction[0]])
    measure.along = float(np.clip(ends[0] @ direction / max(measure.long_mm, 1e-9), 0.0, 1.0))
    measure.sides = (float(ends[0] @ across), float(ends[1] @ across))
    return measure


def lines_of(measure: Measure) -> tuple[DiameterLine, DiameterLine]:
    """The two diameters in world RAS mm."""
    one, other = (DiameterLine(*(_point(measure.grid.index_to_world(end)) for end in line)) for line in measure.lines)
    return one, other


def _point(world: NDArray[np.float64]) -> Point:
    x, y, z = world.tolist()
    return x, y, z


class DiameterPicture(QWidget):
    """A slice with the lesion's outline and its diameters; an end is dragged, or chosen and moved with keys.

    Signals
    -------
    changed: an end was moved, or another slice is shown.
    """

    changed = Signal()

    def __init__(self, shown: LesionPicture, measure: Measure, convention: Convention) -> None:
        super().__init__()
        self._shown, self.measure = shown, measure
        self._plane = SlicePlane(shown.image.grid, _AXIAL, convention)
        self._window = robust_window(shown.image.data[::2, ::2, ::2])
        self.handle: int | None = None
        self._dragging = False
        self.setMinimumSize(360, 320)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Slice with the lesion's diameters")
        self.setAccessibleDescription("Space chooses an end, arrow keys move it, Page Up or Down changes the slice")
        self._frame()
        self._draw_slice()

    def use(self, measure: Measure) -> None:
        """Show other diameters."""
        self.measure, self.handle = measure, None
        self._frame()
        self._draw_slice()
        self.changed.emit()

    def _frame(self) -> None:
        """Plane mm of the part that is shown: lesion and diameters with some room."""
        points = [self._plane.to_plane(self.measure.to_index(p)) for p in self.measure.points]
        i, j, _ = np.nonzero(self._shown.lesion)
        if i.size:
            corners = [(i.min(), j.min()), (i.max(), j.max())]
            points += [self._plane.to_plane((float(a), float(b), 0.0)) for a, b in corners]
        low, high = np.min(points, axis=0) - _AROUND_MM, np.max(points, axis=0) + _AROUND_MM
        self._centre, self._extent = (low + high) / 2, high - low

    def _draw_slice(self) -> None:
        k = self.measure.number
        picture = self._plane.picture(self._shown.image.data, k)
        window = self._window
        grey = np.clip((picture - window.low) / max(window.width, 1e-6) * 255, 0, 255).astype(np.uint8)
        self._grey = np.ascontiguousarray(grey)
        rows, columns = self._grey.shape
        self._image = QImage(self._grey.data, columns, rows, columns, QImage.Format.Format_Grayscale8)
        inside = self._plane.picture(self._shown.lesion, k)
        self._outline = shifted_lines(outline_segments(inside), 0, 0) if inside.any() else []
        self.update()

    # places

    @property
    def _zoom(self) -> float:
        return float(min(self.width() / self._extent[0], self.height() / self._extent[1]))

    def to_pixels(self, point: tuple[float, float]) -> QPointF:
        """Widget pixels of plane mm."""
        x = self.width() / 2 + (point[0] - self._centre[0]) * self._zoom
        y = self.height() / 2 + (point[1] - self._centre[1]) * self._zoom
        return QPointF(x, y)

    def handles(self) -> list[QPointF]:
        """Where the four ends are, in widget pixels."""
        return [self.to_pixels(self._plane.to_plane(self.measure.to_index(p))) for p in self.measure.points]

    def _move_to(self, handle: int, pixel: QPointF) -> None:
        x = self._centre[0] + (pixel.x() - self.width() / 2) / self._zoom
        y = self._centre[1] + (pixel.y() - self.height() / 2) / self._zoom
        index = self._plane.to_index((float(x), float(y)), self.measure.number)
        self.measure.move(handle, self.measure.from_index(index))
        self.update()
        self.changed.emit()

    def step(self, slices: int) -> None:
        """Lay the diameters on another slice."""
        number = min(max(self.measure.number + slices, 0), self._plane.depth - 1)
        if number != self.measure.number:
            self.measure.number = number
            self._draw_slice()
            self.changed.emit()

    # events

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            away = [QLineF(event.position(), at).length() for at in self.handles()]
            nearest = int(np.argmin(away))
            self.handle = nearest if away[nearest] <= _GRIP_PX else None
            self._dragging = self.handle is not None
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._dragging and self.handle is not None:
            self._move_to(self.handle, event.position())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: ARG002 - Qt's
        self._dragging = False

    def wheelEvent(self, event: QWheelEvent) -> None:
        turned = event.angleDelta().y()
        if turned:
            self.step(1 if turned > 0 else -1)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {
            Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1)
        }  # fmt: skip
        key = Qt.Key(event.key())
        if key is Qt.Key.Key_Space:
            self.handle = 0 if self.handle is None else (self.handle + 1) % len(_HANDLES)
            self.update()
            self.changed.emit()
        elif key in steps and self.handle is not None:
            x, y = steps[key]
            at = self.handles()[self.handle]
            self._move_to(self.handle, at + QPointF(x, y) * _STEP_MM * self._zoom)
        elif key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            self.step(1 if key is Qt.Key.Key_PageUp else -1)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002 - Qt's
        painter = QPainter(self)
        painter.fillRect(self.rect(), Qt.GlobalColor.black)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        row, column, zoom = self._plane.row_mm, self._plane.column_mm, self._zoom
        corner = self.to_pixels((-0.5 * column, -0.5 * row))
        painter.save()
        painter.setTransform(QTransform(column * zoom, 0, 0, row * zoom, corner.x(), corner.y()))
        painter.drawImage(QRectF(0, 0, self._image.width(), self._image.height()), self._image)
        pen = QPen(QColor(240, 228, 66, 150), 1.0)
        pen.setCosmetic(True)
        painter.setPen(pen)
        painter.drawLines(self._outline)
        painter.restore()
        lines = tuple((self._plane.to_plane(a), self._plane.to_plane(b)) for a, b in self.measure.lines)
        paint_measures(painter, [MeasureMark(lines, self.measure.text, True)], self.to_pixels)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for number, at in enumerate(self.handles()):
            chosen = number == self.handle
            painter.setPen(QPen(Qt.GlobalColor.black, 1.0))
            painter.setBrush(QColor("#4C9AFF") if chosen else QColor("#FFFFFF"))
            painter.drawEllipse(at, 6.0 if chosen else 4.5, 6.0 if chosen else 4.5)
        letters = self._plane.letters()
        painter.setPen(QColor(255, 255, 255, 190))
        painter.drawText(8, self.height() // 2, letters[0])
        painter.drawText(self.width() - 20, self.height() // 2, letters[1])
        painter.end()


class DiameterEditor(QDialog):
    """Adjust the diameters of one lesion at one visit.

    Signals
    -------
    recorded(DiameterLine, DiameterLine): the reader's lines. reset: back to what was measured from the mask.
    """

    recorded = Signal(object, object)
    reset = Signal()

    def __init__(
        self,
        shown: LesionPicture,
        made: LesionMeasurement,
        convention: Convention,
        editable: bool,
        parent: QWidget,
        *,
        outdated: bool = False,
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(f"Diameters of {shown.title}")
        self.resize(QSize(620, 640).boundedTo(self.screen().availableSize()))
        measure = measure_of(made, shown.image.grid)
        assert measure is not None, "a measured lesion has lines"
        self._start = made
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(8)
        self.picture = DiameterPicture(shown, measure, convention)
        column.addWidget(self.picture, 1)
        self.product = QLabel()
        self.product.setWordWrap(True)
        self.product.setAccessibleName("Diameters and product")
        column.addWidget(self.product)
        column.addWidget(
            quiet("Drag an end, or choose one with Space and move it with the arrow keys. The wheel changes the slice. "
                  "The second diameter stays at a right angle to the first.")
        )  # fmt: skip
        row = QHBoxLayout()
        self.back = push_button("Back to computed", "Forget the reader's diameters; measure from the mask", self._reset)
        self.back.setEnabled(editable and made.adjusted)
        self.record = push_button("Record", "Keep these diameters, marked as adjusted by the reader", self._record)
        self.record.setProperty("main", True)
        close = push_button("Cancel", "Close without keeping anything (Esc)", self.reject)
        row.addWidget(self.back)
        row.addStretch(1)
        row.addWidget(close)
        row.addWidget(self.record)
        for button in (self.back, close, self.record):
            button.setAutoDefault(False)
        column.addLayout(row)
        self._editable = editable
        self._outdated = outdated  # as they are they can be recorded for the mask that counts now
        self._moved = False
        self.picture.changed.connect(self._on_change)
        self._tell()
        self.picture.setFocus()

    def _on_change(self) -> None:
        one, other = lines_of(self.picture.measure)
        self._moved = (one, other) != (self._start.longest, self._start.perpendicular)
        self._tell()

    def _tell(self) -> None:
        measure, made = self.picture.measure, self._start
        product = measure.long_mm * measure.short_mm
        text = f"<b>{measure.long_mm:.1f} × {measure.short_mm:.1f} mm, product {product:.0f} mm²</b>"
        before = f"{made.longest_mm:.1f} × {made.perpendicular_mm:.1f} mm, {made.product_mm2:.0f} mm²"
        who = f"adjusted by {made.author}" if made.adjusted else "computed from the mask"
        who += f" on mask {made.revision}, which is not the newest" if self._outdated else ""
        end = "" if self.picture.handle is None else f" Chosen: {_HANDLES[self.picture.handle]}."
        self.product.setText(f"{text} on slice {measure.number + 1}. Before: {before}, {who}.{end}")
        wanted = self._moved or self._outdated
        self.record.setEnabled(self._editable and wanted and measure.long_mm > 0 and measure.short_mm > 0)

    def _record(self) -> None:
        self.recorded.emit(*lines_of(self.picture.measure))
        self.accept()

    def _reset(self) -> None:
        self.reset.emit()
        self.accept()
