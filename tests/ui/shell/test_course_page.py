"""The course page: plots, table, response with handles for the diameters, targets, decisions."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QLabel, QWidget
from pytestqt.qtbot import QtBot
from shiboken6 import isValid

from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, Label
from glioma_annotator.domain.response import DiameterLine, LesionMeasurement
from glioma_annotator.domain.revision import RevisionOrigin
from glioma_annotator.domain.visit_registration import AcceptedRegistration
from glioma_annotator.progress import CancelToken
from glioma_annotator.ui.dialogs.course_page import CoursePage
from glioma_annotator.ui.dialogs.diameter_editor import DiameterEditor, lines_of, measure_of
from glioma_annotator.ui.viewer.measures import Measure, MeasureKind
from glioma_annotator.ui.window import MainWindow
from glioma_annotator.workflow import measure as measuring
from glioma_annotator.workflow.measure import measure_course

PATIENT, BASELINE = "PAT-0042", "2019-04-02"


def settle(qtbot: QtBot, window: MainWindow) -> None:
    """Wait until no job runs."""
    qtbot.waitUntil(lambda: not window.workers.jobs, timeout=60_000)


@pytest.fixture
def page(bench: Any, qtbot: QtBot) -> CoursePage:
    """The course of a patient whose two lesions grow from the baseline to the last visit."""
    store = bench.store
    patient = store.patient(PATIENT)
    visits = store.timepoints(patient.id)
    for visit, size in ((visits[1], 3), (visits[2], 5)):
        labels = np.zeros(visit.grid.shape, np.uint8)
        labels[8 : 8 + size, 9 : 11 + size, 10 : 10 + size] = 3
        labels[20:23, 20:23, 12:15] = 3
        store.add_revision(visit, labels, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="Dr Old")
    window = bench.open_patient(qtbot, 2)
    window.commands["study.course"].trigger()
    settle(qtbot, window)
    opened = window.dialogs.open
    assert isinstance(opened, CoursePage)
    opened.tabs.setCurrentWidget(opened.response)
    return opened


def window_of(page: CoursePage) -> MainWindow:
    window = page.parentWidget()
    assert isinstance(window, MainWindow)
    return window


def press(qtbot: QtBot, widget: QWidget) -> None:
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)


def tick(qtbot: QtBot, box: QWidget) -> None:
    """Click on the box itself: beside it, in what room the layout gives it, nothing happens."""
    qtbot.mouseClick(box, Qt.MouseButton.LeftButton, pos=QPoint(9, box.height() // 2))


def open_editor(page: CoursePage, qtbot: QtBot, card: int, row: int = 0) -> DiameterEditor:
    press(qtbot, page.response.cards[card].adjusting[row])
    qtbot.waitUntil(lambda: page.editor is not None, timeout=60_000)
    assert page.editor is not None
    page.editor.activateWindow()  # a virtual screen has no window manager; before that, Space is the main window's
    qtbot.waitUntil(page.editor.isActiveWindow)
    return page.editor


def drag(qtbot: QtBot, editor: DiameterEditor, handle: int, by: QPointF) -> None:
    """Pull an end of a diameter with the mouse."""
    start = editor.picture.handles()[handle].toPoint()
    end = QPoint(start.x() + round(by.x()), start.y() + round(by.y()))
    qtbot.mousePress(editor.picture, Qt.MouseButton.LeftButton, pos=start)
    qtbot.mouseMove(editor.picture, end)
    qtbot.mouseRelease(editor.picture, Qt.MouseButton.LeftButton, pos=end)


def table_shows_change_against_baseline_and_nadir_and_the_doubling_time(page: CoursePage) -> None:
    table = page.table
    heads = [table.horizontalHeaderItem(c).text() for c in range(table.columnCount())]
    rows = [{head: table.item(r, c).text() for c, head in enumerate(heads)} for r in range(table.rowCount())]
    first = next(n for n, row in enumerate(rows) if row["Visit"].startswith("2019-10"))
    et = next(row for row in rows[first:] if row["Of"] == "ET")
    voxels_before, voxels_now = 3 * 5 * 3 + 27, 5 * 7 * 5 + 27
    assert et["Volume, mL"] == f"{voxels_now * 0.216:.1f}"
    assert et["Baseline, mL"] == f"{voxels_before * 0.216:.1f}"
    assert et["Since baseline"] == f"{voxels_now / voxels_before - 1:+.0%}"
    assert et["Since nadir"] == et["Since baseline"]
    doubling = 202 * np.log(2) / np.log(voxels_now / voxels_before)
    assert et["Doubling time"] == f"{doubling:.0f} days"


def every_input_is_visible(page: CoursePage) -> None:
    card = page.response.cards[1]
    texts = " ".join(w.accessibleName() for w in card.findChildren(QWidget) if w.accessibleName())
    assert "Inputs of" in texts
    inputs = next(w for w in card.findChildren(QWidget) if w.accessibleName().startswith("Inputs of"))
    for word in ("measured", "baseline", "nadir", "steroids", "clinical state", "KPS", "ECOG", "radiotherapy",
                 "thresholds"):  # fmt: skip
        assert word in inputs.text()  # type: ignore[attr-defined]
    for head in ("Longest", "Across", "Product", "Volume", "Measurable"):
        assert head in [card.table.horizontalHeaderItem(c).text() for c in range(card.table.columnCount())]


def the_wheel_scrolls_the_page_and_changes_no_decision(page: CoursePage) -> None:
    choice = page.response.cards[1].choice
    before, at = choice.currentText(), QPointF(choice.rect().center())
    none, phase = Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase
    wheel = QWheelEvent(
        at, choice.mapToGlobal(at), QPoint(), QPoint(0, -120), Qt.MouseButton.NoButton, none, phase, False
    )
    QApplication.sendEvent(choice, wheel)
    assert choice.currentText() == before
    assert not wheel.isAccepted()


def plots_and_tables_are_written_from_the_window(page: CoursePage, qtbot: QtBot, tmp_path: Path) -> None:
    page.write(str(tmp_path / "out"))
    settle(qtbot, window_of(page))
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        f"{name}.{kind}" for name in ("volumes", "components") for kind in ("svg", "png", "csv")
    }


def test_the_page_shows_and_writes_what_was_measured_and_the_wheel_changes_nothing(
    page: CoursePage, qtbot: QtBot, tmp_path: Path
) -> None:
    table_shows_change_against_baseline_and_nadir_and_the_doubling_time(page)
    every_input_is_visible(page)
    the_wheel_scrolls_the_page_and_changes_no_decision(page)
    plots_and_tables_are_written_from_the_window(page, qtbot, tmp_path)


def test_labels_that_readers_added_are_in_the_table_with_their_colour(page: CoursePage, qtbot: QtBot) -> None:
    window = window_of(page)
    session, visit = window.study.require_session(), window.study.require_visit()
    scheme = GLIOMA_POST_TREATMENT.with_label(Label(7, "HAEM", "Haemorrhage", "#AA0000"))
    session.store.schemes.keep(scheme)
    labels = visit.editor.labels.copy()
    labels[2:4, 2:4, 2:4] = 7
    session.store.add_revision(visit.timepoint, labels, scheme, origin=RevisionOrigin.MANUAL, author="Dr Old")
    page.measure()
    settle(qtbot, window)
    names = [page.table.item(row, 3) for row in range(page.table.rowCount())]
    (row,) = [item.row() for item in names if item.text() == "HAEM" and page.table.item(item.row(), 4).text() == "1.7"]
    assert not page.table.item(row, 3).icon().isNull()


def test_dragging_an_end_changes_the_product_and_the_recorded_measure_enters_the_assistant(
    page: CoursePage, qtbot: QtBot
) -> None:
    card = page.response.cards[1]
    before = card.table.item(0, 4).text()
    assert card.table.item(0, 7).text() == "computed from the mask"
    editor = open_editor(page, qtbot, 1)
    assert not editor.record.isEnabled()
    told, long_mm = editor.product.text(), editor.picture.measure.long_mm
    a, b = editor.picture.handles()[:2]
    drag(qtbot, editor, 1, (a - b) * 0.5)  # half as long
    assert editor.product.text() != told
    assert editor.picture.measure.long_mm == pytest.approx(long_mm / 2, rel=0.1)
    press(qtbot, editor.record)
    settle(qtbot, window_of(page))
    card = page.response.cards[1]
    assert card.table.item(0, 7).text() == "adjusted by Dr New"
    assert card.table.item(0, 4).text() != before
    measured = page._measured
    assert measured is not None
    burden = measured.response.proposals[1].inputs["burden"]
    shown = sum(float(card.table.item(r, 4).text().split()[0]) for r in range(card.table.rowCount()))
    assert burden == pytest.approx(shown, abs=1)
    (stored,) = window_of(page).study.require_session().store.measurements.of_patient(PATIENT)
    assert (stored.adjusted, stored.author) == (True, "Dr New")
    editor = open_editor(page, qtbot, 1)
    assert "adjusted by Dr New" in editor.product.text()
    press(qtbot, editor.back)
    settle(qtbot, window_of(page))
    assert page.response.cards[1].table.item(0, 4).text() == before
    assert page.response.cards[1].table.item(0, 7).text() == "computed from the mask"


def test_diameters_of_an_older_mask_are_marked_and_measured_again_with_one_click(
    page: CoursePage, qtbot: QtBot
) -> None:
    window = window_of(page)
    editor = open_editor(page, qtbot, 1)
    drag(qtbot, editor, 1, QPointF(30, 0))
    press(qtbot, editor.record)
    settle(qtbot, window)
    store = window.study.require_session().store
    (kept,) = store.measurements.of_patient(PATIENT)
    assert kept.revision == 1
    visit = window.study.require_visit().timepoint
    labels = np.zeros(visit.grid.shape, np.uint8)
    labels[8:14, 9:16, 10:15] = 3
    store.add_revision(visit, labels, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="Dr New")
    page.measure()
    settle(qtbot, window)
    table = page.response.cards[1].table
    assert table.item(0, 7).text().startswith("out of date: set by Dr New on mask 1, now mask 2")
    assert any("measure them again" in reason for reason in page._measured.response.proposals[-1].reasons)
    assert not page.response.cards[0].table.isColumnHidden(8)
    assert page.response.cards[0].table.isColumnHidden(9)
    press(qtbot, table.cellWidget(0, 9))
    settle(qtbot, window)
    assert store.measurements.of_patient(PATIENT) == ()
    table = page.response.cards[1].table
    assert table.item(0, 7).text() == "computed from the mask"
    assert table.isColumnHidden(9)


def test_diameters_laid_over_a_slice_are_taken_over_for_the_lesion_under_them(page: CoursePage, qtbot: QtBot) -> None:
    window = window_of(page)
    grid = window.study.require_visit().timepoint.grid
    laid = Measure(MeasureKind.DIAMETERS, grid, 2, 12, np.array([48.0, 60.0]), np.array([84.0, 60.0]))
    laid.erect()
    window.view.aids.measuring.items, window.view.aids.measuring.current = [laid], laid
    window.commands.refresh()
    window.commands["view.attach_diameters"].trigger()
    qtbot.waitUntil(lambda: window.attaching.menu is not None)
    menu = window.attaching.menu
    assert menu is not None
    titles = [action.text() for action in menu.actions()]
    assert len(titles) == 3
    assert "away" not in titles[1]
    assert titles[1].endswith("becomes a finding")
    assert "mm away" in titles[2]
    qtbot.keyClick(menu, Qt.Key.Key_Return)
    store = window.study.require_session().store
    (kept,) = store.measurements.of_patient(PATIENT)
    assert (kept.longest_mm, kept.perpendicular_mm, kept.author) == (pytest.approx(36), pytest.approx(18), "Dr New")
    assert [f.lesion for f in store.findings.of_patient(PATIENT)] == [kept.lesion]
    settle(qtbot, window)  # the page that is open measures anew
    lesion = page._measured.lesions.visits[-1].lesions[0]
    assert (lesion.lesion, lesion.adjusted) == (kept.lesion, True)


def test_ends_move_with_the_keyboard_and_nothing_is_kept_on_escape(page: CoursePage, qtbot: QtBot) -> None:
    editor = open_editor(page, qtbot, 0)
    picture = editor.picture
    picture.setFocus()
    start = picture.measure.points[0].copy()
    qtbot.keyClick(picture, Qt.Key.Key_Space)
    qtbot.keyClick(picture, Qt.Key.Key_Left)
    assert "start of the first diameter" in editor.product.text()
    assert np.linalg.norm(picture.measure.points[0] - start) == pytest.approx(0.5)
    number = picture.measure.number
    qtbot.keyClick(picture, Qt.Key.Key_PageUp)
    assert picture.measure.number == number + 1
    assert editor.record.isEnabled()
    qtbot.keyClick(editor, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: page.editor is None)
    assert not window_of(page).study.require_session().store.measurements.of_patient(PATIENT)


def test_the_reader_chooses_the_target_lesions(page: CoursePage, qtbot: QtBot) -> None:
    boxes = page.response.cards[0].targets
    assert len(boxes) == 2
    assert all(box.isChecked() for box in boxes)
    tick(qtbot, boxes[1])
    card = page.response.cards[1]
    assert [card.table.item(r, 0).text() for r in range(2)].count("target") == 1
    measured = page._measured
    assert measured is not None
    assert len(measured.response.targets) == 1
    assert "chosen by Dr New" in page.response.widget().layout().itemAt(0).widget().text()  # type: ignore[union-attr]
    press(qtbot, page.response.cards[0].record)  # deciding on the baseline keeps the choice
    assert [box.isChecked() for box in page.response.cards[0].targets].count(True) == 1
    for box in page.response.cards[0].targets:
        if box.isChecked():
            tick(qtbot, box)
            break
    assert all(box.isChecked() for box in page.response.cards[0].targets)  # none chosen: the rule chooses
    shown = page.response.cards
    shown[0].targets[0].setChecked(False)
    page._assess()
    assert page.response.cards == shown and shown[0].targets[0].isChecked()  # what says the same is not made anew


def test_a_decision_is_recorded_with_name_and_date_and_builds_on_the_reader_s_judgement(
    page: CoursePage, qtbot: QtBot
) -> None:
    card = page.response.cards[1]
    assert "PD" in card.choice.currentText()
    tick(qtbot, card.worse)
    card = page.response.cards[1]
    assert card.worse.isChecked()
    card.choice.setCurrentIndex(card.choice.findText("SD"))
    qtbot.keyClicks(card.comment, "Radiation necrosis")
    press(qtbot, card.record)
    said = page.response.cards[1].said.text()
    assert said.startswith("SD, decided by Dr New on 20")
    assert page.response.cards[1].comment.text() == "Radiation necrosis"
    page.method.setCurrentIndex(1)
    page.method.activated.emit(1)
    assert page.response.cards[1].said.text() == "Not decided yet"  # by volumes


def test_what_is_chosen_and_typed_for_a_visit_outlives_decisions_on_others(page: CoursePage, qtbot: QtBot) -> None:
    card = page.response.cards[1]
    card.choice.setCurrentIndex(card.choice.findText("not evaluable"))
    qtbot.keyClicks(card.comment, "Motion")
    press(qtbot, page.response.cards[0].record)
    tick(qtbot, page.response.cards[1].worse)
    card = page.response.cards[1]
    assert (card.choice.currentText(), card.comment.text()) == ("not evaluable", "Motion")
    page.method.setCurrentIndex(1)
    page.method.activated.emit(1)
    assert page.response.cards[1].comment.text() == ""  # by volumes nothing was typed
    page.method.setCurrentIndex(0)
    page.method.activated.emit(0)
    press(qtbot, page.response.cards[1].record)
    assert page.response.cards[1].said.text().startswith("not evaluable, decided by Dr New")


def test_events_and_registrations_of_meanwhile_enter_the_proposals(page: CoursePage, qtbot: QtBot) -> None:
    window = window_of(page)
    store = window.study.require_session().store
    lies = tuple(float(value) for value in np.eye(4).flat)
    registration = AcceptedRegistration(PATIENT, "2019-10-21", BASELINE, lies, "rigid", author="Dr Old")
    score = ClinicalEvent(PATIENT, EventKind.KPS, date=dt.date(2019, 10, 1), score=60)
    added = (lambda: store.registrations.add(registration), lambda: store.events.add(score))
    for record, back in zip(added, (page.activateWindow, window.commands["study.course"].trigger), strict=True):
        record()
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow)
        back()
        qtbot.waitUntil(lambda: "measuring anew" in page.told.text())
        assert not page.response.cards[1].record.isEnabled()
        settle(qtbot, window)
    inputs = [w.text() for w in page.response.cards[1].findChildren(QLabel) if "KPS: " in w.text()]
    assert "KPS: 60" in inputs[0]
    assert window.findChildren(CoursePage) == [page]


def test_a_patient_without_masks_is_told_what_to_do(bench: Any, qtbot: QtBot) -> None:
    window = bench.open_window()
    window.study.open_patient("PAT-0043")
    qtbot.waitUntil(lambda: window.study.visit is not None)
    window.commands["study.course"].trigger()
    settle(qtbot, window)
    assert "Segment a visit first" in window.dialogs.open.told.text()


def test_lines_survive_the_way_to_the_editor_and_back() -> None:
    from courses import GRID

    one = DiameterLine((-30.0, -20.0, 10.0), (-6.0, -2.0, 10.0))
    other = DiameterLine((-24.0, -3.0, 10.0), (-12.0, -19.0, 10.0))
    made = LesionMeasurement("P", "V0", "L1", 30.0, 20.0, one, other)
    measure = measure_of(made, GRID)
    assert measure is not None
    for line, expected in zip(lines_of(measure), (one, other), strict=True):
        assert line.start_mm == pytest.approx(expected.start_mm, abs=1e-6)
        assert line.end_mm == pytest.approx(expected.end_mm, abs=1e-6)


def save_bigger(window: MainWindow) -> None:
    """A revision in which the growing lesion of the open visit is larger."""
    visit = window.study.require_visit()
    labels = visit.editor.labels.copy()
    labels[8:15, 9:18, 10:16] = 3
    visit.editor.apply("Grow", labels)
    window.commands["study.save"].trigger()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Open; measuring waits while a test has closed it."""
    opened = threading.Event()
    opened.set()

    def measure(store: Any, course: Any, profile: Any, report: Any, cancel: CancelToken) -> Any:
        while not opened.wait(0.01):
            cancel.raise_if_cancelled()
        return measure_course(store, course, profile, report, cancel)

    monkeypatch.setattr(measuring, "measure_course", measure)
    yield opened
    opened.set()


