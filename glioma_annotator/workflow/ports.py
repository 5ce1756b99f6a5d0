"""What the use cases need from engines and store; `app` wires the implementations."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.archive import BackupFile, BackupSummary, MergeSummary
from glioma_annotator.domain.clinical_event import ClinicalEvent
from glioma_annotator.domain.editing import JournalEntry, VoxelEdit
from glioma_annotator.domain.histology import HistologySample
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.note import Note
from glioma_annotator.domain.patient import Patient, Timepoint
from glioma_annotator.domain.response import LesionMeasurement, ResponseAssessment
from glioma_annotator.domain.revision import ImportedMask, RevisionOrigin, RevisionStatus, SegmentationRevision
from glioma_annotator.domain.segmentation import SegmentationOutcome
from glioma_annotator.domain.sequences import SequenceRole, Window
from glioma_annotator.domain.vasari import VasariEntry
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.workflow.record_ports import (
    Audit,
    Cohort,
    Findings,
    Identities,
    LabelSchemes,
    Measures,
    Records,
    Registrations,
    Search,
)


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
        operated: bool | None = None,
    ) -> SegmentationOutcome:
        """Propose a mask for float32 images on one grid.

        `model` is a model's name or a model folder's path, empty for the default; `device` is auto, cpu or cuda.
        Where nobody has `operated` (False), labels that surgery leaves (`LEFT_BY_SURGERY`) are not proposed; True says
        that there was a resection, None that it is not known.
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
    """The unsaved steps of one timepoint, in a file before the next stroke begins."""

    def append(self, entry: JournalEntry) -> None:
        """Quick: on return the entry outlives the program, after `flush` the machine."""
        ...

    def flush(self) -> None:
        """Wait until the disk has every entry; may be called on a worker. Raises `EnvironmentFailure`."""
        ...

    def entries(self) -> tuple[JournalEntry, ...]:
        """What is on disk, oldest first; a torn last entry (killed process) is left out."""
        ...

    @property
    def parent_revision_id(self) -> int | None:
        """The revision that the steps start from; None for an empty mask."""
        ...

    def mark(self) -> int:
        """Where the next step will go, for `restart`."""
        ...

    def restart(self, parent_revision_id: int | None, past: Sequence[VoxelEdit] = (), since: int | None = None) -> None:
        """Forget every step, or those before the mark `since`, and start after another revision.

        `past` are edits, oldest first, that the revision holds already and that can still be undone; they come back as
        PAST entries. May be called on a worker while steps are appended: these hardly wait for the disk.
        """
        ...

    def close(self) -> None:
        """Flush, and let go of the file until the next step; may be called on a worker."""
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
    def registrations(self) -> Registrations: ...

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

    def last_opened(self) -> Mapping[int, dt.datetime]:
        """When each patient was last looked at here, UTC, by the patient's id; without those who never were."""
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
