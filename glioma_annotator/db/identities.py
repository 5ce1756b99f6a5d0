"""Who patients are, in a table of its own; the audit table holds only a salted hash of it."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Iterator

from glioma_annotator.db.audit import AuditTrail, json_text
from glioma_annotator.db.clock import utc_text
from glioma_annotator.db.connection import Connections, Row, fetch, insert
from glioma_annotator.db.sqlite_library import Database
from glioma_annotator.domain.audit import AuditAction
from glioma_annotator.domain.patient_identity import PatientIdentity
from glioma_annotator.domain.plain import Plain, to_plain

_UNREADABLE = "The patients' identities could not be read from the database"


class IdentityRepository:
    """Fulfils `workflow.record_ports.Identities`."""

    table = "patient_identities"

    def __init__(self, connections: Connections, audit: AuditTrail) -> None:
        self._connections = connections
        self._audit = audit

    def get(self, patient: str) -> PatientIdentity | None:
        """Who the patient of that key is; None while nothing was entered."""
        query = """SELECT patient_identities.* FROM patient_identities JOIN patients ON patients.id = patient_id
                   WHERE key = ? ORDER BY patient_identities.id DESC LIMIT 1"""
        with self._connections.reading(_UNREADABLE) as database:
            found = fetch(database, query, [patient])
        return _identity(found[0]) if found else None

    def set(self, patient: str, identity: PatientIdentity, by: str = "") -> None:
        """Record who the patient is; what was known before stays. Raises `KeyError` for an unknown patient."""
        before = self.get(patient)
        if before == identity:
            return
        with self._connections.writing("The patient's identity could not be recorded") as database:
            known = fetch(database, "SELECT id, uid FROM patients WHERE key = ?", [patient])
            if not known:
                raise KeyError(patient)
            row: Row = {"patient_id": known[0]["id"], **to_plain(identity)}
            row |= {"salt": secrets.token_hex(16), "created_utc": utc_text()}
            insert(database, "patient_identities", row)
            action = AuditAction.ADD if before is None else AuditAction.CHANGE
            self._audit.write(database, action, "patient_identities", known[0]["uid"], None, sealed(row), by)

    def states(self, database: Database) -> Iterator[tuple[str, Plain | None]]:
        """Each patient's uid and the seal of the newest row, for the audit's verification."""
        query = """SELECT patient_identities.*, patients.uid FROM patient_identities
                   JOIN patients ON patients.id = patient_id
                   WHERE patient_identities.id IN (SELECT max(id) FROM patient_identities GROUP BY patient_id)"""
        for row in fetch(database, query):
            yield row["uid"], sealed(row)


def sealed(row: Row) -> Plain:
    """What the audit table keeps of an identity: SHA-256 of a JSON list of salt, name, birth date, number, remark."""
    values = [row[name] for name in ("salt", "name", "birth_date", "record_number", "remark")]
    return {"sha256": hashlib.sha256(json_text(values).encode()).hexdigest()}


def _identity(row: Row) -> PatientIdentity:
    born = row["birth_date"]
    return PatientIdentity(
        row["name"], dt.date.fromisoformat(born) if born else None, row["record_number"], row["remark"]
    )
