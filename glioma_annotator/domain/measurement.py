"""Figures taken from masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.volume import LabelArray


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


def label_volumes_ml(labels: LabelArray, voxel_volume_ml: float, scheme: LabelScheme) -> Mapping[str, float]:
    """Volume in mL of every label of the scheme by its name."""
    counts = np.bincount(labels.reshape(-1), minlength=256)
    return {label.name: float(counts[label.value]) * voxel_volume_ml for label in scheme.labels}


def region_volumes_ml(label_ml: Mapping[str, float], scheme: LabelScheme) -> Mapping[str, float]:
    """Volume in mL of every region of the scheme, from its labels' volumes."""
    names = {label.value: label.name for label in scheme.labels}
    return {r.name: sum(label_ml.get(names[v], 0.0) for v in r.values if v in names) for r in scheme.regions}
