"""A strip above the panes for what the reader should decide or know; never a dialog."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton

from glioma_annotator.ui.panels.parts import SmallButton, plain_tip, push_button

Choice = tuple[str, str, Callable[[], None]]
"""What a button says, its tooltip, what it does."""


class Banner(QFrame):
    """One sentence with its buttons; a later one takes its place."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "banner")
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(16, 4, 8, 4)
        self._row.setSpacing(8)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setMinimumWidth(120)  # not the longest word's: a file's name would squeeze the panels
        self._row.addWidget(self.text, 1)
        self.buttons: list[QPushButton] = []
        self._close = SmallButton("close", "Hide this message")
        self._close.clicked.connect(self.hide)
        self._row.addWidget(self._close)
        self.hide()

    def tell(self, text: str, choices: Sequence[Choice] = (), details: str = "") -> None:
        """Show a sentence; every button hides the banner, then acts. `details` is the tooltip."""
        for old in self.buttons:
            self._row.removeWidget(old)
            old.deleteLater()
        self.buttons = []
        self.text.setText(text)
        self.text.setToolTip(plain_tip(details))
        for place, (title, tip, act) in enumerate(choices, start=1):
            button = push_button(title, tip, self._chosen(act))
            self._row.insertWidget(place, button)
            self.buttons.append(button)
        self.show()

    def withdraw_choices(self) -> None:
        """Hide a sentence that offers choices, once they make no sense any more."""
        if self.buttons:
            self.hide()

    def _chosen(self, act: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            self.hide()
            act()

        return run
