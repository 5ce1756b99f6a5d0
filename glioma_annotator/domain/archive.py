"""Backups of a workspace and archives of a patient: what there is, and what came of writing or taking one in."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class BackupKind(StrEnum):
    SCHEDULED = "scheduled copy of the database"
    BEFORE_MIGRATION = "copy before an update of the program"
    BEFORE_RESTORE = "copy before a restore"
    ARCHIVE = "archive of everything"


@dataclass(frozen=True, slots=True)
class BackupFile:
    """A backup in the workspace's own folder.

    Attributes
    ----------
    path: the file.
    kind: what it is.
    made_utc: when, timezone-aware UTC.
    size_bytes: of the file.
    """

    path: Path
    kind: BackupKind
    made_utc: dt.datetime
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """What a backup holds; `problems` are files that are missing or not what was recorded, one sentence each."""

    path: Path
    files: int
    size_bytes: int
    problems: tuple[str, ...]


@dataclass(slots=True)
class MergeSummary:
    """What a patient's archive brought: added, replaced by a newer state, and known already.

    `warnings` are for the reader, one sentence each.
    """

    patient: str
    visits: int = 0
    masks: int = 0
    records: int = 0
    changed: int = 0
    known: int = 0
    warnings: list[str] = field(default_factory=list)
