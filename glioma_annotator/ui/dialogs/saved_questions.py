"""The line of the cohort page with the saved questions: take one, save, rename and delete."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QInputDialog, QWidget

from glioma_annotator.errors import UserError
from glioma_annotator.ui.dialogs.small import ask_first
from glioma_annotator.ui.panels.parts import push_button, quiet
from glioma_annotator.ui.study_controller import StudyController


class SavedQuestions(QWidget):
    """The workspace's saved questions.

    Signals
    -------
    taken(str): the text of the question that the reader chose.

    Parameters
    ----------
    question: gives the question on the page, to be saved.
    """

    taken = Signal(str)

    def __init__(self, study: StudyController, question: Callable[[], str]) -> None:
        super().__init__()
        self._study, self._question = study, question
        self.choice = QComboBox()
        self.choice.setAccessibleName("Saved questions")
        self.choice.setMinimumWidth(280)
        self.choice.activated.connect(lambda _i: self._take_saved())
        self.save = push_button("Save…", "Keep this question under a name", self._ask_name)
        self.rename = push_button("Rename…", "Give the saved question another name", self._ask_other_name)
        self.forget = push_button("Delete…", "Take the saved question out of the list", self._ask_forget)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(quiet("Saved questions", wrap=False))
        row.addWidget(self.choice)
        for button in (self.save, self.rename, self.forget):
            button.setAutoDefault(False)
            row.addWidget(button)
        row.addStretch(1)
        self.show_saved()

    def show_saved(self, current: str = "") -> None:
        """List what is saved, with the question of that name chosen."""
        self.choice.clear()
        known = self._study.require_session().store.cohort.saved()
        self.choice.addItem("Choose one…" if known else "None yet: ask, then Save…", "")
        for question in known:
            self.choice.addItem(question.name, question.text)
            self.choice.setItemData(self.choice.count() - 1, question.text, Qt.ItemDataRole.ToolTipRole)
        self.choice.setCurrentIndex(max(self.choice.findText(current), 0) if current else 0)
        self.refresh()

    def refresh(self) -> None:
        """The question is another one: enable what can be done with it."""
        writable = not self._study.read_only
        self.save.setEnabled(writable and bool(self._question()))
        chosen = self.choice.currentIndex() > 0
        self.rename.setEnabled(writable and chosen)
        self.forget.setEnabled(writable and chosen)

    def _take_saved(self) -> None:
        if self.choice.currentIndex() > 0:
            self.taken.emit(str(self.choice.currentData()))
        self.refresh()

    def _ask_name(self) -> None:
        known = self.choice.currentText() if self.choice.currentIndex() > 0 else ""
        self._name_dialog("Save the question", known, lambda name: self._save_or_ask(name.strip(), known))

    def _save_or_ask(self, name: str, chosen: str) -> None:
        """Ask before another question than the chosen one is replaced."""
        if name == chosen or self.choice.findText(name, Qt.MatchFlag.MatchExactly) < 1:
            self.save_as(name)
            return
        ask_first(self, "Save the question", f"There is a saved question “{name}” already. Replace it?",
                  "“Changes…” keeps what it asked until now.", "Replace", lambda: self.save_as(name))  # fmt: skip

    def save_as(self, name: str) -> None:
        """Keep the question under a name, in place of the one of that name."""
        if self._carefully(
            lambda: self._study.require_session().store.cohort.save(name.strip(), self._question(), self._author)
        ):
            self.show_saved(name.strip())
            self._study.notice.emit(f"Question saved: {name.strip()}.")

    def _ask_other_name(self) -> None:
        known = self.choice.currentText()
        self._name_dialog("Rename the question", known, lambda name: self.rename_to(known, name))

    def rename_to(self, name: str, other: str) -> None:
        """Give a saved question another name."""
        if self._carefully(
            lambda: self._study.require_session().store.cohort.rename(name, other.strip(), self._author)
        ):
            self.show_saved(other.strip())

    def _ask_forget(self) -> None:
        name = self.choice.currentText()
        ask_first(self, "Delete a saved question", f"Delete the saved question “{name}”?",
                  "The patients' records stay as they are.", "Delete", lambda: self.forget_question(name))  # fmt: skip

    def forget_question(self, name: str) -> None:
        """Take a saved question out of the list."""
        if self._carefully(lambda: self._study.require_session().store.cohort.forget(name, self._author)):
            self.show_saved()

    @property
    def _author(self) -> str:
        return self._study.require_session().author

    def _carefully(self, write: Callable[[], None]) -> bool:
        try:
            write()
        except UserError as error:
            self._study.failed.emit(error)
            return False
        return True

    def _name_dialog(self, title: str, value: str, use: Callable[[str], None]) -> None:
        dialog = QInputDialog(self)
        dialog.setWindowTitle(title)
        dialog.setLabelText("Name:")
        dialog.setTextValue(value)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.textValueSelected.connect(use)
        dialog.open()
