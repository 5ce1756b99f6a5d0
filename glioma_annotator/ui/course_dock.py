"""The docks Findings, Histology and Clinical, and the commands that bring them up."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDockWidget, QMainWindow, QScrollArea, QTabWidget, QWidget

from glioma_annotator.ui.findings import FindingsController
from glioma_annotator.ui.histology import HistologyController
from glioma_annotator.ui.navigator import Place
from glioma_annotator.ui.panels.clinical import ClinicalPanel
from glioma_annotator.ui.panels.notes import NotesPanel
from glioma_annotator.workflow.commands import Command


def in_hidden_dock(widget: QWidget | None) -> bool:
    """Whether a widget lies in a dock of which nothing is in sight, as behind the tab of another."""
    while widget is not None and not isinstance(widget, QDockWidget):
        widget = widget.parentWidget()
    return widget is not None and widget.visibleRegion().isEmpty()


def make_dock(title: str, name: str, panel: QWidget, window: QMainWindow) -> QDockWidget:
    """A dock that is moved and torn off like the others."""
    dock, scroll = _dock(title, name, window), _scroll()
    dock.setWidget(scroll)
    scroll.setWidget(panel)  # last: whatever is put in elsewhere with all that it holds takes on the looks there again
    return dock


def _scroll() -> QScrollArea:
    scroll = QScrollArea()
    scroll.setWidgetResizable(True)
    scroll.setFrameShape(QScrollArea.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    scroll.setMinimumWidth(280)
    return scroll


def _dock(title: str, name: str, window: QMainWindow) -> QDockWidget:
    dock = QDockWidget(title, window)
    dock.setObjectName(name)
    feature = QDockWidget.DockWidgetFeature
    dock.setFeatures(feature.DockWidgetMovable | feature.DockWidgetFloatable)
    return dock


class ClinicalPages(QTabWidget):
    """What lies in the Clinical dock: the patient's events, and notes and reports."""

    def __init__(self, events: ClinicalPanel, notes: NotesPanel, histology: HistologyController) -> None:
        super().__init__()
        self.events, self.notes = events, notes
        self._histology = histology
        self.setDocumentMode(True)
        self.tabBar().setDrawBase(False)
        self.tabBar().setAccessibleName("Pages of the clinical course")

    def make_dock(self, window: QMainWindow) -> QDockWidget:
        dock = _dock("Clinical", "clinical-dock", window)
        dock.setWidget(self)
        pages: tuple[tuple[str, QWidget], ...] = (("Events", self.events), ("Notes and reports", self.notes))
        for title, page in pages:
            scroll = _scroll()
            self.addTab(scroll, title)
            scroll.setWidget(page)
        return dock

    def show_record(self, place: Place, bring_up: Callable[[], None]) -> None:
        """Show an event, note, report or sample that a search found; findings show themselves."""
        if place.kind == "sample":
            self._histology.open(place.record)
        elif place.kind == "event":
            self.show_events(bring_up)
            self.events.show_event(place.record)
        elif place.record and place.kind != "finding":
            self.show_notes(bring_up)
            self.notes.show_note(place.record, place.words)

    def show_events(self, bring_up: Callable[[], None]) -> None:
        """Bring the events up with the keyboard in their form."""
        self.setCurrentIndex(0)
        bring_up()
        self.events.kind.setFocus()

    def show_notes(self, bring_up: Callable[[], None]) -> None:
        self.setCurrentIndex(1)
        bring_up()


def course_commands(
    findings: FindingsController,
    show_findings: Callable[[], None],
    show_clinical: Callable[[], None],
    show_notes: Callable[[], None],
    write_note: Callable[[], None],
    show_course: Callable[[], None],
    draw_region: Callable[[], None],
) -> list[Command]:
    """Findings, clinical events, the course."""
    study = findings.study

    def add() -> None:
        findings.add_at_crosshair()
        show_findings()

    def has_patient() -> bool:
        return bool(study.patient_key)

    def can_add() -> bool:
        return study.visit is not None and findings.editable

    return [
        Command("finding.add", "Finding at the crosshair", "Record a finding where the crosshair is; on the mask's "
                "component there, with its mL", add, "Study", ("Ctrl+D",), can_add),
        Command("finding.region", "Finding in a drawn region", "Draw around something in one slice: a finding with its "
                "box and mL, without a mask", draw_region, "Study", ("Ctrl+Shift+G",), can_add),
        Command("finding.propose", "Propose findings", "Follow the lesions of the visit before into this one, with "
                "their change in mL; confirm each", findings.propose, "Study", (),
                lambda: can_add() and study.several_visits),
        Command("study.findings", "Findings", "List the patient's findings", show_findings, "Study", ("Ctrl+Shift+D",),
                has_patient),
        Command("study.clinical", "Clinical course", "Surgery, radiotherapy, drugs, steroids, performance status",
                show_clinical, "Study", ("Ctrl+Shift+E",), has_patient),
        Command("study.notes", "Notes and reports", "Read and write the patient's notes and radiology, pathology and "
                "other reports", show_notes, "Study", ("Ctrl+Shift+T",), has_patient),
        Command("note.add", "New note or report", "Write a note, or paste a report, at the open visit", write_note,
                "Study", (), lambda: has_patient() and not study.read_only),
        Command("study.course", "Course and response…", "Volumes over time with treatments, and the RANO proposal",
                show_course, "Study", ("Ctrl+Shift+R",), has_patient),
    ]  # fmt: skip
