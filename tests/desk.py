"""The whole window with its tools on a small study, and hands to work it with keys and real mouse paths."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeStore
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from stage import Stage

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import RevisionOrigin
from glioma_annotator.domain.segmentation import Softmax
from glioma_annotator.domain.sequences import Sequence, SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.settings import Settings
from glioma_annotator.ui.application import make_application
from glioma_annotator.ui.reading_state import ToolName
from glioma_annotator.ui.services import Services
from glioma_annotator.ui.viewer import canvas_source
from glioma_annotator.ui.window import MainWindow
from glioma_annotator.workflow.proposal import Proposal

SHAPE = (48, 52, 24)
GRID = Grid(SHAPE, np.array([[1.0, 0, 0, -24], [0, 1.0, 0, -26], [0, 0, 2.0, -24], [0, 0, 0, 1]]))
CENTRE = (30, 28, 12)
AXIAL = 0
NETC, SNFH, ET, RC = 1, 2, 3, 4
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
KEY = Qt.Key


def lesion(radius_mm: float = 8.0) -> NDArray[np.bool_]:
    i, j, k = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    ci, cj, ck = CENTRE
    return np.asarray((i - ci) ** 2 + (j - cj) ** 2 + (2 * (k - ck)) ** 2 <= radius_mm**2)


def images() -> dict[str, Volume]:
    """Brain of 100, a lesion of 200 (T1Gd) or 160 (FLAIR), noise of 4."""
    brain = np.zeros(SHAPE, np.float32)
    brain[3:-3, 3:-3, 1:-1] = 100
    made = {}
    for n, (name, bright) in enumerate((("T1Gd", 200), ("FLAIR", 160))):
        noise = np.random.default_rng(n).normal(0, 4, SHAPE)
        made[name] = Volume(np.where(brain > 0, np.where(lesion(), bright, brain) + noise, 0).astype(np.float32), GRID)
    return made


class Desk(Stage):
    """The real window with hands, eyes and its editor."""

    def __init__(self, window: MainWindow, qtbot: QtBot) -> None:
        self.window = window
        self.view = window.view
        self.qtbot = qtbot
        self.slot = AXIAL  # the pane under the hand

    @property
    def editor(self) -> Any:  # the stage's is one of its own
        return self.window.study.require_visit().editor

    @property
    def mask(self) -> NDArray[np.uint8]:
        return self.editor.labels

    def settle(self) -> None:
        workers = self.window.workers
        self.qtbot.waitUntil(lambda: not workers.jobs and not workers.drawing.active, timeout=60_000)
        self.view.refresh()
        for _ in range(3):
            QApplication.processEvents()

    def look(self, slot: int) -> None:
        """One plane alone: 0 axial, 1 coronal, 2 sagittal; the others cost time and show nothing more."""
        self.view.set_layout("planes")
        if "planes" in self.view.state()["maximised"]:
            self.view.toggle_maximised()
        self.view.activate(slot)
        self.view.toggle_maximised()
        self.slot = slot
        self.settle()

    def key(self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        self.view.setFocus()
        self.qtbot.keyClick(self.view, key, modifier)
        self.settle()

    def at(self, index: tuple[float, float, float]) -> QPointF:
        return self.pixel(self.slot, index)

    def click_at(self, index: tuple[float, float, float]) -> None:
        self.drag(self.slot, [self.at(index)])

    def drag_along(self, *indices: tuple[float, float, float], modifiers: Qt.KeyboardModifier | None = None) -> None:
        held = modifiers or Qt.KeyboardModifier.NoModifier
        points = [self.at(index) for index in indices]
        self.mouse(QEvent.Type.MouseButtonPress, self.slot, points[0], LEFT, LEFT, held)
        for point in points[1:]:
            self.mouse(QEvent.Type.MouseMove, self.slot, point, NONE, LEFT, held)
        self.mouse(QEvent.Type.MouseButtonRelease, self.slot, points[-1], LEFT, NONE, held)
        self.settle()

    def options(self, tool: ToolName) -> Any:
        return self.window.toolbox.options[tool]

    def hatched(self) -> bool:
        marks = self.pane(self.slot).overlay.marks
        return any(
            shown is not None and shown.extent[0].stop > shown.extent[0].start
            for shown in (marks.proposal, marks.removed)
        )

    def propose(self, labels: NDArray[np.uint8], softmax: Softmax | None = None) -> None:
        visit = self.window.study.require_visit()
        visit.show_proposal(Proposal(visit.id, labels, "Model", "base@1", {}, softmax=softmax))
        self.settle()


@contextmanager
def tool_window(path: Path) -> Iterator[MainWindow]:
    """A window whose panes have no pictures: tests of what tools do to the mask need none."""
    store = FakeStore(path)
    patient = store.add_patient("PAT-1")
    for order in range(2):
        sequences = tuple(Sequence(name, SequenceRole(name), "") for name in images())
        visit = Timepoint(patient.id or 0, f"visit {order}", order, GRID, "T1Gd", sequences=sequences)
        stored = store.add_timepoint(visit, images())
        labels = np.where(lesion(6), np.uint8(ET if order else SNFH), np.uint8(0))
        store.add_revision(stored, labels, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="Dr Old")
    patch = pytest.MonkeyPatch()
    patch.setattr(canvas_source, "_MODULE", "plain_canvas")
    make_application([], "dark")
    services = Services(
        open_store=lambda path, read_only=False: store,  # type: ignore[misc,arg-type]
        make_segmenter=lambda _path: _NoModels(),  # type: ignore[arg-type,return-value]
        settings=Settings(author="Dr New"),
        save_settings=lambda _settings: None,
        default_workspace=Path(path),
        patient="PAT-1",
    )
    window = MainWindow(services)
    window.resize(1500, 950)
    window.show()
    yield window
    window.close()
    window.deleteLater()
    QApplication.processEvents()
    patch.undo()


class _NoModels:
    def models(self) -> tuple[()]:
        return ()


@contextmanager
def desk_in(window: MainWindow, qtbot: QtBot) -> Iterator[Desk]:
    """The second visit with an empty mask, no rules, the brush's label ET, the crosshair in the lesion."""
    qtbot.waitUntil(lambda: window.study.visit is not None, timeout=60_000)
    desk = Desk(window, qtbot)
    window.activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is window, timeout=60_000)  # shortcuts are heard there only
    qtbot.waitUntil(lambda: window.view.ready and len(window.view.panes) > 0, timeout=60_000)
    desk.look(AXIAL)
    editor = desk.editor
    for value in GLIOMA_POST_TREATMENT.values:
        editor.set_locked(value, False)
    editor.set_paint_over(None)
    editor.set_inside(None)
    editor.apply("clear", np.zeros(SHAPE, np.uint8))
    window.view.crosshair_index = CENTRE
    window.view.reset_view()
    window.reading.set_label(ET)
    window.reading.set_diameter(6.0)
    window.reading.set_tool(ToolName.CROSSHAIR)
    desk.settle()
    yield desk
    window.previewing.discard()
    visit = window.study.require_visit()
    while visit.proposal is not None:
        visit.reject_proposal()
    window.reading.set_tool(ToolName.CROSSHAIR)
    window.toolbox.brush.mode = "plain"
    for tool, options in window.toolbox.options.items():
        if tool is not ToolName.BRUSH and hasattr(options, "erases"):
            options.erases = False
    assert window.errors.dialog is None, window.errors.dialog.what.text()
    desk.settle()
