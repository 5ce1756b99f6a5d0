"""Tools, labels, undo, saving, recovery: by key and by click."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit
from pytestqt.qtbot import QtBot

from glioma_annotator.imaging.brush import Brush
from glioma_annotator.ui.dialogs.compare_revisions import CompareDialog
from glioma_annotator.ui.held_key import HELD_SECONDS
from glioma_annotator.ui.reading_state import ToolName
from glioma_annotator.ui.viewer.types import CrosshairPlace, HoverInfo, MaskStyle

ET, RC = 3, 4


def paint(window: Any, value: int = ET) -> None:
    editor = window.study.visit.editor
    editor.begin_stroke(Brush(20.0), value)
    editor.stroke_to((15, 15, 15))
    editor.end_stroke()


def press(
    qtbot: QtBot, window: Any, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
) -> None:
    qtbot.keyClick(window.view, key, modifier)


def test_b_takes_the_brush_e_the_eraser_and_escape_puts_it_down(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    press(qtbot, window, Qt.Key.Key_B)
    assert window.view.tool is not None and not window.view.tool.erases
    press(qtbot, window, Qt.Key.Key_E)
    assert window.view.tool.erases
    press(qtbot, window, Qt.Key.Key_Escape)
    assert window.view.tool is None
    assert window.reading.tool is ToolName.CROSSHAIR


def test_number_keys_choose_the_label_that_the_list_then_shows(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    for value, key in enumerate((Qt.Key.Key_1, Qt.Key.Key_2, Qt.Key.Key_3, Qt.Key.Key_4), start=1):
        press(qtbot, window, key)
        assert window.reading.brush.value == value
        assert window.mask_panel.labels.names[value].isChecked()


def test_brackets_change_the_brush_and_do_not_replace_the_tool(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    press(qtbot, window, Qt.Key.Key_B)
    tool = window.view.tool
    press(qtbot, window, Qt.Key.Key_BracketRight)
    assert window.reading.brush.diameter_mm > 8
    assert window.mask_panel.options.diameter.value() == window.reading.brush.diameter_mm
    press(qtbot, window, Qt.Key.Key_BracketLeft)
    assert window.reading.brush.diameter_mm == 8
    assert window.view.tool is tool


def test_a_tap_on_h_switches_the_mask(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    press(qtbot, window, Qt.Key.Key_H)
    assert window.view.last("set_mask_visible") == (False,)
    press(qtbot, window, Qt.Key.Key_H)
    assert window.view.last("set_mask_visible") == (True,)


def test_the_mask_comes_back_when_h_was_held(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    now = [100.0]
    window._held_mask._clock = lambda: now[0]
    qtbot.keyPress(window.view, Qt.Key.Key_H)
    assert not window.reading.mask_visible
    now[0] += HELD_SECONDS * 2
    qtbot.keyRelease(window.view, Qt.Key.Key_H)
    assert window.reading.mask_visible


def test_o_and_x_switch_outline_and_crosshair(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    press(qtbot, window, Qt.Key.Key_O)
    assert window.view.last("set_mask_style")[0] is MaskStyle.OUTLINE
    press(qtbot, window, Qt.Key.Key_X)
    assert window.view.last("set_crosshair_visible") == (False,)


@pytest.mark.parametrize(
    ("key", "modifier", "call"),
    [
        (Qt.Key.Key_N, Qt.KeyboardModifier.NoModifier, ("next_slice_with_label", (1, 1))),
        (Qt.Key.Key_N, Qt.KeyboardModifier.ShiftModifier, ("next_slice_with_label", (1, -1))),
        (Qt.Key.Key_Up, Qt.KeyboardModifier.NoModifier, ("step_slice", (1,))),
        (Qt.Key.Key_Down, Qt.KeyboardModifier.NoModifier, ("step_slice", (-1,))),
        (Qt.Key.Key_Tab, Qt.KeyboardModifier.NoModifier, ("focus_next_pane", ())),
    ],
)
def test_keys_move_through_the_panes(
    qtbot: QtBot, bench: Any, key: Qt.Key, modifier: Qt.KeyboardModifier, call: tuple[str, tuple[int, ...]]
) -> None:
    window = bench.open_patient(qtbot)
    window.view.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    window.view.setFocus()
    press(qtbot, window, key, modifier)
    assert window.view.calls[-1] == call


def test_the_3d_pane_says_that_it_has_no_sequence(qtbot: QtBot, bench: Any) -> None:
    window, notices = bench.open_patient(qtbot), []
    window.study.notice.connect(notices.append)
    window.view.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    window.view.setFocus()
    press(qtbot, window, Qt.Key.Key_2, Qt.KeyboardModifier.AltModifier)
    assert window.view.calls[-1] == ("set_pane_sequence", ("FLAIR",)) and not notices
    window.view.active_axis = None
    press(qtbot, window, Qt.Key.Key_1, Qt.KeyboardModifier.AltModifier)
    assert window.view.calls[-1] == ("set_pane_sequence", ("FLAIR",))
    assert notices == ["The 3D pane shows no sequence. F1 shows the planes: click one of them first."]


def test_single_keys_do_not_fire_while_text_is_entered(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    field = QLineEdit(window.mask_panel)
    field.show()
    field.setFocus()
    qtbot.keyClicks(field, "be1h[?")
    assert field.text() == "be1h[?"
    assert window.reading.tool is ToolName.CROSSHAIR
    assert window.reading.mask_visible
    assert window.dialogs.open is None


def test_undo_and_redo_follow_the_mask_and_name_the_step(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    assert not window.commands["edit.undo"].isEnabled()
    paint(window)
    assert window.status.saved.text() == "1 unsaved step"
    press(qtbot, window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not window.study.visit.editor.labels.any()
    assert window.status.notice.text() == "Undone: Brush ET"
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    press(qtbot, window, Qt.Key.Key_Z, both)
    assert window.study.visit.editor.labels.any()


def test_volumes_follow_a_stroke(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    qtbot.waitUntil(lambda: window.mask_panel.labels.volumes[ET].text() == "0.0 mL")
    paint(window)
    voxels = int(np.count_nonzero(window.study.visit.editor.labels == ET))
    qtbot.waitUntil(lambda: window.mask_panel.labels.volumes[ET].text() == f"{voxels * 0.216:.1f} mL")


def test_ctrl_s_makes_a_revision_that_the_list_and_the_timeline_show(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    assert window.timeline.buttons[2].mask_state == ""
    paint(window)
    press(qtbot, window, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.revisions.list.count() == 1)
    assert window.revisions.selected.number == 1
    assert "manual, Dr New" in window.revisions.list.item(0).text()
    assert window.timeline.buttons[2].mask_state == "draft"
    assert window.status.saved.text().startswith("saved ")


def test_the_revision_just_saved_is_the_one_selected_and_an_older_one_stays_chosen(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    for number in (1, 2):
        paint(window, number)
        window.commands["study.save"].trigger()
        qtbot.waitUntil(lambda number=number: window.revisions.list.count() == number)
        assert window.revisions.selected.number == number
    press(qtbot, window, Qt.Key.Key_F7)
    qtbot.waitUntil(lambda: isinstance(window.dialogs.open, CompareDialog) and bool(window.dialogs.open.cells))
    assert window.dialogs.open.before.currentText().startswith("Revision 1")  # the newest is what stands
    window.dialogs.open.close()
    window.revisions.list.setCurrentRow(1)
    window.commands["study.approve"].trigger()
    assert window.revisions.selected.number == 1
    assert [r.status.value for r in window.study.visit.revisions] == ["approved", "draft"]


def test_approving_fills_the_dot_of_the_visit(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot, 1)
    window.commands["study.approve"].trigger()
    assert window.timeline.buttons[1].mask_state == "approved"
    assert not window.commands["study.approve"].isEnabled()


def test_comparing_shows_what_was_added_and_removed(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot, 1)
    paint(window, RC)
    press(qtbot, window, Qt.Key.Key_F7)
    qtbot.waitUntil(lambda: isinstance(window.dialogs.open, CompareDialog) and bool(window.dialogs.open.cells))
    dialog = window.dialogs.open
    assert float(dialog.cells["RC", 4]) > 0 and dialog.cells["RC", 5] == "0.0"
    assert dialog.cells["RC", 1] == "0.000"
    dialog.beside.click()
    qtbot.waitUntil(lambda: window.view.other == "Revision 1, draft, Dr Old")
    assert window.view.layout_name == "timepoints"
    dialog.close()


def test_restoring_is_one_undoable_step(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot, 1)
    before = window.study.visit.editor.labels.copy()
    paint(window)
    window.commands["study.restore"].trigger()
    qtbot.waitUntil(lambda: np.array_equal(window.study.visit.editor.labels, before))
    window.commands["edit.undo"].trigger()
    assert not np.array_equal(window.study.visit.editor.labels, before)


def test_unsaved_steps_come_back_after_the_program_ends_and_can_be_saved(qtbot: QtBot, bench: Any) -> None:
    first = bench.open_patient(qtbot)
    paint(first)
    first.close()
    window = bench.open_patient(qtbot)
    assert window.banner.isVisible()
    assert window.banner.text.text() == "1 unsaved step was recovered for 2019-10-21 follow-up."
    qtbot.mouseClick(window.banner.buttons[0], Qt.MouseButton.LeftButton)
    assert not window.banner.isVisible()
    qtbot.waitUntil(lambda: len(window.study.visit.revisions) == 1)


def test_recovered_steps_can_be_discarded_and_redone(qtbot: QtBot, bench: Any) -> None:
    first = bench.open_patient(qtbot)
    paint(first)
    first.close()
    window = bench.open_patient(qtbot)
    qtbot.mouseClick(window.banner.buttons[1], Qt.MouseButton.LeftButton)
    assert not window.study.visit.editor.labels.any()
    window.commands["edit.redo"].trigger()
    assert window.study.visit.editor.labels.any()


def test_saving_by_key_takes_the_offer_to_discard_away(qtbot: QtBot, bench: Any) -> None:
    first = bench.open_patient(qtbot)
    paint(first)
    first.close()
    window = bench.open_patient(qtbot)
    assert window.banner.isVisible()
    press(qtbot, window, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: not window.banner.isVisible())


def test_a_locked_label_is_left_alone(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot, 1)
    qtbot.mouseClick(window.mask_panel.labels.locks[ET], Qt.MouseButton.LeftButton)
    before = window.study.visit.editor.labels == ET
    paint(window, RC)
    assert np.array_equal(window.study.visit.editor.labels == ET, before)


def test_the_eye_hides_a_label(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    qtbot.mouseClick(window.mask_panel.labels.eyes[ET], Qt.MouseButton.LeftButton)
    assert window.view.last("set_label_visible") == (RC, True)
    assert ("set_label_visible", (ET, False)) in window.view.calls


def test_the_status_bar_shows_place_values_and_label(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    window.view.crosshair_moved.emit(CrosshairPlace((1, 2, 3), (31.2, -14.0, 22.5)))
    window.view.hovered.emit(HoverInfo((1, 2, 3), (31.2, -14.0, 22.5), {"T1Gd": 412.0, "FLAIR": 812.4}, ET))
    assert window.status.position.text() == "x 31.2  y -14.0  z 22.5 mm"
    assert window.status.values.text() == "T1Gd 412   FLAIR 812"
    assert window.status.label.text() == "ET"
    window.view.hovered.emit(None)
    assert window.status.values.text() == ""


def test_return_in_a_number_gives_the_keyboard_back_to_the_panes(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    window.view.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    spin = window.mask_panel.options.diameter
    spin.setFocus()
    spin.selectAll()
    qtbot.keyClicks(spin, "12")
    qtbot.keyClick(spin, Qt.Key.Key_Return)
    assert window.reading.brush.diameter_mm == 12
    assert window.view.hasFocus()
