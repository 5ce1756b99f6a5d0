"""Fields of forms that lie in a scrolling panel: the wheel scrolls the panel and never changes what was entered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from PySide6.QtCore import QEvent, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QFocusEvent, QHideEvent, QKeyEvent, QWheelEvent
from PySide6.QtWidgets import QComboBox, QLineEdit, QPlainTextEdit, QSpinBox

from glioma_annotator.ui.panels.parts import DecimalField

#: A text that is being typed is kept this long after the last key.
_KEEP_AFTER_MS = 800


class CalmList(QComboBox):
    """A list to choose from; the wheel moves the page that it stands on, never the choice under it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class Choice(CalmList):
    """A list of values to choose from.

    Signals
    -------
    chosen: the reader chose, in the list, with an arrow or by typing a first letter; also what was chosen before.
    """

    chosen = Signal()

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self._showing = False
        self.activated.connect(self._tell)
        self.currentIndexChanged.connect(self._tell)  # a letter typed changes the choice without activating it

    @classmethod
    def of(cls, name: str, values: type[Enum], *, none: str = "") -> Choice:
        """With the members of an enumeration, after an empty choice that reads `none`, if any."""
        made = cls(name)
        if none:
            made.add(none, None)
        for value in values:
            made.add(str(value.value), value)
        return made

    def add(self, text: str, value: Any, tip: str = "") -> None:
        """One more choice; its text is shown in full as a tooltip where it does not fit."""
        self._showing = True  # the first one becomes the present one, which nobody chose
        self.addItem(text, value)
        self.setItemData(self.count() - 1, tip or text, Qt.ItemDataRole.ToolTipRole)
        self._showing = False

    def show_value(self, value: Any) -> None:
        """Show the choice with this value, the first one where there is none."""
        held = [self.itemData(i) for i in range(self.count())]
        self.show_index(held.index(value) if value in held else 0)

    def show_index(self, index: int) -> None:
        """Show a choice that nobody made just now."""
        self._showing = True
        self.setCurrentIndex(index)
        self.setToolTip(self.currentText())
        self._showing = False

    def show_choices(self, choices: Mapping[str, Any]) -> None:
        """Other choices, by their texts."""
        self._showing = True
        self.clear()
        for text, value in choices.items():
            self.add(text, value)

    def event(self, event: QEvent) -> bool:
        """Letters choose here; they take no tool in hand as they do over the panes."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier)
            if plain and event.text().isprintable() and event.text():
                event.accept()
                return True
        return super().event(event)

    def _tell(self, _index: int) -> None:
        if not self._showing:
            self.chosen.emit()


class Number(QSpinBox):
    """A whole number."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class Figure(DecimalField):
    """A number with as many decimals as it needs, one at least."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def textFromValue(self, value: float) -> str:
        text, point = super().textFromValue(value), self.locale().decimalPoint()
        whole, _, rest = text.partition(point)
        return f"{whole}{point}{rest.rstrip('0') or '0'}" if rest else text

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class Line(QLineEdit):
    """A text of one line that knows whether it is other than what was shown."""

    def __init__(self, name: str, hint: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setPlaceholderText(hint)
        self._shown = ""

    @property
    def words(self) -> str:
        return self.text().strip()

    @property
    def typed(self) -> bool:
        """Whether the reader changed what was shown: a text is never kept in another form for having been looked at."""
        return self.text() != self._shown

    def show_words(self, words: str, *, other: bool) -> None:
        """Show a text from its beginning; what is being typed stays unless it is of `other`, another record."""
        if other or not self.hasFocus():
            self.setText(words)
            self.setCursorPosition(0)
        if self.words == words.strip():  # also what was typed and is kept now
            self._shown = self.text()


class Words(QPlainTextEdit):
    """A text of several lines that tells when there is something to keep: soon after a key, when left, when hidden."""

    def __init__(self, name: str, height: int = 56) -> None:
        super().__init__()
        self._height = height
        self._shown = ""
        self.left: Callable[[], None] = lambda: None
        self.setTabChangesFocus(True)
        self.setAccessibleName(name)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_KEEP_AFTER_MS)
        self._timer.timeout.connect(lambda: self.left())
        self.textChanged.connect(lambda: self._timer.start() if self.hasFocus() else None)

    @property
    def words(self) -> str:
        return self.toPlainText().strip()

    @property
    def typed(self) -> bool:
        """Whether the reader changed what was shown: a text is never kept in another form for having been looked at."""
        return self.toPlainText() != self._shown

    def show_words(self, words: str, *, other: bool) -> None:
        """Show a text; what is being typed stays unless it is of `other`, another record."""
        if self.words != words and (other or not self.hasFocus()):
            self.setPlainText(words)
            self._shown = self.toPlainText()
        elif self.words == words:  # also what was typed and is kept now
            self._shown = self.toPlainText()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._leave()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._leave()

    def _leave(self) -> None:
        self._timer.stop()
        if self.typed:
            self.left()

    def sizeHint(self) -> QSize:
        return QSize(200, self._height)
