"""What commands that write tables share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from glioma_annotator.errors import UserError
from glioma_annotator.workflow.tables import FORMATS, table_bytes, write_rows


def add_output(parser: argparse.ArgumentParser) -> None:
    """`--format`, `--out` and, for JSON, `--json`."""
    parser.add_argument("--format", choices=FORMATS, default="csv", help="csv unless given")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="as --format json")
    parser.add_argument("--out", type=Path, help="file to write; the terminal without it")


def put_out(rows: Sequence[Mapping[str, Any]], args: argparse.Namespace) -> None:
    """Write a table where the command line says. Raises `UserError` for Parquet on the terminal."""
    if args.out is not None:
        if not args.out.parent.is_dir():
            raise UserError(f"There is no folder {args.out.parent}.", "Make it first, or write elsewhere.")
        write_rows(args.out, rows, args.format)
    elif args.format == "parquet":
        raise UserError("Parquet is not for the terminal.", "Name a file with --out.")
    else:
        sys.stdout.write(table_bytes(rows, args.format).decode())
