"""Volumes through the course."""

import datetime as dt
import math
from dataclasses import replace

import numpy as np
import pytest
from courses import ET, GRID, NETC, SNFH, Course, mask

from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind
from glioma_annotator.domain.course import CourseClock, doubling_time_days, radiotherapy_without_end
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, Label
from glioma_annotator.domain.patient import TreatmentPhase
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.errors import Cancelled, UserError
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow.measure import MeasuredVisit, measure_course
from glioma_annotator.workflow.patient_course import load_course
from glioma_annotator.workflow.profiles import load_profile


def measured(course: Course) -> tuple[MeasuredVisit, ...]:
    loaded = load_course(course.store, "P")
    return measure_course(course.store, loaded, load_profile(), ignore_progress, CancelToken())


def test_volumes_are_exactly_voxel_count_times_voxel_volume() -> None:
    course = Course()
    course.visit(0, (ET, (5, 5, 5), (7, 3, 2)), (NETC, (20, 20, 5), (1, 1, 1)))
    (visit,) = measured(course)
    assert abs(visit.labels["ET"].volume_ml - 42 * GRID.voxel_volume_ml) < 1e-9
    assert abs(visit.labels["NETC"].volume_ml - GRID.voxel_volume_ml) < 1e-9
    assert abs(visit.regions["TC"].volume_ml - 43 * GRID.voxel_volume_ml) < 1e-9
    assert visit.labels["RC"].volume_ml == 0


def test_change_is_against_the_baseline_and_the_nadir_after_it() -> None:
    course = Course()
    for day, size in ((0, 1), (30, 8), (60, 2), (90, 4)):
        phase = TreatmentPhase.POST_RT_BASELINE if day == 30 else TreatmentPhase.UNKNOWN
        course.visit(day, (ET, (5, 5, 5), (size, 5, 5)), phase=phase)
    before, baseline, shrunk, grown = [v.regions["ET"] for v in measured(course)]
    assert (before.from_baseline, before.from_nadir) == (None, None)
    assert (baseline.from_baseline, baseline.baseline_ml) == (None, None)
    assert shrunk.from_baseline == pytest.approx(-0.75)
    assert shrunk.from_nadir == pytest.approx(-0.75)
    assert grown.from_baseline == pytest.approx(-0.5)
    assert grown.from_nadir == pytest.approx(1.0)
    assert grown.doubling_days == pytest.approx(30)
    assert shrunk.doubling_days is None


def test_what_enhances_is_unknown_without_contrast_unless_it_is_drawn() -> None:
    course = Course()
    course.visit(0, (ET, (5, 5, 5), (4, 5, 5)))
    course.visit(30, (SNFH, (5, 5, 5), (4, 5, 5)), roles=[SequenceRole.FLAIR])
    course.visit(60, (ET, (5, 5, 5), (6, 5, 5)))
    course.visit(90, (ET, (5, 5, 5), (3, 5, 5)), roles=[SequenceRole.FLAIR])
    _, unseen, later, drawn = measured(course)
    assert set(unseen.labels) == {"NETC", "SNFH", "RC"} and set(unseen.regions) == {"WT", "RC"}
    assert later.labels["ET"].from_nadir == later.regions["TC"].from_baseline == pytest.approx(0.5)
    assert later.labels["ET"].doubling_days == pytest.approx(60 * math.log(2) / math.log(1.5))
    assert later.regions["WT"].doubling_days == pytest.approx(30 * math.log(2) / math.log(1.5))
    assert drawn.labels["ET"].from_nadir == pytest.approx(-0.25)


def test_nothing_is_relative_to_zero() -> None:
    course = Course()
    course.visit(0)
    course.visit(30, (ET, (5, 5, 5), (2, 2, 2)))
    _, later = measured(course)
    assert later.regions["ET"].baseline_ml == 0
    assert later.regions["ET"].from_baseline is None
    assert later.regions["ET"].doubling_days is None


def test_a_visit_without_mask_is_kept_empty_and_skipped_in_comparisons() -> None:
    course = Course()
    course.visit(0, (SNFH, (5, 5, 5), (2, 2, 2)))
    course.visit(30, masked=False)
    course.visit(60, (SNFH, (5, 5, 5), (4, 2, 2)))
    _, empty, last = measured(course)
    assert (empty.labels, empty.regions) == ({}, {})
    assert last.labels["SNFH"].from_nadir == pytest.approx(1.0)
    assert last.labels["SNFH"].doubling_days == pytest.approx(60)


def test_the_newest_approved_mask_counts_else_the_newest() -> None:
    course = Course()
    visit = course.visit(0, (ET, (5, 5, 5), (2, 2, 2)))
    course.revise(visit, mask((ET, (5, 5, 5), (3, 2, 2))), approve=True)
    course.revise(visit, mask((ET, (5, 5, 5), (4, 2, 2))))
    assert measured(course)[0].labels["ET"].volume_ml == pytest.approx(12 * GRID.voxel_volume_ml)
    draft = course.visit(10, (ET, (5, 5, 5), (2, 2, 2)))
    course.revise(draft, mask((ET, (5, 5, 5), (4, 2, 2))))
    assert measured(course)[1].labels["ET"].volume_ml == pytest.approx(16 * GRID.voxel_volume_ml)


