"""The shortcut page: every command and key, grouped by menu, searchable."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QDialog, QHeaderView, QLineEdit, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from glioma_annotator.ui.dialogs.command_palette import matches
from glioma_annotator.workflow.commands import Command, CommandRegistry

MOUSE = (
    ("Wheel", "Slice"),
    ("Ctrl and wheel", "Zoom at the pointer"),
    ("Shift and wheel", "Brush size"),
    ("Left button", "The tool; without one, the crosshair"),
    ("Middle drag", "Pan"),
    ("Right drag", "Window (sideways) and level (up and down)"),
    ("Right double click", "Reset window and level"),
    ("Double click", "Maximise the pane, or back"),
    ("Shift and move", "The crosshair follows in all panes"),
)


class ShortcutPage(QDialog):
    """All keys and what the mouse does, on one page."""

    def __init__(self, registry: CommandRegistry, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard shortcuts")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(820, 600)
        self._registry = registry
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Search")
        self.filter.setAccessibleName("Search the shortcuts")
        self.filter.setClearButtonEnabled(True)
        self.list = QTreeWidget()
        self.list.setAccessibleName("Shortcuts by menu")
        self.list.setHeaderLabels(["Keys", "Command", "What it does"])
        self.list.setSelectionMode(QTreeWidget.SelectionMode.NoSelection)
        self.list.header().setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(8)
        layout.addWidget(self.filter)
        layout.addWidget(self.list)
        self.filter.textChanged.connect(self._fill)
        self._fill()

    def _fill(self) -> None:
        text = self.filter.text()
        self.list.clear()
        for group in self._registry.groups:
            commands = [c for c in self._registry if c.group == group and c.shortcuts and self._found(c, text)]
            self._add(group, [(_keys(c), c.title, c.help) for c in commands])
        words = text.lower().split()
        self._add("Mouse over a pane", [(k, "", w) for k, w in MOUSE if all(x in f"{k} {w}".lower() for x in words)])
        self.list.expandAll()
        for column, width in enumerate((190, 230)):
            self.list.setColumnWidth(column, width)

    @staticmethod
    def _found(command: Command, text: str) -> bool:
        sought, keys = text.strip().lower(), [k.lower() for k in command.shortcuts]
        return matches(command, text) or sought in keys or ("+" in sought and any(sought in k for k in keys))

    def _add(self, title: str, rows: list[tuple[str, str, str]]) -> None:
        if not rows:
            return
        parent = QTreeWidgetItem([title])
        font = parent.font(0)
        font.setBold(True)
        parent.setFont(0, font)
        self.list.addTopLevelItem(parent)
        parent.setFirstColumnSpanned(True)
        for row in rows:
            item = QTreeWidgetItem(list(row))
            item.setTextAlignment(0, Qt.AlignmentFlag.AlignLeft)
            item.setToolTip(1, row[1])
            item.setToolTip(2, row[2])
            parent.addChild(item)


def keys_page(registry: CommandRegistry) -> str:
    """The same page as Markdown, for the documents."""
    lines = ["# Keyboard and mouse", "", "The program shows this page with `?`; `make screenshots` writes it anew.", ""]
    for group in registry.groups:
        rows = [c for c in registry if c.group == group and c.shortcuts]
        if rows:
            lines += [f"## {group}", "", "| keys | command | what it does |", "|---|---|---|"]
            lines += [f"| {' or '.join(f'`{k}`' for k in c.shortcuts)} | {c.title} | {c.help} |" for c in rows]
            lines.append("")
    lines += ["## Mouse over a pane", "", "| mouse | what it does |", "|---|---|"]
    lines += [f"| {keys} | {words} |" for keys, words in MOUSE]
    return "\n".join(lines) + "\n"


def _keys(command: Command) -> str:
    native = QKeySequence.SequenceFormat.NativeText
    return "  or  ".join(QKeySequence(keys).toString(native) for keys in command.shortcuts)
