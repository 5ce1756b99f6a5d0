"""Records in the window: what is looked at stays as it is, what is typed is kept, and who did it is said."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from fakes import FakeStore
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QComboBox, QSpinBox
from pytestqt.qtbot import QtBot

from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind
from glioma_annotator.domain.finding import Finding, FindingSource, Side
from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.histology import HistologySample, Marker, MarkerResult, MarkerStatus, SampleKind
from glioma_annotator.domain.identity import new_id
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, Label, Region
from glioma_annotator.domain.note import Note
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.errors import UserError
from glioma_annotator.ui.panels.clinical import ClinicalPanel
from glioma_annotator.ui.window import MainWindow

PATIENT, SECOND = "PAT-0042", "2019-04-02"
KI67 = MarkerResult(Marker.KI67, MarkerStatus.RESULT, percent=12.5)
ATRX = MarkerResult(Marker.ATRX, MarkerStatus.RESULT, altered=False)
FINDING = Finding(PATIENT, SECOND, "satellite", (3.0, 3.0, 3.0), location="insula ", text="a\r\nb \n", author="Dr Old")
SAMPLE = HistologySample(
    PATIENT,
    SampleKind.BIOPSY,
    dt.date(2019, 1, 16),
    2,
    SECOND,
    location="insula ",
    microscopy="a\r\nb",
    markers=(KI67, ATRX),
    author="Dr Old",
)
EVENT = ClinicalEvent(PATIENT, EventKind.STEROIDS, day=7, dose_mg=4.0, author="Dr Old")


@pytest.fixture
def window(bench, qtbot: QtBot) -> Iterator[MainWindow]:  # type: ignore[no-untyped-def]
    opened = bench.open_patient(qtbot, 1)
    store = opened.study.require_session().store
    store.findings.add(FINDING)
    store.histology.add(SAMPLE)
    store.events.add(EVENT)
    opened.study.patient_changed.emit()
    yield opened


def test_who_changes_deletes_and_restores_a_record_is_said_not_who_made_it(window: MainWindow) -> None:
    audit = window.study.require_session().store.audit
    window.findings.change(FINDING, side=Side.LEFT)
    window.findings.delete(FINDING)
    window.findings.restore(FINDING.id)
    window.histology.change(SAMPLE, location="temporal")
    window.histology.delete(SAMPLE)
    window.histology.restore(SAMPLE.id)
    window.histology.link(FINDING, SAMPLE.id, linked=True)
    panel = window.clinical_panel
    panel.show_event(EVENT.id)
    panel.start.setText("day 8")
    panel.save.click()
    panel.show_event(EVENT.id)
    panel.delete.click()
    for record, times in ((FINDING, 5), (SAMPLE, 4), (EVENT, 3)):
        assert [entry.actor for entry in audit.of(record.id)] == ["Dr Old", *["Dr New"] * (times - 1)]


def test_a_record_that_is_only_looked_at_stays_as_it_is(window: MainWindow, qtbot: QtBot) -> None:
    for command, records, panel, uid in (
        ("study.findings", window.findings, window.findings_panel, FINDING.id),
        ("study.histology", window.histology, window.histology_panel, SAMPLE.id),
    ):
        window.commands[command].trigger()
        qtbot.waitUntil(panel.isVisible)
        records.select(uid)
        fields = (
            (window.findings_panel.location, window.findings_panel.text)
            if panel is window.findings_panel
            else (window.histology_panel.form.location, window.histology_panel.form.date)
        )
        for field in (*fields, panel.table):
            field.setFocus()
        records.select("")
    assert window.findings.get(FINDING.id) == FINDING
    assert window.histology.get(SAMPLE.id) == SAMPLE


@pytest.mark.parametrize("which", ["finding", "sample"])
def test_what_is_being_typed_is_kept_when_the_workspace_is_left(window: MainWindow, qtbot: QtBot, which: str) -> None:
    store = window.study.require_session().store
    if which == "finding":
        window.commands["study.findings"].trigger()
        window.findings.select(FINDING.id)
        field = window.findings_panel.location
    else:
        window.commands["study.histology"].trigger()
        window.histology.select(SAMPLE.id)
        field = window.histology_panel.form.location
    qtbot.waitUntil(field.isVisible)
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, "temporal")
    window.study.leave_workspace()
    (finding,), (sample,) = store.findings.of_patient(PATIENT), store.histology.of_patient(PATIENT)
    assert (finding.location, sample.location) == (
        ("temporal", SAMPLE.location) if which == "finding" else (FINDING.location, "temporal")
    )
    assert (finding.text, sample.day) == (FINDING.text, SAMPLE.day)


def test_a_text_that_was_kept_is_kept_again_when_its_last_words_are_undone(window: MainWindow, qtbot: QtBot) -> None:
    window.commands["study.findings"].trigger()
    window.findings.select(FINDING.id)
    field = window.findings_panel.text
    qtbot.waitUntil(field.isVisible)
    field.setFocus()
    before = field.words
    qtbot.keyClicks(field, "very ")
    qtbot.waitUntil(lambda: window.findings.get(FINDING.id).text == f"very {before}")
    field.undo()
    assert field.words == before
    window.findings.select("")  # at once
    assert window.findings.get(FINDING.id).text == before


def test_a_finding_of_the_mask_takes_along_what_lies_where_it_is_moved(window: MainWindow, qtbot: QtBot) -> None:
    visit = window.study.require_visit()
    mask = visit.editor.labels.copy()
    mask[:] = 0
    mask[20:22, 20:22, 20:22] = 3
    mask[8:9, 8:9, 8:9] = 1
    visit.editor.apply("two lesions", mask)
    window.view.crosshair_index = (20, 20, 20)
    qtbot.keyClick(window, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: len(window.findings.all()) == 2)
    made = window.findings.all()[-1]
    ml = visit.timepoint.grid.voxel_volume_ml
    assert (made.label, made.volume_ml) == ("ET", pytest.approx(8 * ml))

    def moved(index: tuple[int, int, int]) -> Finding:
        window.view.crosshair_index = index
        before = window.findings.get(made.id)
        assert before is not None
        window.findings.move_to_crosshair(before)
        qtbot.waitUntil(lambda: window.findings.get(made.id) != before)
        found = window.findings.get(made.id)
        assert found is not None
        return found

    within = moved((21, 21, 21))
    assert (within.label, within.volume_ml, within.box) == (made.label, made.volume_ml, made.box)
    other = moved((8, 8, 8))
    assert (other.label, other.volume_ml, other.box) == ("NETC", pytest.approx(ml), Box((8, 8, 8), (9, 9, 9)))
    assert (other.kind, other.lesion) == (made.kind, made.lesion)
    beside = moved((14, 14, 14))
    assert (beside.label, beside.volume_ml, beside.box) == ("", None, None)
    assert beside.source is FindingSource.CROSSHAIR


def test_a_finding_on_a_label_of_the_reader_s_own_takes_it_along(window: MainWindow, qtbot: QtBot) -> None:
    session, visit = window.study.require_session(), window.study.require_visit()
    scheme = GLIOMA_POST_TREATMENT.with_label(Label(5, "HAEM", "Haemorrhage", "#AA0000"))
    session.store.schemes.keep(scheme)
    session.use_scheme(scheme)
    mask = visit.editor.labels.copy()
    mask[8:10, 8:9, 8:9] = 5
    visit.editor.apply("a bleed", mask)
    window.view.crosshair_index = (8, 8, 8)
    qtbot.keyClick(window, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: len(window.findings.all()) == 2)
    made = window.findings.all()[-1]
    assert made.label == "HAEM"
    assert made.volume_ml == pytest.approx(2 * visit.timepoint.grid.voxel_volume_ml)


def test_a_finding_that_is_moved_keeps_a_region_of_the_reader_s_own_profile(window: MainWindow, qtbot: QtBot) -> None:
    visit, profile = window.study.require_visit(), window.findings.profile
    region = Region("HARD", "Enhancing or cyst", (3, 4))
    scheme = replace(profile.scheme, regions=(*profile.scheme.regions, region))
    window.findings._profile = replace(profile, scheme=scheme)
    mask = visit.editor.labels.copy()
    mask[8:10, 8:9, 8:9] = 3
    visit.editor.apply("a lesion", mask)
    box = Box((20, 20, 20), (22, 22, 22))
    finding = replace(FINDING, id=new_id(), label="HARD", source=FindingSource.COMPONENT, box=box, volume_ml=1.0)
    window.findings._added(finding)
    window.view.crosshair_index = (8, 8, 8)
    window.findings.move_to_crosshair(finding)
    qtbot.waitUntil(lambda: window.findings.get(finding.id) not in (None, finding))
    assert window.findings.get(finding.id).label == "HARD"


class Study(QObject):
    """What the Clinical panel asks of the study, on an empty patient with two visits."""

    patient_changed, notice, failed = Signal(), Signal(str), Signal(object)
    patient_key, read_only = PATIENT, False

    def __init__(self) -> None:
        super().__init__()
        store = FakeStore()
        patient = store.add_patient(PATIENT).id or 0
        grid, dates = Grid((4, 4, 4), np.eye(4)), (dt.date(2019, 1, 14), dt.date(2019, 4, 2))
        self.visits = [Timepoint(patient, str(date), i, grid, "T1Gd", date=date) for i, date in enumerate(dates)]
        store.events.add(EVENT)
        self.session = SimpleNamespace(store=store, author="Dr New")
        self.timepoints, self.require_session = (lambda: tuple(self.visits)), (lambda: self.session)


@pytest.fixture
def clinical(qapp: QApplication) -> Iterator[tuple[ClinicalPanel, Study]]:
    study = Study()
    panel = ClinicalPanel(study, {"study.course": QAction()})  # type: ignore[arg-type]
    yield panel, study
    panel.deleteLater()


def test_an_event_may_not_end_before_it_begins_in_whatever_way_both_are_given(
    clinical: tuple[ClinicalPanel, Study],
) -> None:
    panel, study = clinical
    told: list[BaseException] = []
    study.failed.connect(told.append)
    panel.kind.setCurrentIndex(panel.kind.findText("radiotherapy"))
    panel.start.setText("2019-03-01")
    panel.fields["end"].setText("day 5")  # type: ignore[attr-defined]
    panel.save.click()
    assert isinstance(told[0], UserError)
    assert "ends on day 5" in told[0].what
    assert len(panel.events()) == 1


def test_return_keeps_the_event_from_every_field_of_the_form(window: MainWindow, qtbot: QtBot) -> None:
    panel = window.clinical_panel
    window.commands["study.clinical"].trigger()
    qtbot.waitUntil(panel.isVisible)
    panel.kind.setCurrentIndex(panel.kind.findText("KPS"))
    panel.start.setText("day 9")
    score = panel.fields["score"]
    assert isinstance(score, QSpinBox)
    score.setFocus()
    score.selectAll()
    qtbot.keyClicks(score, "80")
    qtbot.keyClick(score, Qt.Key.Key_Return)
    assert [event.score for event in panel.events()] == [None, 80]
    panel.kind.setCurrentIndex(panel.kind.findText("surgery"))
    panel.start.setText("day 3")
    extent = panel.fields["extent"]
    assert isinstance(extent, QComboBox)
    extent.setFocus()
    qtbot.keyClicks(extent, "g")
    qtbot.keyClick(extent, Qt.Key.Key_Return)
    assert [event.kind.value for event in panel.events()] == ["surgery", "steroids", "KPS"]
    window.study.notice.emit("")
    panel.table.setFocus()
    qtbot.keyClick(panel.table, Qt.Key.Key_Return)  # in the list it means nothing
    assert len(panel.events()) == 3


def test_an_event_that_is_half_typed_comes_back_after_a_look_at_another(clinical: tuple[ClinicalPanel, Study]) -> None:
    panel, study = clinical
    told: list[str] = []
    study.notice.connect(told.append)
    panel.show_event(EVENT.id)
    assert not told  # nothing was typed
    panel.new.click()
    panel.kind.setCurrentIndex(panel.kind.findText("KPS"))
    score, dose, text = (panel.fields[name] for name in ("score", "dose_mg", "text"))
    score.setValue(90)  # type: ignore[attr-defined]
    panel.kind.setCurrentIndex(panel.kind.findText("ECOG"))
    assert score.value() == -1  # type: ignore[attr-defined]  # 90 is none of its values
    panel.kind.setCurrentIndex(panel.kind.findText("surgery"))
    panel.start.setText("day 20")
    panel.fields["extent"].setCurrentIndex(1)  # type: ignore[attr-defined]
    extent = panel.fields["extent"].currentText()  # type: ignore[attr-defined]
    panel.table.selectRow(0)
    assert "not recorded" in told[-1]
    assert (panel.start.text(), panel.fields["extent"].currentIndex()) == ("day 7", 0)  # type: ignore[attr-defined]
    dose.setValue(6.0)  # type: ignore[attr-defined]
    text.setText("since the seizure")  # type: ignore[attr-defined]
    panel.new.click()
    shown = panel.kind.currentText(), panel.start.text(), panel.fields["extent"].currentText()  # type: ignore[attr-defined]
    assert shown == ("surgery", "day 20", extent)
    panel.show_event(EVENT.id)
    assert (dose.value(), text.text()) == (6.0, "since the seizure")  # type: ignore[attr-defined]
    panel.save.click()
    assert (panel.start.text(), panel.save.text()) == ("day 20", "Add")  # what was typed before goes on
    panel.save.click()
    assert [(event.kind.value, event.dose_mg) for event in panel.events()] == [("steroids", 6.0), ("surgery", None)]
    assert panel.start.text() == ""
    panel.new.click()
    assert panel.start.text() == ""
    panel.start.setText("day 30")
    for key in ("PAT-0043", PATIENT):  # a look at another patient
        study.patient_key = key
        study.patient_changed.emit()
        assert panel.start.text() == ("day 30" if key == PATIENT else "")


def test_an_event_that_has_no_place_among_the_visits_is_told(clinical: tuple[ClinicalPanel, Study]) -> None:
    panel, study = clinical
    told: list[str] = []
    study.notice.connect(told.append)
    for known, end in ((True, "2019-02-03."), (False, "to place it there.")):
        study.visits = [replace(visit, date=visit.date if known else None, day=9) for visit in study.visits]
        panel.kind.setCurrentIndex(panel.kind.findText("surgery"))
        panel.start.setText("2019-02-03")
        panel.save.click()
        assert told[-1].endswith(end)


def test_ml_of_a_mask_that_is_not_the_newest_are_said_to_be(window: MainWindow, qtbot: QtBot) -> None:
    visit, panel = window.study.require_visit(), window.findings_panel
    newest = max(revision.number for revision in visit.revisions)
    window.findings.change(FINDING, label="ET", volume_ml=2.0, revision=newest)
    window.findings.select(FINDING.id)
    assert panel.measure.text() == "2.0 mL of ET. At x 3 y 3 z 3 mm"
    mask = visit.editor.labels.copy()
    mask[8:10, 8:9, 8:9] = 3
    visit.editor.apply("more", mask)
    window.commands["study.save"].trigger()
    qtbot.waitUntil(lambda: f"mask {newest}; the newest is {newest + 1}." in panel.measure.text())


def test_tooltips_of_the_lists_show_texts_as_they_stand(window: MainWindow) -> None:
    store = window.study.require_session().store
    text = "<b>bold</b> & more"
    window.findings.change(FINDING, text=text)
    store.events.change(replace(EVENT, text=text))
    store.notes.add(Note(PATIENT, text))
    window.study.patient_changed.emit()
    for panel in (window.findings_panel, window.clinical_panel, window.notes_panel):
        tips = [panel.table.item(0, column).toolTip() for column in range(2)]
        assert any("&lt;b&gt;bold&lt;/b&gt; &amp; more" in tip for tip in tips)
