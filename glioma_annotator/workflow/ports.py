"""What the use cases need from engines and store; `app` wires the implementations."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.archive import BackupFile, BackupSummary, MergeSummary
from glioma_annotator.domain.audit import AuditEntry
from glioma_annotator.domain.clinical_event import ClinicalEvent
from glioma_annotator.domain.cohort import CohortResult, Condition, SavedQuestion, SearchHit
from glioma_annotator.domain.editing import JournalEntry, VoxelEdit
from glioma_annotator.domain.finding import Finding
from glioma_annotator.domain.histology import HistologySample
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.note import Note
from glioma_annotator.domain.patient import Patient, Timepoint
from glioma_annotator.domain.patient_identity import PatientIdentity
from glioma_annotator.domain.response import LesionMeasurement, ResponseAssessment
from glioma_annotator.domain.revision import ImportedMask, RevisionOrigin, RevisionStatus, SegmentationRevision
from glioma_annotator.domain.segmentation import SegmentationOutcome
from glioma_annotator.domain.sequences import SequenceRole, Window
from glioma_annotator.domain.vasari import VasariEntry
from glioma_annotator.domain.visit_measure import VisitMeasure
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.progress import CancelToken, Report


class Segmenter(Protocol):
    """A set of models that propose masks. Implementations may be called from any one worker thread at a time."""

    def models(self) -> tuple[ModelCard, ...]:
        """Cards of the models at hand, the default one first. Reads cards only: quick, no network loaded."""
        ...

    def check(self, model: str, roles: Collection[SequenceRole], scheme: LabelScheme) -> None:
        """Raise `UserError` when the model cannot serve: unknown, missing channel, other labels."""
        ...

    def segment(
        self,
        images: Mapping[SequenceRole, Volume],
        model: str,
        device: str,
        report: Report,
        cancel: CancelToken,
        *,
        operated: bool = True,
    ) -> SegmentationOutcome:
        """Propose a mask for float32 images on one grid.

        `model` is a model's name or a model folder's path, empty for the default; `device` is auto, cpu or cuda.
        Where nobody has `operated`, labels that surgery leaves (`LEFT_BY_SURGERY`) are not proposed.
        Raises `UserError`, `EnvironmentFailure` (memory, device) or `Cancelled` within a second of the request.
        """
        ...


class BrainFinder(Protocol):
    """Finds the brain in scans of any contrast, with skull or without."""

    @property
    def available(self) -> bool:
        """Whether there is a model to do it with."""
        ...

    def share(self, volume: Volume, report: Report, cancel: CancelToken) -> NDArray[np.float32]:
        """Share of brain, 0 to 1, in each voxel (i, j, k). Raises `UserError`, `EnvironmentFailure`, `Cancelled`."""
        ...


class Journal(Protocol):
    """The unsaved steps of one timepoint, on disk before the next stroke begins."""

    def append(self, entry: JournalEntry) -> None: ...

    def entries(self) -> tuple[JournalEntry, ...]:
        """What is on disk, oldest first; a torn last entry (killed process) is left out."""
        ...

    @property
    def parent_revision_id(self) -> int | None:
        """The revision that the steps start from; None for an empty mask."""
        ...

    def restart(self, parent_revision_id: int | None, past: Sequence[VoxelEdit] = ()) -> None:
        """Forget every step and start after another revision.

        `past` are edits, oldest first, that the revision holds already and that can still be undone; they come back as
        PAST entries.
        """
        ...


R = TypeVar("R")


class Records(Protocol[R]):
    """Clinical records of one kind, oldest first; every change is audited, nothing is ever lost.

    `by` is who does it; empty stands for the record's author, then for whoever opened the workspace.
    """

    def get(self, record_id: str) -> R | None:
        """The record, unless it is unknown or deleted."""
        ...

    def of_patient(self, patient: str) -> tuple[R, ...]:
        """By the patient's key."""
        ...

    def of_timepoint(self, patient: str, timepoint: str) -> tuple[R, ...]:
        """By the keys of patient and visit."""
        ...

    def deleted(self, patient: str) -> tuple[R, ...]:
        """What can be restored."""
        ...

    def add(self, *records: R, by: str = "") -> None:
        """All or nothing. Raises `KeyError` for an unknown patient or visit, or a record that one refers to."""
        ...

    def change(self, record: R, by: str = "") -> None:
        """Replace the record of that id. Raises `KeyError` for an unknown or deleted one, `ValueError` when the
        patient is another."""
        ...

    def delete(self, record_id: str, by: str = "") -> None:
        """Take it out of every list until it is restored. Raises `KeyError` when there is none."""
        ...

    def restore(self, record_id: str, by: str = "") -> None:
        """Raises `KeyError` when no deleted record has that id."""
        ...


