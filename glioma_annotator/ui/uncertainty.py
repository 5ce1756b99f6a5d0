"""What the model was unsure of: an overlay, and the places where a look is worth most."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.segmentation import Softmax
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.ui.study_controller import StudyController

if TYPE_CHECKING:
    from glioma_annotator.imaging.label_ops.uncertainty import DoubtfulPlace


class Uncertainty(QObject):
    """Keeps the class shares of the last proposal of every visit while the program runs, and what follows from them.

    Parameters
    ----------
    show_heat: draws uint8 (i, j, k), 0 to 255, under the mask; None for nothing.
    jump: moves the crosshair to a voxel.

    Signals
    -------
    changed: other places, or the overlay went on or off.
    """

    changed = Signal()

    def __init__(
        self,
        study: StudyController,
        show_heat: Callable[[LabelArray | None], None],
        jump: Callable[[tuple[int, int, int]], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._study = study
        self._show_heat = show_heat
        self._jump = jump
        self._softmax: dict[int, Softmax] = {}
        self._heat: LabelArray | None = None
        self.shown = False
        self.places: tuple[DoubtfulPlace, ...] = ()
        self.at = -1
        study.workspace_changed.connect(self._softmax.clear)
        study.proposal_changed.connect(self._on_proposal)
        study.visit_changed.connect(self._on_visit)

    @property
    def available(self) -> bool:
        """Whether a model has said how sure it is of the open visit."""
        visit = self._study.visit
        return visit is not None and visit.id in self._softmax

    @property
    def searching(self) -> bool:
        """Whether the places of the open visit are still being looked for."""
        return self.available and self._heat is None

    def _on_proposal(self) -> None:
        visit = self._study.visit
        proposal = visit.proposal if visit is not None else None
        if visit is None or proposal is None or proposal.softmax is None:
            return
        if self._softmax.get(visit.id) is not proposal.softmax:
            self._softmax[visit.id] = proposal.softmax
            self._on_visit()

    def _on_visit(self) -> None:
        self.places, self.at = (), -1
        visit = self._study.visit
        if visit is not None and visit.id in self._softmax:
            self._find(visit.id, self._softmax[visit.id], visit.timepoint.grid)
        elif self.shown:
            self._show_heat(None)
        self.changed.emit()

    def _find(self, visit_id: int, softmax: Softmax, grid: Grid) -> None:
        def work() -> tuple[LabelArray, tuple[DoubtfulPlace, ...]]:
            return heat_and_places(softmax, grid)

        def done(found: tuple[LabelArray, tuple[DoubtfulPlace, ...]]) -> None:
            visit = self._study.visit
            if visit is not None and visit.id == visit_id:
                self._heat, self.places = found
                self._show_heat(self._heat if self.shown else None)
                self.changed.emit()

        self._heat = None
        self._study.workers.draw(work, done)

    def flip(self) -> None:
        """The overlay on or off."""
        self.shown = not self.shown
        self._show_heat(self._heat if self.shown and self.available else None)
        self.changed.emit()

    def next_place(self, direction: int = 1) -> None:
        """Go to the next place to check, the first after the last."""
        if self.places:
            self.go_to((self.at + direction) % len(self.places))

    def go_to(self, number: int) -> None:
        place = self.places[number]
        self.at = number
        self._jump(place.inside)
        share = f"{place.error_ml:.2f} mL of {place.volume_ml:.2f} mL"
        self._study.notice.emit(f"Place {number + 1} of {len(self.places)}: about {share} may be wrong.")
        self.changed.emit()


def heat_and_places(softmax: Softmax, grid: Grid) -> tuple[LabelArray, tuple[DoubtfulPlace, ...]]:
    """Entropy as uint8 (i, j, k), 255 for the largest possible, and the places to check, both on the whole grid."""
    import dataclasses

    from glioma_annotator.imaging.label_ops.uncertainty import entropy, places_to_check

    box = softmax.box
    heat = np.zeros(grid.shape, dtype=np.uint8)
    heat[box.slices] = np.rint(255 * entropy(softmax.values))
    offset = box.start
    places = []
    for place in places_to_check(softmax.values, Grid(box.shape, grid.affine)):
        i, j, k = (a + b for a, b in zip(place.inside, offset, strict=True))
        places.append(dataclasses.replace(place, inside=(i, j, k)))
    return heat, tuple(places)
