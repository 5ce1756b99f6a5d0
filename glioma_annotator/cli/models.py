"""`models`: what there is, which one is current, and models in and out as one file."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glioma_annotator import app, paths
from glioma_annotator.cli.console import ExitCode, print_json, print_table
from glioma_annotator.errors import UserError
from glioma_annotator.workflow.models import ModelRow, delete_model, masks_made_with, model_rows, use_model

if TYPE_CHECKING:
    from glioma_annotator.workflow.model_ports import Shelf
    from glioma_annotator.workflow.ports import Store

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
    Act = Callable[[argparse.Namespace, Shelf, Store | None], dict[str, Any]]


def add_models_parser(commands: Commands) -> None:
    parser = commands.add_parser("models", help="list, choose, export, import and roll back models")
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)
    for name, (text, run, changes) in _ACTS.items():
        act = acts.add_parser(name, help=text, description=text)
        act.add_argument("--workspace", type=Path, help="the program's own workspace without it")
        if name not in ("list", "import", "rollback"):
            act.add_argument("name", metavar="MODEL", help="the model's name")
        if name in ("use", "rollback"):
            act.add_argument("--patient", default="", metavar="KEY", help="the whole workspace without it")
        if name == "export":
            act.add_argument("--out", required=True, type=Path, metavar="FILE.zip")
        if name == "import":
            what = "a model's zip, or the folder of a model, a training or a MONAI bundle"
            act.add_argument("file", type=Path, metavar="FILE.zip|FOLDER", help=what)
        if name == "rename":
            act.add_argument("title", metavar="TITLE")
        act.add_argument("--json", action="store_true", help="report as JSON")
        act.set_defaults(run=run_models_command, do=run, changes=changes)


def run_models_command(args: argparse.Namespace) -> int:
    path = args.workspace or paths.default_workspace()
    if not path.is_dir() and (args.workspace or args.changes):
        raise UserError(f"There is no workspace in {path}.", "Check the path, or import a study first.")
    store = app.open_store(path, read_only=not args.changes) if path.is_dir() else None
    try:
        facts = args.do(args, app.make_shelf(store), store)
    finally:
        if store is not None:
            store.close()
    if args.json:
        print_json(facts)
    else:
        _print(facts)
    return ExitCode.DONE


def _print(facts: dict[str, Any]) -> None:
    if "models" not in facts:
        for name, value in facts.items():
            print(f"{name}: {value if value not in (None, '', []) else '-'}")
        return
    print_table(
        ("MODEL", "PLACE", "CURRENT FOR", "MADE FOR", "PARENT", "METHOD", "DATE", "BEFORE", "DICE", "MB"),
        [
            (m["name"], m["place"], ", ".join(p or "(all)" for p in m["current_for"]), m["made_for"] or None,
             m["parent"] or None,
             m["method"] or None, m["created"][:10] or None, m["dice_before"], m["dice"], f"{m['bytes'] / 2**20:.1f}")
            for m in facts["models"]
        ],
    )  # fmt: skip
    for problem in facts["problems"]:
        print(f"problem: {problem}")


def _row_json(row: ModelRow) -> dict[str, Any]:
    model = row.model
    return {
        "name": model.card.name,
        "title": model.card.title,
        "place": model.place.value,
        "current_for": list(row.current_for),
        "parent": model.card.parent,
        "patient": model.card.patient,
        "made_for": row.made_for,
        "method": row.method,
        "created": row.created,
        "data": row.data,
        "dice": row.dice,
        "dice_before": row.before,
        "bytes": model.size,
        "identity": model.card.identity,
        "folder": str(model.folder),
    }


def _list(_args: argparse.Namespace, shelf: Shelf, store: Store | None) -> dict[str, Any]:
    return {"models": [_row_json(r) for r in model_rows(shelf, store)], "problems": list(shelf.problems())}


def _show(args: argparse.Namespace, shelf: Shelf, store: Store | None) -> dict[str, Any]:
    model = shelf.find(args.name)
    row = next(r for r in model_rows(shelf, store) if r.model.folder == model.folder)
    return {
        **_row_json(row),
        "masks": masks_made_with(store, model) if store is not None else 0,
        "channels": [role.value for role in model.card.channels],
        "training": dict(model.card.training),
        "scores": dict(model.card.scores),
        "limits": list(model.card.limits),
        "advice": row.advice,
    }


def _use(args: argparse.Namespace, shelf: Shelf, store: Store | None) -> dict[str, Any]:
    assert store is not None  # it changes something
    chosen = use_model(shelf, store, args.name, args.patient)
    return {"patient": args.patient, "current": chosen.model}


def _roll_back(args: argparse.Namespace, shelf: Shelf, _store: Store | None) -> dict[str, Any]:
    before = shelf.current(args.patient).model
    return {"patient": args.patient, "before": before, "current": shelf.roll_back(args.patient).model}


def _export(args: argparse.Namespace, shelf: Shelf, _store: Store | None) -> dict[str, Any]:
    shelf.export(args.name, args.out)
    return {"model": args.name, "file": str(args.out)}


def _import(args: argparse.Namespace, shelf: Shelf, _store: Store | None) -> dict[str, Any]:
    model = shelf.bring(args.file)
    return {"model": model.card.name, "folder": str(model.folder), "current": False}


def _rename(args: argparse.Namespace, shelf: Shelf, _store: Store | None) -> dict[str, Any]:
    shelf.rename(args.name, args.title)
    return {"model": args.name, "title": args.title}


def _archive(args: argparse.Namespace, shelf: Shelf, _store: Store | None) -> dict[str, Any]:
    return {"model": args.name, "folder": str(shelf.archive(args.name).folder)}


def _restore(args: argparse.Namespace, shelf: Shelf, _store: Store | None) -> dict[str, Any]:
    return {"model": args.name, "folder": str(shelf.keep(args.name).folder)}


def _delete(args: argparse.Namespace, shelf: Shelf, store: Store | None) -> dict[str, Any]:
    assert store is not None  # it changes something
    delete_model(shelf, store, args.name)
    return {"model": args.name, "deleted": True}


_ACTS: dict[str, tuple[str, Act, bool]] = {
    "list": ("every model and which is current for whom", _list, False),
    "show": ("all about one model", _show, False),
    "use": ("make a model current for a patient or the workspace", _use, True),
    "rollback": ("make the model current that was before", _roll_back, True),
    "export": ("write a model as one file", _export, False),
    "import": ("bring a model from a file, its folder or a MONAI bundle", _import, True),
    "rename": ("give a model another title", _rename, True),
    "archive": ("put a model away; it stays on disk", _archive, True),
    "restore": ("take a model back from the archive", _restore, True),
    "delete": ("remove a model that no mask was made with", _delete, True),
}
