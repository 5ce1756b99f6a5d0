"""`segment`: on a workspace's visits, and on loose files."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glioma_annotator import app
from glioma_annotator.cli.console import ExitCode, print_json, print_table, progress_bar
from glioma_annotator.cli.surgery import add_surgery_options, operated
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.measurement import label_volumes_ml, region_volumes_ml
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.errors import UserError
from glioma_annotator.progress import part
from glioma_annotator.settings import SegmentationSettings, load_settings
from glioma_annotator.workflow.segment_files import segment_files

if TYPE_CHECKING:
    from glioma_annotator.workflow.proposal import Proposal

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

SCHEME = GLIOMA_POST_TREATMENT


def add_segment_parser(commands: Commands) -> None:
    parser = commands.add_parser("segment", help="let a model propose masks, for a workspace's visits or loose files")
    visits = parser.add_argument_group("on a workspace")
    visits.add_argument("--workspace", type=Path)
    visits.add_argument("--patient", metavar="KEY")
    which = visits.add_mutually_exclusive_group()
    which.add_argument("--timepoint", metavar="KEY", help="one visit; the latest without it")
    which.add_argument("--all", action="store_true", help="every visit of the patient")
    visits.add_argument("--accept", action="store_true", help="save as a new revision; else only report the volumes")
    files = parser.add_argument_group("on loose files")
    for role, option in ROLE_OPTIONS.items():
        files.add_argument(f"--{option}", type=Path, metavar="FILE", help=f"{role.value} image")
    files.add_argument("--out", type=Path, metavar="MASK.nii.gz", help="where the mask goes, on the T1Gd's grid")
    parser.add_argument(
        "--model", default="", metavar="NAME|DIR", help="a model's name or folder; the patient's own without it"
    )
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument(
        "--mode",
        choices=("auto", "one-pass", "tiles", "patches"),
        help="how the brain is covered: one pass over all of it, tiles with margins, or averaged patches, the slow"
        " reference; without it, as the settings have it",
    )
    parser.add_argument(
        "--backend", choices=("auto", "openvino", "torch"), help="what computes; without it, as the settings have it"
    )
    parser.add_argument(
        "--precision", choices=("auto", "8-bit", "float"), help="what OpenVINO computes with; else as in the settings"
    )
    parser.add_argument("--memory", type=_gib, metavar="GIB", help="memory a segmentation may use")
    parser.add_argument("--flips", action="store_true", help="average with the mirrored images: twice the time")
    parser.add_argument("--raw", action="store_true", help="leave out the post-processing that the card asks for")
    add_surgery_options(parser)
    parser.add_argument("--json", action="store_true", help="report as JSON")
    parser.set_defaults(run=run_segment_command)


def _gib(text: str) -> float:
    value = float(text)
    if not 1 <= value <= 1024:
        raise argparse.ArgumentTypeError("give 1 to 1024 GiB")
    return value


def segmentation_options(args: argparse.Namespace) -> SegmentationSettings:
    """The user's settings with what the command line says instead."""
    settings = load_settings().segmentation
    chosen: dict[str, Any] = {
        "mode": args.mode,
        "backend": args.backend,
        "precision": args.precision,
        "memory_gib": args.memory,
    }
    given = {name: value for name, value in chosen.items() if value is not None}
    return dataclasses.replace(
        settings,
        **given,
        flips=settings.flips or args.flips,
        post_processing=settings.post_processing and not args.raw,
    )


ROLE_OPTIONS = {
    SequenceRole.T1GD: "t1gd",
    SequenceRole.T2: "t2",
    SequenceRole.FLAIR: "flair",
    SequenceRole.T1: "t1",
}


def run_segment_command(args: argparse.Namespace) -> int:
    loose = {role: getattr(args, option) for role, option in ROLE_OPTIONS.items() if getattr(args, option)}
    if args.workspace and loose:
        raise UserError("Give either a workspace or loose files, not both.", "See 'glioma-annotator segment --help'.")
    if args.workspace:
        return _segment_visits(args)
    if loose and args.out:
        return _segment_loose(args, loose)
    raise UserError(
        "There is nothing to segment.",
        "Give --workspace and --patient, or --t1gd, --t2, --flair and --out.",
    )


