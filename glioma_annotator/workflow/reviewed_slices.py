"""Which axial slices of a visit a reader has gone through: only those teach a model and judge it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from glioma_annotator.domain.labels import IGNORE
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.errors import UserError

#: First and last axial slice, counted from 1 from the feet up, as the panes show them.
SliceRange = tuple[int, int]

_RANGE = re.compile(r"(\d+)(?:\s*[-–]\s*(\d+))?")


def read_slices(text: str, count: int) -> tuple[SliceRange, ...]:
    """What a reader wrote, such as "30-80, 95", in order; empty for an empty text or "all": every slice.

    Raises `UserError` for anything else, and for slices that a visit of `count` slices does not have.
    """
    if text.strip().lower() in ("", "all"):
        return ()
    found = []
    for word in text.split(","):
        match = _RANGE.fullmatch(word.strip())
        if match is None:
            raise UserError(f"“{word.strip()}” names no slices.", "Write for instance 30-80, 95.")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= count:
            raise UserError(f"There are no slices {word.strip()}.", f"The visit has axial slices 1 to {count}.")
        found.append((first, last))
    return tuple(sorted(found))


def slices_text(slices: Sequence[SliceRange]) -> str:
    """As `read_slices` reads it."""
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in slices)


def only_reviewed(labels: LabelArray, slices: Sequence[SliceRange]) -> LabelArray:
    """A mask (i, j, k) with 255, not reviewed, in all other slices; the mask itself where none are named."""
    if not slices:
        return labels
    result = np.full_like(labels, IGNORE)
    for first, last in slices:
        result[:, :, first - 1 : last] = labels[:, :, first - 1 : last]
    return result
