"""The whole window: real panes, real workspace, real files; from a folder of scans to the mask found again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from phantoms import longitudinal, tumour_mask
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from glioma_annotator.db.workspace import open_workspace
from glioma_annotator.domain.labels import BRATS_2021_TO_PROGRAM, GLIOMA_POST_TREATMENT, LabelScheme, map_labels
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.segmentation import SegmentationOutcome
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.progress import CancelToken, Report, StepProgress
from glioma_annotator.settings import Settings
from glioma_annotator.ui.application import make_application
from glioma_annotator.ui.dialogs.import_dialog import ImportDialog
from glioma_annotator.ui.services import Services
from glioma_annotator.ui.viewer.slice_pane import SlicePane
from glioma_annotator.ui.window import MainWindow
from glioma_annotator.workflow.ports import Store

LEFT = Qt.MouseButton.LeftButton
AXIAL = 0


class KnowingSegmenter:
    """Fulfils `ports.Segmenter`: proposes the phantom's true mask."""

    card = ModelCard(
        "truth",
        "Truth",
        "none",
        {},
        (SequenceRole.T1GD,),
        GLIOMA_POST_TREATMENT,
        (1.0, 1.0, 1.0),
        "z-score-brain",
        "00" * 32,
    )

    def models(self) -> tuple[ModelCard, ...]:
        return (self.card,)

    def check(self, model: str, roles: Collection[SequenceRole], scheme: LabelScheme) -> None:
        pass

    def segment(
        self, images: Mapping[SequenceRole, Volume], model: str, device: str, report: Report, cancel: CancelToken
    ) -> SegmentationOutcome:
        StepProgress(report, 1, "Patch").step()
        grid = images[SequenceRole.T1GD].grid
        return SegmentationOutcome(map_labels(tumour_mask(grid), BRATS_2021_TO_PROGRAM), self.card, "CPU", 1.0, 1)


def settle(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: not window.workers.jobs and not window.workers.drawing.active, timeout=20_000)
    window.view.refresh()
    QApplication.processEvents()


def shown(qtbot: QtBot, workspace: Path) -> MainWindow:
    def open_store(path: Path, *, read_only: bool = False) -> Store:
        return open_workspace(path, read_only=read_only)

    make_application([], "dark")
    window = MainWindow(
        Services(open_store, lambda _path: KnowingSegmenter(), Settings(author="Dr A"), lambda _kept: None, workspace)
    )
    window.errors.install()
    window.resize(1280, 720)
    window.show()
    window.activateWindow()
    qtbot.waitUntil(lambda: window.study.session is not None, timeout=20_000)
    settle(qtbot, window)
    return window


@pytest.fixture
def windows(qtbot: QtBot) -> Iterator[list[MainWindow]]:
    opened: list[MainWindow] = []
    yield opened
    for window in opened:
        window.close()
        window.deleteLater()


def paint(window: MainWindow, start: tuple[int, int, int], end: tuple[int, int, int]) -> None:
    """Drag with the left button in the axial pane, between two voxels of its slice."""
    pane = window.view.panes[AXIAL]
    assert isinstance(pane, SlicePane) and pane.plane is not None

    def pixel(index: tuple[int, int, int]) -> QPointF:
        return pane.overlay.to_pixels(pane.plane.to_plane(index))

    canvas = QApplication.widgetAt(pane.overlay.mapToGlobal(pixel(start).toPoint()))
    assert canvas is not None
    for event, place in ((QTest.mousePress, start), (QTest.mouseMove, end), (QTest.mouseRelease, end)):
        at = canvas.mapFrom(window, pane.overlay.mapTo(window, pixel(place).toPoint()))
        if event is QTest.mouseMove:
            QTest.mouseMove(canvas, at)
        else:
            event(canvas, LEFT, Qt.KeyboardModifier.NoModifier, at)
        QApplication.processEvents()


def test_from_a_folder_of_scans_to_the_mask_found_again(
    qtbot: QtBot, tmp_path: Path, windows: list[MainWindow]
) -> None:
    scans = longitudinal(tmp_path / "scans")
    window = shown(qtbot, tmp_path / "workspace")
    windows.append(window)
    assert "This workspace is empty" in window.start_page.empty.text()

    window.importing.look([scans])
    qtbot.waitUntil(lambda: isinstance(window.dialogs.open, ImportDialog), timeout=20_000)
    dialog = window.dialogs.open
    assert isinstance(dialog, ImportDialog) and dialog.ok.isEnabled()
    qtbot.mouseClick(dialog.ok, LEFT)
    qtbot.waitUntil(lambda: window.study.visit is not None, timeout=20_000)
    settle(qtbot, window)
    assert [button.text() for button in window.timeline.buttons] == ["day 0 pre-op", "day 262 follow-up"]

    qtbot.mouseClick(window.mask_panel.segment.segment, LEFT)
    visit = window.study.require_visit()
    qtbot.waitUntil(lambda: visit.proposal is not None)
    qtbot.mouseClick(window.mask_panel.proposal.accept_all, LEFT)
    accepted = visit.editor.labels.copy()
    assert accepted.any()

    window.activateWindow()
    window.view.crosshair_index = (10, 17, 14)
    settle(qtbot, window)
    qtbot.keyClick(window.view, Qt.Key.Key_4)
    qtbot.keyClick(window.view, Qt.Key.Key_B)
    paint(window, (8, 17, 14), (12, 20, 14))
    assert visit.editor.undo_names[-1] == "Brush RC"
    assert np.count_nonzero(visit.editor.labels == 4) > 0
    qtbot.keyClick(window.view, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert np.array_equal(visit.editor.labels, accepted)
    qtbot.keyClick(window.view, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(window.view, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    paint(window, (8, 10, 14), (9, 10, 14))
    final: LabelArray = visit.editor.labels.copy()
    qtbot.keyClick(window.view, Qt.Key.Key_F2)
    settle(qtbot, window)
    place = window.view.crosshair_index
    window.close()

    again = shown(qtbot, tmp_path / "workspace")
    windows.append(again)
    assert again.start_page.progress_box.isVisible()
    again.study.open_patient("BraTSReg_002")
    qtbot.waitUntil(lambda: again.study.visit is not None)
    settle(qtbot, again)
    found = again.study.require_visit()
    assert found.timepoint.key == "day0000"
    assert [r.origin.value for r in found.revisions] == ["semi-automatic"]
    assert np.array_equal(found.editor.labels, final)
    assert again.banner.text.text().startswith("1 unsaved step was recovered")
    assert again.view.layout_name == "sequences"
    assert again.view.crosshair_index == place
    assert again.errors.dialog is None
