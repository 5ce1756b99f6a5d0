"""Finding records and keeping them: search, cohort page, identities, archives, backups, deleted items, changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QDialog, QWidget

from glioma_annotator.domain.archive import MergeSummary
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.settings import Settings
from glioma_annotator.ui.dialogs.backups_page import BackupsPage
from glioma_annotator.ui.dialogs.cohort_page import CohortPage
from glioma_annotator.ui.dialogs.identities import IdentityDialog
from glioma_annotator.ui.dialogs.patient_archives import ExportArchiveDialog, ImportArchiveDialog
from glioma_annotator.ui.dialogs.records_page import RecordsPage
from glioma_annotator.ui.findings import FindingsController
from glioma_annotator.ui.navigator import Navigator, Place
from glioma_annotator.ui.panels.parts import count_text
from glioma_annotator.ui.search_box import SearchBox
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.workflow.commands import Command


class Keeping(QObject):
    """The acts behind these commands.

    Parameters
    ----------
    navigator: opens the image at what was found.
    show: opens a dialog over the window, which it is to be made with.
    settings: as they are now. change_settings: uses and keeps others.

    Signals
    -------
    warned(list[str]): what the reader should know of what was taken in or restored.
    """

    warned = Signal(list)

    def __init__(
        self,
        study: StudyController,
        findings: FindingsController,
        navigator: Navigator,
        show: Callable[[QDialog], None],
        settings: Callable[[], Settings],
        change_settings: Callable[[Settings], None],
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._window = window
        self._study, self._findings, self._navigator = study, findings, navigator
        self._show, self._settings, self._change_settings = show, settings, change_settings
        self.search_box: SearchBox | None = None  # made with the menu bar
        self.cohort: CohortPage | None = None
        study.workspace_changed.connect(self._forget_cohort)

    # finding

    def search(self) -> None:
        """Take the keyboard to the search field."""
        if self.search_box is not None:
            self.search_box.start()

    def go(self, place: Place) -> None:
        """Open a place that was found; what fails goes to the error dialog."""
        self._navigator.go(place)

    def cohort_page(self) -> None:
        """Bring up the cohort page as it was left."""
        if self.cohort is None:
            self.cohort = CohortPage(self._study, self._window)
            self.cohort.chosen.connect(self.go)
        self.cohort.show()
        self.cohort.raise_()
        self.cohort.activateWindow()
        if not self.cohort.question:
            self.cohort.text.setFocus()

    def _forget_cohort(self) -> None:
        if self.cohort is not None:
            self.cohort.close()
            self.cohort.deleteLater()
            self.cohort = None

    def step_hit(self, direction: int) -> None:
        """The next (+1) or previous (-1) visit of the cohort page's list."""
        if self.cohort is not None:
            self.cohort.step(direction)

    @property
    def has_hits(self) -> bool:
        return self.cohort is not None and bool(self.cohort.model.hits)

    # records

    def identity(self) -> None:
        self._show(IdentityDialog(self._study, self._window))

    def deleted(self) -> None:
        self._show(RecordsPage(self._study, self._window))

    def changes(self) -> None:
        self._show(RecordsPage(self._study, self._window, changes=True))

    def finding_history(self) -> None:
        """Every change of the selected finding."""
        self._show(RecordsPage(self._study, self._window, changes=True, record=self._findings.current))

    # one patient

    def export_archive(self) -> None:
        dialog = ExportArchiveDialog(self._study.patient_key, self._window)
        dialog.chosen.connect(self.write_archive)
        self._show(dialog)

    def write_archive(self, file: Path, identities: bool) -> None:
        """Write the open patient as an archive, on a worker."""
        store, key = self._study.require_session().store, self._study.patient_key

        def work(report: Report, cancel: CancelToken) -> None:
            store.export_patient(key, file, report, cancel, identities=identities)

        def done(_none: None) -> None:
            unsaved = self._study.visit is not None and self._study.visit.editor.unsaved
            without = " Unsaved steps are not in it: save a revision, then export again." if unsaved else ""
            self._study.notice.emit(f"{key} is in {file.name}.{without}")

        self._study.workers.computing.submit(f"Exporting {key}", work, done, self._study.failed.emit)

    def import_archive(self) -> None:
        dialog = ImportArchiveDialog(self._window)
        dialog.chosen.connect(self.read_archive)
        self._show(dialog)

    def read_archive(self, file: Path, key: str) -> None:
        """Take in the patient of an archive, on a worker."""
        session = self._study.require_session()

        def work(report: Report, cancel: CancelToken) -> MergeSummary:
            return session.store.import_patient(file, report, cancel, key=key)

        def done(summary: MergeSummary) -> None:
            if self._study.session is session:
                self._study.patient_changed.emit()
            told = (
                f"{summary.patient}: {count_text(summary.visits, 'visit')}, {count_text(summary.masks, 'mask')} and"
                f" {count_text(summary.records, 'record')} added, {summary.changed} brought up to date,"
                f" {summary.known} known already."
            )
            self._study.notice.emit(told)
            self.warned.emit(summary.warnings)

        self._study.workers.computing.submit("Importing a patient", work, done, self._study.failed.emit)

    # backups

    def backups(self) -> None:
        page = BackupsPage(self._study, self._settings(), self._window)
        page.settings_changed.connect(self._change_settings)
        page.restore_chosen.connect(self.restore)
        self._show(page)

    def restore(self, backup: Path, target: Path) -> None:
        """Restore a backup on a worker, then open what came of it; the workspace closes first if it is concerned."""
        restore = self._study.services.restore_backup
        session = self._study.session
        if restore is None or session is None:
            return
        concerned, read_only = session.store.path == target, session.store.read_only
        if concerned:
            if self._study.workers.computing.active:
                raise UserError("A job is still running in this workspace.", "Let it finish or cancel it first.")
            self._study.leave_workspace()

        def work(report: Report, cancel: CancelToken) -> list[str]:
            return restore(backup, target, report, cancel)

        def opened_again() -> None:
            if concerned:
                self._study.open_workspace(target, read_only=read_only)

        def done(problems: list[str]) -> None:
            once = Qt.ConnectionType.SingleShotConnection  # opening clears what was told before
            self._study.visit_changed.connect(lambda: self.warned.emit(problems), once)
            self._study.open_workspace(target)
            noted = f" {count_text(len(problems), 'thing')} to look at." if problems else ""
            self._study.notice.emit(f"Restored from {backup.name}.{noted}")

        def fail(error: BaseException) -> None:
            opened_again()
            self._study.failed.emit(error)

        self._study.workers.reading.submit("Restoring", work, done, fail, opened_again)


