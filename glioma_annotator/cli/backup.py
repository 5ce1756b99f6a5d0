"""`backup`, `restore` and `patient export|import`: archives of a workspace and of one patient."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from glioma_annotator import app
from glioma_annotator.cli.console import ExitCode, print_json, progress_bar
from glioma_annotator.errors import UserError

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_backup_parser(commands: Commands) -> None:
    parser = commands.add_parser("backup", help="write a whole workspace as one archive")
    parser.add_argument("--workspace", required=True, type=Path)
    parser.add_argument("--to", type=Path, metavar="DIR", help="folder; the workspace's own `backups` without it")
    parser.add_argument("--json", action="store_true", help="report as JSON")
    parser.set_defaults(run=run_backup_command)


def run_backup_command(args: argparse.Namespace) -> int:
    with progress_bar("Backing up") as (report, cancel):
        summary = app.back_up_workspace(args.workspace, args.to, report, cancel)
    if args.json:
        print_json(asdict(summary))
    else:
        print(f"{summary.path}: {summary.files} files, {summary.size_bytes / 1e6:.1f} MB")
        for problem in summary.problems:
            print(f"warning: {problem}")
    return ExitCode.USER if summary.problems else ExitCode.DONE


def add_restore_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "restore",
        help="unpack a workspace's archive into a new folder, or put a copy of its database back",
        description="An archive (.zip) is unpacked into a new folder. A copy of the database alone (.db, from the"
        " workspace's folder `backups`) takes the place of the workspace's database, which is kept beside the copies.",
    )
    parser.add_argument("archive", metavar="BACKUP", type=Path)
    parser.add_argument(
        "--to", required=True, type=Path, metavar="W", help="folder that is absent or empty; for a .db the workspace"
    )
    parser.add_argument("--json", action="store_true", help="report as JSON")
    parser.set_defaults(run=run_restore_command)


def run_restore_command(args: argparse.Namespace) -> int:
    with progress_bar("Restoring") as (report, cancel):
        problems = app.restore_workspace(args.archive, args.to, report, cancel)
    if args.json:
        print_json({"workspace": str(args.to), "problems": problems})
    else:
        print(f"The workspace is in {args.to}.")
        for problem in problems:
            print(f"warning: {problem}")
    return ExitCode.USER if problems else ExitCode.DONE


def add_patient_parser(commands: Commands) -> None:
    parser = commands.add_parser("patient", help="carry one patient from workspace to workspace")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    exporting = actions.add_parser("export", help="write one patient as an archive")
    exporting.add_argument("--workspace", required=True, type=Path)
    exporting.add_argument("--patient", required=True, metavar="KEY")
    exporting.add_argument("--out", required=True, type=Path, metavar="FILE.zip")
    exporting.add_argument("--identities", action="store_true", help="with name, birth date and record number")
    exporting.add_argument("--json", action="store_true", help="report as JSON")
    exporting.set_defaults(run=run_patient_export_command)
    importing = actions.add_parser("import", help="add or merge the patient of an archive")
    importing.add_argument("archive", metavar="ARCHIVE", type=Path)
    importing.add_argument("--workspace", required=True, type=Path, help="made when absent")
    importing.add_argument("--patient", metavar="KEY", default="", help="key to give a patient that is new here")
    importing.add_argument("--json", action="store_true", help="report as JSON")
    importing.set_defaults(run=run_patient_import_command)


def run_patient_export_command(args: argparse.Namespace) -> int:
    if not args.out.parent.is_dir():
        raise UserError(f"There is no folder {args.out.parent}.", "Make it first, or write elsewhere.")
    with progress_bar("Exporting") as (report, cancel):
        app.export_patient_archive(args.workspace, args.patient, args.out, report, cancel, identities=args.identities)
    if args.json:
        print_json({"file": str(args.out), "bytes": args.out.stat().st_size, "identities": args.identities})
    else:
        print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB")
    return ExitCode.DONE


def run_patient_import_command(args: argparse.Namespace) -> int:
    if not args.archive.is_file():  # before a workspace is made
        raise UserError(f"There is no archive {args.archive}.", "Check the path.")
    with progress_bar("Importing") as (report, cancel):
        summary = app.import_patient_archive(args.workspace, args.archive, report, cancel, key=args.patient)
    if args.json:
        print_json(asdict(summary))
    else:
        print(
            f"{summary.patient}: {summary.visits} visits, {summary.masks} masks and {summary.records} records added,"
            f" {summary.changed} records brought up to date, {summary.known} known already."
        )
        for warning in summary.warnings:
            print(f"warning: {warning}")
    return ExitCode.DONE
