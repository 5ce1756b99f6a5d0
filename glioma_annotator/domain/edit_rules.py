"""What an edit may change: locked labels, labels that may be painted over, the area that may be edited.

One rule for everything: brush, fill, margin, accepted proposals, restored revisions.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box, Shape
from glioma_annotator.domain.labels import BACKGROUND, IGNORE
from glioma_annotator.domain.volume import LabelArray


@dataclass(frozen=True, slots=True, eq=False)
class EditArea:
    """The voxels that may be edited, as they were when the reader chose them.

    Attributes
    ----------
    name: for the reader, e.g. "the brain".
    mask: bool (i, j, k).
    """

    name: str
    mask: NDArray[np.bool_]

    @classmethod
    def of_box(cls, box: Box, shape: Shape) -> EditArea:
        mask = np.zeros(shape, dtype=np.bool_)
        mask[box.clipped(shape).slices] = True
        return cls("the box", mask)


@dataclass(frozen=True, slots=True, eq=False)
class EditRules:
    """What every change of a mask is held to.

    Attributes
    ----------
    locked: label values that are changed neither from nor to.
    paint_over: label values (0 is background) that a label may replace; None for all. Erasing is not held to it: who
        paints only over background can still erase.
    inside: where voxels may change at all; None for everywhere.
    """

    locked: frozenset[int] = frozenset()
    paint_over: frozenset[int] | None = None
    inside: EditArea | None = None

    @property
    def free(self) -> bool:
        """Whether everything may change."""
        return not self.locked and self.paint_over is None and self.inside is None

    def among(self, values: Collection[int]) -> EditRules:
        """These rules without what they say of other label values than `values`, background and not reviewed."""
        known = frozenset((BACKGROUND, IGNORE, *values))
        over = None if self.paint_over is None else self.paint_over & known
        return replace(self, locked=self.locked & known, paint_over=over)

    def permitted(
        self,
        before: NDArray[np.uint8],
        after: NDArray[np.uint8],
        index: NDArray[np.int64] | None = None,
        *,
        erasing: bool = False,
        spared: Collection[int] = (),
    ) -> LabelArray:
        """`after`, with the values `before` where they must not change.

        Parameters
        ----------
        before, after: label values (n,) at the flat C-order voxel indices `index` (n,), or whole arrays (i, j, k) for
            None.
        erasing: the reader's own act of erasing, to which `paint_over` does not apply.
        spared: label values that this change must leave where they are, because who proposes it has no name for them.
        """
        if self.free and not spared:
            return after
        refused = np.zeros(before.shape, dtype=np.bool_)
        if self.locked:
            locked = sorted(self.locked)
            refused |= np.isin(before, locked) | np.isin(after, locked)
        if spared:
            refused |= np.isin(before, sorted(spared))
        if self.paint_over is not None and not (erasing and self._only_erases(after)):
            refused |= ~np.isin(before, sorted(self.paint_over))
        if self.inside is not None:
            area = self.inside.mask
            refused |= ~(area if index is None else area.reshape(-1)[index])
        return np.where(refused, before, after)

    @staticmethod
    def _only_erases(after: NDArray[np.uint8]) -> bool:
        return not (after != BACKGROUND).any()
