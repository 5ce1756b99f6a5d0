"""Clinical events as a reader types them: dates or days in words, and the fields that each kind has."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace

from glioma_annotator.domain.clinical_event import SCORE_RANGES, SPANS, ClinicalEvent, EventKind, ExtentOfResection
from glioma_annotator.domain.course import CourseClock
from glioma_annotator.errors import UserError

#: Of a patient's life; as a day it is five years or more after the first visit.
_YEAR = re.compile(r"(19|20)\d\d")

#: Besides text; a span also has an end.
FIELDS: dict[EventKind, tuple[str, ...]] = {
    EventKind.SURGERY: ("extent",),
    EventKind.RADIOTHERAPY: ("dose_gy", "fractions"),
    EventKind.TEMOZOLOMIDE: ("cycle", "dose_mg"),
    EventKind.BEVACIZUMAB: ("cycle", "dose_mg"),
    EventKind.OTHER_THERAPY: ("drug", "dose_mg"),
    EventKind.STEROIDS: ("drug", "dose_mg"),
    EventKind.CLINICAL_STATE: ("state",),
    **dict.fromkeys(SCORE_RANGES, ("score",)),
}


def fields_of(kind: EventKind) -> tuple[str, ...]:
    """Names of the `ClinicalEvent` fields that a kind has, end (as `end`) and text included."""
    return (*(("end",) if kind in SPANS else ()), *FIELDS.get(kind, ()), "text")


def parse_when(text: str) -> tuple[dt.date | None, int | None]:
    """A calendar date (2019-04-02, 2.4.2019 or 02/04/2019, day first) or a day since the first visit (`day 45`, `45`).

    Both None for an empty text. Raises `UserError` for anything else, and for a number that may be a year: `day 2019`
    says what is meant.
    """
    words = text.strip().lower()
    if not words:
        return None, None
    if _YEAR.fullmatch(words):
        raise UserError(
            f"“{words}” may be a year or a day.", f"Write 2019-04-02, or day {words} since the first visit."
        )
    day = re.fullmatch(r"(?:day\s*|d)?(-?\d{1,5})", words)
    if day:
        return None, int(day.group(1))
    iso = re.fullmatch(r"(\d{4})-(\d{1,2})-(\d{1,2})", words)
    european = re.fullmatch(r"(\d{1,2})[./](\d{1,2})[./](\d{4})", words)
    parts = iso.groups() if iso else european.groups()[::-1] if european else None
    if parts is not None:
        try:
            return dt.date(int(parts[0]), int(parts[1]), int(parts[2])), None
        except ValueError:
            pass
    raise UserError(f"“{text.strip()}” is no date and no day.", "Write 2019-04-02, or day 45 since the first visit.")


def check_order(event: ClinicalEvent, clock: CourseClock) -> None:
    """Raises `UserError` for an event that ends before it begins, also where one is a date and the other a day."""
    start, end = clock.start(event), clock.end(event)
    if start is not None and end is not None and end < start:
        raise UserError(
            f"The event cannot be kept: it ends on day {end} of the course, before it begins on day {start}.",
            "Correct the form.",
        )


def on_the_calendar(event: ClinicalEvent, clock: CourseClock, before: ClinicalEvent | None = None) -> ClinicalEvent:
    """The same with days as dates where the visits tell these: a day would count from another visit once an earlier one
    is imported. Days that the event had `before` stay.
    """

    def dated(date: dt.date | None, day: int | None, known: int | None) -> tuple[dt.date | None, int | None]:
        if date is not None or day is None or clock.origin is None or day == known:
            return date, day
        return clock.origin + dt.timedelta(days=day), None

    date, day = dated(event.date, event.day, before.day if before else None)
    end_date, end_day = dated(event.end_date, event.end_day, before.end_day if before else None)
    return replace(event, date=date, day=day, end_date=end_date, end_day=end_day)


def when_text(event: ClinicalEvent) -> str:
    """Start and, for a span, end."""
    start = event.date.isoformat() if event.date is not None else f"day {event.day}"
    if event.kind not in SPANS:
        return start
    end = event.end_date.isoformat() if event.end_date is not None else ""
    if not end and event.end_day is not None:
        end = f"day {event.end_day}"
    if event.kind is EventKind.STEROIDS and not end:  # a dose counts until the next one is recorded
        return f"from {start}"
    return f"{start} – {end}" if end else f"{start} – ongoing"


def details_text(event: ClinicalEvent) -> str:
    """What is known beside the time, in a line."""
    parts = [
        event.extent.value if event.extent is not None and event.extent is not ExtentOfResection.UNKNOWN else "",
        f"{event.dose_gy:g} Gy" if event.dose_gy is not None else "",
        f"{event.fractions} fractions" if event.fractions is not None else "",
        ("concomitant" if event.cycle == 0 else f"cycle {event.cycle}") if event.cycle is not None else "",
        event.drug,
        f"{event.dose_mg:g} mg a day" if event.dose_mg is not None else "",
        str(event.score) if event.score is not None else "",
        event.state.value if event.state is not None else "",
        event.text,
    ]
    return ", ".join(part for part in parts if part)
