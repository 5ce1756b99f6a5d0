"""Notes and reports in the window: written, pasted, found, changed, deleted, never lost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind
from glioma_annotator.domain.histology import HistologySample, SampleKind
from glioma_annotator.domain.note import Note, NoteKind
from glioma_annotator.ui.navigator import Place
from glioma_annotator.ui.panels.notes import NotesPanel
from glioma_annotator.ui.window import MainWindow

PATIENT, OTHER = "PAT-0042", "PAT-0043"
FIRST, LAST = "2019-01-14", "2019-10-21"
CONTROL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def window(bench, qtbot: QtBot) -> Iterator[MainWindow]:  # type: ignore[no-untyped-def]
    opened = bench.open_window()
    open_patient(opened, qtbot, PATIENT, LAST)
    yield opened


@pytest.fixture
def panel(window: MainWindow) -> NotesPanel:
    window.commands["note.add"].trigger()
    return window.notes_panel


def open_patient(window: MainWindow, qtbot: QtBot, key: str, visit: str = "") -> None:
    window.study.open_patient(key, visit)
    qtbot.waitUntil(lambda: window.study.visit is not None and not window.workers.jobs)


def kept(window: MainWindow, patient: str = PATIENT) -> tuple[Note, ...]:
    return window.study.require_session().store.notes.of_patient(patient)


def listed(panel: NotesPanel) -> list[str]:
    return [panel.table.item(row, 1).text() for row in range(panel.table.rowCount())]


def test_a_pasted_report_is_kept_with_date_author_and_visit_and_found_at_once(
    window: MainWindow, panel: NotesPanel, qtbot: QtBot
) -> None:
    assert panel.isVisible()
    assert panel.text.hasFocus()
    assert (panel.when.text(), panel.visit.currentData()) == (LAST, LAST)
    panel.kind.show_value(NoteKind.RADIOLOGY)
    for field, words in ((panel.when, "22.10.2019"), (panel.title, "MRI of the head"), (panel.author, "Dr Far")):
        field.selectAll()
        qtbot.keyClicks(field, words)
    QApplication.clipboard().setText("New enhancement\nalong the ependyma.")
    panel.text.setFocus()
    qtbot.keyClick(panel.text, Qt.Key.Key_V, CONTROL)
    qtbot.mouseClick(panel.save, Qt.MouseButton.LeftButton)
    (note,) = kept(window)
    assert (note.text, note.kind, note.title) == (
        "New enhancement\nalong the ependyma.",
        NoteKind.RADIOLOGY,
        "MRI of the head",
    )
    assert (note.date, note.author, note.timepoint) == (dt.date(2019, 10, 22), "Dr Far", LAST)
    assert listed(panel) == ["radiology report: MRI of the head"]
    assert not panel.text.toPlainText()
    audit = window.study.require_session().store.audit.of(note.id)
    assert [entry.actor for entry in audit] == [window.study.require_session().author]
    window.mask_dock.raise_()
    window.study.open_visit(window.study.timepoints()[0])
    qtbot.waitUntil(lambda: window.study.visit is not None and window.study.visit.timepoint.key == FIRST)
    qtbot.keyClick(window, Qt.Key.Key_F, CONTROL)
    qtbot.keyClicks(window.search_box, "ependyma")
    qtbot.waitUntil(lambda: window.search_box.popup.isVisible() and not window.search_box.searching)
    qtbot.keyClick(window.search_box, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: panel.text.toPlainText().startswith("New enhancement"))
    assert window.study.visit is not None
    assert window.study.visit.timepoint.key == LAST
    assert panel.isVisible()
    assert len(panel.text.extraSelections()) == 1


def test_a_text_is_changed_deleted_and_brought_back(window: MainWindow, panel: NotesPanel, qtbot: QtBot) -> None:
    qtbot.keyClicks(panel.text, "first words")
    qtbot.mouseClick(panel.save, Qt.MouseButton.LeftButton)
    panel.table.selectRow(0)
    assert panel.save.text() == "Change"
    panel.text.setPlainText("other words")
    qtbot.mouseClick(panel.save, Qt.MouseButton.LeftButton)
    (note,) = kept(window)
    assert note.text == "other words"
    panel.table.selectRow(0)
    qtbot.mouseClick(panel.delete, Qt.MouseButton.LeftButton)
    assert kept(window) == ()
    assert listed(panel) == []
    window.study.require_session().store.notes.restore(note.id)
    window.study.patient_changed.emit()
    assert listed(panel) == ["note: other words"]


def test_what_is_being_written_is_kept_when_something_else_takes_its_place(
    window: MainWindow, panel: NotesPanel, qtbot: QtBot
) -> None:
    qtbot.keyClicks(panel.text, "half a sentence")
    window.study.step_visit(-1)
    qtbot.waitUntil(lambda: window.study.visit is not None and window.study.visit.timepoint.key != LAST)
    assert [(n.text, n.timepoint) for n in kept(window)] == [("half a sentence", LAST)]
    qtbot.keyClicks(panel.text, " and ")
    assert panel.save.text() == "Change"
    window.commands["study.clinical"].trigger()  # the other page
    assert len(kept(window)) == 1
    assert kept(window)[0].text.endswith("and")
    window.commands["note.add"].trigger()
    panel.when.setText("sometime")
    qtbot.keyClicks(panel.text, "of the first patient")
    open_patient(window, qtbot, OTHER)
    assert [(n.text, n.date) for n in kept(window)][1:] == [("of the first patient", None)]
    assert listed(panel) == []
    assert not panel.text.toPlainText()


def test_a_text_is_kept_before_the_workspace_closes_though_no_visit_is_open_yet(
    window: MainWindow, panel: NotesPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.study.open_patient(OTHER)
    assert window.study.visit is None
    panel.text.setPlainText("Seen in clinic.")
    store, texts = window.study.require_session().store, []
    monkeypatch.setattr(store, "close", lambda: texts.extend(n.text for n in store.notes.of_patient(OTHER)))
    window.study.leave_workspace()
    assert texts == ["Seen in clinic."]


def test_a_text_in_hand_survives_other_changes_of_the_patient(
    window: MainWindow, panel: NotesPanel, qtbot: QtBot
) -> None:
    qtbot.keyClicks(panel.text, "in hand")
    window.study.patient_changed.emit()
    assert panel.text.toPlainText() == "in hand"
    assert kept(window) == ()


def test_a_date_that_cannot_be_read_is_explained_and_nothing_is_kept(
    window: MainWindow, panel: NotesPanel, qtbot: QtBot
) -> None:
    qtbot.keyClicks(panel.text, "words")
    panel.when.setText("sometime")
    qtbot.mouseClick(panel.save, Qt.MouseButton.LeftButton)
    assert window.errors.dialog is not None
    assert "no date" in window.errors.dialog.what.text()
    window.errors.dialog.close()
    qtbot.waitUntil(lambda: window.errors.dialog is None)
    assert kept(window) == ()
    assert panel.text.toPlainText() == "words"


def test_a_workspace_for_reading_shows_texts_and_takes_none(bench, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    bench.store.notes.add(Note(PATIENT, "to be read", title="Letter"))
    bench.store._read_only = True
    window = bench.open_window()
    open_patient(window, qtbot, PATIENT, LAST)
    window.commands["study.notes"].trigger()
    assert not window.commands["note.add"].isEnabled()
    window.notes_panel.table.selectRow(0)
    assert window.notes_panel.text.toPlainText() == "to be read"
    assert window.notes_panel.text.isReadOnly()
    assert not window.notes_panel.save.isEnabled()


def test_a_search_shows_the_event_or_sample_that_it_found(window: MainWindow, qtbot: QtBot) -> None:
    store = window.study.require_session().store
    event = ClinicalEvent(PATIENT, EventKind.OTHER_THERAPY, dt.date(2019, 5, 1), drug="lomustine")
    sample = HistologySample(PATIENT, SampleKind.BIOPSY, timepoint=FIRST, sites_mm=((3.0, 3.0, 3.0),))
    store.events.add(event)
    store.histology.add(sample)
    window.study.patient_changed.emit()
    window.keeping.go(Place(PATIENT, LAST, None, "", "event", event.id))
    assert window.clinical_panel.isVisible()
    drug = window.clinical_panel.fields["drug"]
    assert drug.text() == "lomustine"  # type: ignore[attr-defined]
    window.keeping.go(Place(PATIENT, FIRST, (3.0, 3.0, 3.0), "", "sample", sample.id))
    qtbot.waitUntil(lambda: window.histology.current == sample.id)
    assert window.view.crosshair_index == (15, 17, 14)
