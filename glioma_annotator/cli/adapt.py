"""`adapt`: make a model a patient's own, from a workspace's masks or from loose files."""

from __future__ import annotations

import argparse
import math
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from glioma_annotator import app
from glioma_annotator.cli.console import ExitCode, print_json, print_table, progress_bar
from glioma_annotator.cli.label_options import LABELS_OPTION
from glioma_annotator.cli.surgery import add_surgery_options, operated
from glioma_annotator.domain.adaptation import (
    DEFAULT_BUDGET_S,
    DEFAULT_SEED,
    AdaptationCase,
    AdaptationMethod,
    AdaptationOutcome,
    AdaptationRequest,
)
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.label_conventions import LabelConvention, ambiguous_as, convention_of_set
from glioma_annotator.workflow.adapt import (
    UsableRevision,
    adapt_patients,
    adapt_to_folder,
    decide,
    usable_revisions,
)
from glioma_annotator.workflow.ports import Store
from glioma_annotator.workflow.read_cases import read_loose_case
from glioma_annotator.workflow.reviewed_slices import read_slices

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_BUDGET = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h)?")
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, None: 1.0}
_FILES = ("T1GD", "T2", "FLAIR", "MASK")


def add_adapt_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "adapt",
        help="make a model a patient's own",
        description="Adapt a model to corrected masks. What comes out must beat the model it started from on data that"
        " it did not learn from; else nothing changes, and the exit code is 4.",
    )
    visits = parser.add_argument_group("on a workspace")
    visits.add_argument("--workspace", type=Path)
    visits.add_argument(
        "--patient", metavar="KEY", action="append", help="several times: a model for a set of patients"
    )
    visits.add_argument(
        "--timepoint", metavar="KEY", action="append", help="visits to learn from; the approved ones without it"
    )
    visits.add_argument(
        "--slices",
        metavar="KEY=30-80,95",
        action="append",
        default=[],
        help="of a visit, the axial slices that were reviewed: only they teach and judge; all of them without it",
    )
    files = parser.add_argument_group("on loose files")
    files.add_argument(
        "--case",
        nargs=4,
        action="append",
        metavar=_FILES,
        help="a corrected case, '-' for a sequence it lacks; several times. Mask voxels of value 255 are ignored",
    )
    files.add_argument("--holdout", nargs=4, action="append", metavar=_FILES, help="a case to judge on; several times")
    add_surgery_options(files)
    files.add_argument("--labels", **LABELS_OPTION)
    files.add_argument("--out", type=Path, metavar="NEWMODEL", help="folder of the new model")
    parser.add_argument(
        "--model", default="", metavar="NAME|DIR", help="the starting model; the current one without it"
    )
    parser.add_argument("--method", default="auto", choices=[method.value for method in AdaptationMethod])
    parser.add_argument(
        "--budget", default=DEFAULT_BUDGET_S, type=budget_seconds, metavar="5min", help="e.g. 90s, 5min"
    )
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--seed", default=DEFAULT_SEED, type=int)
    parser.add_argument(
        "--keep", action="store_true", help="keep a model that does not pass, too; it never becomes current"
    )
    parser.add_argument("--json", action="store_true", help="report as JSON")
    parser.set_defaults(run=run_adapt_command)


def budget_seconds(text: str) -> float:
    """Seconds of "90s", "5min", "1h" or a plain number. Raises `ArgumentTypeError` for anything else."""
    match = _BUDGET.fullmatch(text.strip())
    seconds = float(match[1]) * _SECONDS[match[2]] if match else math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 90s or 5min")
    return seconds


def run_adapt_command(args: argparse.Namespace) -> int:
    if args.seed < 0:
        raise UserError("A seed is not negative.", "Give --seed a whole number from 0.")
    loose = args.case or args.holdout or args.out or args.labels != LabelConvention.AUTO or operated(args) is not None
    if (args.workspace and loose) or (args.case and (args.patient or args.timepoint or args.slices)):
        raise UserError(
            "Give options for a workspace or for loose files, not of both kinds.",
            "See 'glioma-annotator adapt --help'.",
        )
    if args.workspace and args.patient:
        return _adapt_workspace(args)
    if args.case and args.out:
        return _adapt_loose(args)
    raise UserError(
        "There is nothing to adapt to.", "Give --workspace and --patient, or --case (several times) and --out."
    )


