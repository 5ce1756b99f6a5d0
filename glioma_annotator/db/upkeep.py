"""Keeping a workspace: is it sound, copies of it, one patient in or out, what interrupted saves left."""

from __future__ import annotations

import threading
from pathlib import Path

from glioma_annotator.db.backups import back_up_scheduled, backup_due, backup_files
from glioma_annotator.db.check import HealthIssue, clear_left_behind, health_issues
from glioma_annotator.db.connection import Connections
from glioma_annotator.db.failures import explained
from glioma_annotator.db.layout import Layout
from glioma_annotator.db.lock import WorkspaceLock
from glioma_annotator.db.patient_export import export_patient_archive
from glioma_annotator.db.patient_import import import_patient_archive
from glioma_annotator.db.repositories import Repositories
from glioma_annotator.db.verify import tampering
from glioma_annotator.db.workspace_backup import back_up_workspace
from glioma_annotator.domain.archive import BackupFile, BackupSummary, MergeSummary
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Progress, Report, ignore_progress

#: A database up to this size is checked whole on opening (0.2 s); of a larger one only the tables that lead to images
#: and masks, the rest by `check_database`, which the window runs as a job at once.
_CHECKED_AT_ONCE_BYTES = 64 * 2**20


def checked_at_once(connections: Connections) -> bool:
    """Whether the database is small enough to be checked whole on opening."""
    return connections.size_bytes <= _CHECKED_AT_ONCE_BYTES


class Upkeep:
    """What a `Workspace` does for its own keeping; its parts are the workspace's."""

    def __init__(self, layout: Layout, connections: Connections, lock: WorkspaceLock | None, actor: str) -> None:
        self._layout = layout
        self._connections = connections
        self._lock = lock
        self._all = Repositories(connections, actor)
        # From choosing a free file name to recording it; apart from the database's own queue of writers, so that
        # the window need not wait for volumes to be written.
        self._filing = threading.RLock()
        self._checked = checked_at_once(connections)

    @property
    def path(self) -> Path:
        return self._layout.root

    @property
    def read_only(self) -> bool:
        return self._lock is None

    def check(self) -> list[HealthIssue]:
        """What is wrong with the database and the files; reads every file. Empty for a healthy workspace."""
        with self._filing:
            return health_issues(self._layout, self._recorded(), self._connections.faults())

    @property
    def needs_check(self) -> bool:
        """Whether the database was too large to be checked whole on opening and has not been checked since."""
        return not self._checked

    def check_database(self, report: Report = ignore_progress, cancel: CancelToken | None = None) -> None:
        """Check every page and reference of the database; about 4 s per GB. Raises `UserError` when it is damaged,
        `Cancelled` when asked to stop."""
        report(Progress(0.0, "Checking the database"))
        self._connections.require_sound(cancel=cancel or CancelToken())
        self._checked = True

    def backup_due(self, every_days: int) -> bool:
        """Whether the newest scheduled copy of the database is that old; never for 0 days, for a workspace without
        patients, or when reading only."""
        return not self.read_only and bool(self._all.patients.all()) and backup_due(self._layout.backups, every_days)

    def back_up(self, kept: int, report: Report = ignore_progress, cancel: CancelToken | None = None) -> Path:
        """Copy the database into the folder `backups`, keep the newest `kept` copies; the new one's path."""
        self._require_writable()
        return back_up_scheduled(self._connections, self._layout.backups, kept, report, cancel or CancelToken())

    def backups(self) -> tuple[BackupFile, ...]:
        """What lies in the workspace's own folder `backups`, newest first."""
        return backup_files(self._layout.backups)

    def back_up_all(self, folder: Path | None, report: Report, cancel: CancelToken) -> BackupSummary:
        """Write database and files as one archive into `folder`, by default the workspace's own `backups`."""
        return back_up_workspace(self._connections, self._layout, folder or self._layout.backups, report, cancel)

    def export_patient(
        self, key: str, target: Path, report: Report, cancel: CancelToken, *, identities: bool = False
    ) -> None:
        """Write one patient as an archive; see `patient_export`."""
        export_patient_archive(self._all, self._layout, key, target, report, cancel, identities=identities)

    def import_patient(self, archive: Path, report: Report, cancel: CancelToken, *, key: str = "") -> MergeSummary:
        """Add or merge the patient of an archive; see `patient_import`."""
        self._require_writable()
        with self._filing:
            return import_patient_archive(self._all, self._layout, archive, report, cancel, key=key)

    def verify(self, report: Report = ignore_progress, cancel: CancelToken | None = None) -> list[str]:
        """Every sign that records were changed past the program, one sentence each; empty when there is none."""
        return tampering(self._connections, self._all.audited, self._layout.backups, report, cancel or CancelToken())

    def remove_left_behind(self) -> list[str]:
        """Clear away what interrupted saves and imports left; the relative paths it had.

        Unfinished files are deleted. Whole volumes go to the folder `set-aside`: after an older copy of the database
        was put in place, they are masks that it does not know.
        """
        self._require_writable()
        with self._filing, explained("What was left behind could not be removed"):
            return clear_left_behind(self._layout, self._recorded())

    def _recorded(self) -> dict[str, str]:
        return self._all.timepoints.recorded_files() | self._all.revisions.recorded_files()

    def _require_writable(self) -> None:
        if self.read_only:
            raise UserError(
                "This workspace is open for reading only.", "Close it where it is open for writing, then open it again."
            )
