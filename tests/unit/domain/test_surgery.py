"""What phases and recorded surgeries say about whether a visit came after a resection."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind, ExtentOfResection
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.patient import Timepoint, TreatmentPhase
from glioma_annotator.domain.surgery import operated, resected_between

PRE, POST = TreatmentPhase.PRE_OPERATIVE, TreatmentPhase.EARLY_POST_OPERATIVE
LATER, UNKNOWN = TreatmentPhase.FOLLOW_UP, TreatmentPhase.UNKNOWN


def visit(order: int, phase: TreatmentPhase, **when: object) -> Timepoint:
    grid = Grid((4, 4, 4), np.eye(4))
    return Timepoint(1, f"visit-{order}", order, grid, "T1Gd", phase=phase, **when)  # type: ignore[arg-type]


def surgery(extent: ExtentOfResection | None, **when: object) -> ClinicalEvent:
    return ClinicalEvent("A", EventKind.SURGERY, extent=extent, **when)  # type: ignore[arg-type]


def test_phases_tell() -> None:
    course = [visit(0, PRE), visit(1, POST), visit(2, LATER), visit(3, UNKNOWN)]
    assert [operated(one, course, ()) for one in course] == [False, True, True, True]
    watched = [visit(0, UNKNOWN), visit(1, LATER), visit(2, UNKNOWN)]
    assert [operated(one, watched, ()) for one in watched] == [None, None, None]


def test_a_later_phase_after_a_pre_operative_visit_tells_where_no_surgery_is_recorded() -> None:
    course = [visit(0, PRE, day=0), visit(1, LATER, day=90), visit(2, UNKNOWN, day=180)]
    assert [operated(one, course, ()) for one in course] == [False, True, None]
    biopsy = surgery(ExtentOfResection.BIOPSY, day=10)
    assert [operated(one, course, [biopsy]) for one in course] == [False, None, None]
    second = surgery(ExtentOfResection.PARTIAL, day=100)
    assert [operated(one, course, [biopsy, second]) for one in course] == [False, None, True]


@pytest.mark.parametrize(
    ("extent", "known"),
    [
        (ExtentOfResection.SUBTOTAL, True),
        (ExtentOfResection.UNKNOWN, True),
        (ExtentOfResection.BIOPSY, None),
        (None, None),
    ],
)
def test_a_recorded_resection_counts_from_its_day_on(extent: ExtentOfResection | None, known: bool | None) -> None:
    event = surgery(extent, date=dt.date(2020, 3, 1))
    before, after = visit(0, UNKNOWN, date=dt.date(2020, 2, 1)), visit(1, LATER, date=dt.date(2020, 3, 1))
    assert operated(before, [before, after], [event]) is None
    assert operated(after, [before, after], [event]) is known


def test_days_count_where_there_are_no_dates() -> None:
    event = surgery(ExtentOfResection.GROSS_TOTAL, day=10)
    assert operated(visit(0, UNKNOWN, day=9), [], [event]) is None
    assert operated(visit(0, UNKNOWN, day=10), [], [event]) is True
    assert operated(visit(0, UNKNOWN, date=dt.date(2020, 1, 1)), [], [event]) is None  # nothing to compare


def test_other_events_say_nothing() -> None:
    event = ClinicalEvent("A", EventKind.RADIOTHERAPY, day=0)
    assert operated(visit(0, LATER, day=90), [], [event]) is None


def test_a_surgery_known_by_its_day_counts_for_visits_known_by_their_dates() -> None:
    course = [visit(0, UNKNOWN, date=dt.date(2019, 1, 14)), visit(1, LATER, date=dt.date(2019, 4, 2))]
    event = surgery(ExtentOfResection.GROSS_TOTAL, day=3)
    assert [operated(one, course, [event]) for one in course] == [None, True]
    counted = [visit(0, UNKNOWN, date=dt.date(2019, 1, 14), day=0), visit(1, LATER, day=80)]
    dated = surgery(ExtentOfResection.GROSS_TOTAL, date=dt.date(2019, 1, 17))
    assert [operated(one, counted, [dated]) for one in counted] == [None, True]


def test_a_resection_between_two_visits_is_known_by_its_day_or_by_the_phase_after_it() -> None:
    course = [visit(0, PRE, day=0), visit(1, UNKNOWN, day=90), visit(2, LATER, day=180), visit(3, UNKNOWN)]

    def between(first: int, last: int, *events: ClinicalEvent) -> bool:
        return resected_between(course[first], course[last], course, events)

    same_day, later = (surgery(ExtentOfResection.SUBTOTAL, day=day) for day in (0, 90))
    assert between(0, 1, same_day)  # in the afternoon, the scan in the morning
    assert between(0, 1, later)
    assert not between(1, 2, later)  # the scan after it
    assert not between(1, 2, surgery(ExtentOfResection.BIOPSY, day=100))
    assert not between(3, 2, same_day)
    assert not between(1, 3, surgery(ExtentOfResection.SUBTOTAL, day=100))  # nobody knows when that visit was
    course[2] = visit(2, POST)
    assert between(1, 3)
    assert not between(2, 3)
    course[3] = visit(3, POST)
    assert between(1, 3)
    assert not between(2, 3)  # two scans after one operation