def finding_commands(keeping: Keeping, study: StudyController) -> list[Command]:
    """Search and cohort, in the menu *Records*."""

    def has_workspace() -> bool:
        return study.session is not None

    return [
        Command("find.search", "Search", "Find words in findings, reports, notes, events and histology",
                keeping.search, "Records", ("Ctrl+F",), has_workspace),
        Command("find.cohort", "Cohort…", "Ask a question across patients", keeping.cohort_page, "Records",
                ("Ctrl+Shift+F",), has_workspace),
        Command("find.next", "Next visit found", "Open the next visit of the cohort page's list",
                lambda: keeping.step_hit(1), "Records", ("Alt+Down",), lambda: keeping.has_hits),
        Command("find.previous", "Previous visit found", "Open the previous visit of the cohort page's list",
                lambda: keeping.step_hit(-1), "Records", ("Alt+Up",), lambda: keeping.has_hits),
    ]  # fmt: skip


def archive_commands(keeping: Keeping, study: StudyController) -> list[Command]:
    """Patient archives and backups, in the menu *File*."""

    def has_workspace() -> bool:
        return study.session is not None

    return [
        Command("file.export_patient", "Export patient archive…", "Write the patient with all records as one file for"
                " another workspace", keeping.export_archive, "File", (), lambda: bool(study.patient_key)),
        Command("file.import_patient", "Import patient archive…", "Add or merge a patient from such a file",
                keeping.import_archive, "File", (), lambda: has_workspace() and not study.read_only),
        Command("file.backups", "Backups…", "Copy, archive or restore this workspace, and the schedule of copies",
                keeping.backups, "File", (), has_workspace),
    ]  # fmt: skip


def keeping_commands(keeping: Keeping, study: StudyController, findings: FindingsController) -> list[Command]:
    """Deleted items, changes and identities, in the menu *Records*."""

    def has_patient() -> bool:
        return bool(study.patient_key)

    return [
        Command("study.deleted", "Deleted items…", "Records that were deleted and can be brought back",
                keeping.deleted, "Records", (), has_patient),
        Command("study.changes", "Changes…", "Who changed what, when, from what to what", keeping.changes, "Records",
                ("Alt+Shift+H",), lambda: study.session is not None),
        Command("study.finding_history", "History of the finding…", "Every change of the selected finding",
                keeping.finding_history, "Records", (), lambda: bool(findings.current)),
        Command("study.identity", "Who the patient is…", "Name, birth date and record number, kept apart from all else",
                keeping.identity, "Records", (), has_patient),
    ]  # fmt: skip
