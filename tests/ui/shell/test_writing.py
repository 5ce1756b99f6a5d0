"""What is written beside the reader's work: on a worker, in order, and told when it fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from glioma_annotator.domain.sequences import Window
from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.ui.window import MainWindow
from glioma_annotator.workflow.seeded_operations import Fill


def written(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: not window.workers.writing.active)


def draw(window: MainWindow, *places: int) -> None:
    for place in places:
        window.study.require_visit().editor.set_voxels("Brush ET", np.array([place]), 3)


def slow_disk(bench: Any, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Revisions are written once the event is set."""
    disk = threading.Event()
    add = bench.store.add_revision
    monkeypatch.setattr(bench.store, "add_revision", lambda *a, **k: (disk.wait(20), add(*a, **k))[1])
    return disk


def test_the_window_does_not_wait_for_the_disk_and_every_step_gets_there(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    journal = bench.store.journal(window.study.require_visit().id)
    disk, asked, threads = threading.Event(), [], set()
    flush = journal.flush

    def slow() -> None:
        threads.add(threading.current_thread())
        asked.append(len(journal.entries()))
        assert disk.wait(20)
        flush()

    journal.flush = slow
    draw(window, 5)
    qtbot.waitUntil(lambda: asked == [1])
    draw(window, 6, 7, 8)  # these come back at once, and are in the journal at once
    assert len(journal.entries()) == 4 and journal.flushed == 0
    disk.set()
    written(qtbot, window)
    assert journal.flushed == 4
    assert asked == [1, 4]  # one wait for all that came meanwhile
    assert threads and threading.main_thread() not in threads


def test_a_disk_that_fills_up_is_told_and_nothing_is_lost(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    journal = bench.store.journal(window.study.require_visit().id)

    def full() -> None:
        raise EnvironmentFailure("The disk is full.", "Make room.")

    journal.flush = full
    draw(window, 5)
    qtbot.waitUntil(lambda: window.errors.dialog is not None)
    assert window.errors.dialog.what.text() == "The disk is full."
    window.errors.dialog.close()
    qtbot.waitUntil(lambda: window.errors.dialog is None)
    assert window.study.require_visit().editor.unsaved and len(journal.entries()) == 1


def test_closing_waits_until_steps_and_view_are_written(
    qtbot: QtBot, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = bench.open_patient(qtbot)
    visit = window.study.require_visit()
    journal = bench.store.journal(visit.id)
    events: list[str] = []
    disk = threading.Event()
    put, close = bench.store.set_view_state, bench.store.close

    def slow(patient_id: int, state: Mapping[str, object]) -> None:
        assert disk.wait(20)
        put(patient_id, state)
        events.append("view")

    monkeypatch.setattr(bench.store, "set_view_state", slow)
    monkeypatch.setattr(bench.store, "close", lambda: (events.append("closed"), close()))
    window.link.write_state()
    draw(window, 5)
    threading.Timer(0.2, disk.set).start()
    window.close()
    assert events[-1] == "closed" and "view" in events[:-1]
    assert journal.flushed == len(journal.entries()) == 1
    assert bench.store.view_state(visit.timepoint.patient_id)["visit"] == visit.timepoint.key


def test_where_the_reader_looked_is_known_before_it_is_written(
    qtbot: QtBot, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = bench.open_patient(qtbot)
    store, visit = bench.store, window.study.require_visit()
    patient_id = visit.timepoint.patient_id
    disk = threading.Event()
    window.workers.writing.submit("a slow disk", lambda *_: disk.wait(20), lambda _: None, lambda _: None)
    window.link._on_window("FLAIR", Window(5, 50))
    window.link.write_state()
    assert "visit" not in store.view_state(patient_id)
    assert window.study.writing.view_state(store, patient_id)["visit"] == visit.timepoint.key
    assert visit.windows["FLAIR"] == Window(5, 50)
    window.study.open_visit(window.study.timepoints()[0])  # read only once the window's level is stored
    disk.set()
    qtbot.waitUntil(lambda: window.study.visit is not None and window.study.visit.id != visit.id)
    window.study.step_visit(1)
    window.study.step_visit(1)
    qtbot.waitUntil(lambda: window.study.visit is not None and window.study.visit.id == visit.id)
    assert window.study.require_visit().windows["FLAIR"] == Window(5, 50)
    written(qtbot, window)
    assert store.view_state(patient_id)["visit"] in {v.key for v in window.study.timepoints()}


def test_the_reader_paints_on_while_a_revision_is_written(
    qtbot: QtBot, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = bench.open_patient(qtbot)
    visit = window.study.require_visit()
    journal = bench.store.journal(visit.id)
    disk, threads = threading.Event(), []
    add = bench.store.add_revision

    def slow(*args: Any, **kwargs: Any) -> Any:
        threads.append(threading.current_thread())
        assert disk.wait(20)
        return add(*args, **kwargs)

    monkeypatch.setattr(bench.store, "add_revision", slow)
    draw(window, 5)
    window.commands["study.save"].trigger()
    qtbot.waitUntil(lambda: len(threads) == 1)
    assert threads[0] is not threading.main_thread()
    assert not window.commands["study.approve"].isEnabled()  # of the revision before, the one selected still
    draw(window, 6)
    window.study.undo()
    window.study.undo()  # a step that the revision holds
    window.study.redo()
    window.study.redo()
    window.commands["study.save"].trigger()  # once more, of what there is when the first is written
    disk.set()
    qtbot.waitUntil(lambda: len(visit.revisions) == 2)
    written(qtbot, window)
    first, second = visit.revisions
    assert np.flatnonzero(bench.store.load_labels(first)).tolist() == [5]
    assert np.flatnonzero(bench.store.load_labels(second)).tolist() == [5, 6]
    assert second.parent_id == first.id == journal.parent_revision_id - 1
    assert not visit.editor.unsaved
    assert all(entry.action.value == "past" for entry in journal.entries())
    qtbot.waitUntil(lambda: window.revisions.list.count() == 2)
    assert window.commands["study.approve"].isEnabled() and window.revisions.selected.number == 2


def test_a_revision_that_cannot_be_written_is_told_and_its_steps_and_minutes_stay(
    qtbot: QtBot, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = bench.open_patient(qtbot)
    visit = window.study.require_visit()
    window.study.time_log.put_back({"brush": 2.0}, visit.id)
    bench.store.failures["add_revision"] = EnvironmentFailure("The disk is full.", "Make room, then save again.")
    draw(window, 5)
    window.commands["study.save"].trigger()
    draw(window, 6)
    qtbot.waitUntil(lambda: window.errors.dialog is not None)
    window.errors.dialog.close()
    qtbot.waitUntil(lambda: window.errors.dialog is None)
    assert visit.editor.unsaved and visit.revisions == ()
    assert len(bench.store.journal(visit.id).entries()) == 2
    bench.store.failures.clear()
    window.commands["study.save"].trigger()
    qtbot.waitUntil(lambda: not visit.editor.unsaved)
    assert visit.revisions[0].minutes["brush"] == pytest.approx(2.0, abs=0.1)
    assert np.flatnonzero(bench.store.load_labels(visit.revisions[0])).tolist() == [5, 6]


def test_a_journal_that_cannot_start_anew_is_told_and_the_revision_counts(
    qtbot: QtBot, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = bench.open_patient(qtbot)
    visit = window.study.require_visit()
    journal = bench.store.journal(visit.id)

    def full(*_: Any) -> None:
        raise EnvironmentFailure("The disk is full.", "Make room.")

    draw(window, 5)
    monkeypatch.setattr(journal, "restart", full)
    window.commands["study.save"].trigger()
    qtbot.waitUntil(lambda: window.errors.dialog is not None)
    window.errors.dialog.close()
    qtbot.waitUntil(lambda: window.errors.dialog is None)
    assert len(visit.revisions) == 1 and not visit.editor.unsaved
    assert visit.parent_id == visit.revisions[0].id
    assert len(journal.entries()) == 1  # still from the empty mask


def test_a_visit_left_while_its_revision_is_written_opens_with_it(
    qtbot: QtBot, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = bench.open_patient(qtbot)
    visit = window.study.require_visit()
    disk = slow_disk(bench, monkeypatch)
    draw(window, 5)
    window.commands["study.save"].trigger()
    window.study.open_visit(window.study.timepoints()[0])
    disk.set()
    qtbot.waitUntil(lambda: window.study.visit is not None and window.study.visit.id != visit.id)
    assert len(visit.revisions) == 1
    window.study.open_visit(visit.timepoint)
    qtbot.waitUntil(lambda: window.study.visit is not None and window.study.visit.id == visit.id)
    again = window.study.require_visit()
    assert again.parent_id == visit.revisions[0].id and not again.editor.unsaved
    assert np.flatnonzero(again.editor.labels).tolist() == [5]


def test_closing_waits_until_a_revision_is_written(qtbot: QtBot, bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    window = bench.open_patient(qtbot)
    visit = window.study.require_visit()
    disk = slow_disk(bench, monkeypatch)
    draw(window, 5)
    window.commands["study.save"].trigger()
    threading.Timer(0.2, disk.set).start()
    window.close()
    assert len(bench.store.revisions(visit.id)) == 1
    assert all(entry.action.value == "past" for entry in bench.store.journal(visit.id).entries())


def test_a_fill_that_still_computes_when_the_window_closes_is_kept(
    qtbot: QtBot, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = bench.open_patient(qtbot)
    visit = window.study.require_visit()
    journal = bench.store.journal(visit.id)
    draw(window, 5)
    real = Fill.run
    monkeypatch.setattr(Fill, "run", lambda self, *args: (time.sleep(0.3), real(self, *args))[1])
    window.previewing.start(Fill((0, 0, 5), 1, "label", "volume", 2, "T1Gd", 1.0), apply_at_once=True)
    window.close()
    assert [e.edit.name for e in journal.entries() if e.edit is not None] == [
        "Brush ET",
        "Replace by NETC in a component",
    ]
    assert journal.flushed == 2


def test_the_minutes_on_a_mask_outlast_a_look_at_another_visit(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    visit = window.study.require_visit()
    window.study.time_log.put_back({"brush": 2.0}, visit.id)
    draw(window, 5)
    for direction in (-1, 1):
        before = window.study.require_visit()
        window.study.step_visit(direction)
        qtbot.waitUntil(lambda before=before: window.study.visit not in (None, before))
    window.commands["study.save"].trigger()
    qtbot.waitUntil(lambda: len(window.study.require_visit().revisions) == 1)
    written(qtbot, window)
    assert window.study.require_visit().revisions[0].minutes["brush"] == pytest.approx(2.0, abs=0.1)


def test_the_steps_file_of_a_visit_that_was_left_is_let_go(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    visit = window.study.require_visit()
    journal = bench.store.journal(visit.id)
    closed: list[int] = []
    close = journal.close
    journal.close = lambda: (closed.append(len(journal.entries())), close())
    draw(window, 5)
    assert closed == []
    window.study.step_visit(-1)
    qtbot.waitUntil(lambda: window.study.visit not in (None, visit))
    written(qtbot, window)
    assert closed == [1] and journal.flushed == 1


def test_a_mask_that_is_as_it_was_saved_makes_no_second_revision(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    visit, notices = window.study.require_visit(), []
    window.study.notice.connect(notices.append)
    draw(window, 5)
    window.commands["study.save"].trigger()
    qtbot.waitUntil(lambda: not visit.editor.unsaved)
    saved = [r.number for r in visit.revisions]
    window.commands["study.save"].trigger()
    written(qtbot, window)
    assert [r.number for r in visit.revisions] == saved
    assert notices[-1] == f"Nothing has changed since revision {saved[-1]}."
    draw(window, 6)
    window.commands["study.save"].trigger()
    qtbot.waitUntil(lambda: len(visit.revisions) == len(saved) + 1)
