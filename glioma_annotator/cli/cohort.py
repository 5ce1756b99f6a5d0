"""`cohort "QUESTION"`: visits across patients that fulfil conditions."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from glioma_annotator import app
from glioma_annotator.cli.console import ExitCode
from glioma_annotator.cli.tables import add_output, put_out
from glioma_annotator.workflow.tables import COHORT_COLUMNS, cohort_rows

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_EXAMPLE = "idh = wildtype and mgmt = methylated and ET volume up 40 % from nadir"


def add_cohort_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "cohort",
        help="ask a question across patients",
        description=f"Selects visits by markers, volumes, findings, events and responses, such as: {_EXAMPLE}."
        " docs/workspace.md describes the language.",
    )
    parser.add_argument("question", metavar="QUESTION", help="or the name of a saved question")
    parser.add_argument("--workspace", required=True, type=Path)
    add_output(parser)
    parser.set_defaults(run=run_cohort_command)


def run_cohort_command(args: argparse.Namespace) -> int:
    store = app.open_store(args.workspace, read_only=True)
    try:
        saved = {question.name: question.text for question in store.cohort.saved()}
        result = store.cohort.ask(saved.get(args.question, args.question))
    finally:
        store.close()
    if not result.hits and args.format == "csv" and args.out is None:
        print("No visit fulfils this.", file=sys.stderr)
        return ExitCode.DONE
    put_out(cohort_rows(result.hits), args, COHORT_COLUMNS)
    if args.out is not None:
        print(f"{args.out}: visits {result.visits}, patients {result.patients}", file=sys.stderr)
    return ExitCode.DONE
