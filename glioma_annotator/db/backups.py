"""Copies of the database: before a migration, and every few days when a workspace is opened for writing."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from glioma_annotator.db.connection import Connections
from glioma_annotator.db.failures import explained
from glioma_annotator.db.names import free_name
from glioma_annotator.progress import CancelToken, Report, ignore_progress

_TIME = "%Y%m%dT%H%M%SZ"


def back_up_before_migration(connections: Connections, folder: Path, version: int) -> Path:
    """Copy the database as `before-migration-v<version>-<UTC time>.db`; never removed again."""
    return _copy(connections, folder, f"before-migration-v{version}", ignore_progress, CancelToken())


def backup_due(folder: Path, every_days: int) -> bool:
    """Whether the newest scheduled copy is from `every_days` days ago or earlier, by date; never for 0 days."""
    copies = _scheduled(folder)
    if not every_days or not copies:
        return bool(every_days)
    try:
        newest = dt.datetime.strptime(copies[-1].stem.removeprefix("daily-")[:16], _TIME).date()
    except ValueError:  # renamed by somebody
        return True
    return (_now().date() - newest).days >= every_days


def back_up_scheduled(connections: Connections, folder: Path, kept: int, report: Report, cancel: CancelToken) -> Path:
    """Copy the database as `daily-<UTC time>.db` and remove all such copies but the newest `kept`.

    Raises `EnvironmentFailure` when disk or database refuse, `Cancelled` when asked to stop.
    """
    made = _copy(connections, folder, "daily", report, cancel)
    with explained("An old backup of the database could not be removed"):
        for old in _scheduled(folder)[: -max(kept, 1)]:
            old.unlink()
    return made


def stamp() -> str:
    """Now, in UTC, as part of a file's name."""
    return f"{_now():{_TIME}}"


def _scheduled(folder: Path) -> list[Path]:
    return sorted(folder.glob("daily-*.db"))


def _copy(connections: Connections, folder: Path, title: str, report: Report, cancel: CancelToken) -> Path:
    stem = free_name(f"{title}-{stamp()}", lambda name: (folder / f"{name}.db").exists())
    target = folder / f"{stem}.db"
    connections.back_up(target, report, cancel)
    return target


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
