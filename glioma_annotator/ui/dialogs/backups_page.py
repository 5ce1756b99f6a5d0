"""Backups of the workspace: what there is, one more now, the schedule, and restoring."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QSpinBox,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import isValid

from glioma_annotator.domain.archive import BackupFile, BackupSummary
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.settings import BackupSettings, Settings, with_value
from glioma_annotator.ui.dialogs.small import ask_first
from glioma_annotator.ui.panels.parts import heading, line, list_table, push_button, quiet
from glioma_annotator.ui.panels.record_rows import filling
from glioma_annotator.ui.study_controller import StudyController

T = TypeVar("T")
_FILE = Qt.ItemDataRole.UserRole
_BACKUPS = "Backups (*.zip *.db);;All files (*)"


class BackupsPage(QDialog):
    """The backups of the open workspace.

    Signals
    -------
    settings_changed(Settings): another schedule.
    restore_chosen(Path, Path): restore this backup to that folder: a new one for an archive, the workspace for a copy.

    Parameters
    ----------
    settings: as they are.
    """

    settings_changed = Signal(object)
    restore_chosen = Signal(object, object)

    def __init__(self, study: StudyController, settings: Settings, parent: QWidget) -> None:
        super().__init__(parent)
        self._study, self._settings = study, settings
        self._store = study.require_session().store
        self.setWindowTitle("Backups")
        self.resize(860, 520)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(8)
        column.addWidget(
            quiet(
                f"What lies in the folder “backups” of the workspace “{self._store.path.name}”. A copy holds the"
                " database: every record, but no images and no masks. An archive holds everything; keep one on another"
                " disk."
            )
        )
        self.table = list_table(("Made (UTC)", "What", "Size", "File"), "Backups")
        self.table.horizontalHeader().setSectionResizeMode(3, QHeaderView.ResizeMode.Stretch)
        self.table.itemSelectionChanged.connect(self._enable)
        self.empty = quiet("There is no backup yet.")
        column.addWidget(self.empty)
        column.addWidget(self.table, 1)
        column.addLayout(self._make_buttons())
        column.addWidget(line())
        column.addWidget(heading("Schedule"))
        column.addLayout(self._make_schedule())
        close = push_button("Close", "Close this page (Esc)", self.reject)
        close.setAutoDefault(False)
        foot = QHBoxLayout()
        foot.addStretch(1)
        foot.addWidget(close)
        column.addLayout(foot)
        study.workspace_changed.connect(self.close)
        self.refresh()

    def _make_buttons(self) -> QHBoxLayout:
        self.copy = push_button("Copy the database now", "Write one more copy, as the schedule would", self.back_up)
        self.archive = push_button("Archive everything…", "Write database, images and masks as one file", self._ask_to)
        self.restore = push_button("Restore selected…", "Put the selected backup back", self._restore_selected)
        self.other = push_button("Restore a file…", "Put back a backup that lies elsewhere", self._ask_file)
        row = QHBoxLayout()
        for button in (self.copy, self.archive, self.restore, self.other):
            button.setAutoDefault(False)
            row.addWidget(button)
        row.addStretch(1)
        return row

    def _make_schedule(self) -> QFormLayout:
        values: BackupSettings = self._settings.backup
        self.every, self.kept = QSpinBox(), QSpinBox()
        self.every.setRange(0, 365)
        self.every.setSpecialValueText("never")
        self.every.setValue(values.every_days)
        self.kept.setRange(1, 365)
        self.kept.setValue(values.kept)
        self.every.setAccessibleName("Copy the database when its newest copy is that old")
        self.kept.setAccessibleName("Scheduled copies kept")
        self.every.valueChanged.connect(lambda value: self._set("every_days", value))
        self.kept.valueChanged.connect(lambda value: self._set("kept", value))
        form = QFormLayout()
        form.addRow("On opening, copy the database when its newest copy is this many days old", self.every)
        form.addRow("Scheduled copies kept", self.kept)
        return form

    def _set(self, name: str, value: int) -> None:
        self._settings = with_value(self._settings, f"backup.{name}", value)
        self.settings_changed.emit(self._settings)

    # what there is

    def refresh(self) -> None:
        """Look into the folder again."""
        files = self._store.backups()
        self.table.setRowCount(len(files))
        with filling(self.table):
            for row, file in enumerate(files):
                size = f"{file.size_bytes / 1e6:.1f} MB"
                for column, text in enumerate(
                    (f"{file.made_utc:%Y-%m-%d %H:%M:%S}", file.kind.value, size, file.path.name)
                ):
                    cell = QTableWidgetItem(text)
                    cell.setData(_FILE, file)
                    self.table.setItem(row, column, cell)
        self.empty.setVisible(not files)
        self.table.setVisible(bool(files))
        if files:
            self.table.selectRow(0)
        self._enable()

    def _enable(self) -> None:
        can_restore = self._study.services.restore_backup is not None
        self.copy.setEnabled(not self._study.read_only)
        self.restore.setEnabled(can_restore and self.selected is not None)
        self.other.setEnabled(can_restore)

    @property
    def selected(self) -> BackupFile | None:
        items = self.table.selectedItems()
        return items[0].data(_FILE) if items else None

    # making one

    def back_up(self) -> None:
        """Write a copy of the database, on a worker."""
        store, kept = self._store, self._settings.backup.kept
        self._run("Backing up the database", lambda report, cancel: store.back_up(kept, report, cancel), self._copied)

    def _copied(self, made: Path) -> None:
        self._study.notice.emit(f"Copied to {made.name}.")

    def _ask_to(self) -> None:
        dialog = QFileDialog(self, "Folder for the archive", str(self._store.path / "backups"))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda folder: self.archive_to(Path(folder)))
        dialog.open()

    def archive_to(self, folder: Path) -> None:
        """Write everything as one archive into a folder, on a worker."""
        store = self._store

        def work(report: Report, cancel: CancelToken) -> BackupSummary:
            return store.back_up_all(folder, report, cancel)

        self._run("Archiving the workspace", work, self._archived)

    def _archived(self, summary: BackupSummary) -> None:
        size = f"{summary.size_bytes / 1e6:.1f} MB"
        bad = f" {len(summary.problems)} missing or damaged: {summary.problems[0]}" if summary.problems else ""
        self._study.notice.emit(f"{summary.path.name}: {summary.files} files, {size}.{bad}")

    def _run(self, title: str, work: Callable[[Report, CancelToken], T], done: Callable[[T], None]) -> None:
        store = self._store

        def finish(result: T) -> None:
            done(result)
            session = self._study.session
            if isValid(self) and session is not None and session.store is store:  # not closed meanwhile
                self.refresh()

        self._study.workers.computing.submit(title, work, finish, self._study.failed.emit)

    # restoring

    def _restore_selected(self) -> None:
        if self.selected is not None:
            self._restore(self.selected.path)

    def _ask_file(self) -> None:
        dialog = QFileDialog(self, "Backup to restore")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilter(_BACKUPS)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda file: self._restore(Path(file)))
        dialog.open()

    def _restore(self, file: Path) -> None:
        if file.suffix.lower() == ".db":
            self._confirm_copy(file)
        else:
            self._ask_new_folder(file)

    def _confirm_copy(self, file: Path) -> None:
        ask_first(
            self, "Restore a copy of the database", f"Put {file.name} in the place of this workspace's database?",
            "Records made since are not in it. The present database is kept among the backups, so this can be taken"
            " back. The workspace closes and opens again.",
            "Restore", lambda: self.restore_chosen.emit(file, self._store.path),
        )  # fmt: skip

    def _ask_new_folder(self, file: Path) -> None:
        dialog = QFileDialog(self, "New folder to restore into", str(self._store.path.parent))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setLabelText(QFileDialog.DialogLabel.Accept, "Restore")
        dialog.setLabelText(QFileDialog.DialogLabel.FileName, "New folder")
        dialog.selectFile(f"{self._store.path.name}-restored")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda folder: self.restore_chosen.emit(file, Path(folder)))
        dialog.open()
