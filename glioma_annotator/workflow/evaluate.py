"""Comparing a mask file with a reference file, whatever label convention each follows."""

from __future__ import annotations

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


def evaluate_files(
    reference: Path,
    prediction: Path,
    scheme: LabelScheme,
    reference_labels: LabelConvention = LabelConvention.AUTO,
    prediction_labels: LabelConvention = LabelConvention.AUTO,
) -> tuple[RegionScores, ...]:
    """Scores per region of the scheme; the rules for empty masks are those of `RegionScores`.

    Raises `UserError` for unreadable files, values without a meaning, and masks on different grids.
    """
    loaded = [read_labels(reference), read_labels(prediction)]
    conventions = [reference_labels, prediction_labels]
    volumes = [
        Volume(_to_program(mask, convention, path, scheme), mask.grid)
        for mask, convention, path in zip(loaded, conventions, (reference, prediction), strict=True)
    ]
    return volume_scores(volumes[0], volumes[1], scheme)


def _to_program(mask: LoadedLabels, convention: LabelConvention, path: Path, scheme: LabelScheme) -> LabelArray:
    found = set(np.unique(mask.labels).tolist()) - {0, IGNORE}
    if convention is LabelConvention.AUTO:
        old = not mask.by_program and 4 in found and 3 not in found
        convention = LabelConvention.BRATS_2021 if old else LabelConvention.PROGRAM
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
