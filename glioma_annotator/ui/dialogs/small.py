"""Small dialogs: a question before something is done, a workspace that is open elsewhere, About."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QMessageBox, QVBoxLayout, QWidget

from glioma_annotator import __version__
from glioma_annotator.errors import WorkspaceBusy

_Button = QDialogButtonBox.StandardButton
_Role = QDialogButtonBox.ButtonRole
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


def ask_first(parent: QWidget, title: str, text: str, more: str, button: str, do: Callable[[], None]) -> None:
    """Do something once the reader presses `button`; Return and Esc leave everything as it is."""
    question = QMessageBox(parent)
    question.setIcon(QMessageBox.Icon.Question)
    question.setWindowTitle(title)
    question.setTextFormat(Qt.TextFormat.PlainText)
    question.setText(text)
    question.setInformativeText(more)
    yes = question.addButton(button, QMessageBox.ButtonRole.DestructiveRole)
    question.setDefaultButton(question.addButton(QMessageBox.StandardButton.Cancel))
    question.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    yes.clicked.connect(do)
    question.open()


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
