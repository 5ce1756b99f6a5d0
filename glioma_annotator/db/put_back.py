"""Puts a copy of the database in the place of a workspace's present one, which is kept among the backups."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from glioma_annotator.db.backups import stamp
from glioma_annotator.db.connection import Connections
from glioma_annotator.db.failures import DAMAGED, explained
from glioma_annotator.db.layout import Layout
from glioma_annotator.db.lock import WorkspaceLock
from glioma_annotator.db.migrations.runner import require_ours, schema_version
from glioma_annotator.db.names import free_name
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Progress, Report

_SIDE_FILES = ("-wal", "-shm")


def put_back_database(copy: Path, workspace: Path, report: Report, cancel: CancelToken) -> Path | None:
    """Put `copy`, a backup of the database alone, in place in a workspace that nobody has open for writing.

    The present database goes to the folder `backups` as `before-restore-<UTC time>.db`, with what its WAL file still
    holds; its path is returned, None when there was none. Masks saved after the copy was made stay on the disk; the
    workspace's check lists them. Raises `WorkspaceBusy`, `UserError` for a copy that is damaged, of another program or
    of a newer version, `EnvironmentFailure` when the disk refuses, `Cancelled` when asked to stop; nothing is changed
    then.
    """
    layout = Layout(workspace.expanduser().absolute())
    if not copy.is_file():
        raise UserError(f"There is no backup {copy}.", "Check the path.")
    if not layout.backups.is_dir():
        raise UserError(f"There is no workspace in {layout.root}.", "Choose the workspace that the copy is of.")
    lock = WorkspaceLock(layout.lock)
    try:
        report(Progress(0.0, "Checking the copy"))
        _require_usable(copy, cancel)
        report(Progress(0.5, "Copying"))
        temporary = layout.root / ".glioma.db.restoring.tmp"
        with explained("The copy could not be put in place"):
            try:
                os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
                shutil.copyfile(copy, temporary)
                with temporary.open("rb") as written:
                    os.fsync(written.fileno())
                cancel.raise_if_cancelled()
                kept = _set_aside(layout)
                temporary.replace(layout.database)
            finally:
                temporary.unlink(missing_ok=True)
    finally:
        lock.release()
    return kept


def _require_usable(copy: Path, cancel: CancelToken) -> None:
    try:
        with explained("The copy could not be read"):
            connections = Connections(copy, read_only=True)
            try:
                require_ours(connections.bare())
                if schema_version(connections.bare()) == 0:
                    raise UserError("The backup is refused: it is empty.", "Take another backup.")
                connections.require_sound(cancel=cancel)
            finally:
                connections.close()
    except UserError as error:
        if error.todo != DAMAGED:
            raise
        # That advice is about the workspace's own database, which may be sound.
        what = f"The backup is refused: {copy.name} is damaged, or no database at all."
        raise UserError(what, "Nothing was changed. Take another backup.") from error


def _set_aside(layout: Layout) -> Path | None:
    """Move the present database, damaged or not, with its side files to the backups. Raises OSError."""
    if not layout.database.exists():
        return None
    stem = free_name(f"before-restore-{stamp()}", lambda name: (layout.backups / f"{name}.db").exists())
    kept = layout.backups / f"{stem}.db"
    for end in _SIDE_FILES:
        side = layout.database.with_name(f"{layout.database.name}{end}")
        if side.exists():
            side.replace(kept.with_name(f"{kept.name}{end}"))
    layout.database.replace(kept)
    return kept
