"""The course in pictures and tables."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import pytest
from courses import ET, SNFH, Box, Course

from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind, ExtentOfResection
from glioma_annotator.domain.patient import TreatmentPhase
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow import course_plots
from glioma_annotator.workflow.alignment import SameWorld
from glioma_annotator.workflow.course_plots import (
    component_rows,
    lesion_balance,
    rendered,
    volume_figure,
    volume_rows,
    waterfall_figure,
    write_plots,
)
from glioma_annotator.workflow.measure import MeasuredVisit, measure_course
from glioma_annotator.workflow.patient_course import load_course
from glioma_annotator.workflow.profiles import load_profile
from glioma_annotator.workflow.response import MeasuredCourse, measure_lesions

A: Box = (ET, (5, 5, 5), (6, 6, 6))
A_GROWN: Box = (ET, (5, 5, 5), (9, 6, 6))
B: Box = (ET, (25, 25, 5), (4, 4, 4))
C: Box = (ET, (25, 5, 5), (4, 4, 4))


def course_of(*days: int | None) -> Course:
    course = Course()
    phases = (TreatmentPhase.POST_RT_BASELINE, TreatmentPhase.UNKNOWN, TreatmentPhase.UNKNOWN)
    masks = ((A, B, (SNFH, (5, 20, 5), (9, 9, 9))), (A, B), (A_GROWN, C))
    for day, phase, boxes in zip(days, phases, masks, strict=True):
        course.visit(day, *boxes, phase=phase)
    return course


def measured(course: Course) -> tuple[tuple[MeasuredVisit, ...], MeasuredCourse]:
    loaded, profile, token = load_course(course.store, "P"), load_profile(), CancelToken()
    visits = measure_course(course.store, loaded, profile, ignore_progress, token)
    return visits, measure_lesions(course.store, loaded, profile, SameWorld(), ignore_progress, token)


def treated() -> Course:
    course = course_of(0, 60, 120)
    course.store.events.add(
        ClinicalEvent("P", EventKind.SURGERY, day=-40, extent=ExtentOfResection.GROSS_TOTAL),
        ClinicalEvent("P", EventKind.RADIOTHERAPY, day=-35, end_day=-2, dose_gy=60, fractions=30),
        ClinicalEvent("P", EventKind.TEMOZOLOMIDE, day=20, cycle=1),
        ClinicalEvent("P", EventKind.STEROIDS, day=0, end_day=50, dose_mg=4),
        ClinicalEvent("P", EventKind.KPS, day=0, score=90),
    )
    return course


def test_the_curves_lie_on_days_with_a_row_for_what_is_recorded() -> None:
    visits, lesions = measured(treated())
    figure = volume_figure(lesions.course, visits, load_profile())
    top, *rows = figure.axes
    assert len(rows) == 3
    by_label = {line.get_label().split()[0]: line for line in top.get_lines() if line.get_label()[0] != "_"}
    assert list(by_label["ET"].get_xdata()) == [0, 60, 120]
    assert list(by_label["ET"].get_ydata()) == pytest.approx([(216 + 64) * 0.064, 280 * 0.064, (324 + 64) * 0.064])
    assert [t.get_text() for t in rows[0].get_yticklabels()] == ["radiotherapy", "temozolomide"]
    steroids = rows[1].get_lines()[0]
    assert list(zip(steroids.get_xdata(), steroids.get_ydata(), strict=True))[:2] == [(0, 4), (51, 0)]
    assert list(rows[2].get_lines()[0].get_ydata()) == [90]


def test_without_events_or_days_there_are_only_curves() -> None:
    visits, lesions = measured(course_of(0, 60, 120))
    assert len(volume_figure(lesions.course, visits, load_profile()).axes) == 1
    visits, lesions = measured(course_of(None, None, None))
    (axes,) = volume_figure(lesions.course, visits, load_profile()).axes
    assert [t.get_text() for t in axes.get_xticklabels()] == ["V0", "V1", "V2"]


def test_the_waterfall_shows_every_lesion_of_baseline_and_last_visit_largest_growth_first() -> None:
    _, lesions = measured(course_of(0, 60, 120))
    balance = lesion_balance(lesions)
    assert [(b.lesion, b.kind) for b in balance] == [("L1", "grown"), ("L3", "new"), ("L2", "gone")]
    assert [b.change_ml for b in balance] == pytest.approx([108 * 0.064, 64 * 0.064, -64 * 0.064])
    (axes,) = waterfall_figure(lesions).axes
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([b.change_ml for b in balance])


def test_a_patient_without_lesions_has_an_empty_waterfall() -> None:
    course = Course()
    course.visit(0)
    course.visit(60)
    _, lesions = measured(course)
    assert waterfall_figure(lesions).axes[0].get_title().startswith("No lesion")


def test_a_baseline_that_is_the_last_masked_visit_is_compared_with_nothing() -> None:
    course = Course()
    course.visit(0, A, phase=TreatmentPhase.POST_RT_BASELINE)
    _, lesions = measured(course)
    assert lesion_balance(lesions) == ()
    (axes,) = waterfall_figure(lesions).axes
    assert "nothing to compare yet" in axes.get_title()
    assert not axes.patches


def test_the_tables_hold_what_the_pictures_show() -> None:
    visits, lesions = measured(course_of(0, 60, 120))
    header, *rows = volume_rows(visits)
    assert len(rows) == 3 * (4 + 4)
    last = next(dict(zip(header, row, strict=True)) for row in rows if row[0] == "V2" and row[5:7] == ("region", "ET"))
    assert last["from_baseline"] == pytest.approx((388 - 280) / 280)
    header, *rows = component_rows(lesions)
    table = [dict(zip(header, row, strict=True)) for row in rows]
    assert [(r["timepoint"], r["lesion"], r["change"]) for r in table if r["timepoint"] == "V2"] == [
        ("V2", "L1", "grown"),
        ("V2", "L3", "new"),
        ("V2", "L2", "gone"),
    ]
    assert table[-1]["longest_mm"] is None
    assert table[-2]["earlier_ml"] is None
    assert [row["name"] for row in table] == [row["lesion"] for row in table]
    found, title = "ab" * 16, "New enhancement, right"
    of_first = tuple(replace(t, lesion=found) for t in lesions.lesions[0])
    _, first, *_ = component_rows(replace(lesions, lesions=(of_first, *lesions.lesions[1:]), titles={found: title}))
    assert first[1:3] == (found, title)


def test_files_are_written_whole_and_the_same_each_time(tmp_path: Path) -> None:
    visits, lesions = measured(treated())
    written = write_plots(tmp_path / "plots", visits, lesions, load_profile())
    assert {p.name for p in written} == {f"{n}.{k}" for n in ("volumes", "components") for k in ("svg", "png", "csv")}
    assert {p.name for p in (tmp_path / "plots").iterdir()} == {p.name for p in written}
    assert (tmp_path / "plots" / "volumes.png").read_bytes().startswith(b"\x89PNG")
    svg = (tmp_path / "plots" / "volumes.svg").read_text(encoding="utf-8")
    assert "Volumes of P</text>" in svg
    with (tmp_path / "plots" / "volumes.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["timepoint"] == "V0"
    odd = replace(lesions, course=replace(lesions.course, patient="$A_$"))
    figure = waterfall_figure(odd)
    assert rendered(figure, "svg") == rendered(waterfall_figure(odd), "svg")
    assert b", $A_$</text>" in rendered(figure, "svg")
    assert b"Volumes of $A_$</text>" in rendered(volume_figure(odd.course, visits, load_profile()), "svg")


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    visits, lesions = measured(course_of(0, 60, 120))
    with pytest.raises(EnvironmentFailure, match="could not be made"):
        write_plots(tmp_path / "file" / "plots", visits, lesions, load_profile())


def test_steroids_that_overlap_are_drawn_as_the_rules_read_them() -> None:
    course = course_of(0, 60, 120)
    course.store.events.add(
        ClinicalEvent("P", EventKind.STEROIDS, day=0, end_day=30, dose_mg=8),
        ClinicalEvent("P", EventKind.STEROIDS, day=20, dose_mg=4),
    )
    visits, lesions = measured(course)
    (line,) = volume_figure(lesions.course, visits, load_profile()).axes[1].get_lines()
    drawn = dict(zip(line.get_xdata(), line.get_ydata(), strict=True))
    assert (drawn[0], drawn[20], drawn[31]) == (8, 4, 4)
    assert lesions.visits[1].steroid_mg == 4


def test_one_visit_without_tumour_fills_no_axis_with_fractions() -> None:
    course = Course()
    course.visit(0, phase=TreatmentPhase.POST_RT_BASELINE)
    visits, lesions = measured(course)
    (axes,) = volume_figure(lesions.course, visits, load_profile()).axes
    assert axes.get_ylim() == (0.0, 1.0)
    assert all(float(tick).is_integer() for tick in axes.get_xticks())
    assert axes.get_xlim()[1] - axes.get_xlim()[0] >= 7


def test_the_curve_of_what_enhances_has_a_gap_where_there_is_no_contrast() -> None:
    course = Course()
    course.visit(0, A)
    course.visit(60, roles=[SequenceRole.FLAIR])
    course.visit(120, A)
    visits, lesions = measured(course)
    top = volume_figure(lesions.course, visits, load_profile()).axes[0]
    ml = {line.get_label().split()[0]: list(line.get_ydata()) for line in top.get_lines()}
    assert ml["ET"] == pytest.approx([216 * 0.064, math.nan, 216 * 0.064], nan_ok=True)
    assert ml["SNFH"] == [0, 0, 0]


def test_many_lesions_stand_in_rows_of_one_scale() -> None:
    course = Course()
    boxes: list[Box] = [(ET, (2 + 5 * (n % 7), 3 + 8 * (n // 7), 5), (2, 2, 2)) for n in range(30)]
    course.visit(0, *boxes, phase=TreatmentPhase.POST_RT_BASELINE)
    course.visit(90, (ET, (2, 3, 5), (4, 4, 4)), *boxes[1:])
    figure = waterfall_figure(measured(course)[1])
    assert [len(axes.patches) for axes in figure.axes] == [14, 14, 2]
    assert len({axes.get_xlim() for axes in figure.axes}) == len({axes.get_ylim() for axes in figure.axes}) == 1
    width, height = figure.get_size_inches()
    assert width < 2.2 * height  # of a page: wider ones would be scaled down until nothing can be read


def test_lesions_that_merged_are_one_bar() -> None:
    course = Course()
    course.visit(0, (ET, (5, 5, 5), (4, 6, 6)), (ET, (10, 5, 5), (6, 6, 6)), phase=TreatmentPhase.POST_RT_BASELINE)
    course.visit(90, (ET, (5, 5, 5), (12, 6, 6)))
    _, lesions = measured(course)
    (one,) = lesion_balance(lesions)
    assert (one.lesion, one.merged, one.kind) == ("L1", ("L2",), "grown")
    assert (one.baseline_ml, one.last_ml) == (pytest.approx(360 * 0.064), pytest.approx(432 * 0.064))
    assert [t.get_text() for t in waterfall_figure(lesions).axes[0].get_xticklabels()] == ["L1 and L2"]


def test_words_of_the_plot_do_not_cover_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    course = course_of(0, 60, 1200)
    for day in (10, 14, 900):
        course.store.events.add(ClinicalEvent("P", EventKind.SURGERY, day=day, extent=ExtentOfResection.SUBTOTAL))
    visits, lesions = measured(course)
    top = volume_figure(lesions.course, visits, load_profile()).axes[0]
    assert [text.xy[0] for text in top.texts if text.get_text() == "surgery"] == [14, 900]
    monkeypatch.setattr(course_plots, "_MOST_LETTERS", 5)
    visits, lesions = measured(course_of(None, None, None))
    (axes,) = volume_figure(lesions.course, visits, load_profile()).axes
    assert {t.get_rotation() for t in axes.get_xticklabels()} == {40.0}
