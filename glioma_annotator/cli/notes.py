"""`notes list|add|export`: notes and reports, by command."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from glioma_annotator import app
from glioma_annotator.cli.console import ExitCode, print_json, print_table
from glioma_annotator.cli.tables import add_output, put_out, require_place, require_words
from glioma_annotator.domain.note import Note, NoteKind
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.settings import load_settings
from glioma_annotator.workflow.event_entry import parse_when
from glioma_annotator.workflow.note_entry import NOTE_COLUMNS, in_order, note_rows, note_title, note_when

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_LARGEST = 2**20  # characters of a report: some hundred pages


def add_notes_parser(commands: Commands) -> None:
    parser = commands.add_parser("notes", help="list, add and export notes and reports")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="notes and reports of a patient")
    _add_patient(listing)
    listing.add_argument("--json", action="store_true", help="report as JSON")
    listing.set_defaults(run=run_list_command)

    adding = actions.add_parser("add", help="add a note or a report")
    _add_patient(adding)
    adding.add_argument(
        "--kind", type=NoteKind, choices=list(NoteKind), default=NoteKind.NOTE, help="note unless given"
    )
    adding.add_argument("--when", default="", help="2019-04-02, or a day since the first visit")
    adding.add_argument("--title", default="", help="one line")
    adding.add_argument("--author", help="who wrote it; the name in the preferences without it")
    text = adding.add_mutually_exclusive_group(required=True)
    text.add_argument("--text", help="the text itself")
    text.add_argument("--file", type=Path, help="a text file in UTF-8; - reads what is piped in")
    adding.add_argument("--json", action="store_true", help="report as JSON")
    adding.set_defaults(run=run_add_command)

    exporting = actions.add_parser("export", help="write notes and reports as a table, their full text in it")
    _add_patient(exporting)
    add_output(exporting)
    exporting.set_defaults(run=run_export_command)


def _add_patient(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workspace", required=True, type=Path)
    parser.add_argument("--patient", required=True, metavar="KEY")
    parser.add_argument("--timepoint", metavar="KEY", help="one visit; the patient as a whole without it")


def run_list_command(args: argparse.Namespace) -> int:
    notes = _chosen(args)
    if args.json:
        print_json(note_rows(notes))
    else:
        rows = [(note_when(n), n.timepoint, note_title(n), " ".join(n.author.split()), n.id) for n in notes]
        print_table(("WHEN", "VISIT", "WHAT", "AUTHOR", "ID"), rows)
    return ExitCode.DONE


def run_export_command(args: argparse.Namespace) -> int:
    put_out(note_rows(_chosen(args)), args, NOTE_COLUMNS)
    return ExitCode.DONE


def _chosen(args: argparse.Namespace) -> list[Note]:
    store = app.open_store(args.workspace, read_only=True)
    try:
        patient = require_place(store, args.patient, args.timepoint)
        notes = in_order(store.notes.of_patient(args.patient), store.timepoints(patient.id or 0))
    finally:
        store.close()
    return [note for note in notes if args.timepoint in (None, note.timepoint)]


def run_add_command(args: argparse.Namespace) -> int:
    require_words(args.text, args.title, args.author)
    text = (args.text if args.text is not None else _read(args.file)).removeprefix("\ufeff").strip()
    if not text:
        raise UserError("There is no text to keep.", "Give one with --text, --file or --file -.")
    author = load_settings().author
    written = author if args.author is None else args.author
    note = Note(args.patient, text, args.kind, args.title, args.timepoint or "", written, *parse_when(args.when))
    app.open_store(args.workspace, read_only=True).close()  # a mistyped folder must not become a workspace
    store = app.open_for_command(args.workspace)
    try:
        require_place(store, args.patient, args.timepoint)
        store.notes.add(note, by=author)
    finally:
        store.close()
    if args.json:
        print_json(note_rows([note])[0])
    else:
        print(f"Added {note_title(note)} as {note.id}.")
    return ExitCode.DONE


def _piped() -> str:
    """What is piped in; Python would keep bytes that are no UTF-8 in a form that cannot be stored."""
    text = sys.stdin.read(_LARGEST + 1)
    return text.encode("utf-8", "surrogateescape").decode("utf-8")


def _read(file: Path) -> str:
    try:
        text = _piped() if str(file) == "-" else file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is no text in UTF-8.", "Save the report as plain text.") from error
    except FileNotFoundError as error:
        raise UserError(f"There is no file {file}.", "Check the path.") from error
    except OSError as error:
        raise EnvironmentFailure(f"{file} could not be read.", "Check its permissions.") from error
    if len(text) > _LARGEST:
        raise UserError("The text is longer than a report can be.", "Take the report alone.")
    return text
