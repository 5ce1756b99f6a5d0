"""The docks Findings and Clinical, and the commands that bring them up."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDockWidget, QScrollArea, QWidget

from glioma_annotator.ui.findings import FindingsController
from glioma_annotator.workflow.commands import Command


def make_dock(title: str, name: str, panel: QWidget) -> QDockWidget:
    """A dock that is moved and torn off like the others."""
    scroll = QScrollArea()
    scroll.setWidgetResizable(True)
    scroll.setFrameShape(QScrollArea.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    scroll.setMinimumWidth(280)
    scroll.setWidget(panel)
    dock = QDockWidget(title)
    dock.setObjectName(name)
    feature = QDockWidget.DockWidgetFeature
    dock.setFeatures(feature.DockWidgetMovable | feature.DockWidgetFloatable)
    dock.setWidget(scroll)
    return dock


def course_commands(
    findings: FindingsController,
    show_findings: Callable[[], None],
    show_clinical: Callable[[], None],
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
                lambda: can_add() and len(study.timepoints()) > 1),
        Command("study.findings", "Findings", "List the patient's findings", show_findings, "Study", ("Ctrl+Shift+D",),
                has_patient),
        Command("study.clinical", "Clinical course", "Surgery, radiotherapy, drugs, steroids, performance status",
                show_clinical, "Study", ("Ctrl+Shift+E",), has_patient),
        Command("study.course", "Course and response…", "Volumes over time with treatments, and the RANO proposal",
                show_course, "Study", ("Ctrl+Shift+R",), has_patient),
    ]  # fmt: skip
