"""The tools in two columns, drawn from the command registry."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QGridLayout, QToolButton, QWidget

from glioma_annotator.ui.command_ui import CommandActions
from glioma_annotator.ui.panels.parts import line

_COLUMNS = 2


class ToolGrid(QWidget):
    """Icon buttons for commands; an empty name is a divider across both columns."""

    def __init__(self, actions: CommandActions, commands: Iterable[str]) -> None:
        super().__init__()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2)
        self.buttons: dict[str, QToolButton] = {}
        row = column = 0
        for command in commands:
            if not command or column == _COLUMNS:
                row, column = row + 1, 0
            if not command:
                grid.addWidget(line(), row, 0, 1, _COLUMNS)
                row += 1
                continue
            button = QToolButton()
            button.setDefaultAction(actions[command])
            button.setIconSize(QSize(20, 20))
            button.setAutoRaise(True)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setAccessibleName(actions[command].text())
            grid.addWidget(button, row, column)
            self.buttons[command] = button
            column += 1
        grid.setRowStretch(row + 1, 1)
