"""The course of the disease on one time axis: days since the first visit.

Visits and events know a calendar date, a day, or both; a `CourseClock` brings them together where it can.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from glioma_annotator.domain.clinical_event import ClinicalEvent, ClinicalState, EventKind
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.steroids import as_dexamethasone_mg


@dataclass(frozen=True, slots=True)
class CourseClock:
    """Turns dates into days.

    Attributes
    ----------
    origin: calendar date of day 0, the first visit; None where the visits do not tell it.
    """

    origin: dt.date | None = None

    @classmethod
    def of(cls, timepoints: Sequence[Timepoint]) -> CourseClock:
        """From visits in order: one with date and day fixes the origin.

        Else the first date is day 0 where no visit has a day, or where the first visit has it and every day comes
        later: a dated visit beside others that are counted from an unknown date has no day.
        """
        both = next((t for t in timepoints if t.date is not None and t.day is not None), None)
        if both is not None and both.date is not None and both.day is not None:
            return cls(both.date - dt.timedelta(days=both.day))
        days = [t.day for t in timepoints if t.day is not None]
        if not days:
            return cls(next((t.date for t in timepoints if t.date is not None), None))
        return cls(timepoints[0].date if min(days) > 0 else None)

    def day(self, date: dt.date | None, day: int | None) -> int | None:
        """Days since the first visit; None when neither a day nor a comparable date is known."""
        if day is not None:
            return day
        return (date - self.origin).days if date is not None and self.origin is not None else None

    def of_visit(self, timepoint: Timepoint) -> int | None:
        return self.day(timepoint.date, timepoint.day)

    def start(self, event: ClinicalEvent) -> int | None:
        return self.day(event.date, event.day)

    def end(self, event: ClinicalEvent) -> int | None:
        """Last day of a span; None while it goes on or when unknown."""
        return self.day(event.end_date, event.end_day)


def _latest(
    events: Iterable[ClinicalEvent], kind: EventKind, day: int, clock: CourseClock
) -> tuple[int, ClinicalEvent] | None:
    """The last event of a kind that began on or before `day`, with its day."""
    dated = [(start, e) for e in events if e.kind is kind and (start := clock.start(e)) is not None and start <= day]
    return max(dated, key=lambda pair: (pair[0], pair[1].created_utc), default=None)


def steroid_dose_mg(events: Iterable[ClinicalEvent], day: int | None, clock: CourseClock) -> float | None:
    """Daily steroid dose in mg on `day`: of the last step that began by then, 0 after its end and before the first.

    As dexamethasone, so that a change of the drug is no change of the dose. None when unknown: no day, or no steroids
    recorded at all.
    """
    steps = [e for e in events if e.kind is EventKind.STEROIDS and clock.start(e) is not None]
    if day is None or not steps:
        return None
    found = _latest(steps, EventKind.STEROIDS, day, clock)
    if found is None:
        return 0.0
    end = clock.end(found[1])
    if end is not None and day > end:
        return 0.0
    given_mg = found[1].dose_mg
    return None if given_mg is None else as_dexamethasone_mg(given_mg, found[1].drug)


def score_at(events: Iterable[ClinicalEvent], kind: EventKind, day: int | None, clock: CourseClock) -> int | None:
    """The last KPS, ECOG or NANO score recorded by `day`; None when there is none."""
    found = _latest(events, kind, day, clock) if day is not None else None
    return found[1].score if found else None


def clinical_state_at(
    events: Iterable[ClinicalEvent], after: int | None, day: int | None, clock: CourseClock
) -> ClinicalState | None:
    """The clinical state recorded last in the days after the visit before (`after`, excluded) up to `day`."""
    found = _latest(events, EventKind.CLINICAL_STATE, day, clock) if day is not None else None
    if found is None or (after is not None and found[0] <= after):
        return None
    return found[1].state


def radiotherapy_end(events: Iterable[ClinicalEvent], day: int | None, clock: CourseClock) -> int | None:
    """Last day of the radiotherapy that ended most recently on or before `day`; None when there is none."""
    if day is None:
        return None
    ends = [end for e in events if e.kind is EventKind.RADIOTHERAPY and (end := clock.end(e)) is not None]
    return max((end for end in ends if end <= day), default=None)


def radiotherapy_without_end(events: Iterable[ClinicalEvent], clock: CourseClock | None = None) -> bool:
    """Whether radiotherapy is recorded whose last day is not, or has no place on `clock`."""
    therapies = [e for e in events if e.kind is EventKind.RADIOTHERAPY]
    unknown = any(e.end_date is None and e.end_day is None for e in therapies)
    return unknown or (clock is not None and any(clock.end(e) is None for e in therapies))


def doubling_time_days(earlier_ml: float, later_ml: float, days: int | None) -> float | None:
    """Days in which a volume doubles if it keeps growing exponentially as between two measurements.

    None unless it grew from a volume above zero over at least one day.
    """
    if days is None or days <= 0 or earlier_ml <= 0 or later_ml <= earlier_ml:
        return None
    return days * math.log(2) / math.log(later_ml / earlier_ml)
