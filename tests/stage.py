"""A `StudyView` on a small phantom, and hands to work it with real events on its canvases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QMainWindow, QWidget
from pytestqt.qtbot import QtBot

from glioma_annotator.domain.editing import JournalAction, JournalEntry, VoxelEdit
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.sequences import Window
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.ui.viewer.slice_pane import SlicePane
from glioma_annotator.ui.viewer.study_view import StudyView
from glioma_annotator.workflow.editing import Editor

#: Anisotropic on every axis, and no two axes of one length.
SHAPE = (44, 52, 20)
SPACING_MM = (1.0, 1.25, 3.0)
GRID = Grid(SHAPE, np.diag([*SPACING_MM, 1.0]))
#: A bright voxel at the patient's right, front and top, away from every middle.
BRIGHT = (36, 40, 15)
CROSSHAIR = (20, 24, 8)
WINDOWS = {name: Window(0.0, 200.0) for name in ("T1", "T1Gd", "T2", "FLAIR")}

_LEFT, _RIGHT, _MIDDLE, _NONE = (
    Qt.MouseButton.LeftButton,
    Qt.MouseButton.RightButton,
    Qt.MouseButton.MiddleButton,
    Qt.MouseButton.NoButton,
)
_PLAIN = Qt.KeyboardModifier.NoModifier


class MemoryJournal:
    """Keeps the steps in memory."""

    parent_revision_id: int | None = None

    def __init__(self) -> None:
        self.steps: list[JournalEntry] = []

    def append(self, entry: JournalEntry) -> None:
        self.steps.append(entry)

    def flush(self) -> None:
        pass

    def entries(self) -> tuple[JournalEntry, ...]:
        return tuple(self.steps)

    def mark(self) -> int:
        return len(self.steps)

    def restart(self, parent_revision_id: int | None, past: Sequence[VoxelEdit] = (), since: int | None = None) -> None:
        kept = [] if since is None else self.steps[since:]
        self.steps = [*(JournalEntry(JournalAction.PAST, edit) for edit in past), *kept]


class Watch(QObject):
    """Counts the repaints of a widget and keeps the keys pressed in it."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__()
        self.paints = 0
        self.keys: list[int] = []
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's
        self.paints += event.type() == QEvent.Type.Paint
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            self.keys.append(event.key())
        return False


def phantom_images() -> dict[str, Volume]:
    """Four sequences: grey, sequence n brighter than n - 1, with one bright voxel."""
    images = {}
    for n, name in enumerate(WINDOWS):
        data = np.full(SHAPE, 30.0 + 10 * n, dtype=np.float32)
        data[0] = data[-1] = data[:, 0] = data[:, -1] = 0.0
        data[BRIGHT] = 200.0
        images[name] = Volume(data, GRID)
    return images


class Stage:
    """The view in a window with its editor, and hands to work it."""

    def __init__(self, view: StudyView, window: QMainWindow, qtbot: QtBot) -> None:
        self.view = view
        self.window = window
        self.qtbot = qtbot
        self.images = phantom_images()
        self.labels: LabelArray = np.zeros(SHAPE, dtype=np.uint8)
        self.editor = Editor(self.labels, GRID, GLIOMA_POST_TREATMENT, MemoryJournal())
        self.editor.changed.connect(view.labels_changed)

    def show(self, **more: Any) -> None:
        more.setdefault("defaults", WINDOWS)
        self.view.show_images(self.images, self.labels, GLIOMA_POST_TREATMENT, WINDOWS, "2019-10-21", **more)
        self.view.crosshair_index = CROSSHAIR
        self.settle()

    def settle(self) -> None:
        """Let the view catch up and draw."""
        self.view.refresh()
        for _ in range(3):
            QApplication.processEvents()

    def pane(self, slot: int) -> SlicePane:
        pane = self.view.panes[slot]
        assert isinstance(pane, SlicePane)
        return pane

    def pixel(self, slot: int, index: tuple[float, float, float]) -> QPointF:
        """Where a voxel's centre lies in a pane."""
        pane = self.pane(slot)
        assert pane.plane is not None
        return pane.overlay.to_pixels(pane.plane.to_plane(index))

    def colour(self, slot: int, index: tuple[float, float, float]) -> QColor:
        """What is drawn at a voxel's centre in a picture of the whole view."""
        pane = self.pane(slot)
        at = pane.overlay.mapTo(self.view, self.pixel(slot, index).toPoint())
        return self.picture()(at.x(), at.y())

    def picture(self) -> Callable[[float, float], QColor]:
        """What the view shows now: the colour at logical pixels (x, y)."""
        self.view.refresh()
        image = self.view.grab().toImage()
        scale = image.devicePixelRatio()
        return lambda x, y: image.pixelColor(int(x * scale), int(y * scale))

    def mouse(
        self,
        kind: QEvent.Type,
        slot: int,
        at: QPointF,
        button: Qt.MouseButton = _NONE,
        held: Qt.MouseButton = _NONE,
        modifiers: Qt.KeyboardModifier = _PLAIN,
    ) -> None:
        surface = self.view.panes[slot].surface
        everywhere = QPointF(surface.mapToGlobal(at.toPoint()))
        QApplication.sendEvent(surface, QMouseEvent(kind, at, everywhere, button, held, modifiers))

    def move(self, slot: int, at: QPointF, modifiers: Qt.KeyboardModifier = _PLAIN) -> None:
        self.mouse(QEvent.Type.MouseMove, slot, at, modifiers=modifiers)

    def drag(self, slot: int, path: list[QPointF], button: Qt.MouseButton = _LEFT) -> None:
        """Press at the first point, move along the others, release at the last."""
        self.mouse(QEvent.Type.MouseButtonPress, slot, path[0], button, button)
        for at in path[1:]:
            self.mouse(QEvent.Type.MouseMove, slot, at, _NONE, button)
        self.mouse(QEvent.Type.MouseButtonRelease, slot, path[-1], button)
        self.settle()

    def click(self, slot: int, at: QPointF, button: Qt.MouseButton = _LEFT) -> None:
        surface = self.view.panes[slot].surface
        self.qtbot.mouseClick(surface, button, _PLAIN, at.toPoint())
        self.settle()

    def double_click(self, slot: int, at: QPointF, button: Qt.MouseButton = _LEFT) -> None:
        """What a fast second click sends: press, release, double click, release."""
        self.mouse(QEvent.Type.MouseButtonPress, slot, at, button, button)
        self.mouse(QEvent.Type.MouseButtonRelease, slot, at, button)
        self.mouse(QEvent.Type.MouseButtonDblClick, slot, at, button, button)
        self.mouse(QEvent.Type.MouseButtonRelease, slot, at, button)
        self.settle()

    def wheel(self, slot: int, at: QPointF, notches: int, modifiers: Qt.KeyboardModifier = _PLAIN) -> None:
        surface = self.view.panes[slot].surface
        everywhere = QPointF(surface.mapToGlobal(at.toPoint()))
        turned = QPoint(0, 120 * notches)
        phase = Qt.ScrollPhase.NoScrollPhase
        QApplication.sendEvent(surface, QWheelEvent(at, everywhere, QPoint(), turned, _NONE, modifiers, phase, False))
        self.settle()


def run_at_once(work: Callable[[], Any], done: Callable[[Any], None]) -> None:
    """A `Submit` without a thread."""
    done(work())
