"""What the model was unsure of: an overlay, and the places where a look is worth most."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.segmentation import Softmax
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.ui.study_controller import StudyController

if TYPE_CHECKING:
    from glioma_annotator.imaging.label_ops.uncertainty import DoubtfulPlace


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What follows from a proposal's class shares: the overlay, deflated, and the places to check."""

    packed: bytes
    places: tuple[DoubtfulPlace, ...]

    @classmethod
    def of(cls, softmax: Softmax, grid: Grid) -> _Found:
        heat, places = heat_and_places(softmax, grid)
        return cls(zlib.compress(heat.tobytes(), 1), places)

    def heat(self, grid: Grid) -> LabelArray:
        return np.frombuffer(zlib.decompress(self.packed), dtype=np.uint8).reshape(grid.shape)


class Uncertainty(QObject):
    """Keeps what follows from the class shares of the last proposal of every visit while the program runs.

    The shares themselves take 17 MB a visit and are let go of with their visit.

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
        self._softmax: Softmax | None = None  # of the proposal that was looked at last
        self._kept: dict[int, _Found] = {}
        self._heat: LabelArray | None = None
        self.shown = self.searching = False
        self.places: tuple[DoubtfulPlace, ...] = ()
        self.at = -1
        study.workspace_changed.connect(self._kept.clear)
        study.proposal_changed.connect(self._on_proposal)
        study.visit_changed.connect(self._on_visit)

    @property
    def available(self) -> bool:
        """Whether a model has said how sure it is of the open visit."""
        return self.searching or self._heat is not None

    def _on_proposal(self) -> None:
        visit = self._study.visit
        softmax = visit.proposal.softmax if visit is not None and visit.proposal is not None else None
        if visit is not None and softmax is not None and softmax is not self._softmax:
            self._softmax = softmax
            grid = visit.timepoint.grid
            self._look(visit.id, grid, lambda: _Found.of(softmax, grid))

    def _on_visit(self) -> None:
        visit = self._study.visit
        self._softmax = None
        self._begin(searching=False)
        kept = self._kept.get(visit.id) if visit is not None else None
        self._on_proposal()
        if self.searching:
            return
        if visit is not None and kept is not None:
            self._look(visit.id, visit.timepoint.grid, lambda: kept)
        elif self.shown:
            self._show_heat(None)

    def _begin(self, *, searching: bool) -> None:
        self.places, self.at = (), -1
        self._heat, self.searching = None, searching
        self.changed.emit()

    def _look(self, visit_id: int, grid: Grid, find: Callable[[], _Found]) -> None:
        session = self._study.session

        def work() -> tuple[_Found, LabelArray]:
            found = find()
            return found, found.heat(grid)

        def done(result: tuple[_Found, LabelArray]) -> None:
            if self._study.session is not session:
                return
            self._kept[visit_id], heat = result
            visit = self._study.visit
            if visit is not None and visit.id == visit_id:
                self._heat, self.places, self.searching = heat, self._kept[visit_id].places, False
                self._show_heat(heat if self.shown else None)
                self.changed.emit()

        self._begin(searching=True)
        self._study.workers.draw(work, done)

    def flip(self) -> None:
        """The overlay on or off."""
        self.shown = not self.shown
        self._show_heat(self._heat if self.shown else None)
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
