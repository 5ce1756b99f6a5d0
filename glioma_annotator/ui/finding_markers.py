"""Shows the visit's findings and histology samples as markers in every pane, and selects the one that is clicked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from PySide6.QtCore import QObject

from glioma_annotator.domain.finding import Point
from glioma_annotator.domain.histology import HistologySample, SampleKind
from glioma_annotator.ui.findings import FindingsController
from glioma_annotator.ui.histology import HistologyController
from glioma_annotator.ui.viewer.study_view import StudyView
from glioma_annotator.ui.viewer.types import CrosshairPlace, Marker

#: A click this near to a marker means it.
_REACH_MM = 3.0
_LETTERS = {SampleKind.BIOPSY: "B", SampleKind.RESECTION: "R"}


@dataclass(frozen=True, slots=True)
class _Site:
    """A site point of a sample of the open visit."""

    sample: HistologySample
    point_mm: Point
    text: str


class FindingMarkers(QObject):
    """Keeps the panes' markers in step with findings and samples."""

    def __init__(
        self,
        findings: FindingsController,
        histology: HistologyController,
        view: StudyView,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._findings, self._histology, self._view = findings, histology, view
        for signal in (findings.changed, findings.selected, histology.changed, histology.selected):
            signal.connect(self._draw)
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
        for site in self._sites():
            i, j, k = (float(v) for v in grid.world_to_index(site.point_mm))
            markers.append(Marker((i, j, k), site.text, site.sample.id == self._histology.current, sample=True))
        self._view.set_markers(tuple(markers))

    def _sites(self) -> list[_Site]:
        """Site points in the open visit: B for a biopsy, R for a resection, numbered; points of one sample a, b, ..."""
        visit = self._findings.study.visit
        if visit is None:
            return []
        own = [sample for sample in self._histology.all() if sample.timepoint == visit.timepoint.key]
        sites = []
        for number, sample in enumerate(own, start=1):
            several = len(sample.sites_mm) > 1
            for place, point in enumerate(sample.sites_mm):
                which = chr(ord("a") + place % 26) if several else ""
                sites.append(_Site(sample, point, f"{_LETTERS[sample.kind]}{number}{which}"))
        return sites

    def _on_crosshair(self, place: CrosshairPlace | None) -> None:
        """Select what lies nearest to the crosshair, if it is near enough."""
        if place is None:
            return
        at = np.asarray(place.world_mm)

        def away(point: Point) -> float:
            return float(np.linalg.norm(at - np.asarray(point)))

        near = [(away(f.point_mm), partial(self._findings.select, f.id)) for f in self._findings.of_visit()]
        near += [(away(s.point_mm), partial(self._histology.select, s.sample.id)) for s in self._sites()]
        distance, select = min(near, key=lambda pair: pair[0], default=(np.inf, None))
        if distance <= _REACH_MM and select is not None:
            select()
