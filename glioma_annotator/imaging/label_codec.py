"""The values of a mask: from whatever type a file stores to uint8, counted, and mapped to the program's labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.labels import BACKGROUND, BRATS_2021_TO_PROGRAM, GLIOMA_POST_TREATMENT
from glioma_annotator.domain.volume import LabelArray

#: How the warnings begin that a reader need not see once the meaning of a mask's values is known.
MEANING_UNSURE = ("Value 4 is taken", "The only value is", "No meaning is known", "Its values are not those")


def as_labels(data: NDArray[Any], tolerance: float = 0.0) -> LabelArray:
    """`data` (i, j, k) of any real type as uint8; values as close to a whole number as `tolerance` are rounded.

    Raises ValueError, saying why, when a value is not a whole number or lies outside 0..255.
    """
    if tolerance:
        whole = np.rint(data)
        data = np.where(np.abs(data - whole) <= tolerance, whole, data)
    low, high = (float(data.min()), float(data.max())) if data.size else (0.0, 0.0)
    if low < 0 or high > 255:
        raise ValueError(f"values from {low:g} to {high:g} where labels lie between 0 and 255")
    labels = data.astype(np.uint8)
    if data.dtype.kind == "f" and not np.array_equal(labels, data):
        odd = data[labels != data].flat[0]
        raise ValueError(f"values such as {odd:g} where labels are whole numbers")
    return labels


def count_values(labels: LabelArray) -> Mapping[int, int]:
    """Number of voxels by value, background included, ascending."""
    counts = np.bincount(labels.reshape(-1), minlength=256)
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}


def propose_mapping(
    counts: Mapping[int, int],
    told: Mapping[int, int] | None = None,
    siblings: Collection[int] = (),
    *,
    operated: bool = False,
) -> tuple[Mapping[int, int], tuple[str, ...]]:
    """What the values of a mask mean in the program, and warnings for the reader.

    Parameters
    ----------
    counts: voxels by value found.
    told: the meaning that the file's name implies, when it does.
    siblings: values in the same patient's other masks; a 3 there tells that a 4 here is a resection cavity.
    operated: the scan is from after surgery: where no 1 or 3 tells the convention, a 4 is a cavity then.
    """
    found = sorted(value for value in counts if value != BACKGROUND)
    program = {value: value for value in GLIOMA_POST_TREATMENT.values}
    warnings: list[str] = []
    if told is None:
        ambiguous = 4 in found and 3 not in found and 3 not in siblings
        if ambiguous and operated and 1 not in found and 1 not in siblings:
            told = program
            warnings.append("Value 4 is taken for the resection cavity, as the scan is from after surgery.")
        elif ambiguous:
            told = BRATS_2021_TO_PROGRAM
            warnings.append("Value 4 is taken for enhancing tumour, as in BraTS 2017-2021.")
        else:
            told = program
            if len(found) == 1:
                warnings.append(f"The only value is {found[0]}: check which tissue it stands for.")
    elif not set(found) <= set(told) and set(found) <= set(program):
        told = program
        warnings.append("Its values are not those its name implies; they are read as the program's own.")
    mapping = {value: told.get(value, BACKGROUND) for value in (BACKGROUND, *found)}
    unknown = [value for value in found if value not in told]
    if unknown:
        names = ", ".join(map(str, unknown))
        voxels = sum(counts[value] for value in unknown)
        warnings.append(f"No meaning is known for value {names} ({voxels:,} voxels): left out unless mapped.")
    if not found:
        warnings.append("The mask is empty.")
    return mapping, tuple(warnings)
