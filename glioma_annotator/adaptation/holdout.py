"""What an adaptation learns from, and what it is judged on.

Further visits that the caller sets aside are judged on. Else, of two or more visits the last one; of a single visit
every third slab along the body axis across the tumour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.adaptation.cases import PreparedCase
from glioma_annotator.domain.geometry import Box
from glioma_annotator.domain.labels import IGNORE
from glioma_annotator.errors import UserError

Mask = NDArray[np.bool_]

#: One slab in so many is held out.
PERIOD = 3
#: Thickest slab in voxels, or one slice of the visit's own where those are thicker. Thinner ones share more with their
#: neighbours, thicker ones fall on few places.
THICKEST = 8
#: A tissue of this volume or more should have about a third of itself held out, by at most so much more or less: a
#: small cavity that falls into one held-out slab as a whole cannot be learnt, and the tissue around it teaches that
#: there is none. Where thinner slabs divide it better, they are taken.
_DIVIDED_ML = 0.5
_UNEVEN = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The voxels of a visit that take part: bool (i, j, k) `mask`, all of them in the brain and reviewed.

    `slabs`: the visit is divided, and others of its voxels are in another part.
    """

    case: PreparedCase
    mask: Mask
    slabs: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Disjoint parts to learn from and to be judged on, and the latter in words."""

    train: tuple[Part, ...]
    held_out: tuple[Part, ...]
    words: str


def split(cases: Sequence[PreparedCase], holdout: Sequence[PreparedCase]) -> Split:
    """Divide visits as the module says.

    Raises `UserError` when no mask shows tumour, a single one too little, or one that is to judge was not reviewed.
    """
    cases = list(cases)
    held = list(holdout)
    if not held and len(cases) > 1:
        held = [cases.pop()]
    if not any(case.tumour.any() for case in cases):
        raise UserError(
            "The masks to learn from show no tumour: there is nothing to learn.",
            "Choose visits whose corrected mask holds at least one tissue.",
        )
    if held:
        unseen = [case.name for case in held if (case.classes == IGNORE).all()]
        if unseen:
            raise UserError(
                f"Nothing of the brain in {', '.join(unseen)}, which is to judge, was reviewed (all is 255).",
                "Review some of it, or leave it out.",
            )
        names = ", ".join(case.name for case in held)
        words = f"{'the visit' if len(held) == 1 else 'the visits'} {names}"
        return Split(tuple(map(_whole, cases)), tuple(map(_whole, held)), words)
    case = cases[0]
    slabs, thickness = _slabs(case)
    reviewed = case.classes != IGNORE
    train, judged = reviewed & ~slabs, reviewed & slabs
    if not (case.tumour & judged).any() or not (case.tumour & train).any():
        raise UserError(
            f"The tumour in {case.name} is too small to be divided into slices to learn from and slices to judge on.",
            "Choose a second visit, or correct more slices.",
        )
    words = f"every third slab of {thickness} slices of {case.name}"
    return Split((Part(case, train, slabs=True),), (Part(case, judged, slabs=True),), words)


def _whole(case: PreparedCase) -> Part:
    return Part(case, case.classes != IGNORE)


def _slabs(case: PreparedCase) -> tuple[Mask, int]:
    """Bool (i, j, k), True in the slabs held out, and the slabs' thickness in slices.

    Of images that were resampled to thinner voxels no slice is divided: its voxels say the same to both parts.
    """
    around = Box.around(case.tumour)
    assert around is not None  # asked before
    slices = _own_slices(case)
    first, last = int(slices[around.start[2]]), int(slices[around.stop[2] - 1])
    extent = last - first + 1
    most = max(THICKEST * (int(slices[-1]) + 1) // case.shape[2], 1)
    thickest = int(np.clip(extent // (2 * PERIOD), 1, most))
    middle = first + extent // 2
    held = {
        # The middle of the tumour falls into a held-out slab: its widest slices are judged, not only its ends.
        thickness: np.floor_divide(slices - (middle - thickness // 2), thickness) % PERIOD == 0
        for thickness in range(thickest, 0, -1)
    }
    shares = _shares(case)
    uneven = {t: max((abs(s[chosen].sum() - 1 / PERIOD) for s in shares), default=0.0) for t, chosen in held.items()}
    thickness = next((t for t in held if uneven[t] <= _UNEVEN), min(held, key=lambda t: uneven[t]))
    mask = np.zeros(case.shape, dtype=bool)
    mask[:, :, held[thickness]] = True
    return mask, thickness


def _own_slices(case: PreparedCase) -> NDArray[np.int64]:
    """Of every slice of voxels, (k,), the one it comes from: of the visit's own images, where those are thicker."""
    count = case.shape[2]
    own = case.own_slices if 0 < case.own_slices < count else count
    return np.asarray((2 * np.arange(count) + 1) * own // (2 * count))


def _shares(case: PreparedCase) -> list[NDArray[np.float64]]:
    """Of every larger tissue, the share of its volume in each slice, (k,)."""
    in_slices = [np.count_nonzero(case.classes == value, axis=(0, 1)) for value in np.unique(case.classes[case.tumour])]
    return [counts / counts.sum() for counts in in_slices if counts.sum() * case.voxel_ml >= _DIVIDED_ML]
