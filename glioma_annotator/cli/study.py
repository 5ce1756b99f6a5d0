"""`import` and `export`: studies in and out of a workspace."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glioma_annotator import app
from glioma_annotator.cli.console import ExitCode, confirm, print_json, print_table, progress_bar
from glioma_annotator.domain.import_plan import Preparation
from glioma_annotator.errors import UserError
from glioma_annotator.settings import load_settings
from glioma_annotator.workflow.export_study import export_patient
from glioma_annotator.workflow.import_study import plan_conflicts, propose_import, run_import, with_preparation

if TYPE_CHECKING:
    from glioma_annotator.domain.import_plan import ImportPlan, ImportSummary
    from glioma_annotator.workflow.ports import Store

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_import_parser(commands: Commands) -> None:
    parser = commands.add_parser("import", help="bring NIfTI studies into a workspace")
    parser.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="folder or NIfTI file")
    parser.add_argument("--workspace", required=True, type=Path, help="workspace folder; made when absent")
    parser.add_argument("--patient", metavar="KEY", help="import everything under this patient key")
    parser.add_argument("--as-is", action="store_true", help="neither register raw scans nor strip the skull")
    parser.add_argument("--yes", action="store_true", help="do not ask before importing what was recognised")
    parser.add_argument("--json", action="store_true", help="report as JSON")
    parser.set_defaults(run=run_import_command)


def run_import_command(args: argparse.Namespace) -> int:
    missing = [path for path in args.paths if not path.exists()]
    if missing:
        raise UserError(f"There is no {missing[0]}.", "Check the path.")
    with progress_bar("Reading") as (report, cancel):
        plan = propose_import(args.paths, report, cancel, args.patient)
    if args.as_is:
        for visit in plan.visits:
            plan = with_preparation(plan, visit.patient, visit.key, Preparation.NONE)
    if not args.json:
        _print_plan(plan)
    conflicts = plan_conflicts(plan)
    if conflicts:
        what = "The study cannot be imported as recognised: " + " ".join(conflicts)
        raise UserError(what, "Correct it in the window.")
    if not args.yes and not confirm("Import this?"):
        if args.json:
            print_json({"imported": False, "plan": _plan_json(plan)})
        else:
            print("Nothing was imported; give --yes to import what is listed.")
        return ExitCode.USAGE
    store = app.open_for_command(args.workspace)
    try:
        with progress_bar("Importing") as (report, cancel):
            brain = app.make_brain_finder(args.workspace)
            summary = run_import(plan, store, load_settings().author, report, cancel, brain)
        if args.json:
            print_json({"imported": True, "plan": _plan_json(plan), **_summary_json(summary)})
        else:
            images, masks = _count(summary.images, "image"), _count(summary.masks, "mask")
            print(f"Imported {images} and {masks} of {_count(len(summary.timepoint_ids), 'visit')}.")
            for message in summary.messages:
                print(f"  {message}")
        complete = _all_there(plan, store)
    finally:
        store.close()
    return ExitCode.DONE if complete else ExitCode.USER


def _all_there(plan: ImportPlan, store: Store) -> bool:
    """Whether the workspace holds every visit that the plan meant to import, now or from before."""
    wanted = {(item.patient, item.visit) for item in plan.items if item.include}
    held = set()
    for patient in store.patients():
        assert patient.id is not None, "a patient from the store has its key"
        held |= {(patient.key, visit.key) for visit in store.timepoints(patient.id)}
    return bool(wanted) and wanted <= held


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _print_plan(plan: ImportPlan) -> None:
    rows = [
        (i.patient, i.visit, i.name or i.role.value, i.kind.value, i.path.name, i.why if i.include else "left out")
        for i in plan.items
    ]
    print_table(("PATIENT", "VISIT", "SEQUENCE", "KIND", "FILE", "WHY"), rows)
    for item in plan.items:
        for warning in item.warnings:
            print(f"warning: {item.path.name}: {warning}")
    for visit in plan.visits:
        if visit.preparation is not Preparation.NONE:
            todo = visit.preparation.value
            print(f"visit {visit.key} of {visit.patient}: the images are raw; to do: {todo} (not with --as-is)")
    for problem in plan.problems:
        print(f"problem: {problem}")


def _plan_json(plan: ImportPlan) -> dict[str, Any]:
    return {
        "items": [
            {
                "path": str(i.path),
                "channel": i.channel,
                "kind": i.kind.value,
                "patient": i.patient,
                "visit": i.visit,
                "role": i.role.value,
                "name": i.name,
                "mapping": {str(k): v for k, v in i.mapping.items()},
                "why": i.why,
                "warnings": list(i.warnings),
                "include": i.include,
            }
            for i in plan.items
        ],
        "visits": [
            {
                "patient": v.patient,
                "key": v.key,
                "order": v.order,
                "date": v.date,
                "day": v.day,
                "phase": v.phase.value,
                "preparation": v.preparation.value,
            }
            for v in plan.visits
        ],
        "problems": list(plan.problems),
    }


def _summary_json(summary: ImportSummary) -> dict[str, Any]:
    return {
        "patients": list(summary.patients),
        "timepoints": len(summary.timepoint_ids),
        "images": summary.images,
        "masks": summary.masks,
        "messages": list(summary.messages),
    }


def add_export_parser(commands: Commands) -> None:
    parser = commands.add_parser("export", help="write images, masks and volumes of a patient")
    parser.add_argument("--workspace", required=True, type=Path)
    parser.add_argument("--patient", required=True, metavar="KEY")
    parser.add_argument("--timepoint", metavar="KEY", help="one visit; all visits without it")
    parser.add_argument("--out", required=True, type=Path, help="folder to write to; made when absent")
    parser.add_argument("--json", action="store_true", help="report as JSON")
    parser.set_defaults(run=run_export_command)


def run_export_command(args: argparse.Namespace) -> int:
    session = app.make_session(args.workspace, read_only=True)
    try:
        session.select_patient(args.patient)
        with progress_bar("Exporting") as (report, cancel):
            written = export_patient(session.store, args.patient, args.timepoint, args.out, report, cancel)
    finally:
        session.store.close()
    if args.json:
        print_json({"files": [str(path) for path in written]})
    else:
        for path in written:
            print(path)
    return ExitCode.DONE
