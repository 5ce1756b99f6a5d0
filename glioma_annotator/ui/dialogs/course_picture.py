"""A figure of the course page that fits the room it has."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPalette, QPixmap, QResizeEvent
from PySide6.QtWidgets import QLabel


class CoursePicture(QLabel):
    """A figure that keeps its proportions."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setMinimumSize(360, 240)
        self.setAutoFillBackground(True)
        self._full = QPixmap()

    def show_png(self, png: bytes) -> None:
        self._full.loadFromData(png)
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Window, self._full.toImage().pixelColor(0, 0))
        self.setPalette(palette)  # beside the figure as within it
        self._scale()

    def sizeHint(self) -> QSize:
        return QSize(860, 480)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._scale()

    def _scale(self) -> None:
        if not self._full.isNull():
            ratio = self.devicePixelRatioF()
            scaled = self._full.scaled(
                self.size() * ratio, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
            )
            scaled.setDevicePixelRatio(ratio)
            self.setPixmap(scaled)
