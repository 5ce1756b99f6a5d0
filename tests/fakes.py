"""Stand-ins for the store, in memory, for tests of the use cases."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from fake_records import (
    FakeAudit,
    FakeCohort,
    FakeFindings,
    FakeIdentities,
    FakeMeasures,
    FakeRecords,
    FakeRegistrations,
    FakeSearch,
)

from glioma_annotator.domain.archive import BackupFile, BackupSummary, MergeSummary
from glioma_annotator.domain.clinical_event import ClinicalEvent
from glioma_annotator.domain.editing import JournalAction, JournalEntry, VoxelEdit
from glioma_annotator.domain.histology import HistologySample
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.measurement import label_volumes_ml
from glioma_annotator.domain.note import Note
from glioma_annotator.domain.patient import Patient, Timepoint
from glioma_annotator.domain.response import LesionMeasurement, ResponseAssessment
from glioma_annotator.domain.revision import ImportedMask, RevisionOrigin, RevisionStatus, SegmentationRevision
from glioma_annotator.domain.sequences import Window
from glioma_annotator.domain.vasari import VasariEntry
from glioma_annotator.domain.visit_measure import VisitMeasure
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Report


class FakeJournal:
    """Fulfils `ports.Journal`."""

    def __init__(self) -> None:
        self._entries: list[JournalEntry] = []
        self._parent: int | None = None
        self.flushed = 0  # entries

    def append(self, entry: JournalEntry) -> None:
        self._entries.append(entry)

    def flush(self) -> None:
        self.flushed = len(self._entries)

    def close(self) -> None:
        self.flush()

    def entries(self) -> tuple[JournalEntry, ...]:
        return tuple(self._entries)

    @property
    def parent_revision_id(self) -> int | None:
        return self._parent

    def mark(self) -> int:
        return len(self._entries)

    def restart(self, parent_revision_id: int | None, past: Sequence[VoxelEdit] = (), since: int | None = None) -> None:
        kept = [] if since is None else self._entries[since:]
        self._entries = [*(JournalEntry(JournalAction.PAST, edit) for edit in past), *kept]
        self._parent = parent_revision_id


class FakeSchemes:
    """Fulfils `record_ports.LabelSchemes`."""

    def __init__(self, revisions: Mapping[int, SegmentationRevision]) -> None:
        self._revisions = revisions
        self._schemes: dict[str, LabelScheme] = {}

    def get(self, name: str) -> LabelScheme | None:
        return self._schemes.get(name)

    def keep(self, scheme: LabelScheme, by: str = "") -> None:
        self._schemes[scheme.name] = scheme

    def used(self, name: str) -> bool:
        return any(revision.volumes_ml.get(name) for revision in self._revisions.values())


class FakeStore:
    """Fulfils `ports.Store`; `failures` maps a method's name to the error that it raises."""

    def __init__(self, path: Path = Path("workspace"), read_only: bool = False) -> None:
        self._path, self._read_only = path, read_only
        self._patients: dict[str, Patient] = {}
        self._timepoints: dict[int, Timepoint] = {}
        self._images: dict[tuple[int, str], Volume] = {}
        self._revisions: dict[int, SegmentationRevision] = {}
        self._labels: dict[int, LabelArray] = {}
        self._journals: dict[int, FakeJournal] = {}
        self._view_states: dict[int, Mapping[str, object]] = {}
        self._opened: dict[int, dt.datetime] = {}
        self.failures: dict[str, Exception] = {}
        self.audit = FakeAudit()
        self.schemes = FakeSchemes(self._revisions)
        self.findings = FakeFindings("findings", self.audit, self._knows)
        self.vasari = FakeRecords[VasariEntry]("vasari_entries", self.audit, self._knows)
        self.histology = FakeRecords[HistologySample]("histology_samples", self.audit, self._knows)
        self.events = FakeRecords[ClinicalEvent]("clinical_events", self.audit, self._knows)
        self.measurements = FakeRecords[LesionMeasurement]("lesion_measurements", self.audit, self._knows)
        self.responses = FakeRecords[ResponseAssessment]("response_assessments", self.audit, self._knows)
        self.notes = FakeRecords[Note]("notes", self.audit, self._knows)
        self.registrations = FakeRegistrations(self.audit, self._knows, self._key_of)
        self.identities = FakeIdentities(self._knows)
        self.measures = FakeMeasures(self._measures)
        self.search = FakeSearch(self.findings, self.notes)
        self.cohort = FakeCohort()

    def _knows(self, patient: str, timepoint: str) -> bool:
        if patient not in self._patients:
            return False
        visits = self.timepoints(self._patients[patient].id or 0)
        return not timepoint or any(visit.key == timepoint for visit in visits)

    def _key_of(self, patient_id: int) -> str:
        return next((patient.key for patient in self._patients.values() if patient.id == patient_id), "")

    def _measures(self, patient: str) -> tuple[VisitMeasure, ...]:
        """Of the newest masks, labels only, without what they are compared with."""
        newest = [(v, self.revisions(v.id or 0)) for v in self.timepoints(self._patients[patient].id or 0)]
        return tuple(
            VisitMeasure(visit.key, name, revisions[-1].number, volume_ml)
            for visit, revisions in newest
            if revisions
            for name, volume_ml in revisions[-1].volumes_ml.items()
        )

    @property
    def path(self) -> Path:
        return self._path

    @property
    def read_only(self) -> bool:
        return self._read_only

    def close(self) -> None:
        pass

    def patients(self) -> tuple[Patient, ...]:
        return tuple(self._patients[key] for key in sorted(self._patients))

    def patient(self, key: str) -> Patient | None:
        return self._patients.get(key)

    def add_patient(self, key: str) -> Patient:
        self._fail("add_patient")
        if key in self._patients:
            raise UserError(f"The workspace already has a patient {key}.")
        self._patients[key] = Patient(key, id=len(self._patients) + 1)
        return self._patients[key]

    def timepoints(self, patient_id: int) -> tuple[Timepoint, ...]:
        own = [t for t in self._timepoints.values() if t.patient_id == patient_id]
        return tuple(sorted(own, key=lambda t: t.order))

    def timepoint(self, timepoint_id: int) -> Timepoint:
        return self._timepoints[timepoint_id]

    def add_timepoint(
        self, timepoint: Timepoint, images: Mapping[str, Volume], masks: Sequence[ImportedMask] = ()
    ) -> Timepoint:
        self._fail("add_timepoint")
        if any(t.key == timepoint.key for t in self.timepoints(timepoint.patient_id)):
            raise UserError(f"The patient already has a visit {timepoint.key}.")
        if set(images) != {s.name for s in timepoint.sequences}:
            raise ValueError("images and sequences differ")
        identity = len(self._timepoints) + 1
        sequences = tuple(
            replace(s, id=100 * identity + n, path=f"{identity}/{s.name}.nii.gz")
            for n, s in enumerate(timepoint.sequences)
        )
        stored = replace(timepoint, id=identity, sequences=sequences)
        self._timepoints[identity] = stored
        for name, volume in images.items():
            if not volume.grid.matches(timepoint.grid):
                raise ValueError(f"{name} is not on the visit's grid")
            self._images[identity, name] = volume
        try:
            for mask in masks:
                origin = RevisionOrigin.IMPORTED
                self.add_revision(stored, mask.labels, mask.scheme, origin=origin, author=mask.author, note=mask.note)
        except Exception:
            del self._timepoints[identity]
            raise
        return stored

    def load_image(self, timepoint: Timepoint, sequence: str) -> Volume:
        self._fail("load_image")
        assert timepoint.id is not None
        return self._images[timepoint.id, sequence]

    def set_window(self, sequence_id: int, window: Window | None) -> None:
        for key, visit in self._timepoints.items():
            changed = tuple(replace(s, window=window) if s.id == sequence_id else s for s in visit.sequences)
            self._timepoints[key] = replace(visit, sequences=changed)

    def revisions(self, timepoint_id: int) -> tuple[SegmentationRevision, ...]:
        return tuple(r for r in self._revisions.values() if r.timepoint_id == timepoint_id)

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
        self._fail("add_revision")
        assert timepoint.id is not None
        if labels.shape != timepoint.grid.shape:
            raise ValueError("the mask is not on the visit's grid")
        identity = len(self._revisions) + 1
        revision = SegmentationRevision(
            timepoint.id,
            1 + len(self.revisions(timepoint.id)),
            origin,
            author,
            dt.datetime.now(dt.UTC),
            hashlib.sha256(np.ascontiguousarray(labels).tobytes()).hexdigest(),
            f"{timepoint.id}/{identity}.nii.gz",
            scheme.name,
            label_volumes_ml(labels, timepoint.grid.voxel_volume_ml, scheme),
            parent_id=parent_id,
            model=model,
            note=note,
            minutes=dict(minutes or {}),
            id=identity,
        )
        self._revisions[identity] = revision
        self._labels[identity] = labels.copy()
        return revision

    def load_labels(self, revision: SegmentationRevision) -> LabelArray:
        assert revision.id is not None
        return self._labels[revision.id].copy()

    def set_status(self, revision_id: int, status: RevisionStatus, by: str = "") -> None:
        self._revisions[revision_id] = replace(self._revisions[revision_id], status=status)

    def journal(self, timepoint_id: int) -> FakeJournal:
        return self._journals.setdefault(timepoint_id, FakeJournal())

    def view_state(self, patient_id: int) -> Mapping[str, object]:
        return self._view_states.get(patient_id, {})

    def set_view_state(self, patient_id: int, state: Mapping[str, object]) -> None:
        self._view_states[patient_id] = state
        self._opened[patient_id] = dt.datetime.now(dt.UTC)

    def last_opened(self) -> Mapping[int, dt.datetime]:
        return dict(self._opened)

    def backup_due(self, every_days: int) -> bool:
        return False

    def back_up(self, kept: int, report: Report, cancel: CancelToken) -> Path:
        return self._path / "backups" / "daily.db"

    needs_check = False

    def check_database(self, report: Report, cancel: CancelToken) -> None:
        self._fail("check_database")
        self.needs_check = False

    def backups(self) -> tuple[BackupFile, ...]:
        return ()

    def back_up_all(self, folder: Path | None, report: Report, cancel: CancelToken) -> BackupSummary:
        return BackupSummary((folder or self._path) / "glioma-backup.zip", 1, 1000, ())

    def export_patient(
        self, key: str, target: Path, report: Report, cancel: CancelToken, *, identities: bool = False
    ) -> None:
        self._fail("export_patient")
        target.write_text(f"{key}{' with identities' if identities else ''}")

    def import_patient(self, archive: Path, report: Report, cancel: CancelToken, *, key: str = "") -> MergeSummary:
        self._fail("import_patient")
        return MergeSummary(key or "PAT-0042", visits=1)

    def _fail(self, method: str) -> None:
        if method in self.failures:
            raise self.failures[method]
