"""What the use cases need from the store's clinical records: each kind a repository, audited."""

from __future__ import annotations

from typing import Protocol, TypeVar

from glioma_annotator.domain.audit import AuditEntry
from glioma_annotator.domain.cohort import CohortResult, Condition, SavedQuestion, SearchHit
from glioma_annotator.domain.finding import Finding
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.patient_identity import PatientIdentity
from glioma_annotator.domain.visit_measure import VisitMeasure
from glioma_annotator.domain.visit_registration import AcceptedRegistration

R = TypeVar("R")


class Records(Protocol[R]):
    """Clinical records of one kind, oldest first; every change is audited, nothing is ever lost.

    `by` is who does it; empty stands for the author of a record that is new, or has another one than before, else for
    whoever opened the workspace.
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


class Registrations(Records[AcceptedRegistration], Protocol):
    """Registrations of visits that a reader accepted."""

    def between(self, patient_id: int, one: str, other: str) -> AcceptedRegistration | None:
        """The one accepted last of two visits of a patient, by their keys in either order."""
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
