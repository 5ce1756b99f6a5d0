"""What the view remembers, and what it lets go of."""

from __future__ import annotations

import gc
import json
import warnings
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtWidgets import QApplication, QMainWindow
from pytestqt.qtbot import QtBot
from stage import CROSSHAIR, GRID, SHAPE, WINDOWS, Stage, phantom_images, run_at_once

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.sequences import Window
from glioma_annotator.domain.volume import Volume
from glioma_annotator.ui.viewer import canvas_source, refreshing
from glioma_annotator.ui.viewer.pane import Pane
from glioma_annotator.ui.viewer.study_view import StudyView
from glioma_annotator.ui.viewer.surface_pane import SurfacePane


def test_a_state_goes_through_json_and_back(stage: Stage) -> None:
    view = stage.view
    view.set_layout("sequences")
    view.set_plane(1)
    view.activate(2)
    view.set_pane_sequence("FLAIR")
    view.crosshair_index = (5, 6, 7)
    at = QPointF(100, 80)
    stage.settle()
    stage.wheel(2, at, 4, Qt.KeyboardModifier.ControlModifier)
    view.toggle_maximised()
    stage.settle()
    kept = json.loads(json.dumps(view.state()))
    zoom, centre = stage.pane(2).overlay.marks.zoom, stage.pane(2).overlay.marks.centre
    view.restore({})
    stage.settle()
    assert view.layout_name == "planes"
    view.restore(kept)
    stage.settle()
    assert view.layout_name == "sequences"
    assert view.crosshair_index == (5, 6, 7)
    assert view.active_pane == 2
    assert stage.pane(2).sequence == "FLAIR"
    assert stage.pane(2).plane is not None and stage.pane(2).plane.axis == 1
    assert [pane.isVisible() for pane in view.panes] == [False, False, True, False]
    assert stage.pane(2).overlay.marks.zoom == pytest.approx(zoom)
    assert stage.pane(2).overlay.marks.centre == pytest.approx(centre)
    again = json.loads(json.dumps(view.state()))
    assert {**again, "dividers": kept["dividers"]} == kept


@pytest.mark.parametrize(
    "broken",
    [
        {"layout": "five", "zoom": None, "crosshair": [1], "active": 9},
        {"layout": 3, "zoom": float("nan"), "crosshair": [900, -4, 2], "sequence": "ADC", "chosen": {"7": "T1"}},
        {"chosen": [], "maximised": {"planes": 8}, "centre_mm": "here", "axis": 7, "dividers": "none"},
    ],
)
def test_a_state_that_does_not_fit_is_taken_as_far_as_it_does(stage: Stage, broken: dict[str, object]) -> None:
    stage.view.restore(broken)
    stage.settle()
    assert stage.view.layout_name == "planes"
    assert all(0 <= v < n for v, n in zip(stage.view.crosshair_index, SHAPE, strict=True))
    assert stage.pane(0).sequence == "T1Gd"


def test_each_layout_remembers_its_maximised_pane(stage: Stage) -> None:
    view = stage.view
    view.activate(1)
    view.toggle_maximised()
    view.set_layout("sequences")
    stage.settle()
    assert all(pane.isVisible() for pane in view.panes)
    view.set_layout("planes")
    stage.settle()
    assert [pane.isVisible() for pane in view.panes] == [False, True, False, False]


def test_several_changes_are_told_once(stage: Stage) -> None:
    told: list[None] = []
    stage.view.state_changed.connect(lambda: told.append(None))
    for n in range(5):
        stage.view.crosshair_index = (n, n, n)
    stage.qtbot.waitUntil(lambda: bool(told))
    stage.settle()
    assert len(told) == 1


def test_panes_that_take_long_are_drawn_in_several_turns_and_all_show_the_last_place(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refreshing, "_TURN_S", 0.0)  # every pane takes too long
    panes = [stage.pane(slot) for slot in range(3)]
    before = [pane.number for pane in panes]
    stage.view.crosshair_index = (1, 1, 1)
    seen: list[list[bool]] = []

    def moved() -> list[bool]:
        return [pane.number != number for pane, number in zip(panes, before, strict=True)]

    while not seen or not all(seen[-1]):
        QApplication.processEvents()
        if not seen or seen[-1] != moved():
            seen.append(moved())
        if sum(seen[-1]) == 2:  # the crosshair moves on before the last pane has followed
            stage.view.crosshair_index = (2, 2, 2)
    assert [True, False, False] in seen
    stage.settle()
    assert [pane.number for pane in panes] == [2, 2, 2]


def test_another_patients_grid_starts_in_its_middle(stage: Stage) -> None:
    grid = Grid((10, 12, 14), np.eye(4))
    images = {"ADC": Volume(np.ones(grid.shape, dtype=np.float32), grid)}
    stage.view.show_images(images, np.zeros(grid.shape, dtype=np.uint8), GLIOMA_POST_TREATMENT, {}, "other")
    stage.settle()
    assert stage.view.crosshair_index == (4, 6, 6)
    assert stage.pane(0).header.text == "ADC axial 7/14 other"


