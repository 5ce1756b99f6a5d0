"""Clinical events: what happened to the patient between and beside the scans."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum

from glioma_annotator.domain.identity import new_id, utc_now


class EventKind(StrEnum):
    SURGERY = "surgery"
    RADIOTHERAPY = "radiotherapy"
    TEMOZOLOMIDE = "temozolomide"
    BEVACIZUMAB = "bevacizumab"
    TTFIELDS = "tumour-treating fields"
    OTHER_THERAPY = "other therapy"
    STEROIDS = "steroids"
    SEIZURE = "seizure"
    KPS = "KPS"
    ECOG = "ECOG"
    NANO = "NANO"
    CLINICAL_STATE = "clinical state"
    NOTE = "note"


class ExtentOfResection(StrEnum):
    """The surgeon's or the report's statement."""

    SUPRAMAXIMAL = "supramaximal"
    GROSS_TOTAL = "gross total"
    NEAR_TOTAL = "near total"
    SUBTOTAL = "subtotal"
    PARTIAL = "partial"
    BIOPSY = "biopsy only"
    UNKNOWN = "unknown"


class ClinicalState(StrEnum):
    """Against the last assessment, as RANO asks for it."""

    IMPROVED = "improved"
    STABLE = "stable"
    WORSE = "worse"


#: Kinds that last from a start to an end; an end that is None means ongoing.
SPANS = frozenset(
    {
        EventKind.RADIOTHERAPY,
        EventKind.TEMOZOLOMIDE,
        EventKind.BEVACIZUMAB,
        EventKind.TTFIELDS,
        EventKind.OTHER_THERAPY,
        EventKind.STEROIDS,
    }
)

#: Lowest and highest value of each score: Karnofsky 0-100, ECOG 0-5, NANO total 0-23 (Nayak et al., Neuro-Oncol 2017).
SCORE_RANGES = {EventKind.KPS: (0, 100), EventKind.ECOG: (0, 5), EventKind.NANO: (0, 23)}


@dataclass(frozen=True, slots=True)
class ClinicalEvent:
    """One event or span; which fields apply depends on `kind`.

    Attributes
    ----------
    patient: patient key.
    kind: what happened.
    date, day: when, or when it began: calendar date, or days since the first visit; at least one is known.
    end_date, end_day: the last day of a span; both None while it goes on.
    timepoint: key of the visit that it belongs to; empty for none.
    extent: SURGERY: extent of resection.
    dose_gy, fractions: RADIOTHERAPY: total dose and number of fractions.
    cycle: chemotherapy: number of the cycle, from 1; 0 for the concomitant phase.
    dose_mg: STEROIDS: daily dose in mg; chemotherapy: daily dose in mg where known.
    drug: STEROIDS and OTHER_THERAPY: the substance, e.g. dexamethasone.
    score: KPS, ECOG or NANO value.
    state: CLINICAL_STATE: improved, stable or worse since the last assessment.
    text: free text.

    Raises ValueError for an event without a time, a span that ends before it begins, a negative dose, or a score
    outside its range.
    """

    patient: str
    kind: EventKind
    date: dt.date | None = None
    day: int | None = None
    end_date: dt.date | None = None
    end_day: int | None = None
    timepoint: str = ""
    extent: ExtentOfResection | None = None
    dose_gy: float | None = None
    fractions: int | None = None
    cycle: int | None = None
    dose_mg: float | None = None
    drug: str = ""
    score: int | None = None
    state: ClinicalState | None = None
    text: str = ""
    author: str = ""
    created_utc: dt.datetime = field(default_factory=utc_now)
    id: str = field(default_factory=new_id)

    def __post_init__(self) -> None:
        if self.date is None and self.day is None:
            raise ValueError("an event needs a date or a day")
        if self.date is not None and self.end_date is not None and self.end_date < self.date:
            raise ValueError("an event cannot end before it begins")
        if self.day is not None and self.end_day is not None and self.end_day < self.day:
            raise ValueError("an event cannot end before it begins")
        for value, what in ((self.dose_gy, "dose"), (self.dose_mg, "dose")):
            if value is not None and not 0 <= value < 1e6:
                raise ValueError(f"a {what} cannot be {value}")
        for count, what, least in ((self.fractions, "fractions", 1), (self.cycle, "cycle", 0)):
            if count is not None and count < least:
                raise ValueError(f"{what} cannot be {count}")
        if self.kind in SCORE_RANGES:
            low, high = SCORE_RANGES[self.kind]
            if self.score is None or not low <= self.score <= high:
                raise ValueError(f"{self.kind.value} lies between {low} and {high}")
        elif self.score is not None:
            raise ValueError(f"{self.kind.value} has no score")
        if self.kind is EventKind.STEROIDS and self.dose_mg is None:
            raise ValueError("steroids need a daily dose in mg; 0 when stopped")
        if self.kind is EventKind.CLINICAL_STATE and self.state is None:
            raise ValueError("a clinical state is improved, stable or worse")
