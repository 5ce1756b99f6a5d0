"""Figures taken from masks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import LabelArray

_COUNTED_AT_ONCE = 2**16
_SHOWN_BY_CONTRAST = ("ET", "TC")  # labels and regions


@dataclass(frozen=True, slots=True)
class RegionScores:
    """Agreement of a predicted with a reference region.

    Attributes
    ----------
    dice: 2|A&B| / (|A|+|B|); 1 when both are empty, 0 when one is.
    hd95_mm: 95th percentile of the symmetric surface distance in mm; 0 when both are empty, None when one is.
    sensitivity: share of the reference found; None when the reference is empty.
    precision: share of the prediction that is right; None when the prediction is empty.
    reference_ml, prediction_ml: volumes in mL.
    """

    region: str
    dice: float
    hd95_mm: float | None
    sensitivity: float | None
    precision: float | None
    reference_ml: float
    prediction_ml: float


def label_counts(labels: LabelArray) -> NDArray[np.int64]:
    """How many voxels of a mask (i, j, k) hold each value, (256,).

    In pieces: `bincount` holds the interpreter for as long as it runs and widens what it counts to eight times the
    size, so that on a worker it would keep the window waiting for a tenth of a second.
    """
    flat, counts = labels.reshape(-1), np.zeros(256, dtype=np.int64)
    for start in range(0, flat.size, _COUNTED_AT_ONCE):
        counts += np.bincount(flat[start : start + _COUNTED_AT_ONCE], minlength=256)
    return counts


def label_volumes_ml(labels: LabelArray, voxel_volume_ml: float, scheme: LabelScheme) -> Mapping[str, float]:
    """Volume in mL of every label of the scheme by its name."""
    counts = label_counts(labels)
    return {label.name: float(counts[label.value]) * voxel_volume_ml for label in scheme.labels}


def region_volumes_ml(label_ml: Mapping[str, float], scheme: LabelScheme) -> Mapping[str, float]:
    """Volume in mL of every region of the scheme, from its labels' volumes."""
    names = {label.value: label.name for label in scheme.labels}
    return {r.name: sum(label_ml.get(names[v], 0.0) for v in r.values if v in names) for r in scheme.regions}


def is_seen(name: str, volume_ml: float, roles: Collection[SequenceRole]) -> bool:
    """Whether the volume of a label or region says something: without T1Gd, nobody sees that nothing enhances.

    Parameters
    ----------
    roles: what was acquired at the visit.
    """
    return volume_ml > 0 or name not in _SHOWN_BY_CONTRAST or SequenceRole.T1GD in roles