def test_the_crosshair_stays_when_another_visit_has_the_same_grid(stage: Stage) -> None:
    stage.view.show_images(
        phantom_images(), np.zeros(SHAPE, dtype=np.uint8), GLIOMA_POST_TREATMENT, WINDOWS, "2019-12-01"
    )
    assert stage.view.crosshair_index == CROSSHAIR


@pytest.mark.parametrize("thick", [1.0, 5.0])
def test_going_to_a_visit_of_another_grid_and_back_stays_at_the_place(stage: Stage, thick: float) -> None:
    view, here = stage.view, (5, 6, 7)
    view.crosshair_index = here
    world = GRID.index_to_world(here)
    affine = np.diag([1.3, 1.3, thick, 1.0])
    affine[:3, 3] = -4.0
    grid = Grid((40, 56, 72 // int(thick)), affine)
    kept = json.loads(json.dumps(view.state()))
    images = {"T1Gd": Volume(np.ones(grid.shape, dtype=np.float32), grid)}
    view.show_images(images, np.zeros(grid.shape, dtype=np.uint8), GLIOMA_POST_TREATMENT, {}, "thick slices")
    view.restore(kept)
    away = np.abs(grid.index_to_world(view.crosshair_index) - world)
    assert (away <= np.asarray(grid.spacing_mm) / 2 + 1e-6).all()
    kept = json.loads(json.dumps(view.state()))
    stage.show()
    view.restore(kept)
    assert view.crosshair_index == here


def test_a_place_outside_another_visit_becomes_its_middle(stage: Stage) -> None:
    view = stage.view
    stage.wheel(0, QPointF(100, 80), 4, Qt.KeyboardModifier.ControlModifier)
    kept = json.loads(json.dumps(view.state()))
    affine = np.eye(4)
    affine[:3, 3] = 5000.0
    grid = Grid((10, 12, 14), affine)
    images = {"T1Gd": Volume(np.ones(grid.shape, dtype=np.float32), grid)}
    view.show_images(images, np.zeros(grid.shape, dtype=np.uint8), GLIOMA_POST_TREATMENT, {}, "far away")
    view.restore(kept)
    stage.settle()
    assert view.crosshair_index == (4, 6, 6)
    assert view.state()["zoom"] == 1.0 and view.state()["centre_mm"] is None


def test_an_empty_view_takes_every_call(stage: Stage) -> None:
    view = stage.view
    view.clear()
    view.step_slice(1)
    view.next_slice_with_label(1, 1)
    view.set_proposal(None)
    for layout in ("planes", "sequences", "timepoints", "3d"):
        view.set_layout(layout)
        stage.settle()
        stage.click(0, QPointF(20, 20))
    assert view.state()["layout"] == "3d"


def test_canvases_come_and_go_without_a_warning_or_a_new_window(qapp: QApplication, qtbot: QtBot) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        view = StudyView(run_at_once)
        window = QMainWindow()
        window.setCentralWidget(view)
        with qtbot.waitExposed(window):
            window.show()
        window_id = window.winId()
        view.show_images(phantom_images(), np.zeros(SHAPE, dtype=np.uint8), GLIOMA_POST_TREATMENT, WINDOWS, "t")
        view.set_layout("timepoints")
        view.refresh()
        assert window.winId() == window_id  # making canvases did not take the window down
        panes = [weakref.ref(pane.surface) for pane in view.panes]
        view.close()
        view.set_tool(None)
        view.clear()
        window.close()
        window.deleteLater()
        for _ in range(3):
            qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
            qapp.processEvents()
        del view, window
        gc.collect()
    assert [ref() for ref in panes if ref() is not None and _alive(ref())] == []


def _alive(widget: object) -> bool:
    import shiboken6

    return shiboken6.isValid(widget)


def test_a_row_that_was_hidden_when_the_dividers_were_kept_comes_back(stage: Stage) -> None:
    stage.view.set_layout("3d")
    stage.settle()
    kept = stage.view.state() | {"layout": "planes"}
    stage.view.set_layout("planes")
    stage.settle()
    stage.view.restore(kept)
    stage.settle()
    assert min(pane.height() for pane in stage.view.panes) > 200


def test_a_row_that_was_hidden_when_the_dividers_were_kept_has_room_in_a_layout_chosen_later(stage: Stage) -> None:
    stage.view.set_layout("timepoints")
    stage.settle()
    stage.view.restore(stage.view.state())
    stage.settle()
    stage.view.set_layout("planes")
    stage.settle()
    assert min(pane.height() for pane in stage.view.panes) > 200


def test_a_layout_shown_for_the_first_time_shares_the_room_evenly(stage: Stage) -> None:
    stage.view.set_layout("planes")
    stage.settle()
    stage.view.set_layout("sequences")
    stage.settle()
    widths = [pane.width() for pane in stage.view.panes]
    assert max(widths) - min(widths) <= 4


def test_surfaces_turn_by_degrees_as_a_drag_turns_them(stage: Stage) -> None:
    view = stage.view
    view.set_layout("planes")
    stage.settle()
    pane = view.panes[-1]
    assert isinstance(pane, SurfacePane)
    azimuth, elevation = pane.azimuth, pane.elevation
    view.aids.turn(30, -10)
    assert (pane.azimuth, pane.elevation) == ((azimuth - 30) % 360, elevation + 10)
    assert view.state()["turn"][:2] == [pane.azimuth, pane.elevation]
    view.aids.turn(0, 500)
    assert pane.elevation == -89  # no farther than from straight below
    view.reset_view()
    stage.settle()


@pytest.fixture
def plain_view(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[StudyView]:
    """A view of its own in the *timepoints* layout, without pictures: only the panes of that layout are made."""
    monkeypatch.setattr(canvas_source, "_MODULE", "plain_canvas")
    view = StudyView(run_at_once)
    view.prepare("timepoints")
    view.resize(900, 600)
    view.show()
    qtbot.waitUntil(lambda: view.ready)
    images = phantom_images()
    view.show_images(images, np.zeros(SHAPE, np.uint8), GLIOMA_POST_TREATMENT, {}, "first")
    qtbot.waitUntil(lambda: len(view.panes) == 2 and view.panes[0].height() > 500)
    yield view
    view.close()
    view.deleteLater()


def test_panes_of_other_layouts_are_made_ahead_unseen_one_at_a_time(plain_view: StudyView, qtbot: QtBot) -> None:
    view = plain_view
    sizes = [pane.size() for pane in view.panes]
    made = len(view.findChildren(Pane))
    while view.make_ahead():
        assert len(view.findChildren(Pane)) == made + 1
        made += 1
    assert made == 5  # four slices and the surfaces
    QApplication.processEvents()
    assert [pane.size() for pane in view.panes] == sizes
    assert sum(pane.isVisible() for pane in view.findChildren(Pane)) == 2
    for layout, panes in (("sequences", 4), ("planes", 4), ("3d", 1)):
        view.set_layout(layout)
        view.refresh()
        assert [pane.isVisible() for pane in view.panes] == [True] * panes
        QApplication.processEvents()
        assert min(min(pane.width(), pane.height()) for pane in view.panes) > 200
    assert len(view.findChildren(Pane)) == made


def test_panes_made_ahead_leave_dividers_where_the_reader_put_them(plain_view: StudyView) -> None:
    view = plain_view
    view.restore({**view.state(), "dividers": [[600, 0], [300, 597], []]})
    QApplication.processEvents()
    widths = [pane.width() for pane in view.panes]
    assert widths[1] > 1.8 * widths[0]
    while view.make_ahead():
        pass
    QApplication.processEvents()
    assert [pane.width() for pane in view.panes] == widths


def test_nothing_is_made_ahead_before_a_visit_is_shown_or_after_the_end(
    monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    monkeypatch.setattr(canvas_source, "_MODULE", "plain_canvas")
    view = StudyView(run_at_once)
    qtbot.addWidget(view)
    assert not view.make_ahead()
    assert not view.findChildren(Pane)
    view.prepare()
    qtbot.waitUntil(lambda: view.ready)
    view.close()
    made = len(view.findChildren(Pane))
    assert not view.make_ahead()
    assert len(view.findChildren(Pane)) == made


def test_what_a_canvas_is_told_before_its_first_picture_holds_for_it(qtbot: QtBot) -> None:
    from glioma_annotator.ui.viewer.canvas import NapariSliceCanvas  # takes long

    canvas = NapariSliceCanvas()
    qtbot.addWidget(canvas.widget)
    canvas.set_smooth(False)
    canvas.set_window(Window(0.0, 5.0))
    canvas.set_shown(False)
    canvas.set_camera((3.0, 4.0), 2.5)
    canvas.set_picture(np.ones((8, 9), np.float32), 1.0, 2.0)
    camera = canvas._model.scene.camera
    assert tuple(camera.center) == pytest.approx((0.0, 4.0, 3.0))
    assert camera.zoom == pytest.approx(2.5)
    (layer,) = canvas._model.layers
    assert layer.interpolation2d == "nearest"
    assert not layer.visible
    canvas.close()


def test_a_switch_of_layout_draws_canvases_in_their_last_size_alone(stage: Stage) -> None:
    for layout in ("3d", "planes"):  # the surfaces have been drawn before
        stage.view.set_layout(layout)
        stage.settle()
    canvas = stage.view.panes[-1].surface
    sizes: list[tuple[int, int]] = []
    drawn = canvas._vispy_canvas.events.draw  # type: ignore[attr-defined]
    drawn.connect(lambda _event: sizes.append((canvas.width(), canvas.height())))
    small = canvas.width(), canvas.height()
    stage.view.set_layout("3d")
    stage.settle()
    assert set(sizes) == {(canvas.width(), canvas.height())}
    assert sizes[0] > small
