"""The mouse over a pane, told as gestures. It stands in front of napari, which sees no event of the pointer."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPointF, Qt, Signal
from PySide6.QtGui import QMouseEvent, QTabletEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

_NOTCH = 120  # eighths of a degree in a notch of the wheel

_LEFT, _MIDDLE, _RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton, Qt.MouseButton.RightButton
_SHIFT, _CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier


class PointerGestures(QObject):
    """Turns a widget's mouse events into signals; positions and distances are in the widget's pixels.

    Signals
    -------
    activated(): a button went down or the wheel turned.
    pressed, dragged, released (QPointF, modifiers): the left button.
    hovered(QPointF, modifiers): moved with no button down. left(): the pointer went away.
    scrolled(int), sized(int): notches of the wheel, alone and with Shift. zoomed(QPointF, float): Ctrl+wheel, notches.
    panned(QPointF): middle drag, since the last event.
    windowing(QPointF): right drag, since the button went down; `windowing_started()` comes first.
    window_reset(): double right click. doubled(QPointF, modifiers): double left click.

    Attributes
    ----------
    pressure: of the pen that draws, 0..1; 1 for a mouse.
    """

    activated = Signal()
    pressed = Signal(QPointF, object)
    dragged = Signal(QPointF, object)
    released = Signal(QPointF, object)
    hovered = Signal(QPointF, object)
    left = Signal()
    scrolled = Signal(int)
    sized = Signal(int)
    zoomed = Signal(QPointF, float)
    panned = Signal(QPointF)
    windowing_started = Signal()
    windowing = Signal(QPointF)
    window_reset = Signal()
    doubled = Signal(QPointF, object)

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._button = Qt.MouseButton.NoButton
        self._start = QPointF()
        self._last = QPointF()
        self._turned = 0
        self.pressure = 1.0
        widget.setMouseTracking(True)
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: ARG002 - Qt's
        kind = event.type()
        if isinstance(event, QMouseEvent):
            if kind == QEvent.Type.MouseButtonPress:
                self._press(event)
            elif kind == QEvent.Type.MouseMove:
                self._move(event)
            elif kind == QEvent.Type.MouseButtonRelease:
                self._release(event)
            elif kind == QEvent.Type.MouseButtonDblClick:
                self._double(event)
            event.accept()
            return True
        if isinstance(event, QTabletEvent):
            self._press_of_pen(event)
            event.ignore()  # then Qt, or the system, sends the same as events of a mouse
            return True
        if isinstance(event, QWheelEvent):
            self._wheel(event)
            event.accept()
            return True
        if kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease, QEvent.Type.ContextMenu):
            event.ignore()  # goes on to the window, past napari
            return True
        if kind == QEvent.Type.Leave:
            self.left.emit()
        return False

    def _press_of_pen(self, event: QTabletEvent) -> None:
        drawing = event.type() in (QEvent.Type.TabletPress, QEvent.Type.TabletMove) and event.pressure() > 0
        self.pressure = event.pressure() if drawing else 1.0

    def _press(self, event: QMouseEvent) -> None:
        self.activated.emit()
        if event.button() == self._button:
            self._miss_release(event)
        if self._button != Qt.MouseButton.NoButton:
            return  # a second button while the first is down starts nothing
        self._button = event.button()
        self._start = self._last = event.position()
        if self._button == _LEFT:
            self.pressed.emit(event.position(), event.modifiers())
        elif self._button == _RIGHT:
            self.windowing_started.emit()

    def _move(self, event: QMouseEvent) -> None:
        where = event.position()
        if not event.buttons() & self._button:
            self._miss_release(event)
        if self._button == Qt.MouseButton.NoButton:
            self.hovered.emit(where, event.modifiers())
        elif self._button == _LEFT:
            self.dragged.emit(where, event.modifiers())
        elif self._button == _MIDDLE:
            self.panned.emit(where - self._last)
        elif self._button == _RIGHT:
            self.windowing.emit(where - self._start)
        self._last = where

    def _release(self, event: QMouseEvent) -> None:
        if event.button() != self._button:
            return
        self._button = Qt.MouseButton.NoButton
        if event.button() == _LEFT:
            self.released.emit(event.position(), event.modifiers())

    def _miss_release(self, event: QMouseEvent) -> None:
        """The button came up where nobody told us: over a dialog or another program that came to the front."""
        button, self._button = self._button, Qt.MouseButton.NoButton
        if button == _LEFT:
            self.released.emit(self._last, event.modifiers())

    def _double(self, event: QMouseEvent) -> None:
        if event.button() == _LEFT:
            self._button = _LEFT
            self._start = self._last = event.position()
            self.doubled.emit(event.position(), event.modifiers())
        elif event.button() == _RIGHT:
            self.window_reset.emit()

    def _wheel(self, event: QWheelEvent) -> None:
        self.activated.emit()
        delta = event.angleDelta()
        turned = delta.y() or delta.x()  # some systems turn the wheel sideways while Shift is held
        if event.modifiers() & _CTRL:
            self.zoomed.emit(event.position(), turned / _NOTCH)
            return
        if self._turned * turned < 0:
            self._turned = 0
        self._turned += turned
        notches = int(self._turned / _NOTCH)  # a smooth wheel sends fractions of a notch
        if notches:
            self._turned -= notches * _NOTCH
            (self.sized if event.modifiers() & _SHIFT else self.scrolled).emit(notches)
