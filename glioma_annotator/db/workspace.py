"""One workspace: a folder with a database, the volumes it records, and the journals of unsaved steps."""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from glioma_annotator.db import volumes
from glioma_annotator.db.backups import back_up_before_migration
from glioma_annotator.db.connection import Connections
from glioma_annotator.db.failures import explained
from glioma_annotator.db.filing import require_fitting, require_mask, unused_name, write_images, write_mask
from glioma_annotator.db.journal import FileJournal, journals_set_aside
from glioma_annotator.db.layout import Layout, full_path
from glioma_annotator.db.lock import WorkspaceLock, current_user
from glioma_annotator.db.measures import mask_places_mm
from glioma_annotator.db.migrations.runner import MIGRATIONS, migrate, require_ours, schema_version
from glioma_annotator.db.names import safe_name
from glioma_annotator.db.upkeep import Upkeep, checked_at_once
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.patient import Patient, Timepoint
from glioma_annotator.domain.revision import ImportedMask, RevisionOrigin, RevisionStatus, SegmentationRevision
from glioma_annotator.domain.sequences import Window
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import EnvironmentFailure, UserError

_VOLUME = ".nii.gz"

#: Of a larger database these are checked on opening.
_FIRST_CHECKED = (
    "patients",
    "timepoints",
    "sequences",
    "revisions",
    "revision_volumes",
    "revision_status",
    "view_states",
)


def open_workspace(
    path: Path, *, read_only: bool = False, actor: str = "", migrations: Sequence[str] = MIGRATIONS
) -> Workspace:
    """Open a workspace folder, making it when it is absent or empty.

    Raises `WorkspaceBusy` when another process has it open for writing and `read_only` is False, `UserError` for a
    folder that is no workspace, a damaged database or one of a newer version, and `EnvironmentFailure` when the
    folder cannot be read or written. `actor` is who changes things where nobody else is named, the user of the computer
    by default; `migrations` is the schema to bring it to.
    """
    layout = Layout(full_path(path))
    with explained(f"The workspace {layout.root} could not be opened"):
        layout.require_usable()
        if read_only and not layout.database.is_file():
            raise UserError(f"There is no workspace in {layout.root}.", "Choose a workspace folder.")
        if not read_only:
            layout.make()
        lock = None if read_only else WorkspaceLock(layout.lock)
        connections = None
        try:
            connections = Connections(layout.database, read_only=read_only)
            _bring_up_to_date(connections, layout, read_only, migrations)
            return Workspace(layout, connections, lock, actor or current_user())
        except BaseException:
            if connections is not None:
                connections.close()
            if lock is not None:
                lock.release()
            raise


def _bring_up_to_date(connections: Connections, layout: Layout, read_only: bool, migrations: Sequence[str]) -> None:
    database = connections.bare()
    require_ours(database, len(migrations))
    version = schema_version(database)
    at_once = version < len(migrations) or checked_at_once(connections)
    connections.require_sound(() if at_once else _FIRST_CHECKED)
    if read_only:
        if version == 0:
            raise UserError("This workspace is not made yet.", "Open it once for writing.")
        if version < len(migrations):
            raise UserError(
                "This workspace was written by an older version of the program.",
                "Open it once for writing: a copy of its database is kept, then it is brought up to date.",
            )
        return
    migrate(database, lambda old: _keep(connections, layout, old), migrations)


def _keep(connections: Connections, layout: Layout, version: int) -> None:
    back_up_before_migration(connections, layout.backups, version)


