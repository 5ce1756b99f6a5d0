"""Locks, areas and discarding in the window: what is said is what was done."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from glioma_annotator.domain.edit_rules import EditArea
from glioma_annotator.imaging.brush import Brush
from glioma_annotator.ui import edit_areas

ET, RC = 3, 4


def paint(window: Any, value: int = ET) -> None:
    editor = window.study.visit.editor
    editor.begin_stroke(Brush(20.0), value)
    editor.stroke_to((15, 15, 15))
    editor.end_stroke()


def settle(qtbot: QtBot, window: Any) -> None:
    workers = window.workers
    qtbot.waitUntil(lambda: not (workers.jobs or workers.drawing.active or workers.writing.active))


def test_restoring_under_a_lock_says_what_it_could_not_bring_back(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot, 1)
    study, notice = window.study, window.status.notice
    editor, revision = study.visit.editor, study.visit.revisions[0]
    saved = editor.labels.copy()
    editor.apply("Erase", np.zeros_like(saved))
    editor.set_locked(ET, True)
    kept = f"{56 * 0.216:.2f} mL that locks or edit rules keep"
    study.restore(revision)
    qtbot.waitUntil(lambda: notice.text() == f"Restored revision 1 except {kept}; undo takes it back.")
    study.restore(revision)
    qtbot.waitUntil(lambda: notice.text() == f"Revision 1 changes nothing: the mask differs by {kept}.")
    editor.set_locked(ET, False)
    study.restore(revision)
    qtbot.waitUntil(lambda: notice.text() == "Restored revision 1; undo takes it back.")
    assert np.array_equal(editor.labels, saved)
    study.restore(revision)
    qtbot.waitUntil(lambda: notice.text() == "The mask is the same as revision 1 already.")


def test_a_step_made_on_less_than_was_saved_is_discarded_after_a_restart(qtbot: QtBot, bench: Any) -> None:
    first = bench.open_patient(qtbot)
    paint(first)
    first.commands["study.save"].trigger()
    settle(qtbot, first)
    saved = first.study.visit.editor.labels.copy()
    first.study.undo()
    paint(first, RC)
    first.close()
    window = bench.open_patient(qtbot)
    editor = window.study.visit.editor
    mine = editor.labels.copy()
    assert editor.unsaved and not np.array_equal(mine, saved)
    editor.set_locked(RC, True)
    qtbot.mouseClick(window.banner.buttons[1], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.status.notice.text() == "The mask is as it was last saved; undo takes that back.")
    assert np.array_equal(editor.labels, saved) and not editor.unsaved
    window.study.undo()
    assert np.array_equal(editor.labels, mine) and editor.unsaved


def test_discarding_redoes_what_the_revision_holds_and_says_so(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    paint(window)
    window.commands["study.save"].trigger()
    settle(qtbot, window)
    window.study.undo()
    window.study.discard_unsaved()
    assert window.study.visit.editor.labels.any() and not window.study.visit.editor.unsaved
    assert window.status.notice.text() == "The mask is as it was last saved; undo takes that back."


def go_to_visit(qtbot: QtBot, window: Any, direction: int) -> None:
    left = window.study.visit
    window.study.step_visit(direction)
    qtbot.waitUntil(lambda: window.study.visit is not left)
    settle(qtbot, window)


def test_locks_and_area_stay_with_their_visit_until_the_patient_is_closed(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    area = EditArea("the box", np.zeros(window.study.visit.editor.labels.shape, dtype=np.bool_))
    window.study.visit.editor.set_locked(ET, True)
    window.study.visit.editor.set_inside(area)
    go_to_visit(qtbot, window, -1)
    assert window.study.visit.editor.rules.free
    go_to_visit(qtbot, window, +1)
    assert window.study.visit.editor.locked == {ET} and window.study.visit.editor.rules.inside is area
    assert window.mask_panel.labels.locks[ET].isChecked()
    patient = window.study.patient_key
    window.study.close_patient()
    window.study.open_patient(patient)
    qtbot.waitUntil(lambda: window.study.visit is not None)
    assert window.study.visit.editor.rules.free


def test_the_brain_of_a_visit_that_was_left_is_not_said_to_be_the_area(
    qtbot: QtBot, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = threading.Event()

    def slow(images: list[Any]) -> Any:
        left.wait(5)
        return np.ones(images[0].shape, dtype=np.bool_)

    monkeypatch.setattr(edit_areas, "brain_mask", slow)
    window = bench.open_patient(qtbot)
    said: list[str] = []
    window.study.notice.connect(said.append)
    first = window.study.visit
    window.commands["edit.in_brain"].trigger()
    window.study.step_visit(-1)
    qtbot.waitUntil(lambda: window.study.visit is not first)
    left.set()
    settle(qtbot, window)
    assert window.study.visit.editor.rules.free
    assert "Only the brain can be edited now." not in said


def test_an_empty_mask_is_not_made_the_area_in_which_nothing_could_be_edited(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    assert not window.study.visit.editor.labels.any()
    inside = window.mask_panel.rules.inside
    inside.setCurrentIndex(inside.findText("Whole tumour as it is now"))
    inside.activated.emit(inside.currentIndex())
    assert window.study.visit.editor.rules.inside is None
    assert inside.currentText() == "Everywhere"
    assert "holds no tumour yet" in window.status.notice.text()
    paint(window)
    window.commands["edit.in_tumour"].trigger()
    assert window.study.visit.editor.rules.inside is not None
