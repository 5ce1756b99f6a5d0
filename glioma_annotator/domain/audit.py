"""Entries of the audit table: who changed what, when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class AuditAction(StrEnum):
    ADD = "add"
    CHANGE = "change"
    DELETE = "delete"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change of one record.

    Attributes
    ----------
    number: position in the audit table, from 1.
    at_utc: when, timezone-aware UTC.
    actor: who.
    action: what was done.
    kind: what was changed: the name of the record's table.
    record: the record's id.
    before, after: the record as plain JSON values; None where there is none.
    """

    number: int
    at_utc: dt.datetime
    actor: str
    action: AuditAction
    kind: str
    record: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
