"""Start page, patients, visits, workspace."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeStore
from PySide6.QtCore import QEvent, QMimeData, QObject, QPointF, QSize, Qt, QUrl
from PySide6.QtGui import QDropEvent, QScreen
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from glioma_annotator.domain.sequences import Window
from glioma_annotator.errors import EnvironmentFailure, UserError, WorkspaceBusy
from glioma_annotator.settings import with_value
from glioma_annotator.ui import theme
from glioma_annotator.ui.dialogs.small import BusyDialog
from glioma_annotator.ui.window import MainWindow

PATIENT = "PAT-0042"


def test_the_window_comes_up_without_torch() -> None:
    code = "import sys, glioma_annotator.ui.window; assert not {'torch', 'monai', 'torchio'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_start_page_lists_patients_with_visits_and_the_state_of_their_masks(qtbot: QtBot, bench: Any) -> None:
    page = bench.open_window().start_page
    patient = page.patients.topLevelItem(0)
    assert [patient.text(column) for column in range(4)] == [PATIENT, "3 visits", "1 approved, 1 draft, 1 no mask", ""]
    assert [patient.child(i).text(2) for i in range(3)] == ["approved", "draft", "no mask"]


def test_patients_last_opened_come_first_on_the_start_page(qtbot: QtBot, bench: Any) -> None:
    other = bench.store.add_patient("PAT-0099")
    bench.store.set_view_state(other.id, {})
    rows = bench.open_window().start_page.patients
    assert [rows.topLevelItem(i).text(0) for i in range(2)] == ["PAT-0099", PATIENT]
    assert rows.topLevelItem(0).text(3)
    assert not rows.topLevelItem(1).text(3)


def test_an_empty_workspace_says_what_to_do(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_window(open_store=lambda path, read_only=False: FakeStore(path))
    qtbot.waitUntil(lambda: "empty" in window.start_page.empty.text())
    assert window.start_page.empty.isVisible()
    assert "Open a folder" in window.start_page.empty.text()


def test_activating_a_visit_opens_it(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_window()
    visit = window.start_page.patients.topLevelItem(0).child(1)
    window.start_page.patients.itemActivated.emit(visit, 0)
    qtbot.waitUntil(lambda: window.study.visit is not None)
    assert window.view.title == "2019-04-02 post-radiotherapy baseline"
    assert window.timeline.isVisible()
    assert not window.start_page.isVisible()


def test_unsaved_steps_are_listed_as_in_progress(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    window.study.visit.editor.apply("Brush ET", bench.segmenter.labels)
    window.commands["file.start"].trigger()
    qtbot.waitUntil(lambda: window.start_page.progress_box.isVisible())
    button = window.start_page.progress_box.findChild(QPushButton)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.study.visit is not None)
    assert window.study.visit.timepoint.key == "2019-10-21"


def test_a_click_on_the_timeline_opens_the_visit(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    qtbot.mouseClick(window.timeline.buttons[0], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.study.visit.timepoint.key == "2019-01-14")
    assert [b.isChecked() for b in window.timeline.buttons] == [True, False, False]
    assert window.view.title == "2019-01-14 pre-operative"


def test_comma_and_stop_step_through_the_visits(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    qtbot.keyClick(window, Qt.Key.Key_Comma)
    qtbot.waitUntil(lambda: window.study.visit.timepoint.key == "2019-04-02")
    qtbot.keyClick(window, Qt.Key.Key_Period)
    qtbot.waitUntil(lambda: window.study.visit.timepoint.key == "2019-10-21")


def test_another_patient_clears_the_panes_before_it_loads(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    window.study.open_patient("PAT-0043")
    assert window.view.title is None
    qtbot.waitUntil(lambda: window.study.visit is not None)
    assert window.study.patient_key == "PAT-0043"


def test_a_visit_that_is_still_being_read_does_not_open_over_the_start_page(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    window.study.open_visit(window.study.timepoints()[0])
    window.study.close_patient()
    qtbot.waitUntil(lambda: not window.workers.jobs)
    assert window.study.visit is None
    assert window.pages.currentWidget() is window.start_page


def test_the_layout_and_visit_are_remembered_per_patient(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot, 0)
    qtbot.keyClick(window, Qt.Key.Key_F2)
    window.commands["file.start"].trigger()
    window.view.layout_name = "planes"
    window.study.open_patient(PATIENT)
    qtbot.waitUntil(lambda: window.study.visit is not None)
    assert window.view.layout_name == "sequences"
    assert window.study.visit.timepoint.key == "2019-01-14"


def test_the_visits_layout_shows_the_visit_before(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    qtbot.keyClick(window, Qt.Key.Key_F3)
    qtbot.waitUntil(lambda: window.view.other == "2019-04-02 post-radiotherapy baseline")
    window.timeline.beside_chosen.emit(window.timeline.buttons[0].visit)
    qtbot.waitUntil(lambda: window.view.other == "2019-01-14 pre-operative")


def test_the_pane_beside_says_that_its_visit_is_being_opened_or_was_not(
    qtbot: QtBot, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = bench.open_patient(qtbot)
    asked: list[Any] = []
    monkeypatch.setattr(window.workers.reading, "submit", lambda *given: asked.append(given))
    qtbot.keyClick(window, Qt.Key.Key_F3)
    assert window.view.without_other == "Opening 2019-04-02 post-radiotherapy baseline…"
    *_, cancelled = asked[-1]
    cancelled()
    assert "was not opened" in window.view.without_other


def test_a_workspace_in_use_can_be_opened_for_reading(qtbot: QtBot, bench: Any, tmp_path: Path) -> None:
    read_only = FakeStore(tmp_path, read_only=True)
    read_only.__dict__.update(
        {k: v for k, v in bench.store.__dict__.items() if k not in ("_read_only", "_path", "failures")}
    )

    def open_store(path: Path, *, read_only_: bool = False, **given: bool) -> FakeStore:
        if not given.get("read_only"):
            raise WorkspaceBusy("anna on reading-room-2, since 09:14")
        return read_only

    window = bench.open_window(open_store=open_store)
    qtbot.waitUntil(lambda: isinstance(window.dialogs.open, BusyDialog))
    assert window.study.session is None
    qtbot.mouseClick(window.dialogs.open.read_only, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.study.session is not None)
    window.study.open_patient(PATIENT)
    qtbot.waitUntil(lambda: window.study.visit is not None)
    assert window.status.read_only.isVisible()
    for command in ("edit.brush", "edit.eraser", "study.save", "segment.run", "segment.prior", "file.open_folder"):
        assert not window.commands[command].isEnabled(), command


def test_a_workspace_that_cannot_be_opened_says_why(qtbot: QtBot, bench: Any) -> None:
    def refuse(path: Path, *, read_only: bool = False) -> FakeStore:
        raise UserError("The database is newer than this program.", "Update the program.")

    window = bench.open_window(open_store=refuse)
    qtbot.waitUntil(lambda: window.errors.dialog is not None)
    assert window.errors.dialog.what.text() == "The database is newer than this program."
    assert "No workspace is open" in window.start_page.empty.text()
    window.errors.dialog.close()
    qtbot.waitUntil(lambda: window.errors.dialog is None)


def test_a_dropped_folder_is_looked_through(
    qtbot: QtBot, bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = bench.open_window()
    looked: list[tuple[Path, ...]] = []
    monkeypatch.setattr(window.importing, "look", lambda paths, patient=None: looked.append(tuple(paths)))
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path))])
    drop = QDropEvent(
        QPointF(600, 300), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    window.dropEvent(drop)
    assert looked == [(tmp_path,)]


def test_the_first_window_is_no_larger_than_the_screen(
    qtbot: QtBot, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(QScreen, "availableSize", lambda _self: QSize(1366, 730))
    monkeypatch.setattr(MainWindow, "resize", lambda _self, *size: asked.append(size))
    bench.open_window()
    assert asked[0] == (QSize(1366, 730),)


def test_geometry_and_workspace_are_kept_in_the_settings(qtbot: QtBot, bench: Any, tmp_path: Path) -> None:
    window = bench.open_window()
    window.close()
    kept = bench.saved[-1].window
    assert kept.workspace == str(tmp_path / "workspace")
    assert kept.geometry and kept.state


def test_a_window_that_was_closed_with_the_review_dock_in_front_comes_back_with_the_mask_panel(
    qtbot: QtBot, bench: Any
) -> None:
    window = bench.open_patient(qtbot)
    window.commands["view.islands"].trigger()
    qtbot.waitUntil(lambda: not window.review_dock.visibleRegion().isEmpty())
    window.commands["file.start"].trigger()
    assert window.review_dock.isHidden()  # nothing to list on the start page
    window.study.open_patient(PATIENT)
    qtbot.waitUntil(lambda: window.study.visit is not None)
    window.commands["view.islands"].trigger()
    window.close()
    again = bench.open_window(settings=bench.saved[-1])
    again.study.open_patient(PATIENT)
    qtbot.waitUntil(lambda: again.study.visit is not None)
    assert again.review_dock.isHidden()
    qtbot.waitUntil(lambda: not again.mask_panel.labels.visibleRegion().isEmpty())


def test_the_workspace_is_closed_even_when_the_settings_cannot_be_kept(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)

    def full(_settings: object) -> None:
        raise EnvironmentFailure("The settings could not be written: the disk is full.")

    window.services = replace(window.services, save_settings=full)
    window.close()
    assert window.study.session is None
    assert not window.isVisible()
    window.services = replace(window.services, save_settings=lambda _settings: None)


def test_a_display_window_is_found_again_on_coming_back_to_the_visit(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    window.view.window_changed.emit("T1Gd", Window(10.0, 500.0))
    qtbot.mouseClick(window.timeline.buttons[0], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.study.visit.timepoint.key == "2019-01-14")
    qtbot.mouseClick(window.timeline.buttons[2], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.study.visit.timepoint.key == "2019-10-21")
    assert window.study.visit.windows["T1Gd"] == Window(10.0, 500.0)


def test_the_theme_can_be_changed_while_the_program_runs(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    lock = window.mask_panel.labels.locks[1].icon().cacheKey()
    window.change_settings(with_value(window.settings, "display.theme", "light"))
    assert theme.current() is theme.LIGHT
    assert window.mask_panel.labels.locks[1].icon().cacheKey() != lock
    assert bench.saved[-1].display.theme == "light"


class _Surfaces(QObject):
    """Notes every native window that comes up, by the name Qt gives it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if event.type() is QEvent.Type.PlatformSurface:
            self.seen.append(watched.objectName())
        return False


def test_no_part_of_the_window_comes_up_as_a_window_of_its_own(bench: Any, qapp: QApplication) -> None:
    surfaces = _Surfaces()
    qapp.installEventFilter(surfaces)
    window = bench.open_window()
    qapp.removeEventFilter(surfaces)
    assert window.isVisible()
    assert set(surfaces.seen) == {window.objectName(), f"{window.objectName()}Window"}
