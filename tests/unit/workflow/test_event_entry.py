"""Clinical events as typed."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind
from glioma_annotator.domain.course import CourseClock
from glioma_annotator.errors import UserError
from glioma_annotator.workflow.event_entry import (
    check_order,
    details_text,
    fields_of,
    on_the_calendar,
    parse_when,
    when_text,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019-04-02", (dt.date(2019, 4, 2), None)),
        ("2.4.2019", (dt.date(2019, 4, 2), None)),
        ("02/04/2019", (dt.date(2019, 4, 2), None)),
        ("day 45", (None, 45)),
        (" D7 ", (None, 7)),
        ("45", (None, 45)),
        ("-3", (None, -3)),
        ("", (None, None)),
    ],
)
def test_dates_and_days_are_understood(text: str, expected: tuple[dt.date | None, int | None]) -> None:
    assert parse_when(text) == expected


@pytest.mark.parametrize("text", ["yesterday", "2019-02-30", "31.4.2019", "2019-4", "day", "1.2"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UserError, match="no date and no day") as caught:
        parse_when(text)
    assert "2019-04-02" in caught.value.todo


@pytest.mark.parametrize("text", ["2019", "1987", " 2031 "])
def test_a_year_is_not_taken_for_a_day(text: str) -> None:
    with pytest.raises(UserError, match="may be a year or a day") as caught:
        parse_when(text)
    assert f"day {text.strip()}" in caught.value.todo
    assert parse_when(f"day {text.strip()}") == (None, int(text))


def test_spans_have_an_end_and_single_events_none() -> None:
    assert "end" in fields_of(EventKind.RADIOTHERAPY)
    assert "end" not in fields_of(EventKind.SURGERY)
    assert fields_of(EventKind.KPS) == ("score", "text")


def test_an_event_reads_as_a_line() -> None:
    event = ClinicalEvent(
        "P", EventKind.RADIOTHERAPY, dt.date(2019, 4, 2), dose_gy=60.0, fractions=30, text="boost to the cavity"
    )
    assert when_text(event) == "2019-04-02 – ongoing"
    assert details_text(event) == "60 Gy, 30 fractions, boost to the cavity"
    concomitant = ClinicalEvent("P", EventKind.TEMOZOLOMIDE, day=30, end_day=72, cycle=0, dose_mg=140.0)
    assert when_text(concomitant) == "day 30 – day 72"
    assert details_text(concomitant) == "concomitant, 140 mg a day"


def test_an_end_before_the_beginning_is_refused_where_one_is_a_date_and_the_other_a_day() -> None:
    clock = CourseClock(dt.date(2019, 1, 14))
    therapy = ClinicalEvent("P", EventKind.RADIOTHERAPY, dt.date(2019, 3, 1), end_day=5)
    with pytest.raises(UserError, match="ends on day 5 of the course, before it begins on day 46"):
        check_order(therapy, clock)
    check_order(replace(therapy, end_day=46), clock)
    check_order(replace(therapy, end_day=None), clock)
    check_order(therapy, CourseClock())  # nothing to compare


def test_a_day_is_kept_as_its_date_so_that_an_earlier_visit_does_not_move_it() -> None:
    clock, start, end = CourseClock(dt.date(2019, 1, 14)), dt.date(2019, 1, 29), dt.date(2019, 3, 12)
    therapy = ClinicalEvent("P", EventKind.RADIOTHERAPY, day=15, end_day=57)
    dated = on_the_calendar(therapy, clock)
    assert (dated.date, dated.day, dated.end_date, dated.end_day) == (start, None, end, None)
    assert on_the_calendar(therapy, CourseClock()) == therapy  # the visits do not tell
    ended = on_the_calendar(therapy, clock, replace(therapy, end_day=None))
    assert (ended.day, ended.end_date) == (15, end)  # a day that stood there is not touched
    both = replace(therapy, date=start, end_date=end)
    assert on_the_calendar(both, clock) == both
