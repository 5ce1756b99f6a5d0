"""Mouse and keys over the panes."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPointF, Qt
from stage import CROSSHAIR, GRID, SHAPE, WINDOWS, Stage, Watch

from glioma_annotator.domain.sequences import Window
from glioma_annotator.ui.viewer.types import HoverInfo

AXIAL, CORONAL, SAGITTAL, SURFACE = 0, 1, 2, 3
SHIFT, CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
MIDDLE, RIGHT = Qt.MouseButton.MiddleButton, Qt.MouseButton.RightButton


def middle(stage: Stage, slot: int) -> QPointF:
    overlay = stage.view.panes[slot].overlay
    return QPointF(overlay.width() // 2, overlay.height() // 2)


@pytest.mark.parametrize(("slot", "axis"), [(AXIAL, 2), (CORONAL, 1), (SAGITTAL, 0)])
def test_the_wheel_moves_through_the_slices_of_the_pane(stage: Stage, slot: int, axis: int) -> None:
    stage.wheel(slot, middle(stage, slot), 2)
    expected = list(CROSSHAIR)
    expected[axis] += 2
    assert stage.view.crosshair_index == tuple(expected)
    assert stage.pane(slot).number == expected[axis]
    assert f"{expected[axis] + 1}/{SHAPE[axis]}" in stage.pane(slot).header.text
    stage.wheel(slot, middle(stage, slot), -100)
    assert stage.view.crosshair_index[axis] == 0


def test_a_click_without_a_tool_puts_the_crosshair_there_in_every_plane(stage: Stage) -> None:
    with stage.qtbot.waitSignal(stage.view.crosshair_moved) as moved:
        stage.click(AXIAL, stage.pixel(AXIAL, (30, 12, 8)))
    assert stage.view.crosshair_index == (30, 12, 8)
    assert moved.args[0].world_mm == pytest.approx(GRID.index_to_world((30, 12, 8)).tolist())
    assert stage.pane(CORONAL).number == 12
    assert stage.pane(SAGITTAL).number == 30


def test_every_sequence_follows_the_crosshair(stage: Stage) -> None:
    stage.view.set_layout("sequences")
    stage.settle()
    stage.wheel(2, middle(stage, 2), 3)
    assert [stage.pane(slot).number for slot in range(4)] == [CROSSHAIR[2] + 3] * 4
    stage.click(3, stage.pixel(3, (10, 40, 11)))
    crosshairs = {stage.pane(slot).overlay.marks.crosshair for slot in range(4)}
    assert len(crosshairs) == 1
    assert stage.view.crosshair_index == (10, 40, 11)


def test_shift_and_the_pointer_lead_the_crosshair(stage: Stage) -> None:
    stage.move(CORONAL, stage.pixel(CORONAL, (5, CROSSHAIR[1], 14)), SHIFT)
    assert stage.view.crosshair_index == (5, CROSSHAIR[1], 14)
    stage.move(CORONAL, stage.pixel(CORONAL, (9, CROSSHAIR[1], 10)))
    assert stage.view.crosshair_index == (5, CROSSHAIR[1], 14)


def test_ctrl_and_the_wheel_zoom_about_the_pointer_in_every_pane(stage: Stage) -> None:
    index = (30.0, 12.0, 8.0)
    at = stage.pixel(AXIAL, index)
    before = [stage.pane(slot).overlay.marks.zoom for slot in range(3)]
    stage.wheel(AXIAL, at, 3, CTRL)
    assert stage.pixel(AXIAL, index).toTuple() == pytest.approx(at.toTuple(), abs=0.01)
    after = [stage.pane(slot).overlay.marks.zoom for slot in range(3)]
    assert after == pytest.approx([1.15**3 * zoom for zoom in before])
    assert stage.view.crosshair_index == CROSSHAIR


def test_the_middle_button_drags_the_picture_and_the_linked_ones_along(stage: Stage) -> None:
    at, coronal = stage.pixel(AXIAL, (30, 12, 8)), stage.pixel(CORONAL, (30, 12, 8))
    stage.drag(AXIAL, [at, at + QPointF(25, 10), at + QPointF(40, -20)], MIDDLE)
    assert stage.pixel(AXIAL, (30, 12, 8)).toTuple() == pytest.approx((at.x() + 40, at.y() - 20), abs=0.01)
    moved = stage.pixel(CORONAL, (30, 12, 8)) - coronal
    assert moved.toTuple() == pytest.approx((40, 0), abs=0.01)


def test_the_right_button_drags_window_and_level_and_a_double_click_resets_them(stage: Stage) -> None:
    at = middle(stage, AXIAL)
    with stage.qtbot.waitSignal(stage.view.window_changed) as changed:
        stage.drag(AXIAL, [at, at + QPointF(75, 30)], RIGHT)
    name, window = changed.args
    assert name == "T1Gd"
    assert window.width == pytest.approx(250)  # 75 of 300 px widen a window of 200 by a quarter
    assert window.level == pytest.approx(120)  # 30 px down raise the level by a tenth of it
    with stage.qtbot.waitSignal(stage.view.window_changed) as reset:
        stage.double_click(AXIAL, at, RIGHT)
    assert reset.args[1] != window


def test_a_reset_goes_back_to_the_default_window_given(stage: Stage) -> None:
    stage.show(defaults={"T1Gd": Window(5.0, 55.0)})
    with stage.qtbot.waitSignal(stage.view.window_changed) as reset:
        stage.double_click(AXIAL, middle(stage, AXIAL), RIGHT)
    assert reset.args == ["T1Gd", Window(5.0, 55.0)]


def test_a_window_belongs_to_its_sequence(stage: Stage) -> None:
    stage.view.set_layout("sequences")
    stage.settle()
    at = middle(stage, 0)
    stage.drag(0, [at, at + QPointF(60, 0)], RIGHT)
    visit = stage.pane(0).visit
    assert visit is not None
    assert visit.windows["T1"] != WINDOWS["T1"]
    assert visit.windows["FLAIR"] == WINDOWS["FLAIR"]
    stage.view.set_layout("planes")
    stage.view.set_pane_sequence("T1")
    stage.settle()
    assert stage.pane(AXIAL).header.text.startswith("T1 axial")
    assert visit.window("T1").width > WINDOWS["T1"].width


def test_a_double_click_maximises_and_restores(stage: Stage) -> None:
    for _ in range(2):
        stage.double_click(CORONAL, middle(stage, CORONAL))
        assert [pane.isVisible() for pane in stage.view.panes] == [False, True, False, False]
        assert stage.view.active_pane == CORONAL
        stage.double_click(CORONAL, middle(stage, CORONAL))
        assert all(pane.isVisible() for pane in stage.view.panes)


def test_the_next_pane_fills_the_view_when_one_is_maximised(stage: Stage) -> None:
    stage.view.toggle_maximised()
    stage.view.focus_next_pane()
    stage.settle()
    assert [pane.isVisible() for pane in stage.view.panes] == [False, True, False, False]


def test_the_pointer_tells_index_place_values_and_label(stage: Stage) -> None:
    stage.labels[30, 12, 8] = 2
    with stage.qtbot.waitSignal(stage.view.hovered) as hovered:
        stage.move(AXIAL, stage.pixel(AXIAL, (30, 12, 8)))
    info = hovered.args[0]
    assert isinstance(info, HoverInfo)
    assert info.index == (30, 12, 8)
    assert info.world_mm == pytest.approx((30.0, 15.0, 24.0))
    assert info.values == {"T1": 30.0, "T1Gd": 40.0, "T2": 50.0, "FLAIR": 60.0}
    assert info.label == 2
    with stage.qtbot.waitSignal(stage.view.hovered) as outside:
        stage.move(AXIAL, QPointF(1, 1))
    assert outside.args == [None]


def test_shift_and_the_wheel_ask_for_another_brush_size(stage: Stage) -> None:
    with stage.qtbot.waitSignal(stage.view.brush_size_step) as asked:
        stage.wheel(AXIAL, middle(stage, AXIAL), -2, SHIFT)
    assert asked.args == [-2]
    assert stage.view.crosshair_index == CROSSHAIR


def test_a_smooth_wheel_adds_up_to_notches(stage: Stage) -> None:
    from PySide6.QtCore import QPoint
    from PySide6.QtGui import QWheelEvent
    from PySide6.QtWidgets import QApplication

    surface, at = stage.pane(AXIAL).surface, middle(stage, AXIAL)
    for _ in range(8):
        turn = QWheelEvent(
            at, QPointF(surface.mapToGlobal(at.toPoint())), QPoint(), QPoint(0, 30), Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(surface, turn)
    assert stage.view.crosshair_index[2] == CROSSHAIR[2] + 2


def test_the_pane_that_is_used_becomes_the_active_one(stage: Stage) -> None:
    with stage.qtbot.waitSignal(stage.view.active_pane_changed) as changed:
        stage.wheel(SAGITTAL, middle(stage, SAGITTAL), 1)
    assert changed.args == [SAGITTAL]
    stage.view.step_slice(2)
    assert stage.view.crosshair_index[0] == CROSSHAIR[0] + 3
    assert [pane.overlay.marks.active for pane in stage.view.panes] == [False, False, True, False]


def test_dragging_turns_the_surfaces(stage: Stage) -> None:
    pane = stage.view.panes[SURFACE]
    before = pane.overlay.marks.letters
    at = middle(stage, SURFACE)
    stage.drag(SURFACE, [at, at + QPointF(200, 0)])
    assert pane.overlay.marks.letters != before
    stage.view.reset_view()
    assert pane.overlay.marks.letters == before


def test_keys_pass_the_canvas_by(stage: Stage) -> None:
    watch = Watch(stage.window)
    before = stage.view.state()
    for key in (Qt.Key.Key_1, Qt.Key.Key_P, Qt.Key.Key_E, Qt.Key.Key_Delete, Qt.Key.Key_Left):
        stage.qtbot.keyClick(stage.pane(AXIAL).surface, key)
    stage.settle()
    assert watch.keys == [Qt.Key.Key_1, Qt.Key.Key_P, Qt.Key.Key_E, Qt.Key.Key_Delete, Qt.Key.Key_Left]
    assert stage.view.state() == before


def test_while_the_3d_pane_is_active_the_axial_plane_is_stepped(stage: Stage) -> None:
    stage.labels[3, 3, 15] = 1
    stage.view.activate(SURFACE)
    stage.view.step_slice(1)
    assert stage.view.crosshair_index == (*CROSSHAIR[:2], CROSSHAIR[2] + 1)
    stage.view.next_slice_with_label(1, 1)
    assert stage.view.crosshair_index == (*CROSSHAIR[:2], 15)
    assert stage.view.active_slice is None


def test_the_next_slice_with_a_label_is_found_in_the_plane_of_the_active_pane(stage: Stage) -> None:
    stage.labels[3, 3, 12] = 1
    stage.labels[3, 30, 15] = 2
    view = stage.view
    view.next_slice_with_label(None, 1)
    assert view.crosshair_index[2] == 12
    view.next_slice_with_label(2, 1)
    assert view.crosshair_index[2] == 15
    view.next_slice_with_label(2, 1)
    assert view.crosshair_index[2] == 15
    view.next_slice_with_label(1, -1)
    assert view.crosshair_index[2] == 12
    view.activate(CORONAL)
    view.next_slice_with_label(2, 1)
    assert view.crosshair_index[1] == 30
