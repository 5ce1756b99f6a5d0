"""Diameters laid over a slice become those of a lesion: the response (RANO) uses them in place of the computed ones."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPoint, Signal
from PySide6.QtGui import QCursor
from PySide6.QtWidgets import QMenu

from glioma_annotator.domain.response import DiameterLine
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.ui.dialogs.diameter_editor import lines_of
from glioma_annotator.ui.findings import FindingsController
from glioma_annotator.ui.panels.parts import ml_text
from glioma_annotator.ui.viewer.measures import Measure, MeasureKind
from glioma_annotator.ui.viewer.study_view import StudyView
from glioma_annotator.workflow.commands import Command

if TYPE_CHECKING:
    from glioma_annotator.workflow.diameters import LesionChoice

_AXIAL = 2


class DiameterAttaching(QObject):
    """Asks which lesion the diameters in hand belong to, the nearest first, and records them.

    Attributes
    ----------
    menu: the lesions to choose from, while they are shown.

    Signals
    -------
    attached: diameters were recorded.
    """

    attached = Signal()

    def __init__(self, findings: FindingsController, view: StudyView, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._findings, self._study, self._view = findings, findings.study, view
        self.menu: QMenu | None = None

    @property
    def ready(self) -> bool:
        return self._study.editable and self._measure() is not None

    def _measure(self) -> Measure | None:
        """The diameters in hand, else those laid last over the visit."""
        measuring = self._view.aids.measuring
        laid = [m for m in measuring.items if m.kind is MeasureKind.DIAMETERS]
        return measuring.current if measuring.current in laid else (laid[-1] if laid else None)

    def ask(self) -> None:
        """Look for the lesions around the diameters on a worker, then let the reader choose.

        Raises `UserError` for diameters that are not in an axial slice.
        """
        visit, session = self._study.require_visit(), self._study.require_session()
        measure = self._measure()
        if measure is None:
            raise UserError(
                "No diameters are laid over this visit.", "Lay them with Shift+R, or Ctrl+R for the mask's."
            )
        if measure.axis != _AXIAL:
            raise UserError("The response measures in axial slices.", "Lay the diameters over an axial slice.")
        longest, perpendicular = lines_of(measure)
        x, y, z = ((a + b) / 2 for a, b in zip(longest.start_mm, longest.end_mm, strict=True))
        patient, timepoint, profile = self._study.patient_key, visit.timepoint, self._findings.profile
        at = QCursor.pos()

        def work(_report: Report, _cancel: CancelToken) -> tuple[LesionChoice, ...]:
            from glioma_annotator.workflow.diameters import lesions_near  # scipy: not at the program's start

            return lesions_near(session.store, patient, timepoint, (x, y, z), profile, session.author)

        def done(choices: tuple[LesionChoice, ...]) -> None:
            if self._study.visit is visit:
                self._offer(choices, longest, perpendicular, at)

        self._study.workers.reading.submit("Looking for the lesions", work, done, self._study.failed.emit)

    def _offer(
        self, choices: tuple[LesionChoice, ...], longest: DiameterLine, perpendicular: DiameterLine, at: QPoint
    ) -> None:
        menu = QMenu(self._view)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.destroyed.connect(self._forget)
        title = menu.addAction("These diameters are those of")
        title.setEnabled(False)
        for choice in choices:
            act = menu.addAction(self._title(choice))
            act.triggered.connect(partial(self._attach, choice, longest, perpendicular))
        menu.setActiveAction(menu.actions()[1])  # Return takes the nearest
        self.menu = menu
        within = self._view.rect().contains(self._view.mapFromGlobal(at))
        menu.popup(at if within else self._view.mapToGlobal(self._view.rect().center()))

    def _forget(self) -> None:
        self.menu = None

    def _title(self, choice: LesionChoice) -> str:
        name = self._findings.title_of(choice.finding)
        away = f", {choice.away_mm:.0f} mm away" if choice.away_mm else ""
        new = "" if choice.recorded else ": becomes a finding"
        return f"{name}, {ml_text(choice.volume_ml)} mL{away}{new}"

    def _attach(self, choice: LesionChoice, longest: DiameterLine, perpendicular: DiameterLine) -> None:
        from glioma_annotator.workflow.diameters import attach_diameters  # scipy: not at the program's start

        session = self._study.require_session()
        try:
            made = attach_diameters(session.store, choice, longest, perpendicular, session.author)
        except UserError as error:
            self._study.failed.emit(error)
            return
        self._findings.changed.emit()
        self.attached.emit()
        size = f"{made.longest_mm:.1f} × {made.perpendicular_mm:.1f} mm"
        title = self._findings.title_of(choice.finding)
        self._study.notice.emit(f"{size} recorded for {title}; Course and response uses them.")


def attaching_commands(attaching: DiameterAttaching) -> list[Command]:
    """The command that takes diameters over into the response."""
    return [
        Command("view.attach_diameters", "Diameters to the response…", "Record the diameters in hand for a lesion: the "
                "response (RANO) uses them", attaching.ask, "View", ("Ctrl+Shift+M",), lambda: attaching.ready),
    ]  # fmt: skip
