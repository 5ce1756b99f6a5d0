"""The folder of a training: what was asked for, with what, and what came of it."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import glioma_annotator
from glioma_annotator import __version__
from glioma_annotator.adaptation.config import TrainingConfig
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.imaging.atomic_file import atomic_write

CONFIG = "config.json"
PROVENANCE = "provenance.json"
MODEL = "model"
PREPARED = "prepared"
#: Entries that may change between the start of a training and its resumption.
_FREE = ("minutes", "steps", "device", "threads", "workers", "checkpoint_every", "validate_every")


def open_run(folder: Path, config: TrainingConfig, resume: bool) -> None:
    """Make a run folder, or check that one can be gone on with, and write what was asked for into it.

    Raises `UserError` when the folder holds a training and `resume` is not set, or one of another configuration, and
    `EnvironmentFailure` when it cannot be written.
    """
    path = folder / CONFIG
    asked = json.loads(json.dumps(dataclasses.asdict(config)))
    if path.exists():
        if not resume:
            raise UserError(
                f"“{folder}” already holds a training.", "Go on with it by --resume, or name another folder."
            )
        begun = json.loads(path.read_text(encoding="utf-8"))
        other = _differences(begun, asked)
        if other:
            raise UserError(
                f"The training in “{folder}” was begun with another configuration: {', '.join(other)}.",
                "Go on with the same configuration, or start anew in another folder.",
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFailure(
            f"The run folder “{folder}” could not be made: {error.strerror}.", "Choose a folder you may write to."
        ) from error
    _write(path, asked)


def write_provenance(folder: Path, device: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Record (and return) versions, machine and data of a training; the time of its first start stays."""
    path = folder / PROVENANCE
    now = datetime.now(UTC).isoformat(timespec="seconds")
    started = json.loads(path.read_text(encoding="utf-8"))["started"] if path.exists() else now
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
    return [] if begun == asked else [where]


def _write(path: Path, data: Any) -> None:
    with atomic_write(path) as file:
        file.write(json.dumps(data, indent=2, ensure_ascii=False).encode() + b"\n")
