"""Measure a model on cases with expert masks and write the figures into its card.

`python -m glioma_annotator.adaptation.score_model --model DIR --cases DIR`: every folder in `--cases` is a case in
BraTS naming. The program's own segmenter is measured, with every sequence that the case has.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.case_files import find_cases
from glioma_annotator.imaging.label_conventions import convention_of_set, read_mask
from glioma_annotator.imaging.metrics import region_scores
from glioma_annotator.imaging.nifti import read_volume
from glioma_annotator.inference.model_folder import load_card, load_model, save_model
from glioma_annotator.inference.segmenter import ModelSegmenter
from glioma_annotator.progress import CancelToken, ignore_progress

Scores = dict[str, dict[str, dict[str, float | None]]]


def score_model(model: Path, cases: Path, operated: bool | None = None) -> Scores:
    """Dice, 95 % Hausdorff distance in mm and volumes in mL by case and region. Raises `UserError` without cases.

    `operated` is False for cases before any surgery, in which no resection cavity is looked for.
    """
    load_card(model)  # a folder without one is told here
    segmenter = ModelSegmenter([model])
    scores: Scores = {}
    found = find_cases([cases])
    labels = convention_of_set([case.mask for case in found if case.mask is not None])
    for case in found:
        if case.mask is None:
            raise UserError(f"The case “{case.name}” has no expert mask.", "Add it, or take the case out.")
        images = {role: read_volume(path).volume for role, path in case.images.items()}
        truth, _ = read_mask(case.mask, GLIOMA_POST_TREATMENT, labels)
        outcome = segmenter.segment(images, "", "cpu", ignore_progress, CancelToken(), operated=operated)
        by_region: dict[str, dict[str, float | None]] = {}
        for region in region_scores(truth.data, outcome.labels, truth.grid, outcome.card.scheme):
            by_region[region.region] = {
                "dice": round(region.dice, 3),
                "hd95_mm": None if region.hd95_mm is None else round(region.hd95_mm, 1),
                "reference_ml": round(region.reference_ml, 2),
                "prediction_ml": round(region.prediction_ml, 2),
            }
        scores[case.name] = by_region
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
    parser.add_argument("--pre-operative", action="store_true", help="nobody was operated on yet: look for no cavity")
    parser.add_argument("--dry-run", action="store_true", help="print only, leave the card alone")
    options = parser.parse_args(arguments)
    try:
        scores = score_model(options.model, options.cases, False if options.pre_operative else None)
    except UserError as error:
        raise SystemExit(str(error)) from None
    for case, regions in scores.items():
        print(case, "  ".join(f"{name} {values['dice']}" for name, values in regions.items()))
    if not options.dry_run:
        write_scores(options.model, options.cases.name, scores)


if __name__ == "__main__":
    main()
