"""A proposal as its difference from the present mask: what it adds, what it removes; accepted whole or in parts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box
from glioma_annotator.domain.volume import LabelArray


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
        self.added: LabelArray = np.zeros_like(present)
        self.removed: LabelArray = np.zeros_like(present)
        self.refresh(Box.whole((present.shape[0], present.shape[1], present.shape[2])))

    def refresh(self, box: Box) -> None:
        """The present mask changed within `box`."""
        present, proposed = self._present[box.slices], self.proposed[box.slices]
        differs = present != proposed
        if self._spared:
            differs &= ~np.isin(present, self._spared)
        self.added[box.slices] = np.where(differs, proposed, 0)
        self.removed[box.slices] = np.where(differs & (proposed == 0), present, 0)

    @property
    def empty(self) -> bool:
        return not (self.added.any() or self.removed.any())

    def place_to_see(self, here: tuple[int, int, int]) -> tuple[int, int, int]:
        """Where slices in all three planes show a change: `here` (i, j, k), moved along the axes whose slice has none.

        There it is the slice with most of the change.
        """
        changed = (self.added > 0) | (self.removed > 0)
        place = list(here)
        for axis in range(3):
            if not np.take(changed, here[axis], axis).any():
                other = tuple(a for a in range(3) if a != axis)
                place[axis] = int(np.count_nonzero(changed, axis=other).argmax()) if changed.any() else here[axis]
        return place[0], place[1], place[2]

    def component(self, seed: tuple[int, int, int]) -> NDArray[np.int64]:
        """Flat C-order indices of the change that holds voxel `seed`; empty where nothing changes.

        A change is a connected region (26 neighbours) that gets one label from the proposal; background counts as one.
        """
        from glioma_annotator.imaging.label_ops.fill import connected_to

        if not (self.added[seed] or self.removed[seed]):
            return np.zeros(0, dtype=np.int64)
        changed = (self.added > 0) | (self.removed > 0)
        same = changed & (self.proposed == self.proposed[seed])
        return np.flatnonzero(connected_to(same, seed)).astype(np.int64)


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
