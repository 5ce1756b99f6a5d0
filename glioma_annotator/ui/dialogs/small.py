"""Small dialogs: comparison with a revision, a workspace that is open elsewhere, About."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from glioma_annotator import __version__
from glioma_annotator.errors import WorkspaceBusy
from glioma_annotator.ui.panels.parts import line, ml_text, quiet

_Button = QDialogButtonBox.StandardButton
_Role = QDialogButtonBox.ButtonRole
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class _Dialog(QDialog):
    def __init__(self, title: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(24, 24, 24, 16)
        self.column.setSpacing(12)

    def add_text(self, text: str, role: str = "") -> None:
        label = QLabel(text)
        label.setWordWrap(True)
        label.setTextFormat(Qt.TextFormat.PlainText)
        if role:
            label.setProperty("role", role)
        self.column.addWidget(label)

    def add_buttons(self, *standard: QDialogButtonBox.StandardButton) -> QDialogButtonBox:
        buttons = QDialogButtonBox()
        for button in standard:
            buttons.addButton(button)
        buttons.rejected.connect(self.reject)
        buttons.accepted.connect(self.accept)
        self.column.addWidget(buttons)
        return buttons


class ComparisonDialog(_Dialog):
    """What the present mask adds to and takes from a revision, per label in mL.

    Parameters
    ----------
    number: the revision's.
    rows: label name, mL added, mL removed.
    """

    def __init__(self, number: int, rows: Sequence[tuple[str, float, float]], parent: QWidget) -> None:
        super().__init__(f"Compared with revision {number}", parent)
        self.add_text(f"The mask as it stands, compared with revision {number}", "strong")
        grid = QGridLayout()
        grid.setHorizontalSpacing(24)
        grid.setVerticalSpacing(4)
        for column, text in enumerate(("Label", "Added mL", "Removed mL", "Change mL")):
            head = quiet(text, wrap=False)
            head.setAlignment(_LEFT if column == 0 else _RIGHT)
            grid.addWidget(head, 0, column)
        grid.addWidget(line(), 1, 0, 1, 4)
        self.cells: dict[tuple[str, int], str] = {}
        for row, (name, added, removed) in enumerate(rows, start=2):
            change = added - removed
            sign = "+" if change > 0 else "\N{MINUS SIGN}" if change < 0 else ""
            texts = (name, ml_text(added), ml_text(removed), sign + ml_text(abs(change)))
            for column, text in enumerate(texts):
                cell = QLabel(text)
                cell.setAlignment(_LEFT if column == 0 else _RIGHT)
                grid.addWidget(cell, row, column)
                self.cells[name, column] = text
        self.column.addLayout(grid)
        if not any(added or removed for _, added, removed in rows):
            self.column.addWidget(quiet("Both masks are the same."))
        self.add_buttons(_Button.Close)


class BusyDialog(_Dialog):
    """A workspace is open elsewhere: read it only, choose another, or give up."""

    read_only_chosen = Signal(Path)
    other_chosen = Signal()

    def __init__(self, path: Path, busy: WorkspaceBusy, parent: QWidget) -> None:
        super().__init__("Workspace in use", parent)
        self.setModal(True)
        self.add_text("This workspace is open elsewhere.", "strong")
        self.add_text(f"It is held by {busy.holder}.")
        self.add_text(str(path), "quiet")
        self.add_text("You can look at it here without changing anything, or close it there and open it again.")
        buttons = self.add_buttons(_Button.Cancel)
        self.read_only = buttons.addButton("Open read-only", _Role.AcceptRole)
        other = buttons.addButton("Another workspace…", _Role.ActionRole)
        self.read_only.setDefault(True)
        self.accepted.connect(lambda: self.read_only_chosen.emit(path))
        other.clicked.connect(self._choose_other)
        self.setMinimumWidth(440)

    def _choose_other(self) -> None:
        self.reject()
        self.other_chosen.emit()


class AboutDialog(_Dialog):
    def __init__(self, parent: QWidget) -> None:
        super().__init__("About glioma-annotator", parent)
        self.add_text(f"glioma-annotator {__version__}", "strong")
        self.add_text("Follow glioma patients over time: segment, correct, compare, on your own workstation.")
        self.add_text("A research tool. It is no medical device: every mask and figure needs a reader's judgement.")
        self.add_text("Nothing leaves this computer. Licence: Apache 2.0.", "quiet")
        self.add_buttons(_Button.Close)
        self.setMinimumWidth(440)