class Workspace(Upkeep):
    """An open workspace; fulfils `workflow.ports.Store`. Usable from several threads; made by `open_workspace`.

    Volumes are written before the database records them, so a crash leaves at most a file that belongs to nothing.
    No file is ever overwritten. Every method raises `EnvironmentFailure` when disk or database refuse, and every
    writing one `UserError` in a workspace opened for reading only.
    """

    def __init__(self, layout: Layout, connections: Connections, lock: WorkspaceLock | None, actor: str) -> None:
        super().__init__(layout, connections, lock, actor)
        self.audit = self._all.audit
        self.schemes = self._all.schemes
        self.findings = self._all.findings
        self.vasari = self._all.vasari
        self.histology = self._all.histology
        self.events = self._all.events
        self.measurements = self._all.measurements
        self.responses = self._all.responses
        self.notes = self._all.notes
        self.registrations = self._all.registrations
        self.identities = self._all.identities
        self.measures = self._all.measures
        self.search = self._all.search
        self.cohort = self._all.cohort
        self._journals: dict[int, FileJournal] = {}
        self._journals_guard = threading.Lock()
        self._set_aside: dict[str, list[Path]] | None = None  # journals, as they were found at first
        if not self.read_only:
            self.measures.complete()
            self.registrations.take_over()

    def close(self) -> None:
        """Release files and lock; harmless when done before."""
        with self._filing, self._journals_guard:
            for journal in self._journals.values():
                journal.close()
            self._connections.close()
            if self._lock is not None:
                self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # patients

    def patients(self) -> tuple[Patient, ...]:
        """By key."""
        return self._all.patients.all()

    def patient(self, key: str) -> Patient | None:
        return self._all.patients.with_key(key)

    def add_patient(self, key: str) -> Patient:
        """Raises `UserError` for a key that is empty or in use."""
        self._require_writable()
        return self._all.patients.add(key)

    # visits

    def timepoints(self, patient_id: int) -> tuple[Timepoint, ...]:
        """In order of the patient's course: by date, else by day, else as given; `order` counts from 0."""
        return self._all.timepoints.of_patient(patient_id)

    def timepoint(self, timepoint_id: int) -> Timepoint:
        """Raises `KeyError` for an unknown id."""
        found = self._all.timepoints.get(timepoint_id)
        if found is None:
            raise KeyError(timepoint_id)
        return found

    def add_timepoint(
        self, timepoint: Timepoint, images: Mapping[str, Volume], masks: Sequence[ImportedMask] = ()
    ) -> Timepoint:
        """Store a visit with its images by sequence name and its masks, all or nothing; it comes with ids and paths.

        Every image and mask lies on the visit's grid. Raises `UserError` when the patient already has a visit of that
        key, `KeyError` for an unknown patient, `ValueError` when sequences, images and masks do not belong together.
        """
        self._require_writable()
        require_fitting(timepoint, images)
        for mask in masks:
            require_mask(mask.labels, timepoint)
        patient_folder = self._layout.patients / self._all.patients.folder(timepoint.patient_id)
        with self._filing:
            if self._all.timepoints.has(timepoint.patient_id, timepoint.key):
                raise UserError(f"The patient already has a visit {timepoint.key}.", "Give the visit another key.")
            recorded = self._all.timepoints.folders(timepoint.patient_id)
            folder = patient_folder / unused_name(patient_folder, safe_name(timepoint.key, "visit"), "", recorded)
            placed, sha256 = write_images(self._layout, folder, timepoint, images)
            try:
                revisions = [
                    write_mask(self._layout, folder, timepoint, mask, n) for n, mask in enumerate(masks, start=1)
                ]
            except EnvironmentFailure:
                shutil.rmtree(folder, ignore_errors=True)  # nothing in it is recorded
                raise
            with self._connections.writing("The visit could not be recorded") as database:
                stored = self.timepoint(self._all.timepoints.add(placed, folder.name, sha256))
                for (revision, file_sha256), mask in zip(revisions, masks, strict=True):
                    self._record(dataclasses.replace(revision, timepoint_id=stored.id or 0), file_sha256, stored, mask)
                if not masks:  # it may be what the others are compared with
                    self.measures.refresh(database, timepoint.patient_id)
            return stored

    def load_image(self, timepoint: Timepoint, sequence: str) -> Volume:
        """Float32 intensities on the visit's grid. Raises `UserError` when the file is damaged or gone."""
        stored = timepoint.sequence(sequence)
        if stored is None:
            raise UserError(f"The visit {timepoint.title} has no sequence {sequence}.", "Choose another sequence.")
        title = f"The image {stored.path}"
        return volumes.load_image(self._layout.absolute(stored.path), timepoint.grid, title)

    def set_window(self, sequence_id: int, window: Window | None) -> None:
        self._require_writable()
        self._all.timepoints.set_window(sequence_id, window)

    # segmentation revisions

    def revisions(self, timepoint_id: int) -> tuple[SegmentationRevision, ...]:
        """Oldest first."""
        return self._all.revisions.of_timepoint(timepoint_id)

    def add_revision(
        self,
        timepoint: Timepoint,
        labels: LabelArray,
        scheme: LabelScheme,
        *,
        origin: RevisionOrigin,
        author: str,
        parent_id: int | None = None,
        model: str = "",
        note: str = "",
        minutes: Mapping[str, float] | None = None,
    ) -> SegmentationRevision:
        """Write a mask (i, j, k on the visit's grid) and record it; number, time, hash and volumes are filled in.

        Raises `ValueError` for labels of another type or shape, `KeyError` for an unknown parent.
        """
        self._require_writable()
        if timepoint.id is None:
            raise ValueError("a revision needs a stored visit")
        require_mask(labels, timepoint)
        if parent_id is not None and self._all.revisions.get(parent_id) is None:
            raise KeyError(parent_id)
        with self._filing:
            number = max((r.number for r in self.revisions(timepoint.id)), default=0) + 1
            folder = self._timepoint_folder(timepoint)
            imported = ImportedMask(labels, scheme, author, note)
            revision, file_sha256 = write_mask(self._layout, folder, timepoint, imported, number)
            revision = dataclasses.replace(
                revision, origin=origin, parent_id=parent_id, model=model, minutes=minutes or {}
            )
            return dataclasses.replace(revision, id=self._record(revision, file_sha256, timepoint, imported))

    def _record(self, revision: SegmentationRevision, file_sha256: str, visit: Timepoint, mask: ImportedMask) -> int:
        """Record a mask whose file is written, with what is measured on it; its id."""
        places = mask_places_mm(mask.labels, visit.grid, mask.scheme)
        with self._connections.writing("The segmentation revision could not be recorded") as database:
            revision_id = self._all.revisions.add(revision, file_sha256)
            self.measures.add_mask(database, revision_id, mask.scheme, places)
            self.measures.refresh(database, visit.patient_id)
        return revision_id

    def _timepoint_folder(self, timepoint: Timepoint) -> Path:
        patient = self._all.patients.folder(timepoint.patient_id)
        return self._layout.patients / patient / self._all.timepoints.folder(timepoint.id or 0)

    def load_labels(self, revision: SegmentationRevision) -> LabelArray:
        """The mask, (i, j, k) on its visit's grid. Raises `UserError` when it is gone or is not what was saved."""
        grid = self.timepoint(revision.timepoint_id).grid
        title = f"The mask {revision.path}"
        return volumes.load_labels(self._layout.absolute(revision.path), grid, revision.content_sha256, title)

    def set_status(self, revision_id: int, status: RevisionStatus, by: str = "") -> None:
        """Record who approves a mask or takes that back; measures follow. Raises `KeyError` for an unknown id."""
        with self._connections.writing("The revision's status could not be recorded") as database:
            self._all.revisions.set_status(revision_id, status, by)
            revision = self._all.revisions.get(revision_id)
            assert revision is not None, "its status was just set"
            self.measures.refresh(database, self.timepoint(revision.timepoint_id).patient_id)

    # what the window keeps

    def journal(self, timepoint_id: int) -> FileJournal:
        """The unsaved steps of a visit; the same object whenever asked."""
        with self._journals_guard:
            if timepoint_id not in self._journals:
                path = self._layout.journal / f"timepoint-{timepoint_id:06d}.journal"
                if self._set_aside is None:
                    self._set_aside = journals_set_aside(self._layout.journal)
                kept = self._set_aside.get(path.stem, ())
                newest = max(self.revisions(timepoint_id) if kept else (), key=lambda r: r.number, default=None)
                self._journals[timepoint_id] = FileJournal(
                    path,
                    self._content_of(timepoint_id),
                    read_only=self.read_only,
                    visit=self._all.timepoints.uid(timepoint_id),
                    newest=newest.id if newest else None,
                    kept=kept,
                )
            return self._journals[timepoint_id]

    def _content_of(self, timepoint_id: int) -> Callable[[int], str | None]:
        """Content hash of a revision of that visit by its id."""

        def content(revision_id: int) -> str | None:
            revision = self._all.revisions.get(revision_id)
            return revision.content_sha256 if revision and revision.timepoint_id == timepoint_id else None

        return content

    def view_state(self, patient_id: int) -> Mapping[str, object]:
        """What the window last looked like for this patient: JSON values by name; empty at first."""
        return self._all.view_states.get(patient_id)

    def last_opened(self) -> Mapping[int, dt.datetime]:
        """When each patient was last looked at here, UTC, by the patient's id."""
        return self._all.view_states.changed()

    def set_view_state(self, patient_id: int, state: Mapping[str, object]) -> None:
        """Raises `TypeError` or `ValueError` for what JSON cannot express."""
        self._require_writable()
        self._all.view_states.put(patient_id, state)
