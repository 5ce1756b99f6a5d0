"""A whole workspace in one archive, and back: the database as SQLite copies it while in use, and all files."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import uuid
from pathlib import Path

from glioma_annotator import __version__
from glioma_annotator.db.archive import ArchiveReader, read_archive, write_archive
from glioma_annotator.db.backups import stamp
from glioma_annotator.db.connection import Connections
from glioma_annotator.db.failures import explained
from glioma_annotator.db.layout import Layout
from glioma_annotator.db.lock import WorkspaceLock
from glioma_annotator.db.migrations.runner import require_ours, schema_version
from glioma_annotator.db.names import free_name
from glioma_annotator.domain.archive import BackupSummary
from glioma_annotator.errors import EnvironmentFailure, UserError, WorkspaceBusy
from glioma_annotator.progress import CancelToken, Report, StepProgress, part

KIND = "workspace backup"
_DATABASE = "glioma.db"
_FOLDERS = ("patients", "models", "journal", "set-aside")
_UNFINISHED = ".restoring-"  # within the name of a folder that is being unpacked
_SPARE_BYTES = 64 * 2**20  # of changes that still wait in the WAL file, and some


def back_up_workspace(
    connections: Connections, layout: Layout, folder: Path, report: Report, cancel: CancelToken
) -> BackupSummary:
    """Write `glioma-backup-<UTC time>.zip` into `folder`, which is made when absent.

    The database is copied first, beside its other copies, or into `folder` where the workspace's disk is full or
    cannot be written.

    Raises `EnvironmentFailure` when disk or database refuse, `Cancelled` when asked to stop; nothing stays then.
    """
    with explained("The folder for the backup could not be made"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stem = free_name(f"glioma-backup-{stamp()}", lambda name: (folder / f"{name}.zip").exists())
    target = folder / f"{stem}.zip"
    problems = []
    copy = (layout.backups if _takes_copy(layout, connections.size_bytes) else folder) / f".{stem}.db.tmp"
    try:
        connections.back_up(copy, part(report, 0, 0.2), cancel)
        recorded, schema = _recorded_files(copy)
        unrecorded = _other_files(layout, recorded)
        progress = StepProgress(report, len(recorded) + len(unrecorded) + 1, "Backing up", 0.2)
        with write_archive(target, KIND, {"program": __version__, "schema": schema}) as archive:
            archive.add_file(_DATABASE, copy)
            progress.step()
            for path, sha256 in recorded.items():
                cancel.raise_if_cancelled()
                file = layout.absolute(path)
                if not file.is_file():
                    problems.append(f"{path} is missing.")
                elif archive.add_file(path, file) != sha256:
                    problems.append(f"{path} is not what was saved.")
                progress.step()
            for file in unrecorded:
                cancel.raise_if_cancelled()
                archive.add(layout.relative(file), file.read_bytes())  # at once: a journal may grow meanwhile
                progress.step()
    finally:
        with explained("What was left of the backup could not be removed"):
            if copy.exists():
                copy.unlink()
    return BackupSummary(target, len(recorded) + len(unrecorded) + 1, target.stat().st_size, tuple(problems))


def _takes_copy(layout: Layout, size_bytes: int) -> bool:
    """Whether a copy of a database of that size, and some more, can be written into the workspace's own backups."""
    writable = os.access(layout.backups, os.W_OK)
    return writable and shutil.disk_usage(layout.backups).free > size_bytes + _SPARE_BYTES


def _recorded_files(database: Path) -> tuple[dict[str, str], int]:
    """SHA-256 of every volume by its path, and the schema's version, of a copied database."""
    copy = sqlite3.connect(database)
    try:
        query = "SELECT path, file_sha256 FROM sequences UNION ALL SELECT path, file_sha256 FROM revisions"
        return dict(copy.execute(query).fetchall()), int(copy.execute("PRAGMA user_version").fetchone()[0])
    finally:
        copy.close()


def _other_files(layout: Layout, recorded: dict[str, str]) -> list[Path]:
    """Models, journals and volumes set aside; not what is being written."""
    folders = (layout.models, layout.journal, layout.set_aside)
    files = [file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file()]
    return [f for f in files if layout.relative(f) not in recorded and not f.name.endswith(".tmp")]


def restore_workspace(archive: Path, target: Path, report: Report, cancel: CancelToken) -> Layout:
    """Unpack a backup into a folder that is absent or empty, whole or not at all.

    What a restore to that folder left when its program was killed is removed first.

    Raises `UserError` for an archive that is none of ours or was tampered with and for a folder in use,
    `EnvironmentFailure` when there is no room or the folder cannot be written, `Cancelled` when asked to stop.
    """
    target = target.expanduser().absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target} is not empty.", "Restore into a new folder, then open that.")
    with read_archive(archive, KIND) as source, explained(f"The backup could not be restored to {target}"):
        _require_plan(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_interrupted(target)
        source.require_room(target.parent)
        temporary = Layout(target.with_name(f".{target.name}{_UNFINISHED}{uuid.uuid4().hex[:8]}"))
        temporary.root.mkdir(mode=0o700)
        try:
            lock = WorkspaceLock(temporary.lock)
            try:
                _unpack(source, temporary, report, cancel)
                _require_opening(temporary)
            finally:
                lock.release()
            if target.exists():
                target.rmdir()
            temporary.root.rename(target)
        finally:
            shutil.rmtree(temporary.root, ignore_errors=True)
    return Layout(target)


def _remove_interrupted(target: Path) -> None:
    """Remove what killed programs left beside the folder; what another one is restoring just now stays."""
    unfinished = re.compile(rf"\.{re.escape(target.name)}{re.escape(_UNFINISHED)}[0-9a-f]{{8}}")
    for left in [folder for folder in target.parent.iterdir() if unfinished.fullmatch(folder.name)]:
        try:
            WorkspaceLock(Layout(left).lock).release()
        except (WorkspaceBusy, EnvironmentFailure):
            continue
        shutil.rmtree(left, ignore_errors=True)


def _require_plan(source: ArchiveReader) -> None:
    names = source.members.keys()
    foreign = [name for name in names if name != _DATABASE and name.split("/")[0] not in _FOLDERS]
    if _DATABASE not in names or foreign:
        what = f"it holds {foreign[0]}" if foreign else "it holds no database"
        raise UserError(f"The archive is refused: {what}.", "Take the archive from where it was made once more.")


def _unpack(source: ArchiveReader, layout: Layout, report: Report, cancel: CancelToken) -> None:
    progress = StepProgress(report, len(source.members), "Restoring")
    for name in source.members:
        cancel.raise_if_cancelled()
        file = layout.root / name
        for folder in reversed(file.relative_to(layout.root).parents):
            (layout.root / folder).mkdir(mode=0o700, exist_ok=True)
        source.unpack(name, file)
        progress.step()
    layout.make()


def _require_opening(layout: Layout) -> None:
    """Raise `UserError` when the unpacked database is damaged, of another program, or of a newer version."""
    connections = Connections(layout.database, read_only=True)
    try:
        require_ours(connections.bare())
        if schema_version(connections.bare()) == 0:
            raise UserError("The archive is refused: its database is empty.", "Take another backup.")
        connections.require_sound()
    finally:
        connections.close()
