"""The command palette: type a few letters, run a command."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QDialog, QLineEdit, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from glioma_annotator.ui.command_ui import shortcut_text
from glioma_annotator.workflow.commands import Command, CommandRegistry

_ID = Qt.ItemDataRole.UserRole


def matches(command: Command, text: str) -> bool:
    """Whether every word of `text` occurs in the command's menu, title or help."""
    haystack = f"{command.group} {command.title} {command.help}".lower()
    return all(word in haystack for word in text.lower().split())


class CommandPalette(QDialog):
    """A filter line above the commands, those that can run now first; Return runs the selected one."""

    def __init__(self, registry: CommandRegistry, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Commands")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(True)
        self.resize(560, 400)
        self._registry = registry
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Type to find a command, Return runs it")
        self.filter.setAccessibleName("Find a command")
        self.filter.setClearButtonEnabled(True)
        self.list = QTreeWidget()
        self.list.setAccessibleName("Commands")
        self.list.setColumnCount(3)
        self.list.setHeaderHidden(True)
        self.list.setRootIsDecorated(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(8)
        layout.addWidget(self.filter)
        layout.addWidget(self.list)
        self.filter.textChanged.connect(self._fill)
        self.filter.returnPressed.connect(self._run)
        self.filter.installEventFilter(self)
        self.list.itemActivated.connect(lambda _item, _column: self._run())
        self._fill()

    def _fill(self) -> None:
        self.list.clear()
        found = [c for c in self._registry if c.listed() and matches(c, self.filter.text())]
        # Commands whose title holds the text come first; those found by their help follow.
        text = self.filter.text().lower().strip()
        found.sort(key=lambda c: (not c.enabled(), text not in c.title.lower()))
        for command in found:
            item = QTreeWidgetItem([command.title, command.group, shortcut_text(command)])
            item.setData(0, _ID, command.id)
            item.setToolTip(0, command.help)
            if not command.enabled():
                item.setFlags(Qt.ItemFlag.NoItemFlags)
            self.list.addTopLevelItem(item)
        for column, width in enumerate((300, 90, 110)):
            self.list.setColumnWidth(column, width)
        self._select(0)

    def _select(self, row: int) -> None:
        item = self.list.topLevelItem(row)
        if item is not None:
            self.list.setCurrentItem(item)

    def _run(self) -> None:
        item = self.list.currentItem()
        if item is None:
            return
        command = self._registry[item.data(0, _ID)]
        self.accept()
        if command.enabled():
            command.run()

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Arrow keys move in the list while the text is being typed."""
        if isinstance(event, QKeyEvent) and event.type() is QEvent.Type.KeyPress:
            step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()), 0)
            row = self.list.indexOfTopLevelItem(self.list.currentItem()) + step
            if step and 0 <= row < self.list.topLevelItemCount():
                self._select(row)
                return True
        return False