class Findings(Records[Finding], Protocol):
    """Findings; a lesion's sightings share `Finding.lesion`."""

    def of_lesion(self, lesion: str) -> tuple[Finding, ...]: ...

    def of_sample(self, sample: str) -> tuple[Finding, ...]:
        """The findings that a histology sample was taken from, by its id."""
        ...


class Identities(Protocol):
    """Who patients are; everything else knows them by their pseudonymous key."""

    def get(self, patient: str) -> PatientIdentity | None: ...

    def set(self, patient: str, identity: PatientIdentity, by: str = "") -> None:
        """Raises `KeyError` for an unknown patient."""
        ...


class LabelSchemes(Protocol):
    """What the values of masks mean, with the labels that were added in the workspace."""

    def get(self, name: str) -> LabelScheme | None:
        """The scheme as it was kept last; None before there is a mask or an added label."""
        ...

    def keep(self, scheme: LabelScheme, by: str = "") -> None:
        """Keep a scheme in place of the one of its name."""
        ...

    def used(self, name: str) -> bool:
        """Whether any revision holds voxels of the label."""
        ...


class Measures(Protocol):
    """Volumes of the visits, kept up to date with every mask saved or approved."""

    def of_patient(self, patient: str) -> tuple[VisitMeasure, ...]: ...


class Audit(Protocol):
    """Who changed what, when; written by the store itself."""

    def of(self, record: str) -> tuple[AuditEntry, ...]:
        """Every change of a record by its id, oldest first."""
        ...

    def of_patient(self, patient: str, limit: int = 500) -> tuple[AuditEntry, ...]:
        """The latest changes of a patient, its visits, masks and records, newest first; by the patient's key."""
        ...

    def newest(self, limit: int = 200) -> tuple[AuditEntry, ...]:
        """The latest changes, newest first."""
        ...


class Search(Protocol):
    """Full text of findings, notes, reports, clinical events and histology samples."""

    def find(self, query: str, patient: str = "", limit: int = 100) -> tuple[SearchHit, ...]:
        """Records with every word of the query (the last may be unfinished), newest of each kind first."""
        ...


class Cohort(Protocol):
    """Questions across patients, in the language of `domain.cohort_question`."""

    def ask(self, question: str, limit: int | None = None) -> CohortResult:
        """Raises `QuestionError`, which names the place, for a question that cannot be read."""
        ...

    def select(self, condition: Condition, limit: int | None = None) -> CohortResult: ...

    def labels(self) -> tuple[str, ...]:
        """Labels and regions whose volumes can be asked about."""
        ...

    def saved(self) -> tuple[SavedQuestion, ...]: ...

    def save(self, name: str, text: str, by: str = "") -> None:
        """In place of the one of that name. Raises `UserError` without a name, `QuestionError` when unreadable."""
        ...

    def rename(self, name: str, other: str, by: str = "") -> None:
        """Raises `KeyError` when there is none of that name, `UserError` for a name that is empty or taken."""
        ...

    def forget(self, name: str, by: str = "") -> None:
        """Raises `KeyError` when there is none of that name."""
        ...


