"""What a brush paints: one label, or at every voxel what another mask has there; all voxels under it or some."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.editing import VoxelEdit, edit_from_indices
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.imaging.brush import Brush, stroke_indices


class Chooser(Protocol):
    """Which voxels a brush paints at some places."""

    def __call__(self, centres: NDArray[np.int64], brush: Brush, grid: Grid) -> NDArray[np.int64]:
        """Flat C-order indices, unique and ascending, for brush centres (n, 3)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class WithinRange:
    """The threshold brush: voxels under it whose intensity lies in `low`..`high`, or with `inverted` does not.

    `image` holds intensities (i, j, k).
    """

    image: NDArray[Any]
    low: float
    high: float
    inverted: bool = False

    def __call__(self, centres: NDArray[np.int64], brush: Brush, grid: Grid) -> NDArray[np.int64]:
        voxels = stroke_indices(centres, brush, grid)
        values = self.image[np.unravel_index(voxels, grid.shape)]
        within = (values >= self.low) & (values <= self.high)
        chosen: NDArray[np.int64] = voxels[within != self.inverted]
        return chosen


@dataclass(frozen=True, slots=True, eq=False)
class LikeCentre:
    """The adaptive brush: voxels like those at its centre, within `tolerance` standard deviations, and joined to it.

    `image` holds intensities (i, j, k).
    """

    image: NDArray[Any]
    tolerance: float

    def __call__(self, centres: NDArray[np.int64], brush: Brush, grid: Grid) -> NDArray[np.int64]:
        from glioma_annotator.imaging.label_ops.adaptive import like_centre  # scipy: not when the window opens

        # Neighbouring centres give nearly the same region: one in a quarter of the brush's radius is enough.
        apart = max(int(brush.diameter_mm / 8 / min(grid.spacing_mm)), 1)
        kept = centres[::-1][::apart]
        found = [like_centre(self.image, (int(i), int(j), int(k)), brush, grid, self.tolerance) for i, j, k in kept]
        return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Paint:
    """What a stroke does.

    Attributes
    ----------
    brush: its shape.
    value: the label it paints; 0 erases.
    name: of its undo entry; empty for one made from the label.
    chooser: which voxels it paints; None for all under the brush.
    source: paints the values of this mask (i, j, k) instead of `value`.
    model: identity of the model that made `source`; empty otherwise.
    spared: label values that stay where they are, because whoever made `source` has no name for them.
    """

    brush: Brush
    value: int
    name: str = ""
    chooser: Chooser | None = None
    source: LabelArray | None = None
    model: str = ""
    spared: frozenset[int] = frozenset()

    def voxels(self, centres: NDArray[np.int64], grid: Grid) -> NDArray[np.int64]:
        """Flat indices, unique and ascending, that are painted at brush centres (n, 3)."""
        if self.chooser is None:
            return stroke_indices(centres, self.brush, grid)
        return self.chooser(centres, self.brush, grid)

    def values(self, voxels: NDArray[np.int64]) -> LabelArray:
        """What the voxels become."""
        if self.source is not None:
            return self.source[np.unravel_index(voxels, self.source.shape)]
        return np.full(voxels.shape, self.value, dtype=np.uint8)


@dataclass(slots=True, eq=False)
class Stroke:
    """A stroke in progress: where it was last, and what it changed so far."""

    paint: Paint
    last: tuple[float, float, float] | None = None
    pieces: list[VoxelEdit] = field(default_factory=list)

    def taken(self, labels: LabelArray, scheme: LabelScheme) -> VoxelEdit | None:
        """What it changed so far in `labels` (i, j, k), as one edit, and no longer part of the stroke."""
        pieces, self.pieces = self.pieces, []
        if not pieces:
            return None
        index = np.concatenate([piece.index for piece in pieces])
        old = np.concatenate([piece.old for piece in pieces])
        # A voxel met twice had its first value before the stroke; `unique` keeps the first occurrence.
        index, first = np.unique(index, return_index=True)
        new = labels.reshape(-1)[index]
        label = scheme.label(self.paint.value)
        name = self.paint.name or (f"Brush {label.name}" if label else "Erase")
        shape = (labels.shape[0], labels.shape[1], labels.shape[2])
        return made_by(edit_from_indices(name, shape, index, old[first], new), self.paint.model)


def made_by(edit: VoxelEdit | None, model: str) -> VoxelEdit | None:
    """An edit that a model proposed; empty for one by hand."""
    return replace(edit, model=model) if edit is not None and model else edit
