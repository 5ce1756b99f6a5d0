"""The folder of a training: what was asked for, with what, and what came of it."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import glioma_annotator
from glioma_annotator import __version__
from glioma_annotator.adaptation.config import TrainingConfig
from glioma_annotator.adaptation.training import CHECKPOINT
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.imaging.atomic_file import atomic_write, make_folder

CONFIG = "config.json"
PROVENANCE = "provenance.json"
MODEL = "model"
PREPARED = "prepared"
#: Entries that may change between the start of a training and its resumption.
_FREE = ("minutes", "steps", "device", "threads", "workers", "checkpoint_every", "validate_every")


def open_run(folder: Path, config: TrainingConfig, resume: bool) -> None:
    """Make a run folder, or check that one can be gone on with, and write what was asked for into it.

    Raises `UserError` as `check_run` does, and `EnvironmentFailure` when the folder cannot be written.
    """
    check_run(folder, config, resume)
    make_folder(folder)
    _write(folder / CONFIG, _as_json(config))


def check_run(folder: Path, config: TrainingConfig, resume: bool) -> None:
    """Raise `UserError` when a folder holds a training and `resume` is not set, or one of another configuration."""
    path = folder / CONFIG
    if path.exists():
        if not resume:
            raise UserError(
                f"“{folder}” already holds a training.", "Go on with it by --resume, or name another folder."
            )
        other = _differences(_read(path), _as_json(config))
        if other:
            raise UserError(
                f"The training in “{folder}” was begun with another configuration: {', '.join(other)}.",
                "Go on with the same configuration, or start anew in another folder.",
            )


def check_cases(folder: Path, learn: Mapping[str, str], score: Mapping[str, str]) -> None:
    """Check that a training goes on with the cases it was begun with, each named with its SHA-256; nothing is written.

    Raises `UserError` naming what changed: a case that was learnt from might be scored.
    """
    path = folder / PROVENANCE
    todo = "Put back what was there, or start anew in another folder."
    if path.exists():
        data = _read(path).get("data")
        if not isinstance(data, dict) or not all(isinstance(data.get(part), dict) for part in ("cases", "validation")):
            raise _damaged(path)
        changes = _changes((data["cases"], data["validation"]), (learn, score))
        if changes:
            raise UserError(f"The cases changed since the training began: {'; '.join(changes)}.", todo)
    elif (learn or score) and (folder / CHECKPOINT).exists():
        raise UserError(f"Which cases the training in “{folder}” learnt from is not known: no {PROVENANCE}.", todo)


def _changes(begun: Sequence[Mapping[str, str]], now: Sequence[Mapping[str, str]]) -> list[str]:
    """What became of cases; both are those learnt from and those scored."""
    then, today = {**begun[0], **begun[1]}, {**now[0], **now[1]}
    both = then.keys() & today.keys()
    kinds = {
        "new": today.keys() - then.keys(),
        "missing": then.keys() - today.keys(),
        "with other files": {name for name in both if then[name] != today[name]},
        "learnt from then, scored now": begun[0].keys() & now[1].keys(),
        "scored then, learnt from now": begun[1].keys() & now[0].keys(),
    }
    return [f"{kind} {_listed(names)}" for kind, names in kinds.items() if names]


def _listed(names: Collection[str], most: int = 5) -> str:
    shown = ", ".join(sorted(names)[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def write_provenance(folder: Path, device: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Record (and return) versions, machine and data of a training; the time of its first start stays."""
    path = folder / PROVENANCE
    now = datetime.now(UTC).isoformat(timespec="seconds")
    started = _read(path).get("started", now) if path.exists() else now
    record = {
        "started": started,
        "versions": {
            "glioma-annotator": __version__,
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in ("torch", "monai", "torchio", "numpy", "scipy")},
        },
        "program_sha256": _program_hash(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": device,
        "data": dict(data),
    }
    _write(path, record)
    return record


def _program_hash() -> str:
    """SHA-256 over the program's own modules: which code ran, where a version number does not say it."""
    root = Path(next(iter(glioma_annotator.__path__)))
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _differences(begun: Any, asked: Any, where: str = "") -> list[str]:
    """Entries in which two configurations differ, those that may change left out."""
    if isinstance(begun, dict) and isinstance(asked, dict):
        names = dict.fromkeys([*begun, *asked])
        return [
            found
            for name in names
            if not (where == "run" and name in _FREE)
            for found in _differences(begun.get(name), asked.get(name), f"{where}.{name}" if where else name)
        ]
    return [] if _same(begun, asked) else [where]


def _same(begun: Any, asked: Any) -> bool:
    if isinstance(begun, list) and isinstance(asked, list):
        return len(begun) == len(asked) and all(_same(a, b) for a, b in zip(begun, asked, strict=True))
    # Earlier versions recorded paths as they were typed, counted from where the program was started.
    typed = isinstance(begun, str) and isinstance(asked, str) and begun and Path(asked).is_absolute()
    return bool(begun == asked or (typed and asked.endswith(f"{os.sep}{begun}")))


def _as_json(config: TrainingConfig) -> Any:
    return json.loads(json.dumps(dataclasses.asdict(config)))


def _read(path: Path) -> dict[str, Any]:
    """A file of a run folder. Raises `UserError` when it is damaged."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _damaged(path) from error
    except OSError as error:
        raise EnvironmentFailure(f"“{path}” cannot be read: {error.strerror}.", "Check the folder.") from error
    if not isinstance(data, dict):
        raise _damaged(path)
    return data


def _damaged(path: Path) -> UserError:
    return UserError(
        f"“{path}” is damaged: how the training was begun is not known.",
        "Put the file back from a copy, or start anew in another folder.",
    )


def _write(path: Path, data: Any) -> None:
    with atomic_write(path) as file:
        file.write(json.dumps(data, indent=2, ensure_ascii=False).encode() + b"\n")
