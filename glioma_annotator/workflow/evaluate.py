"""Comparing a mask file with a reference file, whatever label convention each follows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.measurement import RegionScores
from glioma_annotator.imaging.label_conventions import LabelConvention, conventions_of_sides, read_mask
from glioma_annotator.imaging.metrics import volume_scores
from glioma_annotator.workflow.evaluation.scores import check_reviewed


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

    A reference in the program's labels counts for a prediction that nothing was stated about.

    Raises `UserError` for unreadable files, values without a meaning, masks on different grids, and a reference that
    nobody reviewed.
    """
    sides = conventions_of_sides([reference], [prediction], reference_labels, prediction_labels)
    expert, expert_labels = read_mask(reference, scheme, sides[0])
    check_reviewed(reference.name, expert)
    model, model_labels = read_mask(prediction, scheme, sides[1])
    return Evaluation(volume_scores(expert, model, scheme), expert_labels, model_labels)
