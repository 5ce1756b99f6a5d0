"""The main job in the real window, on a real workspace, with real clicks: open, segment, correct, save, reopen."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from glioma_annotator import app
from glioma_annotator.domain.revision import RevisionOrigin
from glioma_annotator.ui.application import make_application
from glioma_annotator.ui.dialogs.import_dialog import ImportDialog
from glioma_annotator.ui.viewer.slice_pane import SlicePane
from glioma_annotator.ui.window import MainWindow

AXIAL = 0
ET = 3
LONGEST_MS = 60_000


class Reader:
    """Someone at the window."""

    def __init__(self, qtbot: QtBot, workspace: Path, *import_paths: Path, patient: str = "") -> None:
        self.qtbot = qtbot
        make_application([], "dark")
        services = replace(app.make_services(workspace, patient=patient), import_paths=import_paths)
        self.window = MainWindow(services)
        with qtbot.waitExposed(self.window):
            self.window.show()

    def wait(self, until: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(until, timeout=LONGEST_MS)

    def click(self, button: QPushButton) -> None:
        self.wait(lambda: button.isVisible() and button.isEnabled())
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def key(self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        self.window.activateWindow()  # a virtual screen has no window manager that would after a dialog
        self.qtbot.waitUntil(self.window.isActiveWindow)
        self.qtbot.keyClick(self.window.view, key, modifier)

    def confirm_import(self) -> None:
        dialogs: list[ImportDialog] = []

        def shown() -> bool:
            dialogs[:] = self.window.findChildren(ImportDialog)
            return bool(dialogs) and dialogs[0].ok.isEnabled()

        self.wait(shown)
        self.click(dialogs[0].ok)

    def visit_opens(self, key: str) -> None:
        self.wait(lambda: self.window.study.visit is not None and self.window.study.visit.timepoint.key == key)
        self.wait(lambda: not self.window.workers.jobs)
        self.wait(lambda: self.window.view.ready and len(self.window.view.panes) > 0)  # napari may still be loading

    def choose_model(self, name: str) -> None:
        """By keyboard in the list of models."""
        box = self.window.mask_panel.segment.model
        names = [card.name for card in self.window.proposing.models]
        box.setFocus()
        for _ in range(len(names)):
            if self.window.proposing.model == name:
                break
            at = box.currentIndex()
            self.qtbot.keyClick(box, Qt.Key.Key_Down if at < box.count() - 1 else Qt.Key.Key_Home)
        assert self.window.proposing.model == name

    @property
    def labels(self) -> np.ndarray:
        return self.window.study.require_visit().editor.labels

    def drag(self, start: tuple[float, float, float], end: tuple[float, float, float]) -> None:
        """A fast stroke in the axial pane: press, one move, release."""
        pane = self.window.view.panes[AXIAL]
        assert isinstance(pane, SlicePane)
        assert pane.plane is not None
        first, last = (pane.overlay.to_pixels(pane.plane.to_plane(p)) for p in (start, end))
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        for kind, at, button, held in (
            (QEvent.Type.MouseButtonPress, first, left, left),
            (QEvent.Type.MouseMove, last, none, left),
            (QEvent.Type.MouseButtonRelease, last, left, none),
        ):
            everywhere = QPointF(pane.surface.mapToGlobal(QPoint(round(at.x()), round(at.y()))))
            event = QMouseEvent(kind, at, everywhere, button, held, Qt.KeyboardModifier.NoModifier)
            QApplication.sendEvent(pane.surface, event)

    def close(self) -> None:
        self.window.close()
        self.window.deleteLater()
        QApplication.processEvents()


@pytest.fixture
def workspace(tmp_path: Path, model: Path) -> Path:
    """A workspace whose own models hold the threshold model."""
    folder = tmp_path / "workspace"
    app.open_store(folder).close()
    shutil.copytree(model, folder / "models" / model.name)
    return folder


@pytest.fixture
def readers(qtbot: QtBot) -> Iterator[list[Reader]]:
    """Every window that a test opens is closed again."""
    opened: list[Reader] = []
    yield opened
    for reader in opened:
        reader.close()


def test_open_segment_accept_correct_undo_save_close_and_find_it_again(
    qtbot: QtBot, workspace: Path, study: Path, readers: list[Reader]
) -> None:
    first = Reader(qtbot, workspace, study)
    readers.append(first)
    first.confirm_import()
    first.visit_opens("day0000")
    assert [button.text() for button in first.window.timeline.buttons] == ["day 0 pre-op", "day 262 follow-up"]
    assert not first.labels.any()

    panel = first.window.mask_panel
    first.choose_model("threshold")
    first.click(panel.segment.segment)
    first.click(panel.proposal.accept_all)
    proposed = first.labels.copy()
    assert (proposed == ET).sum() > 10

    k = first.window.view.crosshair_index[2]
    before = first.labels.copy()
    first.key(Qt.Key.Key_B)
    first.key(Qt.Key.Key_1)
    first.drag((8, 12, k), (20, 20, k))
    painted = first.labels.copy()
    assert (painted != before).any()
    assert set(np.unique(painted[painted != before]).tolist()) == {1}
    first.drag((8, 25, k), (20, 25, k))
    first.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert np.array_equal(first.labels, painted)
    first.key(Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    first.wait(lambda: not first.window.study.require_visit().editor.unsaved)
    revisions = first.window.study.require_visit().revisions
    assert [r.origin for r in revisions] == [RevisionOrigin.SEMI_AUTOMATIC]
    assert revisions[0].model.startswith("threshold@")
    first.key(Qt.Key.Key_E)
    first.drag((8, 12, k), (20, 20, k))
    erased = first.labels.copy()
    assert not np.array_equal(erased, painted)
    first.key(Qt.Key.Key_F2)
    first.wait(lambda: not first.window.workers.jobs)
    place = first.window.view.crosshair_index
    first.close()
    readers.remove(first)

    second = Reader(qtbot, workspace, patient=study.name)
    readers.append(second)
    second.visit_opens("day0000")
    assert np.array_equal(second.labels, erased)
    assert second.window.banner.text.text().startswith("1 unsaved step was recovered")
    assert second.window.view.layout_name == "sequences"
    assert second.window.view.crosshair_index == place
    assert second.window.errors.dialog is None
    assert len(second.window.study.require_visit().revisions) == 1


def test_a_running_segmentation_is_cancelled_and_changes_nothing(
    qtbot: QtBot, workspace: Path, study: Path, readers: list[Reader]
) -> None:
    reader = Reader(qtbot, workspace, study)
    readers.append(reader)
    reader.confirm_import()
    reader.visit_opens("day0000")
    reader.click(reader.window.mask_panel.segment.segment)
    for job in reader.window.workers.jobs:
        job.cancel()
    reader.wait(lambda: not reader.window.workers.jobs)
    visit = reader.window.study.require_visit()
    assert visit.proposal is None
    assert not visit.editor.labels.any()
