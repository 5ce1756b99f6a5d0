"""Findings and clinical events in the window, by keys and clicks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QSpinBox
from pytestqt.qtbot import QtBot

from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind
from glioma_annotator.domain.finding import Finding, FindingStatus, LesionChange
from glioma_annotator.domain.identity import new_id
from glioma_annotator.ui.timeline import event_marks
from glioma_annotator.ui.window import MainWindow
from glioma_annotator.workflow import finding_proposals

PATIENT = "PAT-0042"
FIRST, LAST = "2019-01-14", "2019-10-21"


@pytest.fixture
def window(bench, qtbot: QtBot) -> Iterator[MainWindow]:  # type: ignore[no-untyped-def]
    opened = bench.open_window()
    opened.study.open_patient(PATIENT)
    qtbot.waitUntil(lambda: opened.study.visit is not None and not opened.workers.jobs)
    yield opened


def add(window: MainWindow, qtbot: QtBot, index: tuple[int, int, int]) -> None:
    before = len(window.findings.all())
    window.view.crosshair_index = index
    qtbot.keyClick(window, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: len(window.findings.all()) == before + 1)


def test_a_key_records_a_finding_at_the_crosshair_and_selects_it(window: MainWindow, qtbot: QtBot) -> None:
    add(window, qtbot, (15, 17, 14))
    panel = window.findings_panel
    assert panel.table.rowCount() == 1
    assert panel.form.isVisibleTo(panel)
    assert window.findings.get(window.findings.current) == window.findings.all()[0]
    assert window.view.markers[0].current


def test_what_is_typed_is_kept(window: MainWindow, qtbot: QtBot) -> None:
    add(window, qtbot, (15, 17, 14))
    panel = window.findings_panel
    panel.location.setText("left temporal lobe")
    qtbot.keyClick(panel.location, Qt.Key.Key_Return)
    panel.status.setCurrentIndex(panel.status.findText("artefact"))
    panel.status.activated.emit(panel.status.currentIndex())
    finding = window.findings.all()[0]
    assert (finding.location, finding.status) == ("left temporal lobe", FindingStatus.ARTEFACT)
    assert window.view.markers == ()  # artefacts are not marked


def test_the_filter_leaves_what_holds_every_word(window: MainWindow, qtbot: QtBot) -> None:
    add(window, qtbot, (15, 17, 14))
    add(window, qtbot, (20, 20, 14))
    window.findings.change(window.findings.all()[0], location="insula")
    panel = window.findings_panel
    panel.filter.setText("insu open")
    assert panel.table.rowCount() == 1
    panel.filter.setText("insu resolved")
    assert panel.table.rowCount() == 0


def test_a_click_in_the_list_goes_there_also_to_another_visit(window: MainWindow, qtbot: QtBot) -> None:
    add(window, qtbot, (15, 17, 14))
    first = window.study.visit
    other = next(t for t in window.study.timepoints() if first is not None and t.id != first.id)
    window.study.open_visit(other)
    qtbot.waitUntil(lambda: window.study.visit is not None and window.study.visit.id == other.id)
    window.view.crosshair_index = (1, 1, 1)
    panel = window.findings_panel
    panel.table.clearSelection()
    panel.table.selectRow(0)
    qtbot.waitUntil(lambda: window.study.visit is not None and first is not None and window.study.visit.id == first.id)
    assert window.view.crosshair_index == (15, 17, 14)


def test_proposals_are_listed_alone_with_what_became_of_each_in_a_narrow_panel(
    window: MainWindow, qtbot: QtBot
) -> None:
    store = window.study.require_session().store
    store.findings.add(
        Finding(PATIENT, FIRST, "satellite", (3.0, 3.0, 3.0)),
        Finding(PATIENT, LAST, "satellite", (3.0, 3.0, 3.0), volume_ml=2.5, change=LesionChange.GROWN),
        Finding(PATIENT, LAST, "cyst", (3.0, 3.0, 3.0), volume_ml=0.0, change=LesionChange.GONE),
    )
    window.findings.changed.emit()
    panel = window.findings_panel
    window.commands["study.findings"].trigger()
    qtbot.waitUntil(lambda: panel.isVisible() and panel.width() < 480)
    heads = [panel.table.horizontalHeaderItem(column).text() for column in range(panel.table.columnCount())]
    assert panel.table.rowCount() == 3
    assert not panel.table.isColumnHidden(heads.index("Visit"))
    window.findings.proposed.emit()
    assert panel.only_visit.isChecked()
    assert panel.table.isColumnHidden(heads.index("Visit"))
    column = heads.index("\N{GREEK CAPITAL LETTER DELTA}")
    assert not panel.table.isColumnHidden(column)
    signs = {panel.table.item(row, column).text(): panel.table.item(row, column).toolTip() for row in range(2)}
    assert signs == {"\N{BLACK UP-POINTING SMALL TRIANGLE}": "grown", "gone": "gone"}


def test_each_confirmed_proposal_leads_to_the_next_with_its_volumes(window: MainWindow, qtbot: QtBot) -> None:
    store = window.study.require_session().store
    small = Finding(PATIENT, FIRST, "satellite", (3.0, 3.0, 3.0), volume_ml=0.5)
    other = Finding(PATIENT, FIRST, "cyst", (6.0, 3.0, 3.0), volume_ml=1.5)
    made = (
        Finding(PATIENT, LAST, "satellite", (3.0, 3.0, 3.0), volume_ml=2.5, change=LesionChange.MERGED,
                previous=(small.id, other.id)),
        Finding(PATIENT, LAST, "cyst", (6.0, 3.0, 3.0), volume_ml=0.0, change=LesionChange.NEW),
    )  # fmt: skip
    store.findings.add(small, other, *made)
    window.study.open_patient(PATIENT, LAST)
    qtbot.waitUntil(lambda: window.study.visit is not None and window.study.visit.timepoint.key == LAST)
    window.findings.changed.emit()
    window.commands["study.findings"].trigger()
    panel, findings = window.findings_panel, window.findings
    findings.select(made[0].id)
    assert "Merged: 0.50 + 1.5 mL at the visit before, now 2.5 mL" in panel.measure.text()
    numbers = {panel.table.item(row, 0).text() for row in range(panel.table.rowCount())}
    assert {"1  Satellite", "2  Cyst"} <= numbers, "as the rings in the panes have it"
    qtbot.mouseClick(panel.confirm, Qt.MouseButton.LeftButton)
    assert findings.get(made[0].id).status is FindingStatus.CONFIRMED
    assert findings.current == made[1].id
    assert "New: 0.0 mL" in panel.measure.text()
    qtbot.mouseClick(panel.confirm, Qt.MouseButton.LeftButton)
    assert findings.get(made[1].id).status is FindingStatus.CONFIRMED
    assert findings.current == made[1].id, "nothing waits any more"


def test_a_deleted_finding_can_be_brought_back(window: MainWindow, qtbot: QtBot) -> None:
    add(window, qtbot, (15, 17, 14))
    panel = window.findings_panel
    qtbot.mouseClick(panel.delete, Qt.MouseButton.LeftButton)
    assert window.findings.all() == ()
    assert panel.bin.isVisibleTo(panel)
    window.findings.restore(window.findings.deleted()[0].id)
    assert panel.table.rowCount() == 1


def test_an_event_is_kept_changed_and_deleted(window: MainWindow, qtbot: QtBot) -> None:
    panel = window.clinical_panel
    panel.kind.setCurrentIndex(panel.kind.findText("radiotherapy"))
    assert not panel.fields["dose_gy"].isHidden()
    assert panel.fields["score"].isHidden()
    panel.start.setText("2019-02-10")
    dose = panel.fields["dose_gy"]
    assert isinstance(dose, QDoubleSpinBox)
    dose.setValue(60.0)
    qtbot.keyClick(panel.start, Qt.Key.Key_Return)
    event = panel.events()[0]
    assert (event.kind, event.dose_gy, event.fractions) == (EventKind.RADIOTHERAPY, 60.0, None)
    assert panel.start.text() == ""
    panel.table.selectRow(0)
    fractions = panel.fields["fractions"]
    assert isinstance(fractions, QSpinBox)
    fractions.setValue(30)
    qtbot.mouseClick(panel.save, Qt.MouseButton.LeftButton)
    assert (panel.events()[0].id, panel.events()[0].fractions) == (event.id, 30)
    panel.table.selectRow(0)
    qtbot.mouseClick(panel.delete, Qt.MouseButton.LeftButton)
    assert panel.events() == ()


def test_an_event_being_typed_outlives_saving_the_mask(window: MainWindow, qtbot: QtBot) -> None:
    panel = window.clinical_panel
    panel.kind.setCurrentIndex(panel.kind.findText("steroids"))
    panel.start.setText("2019-02-10")
    dose = panel.fields["dose_mg"]
    assert isinstance(dose, QDoubleSpinBox)
    dose.setValue(0.75)
    assert dose.text() == "0.75 mg"
    window.study.patient_changed.emit()  # as after a mask was saved
    assert (panel.start.text(), dose.value()) == ("2019-02-10", 0.75)
    qtbot.mouseClick(panel.save, Qt.MouseButton.LeftButton)
    assert panel.events()[0].dose_mg == 0.75
    panel.start.setText("2019-02-11")
    window.study.open_patient("PAT-0043")
    assert panel.start.text() == ""


def test_the_form_follows_what_else_becomes_of_its_event(window: MainWindow) -> None:
    panel, store = window.clinical_panel, window.study.require_session().store
    event = ClinicalEvent(PATIENT, EventKind.KPS, day=7, score=90)
    store.events.add(event)
    panel.show_event(event.id)
    store.events.change(replace(event, score=80))
    window.study.patient_changed.emit()
    score = panel.fields["score"]
    assert isinstance(score, QSpinBox) and score.value() == 80
    store.events.delete(event.id)
    window.study.patient_changed.emit()
    assert panel.start.text() == "" and panel.save.text() == "Add"


def test_an_event_with_a_date_and_a_day_keeps_both(window: MainWindow, qtbot: QtBot) -> None:
    panel, store = window.clinical_panel, window.study.require_session().store
    start, end = dt.date(2019, 2, 10), dt.date(2019, 3, 20)
    event = ClinicalEvent(PATIENT, EventKind.RADIOTHERAPY, start, 27, end, 65, dose_gy=59.94)
    store.events.add(event)
    panel.show_event(event.id)
    qtbot.mouseClick(panel.save, Qt.MouseButton.LeftButton)
    assert panel.events() == (event,)
    panel.show_event(event.id)
    panel.start.setText("2019-02-11")
    qtbot.mouseClick(panel.save, Qt.MouseButton.LeftButton)
    (moved,) = panel.events()
    assert (moved.date, moved.day, moved.end_day) == (dt.date(2019, 2, 11), None, 65)


def test_an_event_without_a_time_is_refused_and_the_form_stays(window: MainWindow, qtbot: QtBot) -> None:
    told: list[BaseException] = []
    window.study.failed.disconnect(window.errors.show)
    window.study.failed.connect(told.append)
    panel = window.clinical_panel
    panel.kind.setCurrentIndex(panel.kind.findText("surgery"))
    extent = panel.fields["extent"]
    assert isinstance(extent, QComboBox)
    extent.setCurrentIndex(2)
    qtbot.mouseClick(panel.save, Qt.MouseButton.LeftButton)
    assert "needs a date or a day" in str(told[0])
    assert extent.currentIndex() == 2
    panel.start.setText("some day")
    qtbot.mouseClick(panel.save, Qt.MouseButton.LeftButton)
    assert "no date and no day" in str(told[1])
    assert panel.events() == ()


def test_treatments_lie_to_scale_between_the_visits(window: MainWindow) -> None:
    visits = window.study.timepoints()
    assert visits[0].date is not None and visits[-1].date is not None
    middle = visits[0].date + (visits[-1].date - visits[0].date) / 2
    surgery = ClinicalEvent(PATIENT, EventKind.SURGERY, middle)
    therapy = ClinicalEvent(PATIENT, EventKind.RADIOTHERAPY, middle)
    kps = ClinicalEvent(PATIENT, EventKind.KPS, middle, score=80)
    marks = event_marks(visits, (surgery, therapy, kps))
    assert [m.letters for m in marks] == ["S", "RT"]
    assert marks[0].start == marks[0].end == pytest.approx(0.5, abs=0.01)
    assert marks[1].end == 1.0


def test_four_findings_are_seen_at_once_on_a_low_screen(window: MainWindow, qtbot: QtBot) -> None:
    for number in range(4):
        add(window, qtbot, (12 + 2 * number, 17, 14))
    window.commands["study.findings"].trigger()
    window.resize(1280, 720)
    panel = window.findings_panel
    qtbot.waitUntil(lambda: panel.isVisible() and panel.form.isVisible())
    table = panel.table
    qtbot.waitUntil(lambda: table.viewport().height() >= 4 * table.rowHeight(0))
    qtbot.waitUntil(lambda: panel.location.width() >= 1.5 * panel.side.width())


def test_asked_twice_each_lesion_is_proposed_once(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Finding(PATIENT, LAST, "satellite", (3.0, 3.0, 3.0))
    monkeypatch.setattr(finding_proposals, "propose_for_visit", lambda *_args: (replace(found, id=new_id()),))
    window.findings.propose()
    window.findings.propose()
    qtbot.waitUntil(lambda: not window.workers.jobs and bool(window.findings.all()))
    assert len(window.findings.all()) == 1
    window.findings.propose()
    qtbot.waitUntil(lambda: len(window.findings.all()) == 2)
