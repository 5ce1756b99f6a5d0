"""A proposal as its difference from the present mask: what it adds, what it removes; accepted whole or in parts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.editing import box_of, differing
from glioma_annotator.domain.geometry import Box
from glioma_annotator.domain.volume import LabelArray

_LITTLE = 0.1  # of the change in the slice that has most of it: so little keeps nobody's eye


class Difference:
    """What a proposed mask would change, kept up to date while the present mask is edited.

    Attributes
    ----------
    proposed: uint8 (i, j, k).
    added: the proposed label where it differs from the present one and is not background, else 0.
    removed: the present label where the proposal has background, else 0.

    Voxels of labels in `spared` do not change: the proposal knows nothing of those labels.
    """

    def __init__(self, present: LabelArray, proposed: LabelArray, spared: Collection[int] = ()) -> None:
        if present.shape != proposed.shape:
            raise ValueError(f"a proposal of shape {proposed.shape} for a mask of shape {present.shape}")
        self._present = present
        self._spared = sorted(spared)
        self.proposed = proposed
        # Not `zeros_like`, which writes all of them, a tenth of a second's work: pages that nobody writes cost nothing.
        self.added: LabelArray = np.zeros(present.shape, dtype=np.uint8)
        self.removed: LabelArray = np.zeros(present.shape, dtype=np.uint8)
        self._box: Box | None = None  # outside of it nothing is added nor removed
        index = differing(present, proposed)
        if index.size:
            self.refresh(box_of(index, (present.shape[0], present.shape[1], present.shape[2])))

    def refresh(self, box: Box) -> None:
        """The present mask changed within `box`."""
        present, proposed = self._present[box.slices], self.proposed[box.slices]
        differs = present != proposed
        if self._spared:
            differs &= ~np.isin(present, self._spared)
        self.added[box.slices] = np.where(differs, proposed, 0)
        self.removed[box.slices] = np.where(differs & (proposed == 0), present, 0)
        self._box = box if self._box is None else self._box.union(box)

    def _changed(self) -> tuple[Box, NDArray[np.bool_]] | None:
        """A box that holds every change, and which of its voxels (i, j, k) change; None where nothing does."""
        if self._box is None:
            return None
        changed = (self.added[self._box.slices] | self.removed[self._box.slices]) > 0
        return (self._box, changed) if changed.any() else None

    @property
    def empty(self) -> bool:
        return self._changed() is None

    def place_to_see(self, here: tuple[int, int, int]) -> tuple[int, int, int]:
        """Where slices in all planes show the change: `here` (i, j, k), moved along axes whose slice has little of it.

        That is less than a tenth of what the slice with most of it has, to which it is moved.
        """
        found = self._changed()
        if found is None:
            return here
        box, changed = found
        place = list(here)
        for axis in range(3):
            other = tuple(a for a in range(3) if a != axis)
            counts = np.count_nonzero(changed, axis=other)
            at = here[axis] - box.start[axis]
            if not (0 <= at < counts.size and counts[at] >= _LITTLE * counts.max()):
                place[axis] = box.start[axis] + int(counts.argmax())
        return place[0], place[1], place[2]

    def component(self, seed: tuple[int, int, int]) -> NDArray[np.int64]:
        """Flat C-order indices of the change that holds voxel `seed`; empty where nothing changes.

        A change is a connected region (26 neighbours) that gets one label from the proposal; background counts as one.
        """
        from glioma_annotator.imaging.label_ops.fill import connected_to

        found = self._changed()
        if found is None or not (self.added[seed] or self.removed[seed]):
            return np.zeros(0, dtype=np.int64)
        box, changed = found
        same = changed & (self.proposed[box.slices] == self.proposed[seed])
        i, j, k = (a - b for a, b in zip(seed, box.start, strict=True))
        voxels = np.argwhere(connected_to(same, (i, j, k))) + np.asarray(box.start)
        index: NDArray[np.int64] = np.ravel_multi_index(tuple(voxels.T), self.proposed.shape).astype(np.int64)
        return index


@dataclass(frozen=True, slots=True)
class LabelChange:
    """How one label differs between two masks.

    Attributes
    ----------
    name: the label's.
    dice: 2 |A and B| / (|A| + |B|); 1 when both are empty.
    before_ml, after_ml, added_ml, removed_ml: volumes in mL.
    """

    name: str
    dice: float
    before_ml: float
    after_ml: float
    added_ml: float
    removed_ml: float


def label_changes(
    before: LabelArray, after: LabelArray, groups: Collection[tuple[str, Collection[int]]], voxel_ml: float
) -> tuple[LabelChange, ...]:
    """For every group (name, label values) how `after` differs from `before`, masks (i, j, k) of one shape."""
    rows = []
    for name, values in groups:
        then, now = np.isin(before, sorted(values)), np.isin(after, sorted(values))
        in_then, in_now = int(np.count_nonzero(then)), int(np.count_nonzero(now))
        both = int(np.count_nonzero(then & now))
        dice = 2 * both / (in_then + in_now) if in_then + in_now else 1.0
        ml = voxel_ml
        rows.append(LabelChange(name, dice, in_then * ml, in_now * ml, (in_now - both) * ml, (in_then - both) * ml))
    return tuple(rows)
