"""`findings list|add|export`: what was seen, by command."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from glioma_annotator import app
from glioma_annotator.cli.console import ExitCode, print_json, print_table
from glioma_annotator.cli.tables import add_output, put_out, require_place, require_words
from glioma_annotator.domain.finding import Confidence, Finding, FindingStatus, Side
from glioma_annotator.errors import UserError
from glioma_annotator.settings import load_settings
from glioma_annotator.workflow.measure import with_own_labels
from glioma_annotator.workflow.ports import Store
from glioma_annotator.workflow.profiles import load_profile
from glioma_annotator.workflow.tables import FINDING_COLUMNS, finding_rows

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_findings_parser(commands: Commands) -> None:
    parser = commands.add_parser("findings", help="list, add and export findings")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="findings of a patient or of everybody")
    _add_filter(listing)
    listing.add_argument("--json", action="store_true", help="report as JSON")
    listing.set_defaults(run=run_list_command)

    adding = actions.add_parser("add", help="add a finding at a place")
    adding.add_argument("--workspace", required=True, type=Path)
    adding.add_argument("--patient", required=True, metavar="KEY")
    adding.add_argument("--timepoint", required=True, metavar="KEY")
    adding.add_argument("--kind", required=True, help="code of a term of the task profile, such as satellite")
    adding.add_argument(
        "--point", required=True, type=float, nargs=3, metavar=("X", "Y", "Z"), help="world RAS coordinates in mm"
    )
    adding.add_argument("--label", default="", help="mask label that it is a component of")
    adding.add_argument("--side", type=Side, choices=list(Side), default=Side.UNKNOWN)
    adding.add_argument("--location", default="", help="lobe or structure")
    adding.add_argument("--text", default="", help="free text")
    adding.add_argument("--confidence", type=Confidence, choices=list(Confidence), default=Confidence.PROBABLE)
    adding.add_argument("--status", type=FindingStatus, choices=list(FindingStatus), default=FindingStatus.OPEN)
    adding.add_argument("--json", action="store_true", help="report as JSON")
    adding.set_defaults(run=run_add_command)

    exporting = actions.add_parser("export", help="write findings as a table")
    _add_filter(exporting)
    add_output(exporting)
    exporting.set_defaults(run=run_export_command)


def _add_filter(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workspace", required=True, type=Path)
    parser.add_argument("--patient", metavar="KEY", help="one patient; everybody without it")
    parser.add_argument("--timepoint", metavar="KEY", help="with --patient: one visit")
    parser.add_argument("--status", type=FindingStatus, choices=list(FindingStatus), help="only those")


def run_list_command(args: argparse.Namespace) -> int:
    findings = _chosen(args)
    if args.json:
        print_json(finding_rows(findings))
        return ExitCode.DONE
    print_table(
        ("PATIENT", "VISIT", "KIND", "SIDE", "LOCATION", "STATUS", "CHANGE", "ML", "TEXT", "ID"),
        [_cells(finding) for finding in findings],
    )
    return ExitCode.DONE


def _cells(f: Finding) -> tuple[object, ...]:
    """A finding's line of the list; texts of several lines stand in one."""
    location, text = (" ".join(words.split()) for words in (f.location, f.text))
    return f.patient, f.timepoint, f.kind, f.side, location, f.status, f.change, f.volume_ml, text, f.id


def run_export_command(args: argparse.Namespace) -> int:
    put_out(finding_rows(_chosen(args)), args, FINDING_COLUMNS)
    return ExitCode.DONE


def _chosen(args: argparse.Namespace) -> list[Finding]:
    if args.timepoint and not args.patient:
        raise UserError("A visit needs its patient.", "Give --patient too.")
    store = app.open_store(args.workspace, read_only=True)
    try:
        if args.patient:
            require_place(store, args.patient, args.timepoint)
        keys = [args.patient] if args.patient else [patient.key for patient in store.patients()]
        found = [finding for key in keys for finding in store.findings.of_patient(key)]
    finally:
        store.close()
    return [
        finding
        for finding in found
        if args.timepoint in (None, finding.timepoint) and args.status in (None, finding.status)
    ]


def _point_in(store: Store, args: argparse.Namespace) -> tuple[float, float, float]:
    """The point that was named. Raises `UserError` where it lies outside the visit's images."""
    visits = store.timepoints(require_place(store, args.patient, args.timepoint).id or 0)
    grid = next(visit.grid for visit in visits if visit.key == args.timepoint)
    x, y, z = args.point
    if not (np.isfinite((x, y, z)).all() and grid.contains(grid.world_to_index((x, y, z)))):
        raise UserError(
            f"The point {x:g} {y:g} {z:g} lies outside the images of {args.timepoint}.",
            "Give world coordinates in mm, as the status bar shows them.",
        )
    return x, y, z


def run_add_command(args: argparse.Namespace) -> int:
    require_words(args.location, args.text)
    profile = load_profile()
    if profile.finding_kind(args.kind) is None:
        known = ", ".join(kind.code for kind in profile.finding_kinds)
        raise UserError(f"The task profile {profile.name} has no term {args.kind}.", f"Terms: {known}.")
    store = app.open_store(args.workspace, read_only=True)  # a mistyped folder must not become a workspace
    try:
        profile = with_own_labels(store, profile)
    finally:
        store.close()
    names = [label.name for label in profile.scheme.labels] + [region.name for region in profile.scheme.regions]
    if args.label and args.label not in names:
        raise UserError(f"Masks have no label {args.label}.", f"Labels and regions: {', '.join(dict.fromkeys(names))}.")
    store = app.open_for_command(args.workspace)
    try:
        x, y, z = _point_in(store, args)
        finding = Finding(
            args.patient,
            args.timepoint,
            args.kind,
            (x, y, z),
            args.label,
            args.side,
            args.location,
            args.text,
            args.confidence,
            args.status,
            author=load_settings().author,
        )
        store.findings.add(finding)
    finally:
        store.close()
    if args.json:
        print_json(finding_rows([finding])[0])
    else:
        print(f"Added {finding.kind} at {x:g}, {y:g}, {z:g} mm as {finding.id}.")
    return ExitCode.DONE
