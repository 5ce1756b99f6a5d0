"""Adding, changing and deleting labels of the study, from the label list and the menu."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QDialog, QWidget

from glioma_annotator.domain.labels import Label, LabelScheme
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.ui.dialogs.label_dialog import LabelDialog
from glioma_annotator.ui.reading_state import ReadingState
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.workflow.commands import Command
from glioma_annotator.workflow.study_labels import in_use, with_changed_label, with_new_label, without_label

#: Values of added labels that a key paints with.
KEYED = range(5, 10)


class StudyLabels(QObject):
    """What the reader does to the study's labels.

    Parameters
    ----------
    show: opens a dialog over the window.
    """

    def __init__(
        self, study: StudyController, reading: ReadingState, show: Callable[[QDialog], None], window: QWidget
    ) -> None:
        super().__init__(window)
        self._study = study
        self._reading = reading
        self._show = show
        self._window = window
        study.scheme_changed.connect(self._keep_to_scheme)

    def _keep_to_scheme(self) -> None:
        """What is in hand and what is hidden are labels of the study that is open."""
        values = self._study.scheme.values
        if self._reading.brush.value not in values:
            self._reading.set_label(values[0])
        for value in self._reading.hidden.difference(values):
            self._reading.set_label_visible(value, True)

    @property
    def possible(self) -> bool:
        return self._study.session is not None and not self._study.read_only

    def ask_new(self) -> None:
        """Ask for a label, add it and make it the active one."""
        self._ask(None)

    def ask_change(self, label: Label) -> None:
        self._ask(label)

    def _ask(self, known: Label | None) -> None:
        dialog = LabelDialog(self._study.scheme, known, self._window)

        def accepted() -> None:
            try:
                self._keep(dialog.label, new=known is None)
            except UserError as error:
                self._study.failed.emit(error)

        dialog.accepted.connect(accepted)
        self._show(dialog)

    def _keep(self, label: Label, *, new: bool) -> None:
        session = self._study.require_session()
        if new:
            scheme, label = with_new_label(session.store, label.name, label.title, label.colour, session.author)
        else:
            scheme = with_changed_label(session.store, label, session.author)
        session.use_scheme(scheme)
        if new:
            self._reading.set_label(label.value)
            self._study.notice.emit(f"{label.name} is the active label; its value in the mask is {label.value}.")

    def delete(self, label: Label) -> None:
        """Delete a label that nothing uses; whether anything does is looked up on a worker."""
        study = self._study
        session, visit = study.require_session(), study.visit
        if visit is not None and visit.editor.holds(label.value):
            study.failed.emit(in_use(label, "the open mask, or a step of its history, holds it"))
            return

        def work(report: Report, cancel: CancelToken) -> LabelScheme:
            open_visit = visit.id if visit is not None else None
            return without_label(session.store, label.value, open_visit, session.author, report, cancel)

        def done(scheme: LabelScheme) -> None:
            session.use_scheme(scheme)
            study.notice.emit(f"The label {label.name} is deleted.")

        study.workers.reading.submit(f"Deleting {label.name}", work, done, study.failed.emit)


def label_commands(study: StudyController, reading: ReadingState, labels: StudyLabels) -> list[Command]:
    """A new label, and keys for those that were added."""

    def there(value: int) -> bool:
        return study.scheme.label(value) is not None

    commands = [
        Command("edit.new_label", "New label…", "Add a label for what the study has no name for", labels.ask_new,
                "Edit", ("Ctrl+Shift+N",), lambda: labels.possible),
    ]  # fmt: skip
    commands += [
        Command(f"edit.label{n}", f"Added label {n}", f"Paint the label that was added with the value {n}",
                partial(reading.set_label, n), "Edit", (str(n),), partial(there, n),
                partial(lambda n: reading.brush.value == n, n), partial(there, n))
        for n in KEYED
    ]  # fmt: skip
    return commands
