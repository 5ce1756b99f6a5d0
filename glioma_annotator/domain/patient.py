"""Patients and their timepoints."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.sequences import Sequence, SequenceRole


class TreatmentPhase(StrEnum):
    """Where a visit stands in the course of treatment."""

    PRE_OPERATIVE = "pre-operative"
    EARLY_POST_OPERATIVE = "early post-operative"
    POST_RT_BASELINE = "post-radiotherapy baseline"
    FOLLOW_UP = "follow-up"
    PROGRESSION = "progression"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient under a pseudonymous key."""

    key: str
    id: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Timepoint:
    """A visit and the sequences acquired at it.

    Attributes
    ----------
    patient_id: database key of the patient.
    key: unique within the patient, e.g. an ISO date, `day0262` or `visit-1`.
    order: position in the patient's course, counted from 0.
    date: calendar date, if known.
    day: days since the first visit, if known.
    phase: treatment phase.
    reference: name of the sequence whose native grid carries the masks.
    grid: the reference grid in closest canonical (RAS) axis order.
    source_axes: axis codes of the reference file as it was on disk, e.g. "LPS"; exports go back to that order.
    sequences: what was acquired.
    id: database key; None before it is stored.
    """

    patient_id: int
    key: str
    order: int
    grid: Grid
    reference: str
    source_axes: str = "RAS"
    date: dt.date | None = None
    day: int | None = None
    phase: TreatmentPhase = TreatmentPhase.UNKNOWN
    sequences: tuple[Sequence, ...] = ()
    id: int | None = None

    def sequence(self, role_or_name: str) -> Sequence | None:
        return next((s for s in self.sequences if s.name == role_or_name), None)

    @property
    def roles(self) -> frozenset[SequenceRole]:
        return frozenset(s.role for s in self.sequences)

    @property
    def title(self) -> str:
        """What the reader sees: the date or day, then the phase."""
        when = self.date.isoformat() if self.date else f"day {self.day}" if self.day is not None else self.key
        return when if self.phase is TreatmentPhase.UNKNOWN else f"{when} {self.phase.value}"
