"""The audit table: every change of a record, written in the change's own transaction, each row sealed by a hash.

A row's `sha256` covers the row and the hash of the row before, so that no row can be changed, removed or put in
between without breaking the chain behind it; `verify` checks it, and that the records are what the newest row says.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from typing import Any

from glioma_annotator.db.clock import utc_text
from glioma_annotator.db.connection import Connections, Row, fetch
from glioma_annotator.db.sqlite_library import Database
from glioma_annotator.domain.audit import AuditAction, AuditEntry
from glioma_annotator.domain.plain import Plain

_COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_TABLES = (
    "findings", "vasari_entries", "histology_samples", "clinical_events", "lesion_measurements", "response_assessments",
    "notes", "visit_registrations", "timepoints",
)  # fmt: skip

_PATIENT = "SELECT id FROM patients WHERE key = :key"

#: What the audit table calls everything of the patient with the key `:key`.
_OF_PATIENT = f"""
SELECT uid FROM patients WHERE key = :key
UNION ALL SELECT timepoints.uid || ' mask ' || number FROM revisions JOIN timepoints ON timepoints.id = timepoint_id
    WHERE patient_id = ({_PATIENT})
{" ".join(f"UNION ALL SELECT uid FROM {table} WHERE patient_id = ({_PATIENT})" for table in _TABLES)}
"""
_FIRST = ""  # stands for the hash before the first row


def json_text(value: Any) -> str:
    """Compact JSON. Raises `TypeError` or `ValueError` for what JSON cannot express, NaN among it."""
    return _COMPACT.encode(value)


def seal(previous: str, row: Row) -> str:
    """SHA-256 of a JSON list: the hash before, then id, at_utc, actor, action, kind, record, before and after."""
    names = ("id", "at_utc", "actor", "action", "kind", "record", "before", "after")
    return hashlib.sha256(json_text([previous, *(row[name] for name in names)]).encode()).hexdigest()


class AuditTrail:
    """Writes and reads the audit table.

    Parameters
    ----------
    actor: who changes things where nobody else is named.
    """

    def __init__(self, connections: Connections, actor: str) -> None:
        self._connections = connections
        self._actor = actor

    def write(
        self,
        database: Database,
        action: AuditAction,
        kind: str,
        record: str,
        before: Plain | None,
        after: Plain | None,
        by: str = "",
    ) -> None:
        """Add a row in the transaction that `database` is in."""
        last = database.execute("SELECT id, sha256 FROM audit ORDER BY id DESC LIMIT 1").fetchone() or (0, _FIRST)
        row: Row = {
            "id": last[0] + 1,
            "at_utc": utc_text(),
            "actor": by or self._actor,
            "action": action.value,
            "kind": kind,
            "record": record,
            "before": None if before is None else json_text(before),
            "after": None if after is None else json_text(after),
        }
        row["sha256"] = seal(last[1], row)
        database.execute(
            "INSERT INTO audit (id, at_utc, actor, action, kind, record, before, after, sha256)"
            " VALUES (:id, :at_utc, :actor, :action, :kind, :record, :before, :after, :sha256)",
            row,
        )

    def of(self, record: str) -> tuple[AuditEntry, ...]:
        """Every change of a record by its id, oldest first."""
        with self._connections.reading("The audit table could not be read") as database:
            return tuple(map(_entry, fetch(database, "SELECT * FROM audit WHERE record = ? ORDER BY id", [record])))

    def of_patient(self, patient: str, limit: int = 500) -> tuple[AuditEntry, ...]:
        """The latest changes of a patient, its visits, masks and records, newest first; by the patient's key."""
        query = f"SELECT * FROM audit WHERE record IN ({_OF_PATIENT}) ORDER BY id DESC LIMIT :limit"
        with self._connections.reading("The audit table could not be read") as database:
            return tuple(map(_entry, fetch(database, query, {"key": patient, "limit": limit})))

    def newest(self, limit: int = 200) -> tuple[AuditEntry, ...]:
        """The latest changes of the workspace, newest first."""
        with self._connections.reading("The audit table could not be read") as database:
            return tuple(map(_entry, fetch(database, "SELECT * FROM audit ORDER BY id DESC LIMIT ?", [limit])))


def broken_links(database: Database) -> Iterator[int]:
    """Numbers of the rows whose hash does not fit their content and the row before, and of gaps."""
    previous, expected = _FIRST, 1
    for row in database.execute(
        "SELECT id, at_utc, actor, action, kind, record, before, after, sha256 FROM audit ORDER BY id"
    ):
        names = ("id", "at_utc", "actor", "action", "kind", "record", "before", "after")
        if row[0] != expected or seal(previous, dict(zip(names, row, strict=False))) != row[8]:
            yield row[0]
        previous, expected = row[8], row[0] + 1


def _entry(row: Row) -> AuditEntry:
    return AuditEntry(
        number=row["id"],
        at_utc=dt.datetime.fromisoformat(row["at_utc"]),
        actor=row["actor"],
        action=AuditAction(row["action"]),
        kind=row["kind"],
        record=row["record"],
        before=None if row["before"] is None else json.loads(row["before"]),
        after=None if row["after"] is None else json.loads(row["after"]),
    )
