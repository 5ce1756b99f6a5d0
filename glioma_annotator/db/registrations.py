"""Accepted registrations of visits in the database; those of earlier versions, kept with the view's state, too."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Mapping
from typing import Any

from glioma_annotator.db.audit import AuditTrail, json_text
from glioma_annotator.db.connection import Connections, fetch
from glioma_annotator.db.records import RecordRepository
from glioma_annotator.db.sqlite_library import Database
from glioma_annotator.domain.plain import from_plain
from glioma_annotator.domain.visit_registration import AcceptedRegistration

#: Where earlier versions kept them in the view's state of a patient.
_EARLIER = "registrations"


class RegistrationRepository(RecordRepository[AcceptedRegistration]):
    """Fulfils `workflow.record_ports.Registrations`."""

    kind = AcceptedRegistration
    table = "visit_registrations"
    title = "registration"
    columns = (
        "other", "sequence", "method", "matrix", "metric", "quality", "quality_found", "quality_before", "centre_mm",
        "shift_mm", "rotation_deg", "author", "created_utc",
    )  # fmt: skip
    json_columns = ("matrix", "centre_mm", "shift_mm", "rotation_deg")

    def __init__(self, connections: Connections, audit: AuditTrail) -> None:
        super().__init__(connections, audit)

    def between(self, patient_id: int, one: str, other: str) -> AcceptedRegistration | None:
        """The one accepted last of two visits, by their keys in either order; None when there is none."""
        condition = "patient_id = ? AND deleted_utc IS NULL"
        with self._connections.reading(self._unreadable) as database:
            found = [r for r in self._select(database, condition, [patient_id]) if r.joins(one, other)]
        return max(found, key=lambda r: r.created_utc, default=None)

    def take_over(self) -> None:
        """Make records of what earlier versions kept with the view's state; what cannot be read stays there.

        Copies of one workspace give a registration the same id.
        """
        query = "SELECT patient_id, state FROM view_states WHERE state LIKE ?"
        with self._connections.reading(self._unreadable) as database:
            waiting = fetch(database, query, [f'%"{_EARLIER}"%'])
        for row in waiting:
            state = json.loads(row["state"])
            entries = state.get(_EARLIER) if isinstance(state, dict) else None
            if isinstance(entries, list):
                self._take_over(row["patient_id"], state, entries)

    def _take_over(self, patient_id: int, state: dict[str, Any], entries: list[Any]) -> None:
        with self._connections.writing("The accepted registrations could not be taken over") as database:
            patient, uid = database.execute("SELECT key, uid FROM patients WHERE id = ?", [patient_id]).fetchone()
            left = []
            for entry in entries:
                try:
                    record = _record(patient, uid, entry)
                    if self._unknown(database, record.id):
                        self.add(record)
                except (KeyError, TypeError, ValueError):  # another version's, or of a visit that is not there
                    left.append(entry)
            if len(left) < len(entries):
                kept = {name: value for name, value in state.items() if name != _EARLIER}
                text = json.dumps(kept | ({_EARLIER: left} if left else {}), allow_nan=False)
                database.execute("UPDATE view_states SET state = ? WHERE patient_id = ?", [text, patient_id])

    def _unknown(self, database: Database, record_id: str) -> bool:
        query = "SELECT 1 FROM visit_registrations WHERE uid = ?"
        return database.execute(query, [record_id]).fetchone() is None

    def _require_references(self, database: Database, record: AcceptedRegistration) -> None:
        super()._require_references(database, record)
        query = "SELECT 1 FROM timepoints WHERE key = ? AND patient_id = (SELECT id FROM patients WHERE key = ?)"
        if database.execute(query, [record.other, record.patient]).fetchone() is None:
            raise KeyError(record.other)


def _record(patient: str, patient_uid: str, entry: Mapping[str, Any]) -> AcceptedRegistration:
    """A record of what an earlier version kept. Raises `KeyError`, `TypeError` or `ValueError` for anything else."""
    found, before, now = (float(value) for value in entry["quality"])
    accepted = dt.date.fromisoformat(entry["accepted"])
    plain = {
        "patient": patient,
        "timepoint": entry["later"],
        "other": entry["earlier"],
        "matrix": [float(value) for row in entry["matrix"] for value in row],
        "method": entry["method"],
        "sequence": entry["sequence"],
        "metric": float(entry["metric"]),
        "quality": now,
        "quality_found": found,
        "quality_before": before,
        **{name: [float(value) for value in entry[name]] for name in ("centre_mm", "shift_mm", "rotation_deg")},
        "author": entry["accepted_by"],
        "created_utc": dt.datetime.combine(accepted, dt.time(), dt.UTC).isoformat(),
        "id": uuid.uuid5(uuid.NAMESPACE_OID, json_text([patient_uid, entry])).hex,
    }
    return from_plain(AcceptedRegistration, plain)
