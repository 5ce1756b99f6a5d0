"""`glioma-annotator`: the window, and the same job by command."""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from glioma_annotator import __version__
from glioma_annotator.cli.console import ExitCode
from glioma_annotator.cli.home import find_room_for_caches, lend_home
from glioma_annotator.cli.screen import has_screen, needs_screen
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
    lend_home()
    setup_logging()
    find_room_for_caches()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name that a file's or screen's encoding lacks is no reason to fail
        sys.stdout.reconfigure(errors="replace")
    try:
        code = _run(arguments)
    except SystemExit:  # of the parser: help, or wrong usage
        if failed := _put_out():
            return failed
        raise
    return _put_out() or code


def _run(arguments: Sequence[str]) -> int:
    """The exit code of a command line, after what went wrong was said."""
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
    except (Cancelled, KeyboardInterrupt):
        _complain("Cancelled; what was finished before is kept.", "")
        return ExitCode.CANCELLED
    except BrokenPipeError:
        _drop_output()
        return ExitCode.DONE
    except Exception as error:  # noqa: BLE001 - the last stop: say that it is our fault, keep the details
        if isinstance(error, OSError) and error.errno in _DISK:
            return _disk_failed(error)
        broken = [argument for argument in arguments if not _is_text(argument)]
        if isinstance(error, UnicodeEncodeError) and broken:
            _complain(f"“{_shown(broken[0])}” holds a byte that is no UTF-8 text.", "Type it anew.")
            return ExitCode.USER
        traceback.print_exc()
        _complain("This is a bug in glioma-annotator.", "Please report the lines above.")
        return ExitCode.BUG


#: What a disk says that is full or faulty.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


def _put_out() -> ExitCode:
    """Write what is left of the output now, while a failure can still be told; a reader that has gone is none."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
    except OSError as error:
        return _disk_failed(error)
    return ExitCode.DONE


def _disk_failed(error: OSError) -> ExitCode:
    _drop_output()
    _complain(f"Something could not be written: {error.strerror}.", "Free disk space, or write to another disk.")
    return ExitCode.ENVIRONMENT


def _drop_output() -> None:
    """Send what is still to be written nowhere, so that the interpreter's end does not fail by it again."""
    with suppress(AttributeError, OSError):  # no output at all, or none that is a file
        output = sys.stdout.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, output)
        os.close(nowhere)


def _is_text(argument: str) -> bool:
    """Whether an argument came as UTF-8; what did not can name a file, and nothing else."""
    return not any("\ud800" <= letter <= "\udfff" for letter in argument)


def _shown(argument: str) -> str:
    return "".join(letter if _is_text(letter) else "\N{REPLACEMENT CHARACTER}" for letter in argument)[:80]


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
    if needs_screen() and not has_screen():
        raise UserError(
            "There is no screen to show the window on, or it does not answer.",
            "Start the program from a desktop; its commands need no screen: 'glioma-annotator --help'.",
        )
    from glioma_annotator.app import make_services
    from glioma_annotator.ui.application import run_window

    return run_window(make_services(parsed.workspace), [])


def _complain(what: str, todo: str) -> None:
    print(f"glioma-annotator: {what}" + (f"\n  {todo}" if todo else ""), file=sys.stderr)
