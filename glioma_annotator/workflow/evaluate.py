"""Comparing a mask file with a reference file, whatever label convention each follows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.measurement import RegionScores
from glioma_annotator.imaging.label_conventions import LabelConvention, read_mask
from glioma_annotator.imaging.metrics import volume_scores


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
    expert, expert_labels = read_mask(reference, scheme, reference_labels)
    model, model_labels = read_mask(prediction, scheme, prediction_labels)
    return Evaluation(volume_scores(expert, model, scheme), expert_labels, model_labels)
