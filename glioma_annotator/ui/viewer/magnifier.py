"""A round glass under the pointer that shows the slice enlarged."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QImage, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from glioma_annotator.imaging.reslicing import shares
from glioma_annotator.ui.viewer.slice_pane import SlicePane

DIAMETER_PX = 200
TIMES = 3.0


class Magnifier(QWidget):
    """Follows the pointer over a slice pane; the pointer passes through it."""

    def __init__(self) -> None:
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.resize(DIAMETER_PX, DIAMETER_PX)
        self.hide()
        self._pane: SlicePane | None = None
        self._at = QPointF()

    def follow(self, pane: SlicePane, at: QPointF) -> None:
        """Show what lies around a point of a pane's overlay."""
        if pane.plane is None:
            self.withdraw()
            return
        if self.parentWidget() is not pane.overlay:
            self.setParent(pane.overlay)
        self._pane, self._at = pane, at
        half = DIAMETER_PX / 2
        self.move(int(at.x() - half), int(at.y() - half))
        self.show()
        self.update()

    def withdraw(self) -> None:
        """The pointer left, or the glass was put away."""
        self._pane = None
        self.hide()
        self.setParent(None)

    def paintEvent(self, _event: QPaintEvent) -> None:
        pane = self._pane
        if pane is None or pane.plane is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rim = QRectF(self.rect()).adjusted(2, 2, -2, -2)
        glass = QPainterPath()
        glass.addEllipse(rim)
        painter.setClipPath(glass)
        painter.fillPath(glass, Qt.GlobalColor.black)
        painter.save()
        painter.translate(rim.center())
        painter.scale(TIMES, TIMES)
        painter.translate(-self._at)
        self._paint_picture(painter, pane)
        reach = DIAMETER_PX / 2 / TIMES
        seen = QRectF(self._at.x() - reach, self._at.y() - reach, 2 * reach, 2 * reach)
        pane.overlay.paint_masks(painter, seen.toAlignedRect())
        painter.restore()
        painter.setClipping(False)
        painter.setPen(QPen(self.palette().highlight().color(), 2.0))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawEllipse(rim)
        painter.end()

    def _paint_picture(self, painter: QPainter, pane: SlicePane) -> None:
        """The part of the slice that the glass covers, in the pane's window."""
        picture, window = pane.picture()
        corners = pane.overlay.corners()
        reach = DIAMETER_PX / 2 / TIMES
        seen = corners.inverted()[0].mapRect(QRectF(self._at.x() - reach, self._at.y() - reach, 2 * reach, 2 * reach))
        top, left = max(int(seen.top()) - 1, 0), max(int(seen.left()) - 1, 0)
        part = picture[top : int(seen.bottom()) + 3, left : int(seen.right()) + 3]
        if part.size == 0:
            return
        grey = shares(part, window) * 255
        pixels = np.ascontiguousarray(grey, dtype=np.uint8)
        image = QImage(pixels.data, pixels.shape[1], pixels.shape[0], pixels.shape[1], QImage.Format.Format_Grayscale8)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setTransform(corners, combine=True)
        painter.drawImage(QRectF(left, top, pixels.shape[1], pixels.shape[0]), image)
        painter.restore()
