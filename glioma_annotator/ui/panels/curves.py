"""Loss and held-out Dice of a training, drawn as it runs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from glioma_annotator.domain.adaptation import CurvePoint
from glioma_annotator.ui import theme

_MARGIN_LEFT, _MARGIN_RIGHT, _MARGIN_TOP, _MARGIN_BOTTOM = 8, 36, 20, 18


class TrainingCurve(QWidget):
    """Loss as a line on its own scale, held-out Dice as points from 0 to 1; methods side by side, equally wide."""

    def __init__(self) -> None:
        super().__init__()
        self._points: list[CurvePoint] = []
        self._low = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Loss and held-out Dice of the training")

    def sizeHint(self) -> QSize:
        return QSize(260, 84 if self._low else 130)

    def set_low(self, low: bool) -> None:
        """Whether to leave room for a result, which has to be decided about without scrolling."""
        if low != self._low:
            self._low = low
            self.updateGeometry()

    def show_points(self, points: Sequence[CurvePoint]) -> None:
        self._points = list(points)
        self.update()

    def add(self, point: CurvePoint) -> None:
        self._points.append(point)
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(colours.field))
        frame = QRectF(self.rect()).adjusted(_MARGIN_LEFT, _MARGIN_TOP, -_MARGIN_RIGHT, -_MARGIN_BOTTOM)
        painter.setPen(QColor(colours.line))
        for share in (0.0, 0.5, 1.0):
            y = frame.bottom() - share * frame.height()
            painter.drawLine(QPointF(frame.left(), y), QPointF(frame.right(), y))
        painter.setPen(QColor(colours.quiet))
        for share in (0.0, 0.5, 1.0):
            y = frame.bottom() - share * frame.height()
            place = QRectF(frame.right() + 2, y - 8, _MARGIN_RIGHT - 4, 16)
            painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{share:.1f}")
        self._draw(painter, frame)
        self._draw_legend(painter, frame)
        painter.end()

    def _draw_legend(self, painter: QPainter, frame: QRectF) -> None:
        colours = theme.current()
        top = QRectF(frame.left(), 2, frame.width(), _MARGIN_TOP - 4)
        left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        loss = f"Loss {self._points[-1].loss:.2f}" if self._points else "Loss"
        dice = next((p.dice for p in reversed(self._points) if p.dice is not None), None)
        painter.setPen(QColor(colours.quiet))
        painter.drawText(top, left, loss)
        painter.setPen(QColor(colours.accent))
        painter.drawText(
            top,
            Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter,
            f"Dice {dice:.3f}" if dice is not None else "Dice",
        )

    def _draw(self, painter: QPainter, frame: QRectF) -> None:
        colours = theme.current()
        highest = max([p.loss for p in self._points], default=1.0)
        runs = [list(run) for _, run in itertools.groupby(self._points, key=lambda p: p.method)]
        width = frame.width() / max(len(runs), 1)
        for place, run in enumerate(runs):
            part = QRectF(frame.left() + place * width, frame.top(), width, frame.height())
            if place:
                painter.setPen(QColor(colours.line))
                painter.drawLine(part.topLeft(), part.bottomLeft())
            if len(runs) > 1:
                painter.setPen(QColor(colours.quiet))
                below = part.adjusted(3, part.height() + 1, 0, _MARGIN_BOTTOM)
                painter.drawText(below, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, run[0].method.value)
            self._draw_run(painter, part, run, max(highest, 1e-6))

    def _draw_run(self, painter: QPainter, part: QRectF, run: Sequence[CurvePoint], highest: float) -> None:
        """One method's points across `part`."""
        colours = theme.current()
        across = part.width() / max(len(run) - 1, 1)
        losses, line = QPolygonF(), QPolygonF()
        for number, point in enumerate(run):
            x = part.left() + number * across
            losses.append(QPointF(x, part.bottom() - point.loss / highest * part.height()))
            if point.dice is not None:
                line.append(QPointF(x, part.bottom() - point.dice * part.height()))
        painter.setPen(QPen(QColor(colours.quiet), 1.2))
        painter.drawPolyline(losses)
        painter.setPen(QPen(QColor(colours.accent), 1.8))
        painter.drawPolyline(line)
        painter.setBrush(QColor(colours.accent))
        for place in range(line.count()):
            painter.drawEllipse(line.at(place), 2.2, 2.2)
