"""Painting of measurements over a slice."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from PySide6.QtCore import QLineF, QPointF
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPen

Point = tuple[float, float]

COLOUR = QColor(255, 214, 102)
QUIET = QColor(255, 214, 102, 170)
_SHADOW = QColor(0, 0, 0, 190)
_TICK_PX = 5.0
_GAP_PX = 8.0


@dataclass(frozen=True, slots=True)
class MeasureMark:
    """A measurement as it is painted: its lines in plane mm, its text, whether it is the one in hand."""

    lines: tuple[tuple[Point, Point], ...]
    text: str
    current: bool


def paint_measures(painter: QPainter, marks: Collection[MeasureMark], to_pixels: Callable[[Point], QPointF]) -> None:
    """Lines with ticks at their ends, and the length beside the first line's end."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for mark in marks:
        lines = [QLineF(to_pixels(a), to_pixels(b)) for a, b in mark.lines]
        strokes = lines + [tick for line in lines for tick in _ticks(line)]
        for pen in (QPen(_SHADOW, 3.0), QPen(COLOUR if mark.current else QUIET, 1.5)):
            painter.setPen(pen)
            painter.drawLines(strokes)
        _paint_text(painter, lines[0], mark.text)
    painter.restore()


def _ticks(line: QLineF) -> list[QLineF]:
    """A short stroke across each end."""
    if line.length() < 1:
        return []
    across = line.normalVector().unitVector()
    step = QPointF(across.dx(), across.dy()) * _TICK_PX
    return [QLineF(end - step, end + step) for end in (line.p1(), line.p2())]


def _paint_text(painter: QPainter, line: QLineF, text: str) -> None:
    """Beside the line's lower end, on the side away from the line, within the picture."""
    end, other = (line.p1(), line.p2()) if line.y1() > line.y2() else (line.p2(), line.p1())
    metrics = QFontMetrics(painter.font())
    width, window = metrics.horizontalAdvance(text), painter.window()
    x = end.x() + _GAP_PX if end.x() >= other.x() else end.x() - _GAP_PX - width
    x = min(max(x, 4.0), window.width() - width - 4.0)
    y = min(end.y() + metrics.capHeight() + _GAP_PX, window.height() - 6.0)
    painter.setPen(_SHADOW)
    for dx, dy in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
        painter.drawText(QPointF(x + dx, y + dy), text)
    painter.setPen(COLOUR)
    painter.drawText(QPointF(x, y), text)
