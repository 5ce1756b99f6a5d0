"""Places of the visits on the time axis."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.patient import Timepoint, TreatmentPhase
from glioma_annotator.ui.timeline import Timeline, TimelineVisit, positions, spread

GRID = Grid((2, 2, 2), np.eye(4))


def visit(key: str, order: int, date: dt.date | None = None, day: int | None = None) -> Timepoint:
    return Timepoint(1, key, order, GRID, "T1Gd", date=date, day=day, phase=TreatmentPhase.FOLLOW_UP, id=order + 1)


def test_dates_are_drawn_to_scale() -> None:
    start = dt.date(2020, 1, 1)
    visits = [visit(str(d), n, start + dt.timedelta(days=d)) for n, d in enumerate((0, 25, 100))]
    assert positions(visits) == ((0.0, 0.25, 1.0), True)


def test_days_are_drawn_to_scale() -> None:
    assert positions([visit("a", 0, day=0), visit("b", 1, day=262)]) == ((0.0, 1.0), True)


def test_visits_without_dates_are_evenly_spaced() -> None:
    mixed = [visit("a", 0, day=0), visit("b", 1), visit("c", 2, day=9)]
    assert positions(mixed) == ((0.0, 0.5, 1.0), False)


def test_labels_never_overlap_and_stay_inside() -> None:
    widths = [80.0, 90.0, 70.0, 60.0]
    edges = spread([0.0, 2.0, 3.0, 395.0], widths, 400.0)
    ends = [x + w for x, w in zip(edges, widths, strict=True)]
    assert all(end <= start for end, start in zip(ends[:-1], edges[1:], strict=True))
    assert edges[0] >= 0 and ends[-1] <= 400


def test_more_labels_than_fit_overlap_alike_and_each_can_be_reached() -> None:
    edges = spread([0.0] * 20 + [300.0] * 20, [22.0] * 40, 600.0)
    assert edges[0] >= 0 and edges[-1] + 22 <= 600.0 + 1e-6
    assert min(b - a for a, b in pairwise(edges)) > 10


@pytest.mark.parametrize("count", [1, 3, 20])
def test_every_visit_stays_on_the_timeline(qtbot: QtBot, count: int) -> None:
    timeline = Timeline()
    qtbot.addWidget(timeline)
    timeline.resize(1000, 60)
    start = dt.date(2020, 1, 1)
    visits = [visit(str(n), n, start + dt.timedelta(days=60 * n)) for n in range(count)]
    timeline.show_patient("P1", ["P1"], [TimelineVisit(v, "draft") for v in visits])
    timeline.mark(1)
    timeline.show()
    scale = timeline.buttons[0].parentWidget()
    edges = [(b.geometry().left(), b.geometry().right()) for b in timeline.buttons]
    assert all(right < left for (_, right), (left, _) in pairwise(edges))
    assert edges[-1][1] <= scale.width()
    assert timeline.buttons[0].text() == "2020-01-01 follow-up"
    assert timeline.buttons[0].accessibleName() == "Visit 2020-01-01 follow-up, draft mask"


def test_visits_of_one_day_are_told_apart_where_room_is_short(qtbot: QtBot) -> None:
    timeline = Timeline()
    qtbot.addWidget(timeline)
    day = dt.date(2020, 1, 1)
    phases = (TreatmentPhase.PRE_OPERATIVE, TreatmentPhase.EARLY_POST_OPERATIVE, TreatmentPhase.UNKNOWN)
    same = [replace(visit(f"ses-{n}", n, day), phase=phase) for n, phase in enumerate(phases)]
    later = visit("ses-3", 3, day + dt.timedelta(days=90))
    timeline.show_patient("P1", ["P1"], [TimelineVisit(v, "draft") for v in (*same, later)])
    timeline.mark(4)
    wanted = ["pre-op", "post-op", "ses-2", "2020-03-31 follow-up"]
    pairs = zip(timeline.buttons, wanted, strict=True)
    room = sum(button.width_for(text) + 8 for button, text in pairs)  # in whatever font and size
    timeline.buttons[0].parentWidget().setFixedWidth(room)
    timeline.show()
    assert [b.text() for b in timeline.buttons] == wanted


@pytest.mark.parametrize("shown", [1, 20, 40])
def test_every_one_of_many_visits_can_be_clicked(qtbot: QtBot, shown: int) -> None:
    timeline = Timeline()
    qtbot.addWidget(timeline)
    timeline.resize(900, 60)
    start = dt.date(2010, 1, 1)
    visits = [visit(str(n), n, start + dt.timedelta(days=90 * min(n, 30) + n)) for n in range(40)]
    timeline.show_patient("P1", ["P1"], [TimelineVisit(v, "draft") for v in visits])
    timeline.mark(shown)
    timeline.show()
    scale = timeline.buttons[0].parentWidget()
    seen = {scale.childAt(x, timeline.buttons[0].geometry().center().y()) for x in range(scale.width())}
    assert seen >= set(timeline.buttons)
    assert timeline.buttons[-1].geometry().right() <= scale.width()


def test_a_long_name_leaves_room_for_the_visits(qtbot: QtBot) -> None:
    timeline = Timeline()
    qtbot.addWidget(timeline)
    timeline.resize(1200, 60)
    name = "GBM-recurrence " * 12
    timeline.show_patient(name, [name], [TimelineVisit(visit("0", 0), "draft")])
    timeline.show()
    assert timeline.buttons[0].parentWidget().width() > 700
    assert name in timeline.patient.toolTip()
    timeline.show_patient("P1", ["P1"], [])
    assert timeline.patient.text().startswith("P1 ")
