"""What commands on records share: a place in the workspace, tables."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from glioma_annotator.domain.patient import Patient
from glioma_annotator.errors import UserError
from glioma_annotator.workflow.ports import Store
from glioma_annotator.workflow.tables import FORMATS, table_bytes, write_rows


def require_place(store: Store, patient_key: str, timepoint: str | None) -> Patient:
    """The patient of that key. Raises `UserError` for an unknown patient or visit."""
    patient = store.patient(patient_key)
    if patient is None:
        known = ", ".join(p.key for p in store.patients()) or "none"
        raise UserError(f"The workspace has no patient {patient_key}.", f"Patients in it: {known}.")
    visits = [visit.key for visit in store.timepoints(patient.id or 0)]
    if timepoint is not None and timepoint not in visits:
        raise UserError(f"Patient {patient_key} has no visit {timepoint}.", f"Visits: {', '.join(visits) or 'none'}.")
    return patient


def add_output(parser: argparse.ArgumentParser) -> None:
    """`--format`, `--out` and, for JSON, `--json`."""
    parser.add_argument("--format", choices=FORMATS, default="csv", help="csv unless given")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="as --format json")
    parser.add_argument("--out", type=Path, help="file to write; the terminal without it")


def require_words(*texts: str | None) -> None:
    """Raises `UserError` for a text given in bytes that are no UTF-8, which cannot be stored."""
    try:
        "".join(text or "" for text in texts).encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError("A text given is not in UTF-8.", "Set the terminal to UTF-8, or write ASCII.") from error


def put_out(rows: Sequence[Mapping[str, Any]], args: argparse.Namespace, columns: Sequence[str] = ()) -> None:
    """Write a table where the command line says; `columns` name those of a table without rows.

    Raises `UserError` for Parquet on the terminal and for a folder in the file's place.
    """
    if args.out is not None and args.out.is_dir():
        raise UserError(f"{args.out} is a folder.", "Name a file to write.")
    if args.out is not None:
        if not args.out.parent.is_dir():
            raise UserError(f"There is no folder {args.out.parent}.", "Make it first, or write elsewhere.")
        write_rows(args.out, rows, args.format, columns)
    elif args.format == "parquet":
        raise UserError("Parquet is not for the terminal.", "Name a file with --out.")
    else:
        sys.stdout.write(table_bytes(rows, args.format, columns).decode())
