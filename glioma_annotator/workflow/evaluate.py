"""Comparing a mask file with a reference file, whatever label convention each follows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from glioma_annotator.domain.labels import BRATS_2021_TO_PROGRAM, IGNORE, LabelScheme, map_labels
from glioma_annotator.domain.measurement import RegionScores
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.metrics import volume_scores
from glioma_annotator.imaging.nifti import LoadedLabels, read_labels


class LabelConvention(StrEnum):
    """What the values of a mask file mean.

    PROGRAM is 1 NETC, 2 SNFH, 3 ET, 4 RC (BraTS 2023 and 2024 too), BRATS_2021 is 1 NCR, 2 ED, 4 ET. AUTO decides: a
    mask that this program wrote says so in its header; else a 3 means PROGRAM, a 4 without a 3 BRATS_2021, and with
    neither both say the same.
    """

    AUTO = "auto"
    PROGRAM = "program"
    BRATS_2021 = "brats2021"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores per region of the scheme, and how the values of either file were read (never AUTO)."""

    scores: tuple[RegionScores, ...]
    reference_labels: LabelConvention
    prediction_labels: LabelConvention


def evaluate_files(
    reference: Path,
    prediction: Path,
    scheme: LabelScheme,
    reference_labels: LabelConvention = LabelConvention.AUTO,
    prediction_labels: LabelConvention = LabelConvention.AUTO,
) -> Evaluation:
    """Compare two mask files; the rules for empty masks are those of `RegionScores`.

    Raises `UserError` for unreadable files, values without a meaning, and masks on different grids.
    """
    loaded = [read_labels(reference), read_labels(prediction)]
    conventions = [
        _decided(mask, convention)
        for mask, convention in zip(loaded, (reference_labels, prediction_labels), strict=True)
    ]
    volumes = [
        Volume(_to_program(mask, convention, path, scheme), mask.grid)
        for mask, convention, path in zip(loaded, conventions, (reference, prediction), strict=True)
    ]
    return Evaluation(volume_scores(volumes[0], volumes[1], scheme), *conventions)


def _decided(mask: LoadedLabels, convention: LabelConvention) -> LabelConvention:
    if convention is not LabelConvention.AUTO:
        return convention
    found = np.unique(mask.labels)
    old = not mask.by_program and 4 in found and 3 not in found
    return LabelConvention.BRATS_2021 if old else LabelConvention.PROGRAM


def _to_program(mask: LoadedLabels, convention: LabelConvention, path: Path, scheme: LabelScheme) -> LabelArray:
    found = set(np.unique(mask.labels).tolist()) - {0, IGNORE}
    identity = {value: value for value in scheme.values}
    mapping = BRATS_2021_TO_PROGRAM if convention is LabelConvention.BRATS_2021 else identity
    unknown = sorted(found - set(mapping))
    if unknown:
        raise UserError(
            f"{path.name} holds the values {', '.join(map(str, unknown))}, which mean nothing in the"
            f" {convention.value} labels.",
            "Say which convention it follows, or map its values first by importing it.",
        )
    return map_labels(mask.labels, {**mapping, IGNORE: IGNORE})
