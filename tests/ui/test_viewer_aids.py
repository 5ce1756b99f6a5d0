"""Blending, subtraction, cine, magnifier, measuring and the 3D pane, worked with the mouse."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QObject, QPoint, QPointF, QRect, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog
from stage import CROSSHAIR, SHAPE, SPACING_MM, Stage

from glioma_annotator.domain.volume import Volume
from glioma_annotator.ui.viewer.measures import MeasureKind
from glioma_annotator.ui.viewer.surface_pane import FIRST_TURN, SurfacePane
from glioma_annotator.ui.viewer.visit import SUBTRACTION
from glioma_annotator.ui.viewer_commands import save_picture

AXIAL, CORONAL, SAGITTAL, SURFACE = 0, 1, 2, 3


@pytest.fixture(autouse=True)
def _nothing_on(stage: Stage) -> None:
    aids = stage.view.aids
    aids.measure(None)
    aids.measuring.clear()
    aids.cine.stop()
    if aids.magnifying:
        aids.toggle_magnifier()


def test_a_pane_shows_its_own_sequence_and_all_show_the_same_on_demand(stage: Stage) -> None:
    stage.view.activate(CORONAL)
    stage.view.set_pane_sequence("FLAIR")
    stage.settle()
    assert [stage.pane(slot).sequence for slot in (AXIAL, CORONAL, SAGITTAL)] == ["T1Gd", "FLAIR", "T1Gd"]
    stage.view.aids.same_sequence()
    stage.settle()
    assert [stage.pane(slot).sequence for slot in (AXIAL, CORONAL, SAGITTAL)] == ["FLAIR"] * 3


def test_the_slider_mixes_two_sequences(stage: Stage) -> None:
    """T1Gd is 40 and FLAIR 60 of 200 at the crosshair: a fifth and three tenths of white."""
    stage.view.set_crosshair_visible(False)
    stage.view.aids.blend_with("FLAIR")
    stage.settle()
    pane = stage.pane(AXIAL)
    for share, grey in ((0, 51), (50, 64), (100, 76)):
        pane.header.slider.setValue(share)
        stage.settle()
        assert stage.colour(AXIAL, CROSSHAIR).red() == pytest.approx(grey, abs=3)
    assert "with FLAIR" in pane.header.text
    kept = stage.view.state()
    stage.view.aids.blend_with("")
    stage.settle()
    assert stage.pane(AXIAL).header.slider.isHidden()
    stage.view.restore(kept)
    stage.settle()
    assert "with FLAIR" in stage.pane(AXIAL).header.text


def test_the_subtraction_shows_what_took_up_contrast(stage: Stage) -> None:
    rng = np.random.default_rng(3)
    plain = (100 + 20 * rng.standard_normal(SHAPE)).astype(np.float32)
    enhanced = (1.5 * plain + 30 + rng.standard_normal(SHAPE)).astype(np.float32)
    spot = (slice(18, 23), slice(22, 27), slice(7, 10))
    enhanced[spot] += 120
    grid = stage.images["T1"].grid
    stage.images |= {"T1": Volume(plain, grid), "T1Gd": Volume(enhanced, grid)}
    stage.show()
    stage.view.aids.subtract()
    stage.settle()
    pane = stage.pane(AXIAL)
    assert pane.sequence == SUBTRACTION
    picture, _ = pane.picture()
    difference = pane.visit.volume(SUBTRACTION).data[:, :, :] if pane.visit else picture
    assert difference[spot].mean() == pytest.approx(120, abs=2)
    assert abs(float(np.median(difference))) < 1
    assert stage.pane(CORONAL).sequence == "T1Gd"
    assert stage.view.aids.subtracting
    stage.view.aids.subtract()
    stage.settle()
    assert stage.pane(AXIAL).sequence == "T1Gd" and not stage.view.aids.subtracting
    stage.view.set_pane_sequence("FLAIR")
    for layout in ("planes", "sequences", "sequences", "planes"):
        stage.view.set_layout(layout)
        stage.settle()
        stage.view.aids.subtract()
        stage.settle()
    assert stage.pane(AXIAL).sequence == "FLAIR", "each layout goes back to what it showed"


def test_dragging_a_ruler_measures_in_mm_and_its_end_can_be_moved(stage: Stage) -> None:
    aids = stage.view.aids
    aids.measure(MeasureKind.RULER)
    start, end = (10, 30, CROSSHAIR[2]), (30, 20, CROSSHAIR[2])
    stage.drag(AXIAL, [stage.pixel(AXIAL, start), stage.pixel(AXIAL, (20, 24, 8)), stage.pixel(AXIAL, end)])
    (measure,) = aids.measuring.items
    assert measure.long_mm == pytest.approx(np.hypot(20 * SPACING_MM[0], 10 * SPACING_MM[1]), abs=0.2)
    assert stage.view.crosshair_index == CROSSHAIR
    assert stage.pane(AXIAL).overlay.marks.measures[0].text == measure.text
    assert not stage.pane(CORONAL).overlay.marks.measures
    stage.drag(AXIAL, [stage.pixel(AXIAL, end), stage.pixel(AXIAL, (10, 20, CROSSHAIR[2]))])
    assert len(aids.measuring.items) == 1
    assert measure.long_mm == pytest.approx(10 * SPACING_MM[1], abs=0.2)


def test_a_click_leaves_no_ruler_and_the_tool_comes_back(stage: Stage) -> None:
    aids = stage.view.aids
    aids.measure(MeasureKind.RULER)
    stage.click(AXIAL, stage.pixel(AXIAL, (30, 12, 8)))
    assert not aids.measuring.items
    assert stage.view.crosshair_index == CROSSHAIR
    aids.measure(None)
    stage.click(AXIAL, stage.pixel(AXIAL, (30, 12, 8)))
    assert stage.view.crosshair_index == (30, 12, 8)


def test_the_short_diameter_stands_upright_wherever_it_is_dragged(stage: Stage) -> None:
    aids = stage.view.aids
    aids.measure(MeasureKind.DIAMETERS)
    stage.drag(AXIAL, [stage.pixel(AXIAL, (8, 10, 8)), stage.pixel(AXIAL, (34, 38, 8))])
    (measure,) = aids.measuring.items
    assert measure.short_mm == pytest.approx(measure.long_mm / 2, abs=0.1)
    third = measure.to_index(measure.points[3])
    stage.drag(AXIAL, [stage.pixel(AXIAL, third), stage.pixel(AXIAL, (30, 12, 8)), stage.pixel(AXIAL, (32, 14, 8))])
    a, b, c, d = measure.points
    assert float((b - a) @ (d - c)) == pytest.approx(0.0, abs=1e-6)
    assert measure.short_mm != pytest.approx(measure.long_mm / 2, abs=0.5)


@pytest.mark.parametrize(("slot", "axis"), [(AXIAL, 2), (CORONAL, 1), (SAGITTAL, 0)])
def test_diameters_are_proposed_from_the_mask_on_the_slice(stage: Stage, slot: int, axis: int) -> None:
    stage.labels[12:28, 20:30, 5:11] = 3
    stage.labels[2:4, 2:4, 8] = 1
    stage.view.activate(slot)
    stage.settle()
    assert stage.view.aids.propose_diameters(3)
    stage.settle()
    (measure,) = stage.view.aids.measuring.items
    sides = [n * mm for n, mm in zip((16, 10, 6), SPACING_MM, strict=True)]
    del sides[axis]
    assert max(sides) <= measure.long_mm <= np.hypot(*sides)
    assert measure.axis == axis
    assert stage.pane(slot).overlay.marks.measures


def test_an_empty_slice_has_no_diameters_to_propose(stage: Stage) -> None:
    assert not stage.view.aids.propose_diameters(3)
    assert not stage.view.aids.measuring.items


def test_measurements_stay_with_their_visit(stage: Stage) -> None:
    aids = stage.view.aids
    aids.measure(MeasureKind.RULER)
    stage.drag(AXIAL, [stage.pixel(AXIAL, (10, 30, 8)), stage.pixel(AXIAL, (30, 20, 8))])
    stage.view.show_images(stage.images, stage.labels, stage.editor.scheme, {}, "another visit")
    stage.settle()
    assert not aids.measuring.items
    stage.show()
    assert len(aids.measuring.items) == 1


def test_cine_runs_to_the_end_turns_round_and_stops_at_a_touch(stage: Stage) -> None:
    stage.view.crosshair_index = (*CROSSHAIR[:2], SHAPE[2] - 3)
    stage.view.activate(AXIAL)
    seen: list[int] = []
    stage.view.crosshair_moved.connect(lambda place: seen.append(place.index[2]))
    stage.view.aids.toggle_cine()
    stage.qtbot.waitUntil(lambda: len(seen) >= 5, timeout=10_000)
    stage.wheel(CORONAL, QPointF(40, 40), 0)
    assert not stage.view.aids.cine.running
    assert seen[:5] == [SHAPE[2] - 2, SHAPE[2] - 1, SHAPE[2] - 2, SHAPE[2] - 3, SHAPE[2] - 4]


def test_the_magnifier_shows_what_is_under_the_pointer(stage: Stage) -> None:
    aids = stage.view.aids
    stage.view.set_crosshair_visible(False)
    aids.toggle_magnifier()
    bright = (36, 40, 15)
    stage.view.crosshair_index = bright
    stage.settle()
    stage.move(AXIAL, stage.pixel(AXIAL, bright))
    stage.settle()
    near = (bright[0] - 0.9, bright[1], bright[2])  # enlarged three times, the bright voxel reaches further
    assert stage.colour(AXIAL, bright).red() > 200
    at = stage.pixel(AXIAL, bright) + (stage.pixel(AXIAL, near) - stage.pixel(AXIAL, bright)) * 1.2
    overlay = stage.pane(AXIAL).overlay
    picture = stage.picture()
    place = overlay.mapTo(stage.view, at.toPoint())
    assert picture(place.x(), place.y()).red() > 150
    aids.toggle_magnifier()
    stage.settle()
    assert stage.picture()(place.x(), place.y()).red() < 150


def test_the_turn_of_the_surfaces_is_remembered(stage: Stage) -> None:
    pane = stage.view.panes[SURFACE]
    assert isinstance(pane, SurfacePane)
    stage.drag(SURFACE, [QPointF(60, 60), QPointF(110, 75)])
    turned = pane.turn
    assert turned != FIRST_TURN
    kept = stage.view.state()
    stage.view.reset_view()
    assert pane.turn == FIRST_TURN
    stage.view.restore(kept)
    stage.settle()
    assert pane.turn == pytest.approx(turned)


def test_the_crosshair_is_drawn_among_the_surfaces_and_follows(stage: Stage) -> None:
    marks = stage.view.panes[SURFACE].overlay.marks
    before = marks.lines
    assert len(before) == 7  # three lines and the four sides of the active pane's plane
    stage.wheel(AXIAL, QPointF(50, 50), 3)
    assert marks.lines != before
    stage.view.set_crosshair_visible(False)
    stage.settle()
    assert not marks.lines


class _Study(QObject):
    notice = Signal(str)
    failed = Signal(object)

    def require_visit(self) -> Any:
        return SimpleNamespace(timepoint=SimpleNamespace(key="2019-10-21"))


@pytest.mark.parametrize("name", ["view.png", "absent/view.png"])
def test_the_view_is_saved_as_a_picture_or_the_failure_is_told(stage: Stage, tmp_path: Path, name: str) -> None:
    study: Any = _Study()
    told: list[object] = []
    study.notice.connect(told.append)
    study.failed.connect(told.append)
    save_picture(stage.view, study)
    stage.qtbot.waitUntil(lambda: stage.window.findChild(QFileDialog) is not None)
    dialog = stage.window.findChild(QFileDialog)
    assert dialog is not None
    dialog.selectedFiles = lambda: [str(tmp_path / name)]  # type: ignore[method-assign]
    dialog.accepted.emit()
    dialog.close()
    stage.settle()
    assert len(told) == 1
    assert (QImage(str(tmp_path / name)).width() == stage.view.width()) == isinstance(told[0], str)


def test_a_picture_taken_pane_by_pane_is_what_the_view_shows(stage: Stage) -> None:
    def same() -> bool:
        stage.settle()
        taken: list[QImage] = []
        stage.view.take_picture(taken.append)
        stage.qtbot.waitUntil(lambda: bool(taken))
        whole = stage.window.grab(QRect(stage.view.mapTo(stage.window, QPoint()), stage.view.size()))
        shown = whole.toImage().convertToFormat(taken[0].format())
        parts = [QRect(pane.mapTo(stage.view, QPoint()), pane.size()) for pane in stage.view.panes]
        return all(taken[0].copy(part) == shown.copy(part) for part in parts)

    assert any(same() for _ in range(5))  # the view may still be changing the first time


def test_measurements_come_back_with_the_visit_they_were_kept_with(stage: Stage) -> None:
    measuring = stage.view.aids.measuring
    stage.view.aids.measure(MeasureKind.DIAMETERS)
    stage.drag(
        AXIAL, [stage.pixel(AXIAL, (10, 12, 8)), stage.pixel(AXIAL, (18, 20, 8)), stage.pixel(AXIAL, (26, 28, 8))]
    )
    stage.view.aids.measure(None)
    (made,) = measuring.items
    kept = json.loads(json.dumps(measuring.kept()))
    measuring.clear()
    grid = made.grid
    bad = [{"kind": "ruler"}, {**kept[0], "number": 999}, {**kept[0], "start": [float("nan"), 0.0]}]
    measuring.bring_back("2019-10-21", grid, [*kept, *bad])
    (again,) = measuring.items
    assert again.text == made.text
    assert again.lines == made.lines
    measuring.bring_back("2019-10-21", grid, [])
    assert not measuring.items
