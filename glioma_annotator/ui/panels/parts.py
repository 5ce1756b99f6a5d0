"""Small building blocks that every panel uses."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QToolButton, QWidget

from glioma_annotator.ui import theme


def heading(text: str) -> QLabel:
    """The quiet heading of a part of a panel."""
    label = QLabel(text)
    label.setProperty("role", "heading")
    return label


def quiet(text: str = "", wrap: bool = True) -> QLabel:
    """Text of less weight."""
    label = QLabel(text)
    label.setProperty("role", "quiet")
    label.setWordWrap(wrap)
    return label


def line() -> QFrame:
    """A thin divider."""
    frame = QFrame()
    frame.setProperty("role", "line")
    return frame


def push_button(text: str, tip: str, run: Callable[[], None], icon: str = "") -> QPushButton:
    """A button that leaves the keyboard with the panes when it is clicked, and is reached with Tab."""
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAccessibleName(text)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    if icon:
        button.setIcon(theme.icon(icon))
    button.clicked.connect(lambda _on=False: run())
    return button


def follow_action(button: QPushButton, action: QAction) -> None:
    """Let a push button run an action and share its tooltip and whether it is enabled."""

    def refresh() -> None:
        button.setEnabled(action.isEnabled())
        button.setToolTip(action.toolTip())

    button.clicked.connect(lambda _on=False: action.trigger())
    action.changed.connect(refresh)
    refresh()


def tool_button(icon_off: str, icon_on: str, name: str, tip: str, parent: QWidget | None = None) -> QToolButton:
    """A checkable icon button: `icon_on` is shown while it is checked."""
    button = QToolButton(parent)
    button.setCheckable(True)
    button.setAccessibleName(name)
    button.setToolTip(tip)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    palette = theme.current()

    def show() -> None:
        on = button.isChecked()
        button.setIcon(theme.icon(icon_on if on else icon_off, palette.text if on else palette.quiet))

    button.toggled.connect(show)
    show()
    return button


def swatch(colour: str, size: int = 14) -> QIcon:
    """A filled square of a label's colour."""
    pixmap = QPixmap(size, size)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(QColor(colour))
    painter.setPen(QColor(theme.current().line))
    painter.drawRoundedRect(0, 0, size - 1, size - 1, 3, 3)
    painter.end()
    return QIcon(pixmap)


def ml_text(ml: float | None) -> str:
    """A volume for a reader, in mL, two decimals below 1 mL and one above."""
    if ml is None:
        return "–"
    return f"{ml:.2f}" if 0 < ml < 1 else f"{ml:.1f}"