def test_without_days_there_is_no_doubling_time() -> None:
    course = Course()
    course.visit(None, (ET, (5, 5, 5), (2, 2, 2)))
    course.visit(None, (ET, (5, 5, 5), (4, 2, 2)))
    assert measured(course)[1].labels["ET"].doubling_days is None


def test_the_first_scan_after_radiotherapy_is_the_baseline() -> None:
    course = Course()
    for day in (0, 50, 100):
        course.visit(day, (ET, (5, 5, 5), (2, 2, 2)))
    course.store.events.add(ClinicalEvent("P", EventKind.RADIOTHERAPY, day=5, end_day=40, dose_gy=60, fractions=30))
    loaded = load_course(course.store, "P")
    assert loaded.baseline == 1
    assert [v.days_since_rt for v in loaded.visits] == [None, 10, 60]
    assert "after radiotherapy" in loaded.baseline_reason


def test_unknown_patients_and_patients_without_masks_are_refused() -> None:
    course = Course()
    with pytest.raises(UserError, match="no patient Q"):
        load_course(course.store, "Q")
    with pytest.raises(UserError, match="no visits"):
        load_course(course.store, "P")
    course.visit(0, masked=False)
    with pytest.raises(UserError, match="mask"):
        load_course(course.store, "P")


def test_measuring_stops_when_cancelled() -> None:
    course = Course()
    course.visit(0, (ET, (5, 5, 5), (2, 2, 2)))
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        measure_course(course.store, load_course(course.store, "P"), load_profile(), ignore_progress, token)


class TestClock:
    def test_a_visit_with_date_and_day_fixes_the_origin(self) -> None:
        course = Course()
        visits = [course.visit(None, date=dt.date(2024, 3, 1)), course.visit(20, date=dt.date(2024, 3, 11))]
        clock = CourseClock.of(visits)
        assert clock.origin == dt.date(2024, 2, 20)
        assert [clock.of_visit(v) for v in visits] == [10, 20]

    def test_the_first_date_is_day_zero_otherwise(self) -> None:
        course = Course()
        clock = CourseClock.of([course.visit(None, date=dt.date(2024, 3, 1))])
        assert clock.start(ClinicalEvent("P", EventKind.SURGERY, date=dt.date(2024, 3, 15))) == 14

    def test_a_date_beside_days_from_an_unknown_date_has_no_day(self) -> None:
        course, date = Course(), dt.date(2024, 3, 1)
        for visits, days in (
            ([course.visit(0), course.visit(None, date=date)], [0, None]),
            ([course.visit(None, date=date), course.visit(0)], [None, 0]),
            ([course.visit(None), course.visit(None, date=date), course.visit(50)], [None, None, 50]),
            ([course.visit(None, date=date), course.visit(30)], [0, 30]),
            ([course.visit(None), course.visit(None, date=date)], [None, 0]),
        ):
            clock = CourseClock.of(visits)
            assert [clock.of_visit(v) for v in visits] == days

    def test_radiotherapy_that_goes_on_has_no_end(self) -> None:
        started = ClinicalEvent("P", EventKind.RADIOTHERAPY, date=dt.date(2024, 3, 1))
        assert radiotherapy_without_end([started])
        assert not radiotherapy_without_end([replace(started, end_date=dt.date(2024, 4, 1))])
        assert not radiotherapy_without_end([replace(started, end_day=42)], CourseClock())
        assert radiotherapy_without_end([replace(started, end_date=dt.date(2024, 4, 1))], CourseClock())
        assert not radiotherapy_without_end([ClinicalEvent("P", EventKind.TEMOZOLOMIDE, day=3)])

    def test_without_dates_a_dated_event_has_no_day(self) -> None:
        clock = CourseClock.of([Course().visit(5)])
        assert clock.start(ClinicalEvent("P", EventKind.SURGERY, date=dt.date(2024, 3, 15))) is None
        assert clock.start(ClinicalEvent("P", EventKind.SURGERY, day=3)) == 3


@pytest.mark.parametrize(
    ("earlier", "later", "days", "expected"),
    [
        (1, 2, 30, 30),
        (1, 4, 30, 15),
        (2, 1, 30, None),
        (0, 1, 30, None),
        (1, 1, 30, None),
        (1, 2, 0, None),
        (1, 2, None, None),
    ],
)
def test_doubling_time_is_that_of_exponential_growth(
    earlier: float, later: float, days: int | None, expected: float | None
) -> None:
    found = doubling_time_days(earlier, later, days)
    assert found == (None if expected is None else pytest.approx(expected))
    if found is not None and days is not None:
        assert earlier * math.pow(2, days / found) == pytest.approx(later)
    assert np.isfinite(found or 0)


def test_labels_that_readers_added_are_measured_too() -> None:
    course = Course()
    course.visit(0, (5, (5, 5, 5), (7, 3, 2)))
    course.store.schemes.keep(GLIOMA_POST_TREATMENT.with_label(Label(5, "HAEM", "Haemorrhage", "#AA0000")))
    (visit,) = measured(course)
    assert visit.labels["HAEM"].volume_ml == pytest.approx(42 * GRID.voxel_volume_ml)
