"""Questions across patients: the filter model, what can be asked about, and what comes back.

A question selects visits. Markers, samples and events hold for a patient and so for every visit of theirs; volumes,
findings, responses and VASARI features hold for a visit. A question about patients alone selects their last visit.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from glioma_annotator.domain.clinical_event import ClinicalState, EventKind, ExtentOfResection
from glioma_annotator.domain.finding import Confidence, FindingSource, FindingStatus, LesionChange, Point, Side
from glioma_annotator.domain.histology import Marker, SampleKind, TumourSite
from glioma_annotator.domain.patient import TreatmentPhase
from glioma_annotator.domain.response import ResponseCategory, ResponseMethod


class Operator(StrEnum):
    IS = "="
    IS_NOT = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="
    CONTAINS = "~"


class Scope(StrEnum):
    """What a field belongs to."""

    VISIT = "visit"
    FINDING = "finding"
    SAMPLE = "sample"
    EVENT = "event"
    RESPONSE = "response"


class FieldType(StrEnum):
    CHOICE = "one of a list"
    CODE = "term"  # words joined by hyphens
    TEXT = "text"  # the whole text, any case, * for any characters
    WORDS = "words"  # anywhere in the text, any case
    NUMBER = "number"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class CohortField:
    """Something to ask about: its type, the allowed values of a choice, the unit of a number."""

    type: FieldType
    choices: tuple[str, ...] = ()
    unit: str = ""


def _choice(kind: type[StrEnum]) -> CohortField:
    return CohortField(FieldType.CHOICE, tuple(kind))


_TEXT, _WORDS, _NUMBER = CohortField(FieldType.TEXT), CohortField(FieldType.WORDS), CohortField(FieldType.NUMBER)
_DATE = CohortField(FieldType.DATE)

FIELDS: Mapping[Scope, Mapping[str, CohortField]] = {
    Scope.VISIT: {
        "patient": _TEXT,
        "visit": _TEXT,
        "phase": _choice(TreatmentPhase),
        "date": _DATE,
        "day": _NUMBER,
    },
    Scope.FINDING: {
        "kind": CohortField(FieldType.CODE),
        "status": _choice(FindingStatus),
        "change": _choice(LesionChange),
        "side": _choice(Side),
        "confidence": _choice(Confidence),
        "source": _choice(FindingSource),
        "label": _TEXT,
        "location": _WORDS,
        "text": _WORDS,
        "volume": CohortField(FieldType.NUMBER, unit="ml"),
    },
    Scope.SAMPLE: {
        "kind": _choice(SampleKind),
        "diagnosis": _WORDS,
        "grade": _NUMBER,
        "site": _choice(TumourSite),
        "location": _WORDS,
        "microscopy": _WORDS,
        "date": _DATE,
    },
    Scope.EVENT: {
        "kind": _choice(EventKind),
        "extent": _choice(ExtentOfResection),
        "state": _choice(ClinicalState),
        "dose": CohortField(FieldType.NUMBER, unit="gy"),
        "daily dose": CohortField(FieldType.NUMBER, unit="mg"),
        "fractions": _NUMBER,
        "cycle": _NUMBER,
        "score": _NUMBER,
        "drug": _WORDS,
        "text": _WORDS,
        "date": _DATE,
        "day": _NUMBER,
    },
    Scope.RESPONSE: {"category": _choice(ResponseCategory), "method": _choice(ResponseMethod)},
}

#: What a scope's name stands for where no field follows it: `response = PD`.
MAIN_FIELD = {Scope.FINDING: "kind", Scope.SAMPLE: "kind", Scope.EVENT: "kind", Scope.RESPONSE: "category"}


class MarkerState(StrEnum):
    ALTERED = "altered"
    UNALTERED = "unaltered"
    INDETERMINATE = "indeterminate"
    NOT_TESTED = "not tested"


class Direction(StrEnum):
    UP = "up"
    DOWN = "down"


class Reference(StrEnum):
    NADIR = "nadir"
    BASELINE = "baseline"
    PREVIOUS = "previous"


Value = str | float | dt.date


@dataclass(frozen=True, slots=True)
class Compare:
    """A field of the scope at hand against one value, or any of several with `=`."""

    field: str
    operator: Operator
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Having:
    """There is a finding, sample, event or response that fulfils `condition`; any at all without one."""

    scope: Scope
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class MarkerIs:
    """A sample of the patient has this result; with two markers (IDH1, IDH2) altered in either, unaltered in both."""

    markers: tuple[Marker, ...]
    state: MarkerState


@dataclass(frozen=True, slots=True)
class MarkerPercent:
    """A sample of the patient has this labelling index."""

    marker: Marker
    operator: Operator
    percent: float


@dataclass(frozen=True, slots=True)
class VolumeIs:
    """The visit's volume of a label or region in mL."""

    name: str
    operator: Operator
    volume_ml: float


