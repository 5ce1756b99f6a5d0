"""A window on an in-memory workspace, with a plain widget in place of the napari panes."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fakes import FakeStore
from phantoms import FLAIR, T1, T1GD, T2, head
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot
from registrar import Registrar

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, LabelScheme
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.patient import Timepoint, TreatmentPhase
from glioma_annotator.domain.revision import RevisionOrigin, RevisionStatus
from glioma_annotator.domain.segmentation import SegmentationOutcome
from glioma_annotator.domain.sequences import Sequence, SequenceRole
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.imaging.reslicing import Placement
from glioma_annotator.progress import CancelToken, Progress, Report
from glioma_annotator.settings import Settings
from glioma_annotator.ui import registration as registration_module
from glioma_annotator.ui import window as window_module
from glioma_annotator.ui.application import make_application
from glioma_annotator.ui.services import Services
from glioma_annotator.ui.viewer.comparing import Picture
from glioma_annotator.ui.window import MainWindow

SHAPE = (30, 34, 28)
GRID = Grid(SHAPE, np.array([[6.0, 0, 0, -87], [0, 6.0, 0, -99], [0, 0, 6.0, -81], [0, 0, 0, 1]]))
DATES = (dt.date(2019, 1, 14), dt.date(2019, 4, 2), dt.date(2019, 10, 21))
PHASES = (TreatmentPhase.PRE_OPERATIVE, TreatmentPhase.POST_RT_BASELINE, TreatmentPhase.FOLLOW_UP)
PATIENT = "PAT-0042"


class PlainAids(QObject):
    """Stands in for `ReadingAids`: nothing is switched on."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.cine = SimpleNamespace(running=False)
        self.measuring = SimpleNamespace(
            kind=None,
            items=[],
            current=None,
            remove=lambda: None,
            clear=lambda: None,
            kept=list,
            bring_back=lambda *_: None,
        )
        self.magnifying = self.blending = self.can_subtract = self.subtracting = False
        self.head_shown = True

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: None


class PlainComparing(QObject):
    """Stands in for `Comparing`: remembers what it was told."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.picture = Picture.AS_SCANNED
        self.swapped = False
        self.placement: Placement | None = None
        self.changes: LabelArray | None = None

    @property
    def deformation(self) -> object:
        return self.placement.deformation if self.placement is not None else None

    def place(self, placement: Placement) -> None:
        self.placement = placement
        self.changed.emit()

    def set_picture(self, picture: Picture) -> None:
        self.picture = picture
        self.changed.emit()

    def set_changes(self, changes: LabelArray | None) -> None:
        self.changes = changes

    def swap(self, on: bool) -> None:
        self.swapped = on
        self.changed.emit()

    def screen_axes(self, axis: int) -> tuple[Any, Any, Any]:
        return np.array([-1.0, 0, 0]), np.array([0, 1.0, 0]), np.array([0, 0, -1.0])


class PlainView(QWidget):
    """Stands in for `StudyView`: remembers what it was told."""

    crosshair_moved = Signal(object)
    hovered = Signal(object)
    window_changed = Signal(str, object)
    brush_size_step = Signal(int)
    state_changed = Signal()
    layout_changed = Signal(str)
    active_pane_changed = Signal(int)

    def __init__(self, submit: object) -> None:
        super().__init__()
        self.aids = PlainAids()
        self.comparing = PlainComparing()
        self.layout_name = "planes"
        self.active_axis = 2
        self.active_slice = (2, 0)
        self.crosshair_index = (0, 0, 0)
        self.markers: tuple[Any, ...] = ()
        self.title: str | None = None
        self.labels: LabelArray | None = None
        self.proposal: LabelArray | None = None
        self.removed: LabelArray | None = None
        self.other: str | None = None
        self.tool: Any = None
        self.calls: list[tuple[str, tuple[object, ...]]] = []

    def show_images(self, images: object, labels: LabelArray, scheme: object, windows: object, title: str) -> None:
        self.title, self.labels = title, labels

    def show_other(self, images: object, labels: object = None, title: str = "", windows: object = None) -> None:
        self.other = title if images else None

    def say_beside(self, text: str) -> None:
        self.without_other = text

    def clear(self) -> None:
        self.title = self.labels = None

    def set_markers(self, markers: Any) -> None:
        self.markers = tuple(markers)

    def set_proposal(self, labels: LabelArray | None, removed: LabelArray | None = None) -> None:
        self.proposal, self.removed = labels, removed

    def set_tool(self, tool: object) -> None:
        self.tool = tool

    def set_layout(self, layout: str) -> None:
        self.layout_name = str(layout)
        self.layout_changed.emit(self.layout_name)

    def state(self) -> dict[str, Any]:
        return {"layout": self.layout_name}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.layout_name = state["layout"]

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args: self.calls.append((name, args))

    def last(self, name: str) -> tuple[object, ...]:
        """Arguments of the last call of a method."""
        return next(args for called, args in reversed(self.calls) if called == name)


@dataclass
class GatedSegmenter:
    """Fulfils `ports.Segmenter`; waits at `gate` when it is closed, reporting progress."""

    labels: LabelArray
    gate: threading.Event = field(default_factory=threading.Event)
    refusal: Exception | None = None
    messages: tuple[str, ...] = ("T1 is not used.",)
    card: ModelCard = ModelCard(  # noqa: RUF009 - frozen
        "base", "Base model", "net", {}, (T1GD, T2, FLAIR), GLIOMA_POST_TREATMENT, (1, 1, 1), "z-score-brain", "ab" * 32
    )

    def models(self) -> tuple[ModelCard, ...]:
        return (self.card,)

    def check(self, model: str, roles: Collection[SequenceRole], scheme: LabelScheme) -> None:
        if self.refusal is not None:
            raise self.refusal

    def segment(
        self,
        images: Mapping[SequenceRole, Volume],
        model: str,
        device: str,
        report: Report,
        cancel: CancelToken,
        *,
        operated: bool | None = None,
    ) -> SegmentationOutcome:
        while not self.gate.wait(0.01):
            report(Progress(0.5, "Patch 2 of 4", 7.0))
            cancel.raise_if_cancelled()
        return SegmentationOutcome(self.labels, self.card, "CPU", 1.0, 4, self.messages)


def proposed_labels() -> LabelArray:
    """A small tumour: 8 voxels of NETC in 64 of ET."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[10:14, 10:14, 10:14] = 3
    labels[11:13, 11:13, 11:13] = 1
    return labels


