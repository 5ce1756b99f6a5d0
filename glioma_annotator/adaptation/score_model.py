"""Measure a model on cases with expert masks and write the figures into its card.

`python -m glioma_annotator.adaptation.score_model --model DIR --cases DIR`: every folder in `--cases` is a case with
files named as in BraTS 2021 (`<case>_t1ce.nii.gz`, `_t2`, `_flair`, `_seg`). The program's own segmenter is measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from glioma_annotator.domain.labels import BRATS_2021_TO_PROGRAM, map_labels
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.metrics import region_scores
from glioma_annotator.imaging.nifti import read_labels, read_volume
from glioma_annotator.inference.model_folder import load_model, save_model
from glioma_annotator.inference.segmenter import ModelSegmenter
from glioma_annotator.progress import CancelToken, ignore_progress

_FILES = {SequenceRole.T1GD: "t1ce", SequenceRole.T2: "t2", SequenceRole.FLAIR: "flair"}

Scores = dict[str, dict[str, dict[str, float | None]]]


def score_model(model: Path, cases: Path) -> Scores:
    """Dice, 95 % Hausdorff distance in mm and volumes in mL by case and region. Raises `UserError` without cases."""
    segmenter = ModelSegmenter([model])
    scores: Scores = {}
    for folder in sorted(f for f in cases.iterdir() if f.is_dir()):
        images = {role: read_volume(folder / f"{folder.name}_{end}.nii.gz").volume for role, end in _FILES.items()}
        truth = read_labels(folder / f"{folder.name}_seg.nii.gz")
        reference = map_labels(truth.labels, BRATS_2021_TO_PROGRAM)
        outcome = segmenter.segment(images, "", "cpu", ignore_progress, CancelToken())
        by_region: dict[str, dict[str, float | None]] = {}
        for region in region_scores(reference, outcome.labels, truth.grid, outcome.card.scheme):
            by_region[region.region] = {
                "dice": round(region.dice, 3),
                "hd95_mm": None if region.hd95_mm is None else round(region.hd95_mm, 1),
                "reference_ml": round(region.reference_ml, 2),
                "prediction_ml": round(region.prediction_ml, 2),
            }
        scores[folder.name] = by_region
    if not scores:
        raise UserError(f"There are no cases in “{cases}”.", "Name the folder that holds one folder per case.")
    return scores


def write_scores(model: Path, name: str, scores: Mapping[str, Any]) -> None:
    """Put measured figures into the model's card under the test set's `name`; the weights stay as they are."""
    card, network = load_model(model)
    save_model(model, replace(card, scores={**card.scores, name: scores}), network)


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="model folder")
    parser.add_argument("--cases", type=Path, required=True, help="folder with one folder per case")
    parser.add_argument("--dry-run", action="store_true", help="print only, leave the card alone")
    options = parser.parse_args(arguments)
    scores = score_model(options.model, options.cases)
    for case, regions in scores.items():
        print(case, "  ".join(f"{name} {values['dice']}" for name, values in regions.items()))
    if not options.dry_run:
        write_scores(options.model, options.cases.name, scores)


if __name__ == "__main__":
    main()
