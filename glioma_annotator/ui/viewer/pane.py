"""What slice and surface panes have in common: header, canvas, overlay, gestures."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from glioma_annotator.ui.viewer.header import PaneHeader
from glioma_annotator.ui.viewer.overlay import Overlay
from glioma_annotator.ui.viewer.pointer import PointerGestures


class Pane(QWidget):
    """A header over a canvas with an overlay that follows the canvas's size.

    Parameters
    ----------
    canvas_widget: goes below the header.
    surface: the part of it that is drawn on and receives the pointer.
    """

    resized = Signal()

    def __init__(self, canvas_widget: QWidget, surface: QWidget) -> None:
        super().__init__()
        self.setObjectName("pane")
        self.setMinimumSize(120, 100)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.header = PaneHeader()
        self.surface = surface
        self.overlay = Overlay(surface)
        self.gestures = PointerGestures(surface)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.header)
        layout.addWidget(canvas_widget, 1)
        surface.installEventFilter(self)
        self.overlay.resize(surface.size())
        self.overlay.show()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and watched is self.surface:
            self.overlay.resize(self.surface.size())
            self.resized.emit()
        return False

    def set_active(self, active: bool) -> None:
        if self.overlay.marks.active != active:
            self.overlay.marks.active = active
            self.overlay.update()
