"""Shows the visit's findings as markers in every pane, and selects the one that the crosshair is put on."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject

from glioma_annotator.ui.findings import FindingsController
from glioma_annotator.ui.viewer.study_view import StudyView
from glioma_annotator.ui.viewer.types import CrosshairPlace, Marker

#: A click this near to a marker means it.
_REACH_MM = 3.0


class FindingMarkers(QObject):
    """Keeps the panes' markers in step with the findings."""

    def __init__(self, findings: FindingsController, view: StudyView, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._findings, self._view = findings, view
        findings.changed.connect(self._draw)
        findings.selected.connect(lambda _id: self._draw())
        view.crosshair_moved.connect(self._on_crosshair)

    def _draw(self) -> None:
        visit = self._findings.study.visit
        if visit is None:
            self._view.set_markers(())
            return
        grid = visit.timepoint.grid
        markers = []
        for number, finding in enumerate(self._findings.of_visit(), start=1):
            i, j, k = (float(v) for v in grid.world_to_index(finding.point_mm))
            markers.append(Marker((i, j, k), str(number), finding.id == self._findings.current))
        self._view.set_markers(tuple(markers))

    def _on_crosshair(self, place: CrosshairPlace | None) -> None:
        if place is None:
            return
        at = np.asarray(place.world_mm)
        near = [(float(np.linalg.norm(at - np.asarray(f.point_mm))), f.id) for f in self._findings.of_visit()]
        distance, finding_id = min(near, default=(np.inf, ""))
        if distance <= _REACH_MM:
            self._findings.select(finding_id)