def images() -> dict[str, Volume]:
    return {role.value: Volume(head(role, GRID), GRID) for role in (T1, T1GD, T2, FLAIR)}


def fill(store: FakeStore) -> None:
    """One patient with three visits: an approved mask, a draft, none; and a second patient with one visit."""
    shown = images()
    for key, count in ((PATIENT, 3), ("PAT-0043", 1)):
        patient = store.add_patient(key)
        assert patient.id is not None
        for order in range(count):
            sequences = tuple(Sequence(name, SequenceRole(name), "") for name in shown)
            day, phase = DATES[order], PHASES[order]
            visit = Timepoint(
                patient.id, day.isoformat(), order, GRID, "T1Gd", date=day, phase=phase, sequences=sequences
            )
            visit = store.add_timepoint(visit, shown)
            if key == PATIENT and order < 2:
                made = store.add_revision(
                    visit, proposed_labels(), GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="Dr Old"
                )
                if order == 0 and made.id is not None:
                    store.set_status(made.id, RevisionStatus.APPROVED)


@dataclass
class Bench:
    """What a test of the window works with."""

    store: FakeStore
    segmenter: GatedSegmenter
    open_window: Callable[..., MainWindow]
    saved: list[Settings] = field(default_factory=list)

    def open_patient(self, qtbot: QtBot, visit: int = -1) -> MainWindow:
        """A window that shows the first patient at one of the visits."""
        window = self.open_window()
        key = DATES[visit].isoformat()
        window.study.open_patient(PATIENT, key)
        qtbot.waitUntil(lambda: window.study.visit is not None)
        settle(qtbot, window)
        return window


def settle(qtbot: QtBot, window: MainWindow) -> None:
    """Wait until no job runs and everything is written."""
    workers = window.workers
    qtbot.waitUntil(lambda: not (workers.jobs or workers.drawing.active or workers.writing.active))


@pytest.fixture
def bench(qapp: QApplication, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(window_module, "StudyView", PlainView)
    windows: list[MainWindow] = []
    store = FakeStore(tmp_path / "workspace")
    fill(store)
    made = Bench(store, GatedSegmenter(proposed_labels()), lambda: None)  # type: ignore[arg-type,return-value]

    def open_window(**changes: Any) -> MainWindow:
        given: dict[str, Any] = {
            "open_store": lambda path, read_only=False: store,
            "make_segmenter": lambda path: made.segmenter,
            "settings": Settings(author="Dr New"),
            "save_settings": made.saved.append,
            "default_workspace": tmp_path / "workspace",
        }
        if qapp.property("theme") != "dark":  # put on again, a look goes through the widgets of the window before
            make_application([], "dark")
        window = MainWindow(Services(**(given | changes)))
        windows.append(window)
        window.errors.install()
        window.resize(1280, 720)
        window.show()
        window.activateWindow()
        qtbot.waitUntil(lambda: QApplication.activeWindow() is not None)  # the window, or a dialog over it
        if "open_store" not in changes:
            qtbot.waitUntil(lambda: window.study.session is not None)
            settle(qtbot, window)
        return window

    made.open_window = open_window
    yield made
    made.segmenter.gate.set()
    for window in windows:
        fault = window.errors.dialog
        window.close()
        assert fault is None, fault.what.text()
        window.deleteLater()
    assert not [t for t in threading.enumerate() if t.name == "jobs" and t.is_alive()]


@pytest.fixture
def registrar(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registrar]:
    """In place of the registration of two visits."""
    made = Registrar()
    monkeypatch.setattr(registration_module, "register_visits", made)
    yield made
    made.waits = False
