"""How sure a model was of each voxel, and where a look is worth most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.imaging.label_ops.patch import Index

Shares = NDArray[np.uint8]

_FULL = np.ones((3, 3, 3), dtype=np.bool_)
#: Voxels whose label is wrong with less than this chance are left out of places, so that places are apart.
_DOUBTFUL = 0.25


@dataclass(frozen=True, slots=True)
class DoubtfulPlace:
    """A connected region (26 neighbours) that a model was unsure of.

    Attributes
    ----------
    inside: the voxel (i, j, k) of it nearest to its middle, weighted by doubt.
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
    """The doubtful regions, largest expected error volume first, at most `most` of them."""
    chance = chance_of_error(shares)
    doubtful = chance >= _DOUBTFUL
    box = Box.around(doubtful)
    if box is None:
        return ()
    part = np.where(doubtful, chance, 0)[box.slices]
    numbered, count = ndimage.label(part > 0, structure=_FULL)
    error = np.bincount(numbered.reshape(-1), weights=part.reshape(-1), minlength=count + 1)
    size = np.bincount(numbered.reshape(-1), minlength=count + 1)
    error[0] = 0
    order = [n for n in np.argsort(-error, kind="stable")[:most] if n > 0 and error[n] > 0]
    around = ndimage.find_objects(numbered)
    places = []
    for number in order:
        where = around[number - 1]
        within = numbered[where] == number
        start = np.asarray(box.start) + [s.start for s in where]
        voxels = np.argwhere(within)
        weight = part[where][within]
        middle = np.average(voxels, axis=0, weights=weight)
        nearest = voxels[int(((voxels - middle) ** 2).sum(axis=1).argmin())] + start
        ml = grid.voxel_volume_ml
        inside = (int(nearest[0]), int(nearest[1]), int(nearest[2]))
        places.append(DoubtfulPlace(inside, float(error[number]) * ml, int(size[number]) * ml))
    return tuple(places)
