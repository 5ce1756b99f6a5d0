"""Copies of the database: before a migration, and every few days when a workspace is opened for writing."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

from glioma_annotator.db.connection import Connections
from glioma_annotator.db.failures import explained
from glioma_annotator.db.names import free_name
from glioma_annotator.domain.archive import BackupFile, BackupKind
from glioma_annotator.progress import CancelToken, Progress, Report, ignore_progress, part

_TIME = "%Y%m%dT%H%M%SZ"
_STAMP = re.compile(r"\d{8}T\d{6}Z")

#: Of the files in the folder `backups`, by the beginning and the end of their names.
_KINDS = {
    ("daily-", ".db"): BackupKind.SCHEDULED,
    ("before-migration-", ".db"): BackupKind.BEFORE_MIGRATION,
    ("before-restore-", ".db"): BackupKind.BEFORE_RESTORE,
    ("glioma-backup-", ".zip"): BackupKind.ARCHIVE,
}


def back_up_before_migration(connections: Connections, folder: Path, version: int) -> Path:
    """Copy the database as `before-migration-v<version>-<UTC time>.db`; never removed again."""
    return _copy(connections, folder, f"before-migration-v{version}", ignore_progress, CancelToken())


def backup_due(folder: Path, every_days: int) -> bool:
    """Whether the newest scheduled copy is from `every_days` days ago or earlier, by date; never for 0 days.

    Copies named after a time to come, made while the clock was ahead, do not count.
    """
    copies = [copy for copy in _scheduled(folder) if not _to_come(copy)]
    if not every_days or not copies:
        return bool(every_days)
    try:
        newest = dt.datetime.strptime(copies[-1].stem.removeprefix("daily-")[:16], _TIME).date()
    except ValueError:  # renamed by somebody
        return True
    return (_now().date() - newest).days >= every_days


def back_up_scheduled(connections: Connections, folder: Path, kept: int, report: Report, cancel: CancelToken) -> Path:
    """Copy the database as `daily-<UTC time>.db` and remove all such copies but the newest `kept`.

    A copy of a damaged database takes the place of no older one. Raises `UserError` for that, `EnvironmentFailure` when
    disk or database refuse, `Cancelled` when asked to stop; the new copy does not stay then.
    """
    made = _copy(connections, folder, "daily", part(report, 0, 0.8), cancel)
    copy = Connections(made, read_only=True)
    try:
        report(Progress(0.8, "Checking the copy"))
        copy.require_sound(cancel=cancel)
    except BaseException:
        copy.close()
        made.unlink()
        raise
    copy.close()
    with explained("An old backup of the database could not be removed"):
        for old in _scheduled(folder)[: -max(kept, 1)]:
            old.unlink()
    return made


def backup_files(folder: Path) -> tuple[BackupFile, ...]:
    """The backups in a workspace's folder `backups`, newest first. Raises `EnvironmentFailure`."""
    found = []
    with explained("The folder with the backups could not be read"):
        for file in folder.iterdir():
            kind = next(
                (k for (start, end), k in _KINDS.items() if file.name.startswith(start) and file.suffix == end), None
            )
            if kind is not None and file.is_file():
                facts = file.stat()
                found.append(BackupFile(file, kind, _made(file.name, facts.st_mtime), facts.st_size))
    return tuple(sorted(found, key=lambda backup: (backup.made_utc, backup.path.name), reverse=True))


def _made(name: str, changed: float) -> dt.datetime:
    """When a backup was made: as its name says, else when the file was last changed (seconds since 1970)."""
    stamped = _STAMP.search(name)
    if stamped:
        try:
            return dt.datetime.strptime(stamped.group(), _TIME).replace(tzinfo=dt.UTC)
        except ValueError:  # digits that are no date
            pass
    return dt.datetime.fromtimestamp(changed, dt.UTC)


def stamp() -> str:
    """Now, in UTC, as part of a file's name."""
    return f"{_now():{_TIME}}"


def _scheduled(folder: Path) -> list[Path]:
    """Oldest first; those named after a time to come, made while the clock was ahead, before all others."""
    return sorted(folder.glob("daily-*.db"), key=lambda copy: (not _to_come(copy), copy.name))


def _to_come(copy: Path) -> bool:
    """Whether a copy is named after a later day than today."""
    stamped = _STAMP.search(copy.name)
    return stamped is not None and stamped.group()[:8] > stamp()[:8]


def _copy(connections: Connections, folder: Path, title: str, report: Report, cancel: CancelToken) -> Path:
    stem = free_name(f"{title}-{stamp()}", lambda name: (folder / f"{name}.db").exists())
    target = folder / f"{stem}.db"
    connections.back_up(target, report, cancel)
    return target


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