@dataclass(frozen=True, slots=True)
class VolumeChange:
    """The visit's volume went up or down by at least `amount`, a percentage or mL, against a reference."""

    name: str
    direction: Direction
    amount: float
    percent: bool
    reference: Reference


@dataclass(frozen=True, slots=True)
class VasariIs:
    """The visit's VASARI sheet has this value for a feature."""

    feature: str
    operator: Operator
    value: str | float


@dataclass(frozen=True, slots=True)
class TextFound:
    """Findings, notes or reports of the visit, or records of the patient, contain these words."""

    words: str


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Condition


Condition = (
    Compare | Having | MarkerIs | MarkerPercent | VolumeIs | VolumeChange | VasariIs | TextFound | All | AnyOf | Not
)


def parts_of(condition: Condition) -> tuple[Condition, ...]:
    """The condition and everything it is made of, in reading order; not what is asked of one finding or event."""
    if isinstance(condition, All | AnyOf):
        return tuple(part for inner in condition.parts for part in parts_of(inner))
    if isinstance(condition, Not):
        return parts_of(condition.part)
    return (condition,)


def asks_about_visits(condition: Condition) -> bool:
    """Whether the question tells a patient's visits apart."""
    return any(
        isinstance(part, VolumeIs | VolumeChange | VasariIs | TextFound)
        or (isinstance(part, Having) and part.scope in (Scope.FINDING, Scope.RESPONSE))
        or (isinstance(part, Compare) and part.field != "patient")
        for part in parts_of(condition)
    )


@dataclass(frozen=True, slots=True)
class CohortHit:
    """A visit that a question selects, and the place to look at.

    Attributes
    ----------
    patient, timepoint: keys.
    date, day, phase: when the visit was.
    point_mm: world RAS mm at the visit: the finding asked about, else the middle of the label asked about, else the
        largest open finding; None where there is none.
    finding: id of the finding at that place; empty for none.
    volumes_ml: mL by label or region, of those in the question.
    """

    patient: str
    timepoint: str
    date: dt.date | None
    day: int | None
    phase: TreatmentPhase
    point_mm: Point | None = None
    finding: str = ""
    volumes_ml: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CohortResult:
    """The hits, by patient and course, as many as were asked for, and how many visits and patients there are in all."""

    hits: tuple[CohortHit, ...]
    visits: int
    patients: int


@dataclass(frozen=True, slots=True)
class SavedQuestion:
    name: str
    text: str
    author: str
    created_utc: dt.datetime


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A record that a full-text search found.

    Attributes
    ----------
    kind: "finding", "note", "report", "event" or "sample".
    record: the record's id.
    patient, timepoint: keys; no visit for records of the patient as a whole.
    title: one line for a list.
    text: what was searched, as the record has it.
    point_mm: where, world RAS mm at the visit; None for what has no place.
    """

    kind: str
    record: str
    patient: str
    timepoint: str
    title: str
    text: str
    point_mm: Point | None = None
