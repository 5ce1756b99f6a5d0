"""A whole workspace in one archive, and back: the database as SQLite copies it while in use, and all files."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from glioma_annotator import __version__
from glioma_annotator.db.archive import ArchiveReader, ArchiveWriter, read_archive, write_archive
from glioma_annotator.db.backups import stamp
from glioma_annotator.db.connection import Connections
from glioma_annotator.db.failures import explained
from glioma_annotator.db.layout import Layout, full_path
from glioma_annotator.db.lock import WorkspaceLock
from glioma_annotator.db.migrations.runner import require_ours, schema_version
from glioma_annotator.db.names import free_name, is_safe_name, safe_name
from glioma_annotator.domain.archive import BackupSummary
from glioma_annotator.errors import EnvironmentFailure, UserError, WorkspaceBusy
from glioma_annotator.progress import CancelToken, Report, StepProgress, part

KIND = "workspace backup"
_DATABASE = "glioma.db"
_FOLDERS = ("patients", "models", "journal", "set-aside")
_UNFINISHED = ".restoring-"  # within the name of a folder that is being unpacked
_MOST_LETTERS = 40  # of that name from the restored one's; up to four bytes each, and a name takes 255
_LONGEST_BACKUP_S = 24 * 60 * 60
_SPARE_BYTES = 64 * 2**20  # of changes that still wait in the WAL file, and some


def back_up_workspace(
    connections: Connections, layout: Layout, folder: Path, report: Report, cancel: CancelToken
) -> BackupSummary:
    """Write `glioma-backup-<UTC time>.zip` into `folder`, which is made when absent.

    The journals are read first: should a mask be saved meanwhile, their steps may be in the copied database, too, which
    opening such a workspace allows for. Then the database is copied, beside its other copies, or into `folder` where
    the workspace's disk is full or cannot be written.

    Raises `UserError` for a file in the folder's place, `EnvironmentFailure` when disk or database refuse, `Cancelled`
    when asked to stop; nothing stays then.
    """
    if folder.is_file():
        raise UserError(f"{folder} is a file.", "Name the folder that the archive is to lie in.")
    with explained("The folder for the backup could not be made"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_unfinished(folder)
    stem = free_name(f"glioma-backup-{stamp()}", lambda name: (folder / f"{name}.zip").exists())
    target = folder / f"{stem}.zip"
    problems, facts = [], dict[str, object](program=__version__)
    place = layout.backups if _takes_copy(layout, connections.size_bytes) else folder
    copy = place / f".{stem}.{uuid.uuid4().hex[:8]}.db.tmp"  # two backups may begin in one second
    try:
        with write_archive(target, KIND, facts) as archive:
            files = 1 + _add_journals(archive, layout, cancel)
            connections.back_up(copy, part(report, 0, 0.2), cancel)
            recorded, facts["schema"] = _recorded_files(copy)
            unrecorded = _other_files(layout, recorded)
            progress = StepProgress(report, len(recorded) + len(unrecorded) + 1, "Backing up", 0.2)
            archive.add_file(_DATABASE, copy)
            progress.step()
            for path, sha256 in recorded.items():
                cancel.raise_if_cancelled()
                file = layout.absolute(path)
                if not file.is_file():
                    problems.append(f"{path} is missing.")
                else:
                    files += 1
                    if archive.add_file(path, file) != sha256:
                        problems.append(f"{path} is not what was saved.")
                progress.step()
            for name, file in _plain_names(layout, unrecorded).items():
                cancel.raise_if_cancelled()
                try:
                    archive.add(name, file.read_bytes())
                    files += 1
                except FileNotFoundError:
                    if not _is_passing(layout, file):
                        path = layout.relative(file)
                        problems.append(f"{path} was moved or deleted meanwhile; it is in the next backup.")
                progress.step()
    finally:
        with explained("What was left of the backup could not be removed"):
            if copy.exists():
                copy.unlink()
    return BackupSummary(target, files, target.stat().st_size, tuple(problems))


def _remove_unfinished(folder: Path) -> None:
    """Remove what killed programs left of a backup; a file written to since yesterday may be another program's."""
    with suppress(OSError):  # of another owner; `doctor` tells of those in the workspace
        for left in folder.glob(".glioma-backup-*.tmp"):
            if time.time() - left.stat().st_mtime > _LONGEST_BACKUP_S:
                left.unlink()


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


def _add_journals(archive: ArchiveWriter, layout: Layout, cancel: CancelToken) -> int:
    """How many journals there were, each as it was at one moment. Raises `EnvironmentFailure`, `Cancelled`."""
    added = 0
    for file in sorted(layout.journal.glob("*")):
        cancel.raise_if_cancelled()
        if not file.is_file() or file.name.endswith(".tmp"):
            continue
        with explained("The journals of unsaved steps could not be read"):
            try:
                content = file.read_bytes()
            except FileNotFoundError:
                continue  # set aside meanwhile
        archive.add(layout.relative(file), content)
        added += 1
    return added


def _plain_names(layout: Layout, files: Sequence[Path]) -> dict[str, Path]:
    """The files by names that restoring takes: those that people gave their folders may be of other letters, or
    differ in upper and lower case alone."""
    given = {folder: folder.name for folder in (layout.models, layout.set_aside)}
    taken: set[str] = set()

    def name(path: Path) -> str:
        if path not in given:
            parent = name(path.parent)
            wanted = path.name if is_safe_name(path.name) else safe_name(path.name, "file")
            given[path] = f"{parent}/{free_name(wanted, lambda own: f'{parent}/{own}'.casefold() in taken)}"
            taken.add(given[path].casefold())
        return given[path]

    return {name(file): file for file in files}


def _other_files(layout: Layout, recorded: dict[str, str]) -> list[Path]:
    """Models and volumes set aside; not what is being written."""
    folders = (layout.models, layout.set_aside)
    files = [file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file()]
    return [f for f in files if layout.relative(f) not in recorded and not f.name.endswith(".tmp")]


def _is_passing(layout: Layout, file: Path) -> bool:
    """Whether a file is there only while something is being written or computed."""
    return any(part.startswith(".") for part in file.relative_to(layout.root).parts)


def restore_workspace(archive: Path, target: Path, report: Report, cancel: CancelToken) -> Layout:
    """Unpack a backup into a folder that is absent or empty, whole or not at all.

    What a restore to that folder left when its program was killed is removed first.

    Raises `UserError` for an archive that is none of ours or was tampered with and for a folder in use,
    `EnvironmentFailure` when there is no room or the folder cannot be written, `Cancelled` when asked to stop.
    """
    target = full_path(target)
    if target.is_symlink():
        target = target.resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target} is not empty.", "Restore into a new folder, then open that.")
    if target.is_mount():
        raise UserError(f"{target} is a whole disk.", "Restore into a new folder on it, then open that.")
    with read_archive(archive, KIND) as source, explained(f"The backup could not be restored to {target}"):
        _require_plan(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_interrupted(target)
        source.require_room(target.parent)
        temporary = Layout(target.with_name(f"{_beside(target)}{uuid.uuid4().hex[:8]}"))
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


def _beside(target: Path) -> str:
    """What the name of a folder begins with that is being unpacked for `target`; short enough where that is long."""
    return f".{target.name[:_MOST_LETTERS]}{_UNFINISHED}"


def _remove_interrupted(target: Path) -> None:
    """Remove what killed programs left beside the folder; what another one is restoring just now stays."""
    unfinished = re.compile(rf"{re.escape(_beside(target))}[0-9a-f]{{8}}")
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