def _segment_loose(args: argparse.Namespace, files: dict[SequenceRole, Path]) -> int:
    options = segmentation_options(args)
    segmenter = app.make_segmenter(options=lambda: options)
    with progress_bar("Segmenting") as (report, cancel):
        outcome, grid = segment_files(
            segmenter,
            files,
            args.out,
            model=args.model,
            device=args.device,
            operated=operated(args),
            report=report,
            cancel=cancel,
        )
    volumes = dict(label_volumes_ml(outcome.labels, grid.voxel_volume_ml, outcome.card.scheme))
    facts = {
        "mask": str(args.out),
        "model": outcome.card.identity,
        "device": outcome.device,
        "mode": outcome.mode,
        "blocks": outcome.patches,
        "seconds": round(outcome.seconds, 2),
        "volumes_ml": _rounded(volumes),
        "messages": list(outcome.messages),
    }
    if args.json:
        print_json(facts)
    else:
        print(f"{args.out}: {outcome.card.identity} on {outcome.device}, {outcome.mode}, {outcome.seconds:.1f} s")
        print_table(("LABEL", "ML"), volumes.items())
        for message in outcome.messages:
            print(f"note: {message}")
    return ExitCode.DONE


def _segment_visits(args: argparse.Namespace) -> int:
    if not args.patient:
        raise UserError("--workspace needs --patient.", "See 'glioma-annotator segment --help'.")
    if not args.workspace.is_dir():  # opening it for writing would make it
        raise UserError(f"There is no workspace in {args.workspace}.", "Check the path, or import a study first.")
    options = segmentation_options(args)
    session = app.make_session(args.workspace, read_only=not args.accept, options=lambda: options)
    try:
        session.select_patient(args.patient)
        current = app.make_shelf(session.store).current(args.patient)
        model, problem = args.model or current.model, "" if args.model else current.problem
        if problem and args.accept:
            raise UserError(problem, "Or name the model with --model.")
        visits = session.timepoints()
        if not visits:
            raise UserError(f"Patient {args.patient} has no visits.", "Import the patient's study first.")
        if args.timepoint:
            visits = (session.find_timepoint(args.timepoint),)
        elif not args.all:
            visits = visits[-1:]
        results = []
        with progress_bar("Segmenting") as (report, cancel):
            for number, visit in enumerate(visits):
                share = part(report, number / len(visits), (number + 1) / len(visits))
                loaded = session.load(visit, part(share, 0, 0.1), cancel)
                proposal = session.propose(visit, loaded.images, model, args.device, part(share, 0.1, 1), cancel)
                if problem:
                    proposal = dataclasses.replace(proposal, messages=(problem, *proposal.messages))
                saved = None
                if args.accept:
                    opened = session.show(loaded)
                    if opened.editor.unsaved:  # what a reader drew must not be lost under the proposal
                        kept = opened.save("unsaved steps, kept before a proposal was accepted by command").number
                        messages = (*proposal.messages, f"Unsaved steps of this visit were kept as revision {kept}.")
                        proposal = dataclasses.replace(proposal, messages=messages)
                    opened.show_proposal(proposal)
                    opened.accept_proposal()
                    saved = opened.save("accepted by command").number
                results.append(_visit_facts(visit, proposal, saved))
    finally:
        session.store.close()
    if args.json:
        print_json({"patient": args.patient, "visits": results})
    else:
        names = [label.name for label in SCHEME.labels]
        print_table(
            ("VISIT", *[f"{n} ML" for n in names], "REVISION"),
            [(r["visit"], *[r["volumes_ml"][n] for n in names], r["revision"]) for r in results],
        )
        for result in results:
            for message in result["messages"]:
                print(f"note: {result['visit']}: {message}")
        if not args.accept:
            print("Nothing was saved; give --accept to save as a revision.")
    return ExitCode.DONE


def _visit_facts(visit: Timepoint, proposal: Proposal, revision: int | None) -> dict[str, Any]:
    return {
        "visit": visit.key,
        "model": proposal.model,
        "source": proposal.source,
        "volumes_ml": _rounded(proposal.volumes_ml),
        "regions_ml": _rounded(region_volumes_ml(proposal.volumes_ml, SCHEME)),
        "revision": revision,
        "messages": list(proposal.messages),
    }


def _rounded(volumes: Any) -> dict[str, float]:
    return {name: round(ml, 3) for name, ml in volumes.items()}
