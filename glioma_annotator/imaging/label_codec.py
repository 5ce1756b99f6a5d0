"""The values of a mask: from whatever type a file stores to uint8, counted, and mapped to the program's labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.volume import LabelArray


def as_labels(data: NDArray[Any]) -> LabelArray:
    """`data` (i, j, k) of any real type as uint8.

    Raises ValueError, saying why, when a value is not a whole number or lies outside 0..255.
    """
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
