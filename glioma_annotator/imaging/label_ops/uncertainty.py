"""How sure a model was of each voxel, and where a look is worth most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.imaging.label_ops.patch import Index

Shares = NDArray[np.uint8]

#: Voxels whose label is wrong with less than this chance are left out of places.
_DOUBTFUL = 0.25
#: What lies within this distance is one place: it is looked at together. The rim of a tumour is many.
_REACH_MM = 12.0
#: Places are looked for by the doubt in cells of this size.
_CELL_MM = 4.0
_CELLS_AROUND = 5
_SHIFTS = 3
#: Less is not worth a look.
_LEAST_ML = 0.005


@dataclass(frozen=True, slots=True)
class DoubtfulPlace:
    """What a model was unsure of within 12 mm of a point.

    Attributes
    ----------
    inside: the doubtful voxel (i, j, k) nearest to that point, the middle of the doubt.
    error_ml: expected volume labelled wrongly: the sum over its voxels of the chance to be wrong, in mL.
    volume_ml: its volume in mL.
    """

    inside: Index
    error_ml: float
    volume_ml: float


def entropy(shares: Shares) -> NDArray[np.float32]:
    """Entropy of the class shares of every voxel as a part, 0 to 1, of the largest possible.

    `shares` is uint8 (class, i, j, k), at least two classes, 255 for certainty; the result is (i, j, k).
    """
    p = np.arange(256) / 255.0
    table = (-p * np.log(np.where(p > 0, p, 1.0)) / np.log(len(shares))).astype(np.float32)
    total: NDArray[np.float32] = np.zeros(shares.shape[1:], dtype=np.float32)
    for share in shares:
        total = total + table[share]
    return np.asarray(np.minimum(total, 1), dtype=np.float32)


def chance_of_error(shares: Shares) -> NDArray[np.float32]:
    """1 minus the largest share, for every voxel (i, j, k): the chance that the likeliest class is wrong."""
    return np.asarray(1 - shares.max(axis=0).astype(np.float32) / 255, dtype=np.float32)


def places_to_check(shares: Shares, grid: Grid, most: int = 20) -> tuple[DoubtfulPlace, ...]:
    """The doubtful places, largest expected error volume first, at most `most` of them.

    One after another: where most doubt lies close together, without what belongs to the places found before.
    """
    chance = chance_of_error(shares)
    doubtful = chance >= _DOUBTFUL
    voxels = np.argwhere(doubtful)
    if not len(voxels):
        return ()
    weights = chance[doubtful].astype(np.float64)
    at_mm = voxels * np.asarray(grid.spacing_mm)
    cells = np.floor((at_mm - at_mm.min(axis=0)) / _CELL_MM).astype(np.intp)
    counts = tuple((cells.max(axis=0) + 1).tolist())
    cell = np.ravel_multi_index(tuple(cells.T), counts)
    ml = grid.voxel_volume_ml
    places: list[DoubtfulPlace] = []
    while len(places) < most and len(voxels):
        doubt = np.bincount(cell, weights=weights, minlength=int(np.prod(counts))).reshape(counts)
        around = ndimage.uniform_filter(doubt, _CELLS_AROUND, mode="constant")
        within = cell == int(np.where(doubt > 0, around, -1.0).argmax())
        for _ in range(_SHIFTS):  # on to the middle of the doubt around
            middle = np.average(at_mm[within], axis=0, weights=weights[within])
            within = ((at_mm - middle) ** 2).sum(axis=1) <= _REACH_MM**2
        error = float(weights[within].sum()) * ml
        if error < _LEAST_ML:
            break
        near = ((at_mm[within] - middle) ** 2).sum(axis=1)
        i, j, k = voxels[within][int(near.argmin())].tolist()
        places.append(DoubtfulPlace((i, j, k), error, int(np.count_nonzero(within)) * ml))
        voxels, weights, at_mm, cell = (part[~within] for part in (voxels, weights, at_mm, cell))
    return tuple(sorted(places, key=lambda place: -place.error_ml))
