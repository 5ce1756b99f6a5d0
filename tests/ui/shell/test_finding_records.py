"""Search, cohort page and what keeps records, in the window, by keys and clicks."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QInputDialog, QMessageBox, QWidget
from pytestqt.qtbot import QtBot
from shiboken6 import isValid

from glioma_annotator.domain.archive import MergeSummary
from glioma_annotator.domain.cohort import CohortHit, CohortResult
from glioma_annotator.domain.finding import Finding
from glioma_annotator.domain.note import Note, NoteKind
from glioma_annotator.domain.patient import TreatmentPhase
from glioma_annotator.domain.patient_identity import PatientIdentity
from glioma_annotator.errors import UserError
from glioma_annotator.ui import search_box
from glioma_annotator.ui.dialogs import records_page
from glioma_annotator.ui.dialogs.backups_page import BackupsPage
from glioma_annotator.ui.dialogs.cohort_page import CohortPage
from glioma_annotator.ui.dialogs.identities import IdentityDialog
from glioma_annotator.ui.dialogs.patient_archives import ExportArchiveDialog, ImportArchiveDialog
from glioma_annotator.ui.dialogs.records_page import RecordsPage
from glioma_annotator.ui.window import MainWindow

PATIENT, OTHER = "PAT-0042", "PAT-0043"
FIRST, LAST = "2019-01-14", "2019-10-21"
CONTROL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def window(bench, qtbot: QtBot) -> Iterator[MainWindow]:  # type: ignore[no-untyped-def]
    store = bench.store
    # voxel (15, 17, 14) of the bench's grid: 6 mm voxels from (-87, -99, -81)
    store.findings.add(Finding(PATIENT, FIRST, "satellite", (3.0, 3.0, 3.0), text="small ring lesion", author="Dr Old"))
    store.notes.add(Note(OTHER, "leptomeningeal spread is possible", NoteKind.REPORT, "MRI report", FIRST, "Dr Old"))
    yield bench.open_window()


def search(window: MainWindow, qtbot: QtBot, words: str) -> None:
    qtbot.keyClick(window, Qt.Key.Key_F, CONTROL)
    assert window.search_box.hasFocus()
    qtbot.keyClicks(window.search_box, words)
    qtbot.waitUntil(lambda: window.search_box.popup.isVisible() and not window.search_box.searching)


def found(window: MainWindow) -> list[str]:
    items = (window.search_box.list.topLevelItem(row) for row in range(window.search_box.list.topLevelItemCount()))
    return [" ".join(item.text(column) for column in range(4)) for item in items if item is not None]


def test_words_are_found_as_they_are_typed_and_return_opens_the_place(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shortened(text: str, _query: str) -> str:
        cutting.append(threading.current_thread())
        return text

    cutting: list[threading.Thread] = []
    monkeypatch.setattr(search_box, "excerpt", shortened)
    search(window, qtbot, "ring les")
    assert found(window) == [f"{PATIENT} {FIRST} finding satellite: small ring lesion"]
    assert cutting and threading.main_thread() not in cutting  # a hundred long reports take a fifth of a second
    qtbot.keyClick(window.search_box, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.view.crosshair_index == (15, 17, 14))
    assert window.study.patient_key == PATIENT
    assert window.study.visit is not None
    assert window.study.visit.timepoint.key == FIRST
    assert window.findings.current == window.findings.all()[0].id
    assert not window.search_box.popup.isVisible()
    assert not window.search_box.hasFocus()


def test_a_click_opens_a_report_of_another_patient_at_its_visit(window: MainWindow, qtbot: QtBot) -> None:
    search(window, qtbot, "leptomen")
    item = window.search_box.list.topLevelItem(0)
    assert item is not None
    place = window.search_box.list.visualItemRect(item).center()
    qtbot.mouseClick(window.search_box.list.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.waitUntil(lambda: window.study.visit is not None)
    assert window.study.patient_key == OTHER


def test_what_is_not_there_is_said_and_escape_leaves_the_field(window: MainWindow, qtbot: QtBot) -> None:
    search(window, qtbot, "abscess")
    assert found(window) == []
    assert "holds all of these words" in window.search_box.told.text()
    qtbot.keyClick(window.search_box, Qt.Key.Key_Escape)
    assert not window.search_box.popup.isVisible()


def test_the_search_can_be_kept_to_the_open_patient(window: MainWindow, qtbot: QtBot) -> None:
    window.study.open_patient(PATIENT)
    qtbot.waitUntil(lambda: window.study.visit is not None and not window.workers.jobs)
    search(window, qtbot, "leptomen")
    assert len(found(window)) == 1
    qtbot.mouseClick(window.search_box.only_patient, Qt.MouseButton.LeftButton)
    assert window.search_box.only_patient.isChecked()
    qtbot.waitUntil(lambda: not found(window))
    assert window.search_box.popup.isVisible()


def test_letters_typed_in_the_search_field_are_no_commands(window: MainWindow, qtbot: QtBot) -> None:
    window.study.open_patient(PATIENT)
    qtbot.waitUntil(lambda: window.study.visit is not None and not window.workers.jobs)
    tool = window.reading.tool
    search(window, qtbot, "be1,.")
    assert window.search_box.text() == "be1,."
    assert window.reading.tool is tool


# the cohort page


HITS = CohortResult(
    (
        CohortHit(
            PATIENT, FIRST, dt.date(2019, 1, 14), None, TreatmentPhase.PRE_OPERATIVE, (3.0, 3.0, 3.0), "", {"ET": 9}
        ),
        CohortHit(OTHER, FIRST, dt.date(2019, 1, 14), None, TreatmentPhase.FOLLOW_UP, None, "", {"ET": 11.5}),
    ),
    2,
    2,
)


@pytest.fixture
def page(bench, window: MainWindow, qtbot: QtBot) -> CohortPage:  # type: ignore[no-untyped-def]
    bench.store.cohort.result = HITS
    qtbot.keyClick(window, Qt.Key.Key_F, CONTROL | Qt.KeyboardModifier.ShiftModifier)
    cohort = window.keeping.cohort
    assert cohort is not None
    assert cohort.isVisible()
    return cohort


def write(page: CohortPage, qtbot: QtBot, question: str) -> None:
    page.text.clear()
    qtbot.keyClicks(page.text, question)
    qtbot.keyClick(page.text, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not page.asking)


def cells(page: CohortPage, column: int) -> list[str]:
    return [page.model.index(row, column).data() for row in range(page.model.rowCount())]


def test_a_written_question_shows_as_rows_and_lists_its_visits_or_is_explained_at_its_place(
    page: CohortPage, qtbot: QtBot
) -> None:
    assert "Write a question above" in page.told.text()
    write(page, qtbot, "IDH-wildtype, MGMT methylated, ET volume up 40 % from nadir")
    assert [row.subject for row in page.builder.rows] == ["marker IDH", "marker MGMT", "change ET"]
    assert page.told.text() == "2 visits of 2 patients."
    assert cells(page, 0) == [PATIENT, OTHER]  # as found, by no column
    assert cells(page, 5) == ["9.0", "11.5"]
    write(page, qtbot, "idh mutant")  # the list sorts by a click on its head
    assert page.selected == HITS.hits[0]
    page.table.sortByColumn(5, Qt.SortOrder.DescendingOrder)
    assert cells(page, 0) == [OTHER, PATIENT]
    assert page.selected == HITS.hits[0]  # the chosen visit, wherever it goes
    page.table.sortByColumn(6, Qt.SortOrder.DescendingOrder)  # what has no place comes last either way
    assert cells(page, 0) == [PATIENT, OTHER]
    write(page, qtbot, "idh = purple")
    assert "<u>purple</u>" in page.told.text()
    assert "a result was expected" in page.told.text()
    assert page.model.rowCount() == 0
    assert not page.export.isEnabled()
    write(page, qtbot, "idh mutant and (mgmt methylated or had surgery)")
    assert "edit its text" in page.builder.told.text()
    assert page.builder.rows == ()
    assert not page.builder.add.isEnabled()
    assert cells(page, 0) == [PATIENT, OTHER]


def test_rows_write_the_question(page: CohortPage, qtbot: QtBot) -> None:
    qtbot.mouseClick(page.builder.add, Qt.MouseButton.LeftButton)
    editor = page.builder.editors[0]
    assert page.text.text() == "IDH = mutant"
    editor.group.setCurrentText("Finding")
    editor.group.activated.emit(editor.group.currentIndex())
    value = page.builder.editors[0].value
    assert isinstance(value, QComboBox)
    assert value.findText("Satellite") >= 0  # the profile's vocabulary
    value.setCurrentIndex(value.findText("Satellite"))
    value.activated.emit(value.currentIndex())
    qtbot.mouseClick(page.builder.add, Qt.MouseButton.LeftButton)
    second = page.builder.editors[1]
    second.subject.setCurrentIndex(second.subject.findData("finding.volume"))
    second.subject.activated.emit(second.subject.currentIndex())
    volume = page.builder.editors[1].value
    assert isinstance(volume, QDoubleSpinBox)
    volume.setValue(0.5)
    assert page.text.text() == "finding kind = satellite and finding volume >= 0.5 ml"
    qtbot.keyClick(second.same, Qt.Key.Key_Space)
    assert page.text.text() == "finding where (kind = satellite and volume >= 0.5 ml)"
    qtbot.mouseClick(second.remove, Qt.MouseButton.LeftButton)
    assert page.text.text() == "finding kind = satellite"
    qtbot.waitUntil(lambda: not page.asking)


def test_a_hit_opens_the_image_at_its_place_and_the_next_follows_by_a_key(  # type: ignore[no-untyped-def]
    bench, page: CohortPage, window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(page, qtbot, "idh mutant")
    qtbot.waitUntil(lambda: page.focusWidget() is page.table)  # by Return
    assert page.isVisible()
    page.table.selectRow(0)
    qtbot.keyClick(page.table, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.view.crosshair_index == (15, 17, 14))
    assert window.study.patient_key == PATIENT
    assert not page.isVisible()
    window.activateWindow()
    window.commands["find.next"].trigger()
    qtbot.waitUntil(lambda: window.study.patient_key == OTHER and window.study.visit is not None)
    qtbot.keyClick(window, Qt.Key.Key_F, CONTROL | Qt.KeyboardModifier.ShiftModifier)
    assert page.isVisible()
    assert page.question == "idh mutant"
    page.hide()
    monkeypatch.setattr(bench.store.cohort, "labels", lambda: ("ET", "Cyst wall"))  # one was added meanwhile
    page.show()
    assert page.question == "idh mutant"
    assert [row.subject for row in page.builder.rows] == ["marker IDH"]
    write(page, qtbot, "cyst wall volume > 1 ml")
    assert [row.subject for row in page.builder.rows] == ["volume Cyst wall"]


def test_questions_are_saved_renamed_taken_and_deleted(bench, page: CohortPage, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    write(page, qtbot, "idh mutant")
    page.saved.save_as("Mutants")
    assert [(q.name, q.text, q.author) for q in bench.store.cohort.saved()] == [("Mutants", "idh mutant", "Dr New")]
    page.saved.rename_to("Mutants", "All mutants")
    write(page, qtbot, "had surgery")
    chosen = page.saved.choice
    chosen.setCurrentIndex(chosen.findText("All mutants"))
    chosen.activated.emit(chosen.currentIndex())
    assert page.question == "idh mutant"
    write(page, qtbot, "ET > 1")
    page.saved.save_as("Large")
    write(page, qtbot, "ET > 2")
    qtbot.mouseClick(page.saved.save, Qt.MouseButton.LeftButton)
    named = page.saved.findChild(QInputDialog)
    assert named.textValue() == "Large"
    named.setTextValue(" All mutants ")  # of another question than the chosen one: asked before it is replaced
    named.accept()
    asked = page.saved.findChild(QMessageBox)
    assert "“All mutants”" in asked.text()
    assert [q.text for q in bench.store.cohort.saved()] == ["idh mutant", "ET > 1"]
    qtbot.mouseClick(asked.button(QMessageBox.StandardButton.Cancel), Qt.MouseButton.LeftButton)
    assert [q.text for q in bench.store.cohort.saved()] == ["idh mutant", "ET > 1"]
    page.saved.forget_question("Large")
    page.saved.forget_question("All mutants")
    assert bench.store.cohort.saved() == ()
    qtbot.waitUntil(lambda: not page.asking)


def test_what_was_found_is_exported(page: CohortPage, qtbot: QtBot, tmp_path: Path, window: MainWindow) -> None:
    write(page, qtbot, "idh mutant")
    files = [tmp_path / f"found.{kind}" for kind in ("csv", "json", "parquet")]
    for file in files:
        page.write(file)
    qtbot.waitUntil(  # pyarrow is imported
        lambda: all(file.exists() for file in files) and not window.workers.jobs, timeout=30_000
    )
    table, plain, packed = files
    assert table.read_text().splitlines()[1].startswith(f"{PATIENT},{FIRST},2019-01-14")
    assert [row["ET_ml"] for row in json.loads(plain.read_text())] == [9, 11.5]
    assert packed.read_bytes()[:4] == b"PAR1"


# what keeps records


def test_a_deleted_record_comes_back_and_every_change_is_listed(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.study.open_patient(PATIENT)
    qtbot.waitUntil(lambda: window.study.visit is not None and not window.workers.jobs)
    finding = window.findings.all()[0]
    window.findings.change(finding, text="larger ring lesion")
    window.findings.delete(window.findings.all()[0])
    window.commands["study.deleted"].trigger()
    page = window.dialogs.open
    assert isinstance(page, RecordsPage)
    assert page.deleted.rowCount() == 1
    assert page.deleted.item(0, 1).text() == "satellite: larger ring lesion"
    qtbot.mouseClick(page.restore_button, Qt.MouseButton.LeftButton)
    assert page.deleted.isHidden()
    assert window.findings_panel.table.rowCount() == 1
    qtbot.waitUntil(lambda: page.changes.rowCount() == 4)
    done = [page.changes.item(row, 2).text() for row in range(4)]
    assert done == ["restored", "deleted", "changed", "added"]
    page.changes.selectRow(2)
    assert [page.fields.item(0, column).text() for column in range(3)] == [
        "text",
        "small ring lesion",
        "larger ring lesion",
    ]
    page.filter.setText("deleted")
    assert page.changes.rowCount() == 1
    monkeypatch.setattr(records_page, "_MOST_OF_PATIENT", 4)
    monkeypatch.setattr(records_page, "_MOST", 3)
    told: list[object] = []  # cell by cell, every column would be measured anew for each: a minute for 500 changes
    page.changes.model().dataChanged.connect(lambda *_: told.append(_))
    page.filter.clear()
    page._ask()
    qtbot.waitUntil(lambda: page.told.text().startswith("4 changes of the newest 4, the newest 3 are listed. "))
    assert (page.changes.rowCount(), told) == (3, [])
    window.findings.delete(window.findings.all()[0])
    page._show_deleted()
    window.findings.restore(finding.id)  # in the panel, while the page is open
    with qtbot.waitSignal(window.study.notice, check_params_cb=lambda text: text.startswith("Restored already")):
        page.restore()
    assert page.deleted.isHidden()
    page.close()


def test_an_identity_is_shown_only_when_asked_for_and_recorded(bench, window: MainWindow, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    bench.store.identities.set(PATIENT, PatientIdentity("Jane Doe", dt.date(1958, 7, 31), "123"))
    window.study.open_patient(PATIENT)
    qtbot.waitUntil(lambda: window.study.visit is not None and not window.workers.jobs)
    window.commands["study.identity"].trigger()
    dialog = window.dialogs.open
    assert isinstance(dialog, IdentityDialog)
    assert dialog.name.text() == ""
    qtbot.mouseClick(dialog.show_button, Qt.MouseButton.LeftButton)
    assert (dialog.name.text(), dialog.birth_date.text()) == ("Jane Doe", "1958-07-31")
    for wrong in ("someday", "1958", "2958-07-31"):
        dialog.birth_date.setText(wrong)
        qtbot.mouseClick(dialog.save, Qt.MouseButton.LeftButton)
        assert dialog.wrong.text() == f"“{wrong}” is no birth date. Write 1958-07-31."
    dialog.birth_date.setText("31.7.1959")
    dialog.record_number.setText("124")
    qtbot.mouseClick(dialog.save, Qt.MouseButton.LeftButton)
    assert bench.store.identities.get(PATIENT) == PatientIdentity("Jane Doe", dt.date(1959, 7, 31), "124")


def test_a_patient_is_exported_without_identities_unless_asked(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    window.study.open_patient(PATIENT)
    qtbot.waitUntil(lambda: window.study.visit is not None and not window.workers.jobs)
    for identities in (False, True):
        window.commands["file.export_patient"].trigger()
        dialog = window.dialogs.open
        assert isinstance(dialog, ExportArchiveDialog)
        assert not dialog.identities.isChecked()
        dialog.file.setText(str(tmp_path / f"out-{identities}"))
        dialog.identities.setChecked(identities)
        qtbot.mouseClick(dialog.start, Qt.MouseButton.LeftButton)
        file = tmp_path / f"out-{identities}.zip"
        qtbot.waitUntil(lambda there=file: there.exists() and not window.workers.jobs)
        assert file.read_text() == (f"{PATIENT} with identities" if identities else PATIENT)


def test_what_an_archive_or_a_restored_copy_brings_up_stays_until_it_is_read(  # type: ignore[no-untyped-def]
    bench, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    faults = ["patients/P/V/T1.nii.gz is missing.", "patients/P/V/T2.nii.gz is missing."]
    window = bench.open_window(restore_backup=lambda *_args: faults)
    summary = MergeSummary(PATIENT, visits=1, warnings=["Mask 2 is older than the mask of this visit."])
    monkeypatch.setattr(bench.store, "import_patient", lambda *_args, **_named: summary)
    window.keeping.read_archive(tmp_path / "a.zip", "")
    qtbot.waitUntil(lambda: not window.workers.jobs and window.banner.isVisible())
    assert window.banner.text.text() == summary.warnings[0]
    assert "1 visit" in window.status.notice.text()
    window.keeping.restore(tmp_path / "daily.db", bench.store.path)
    qtbot.waitUntil(lambda: not window.workers.jobs and window.banner.text.text() == "\n".join(faults))
    assert window.banner.isVisible()


def test_a_refused_archive_is_explained(bench, window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    bench.store.failures["import_patient"] = UserError("The archive is refused: it is damaged.", "Nothing was changed.")
    told: list[BaseException] = []
    window.study.failed.disconnect(window.errors.show)
    window.study.failed.connect(told.append)
    window.commands["file.import_patient"].trigger()
    dialog = window.dialogs.open
    assert isinstance(dialog, ImportArchiveDialog)
    assert not dialog.start.isEnabled()
    (tmp_path / "bad.zip").write_bytes(b"x")
    dialog.file.setText(str(tmp_path / "bad.zip"))
    qtbot.mouseClick(dialog.start, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(told))
    assert "is refused" in str(told[0])


def test_the_schedule_is_kept_and_a_copy_restored_with_the_workspace_closed(
    bench,
    qtbot: QtBot,
    tmp_path: Path,  # type: ignore[no-untyped-def]
) -> None:
    during: list[bool] = []
    window = bench.open_window(restore_backup=lambda *args: during.append(window.study.session is None) or [])
    window.study.open_patient(PATIENT)
    qtbot.waitUntil(lambda: window.study.visit is not None and not window.workers.jobs)
    window.commands["file.backups"].trigger()
    page = window.dialogs.open
    assert isinstance(page, BackupsPage)
    assert not page.empty.isHidden()
    page.every.setValue(3)
    assert window.settings.backup.every_days == bench.saved[-1].backup.every_days == 3
    page.restore_chosen.emit(tmp_path / "daily.db", bench.store.path)
    qtbot.waitUntil(lambda: bool(during) and window.study.session is not None and not window.workers.jobs)
    assert during == [True]
    assert window.study.patient_key == ""


@pytest.mark.parametrize("page", ["records", "backups", "cohort"])
def test_a_page_that_is_closed_while_it_waits_ends_quietly(
    bench,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    page: str,  # type: ignore[no-untyped-def]
) -> None:
    window, gate, store = bench.open_window(), threading.Event(), bench.store
    window.study.open_patient(PATIENT)
    qtbot.waitUntil(lambda: window.study.visit is not None and not window.workers.jobs)

    def late(answer: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: gate.wait() and answer(*args)

    if page == "records":
        monkeypatch.setattr(store.audit, "of_patient", late(store.audit.of_patient))
        window.commands["study.deleted"].trigger()
    elif page == "backups":
        monkeypatch.setattr(store, "back_up", late(store.back_up))
        window.commands["file.backups"].trigger()
        assert isinstance(window.dialogs.open, BackupsPage)
        window.dialogs.open.back_up()
    else:
        monkeypatch.setattr(store.cohort, "ask", late(store.cohort.ask))
        window.commands["find.cohort"].trigger()
        window.keeping.cohort.ask("phase = follow-up")
    shown: list[QWidget] = [window.keeping.cohort if page == "cohort" else window.dialogs.open]
    if page == "cohort":
        window.study.leave_workspace()
    else:
        shown[0].close()
    qtbot.waitUntil(lambda: not isValid(shown[0]))
    gate.set()
    qtbot.waitUntil(lambda: not window.workers.jobs and not window.workers.searching.active)
    qtbot.wait(50)  # what went wrong in a callback is told by the window, which must tell nothing


def test_an_archive_is_offered_a_name_that_is_free(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    written: list[Path] = []
    for name in ("PAT-1.zip", "PAT-1-2.zip"):
        parent = QWidget()
        qtbot.addWidget(parent)
        dialog = ExportArchiveDialog("PAT-1", parent)
        assert dialog.path == tmp_path / name
        dialog.path.touch()
    dialog.chosen.connect(lambda path, _with: written.append(path))
    dialog.file.setText(str(tmp_path / "other.ZIP"))
    dialog._start()
    assert written == [tmp_path / "other.ZIP"]


def test_a_long_name_leaves_room_for_the_other_columns(window: MainWindow) -> None:
    window.commands["find.cohort"].trigger()
    page = window.keeping.cohort
    assert isinstance(page, CohortPage)
    page.model.show_hits([CohortHit("long " * 40, "v1", None, 3, TreatmentPhase.FOLLOW_UP)])
    assert page.table.columnWidth(0) <= 320
    page.close()