def test_a_mask_saved_since_is_measured_before_anything_can_be_decided(
    gate: threading.Event, page: CoursePage, qtbot: QtBot
) -> None:
    window = window_of(page)
    shown = page.response.cards[1].table.item(0, 5).text()
    gate.clear()
    save_bigger(window)
    qtbot.waitUntil(lambda: "measuring anew" in page.told.text())
    assert not page.response.cards[1].record.isEnabled()
    assert not page.export.isEnabled()
    gate.set()
    settle(qtbot, window)
    card = page.response.cards[1]
    assert card.record.isEnabled()
    assert card.table.item(0, 5).text() != shown
    assert card.table.item(0, 5).text() == f"{7 * 9 * 6 * 0.216:.1f} mL"


def test_only_a_mask_that_counts_is_measured_anew_and_another_patient_closes_the_page(
    page: CoursePage, qtbot: QtBot
) -> None:
    window = window_of(page)
    measured = page._measured
    window.study.patient_changed.emit()
    assert page._job is None
    assert page._measured is measured
    window.study.open_patient("PAT-0043")
    qtbot.waitUntil(lambda: not isValid(page))


def test_a_course_that_is_closed_while_it_is_measured_ends_quietly(
    gate: threading.Event, page: CoursePage, qtbot: QtBot
) -> None:
    window = window_of(page)
    gate.clear()
    page.measure()
    (job,) = window.workers.jobs
    page.reject()
    qtbot.waitUntil(lambda: not isValid(page))
    assert job.cancel_token.cancelled
    settle(qtbot, window)


def test_what_is_read_for_a_closed_course_is_dropped(page: CoursePage, qtbot: QtBot) -> None:
    window = window_of(page)
    page.adjust(1, 0)
    page._measure_again()
    page.reject()
    qtbot.waitUntil(lambda: not isValid(page))
    settle(qtbot, window)  # an error dialog would fail the test as it ends


def test_the_method_chosen_while_measuring_counts(gate: threading.Event, page: CoursePage, qtbot: QtBot) -> None:
    gate.clear()
    page.measure()
    page.method.setCurrentIndex(1)
    page.method.activated.emit(1)
    gate.set()
    settle(qtbot, window_of(page))
    assert page._measured is not None
    assert page._measured.response.proposals[-1].inputs["unit"] == "mL"
