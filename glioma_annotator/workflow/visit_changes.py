"""What changed between the masks of two visits, and what of one lies beyond the images of the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import BACKGROUND, IGNORE
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.imaging.registration import Registration, placed_grid, resample_mask_registered

#: Less of a mask beyond the images is not worth a word.
TOLD_ML = 0.05


class Change(IntEnum):
    """Values of a change map."""

    NONE = 0
    GAINED = 1
    LOST = 2
    KEPT = 3
    RELABELLED = 4


@dataclass(frozen=True, slots=True, eq=False)
class ChangeMap:
    """What changed between two visits' masks.

    Attributes
    ----------
    changes: uint8 (i, j, k) on the later visit's grid, values of `Change`.
    volumes_ml: mL gained, lost, kept, relabelled, by the names of `Change` in lower case.
    outside_ml: mL of the earlier mask beyond the later visit's images, which count as nothing.
    """

    changes: NDArray[np.uint8]
    volumes_ml: dict[str, float]
    outside_ml: float = 0.0


def changes_between(
    present: LabelArray, before: LabelArray, later: Timepoint, earlier: Timepoint, placed: Registration
) -> ChangeMap:
    """What changed from the earlier visit's mask, (i, j, k) on its own grid, to the later visit's, on that one's."""
    known = np.where(before == IGNORE, np.uint8(BACKGROUND), before)
    moved = resample_mask_registered(known, earlier.grid, placed, later.grid)
    made = change_map(present, moved, later.grid.voxel_volume_ml)
    return replace(made, outside_ml=outside_ml(known, earlier.grid, placed, later.grid))


def change_map(present: LabelArray, before: LabelArray, voxel_volume_ml: float) -> ChangeMap:
    """What was gained, lost, kept and relabelled, voxel by voxel, from `before` to `present`, (i, j, k) on one grid.

    Voxels that either reader marked as not reviewed count as no change.
    """
    known = (present != IGNORE) & (before != IGNORE)
    now, then = (present != BACKGROUND) & known, (before != BACKGROUND) & known
    changes = np.zeros(present.shape, dtype=np.uint8)
    changes[now & ~then] = Change.GAINED
    changes[then & ~now] = Change.LOST
    changes[now & then] = Change.RELABELLED
    changes[now & then & (present == before)] = Change.KEPT
    counts = np.bincount(changes.reshape(-1), minlength=len(Change))
    named = [change for change in Change if change is not Change.NONE]
    return ChangeMap(changes, {c.name.lower(): float(counts[c] * voxel_volume_ml) for c in named})


def outside_ml(labels: LabelArray, source: Grid, registration: Registration, grid: Grid) -> float:
    """mL of a mask (i, j, k on `source`, of the moving visit) beyond the voxels of the fixed visit's grid."""
    index = np.argwhere(labels != BACKGROUND)
    there = grid.world_to_index(placed_grid(source, registration).index_to_world(index))
    inside = ((there >= -0.5) & (there <= np.asarray(grid.shape) - 0.5)).all(axis=1)
    return float(np.count_nonzero(~inside)) * source.voxel_volume_ml
