"""Puts a copy of the database in the place of a workspace's present one, which is kept among the backups."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from glioma_annotator.db.backups import stamp
from glioma_annotator.db.connection import Connections
from glioma_annotator.db.failures import DAMAGED, explained
from glioma_annotator.db.layout import Layout, full_path
from glioma_annotator.db.lock import WorkspaceLock
from glioma_annotator.db.migrations.runner import require_ours, schema_version
from glioma_annotator.db.names import free_name
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.atomic_file import flush_folder
from glioma_annotator.progress import CancelToken, Progress, Report

_SIDE_FILES = ("-wal", "-shm", "-journal")
_WAIT_S = 1.0


def put_back_database(copy: Path, workspace: Path, report: Report, cancel: CancelToken) -> Path | None:
    """Put `copy`, a backup of the database alone, in place in a workspace that nobody has open for writing.

    The present database goes to the folder `backups` as `before-restore-<UTC time>.db`, with what its WAL file still
    holds; its path is returned, None when there was none. A WAL file that a lost database left goes there, too: SQLite
    would apply it to the copy. Masks saved after the copy was made stay on the disk; the workspace's check lists them.
    Raises `WorkspaceBusy`, `UserError` for a copy that is damaged, of another program or
    of a newer version, and `Cancelled` when asked to stop, before anything is changed. Raises `EnvironmentFailure` when
    the disk refuses; should it refuse after the present database was moved, that one is in `backups` and opening the
    workspace says that the database is lost.
    """
    layout = Layout(full_path(workspace))
    if not copy.is_file():
        raise UserError(f"There is no backup {copy}.", "Check the path.")
    if not layout.backups.is_dir() and not layout.patients.is_dir():
        raise UserError(f"There is no workspace in {layout.root}.", "Choose the workspace that the copy is of.")
    lock = WorkspaceLock(layout.lock)
    try:
        _take(copy, layout.restoring, report, cancel)
        with explained("The copy could not be put in place"):
            cancel.raise_if_cancelled()
            layout.backups.mkdir(mode=0o700, exist_ok=True)  # somebody may have moved it to another disk
            kept = _set_aside(layout)
            layout.restoring.replace(layout.database)
        with suppress(OSError):  # it is in place; the folder's own entry reaches the disk in time
            flush_folder(layout.root)
    finally:
        with suppress(OSError):  # `doctor` tells of it
            layout.restoring.unlink(missing_ok=True)
        lock.release()
    return kept


def _take(copy: Path, target: Path, report: Report, cancel: CancelToken) -> None:
    """Check the copy, then write what it holds, a WAL file beside it included, to `target`."""

    def copied(progress: Progress) -> None:
        report(Progress(0.5 + 0.5 * progress.fraction, "Copying"))

    report(Progress(0.0, "Checking the copy"))
    try:
        with explained("The copy could not be read"):
            connections = Connections(copy, read_only=True)
            try:
                require_ours(connections.bare())
                if schema_version(connections.bare()) == 0:
                    raise UserError("The backup is refused: it is empty.", "Take another backup.")
                connections.require_sound(cancel=cancel)
                connections.back_up(target, copied, cancel, "The copy could not be put in place")
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
    ends = ("", *_SIDE_FILES)
    stem = free_name(
        f"before-restore-{stamp()}", lambda name: any((layout.backups / f"{name}.db{end}").exists() for end in ends)
    )
    kept = layout.backups / f"{stem}.db"
    there = layout.database.exists()
    if there:
        if layout.database.stat().st_size:  # beside an empty file, SQLite deletes a WAL file
            _fold(layout.database)
        layout.database.replace(kept)  # first: killed after this, it is missed; without its WAL file it would open
    for end in _SIDE_FILES:
        side = layout.database.with_name(f"{layout.database.name}{end}")
        if side.exists():
            side.replace(kept.with_name(f"{kept.name}{end}"))
    return kept if there else None


def _fold(database: Path) -> None:
    """Write what a WAL file holds into its database, which is then one file, unless it is damaged or still read."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(database, timeout=_WAIT_S)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
