"""A patient with visits, masks of boxes and events, for tests of measuring and assessing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import numpy as np
from fakes import FakeStore
from phantoms import head

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.patient import Timepoint, TreatmentPhase
from glioma_annotator.domain.revision import RevisionOrigin, RevisionStatus
from glioma_annotator.domain.sequences import Sequence as Series
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.workflow.ports import Store

GRID = Grid((40, 44, 20), np.array([[4.0, 0, 0, -78], [0, 4, 0, -86], [0, 0, 4, -38], [0, 0, 0, 1]]))
NETC, SNFH, ET, RC = 1, 2, 3, 4

#: A box of voxels of a label: value, start and size along (i, j, k).
Box = tuple[int, tuple[int, int, int], tuple[int, int, int]]


def mask(*boxes: Box) -> LabelArray:
    labels = np.zeros(GRID.shape, dtype=np.uint8)
    for value, (i, j, k), (u, v, w) in boxes:
        labels[i : i + u, j : j + v, k : k + w] = value
    return labels


class Course:
    """Builds the patient P in a store, a `FakeStore` by default, visit by visit."""

    def __init__(self, store: Store | None = None) -> None:
        self.store: Store = store or FakeStore()
        self.patient = self.store.add_patient("P")
        self._count = 0

    def visit(
        self,
        day: int | None,
        *boxes: Box,
        phase: TreatmentPhase = TreatmentPhase.UNKNOWN,
        masked: bool = True,
        approve: bool = False,
        date: dt.date | None = None,
        grid: Grid = GRID,
        images: Mapping[str, Volume] | None = None,
        roles: Sequence[SequenceRole] = (SequenceRole.T1GD,),
    ) -> Timepoint:
        assert self.patient.id is not None
        shown = dict(images or {role.value: Volume(head(role, grid), grid) for role in roles})
        timepoint = Timepoint(
            self.patient.id,
            f"V{self._count}",
            self._count,
            grid,
            next(iter(shown)),
            date=date,
            day=day,
            phase=phase,
            sequences=tuple(Series(name, SequenceRole(name), "") for name in shown),
        )
        self._count += 1
        stored = self.store.add_timepoint(timepoint, shown)
        if masked:
            self.revise(stored, mask(*boxes), approve=approve)
        return stored

    def revise(self, timepoint: Timepoint, labels: LabelArray, *, approve: bool = False) -> None:
        made = self.store.add_revision(
            timepoint, labels, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="Reader"
        )
        if approve and made.id is not None:
            self.store.set_status(made.id, RevisionStatus.APPROVED)