def _adapt_workspace(args: argparse.Namespace) -> int:
    if not args.workspace.is_dir():  # opening it for writing would make it
        raise UserError(f"There is no workspace in {args.workspace}.", "Check the path, or import a study first.")
    store = app.open_store(args.workspace)
    try:
        shelf = app.make_shelf(store)
        chosen = _with_slices(_chosen(store, args), _named_slices(args.slices))
        with progress_bar("Adapting") as (report, cancel):
            done = adapt_patients(
                store,
                app.make_adapter(shelf),
                shelf,
                chosen,
                model=args.model,
                method=AdaptationMethod(args.method),
                budget_s=args.budget,
                seed=args.seed,
                device=args.device,
                report=report,
                watch=lambda _point: None,
                cancel=cancel,
            )
        accepted = done.outcome.verdict.accepted
        if not accepted and args.keep:
            shelf.keep(done.name)
        else:
            decide(shelf, done, accepted)
        kept = str(shelf.find(done.name).folder) if accepted or args.keep else None
    finally:
        store.close()
    facts = {"patient": args.patient[0] if len(args.patient) == 1 else args.patient, "current": accepted, "model": kept}
    return _tell(args, done.outcome, facts, kept)


def _chosen(store: Store, args: argparse.Namespace) -> dict[str, list[UsableRevision]]:
    """The masks to learn from, by patient. Raises `UserError` for visits that no patient named has a mask at."""
    usable = {key: usable_revisions(store, key) for key in dict.fromkeys(args.patient)}
    if not args.timepoint:
        suggested = {key: [u for u in found if u.suggested] for key, found in usable.items()}
        if not any(suggested.values()):
            others = [u.timepoint.key for found in usable.values() for u in found]
            raise UserError(
                f"There is no mask of {', '.join(usable)} that a reader approved or had a hand in.",
                f"Approve one, or name what to learn from: --timepoint {others[0]}." if others else "Correct a visit.",
            )
        return suggested
    visits = {key: [u.timepoint.key for u in found] for key, found in usable.items()}
    for key, known in visits.items():
        missing = [v for v in args.timepoint if not any(v in other for other in visits.values())]
        if missing or not set(known) & set(args.timepoint):
            raise UserError(
                f"Patient {key} has no mask at {', '.join(missing or args.timepoint)}.",
                f"Visits with a mask: {', '.join(known) or 'none'}.",
            )
    return {key: [u for u in found if u.timepoint.key in args.timepoint] for key, found in usable.items()}


def _named_slices(words: Sequence[str]) -> dict[str, str]:
    """What --slices names, by visit. Raises `UserError` for what names no visit or slices, or a visit twice."""
    named: dict[str, str] = {}
    for word in words:
        visit, _, slices = word.partition("=")
        if not slices.strip() or visit in named:
            what = f"--slices names {visit} twice" if visit in named else f"--slices {word} names no slices"
            raise UserError(f"{what}.", "Write each visit once, such as --slices 2024-05-01=30-80,95.")
        named[visit] = slices
    return named


def _with_slices(chosen: dict[str, list[UsableRevision]], named: dict[str, str]) -> dict[str, list[UsableRevision]]:
    """The masks with the slices named for their visits. Raises `UserError` where no or more than one visit is meant."""
    keys = [u.timepoint.key for found in chosen.values() for u in found]
    for visit in named:
        if visit not in keys:
            raise UserError(f"No mask is learnt from at {visit}.", "Name visits of the patient in --slices.")
        if keys.count(visit) > 1:
            raise UserError(f"Several patients have a visit {visit}.", "Adapt to one patient where slices are named.")
    return {
        key: [replace(u, slices=read_slices(named.get(u.timepoint.key, ""), u.timepoint.grid.shape[2])) for u in found]
        for key, found in chosen.items()
    }


def _adapt_loose(args: argparse.Namespace) -> int:
    began = time.monotonic()
    adapter = app.make_adapter()
    _, card = adapter.find(args.model)
    cases, holdout, notes = _cases(args, card.scheme)
    request = AdaptationRequest(
        model=args.model,
        cases=tuple(cases),
        name=args.out.name,
        title=f"{args.out.name}, adapted from {shorten(card.title or card.name, 200, placeholder='…')}",
        holdout=tuple(holdout),
        method=AdaptationMethod(args.method),
        budget_s=args.budget - (time.monotonic() - began),
        seed=args.seed,
        device=args.device,
    )
    with progress_bar("Adapting") as (report, cancel):
        outcome, written = adapt_to_folder(
            adapter, request, args.out, keep=args.keep, report=report, watch=lambda _point: None, cancel=cancel
        )
    kept = str(args.out) if written else None
    outcome = replace(outcome, messages=(*notes, *outcome.messages))
    return _tell(args, outcome, {"model": kept}, kept)


