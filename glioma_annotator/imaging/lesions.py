"""Agreement of two masks lesion by lesion, as BraTS 2023 counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.domain.geometry import Box, Grid

Mask = NDArray[np.bool_]

#: Parts of the reference that a margin of this width would join are one lesion (BraTS 2023: three dilations at 1 mm).
MARGIN_MM = 3.0
_ROUNDING = 1 + 1e-6  # three voxels of a turned grid are 3 mm but for rounding
#: Lesions of either mask below this volume are left out (BraTS 2023: 50 voxels of 1 mm for adult glioma).
SMALLEST_ML = 0.05


@dataclass(frozen=True, slots=True)
class LesionScores:
    """Lesions found, missed and invented.

    Attributes
    ----------
    reference: lesions of the expert's mask.
    found: of these, those that the prediction touches within the margin.
    invented: lesions of the prediction that touch none of them.
    dice: mean over lesions: the Dice of every reference lesion with what touches it (0 where it is missed), and 0 for
        every invented one; None when there is neither.
    """

    reference: int
    found: int
    invented: int
    dice: float | None

    @property
    def sensitivity(self) -> float | None:
        """Share of the reference's lesions that were found; None when there are none."""
        return self.found / self.reference if self.reference else None

    @property
    def precision(self) -> float | None:
        """Share of lesions found among those found and invented; None when there are neither."""
        total = self.found + self.invented
        return self.found / total if total else None


def lesion_scores(reference: Mask, prediction: Mask, grid: Grid) -> LesionScores:
    """Match the lesions of two masks (i, j, k) on `grid`.

    The rule of BraTS 2023 (lesion-wise metrics, Saluja et al.): the reference is widened by `MARGIN_MM`, the connected
    parts of what results (26 neighbours) are its lesions; a connected part of the prediction belongs to every lesion
    whose widened form it touches; a lesion's Dice is that of the lesion itself and all parts that belong to it. Lesions
    and unmatched parts below `SMALLEST_ML` are left out. The margin is measured in millimetres rather than voxels.
    """
    margin = [int(np.ceil(MARGIN_MM / mm)) for mm in grid.spacing_mm]
    box = Box.around(reference | prediction)
    if box is None:
        return LesionScores(0, 0, 0, None)
    low = [max(start - m, 0) for start, m in zip(box.start, margin, strict=True)]
    high = [min(stop + m, n) for stop, m, n in zip(box.stop, margin, grid.shape, strict=True)]
    inside = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    truth, found = reference[inside], prediction[inside]

    parts, part_count = _connected(found)
    near = np.zeros_like(truth)
    if truth.any():  # the distance to nothing is not defined
        near = ndimage.distance_transform_edt(~truth, sampling=grid.spacing_mm) <= MARGIN_MM * _ROUNDING
    lesions, lesion_count = _connected(near)
    part_sizes = np.bincount(parts.ravel(), minlength=part_count + 1) * grid.voxel_volume_ml
    own_sizes = np.bincount(lesions[truth], minlength=lesion_count + 1) * grid.voxel_volume_ml

    dices: list[float] = []
    touched = 0
    matched: set[int] = set()
    for lesion in range(1, lesion_count + 1):
        touching = set(np.unique(parts[lesions == lesion]).tolist()) - {0}
        matched |= touching
        if own_sizes[lesion] < SMALLEST_ML:
            continue
        own = truth & (lesions == lesion)
        theirs = np.isin(parts, list(touching))
        dices.append(2 * int((own & theirs).sum()) / (int(own.sum()) + int(theirs.sum())))
        touched += bool(touching)
    invented = sum(1 for part in range(1, part_count + 1) if part not in matched and part_sizes[part] >= SMALLEST_ML)
    total = len(dices) + invented
    return LesionScores(len(dices), touched, invented, sum(dices) / total if total else None)


def _connected(mask: Mask) -> tuple[NDArray[np.int32], int]:
    """Connected parts of a mask by number (26 neighbours), and how many there are."""
    numbers, count = ndimage.label(mask, np.ones((3, 3, 3), dtype=bool))
    return np.asarray(numbers, dtype=np.int32), int(count)
