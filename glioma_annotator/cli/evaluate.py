"""`evaluate`: masks against expert masks."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from glioma_annotator.cli.console import ExitCode, print_json, print_table
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.imaging.label_conventions import LabelConvention
from glioma_annotator.workflow.evaluate import evaluate_files

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

SCHEME = GLIOMA_POST_TREATMENT


def add_evaluate_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="compare a mask with a reference",
        description="Per region: Dice (1 when both masks lack it, 0 when one does), 95th percentile of the surface"
        " distance in mm (0 when both lack it, none when one does), sensitivity (none without a reference), precision"
        " (none without a prediction), volumes in mL.",
    )
    parser.add_argument("--reference", required=True, type=Path, metavar="R.nii.gz")
    parser.add_argument("--prediction", required=True, type=Path, metavar="P.nii.gz")
    conventions = [c.value for c in LabelConvention]
    for side in ("reference", "prediction"):
        parser.add_argument(
            f"--{side}-labels",
            default="auto",
            choices=conventions,
            help="program: 1 NETC, 2 SNFH, 3 ET, 4 RC; brats2021: 1 NCR, 2 ED, 4 ET; auto: program for the program's"
            " own masks and where a 3 occurs, brats2021 where a 4 but no 3 does",
        )
    parser.add_argument("--json", action="store_true", help="report as JSON")
    parser.set_defaults(run=run_evaluate_command)


def run_evaluate_command(args: argparse.Namespace) -> int:
    result = evaluate_files(
        args.reference,
        args.prediction,
        SCHEME,
        LabelConvention(args.reference_labels),
        LabelConvention(args.prediction_labels),
    )
    labels = {"reference": result.reference_labels.value, "prediction": result.prediction_labels.value}
    if args.json:
        regions = {s.region: {k: v for k, v in asdict(s).items() if k != "region"} for s in result.scores}
        print_json(
            {
                "reference": str(args.reference),
                "prediction": str(args.prediction),
                "labels": labels,
                "regions": regions,
            }
        )
    else:
        print_table(
            ("REGION", "DICE", "HD95 MM", "SENSITIVITY", "PRECISION", "REFERENCE ML", "PREDICTION ML"),
            [
                (s.region, s.dice, s.hd95_mm, s.sensitivity, s.precision, s.reference_ml, s.prediction_ml)
                for s in result.scores
            ],
        )
        print(f"Labels read as: reference {labels['reference']}, prediction {labels['prediction']}.")
    return ExitCode.DONE
