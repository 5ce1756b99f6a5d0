"""Small building blocks that every panel uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtGui import QAction, QColor, QIcon, QPainter, QPixmap
from PySide6.QtGui import Qt as GuiQt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QDoubleSpinBox,
    QFrame,
    QHeaderView,
    QLabel,
    QPushButton,
    QSlider,
    QTableWidget,
    QToolButton,
    QWidget,
)

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


def plain_tip(text: str) -> str:
    """A tooltip that shows a text as it stands, also where names in it look like tags."""
    return f"<qt>{escape(text)}</qt>".replace("\n", "<br>") if GuiQt.mightBeRichText(text) else text


def without_keys(text: str) -> str:
    """A name for a button or a menu, whose & is no underlined key."""
    return text.replace("&", "&&")


class DecimalField(QDoubleSpinBox):
    """A number whose decimals follow a point or a comma, whichever the reader types.

    Qt takes the one of the two that is not the language's for a divider of thousands: 8.5 became 85.
    """

    def validate(self, text: str, place: int) -> object:
        point = self.locale().decimalPoint()
        return super().validate(text.replace(".", point).replace(",", point), place)


class CalmFields(QObject):
    """Keeps the wheel, which moves the panel that fields lie in, from changing what they hold."""

    def calm(self, within: QWidget) -> None:
        """All the numbers, lists and sliders that are there now."""
        for kind in (QAbstractSpinBox, QComboBox, QSlider):
            for field in within.findChildren(kind):
                field.installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if event.type() is not QEvent.Type.Wheel:
            return False
        event.ignore()  # it goes to the panel
        return True


def push_button(text: str, tip: str, run: Callable[[], None]) -> QPushButton:
    """A button that leaves the keyboard with the panes when it is clicked, and is reached with Tab."""
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAccessibleName(text)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
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


class SwitchButton(QToolButton):
    """A checkable icon button: `icon_on` is shown while it is checked."""

    def __init__(self, icon_off: str, icon_on: str, name: str, tip: str) -> None:
        super().__init__()
        self._icons = (icon_off, icon_on)
        self.setCheckable(True)
        self.setAccessibleName(name)
        self.setToolTip(plain_tip(tip))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.toggled.connect(self._redraw)
        self._redraw()

    def _redraw(self) -> None:
        palette, on = theme.current(), self.isChecked()
        self.setIcon(theme.icon(self._icons[on], palette.text if on else palette.quiet))

    def changeEvent(self, event: QEvent) -> None:
        if event.type() is QEvent.Type.PaletteChange:
            self._redraw()
        super().changeEvent(event)


class SmallButton(QToolButton):
    """A button that is an icon in the palette's colours, reached with Tab."""

    def __init__(self, icon: str, tip: str) -> None:
        super().__init__()
        self._icon = icon
        self.setToolTip(plain_tip(tip))
        self.setAccessibleName(tip)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._redraw()

    def _redraw(self) -> None:
        self.setIcon(theme.icon(self._icon))

    def changeEvent(self, event: QEvent) -> None:
        if event.type() is QEvent.Type.PaletteChange:
            self._redraw()
        super().changeEvent(event)


class IconButton(QPushButton):
    """A push button with an icon in the palette's colours; `main` makes it the accented one."""

    def __init__(self, text: str, icon: str, *, main: bool = False) -> None:
        super().__init__(text)
        self._icon = icon
        self._main = main
        self.setProperty("main", main)
        self.setAccessibleName(text)
        self._redraw()

    def _redraw(self) -> None:
        self.setIcon(theme.icon(self._icon, theme.current().on_accent if self._main else None))

    def changeEvent(self, event: QEvent) -> None:
        if event.type() is QEvent.Type.PaletteChange:
            self._redraw()
        super().changeEvent(event)


def roomy(window: QWidget, width: int, height: int) -> QSize:
    """The size of a page over a window: at least width x height, most of the window where that is larger."""
    return QSize(max(width, window.width() * 3 // 4), max(height, window.height() * 7 // 8))


def list_table(heads: Sequence[str], name: str) -> QTableWidget:
    """A table of records, one chosen at a time, not edited in place; `name` is what a screen reader says."""
    table = QTableWidget(0, len(heads))
    table.setHorizontalHeaderLabels(list(heads))
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(24)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setShowGrid(False)
    table.setAlternatingRowColors(True)
    table.setTabKeyNavigation(False)  # Tab goes on; within the rows it would go round for ever
    table.setAccessibleName(name)
    table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return table


def swatch(colour: str, size: int = 14) -> QIcon:
    """A filled square of a label's colour."""
    pixmap = QPixmap(2 * size, 2 * size)  # crisp up to 200 % scaling
    pixmap.setDevicePixelRatio(2)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(QColor(colour))
    painter.setPen(QColor(theme.current().line))
    painter.drawRoundedRect(0, 0, size - 1, size - 1, 3, 3)
    painter.end()
    return QIcon(pixmap)


def count_text(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it is one."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def ml_text(ml: float | None) -> str:
    """A volume for a reader, in mL, two decimals below 1 mL and one above."""
    if ml is None:
        return "–"
    return f"{ml:.2f}" if 0 < ml < 1 else f"{ml:.1f}"
