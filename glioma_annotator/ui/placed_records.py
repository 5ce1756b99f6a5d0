"""What the controllers of findings and samples share: records of the open patient that lie somewhere in the images."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from glioma_annotator.domain.finding import Point
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.workflow.finding_entry import Index


class PlacedRecords(QObject):
    """Records of one kind of the open patient, one of which may be selected.

    Attributes
    ----------
    current: id of the selected record; empty for none.

    Signals
    -------
    changed: the records are others. selected(str): id of the record to show; empty for none.
    panel_wanted: the reader asked, from another panel, to see the record that is selected.

    Parameters
    ----------
    crosshair: gives the voxel under the crosshair.
    jump: moves the crosshair to a voxel.
    """

    changed = Signal()
    selected = Signal(str)
    panel_wanted = Signal()

    def __init__(
        self,
        study: StudyController,
        crosshair: Callable[[], Index],
        jump: Callable[[Index], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.study = study
        self._crosshair, self._jump = crosshair, jump
        self._wanted: tuple[str, Point] | None = None  # visit and place to go to once it is open
        self.current = ""
        study.patient_changed.connect(self._on_patient)
        study.visit_changed.connect(self._on_visit)

    @property
    def editable(self) -> bool:
        return bool(self.study.patient_key) and not self.study.read_only

    def select(self, record_id: str) -> None:
        if record_id != self.current:
            self.current = record_id
            self.selected.emit(record_id)

    def show_place(self, key: str, point: Point) -> None:
        """Put the crosshair at a place, world RAS mm at the visit of that key; open that visit if need be."""
        visit = self.study.visit
        if visit is not None and visit.timepoint.key == key:
            grid = visit.timepoint.grid
            at = grid.world_to_index(point)
            i, j, k = (min(max(round(float(v)), 0), n - 1) for v, n in zip(at, grid.shape, strict=True))
            self._jump((i, j, k))
            return
        timepoint = next((t for t in self.study.timepoints() if t.key == key), None)
        if timepoint is not None:
            self._wanted = (key, point)
            self.study.open_visit(timepoint)

    def _known(self) -> frozenset[str]:
        """Ids of the open patient's records."""
        raise NotImplementedError

    def _on_patient(self) -> None:
        if self.current not in self._known():  # a mask saved changes no record
            self.select("")
        self.changed.emit()

    def _on_visit(self) -> None:
        wanted, self._wanted = self._wanted, None
        visit = self.study.visit
        if wanted is not None and visit is not None and visit.timepoint.key == wanted[0]:
            self.show_place(*wanted)
        self.changed.emit()
