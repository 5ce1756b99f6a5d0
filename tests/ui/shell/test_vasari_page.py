"""The VASARI sheet in the window: computed on a worker, confirmed, changed, compared, written."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit
from pytestqt.qtbot import QtBot
from shiboken6 import isValid

from glioma_annotator.domain.task_profile import TaskProfile
from glioma_annotator.domain.vasari import VasariEntry
from glioma_annotator.progress import CancelToken, Progress, Report
from glioma_annotator.ui.dialogs.vasari_page import VasariPage
from glioma_annotator.ui.window import MainWindow
from glioma_annotator.workflow import vasari_sheet
from glioma_annotator.workflow.patient_course import PatientCourse
from glioma_annotator.workflow.ports import Store
from glioma_annotator.workflow.vasari_entry import current_sheet

PATIENT = "PAT-0042"
FIRST, SECOND, LAST = "2019-01-14", "2019-04-02", "2019-10-21"


#: What the mask is taken to give; how it is computed is tested without a window.
COMPUTED = {"F2": "1", "F5": "4", "F7": "3", "F26": "6", "F29": "31.0"}


@pytest.fixture
def gate() -> threading.Event:
    """Open; the computation waits while a test has closed it."""
    made = threading.Event()
    made.set()
    return made


@pytest.fixture
def window(bench, gate: threading.Event, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[MainWindow]:  # type: ignore[no-untyped-def]
    def propose(  # as `workflow.vasari_sheet.propose_sheet`
        store: Store, course: PatientCourse, index: int, profile: TaskProfile, cancel: CancelToken, report: Report
    ) -> tuple[VasariEntry, ...]:
        while not gate.wait(0.01):
            report(Progress(0.5, "Finding the midline"))
            cancel.raise_if_cancelled()
        key = course.visits[index].timepoint.key
        return tuple(
            VasariEntry(PATIENT, key, feature, value, computed=True, reason="5.36 of 54.28 mL.", revision=1)
            for feature, value in COMPUTED.items()
        )

    monkeypatch.setattr(vasari_sheet, "propose_sheet", propose)
    yield bench.open_patient(qtbot, 1)
    gate.set()


def sheet(window: MainWindow, visit: str) -> dict[str, VasariEntry]:
    return dict(current_sheet(window.study.require_session().store, PATIENT, visit))


def opened(window: MainWindow, qtbot: QtBot) -> VasariPage:
    qtbot.keyClick(window, Qt.Key.Key_F8)
    page = window.dialogs.open
    assert isinstance(page, VasariPage)
    settle(window, qtbot)
    return page


def settle(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not window.workers.jobs)


def test_the_mask_s_features_are_offered_confirmed_and_changed(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    page = opened(window, qtbot)
    assert page.visit.currentData() == SECOND
    assert page.other.currentData() == FIRST  # the visit before
    assert list(page.rows) == [f"F{n}" for n in range(1, 31)]
    offered = sheet(window, SECOND)
    assert {feature: e.value for feature, e in offered.items()} == COMPUTED
    assert all(e.computed and not e.confirmed and e.revision == 1 for e in offered.values())
    row = page.rows["F5"]
    assert "computed, to be confirmed" in row.status.text()
    assert "mL" in row.status.text()
    assert f"{len(offered)} of them computed" in page.told.text()

    qtbot.mouseClick(row.agree, Qt.MouseButton.LeftButton)
    kept = sheet(window, SECOND)["F5"]
    assert (kept.confirmed, kept.author) == (True, "Dr New")
    assert not row.agree.isVisibleTo(page)
    side = page.rows["F1"].field
    side.setFocus()
    qtbot.keyClick(side, "t")  # temporal
    chosen = sheet(window, SECOND)["F1"]
    assert (chosen.value, chosen.computed) == ("2", False)
    size = page.rows["F29"].field
    assert isinstance(size, QLineEdit)
    size.setFocus()
    size.selectAll()
    qtbot.keyClicks(size, "long")
    qtbot.keyClick(size, Qt.Key.Key_Return)
    assert "Write a figure in mm" in page.rows["F29"].status.text()
    assert size.text() == "long"
    size.selectAll()
    qtbot.keyClicks(size, "41,5")
    qtbot.keyClick(size, Qt.Key.Key_Return)
    assert sheet(window, SECOND)["F29"].value == "41.5"
    assert size.text() == "41.5 mm"

    qtbot.mouseClick(page.confirm_all, Qt.MouseButton.LeftButton)
    assert all(e.confirmed for e in sheet(window, SECOND).values())
    qtbot.mouseClick(page.compute, Qt.MouseButton.LeftButton)
    settle(window, qtbot)
    assert sheet(window, SECOND)["F29"].value == "41.5"  # a computation leaves the reader's value
    page.write(str(tmp_path / "sheets.csv"))
    settle(window, qtbot)
    assert "temporal" in (tmp_path / "sheets.csv").read_text(encoding="utf-8")


def test_a_sheet_is_compared_with_the_visit_before(window: MainWindow, qtbot: QtBot) -> None:
    store = window.study.require_session().store
    for visit, value in ((FIRST, "1"), (LAST, "3")):
        store.vasari.add(VasariEntry(PATIENT, visit, "F2", value, confirmed=True))
        store.vasari.add(VasariEntry(PATIENT, visit, "F8", "1", confirmed=True))
    store.vasari.add(VasariEntry(PATIENT, SECOND, "F5", "4", computed=True, revision=1))  # computed from already
    page = opened(window, qtbot)
    assert [e.feature for e in sheet(window, SECOND).values()] == ["F5"]
    page.visit.show_value(LAST)
    page.visit.chosen.emit()
    assert "no mask" in page.told.text()
    assert not page.compute.isEnabled()
    page.other.show_value(FIRST)
    page.other.chosen.emit()
    assert page.rows["F2"].before.text() == "right"
    page.only_changed.setChecked(True)
    assert page.rows["F2"].title.isVisibleTo(page)
    assert not page.rows["F8"].title.isVisibleTo(page)


def test_a_computation_can_be_cancelled_and_asked_for_again(
    window: MainWindow, gate: threading.Event, qtbot: QtBot
) -> None:
    gate.clear()
    qtbot.keyClick(window, Qt.Key.Key_F8)
    page = window.dialogs.open
    assert isinstance(page, VasariPage)
    (job,) = window.workers.jobs
    qtbot.waitUntil(lambda: job.progress.message == "Finding the midline")
    assert not page.compute.isEnabled()
    job.cancel()
    settle(window, qtbot)
    assert page.compute.isEnabled()
    assert "0 of 30" in page.told.text()
    gate.set()
    qtbot.mouseClick(page.compute, Qt.MouseButton.LeftButton)
    settle(window, qtbot)
    assert "F5" in sheet(window, SECOND)


def test_a_sheet_that_is_closed_while_it_is_computed_ends_quietly(
    window: MainWindow, gate: threading.Event, qtbot: QtBot
) -> None:
    gate.clear()
    qtbot.keyClick(window, Qt.Key.Key_F8)
    page = window.dialogs.open
    assert isinstance(page, VasariPage)
    (job,) = window.workers.jobs
    page.reject()
    qtbot.waitUntil(lambda: not isValid(page))
    assert job.cancel_token.cancelled
    settle(window, qtbot)
    assert sheet(window, SECOND) == {}


def test_each_visit_is_computed_once_at_a_time(window: MainWindow, gate: threading.Event, qtbot: QtBot) -> None:
    gate.clear()
    qtbot.keyClick(window, Qt.Key.Key_F8)
    page = window.dialogs.open
    assert isinstance(page, VasariPage)
    for visit in (FIRST, SECOND):  # there and back
        page.visit.show_value(visit)
        page.visit.chosen.emit()
    assert len(window.workers.jobs) == 2
    assert not page.compute.isEnabled()
    gate.set()
    settle(window, qtbot)
    assert page.compute.isEnabled()


def test_a_figure_that_is_being_typed_stays_when_a_computation_ends(
    window: MainWindow, gate: threading.Event, qtbot: QtBot
) -> None:
    gate.clear()
    qtbot.keyClick(window, Qt.Key.Key_F8)
    page = window.dialogs.open
    assert isinstance(page, VasariPage)
    field = page.rows["F29"].field
    assert isinstance(field, QLineEdit)
    page.activateWindow()
    field.setFocus()
    qtbot.waitUntil(field.hasFocus)
    qtbot.keyClicks(field, "44")
    gate.set()
    settle(window, qtbot)
    assert sheet(window, SECOND)["F29"].value == "31.0"
    assert field.text() == "44"
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert field.text() == "44.0 mm"
    assert sheet(window, SECOND)["F29"].value == "44.0"
    field.setText("half")
    page.visit.show_value(FIRST)
    page.visit.chosen.emit()
    settle(window, qtbot)
    assert field.text() == "31.0 mm"
