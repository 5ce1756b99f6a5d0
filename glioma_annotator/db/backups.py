"""Copies of the database: before a migration, and once a day when it is opened for writing."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from glioma_annotator.db.connection import Connections
from glioma_annotator.db.failures import explained
from glioma_annotator.db.names import free_name

_DAILY_KEPT = 7


def back_up_before_migration(connections: Connections, folder: Path, version: int) -> Path:
    """Copy the database as `before-migration-v<version>-<UTC time>.db`; never removed again."""
    return _copy(connections, folder, f"before-migration-v{version}")


def back_up_daily(connections: Connections, folder: Path) -> None:
    """Copy the database as `daily-<UTC time>.db` unless that was done today; the last seven are kept."""
    daily = sorted(folder.glob("daily-*.db"))
    if daily and daily[-1].name.startswith(f"daily-{_now():%Y%m%d}"):
        return
    _copy(connections, folder, "daily")
    with explained("An old backup of the database could not be removed"):
        for old in sorted(folder.glob("daily-*.db"))[:-_DAILY_KEPT]:
            old.unlink()


def _copy(connections: Connections, folder: Path, title: str) -> Path:
    stem = free_name(f"{title}-{_now():%Y%m%dT%H%M%SZ}", lambda name: (folder / f"{name}.db").exists())
    target = folder / f"{stem}.db"
    connections.back_up(target)
    return target


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
