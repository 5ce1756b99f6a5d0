"""`evaluate`: masks against expert masks, and models on cases that have them."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from glioma_annotator import app
from glioma_annotator.cli.console import ExitCode, print_json, print_table, progress_bar
from glioma_annotator.cli.label_options import LABELS_OPTION
from glioma_annotator.cli.surgery import add_surgery_options, operated
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.label_conventions import LabelConvention
from glioma_annotator.inference.segmenter import ENSEMBLE
from glioma_annotator.workflow.evaluate import evaluate_files

if TYPE_CHECKING:
    from glioma_annotator.workflow.evaluation.run import EvaluationResult

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

SCHEME = GLIOMA_POST_TREATMENT
_LABELS_OPTION = LABELS_OPTION | {
    "help": "program: 1 NETC, 2 SNFH, 3 ET, 4 RC; brats2021: 1 NCR, 2 ED, 4 ET; auto: program for all masks of a side"
    " where one of them holds a 3 or is the program's own, after a resection, and for predictions where the references"
    " are; else a 4 is ET, as in brats2021",
}


def add_evaluate_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="compare masks with references, or a model with many",
        description="Of two mask files, per region: Dice (1 when both masks lack it, 0 when one does), 95th percentile"
        " of the surface distance in mm (0 when both lack it, none when one does), sensitivity (none without a"
        " reference), precision (none without a prediction), volumes in mL. Of two folders, or of a model on a folder"
        " of cases, besides: mean surface distance, volume error, lesions found and invented, median and mean with"
        " bootstrap intervals; --out receives tables, box plots and the worst slices.",
    )
    masks = parser.add_argument_group("masks")
    masks.add_argument("--reference", type=Path, metavar="R", help="expert mask, or a folder of them")
    masks.add_argument("--prediction", type=Path, metavar="P", help="mask to score, or a folder of them")
    model = parser.add_argument_group("a model")
    model.add_argument(
        "--model", action="append", metavar="NAME|DIR", help="a model's name or folder; several are averaged"
    )
    model.add_argument("--cases", action="append", metavar="DIR", help="case folders in BraTS naming; may be repeated")
    model.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    add_surgery_options(model)
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the report goes")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    for side in ("reference", "prediction"):
        parser.add_argument(f"--{side}-labels", **_LABELS_OPTION)
    parser.add_argument("--json", action="store_true", help="report as JSON")
    parser.set_defaults(run=run_evaluate_command)


def run_evaluate_command(args: argparse.Namespace) -> int:
    if args.seed < 0:
        raise UserError("A seed is not negative.", "Give --seed a whole number from 0.")
    if args.model is not None or args.cases:
        if args.reference or args.prediction or not args.cases or args.model is None:
            raise UserError("A model is scored on cases.", "Give --model, --cases and --out, and no masks.")
        if args.out is None:
            raise UserError("The masks and the report need a place.", "Give --out DIR.")
        return _evaluate_many(args)
    if args.reference is None or args.prediction is None:
        raise UserError(
            "There is nothing to evaluate.", "Give --reference and --prediction, or --model, --cases and --out."
        )
    if args.reference.is_dir() != args.prediction.is_dir():
        raise UserError("One of the two is a folder, the other is not.", "Give two mask files, or two folders.")
    return _evaluate_many(args) if args.reference.is_dir() else _evaluate_pair(args)


def _evaluate_pair(args: argparse.Namespace) -> int:
    from glioma_annotator.workflow.evaluation.report import labels_told

    if args.out is not None:
        _score(args)
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
        print(labels_told(labels))
        _tell_place(args)
    return ExitCode.DONE


def _score(args: argparse.Namespace) -> EvaluationResult:
    """Score folders, two files or a model, and write the report where a place is given."""
    from glioma_annotator.workflow.evaluation.run import Conventions, evaluate_folders, evaluate_model

    conventions = Conventions(LabelConvention(args.reference_labels), LabelConvention(args.prediction_labels))
    with progress_bar("Evaluating") as (report, cancel):
        if args.model is not None:
            return evaluate_model(
                app.make_segmenter(),
                ENSEMBLE.join(args.model),
                args.cases,
                args.out,
                SCHEME,
                conventions,
                args.device,
                args.seed,
                report,
                cancel,
                operated=operated(args),
            )
        return evaluate_folders(
            args.reference, args.prediction, args.out, SCHEME, conventions, args.seed, report, cancel
        )


def _evaluate_many(args: argparse.Namespace) -> int:
    result = _score(args)
    code = ExitCode.USER if result.failed else ExitCode.DONE
    if args.json:
        _print_result(result)
        return code
    from glioma_annotator.workflow.evaluation.report import TABLE_HEAD, labels_told, summary_table
    from glioma_annotator.workflow.evaluation.scores import RULES

    print_table(
        (
            "CASE",
            "REGION",
            "DICE",
            "HD95 MM",
            "SURFACE MM",
            "REFERENCE ML",
            "PREDICTION ML",
            "LESIONS",
            "FOUND",
            "INVENTED",
        ),
        [
            (
                s.case,
                s.region,
                s.dice,
                s.hd95_mm,
                s.surface_mm,
                s.reference_ml,
                s.prediction_ml,
                s.lesions,
                s.lesions_found,
                s.lesions_invented,
            )
            for s in result.scores
        ],
    )
    print(
        "\nOver all cases (distances, volume error and lesion Dice: medians; 95 %: of the median Dice, by bootstrap):"
    )
    print_table(TABLE_HEAD, summary_table(result.summaries))
    print(RULES)
    print(labels_told(result.facts["labels"]))
    _tell_left_out(result)
    _tell_place(args)
    return code


def _tell_left_out(result: EvaluationResult) -> None:
    """What was not scored: failed cases one by one, else how many for each reason."""
    for case, reason in result.failed.items():
        print(f"Not scored: {case}: {reason}")
    for reason, count in Counter(result.not_scored.values()).items():
        names = [name for name, why in result.not_scored.items() if why == reason]
        print(f"Not scored: {count} ({', '.join(names[:5])}{', …' if count > 5 else ''}): {reason}.")


def _tell_place(args: argparse.Namespace) -> None:
    if args.out:
        print(f"Report: {args.out / 'report.md'}")


def _print_result(result: EvaluationResult) -> None:
    print_json(
        {
            **result.facts,
            "cases": [asdict(score) for score in result.scores],
            "summary": [asdict(summary) for summary in result.summaries],
        }
    )
