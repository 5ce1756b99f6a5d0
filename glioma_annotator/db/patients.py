"""Patients in the database."""

from __future__ import annotations

from glioma_annotator.db.audit import AuditTrail
from glioma_annotator.db.clock import utc_text
from glioma_annotator.db.connection import Connections, Row, insert
from glioma_annotator.db.names import free_name, safe_name
from glioma_annotator.domain.audit import AuditAction
from glioma_annotator.domain.identity import new_id
from glioma_annotator.domain.patient import Patient
from glioma_annotator.errors import UserError

_UNREADABLE = "The patients could not be read from the database"


class PatientRepository:
    def __init__(self, connections: Connections, audit: AuditTrail) -> None:
        self._connections = connections
        self._audit = audit

    def all(self) -> tuple[Patient, ...]:
        """By key."""
        with self._connections.reading(_UNREADABLE) as database:
            return tuple(map(_patient, database.query("SELECT id, key FROM patients ORDER BY key")))

    def with_key(self, key: str) -> Patient | None:
        with self._connections.reading(_UNREADABLE) as database:
            return next(map(_patient, database.query("SELECT id, key FROM patients WHERE key = ?", [key])), None)

    def folder(self, patient_id: int) -> str:
        """Name of the patient's folder. Raises `KeyError` for an unknown id."""
        with self._connections.reading(_UNREADABLE) as database:
            for row in database.query("SELECT folder FROM patients WHERE id = ?", [patient_id]):
                return str(row["folder"])
        raise KeyError(patient_id)

    def uid(self, patient_id: int) -> str:
        """What the patient is called in every workspace. Raises `KeyError` for an unknown id."""
        with self._connections.reading(_UNREADABLE) as database:
            for row in database.query("SELECT uid FROM patients WHERE id = ?", [patient_id]):
                return str(row["uid"])
        raise KeyError(patient_id)

    def add(self, key: str, uid: str = "") -> Patient:
        """A patient with a uid of its own, or with the one it has elsewhere.

        Raises `UserError` for a key that is empty, has control characters, or is in use.
        """
        if not key.strip() or not key.isprintable():
            raise UserError(f"{key!r} cannot serve as a patient's key.", "Give the patient a pseudonym or a number.")
        if self.with_key(key) is not None:
            raise UserError(f"The workspace already has a patient {key}.", "Choose another key.")
        with self._connections.writing("The patient could not be recorded") as database:
            used = {row["folder"].casefold() for row in database.query("SELECT folder FROM patients")}
            folder = free_name(safe_name(key, "patient"), lambda name: name.casefold() in used)
            row = {"key": key, "folder": folder, "created_utc": utc_text(), "uid": uid or new_id()}
            patient = Patient(key, insert(database, "patients", row))
            self._audit.write(database, AuditAction.ADD, "patients", row["uid"], None, row)
            return patient


def _patient(row: Row) -> Patient:
    return Patient(row["key"], row["id"])
