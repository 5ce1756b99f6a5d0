"""Tools that are interrupted: by a key, by another visit, by a button that comes up where nobody tells."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest
from desk import CENTRE, CTRL, ET, KEY, LEFT, NONE, SHAPE, SNFH, Desk, lesion
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication

from glioma_annotator.ui.reading_state import ToolName
from glioma_annotator.workflow.seeded_operations import Fill

Index = tuple[float, float, float]


def press(desk: Desk, at: Index) -> None:
    desk.mouse(QEvent.Type.MouseButtonPress, desk.slot, desk.at(at), LEFT, LEFT)


def move(desk: Desk, at: Index, *, held: bool = True) -> None:
    desk.mouse(QEvent.Type.MouseMove, desk.slot, desk.at(at), NONE, LEFT if held else NONE)


def release(desk: Desk, at: Index) -> None:
    desk.mouse(QEvent.Type.MouseButtonRelease, desk.slot, desk.at(at), LEFT)


def click(desk: Desk, at: Index) -> None:
    """Press and release, and wait for nothing."""
    press(desk, at)
    release(desk, at)


def circle() -> list[Index]:
    turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return [(CENTRE[0] + 7 * float(np.cos(t)), CENTRE[1] + 7 * float(np.sin(t)), CENTRE[2]) for t in turns]


@pytest.mark.parametrize("key", [KEY.Key_Escape, KEY.Key_B, KEY.Key_K, KEY.Key_M, KEY.Key_P, KEY.Key_R])
def test_an_outline_that_is_not_closed_is_dropped_by_escape_and_by_another_tool(desk: Desk, key: KEY) -> None:
    desk.key(KEY.Key_L)
    points = circle()
    press(desk, points[0])
    for point in points[1:14]:
        move(desk, point)
    desk.key(key)
    desk.window.reading.set_tool(ToolName.CROSSHAIR if key is not KEY.Key_Escape else ToolName.LASSO)
    for point in points[14:]:
        move(desk, point)
    release(desk, points[-1])
    desk.settle()
    assert not desk.mask.any()
    assert desk.pane(desk.slot).overlay.marks.sketch == ()
    desk.view.aids.measure(None)
    desk.key(KEY.Key_L)
    desk.drag_along(*points)
    assert desk.mask[CENTRE] == ET


def test_a_box_that_is_being_dragged_limits_nothing_when_another_tool_is_taken(desk: Desk) -> None:
    desk.window.reading.set_tool(ToolName.BOX)
    press(desk, (20, 20, 12))
    move(desk, (40, 40, 12))
    desk.key(KEY.Key_B)
    release(desk, (40, 40, 12))
    desk.settle()
    assert desk.editor.rules.inside is None


@pytest.mark.parametrize("tool", [ToolName.LASSO, ToolName.BRUSH])
def test_what_is_drawn_while_another_visit_opens_never_lands_in_that_one(desk: Desk, tool: ToolName) -> None:
    window, visit, before = desk.window, desk.window.study.require_visit(), desk.mask.copy()
    window.reading.set_tool(tool)
    points = circle()
    press(desk, points[0])
    for point in points[1:16]:
        move(desk, point)
    window.study.step_visit(-1)
    desk.qtbot.waitUntil(lambda: window.study.visit not in (None, visit), timeout=60_000)
    other = window.study.require_visit()
    desk.settle()
    for point in points[16:]:
        move(desk, point)
    release(desk, points[-1])
    desk.settle()
    assert np.array_equal(other.editor.labels, np.where(lesion(6), SNFH, 0))
    painted = (visit.editor.labels != before).any()
    assert painted == (tool is ToolName.BRUSH)  # a stroke stays as far as it came
    window.study.step_visit(1)
    desk.qtbot.waitUntil(lambda: window.study.require_visit().id == visit.id, timeout=60_000)
    desk.settle()


def test_a_vertex_that_is_taken_back_while_it_is_dragged_is_let_go(desk: Desk) -> None:
    desk.key(KEY.Key_P)
    desk.click_at((20, 20, 12))
    desk.click_at((34, 20, 12))
    press(desk, (34, 34, 12))
    desk.key(KEY.Key_Backspace)
    move(desk, (38, 38, 12))
    release(desk, (38, 38, 12))
    desk.settle()
    assert len(desk.pane(desk.slot).overlay.marks.sketch) == 2


def test_a_button_that_came_up_over_a_dialog_paints_no_further(desk: Desk) -> None:
    desk.key(KEY.Key_B)
    press(desk, (16, 20, 12))
    move(desk, (18, 20, 12))
    painted = desk.mask.copy()
    move(desk, (40, 20, 12), held=False)
    assert np.array_equal(desk.mask, painted)
    assert desk.editor.undo_names[-2:] == ("clear", "Brush ET")
    click(desk, (40, 40, 12))
    desk.settle()
    assert desk.mask[40, 40, 12] == ET and not desk.mask[30, 30, 12]


def test_a_press_after_a_button_came_up_unseen_starts_a_new_stroke(desk: Desk) -> None:
    desk.key(KEY.Key_B)
    press(desk, (16, 20, 12))
    click(desk, (40, 40, 12))
    desk.settle()
    assert desk.mask[16, 20, 12] == desk.mask[40, 40, 12] == ET and not desk.mask[28, 30, 12]
    assert desk.editor.undo_names[-2:] == ("Brush ET", "Brush ET")


def test_fills_that_follow_each_other_fast_are_all_carried_out(desk: Desk) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[10:14, 10:14, 12] = labels[28:33, 26:31, 12] = labels[38:42, 10:14, 12] = SNFH
    desk.editor.apply("three islands", labels)
    desk.key(KEY.Key_F)
    for place in ((11, 11, 12), CENTRE, (39, 11, 12)):
        click(desk, place)
    desk.window.reading.set_tool(ToolName.BRUSH)
    desk.settle()
    assert np.array_equal(desk.mask == ET, labels == SNFH)
    assert desk.editor.undo_names[-3:] == ("Fill ET",) * 3


def test_a_preview_follows_a_mask_that_changes_under_it(desk: Desk) -> None:
    desk.key(KEY.Key_B)
    desk.click_at((16, 16, 12))
    desk.click_at((36, 36, 12))
    desk.key(KEY.Key_M)
    assert desk.window.previewing.ready
    desk.key(KEY.Key_Z, CTRL)
    assert not desk.window.previewing.ready  # Return must not apply what was previewed of another mask
    desk.qtbot.waitUntil(lambda: desk.window.previewing.ready, timeout=60_000)
    desk.key(KEY.Key_Return)
    assert desk.mask[16, 16, 12] == ET
    assert not desk.mask[26:, 26:].any()
    desk.qtbot.wait(300)
    assert not desk.window.previewing.active  # once applied, it is not offered again


@pytest.mark.parametrize("how", ["lock", "background only"])
def test_a_preview_says_what_locks_and_rules_keep(desk: Desk, how: str) -> None:
    desk.editor.apply("lesion", np.where(lesion(8), np.uint8(ET), np.uint8(0)))
    before = desk.mask.copy()
    desk.options(ToolName.MARGIN).mm = -2.0
    desk.key(KEY.Key_M)
    previewing, panel = desk.window.previewing, desk.window.mask_panel.tool
    assert desk.hatched() and "ET" in panel.note.text()
    if how == "lock":
        desk.editor.set_locked(ET, True)
    else:
        desk.editor.set_paint_over({0})
    desk.settle()
    assert not desk.hatched()
    assert panel.note.text() == "Nothing would change: locks or edit rules keep all of it as it is."
    desk.key(KEY.Key_Return)
    desk.options(ToolName.MARGIN).mm = 2.0
    assert np.array_equal(desk.mask, before)
    assert desk.window.status.notice.text() == "Nothing changed: locks or edit rules keep all of it as it is."
    assert not previewing.active


def test_a_preview_that_is_kept_in_part_says_how_much(desk: Desk) -> None:
    labels = np.where(lesion(8), np.uint8(ET), np.uint8(0))
    labels[40:, :, :] = SNFH
    desk.editor.apply("lesion", labels)
    desk.editor.set_locked(SNFH, True)
    options = desk.options(ToolName.MARGIN)
    options.mm, options.over_labels = 4.0, True
    desk.key(KEY.Key_M)
    kept = desk.window.mask_panel.tool.note.text().partition("Locks or edit rules keep ")[2]
    options.mm, options.over_labels = 2.0, False
    assert kept.endswith(" mL of that as it is.") and float(kept.split()[0]) > 0


def test_delete_takes_away_the_ruler_that_was_just_laid(desk: Desk) -> None:
    desk.key(KEY.Key_R)
    desk.drag_along((20, 20, 12), (30, 20, 12))
    measuring = desk.view.aids.measuring
    assert [measure.text for measure in measuring.items] == ["10.0 mm"]
    desk.key(KEY.Key_Delete)
    assert not measuring.items
    assert not desk.window.commands["view.remove_measure"].isEnabled()
    desk.view.aids.measure(None)


def test_a_tool_on_the_whole_mask_that_is_taken_again_previews_again(desk: Desk) -> None:
    desk.editor.apply("lesion", np.where(lesion(6), np.uint8(ET), np.uint8(0)))
    desk.key(KEY.Key_M)
    desk.key(KEY.Key_Return)
    once = desk.mask.copy()
    desk.window.reading.set_diameter(11.0)
    desk.settle()
    assert not desk.window.previewing.active
    desk.key(KEY.Key_M)
    assert desk.window.previewing.ready
    desk.key(KEY.Key_Escape)
    assert not desk.window.previewing.active and desk.window.reading.tool is ToolName.MARGIN
    desk.key(KEY.Key_M)
    desk.key(KEY.Key_Return)
    assert np.count_nonzero(desk.mask) > np.count_nonzero(once)


def test_another_label_or_size_leaves_the_ruler_in_hand_and_a_tool_takes_its_place(desk: Desk) -> None:
    desk.key(KEY.Key_R)
    aids = desk.view.aids
    for key in (KEY.Key_2, KEY.Key_BracketRight):
        desk.key(key)
        assert aids.measuring.kind is not None
    desk.key(KEY.Key_B)
    assert aids.measuring.kind is None
    desk.key(KEY.Key_R)
    desk.key(KEY.Key_B)
    assert aids.measuring.kind is None
    desk.click_at(CENTRE)
    assert desk.mask[CENTRE] == SNFH


class SlowFill:
    """A fill that takes until the event is set, or, without one, a third of a second."""

    def __init__(self, real: Any, gate: threading.Event | None = None) -> None:
        self._real, self._gate = real, gate

    def __call__(self, operation: Any, *args: Any) -> Any:
        if self._gate is None:
            time.sleep(0.3)
        else:
            assert self._gate.wait(20)
        return self._real(operation, *args)


def slow_fill(monkeypatch: pytest.MonkeyPatch, gate: threading.Event | None = None) -> None:
    slow = SlowFill(Fill.run, gate)
    monkeypatch.setattr(Fill, "run", lambda self, *args: slow(self, *args))


@pytest.mark.parametrize("fills", [1, 2])
def test_a_fill_that_still_computes_when_its_visit_is_left_is_carried_out_there(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, fills: int
) -> None:
    window, visit = desk.window, desk.window.study.require_visit()
    labels = np.zeros(SHAPE, np.uint8)
    labels[10:14, 10:14, 12] = labels[28:33, 26:31, 12] = SNFH
    desk.editor.apply("two islands", labels)
    desk.key(KEY.Key_F)
    slow_fill(monkeypatch)
    for place in (CENTRE, (11, 11, 12))[:fills]:
        click(desk, place)
    window.study.step_visit(-1)
    desk.qtbot.waitUntil(lambda: window.study.visit not in (None, visit), timeout=60_000)
    other = window.study.require_visit()
    desk.settle()
    assert np.array_equal(other.editor.labels, np.where(lesion(6), SNFH, 0))
    window.study.step_visit(1)
    desk.qtbot.waitUntil(lambda: window.study.require_visit().id == visit.id, timeout=60_000)
    desk.settle()
    assert desk.mask[CENTRE] == ET and (desk.mask[11, 11, 12] == ET) == (fills == 2)


def test_a_fill_that_comes_to_its_end_during_a_stroke_leaves_the_stroke_in_hand(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[28:33, 26:31, 12] = SNFH
    desk.editor.apply("an island", labels)
    gate = threading.Event()
    slow_fill(monkeypatch, gate)
    desk.key(KEY.Key_F)
    click(desk, CENTRE)
    desk.window.reading.set_tool(ToolName.BRUSH)
    press(desk, (10, 10, 12))
    move(desk, (14, 10, 12))
    gate.set()
    desk.qtbot.waitUntil(lambda: bool(desk.mask[CENTRE] == ET), timeout=60_000)
    move(desk, (40, 10, 12))
    release(desk, (40, 10, 12))
    desk.settle()
    assert desk.mask[40, 10, 12] == desk.mask[12, 10, 12] == ET
    before = desk.mask.copy()
    for _ in range(3):
        desk.window.study.undo()
    assert np.array_equal(desk.mask, labels)
    for _ in range(3):
        desk.window.study.redo()
    assert np.array_equal(desk.mask, before)


def test_saving_in_the_middle_of_a_stroke_saves_all_of_it_and_cuts_nothing(desk: Desk) -> None:
    window, visit = desk.window, desk.window.study.require_visit()
    count = len(visit.revisions)
    desk.key(KEY.Key_B)
    press(desk, (12, 20, 12))
    move(desk, (16, 20, 12))
    window.commands["study.save"].trigger()
    QApplication.processEvents()
    move(desk, (40, 20, 12))
    assert desk.mask[40, 20, 12] == ET, "the stroke goes on"
    assert len(visit.revisions) == count and "button" in window.status.notice.text()
    release(desk, (40, 20, 12))
    desk.qtbot.waitUntil(lambda: len(visit.revisions) == count + 1 and not window.workers.writing.active)
    assert np.array_equal(visit.labels_of(visit.revisions[-1]), desk.mask)
    assert desk.editor.undo_names[-1] == "Brush ET" and not desk.editor.unsaved


def test_a_proposal_that_arrives_during_a_stroke_leaves_it_in_its_slice(desk: Desk) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[8:20, 14:26, 12] = ET
    desk.editor.apply("ET", labels)
    proposed = labels.copy()
    proposed[20:24, 20:24, 3:6] = SNFH
    desk.key(KEY.Key_B)
    press(desk, (12, 20, 12))  # where the label is already: nothing differs from the proposal in this slice
    move(desk, (14, 20, 12))
    out = desk.at((30, 20, 12))
    desk.propose(proposed)
    desk.mouse(QEvent.Type.MouseMove, desk.slot, out, NONE, LEFT)
    desk.mouse(QEvent.Type.MouseButtonRelease, desk.slot, out, LEFT)
    desk.settle()
    assert desk.mask[30, 20, 12] == ET and set(np.nonzero(desk.mask)[2]) == {12}
    desk.editor.undo()
    desk.propose(proposed.copy())
    desk.qtbot.waitUntil(lambda: desk.view.crosshair_index[2] in (3, 4, 5), timeout=60_000)
