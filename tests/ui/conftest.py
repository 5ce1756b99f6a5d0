"""The viewer on a phantom; what every test of the window must leave behind: nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from desk import Desk, desk_in, tool_window
from PySide6.QtWidgets import QApplication, QMainWindow
from pytestqt.qtbot import QtBot
from stage import Stage, run_at_once

from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.ui.viewer.study_view import StudyView
from glioma_annotator.ui.window import MainWindow


@pytest.fixture(scope="session")
def _view_and_window(qapp: QApplication) -> Iterator[tuple[StudyView, QMainWindow]]:
    """One view for all tests: making napari's canvases takes longer than most tests."""
    view = StudyView(run_at_once)
    window = QMainWindow()
    window.setCentralWidget(view)
    window.resize(1000, 760)
    window.show()
    yield view, window
    view.close()
    window.close()
    window.deleteLater()
    qapp.processEvents()


@pytest.fixture
def stage(_view_and_window: tuple[StudyView, QMainWindow], qtbot: QtBot) -> Iterator[Stage]:
    """The phantom in the *planes* layout, nothing in hand, as a fresh view would show it."""
    view, window = _view_and_window
    view.set_tool(None)
    view.clear()
    view.restore({})
    view.set_convention("radiological")
    view.set_mask_style("both", 0.45)
    view.set_mask_visible(True)
    view.set_crosshair_visible(True)
    for value in GLIOMA_POST_TREATMENT.values:
        view.set_label_visible(value, True)
    stage = Stage(view, window, qtbot)
    stage.show()
    stage.view.reset_view()
    stage.settle()
    yield stage
    stage.editor.changed.disconnect()
    view.set_tool(None)


@pytest.fixture(scope="module")
def _tool_window(qapp: QApplication, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MainWindow]:
    """One window for all tests of a file."""
    with tool_window(tmp_path_factory.mktemp("tools") / "workspace") as window:
        yield window


@pytest.fixture
def desk(_tool_window: MainWindow, qtbot: QtBot) -> Iterator[Desk]:
    with desk_in(_tool_window, qtbot) as desk:
        yield desk


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    """Threads that a test starts end with it."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before and not thread.daemon]
    assert not left, f"threads left running: {left}"


@pytest.fixture(autouse=True)
def _no_qt_warning(qtlog: Any) -> Iterator[None]:
    """What Qt warns of is a mistake of ours."""
    yield
    warned = [record.message for record in qtlog.records if record.type_name in ("QtWarningMsg", "QtCriticalMsg")]
    assert not warned