class Store(Protocol):
    """One open workspace."""

    @property
    def findings(self) -> Findings: ...

    @property
    def schemes(self) -> LabelSchemes: ...

    @property
    def vasari(self) -> Records[VasariEntry]:
        """The newest entry of a feature at a visit is the one that counts."""
        ...

    @property
    def histology(self) -> Records[HistologySample]: ...

    @property
    def events(self) -> Records[ClinicalEvent]: ...

    @property
    def measurements(self) -> Records[LesionMeasurement]: ...

    @property
    def responses(self) -> Records[ResponseAssessment]: ...

    @property
    def notes(self) -> Records[Note]: ...

    @property
    def identities(self) -> Identities: ...

    @property
    def measures(self) -> Measures: ...

    @property
    def audit(self) -> Audit: ...

    @property
    def search(self) -> Search: ...

    @property
    def cohort(self) -> Cohort: ...

    @property
    def path(self) -> Path: ...

    @property
    def read_only(self) -> bool: ...

    def close(self) -> None: ...

    def patients(self) -> tuple[Patient, ...]: ...

    def patient(self, key: str) -> Patient | None: ...

    def add_patient(self, key: str) -> Patient: ...

    def timepoints(self, patient_id: int) -> tuple[Timepoint, ...]:
        """In order of the patient's course."""
        ...

    def timepoint(self, timepoint_id: int) -> Timepoint: ...

    def add_timepoint(
        self, timepoint: Timepoint, images: Mapping[str, Volume], masks: Sequence[ImportedMask] = ()
    ) -> Timepoint:
        """Store a visit with its images by sequence name and its masks as imported revisions, all or nothing.

        `timepoint.sequences` come without id and path; the stored timepoint returned has both.
        Raises `UserError` when the patient already has a visit of that key.
        """
        ...

    def load_image(self, timepoint: Timepoint, sequence: str) -> Volume:
        """Float32 intensities on the timepoint's grid. Raises `UserError` when the file is damaged or gone."""
        ...

    def set_window(self, sequence_id: int, window: Window | None) -> None: ...

    def revisions(self, timepoint_id: int) -> tuple[SegmentationRevision, ...]:
        """Oldest first."""
        ...

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
        """Write a mask and record it as the next revision; number, time, hash and volumes are filled in.

        `minutes` are the active minutes since the revision before, by tool.
        """
        ...

    def load_labels(self, revision: SegmentationRevision) -> LabelArray:
        """Raises `UserError` when the file is gone or its content hash differs."""
        ...

    def set_status(self, revision_id: int, status: RevisionStatus, by: str = "") -> None: ...

    def journal(self, timepoint_id: int) -> Journal: ...

    def view_state(self, patient_id: int) -> Mapping[str, object]:
        """What the window last looked like for this patient: JSON values by name; empty at first."""
        ...

    def set_view_state(self, patient_id: int, state: Mapping[str, object]) -> None: ...

    def backup_due(self, every_days: int) -> bool:
        """Whether the newest scheduled copy of the database is that old; never for 0 days or when reading only."""
        ...

    def back_up(self, kept: int, report: Report, cancel: CancelToken) -> Path:
        """Copy the database and keep the newest `kept` copies; the copy's path. Takes seconds for large workspaces."""
        ...

    def backups(self) -> tuple[BackupFile, ...]:
        """Copies and archives in the workspace's own folder, newest first."""
        ...

    def back_up_all(self, folder: Path | None, report: Report, cancel: CancelToken) -> BackupSummary:
        """Write everything as one archive into a folder, the workspace's own for None."""
        ...

    @property
    def needs_check(self) -> bool:
        """Whether the database was too large to be checked whole on opening and has not been checked since."""
        ...

    def check_database(self, report: Report, cancel: CancelToken) -> None:
        """Check the whole database. Raises `UserError` when it is damaged."""
        ...

    def export_patient(
        self, key: str, target: Path, report: Report, cancel: CancelToken, *, identities: bool = False
    ) -> None:
        """Write one patient as one archive; who the patient is only with `identities`."""
        ...

    def import_patient(self, archive: Path, report: Report, cancel: CancelToken, *, key: str = "") -> MergeSummary:
        """Add or merge the patient of an archive, all or nothing; a new patient under `key` if given.

        Raises `UserError` for an archive that is none or was tampered with, and when another patient has the key.
        """
        ...


class StoreOpener(Protocol):
    """Opens workspaces."""

    def __call__(self, path: Path, *, read_only: bool = False) -> Store:
        """Open a workspace folder, making it when absent.

        Raises `WorkspaceBusy` when another process has it open for writing and `read_only` is False, `UserError` for
        a folder that is no workspace, a damaged database or one of a newer version.
        """
        ...


class DemoBuilder(Protocol):
    """Builds the demo study's files once and returns their folder."""

    def __call__(self, report: Report, cancel: CancelToken) -> Iterable[Path]: ...
