"""`glioma-annotator`: the window, and the same job by command."""

from __future__ import annotations

import argparse
import io
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from glioma_annotator import __version__
from glioma_annotator.cli.console import ExitCode
from glioma_annotator.errors import Cancelled, EnvironmentFailure, UserError
from glioma_annotator.heap import share_one_heap
from glioma_annotator.logs import setup_logging

COMMANDS = (
    "demo", "import", "segment", "adapt", "models", "export", "evaluate", "measure", "rano", "findings", "notes",
    "cohort", "backup", "restore", "patient", "train", "doctor",
)  # fmt: skip

EXIT_CODES = (
    "exit codes: 0 done; 1 a bug in the program; 2 wrong usage; 3 something you can put right (the message says what);"
    " 4 an adapted model did not pass; 5 the machine failed (disk, memory, device); 130 cancelled"
)


def build_parser() -> argparse.ArgumentParser:
    from glioma_annotator.cli import (
        adapt,
        backup,
        cohort,
        demo,
        doctor,
        evaluate,
        findings,
        loose,
        measure,
        models,
        notes,
        study,
        train,
    )  # the window needs none of them

    parser = argparse.ArgumentParser(
        prog="glioma-annotator",
        description="Follow glioma patients over time: segment, correct, compare. Without a command, opens the window.",
        epilog=f"{EXIT_CODES}. 'glioma-annotator WORKSPACE' opens the window on a workspace folder.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    demo.add_parser(commands)
    study.add_import_parser(commands)
    loose.add_segment_parser(commands)
    adapt.add_adapt_parser(commands)
    models.add_models_parser(commands)
    study.add_export_parser(commands)
    evaluate.add_evaluate_parser(commands)
    measure.add_measure_parser(commands)
    measure.add_rano_parser(commands)
    findings.add_findings_parser(commands)
    notes.add_notes_parser(commands)
    cohort.add_cohort_parser(commands)
    backup.add_backup_parser(commands)
    backup.add_restore_parser(commands)
    backup.add_patient_parser(commands)
    train.add_train_parser(commands)
    doctor.add_parser(commands)
    for command in commands.choices.values():
        command.epilog = EXIT_CODES
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    share_one_heap()
    setup_logging()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name that a file's or screen's encoding lacks is no reason to fail
        sys.stdout.reconfigure(errors="replace")
    try:
        if not arguments or (arguments[0] not in COMMANDS and not arguments[0].startswith("-")):
            return _open_window(arguments)
        parsed = build_parser().parse_args(arguments)
        if parsed.command is None:
            return _open_window([])
        return int(parsed.run(parsed))
    except UserError as error:
        _complain(error.what, error.todo)
        return ExitCode.USER
    except EnvironmentFailure as error:
        _complain(error.what, error.todo)
        return ExitCode.ENVIRONMENT
    except Cancelled:
        _complain("Cancelled; what was finished before is kept.", "")
        return ExitCode.CANCELLED
    except BrokenPipeError:
        return ExitCode.DONE
    except Exception:  # noqa: BLE001 - the last stop: say that it is our fault, keep the details
        traceback.print_exc()
        _complain("This is a bug in glioma-annotator.", "Please report the lines above.")
        return ExitCode.BUG


def _open_window(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="glioma-annotator", add_help=False)
    parser.add_argument("workspace", nargs="?", type=Path)
    parsed = parser.parse_args(arguments)
    named: Path | None = parsed.workspace
    if named is not None and not named.exists() and str(arguments[0]) == named.name:
        raise UserError(  # a mistyped command must not make a folder of that name
            f"There is no command and no workspace folder “{named}”.",
            f"Commands: {', '.join(COMMANDS)}. For a new workspace of that name, write ./{named}.",
        )
    from glioma_annotator.app import make_services
    from glioma_annotator.ui.application import run_window

    return run_window(make_services(parsed.workspace), [])


def _complain(what: str, todo: str) -> None:
    print(f"glioma-annotator: {what}" + (f"\n  {todo}" if todo else ""), file=sys.stderr)