def _cases(
    args: argparse.Namespace, scheme: LabelScheme
) -> tuple[list[AdaptationCase], list[AdaptationCase], list[str]]:
    """The cases to learn from and to judge on, and how their masks' values were read where that is not plain."""
    given, surgery = [*args.case, *(args.holdout or ())], operated(args)
    masks = [Path(files[3]) for files in given]
    if any(str(mask) == "-" for mask in masks):
        raise UserError("A case needs a mask.", "Give its file as the fourth name.")
    files = Counter(Path(name).resolve() for names in given for name in names if name != "-")
    twice = [path.name for path, times in files.items() if times > 1]
    if twice:
        raise UserError(
            f"{', '.join(twice)} {'is' if len(twice) == 1 else 'are'} given more than once: what is learnt from must "
            "not judge.",
            "Give every file once.",
        )
    convention = LabelConvention(args.labels)
    of_all = convention_of_set(masks, convention, surgery)
    read = [
        read_loose_case([None if name == "-" else Path(name) for name in files[:3]], mask, scheme, of_all)
        for files, mask in zip(given, masks, strict=True)
    ]
    older = [case.name for case, read_as in read if read_as is LabelConvention.BRATS_2021]
    notes = [f"Value 4 is ET in {', '.join(older)} (labels of BraTS 2021); see --labels."] if older else []
    if of_all is not convention and not surgery:
        of_others = [
            case.name
            for (case, _), mask in zip(read, masks, strict=True)
            if 4 in case.labels and ambiguous_as([mask]) is LabelConvention.BRATS_2021
        ]
        if of_others:
            notes = [f"Value 4 is a cavity in {', '.join(of_others)}, as in the other masks; see --labels."]
    found = [replace(case, operated=surgery) for case, _ in read]
    return found[: len(args.case)], found[len(args.case) :], notes


def _tell(args: argparse.Namespace, outcome: AdaptationOutcome, facts: dict[str, Any], kept: str | None) -> int:
    verdict = outcome.verdict
    if args.json:
        print_json({**facts, **outcome_json(outcome)})
    else:
        rows = [
            (r.region, r.before, r.after, r.carried, r.reference_ml, r.before_ml, r.after_ml, r.fault or "ok")
            for r in verdict.regions
        ]
        header = ("REGION", "BEFORE", "AFTER", "CARRIED OVER", "REFERENCE ML", "BEFORE ML", "AFTER ML", "")
        print_table(header, rows)
        print(f"Judged on {outcome.held_out}; method {outcome.way}; {outcome.seconds:.0f} s on {outcome.device}.")
        for reason in verdict.reasons:
            print(("accepted: " if verdict.accepted else "refused: ") + reason)
        for note in (verdict.advice, *outcome.messages):
            if note:
                print(f"note: {note}")
        print(f"Model: {kept}" if kept else "Nothing was written; --keep writes a refused model too.")
    return ExitCode.DONE if verdict.accepted else ExitCode.REFUSED


def outcome_json(outcome: AdaptationOutcome) -> dict[str, Any]:
    """What a script asks of an adaptation."""
    verdict = outcome.verdict
    return {
        "accepted": verdict.accepted,
        "reasons": list(verdict.reasons),
        "method": outcome.method.value,
        "mean_of": [method.value for method in outcome.mean_of],
        "held_out": outcome.held_out,
        "mean_dice": {"before": verdict.before, "after": verdict.after, "carried_over": verdict.carried},
        "carry_over_instead": bool(verdict.advice),
        "advice": verdict.advice,
        "regions": {r.region: {k: v for k, v in asdict(r).items() if k != "region"} for r in verdict.regions},
        "trials": [{**asdict(trial), "method": trial.method.value} for trial in outcome.trials],
        "identity": outcome.card.identity,
        "seed": outcome.card.training.get("seed"),
        "seconds": round(outcome.seconds, 1),
        "device": outcome.device,
        "messages": list(outcome.messages),
    }
