"""Opens the image at a place: the patient, the visit, the crosshair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, QTimer, Signal

from glioma_annotator.domain.finding import Point
from glioma_annotator.ui.findings import FindingsController
from glioma_annotator.ui.study_controller import StudyController


@dataclass(frozen=True, slots=True)
class Place:
    """Where to go.

    Attributes
    ----------
    patient, timepoint: keys; without a visit the one last looked at is shown.
    point_mm: world RAS mm at the visit; None to leave the crosshair alone.
    finding: id of the finding to select; empty for none.
    kind, record: of the record to show, as `domain.cohort.SearchHit` has them; empty for none.
    words: what was searched for.
    """

    patient: str
    timepoint: str = ""
    point_mm: Point | None = None
    finding: str = ""
    kind: str = ""
    record: str = ""
    words: str = ""


class Navigator(QObject):
    """Takes the reader to places found by a search or a question.

    Signals
    -------
    arrived(Place): the image is open there; its record can be shown.

    Parameters
    ----------
    jump: moves the crosshair to a voxel.
    """

    arrived = Signal(object)

    def __init__(
        self,
        study: StudyController,
        findings: FindingsController,
        jump: Callable[[tuple[int, int, int]], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._study, self._findings, self._jump = study, findings, jump
        self._wanted: Place | None = None
        study.visit_changed.connect(self._on_visit)

    def go(self, place: Place) -> None:
        """Open the place; the crosshair follows once the visit is there. Raises `UserError` for an unknown patient."""
        visit = self._study.visit
        if visit is not None and self._study.patient_key == place.patient and not self._study.opening:
            if place.timepoint in ("", visit.timepoint.key):
                self._arrive(place)
                return
            wanted = next((t for t in self._study.timepoints() if t.key == place.timepoint), None)
            if wanted is not None:
                self._wanted = place
                self._study.open_visit(wanted)
                return
        self._wanted = None  # opening a patient first closes the visit that is shown
        self._study.open_patient(place.patient, place.timepoint)
        self._wanted = place

    def _on_visit(self) -> None:
        """Only after every part of the window has taken the visit up."""
        place, visit = self._wanted, self._study.visit
        if place is not None and visit is not None and self._study.patient_key == place.patient:
            self._wanted = None
            if place.timepoint in ("", visit.timepoint.key):
                QTimer.singleShot(0, self, lambda: self._arrive(place))

    def _arrive(self, place: Place) -> None:
        visit = self._study.visit
        if visit is None or self._study.patient_key != place.patient:
            return
        if place.finding:
            self._findings.select(place.finding)
        if place.point_mm is not None:
            grid = visit.timepoint.grid
            at = grid.world_to_index(place.point_mm)
            i, j, k = (min(max(round(float(v)), 0), n - 1) for v, n in zip(at, grid.shape, strict=True))
            self._jump((i, j, k))
        self.arrived.emit(place)
