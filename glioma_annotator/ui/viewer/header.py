"""The one line above a picture."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal, SignalInstance
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QSlider, QToolButton, QWidget

from glioma_annotator.ui.viewer.planes import PLANE_NAMES

_SLIDER_PX = 72


class _Elided(QLabel):
    """A line that ends in an ellipsis where there is no room for its end, at the right edge."""

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002 - Qt's
        painter = QPainter(self)
        area = self.contentsRect()
        text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, area.width())
        self.style().drawItemText(painter, area, int(self.alignment()), self.palette(), self.isEnabled(), text,
                                  self.foregroundRole())  # fmt: skip
        painter.end()


class PaneHeader(QWidget):
    """Sequence, plane, slice and visit; sequence and plane open a menu where there is a choice.

    Signals
    -------
    sequence_chosen(str), plane_chosen(int axis), blend_chosen(str, empty for none), blend_weighted(float 0..1),
    doubled(): double click.
    """

    sequence_chosen = Signal(str)
    plane_chosen = Signal(int)
    blend_chosen = Signal(str)
    blend_weighted = Signal(float)
    doubled = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("paneHeader")
        self._sequence = self._button("Sequence shown in this pane")
        self._plane = self._button("Plane shown in this pane")
        self._slice = QLabel()
        self._visit = _Elided()
        self._visit.setObjectName("quiet")
        self._visit.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 0, 8, 0)
        layout.setSpacing(4)
        layout.addWidget(self._sequence)
        layout.addWidget(self._blend_slider())
        layout.addWidget(self._over)
        layout.addWidget(self._plane)
        layout.addWidget(self._slice)
        layout.addWidget(self._visit, 1)
        self._choices: tuple[Sequence[str], bool] = ((), False)
        self.set_choices((), False)
        self.set_blend("", 0.5)

    def _blend_slider(self) -> QSlider:
        self._over = QLabel()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 100)
        self.slider.setFixedWidth(_SLIDER_PX)
        self.slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.slider.setAccessibleName("Share of the sequence laid over the other")
        self.slider.valueChanged.connect(lambda value: self.blend_weighted.emit(value / 100))
        return self.slider

    def set_blend(self, name: str, weight: float) -> None:
        """The sequence laid over the other, empty for none, and its share 0..1."""
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(100 * weight))
        self.slider.setToolTip(f"{round(100 * weight)} % {name}")
        for widget in (self.slider, self._over):
            if widget.isHidden() == bool(name):
                widget.setVisible(bool(name))
        if self._over.text() != name:
            self._over.setText(name)

    def _button(self, name: str) -> QToolButton:
        button = QToolButton(self)
        button.setAutoRaise(True)
        button.setAccessibleName(name)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        return button

    def set_text(self, sequence: str, plane: str, place: str, visit: str) -> None:
        """`place` is the slice, such as "78/155"."""
        for widget, text in (
            (self._sequence, sequence),
            (self._plane, plane),
            (self._slice, place),
            (self._visit, visit),
        ):
            if widget.text() != text:
                widget.setText(text)
            if widget.isHidden() == bool(text):
                widget.setVisible(bool(text))

    @property
    def text(self) -> str:
        """The line as it reads."""
        over = f"with {self._over.text()}" if self._over.text() else ""
        parts = (self._sequence.text(), over, self._plane.text(), self._slice.text(), self._visit.text())
        return " ".join(part for part in parts if part)

    def set_choices(self, sequences: Sequence[str], planes: bool) -> None:
        """Sequences to choose from, and whether the plane can be chosen."""
        if (tuple(sequences), planes) == self._choices:
            return
        self._choices = (tuple(sequences), planes)
        self._set_menu(self._sequence, [(name, name) for name in sequences], self.sequence_chosen)
        menu = self._sequence.menu()
        if isinstance(menu, QMenu) and len(sequences) > 1:
            menu.addSeparator()
            blend = menu.addMenu("Blend with")
            for text, name in (("Nothing", ""), *((name, name) for name in sequences)):
                blend.addAction(text, lambda name=name: self.blend_chosen.emit(name))
        names = [(PLANE_NAMES[axis], axis) for axis in (2, 1, 0)] if planes else []
        self._set_menu(self._plane, names, self.plane_chosen)

    def _set_menu(self, button: QToolButton, entries: Sequence[tuple[str, str | int]], signal: SignalInstance) -> None:
        old = button.menu()
        if old is not None:
            old.deleteLater()  # takes itself off the button
        if len(entries) < 2:
            return
        menu = QMenu(button)
        for text, value in entries:
            menu.addAction(text, lambda value=value: signal.emit(value))
        button.setMenu(menu)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.doubled.emit()
