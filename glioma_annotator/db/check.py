"""The health of a workspace: is every recorded file there and whole, and is there anything unrecorded?"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from glioma_annotator.db.failures import DAMAGED, explained
from glioma_annotator.db.filing import unused_name
from glioma_annotator.db.layout import Layout
from glioma_annotator.db.volumes import file_sha256

_LOW_SPACE_BYTES = 2 * 2**30  # about a hundred visits
_COPY = "Restore the workspace folder from a copy, or import the visit again under another key."
_REPAIR = "`glioma-annotator doctor --workspace W --repair`"
_LEFT_BEHIND = f"An interrupted save or import left it; {_REPAIR} clears it away."
_UNKNOWN = (
    "An interrupted save or import left it, or it was saved after the copy of the database that was put in place; "
    f"{_REPAIR} moves it to the folder set-aside, from where it can be imported."
)


class Problem(StrEnum):
    DATABASE = "database"
    MISSING_FILE = "missing file"
    DAMAGED_FILE = "damaged file"
    LEFT_BEHIND = "left behind"
    FOREIGN_FILE = "foreign file"
    JOURNAL = "journal"
    DISK_SPACE = "disk space"


@dataclass(frozen=True, slots=True)
class HealthIssue:
    """One thing that is wrong with a workspace.

    Attributes
    ----------
    problem: its kind.
    what, todo: for the reader, as in `GliomaError`.
    path: the file concerned, relative to the workspace, in POSIX form; empty when there is none.
    """

    problem: Problem
    what: str
    todo: str
    path: str = ""


def health_issues(layout: Layout, recorded: Mapping[str, str], database_faults: tuple[str, ...]) -> list[HealthIssue]:
    """Everything that is wrong; an empty list for a healthy workspace.

    Parameters
    ----------
    recorded: SHA-256 of every file that the database names, by its recorded path.
    database_faults: what SQLite found.

    Raises `EnvironmentFailure` when files cannot be read.
    """
    issues = [
        HealthIssue(Problem.DATABASE, f"The database is damaged: {f}.", DAMAGED, "glioma.db") for f in database_faults
    ]
    with explained("The workspace could not be checked"):
        for path, sha256 in recorded.items():
            file = layout.absolute(path)
            if not file.is_file():
                kept = layout.set_aside / path
                there = kept.is_file() and file_sha256(kept) == sha256
                todo = f"It lies in {layout.relative(kept)}: move it back." if there else _COPY
                issues.append(HealthIssue(Problem.MISSING_FILE, f"{path} is missing.", todo, path))
            elif file_sha256(file) != sha256:
                issues.append(HealthIssue(Problem.DAMAGED_FILE, f"{path} is not what was saved.", _COPY, path))
        for path in _unrecorded(layout, recorded):
            if _is_ours(path):
                file = layout.root / path
                todo = _LEFT_BEHIND if _is_unfinished(layout, file) else _UNKNOWN
                issues.append(HealthIssue(Problem.LEFT_BEHIND, f"{path} belongs to nothing.", todo, path))
            else:
                issues.append(HealthIssue(Problem.FOREIGN_FILE, f"{path} is not ours.", "Move it elsewhere.", path))
        for file in sorted(layout.journal.glob("*.set-aside*")):
            path = layout.relative(file)
            todo = "Its strokes belong to a mask that this database does not have; keep it until you restored that one."
            issues.append(HealthIssue(Problem.JOURNAL, f"The journal {path} was set aside.", todo, path))
        free = shutil.disk_usage(layout.root).free
    if free < _LOW_SPACE_BYTES:
        what = f"Only {free / 2**30:.1f} GiB are free on the workspace's disk."
        issues.append(HealthIssue(Problem.DISK_SPACE, what, "Make room before importing."))
    return issues


def left_behind(layout: Layout, recorded: Mapping[str, str]) -> list[str]:
    """Files of ours that an interrupted save or import left, by relative path."""
    return [path for path in _unrecorded(layout, recorded) if _is_ours(path)]


def clear_left_behind(layout: Layout, recorded: Mapping[str, str]) -> list[str]:
    """Delete unfinished files and put whole volumes into the folder `set-aside`; the paths they had. Raises OSError."""
    paths = left_behind(layout, recorded)
    for path in paths:
        file = layout.root / path
        if _is_unfinished(layout, file):
            file.unlink()
        else:
            layout.set_aside.mkdir(mode=0o700, exist_ok=True)
            folder = layout.set_aside / Path(path).parent
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.rename(folder / unused_name(folder, file.name))
        _remove_empty(file.parent, (layout.patients, layout.backups, layout.journal, layout.root))
    return paths


def _remove_empty(folder: Path, kept: Collection[Path]) -> None:
    """Remove a folder and those above it, up to the `kept` ones, as far as they are empty."""
    with suppress(OSError):
        while folder not in kept:
            folder.rmdir()
            folder = folder.parent


def _unrecorded(layout: Layout, recorded: Mapping[str, str]) -> Iterator[str]:
    yield from (layout.relative(file) for file in layout.unfinished if file.is_file())
    for folder in (layout.patients, layout.journal, layout.backups):
        for file in sorted(folder.rglob("*")):
            path = layout.relative(file)
            if file.is_file() and path not in recorded and (folder == layout.patients or is_temporary(file)):
                yield path


def is_temporary(file: Path) -> bool:
    """Whether a file was being written when the program ended."""
    return file.name.startswith(".") and file.name.endswith(".tmp")


def _is_unfinished(layout: Layout, file: Path) -> bool:
    return is_temporary(file) or file in layout.unfinished


#: patients/<patient>/<visit>/<sequence>.nii.gz or .../segmentations/0001.nii.gz, and temporary files of these.
_OURS = re.compile(r"patients/[^/]+/[^/]+/(segmentations/)?(\.[^/]+\.tmp|[^/.][^/]*\.nii\.gz)")


def _is_ours(path: str) -> bool:
    return not path.startswith("patients/") or _OURS.fullmatch(path) is not None
