"""Visits and their sequences in the database."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from glioma_annotator.db.audit import AuditTrail
from glioma_annotator.db.clock import utc_text
from glioma_annotator.db.connection import Connections, Row, insert
from glioma_annotator.db.sqlite_library import Database
from glioma_annotator.domain.audit import AuditAction
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.identity import new_id
from glioma_annotator.domain.patient import Timepoint, TreatmentPhase
from glioma_annotator.domain.sequences import Sequence, SequenceRole, Window

_UNREADABLE = "The visits could not be read from the database"


class TimepointRepository:
    def __init__(self, connections: Connections, audit: AuditTrail) -> None:
        self._connections = connections
        self._audit = audit

    def of_patient(self, patient_id: int) -> tuple[Timepoint, ...]:
        """In order of the patient's course."""
        with self._connections.reading(_UNREADABLE) as database:
            return visits_of(database, patient_id)

    def get(self, timepoint_id: int) -> Timepoint | None:
        with self._connections.reading(_UNREADABLE) as database:
            query = database.query("SELECT patient_id FROM timepoints WHERE id = ?", [timepoint_id])
            patient = next((row["patient_id"] for row in query), None)
            visits = () if patient is None else visits_of(database, patient)
        return next((visit for visit in visits if visit.id == timepoint_id), None)

    def has(self, patient_id: int, key: str) -> bool:
        with self._connections.reading(_UNREADABLE) as database:
            return bool(database.table("timepoints").count_where("patient_id = ? AND key = ?", [patient_id, key]))

    def folder(self, timepoint_id: int) -> str:
        """Name of the visit's folder within the patient's. Raises `KeyError` for an unknown id."""
        with self._connections.reading(_UNREADABLE) as database:
            for row in database.query("SELECT folder FROM timepoints WHERE id = ?", [timepoint_id]):
                return str(row["folder"])
        raise KeyError(timepoint_id)

    def uid(self, timepoint_id: int) -> str:
        """What the visit is called in every workspace; empty for an unknown id."""
        with self._connections.reading(_UNREADABLE) as database:
            found = database.execute("SELECT uid FROM timepoints WHERE id = ?", [timepoint_id]).fetchone()
        return str(found[0]) if found else ""

    def folders(self, patient_id: int) -> tuple[str, ...]:
        """Names of the folders of the patient's visits."""
        with self._connections.reading(_UNREADABLE) as database:
            query = database.query("SELECT folder FROM timepoints WHERE patient_id = ?", [patient_id])
            return tuple(row["folder"] for row in query)

    def add(self, visit: Timepoint, folder: str, file_sha256: Mapping[str, str], uid: str = "") -> int:
        """Record a visit whose files are written; its id.

        `folder` is unique within the patient; `file_sha256` has the hash of every sequence's file by sequence name;
        `uid` is what the visit is called in every workspace, empty for a new one.
        """
        with self._connections.writing("The visit could not be recorded") as database:
            row = _row(visit, folder) | {"uid": uid or new_id()}
            timepoint_id = insert(database, "timepoints", row)
            state = {name: row[name] for name in _AUDITED} | {"files": dict(file_sha256)}
            self._audit.write(database, AuditAction.ADD, "timepoints", row["uid"], None, state)
            for sequence in visit.sequences:
                insert(
                    database,
                    "sequences",
                    {
                        "timepoint_id": timepoint_id,
                        "name": sequence.name,
                        "role": sequence.role.value,
                        "path": sequence.path,
                        "file_sha256": file_sha256[sequence.name],
                        "source_name": sequence.source_name,
                        "resampled": int(sequence.resampled),
                        "window_low": sequence.window.low if sequence.window else None,
                        "window_high": sequence.window.high if sequence.window else None,
                    },
                )
        return timepoint_id

    def set_window(self, sequence_id: int, window: Window | None) -> None:
        """Raises `KeyError` for an unknown id."""
        low, high = (window.low, window.high) if window else (None, None)
        with self._connections.writing("The display window could not be recorded") as database:
            changed = database.execute(
                "UPDATE sequences SET window_low = ?, window_high = ? WHERE id = ?", [low, high, sequence_id]
            )
            if changed.rowcount == 0:
                raise KeyError(sequence_id)

    def recorded_files(self) -> dict[str, str]:
        """SHA-256 of every sequence's file by its recorded path."""
        with self._connections.reading(_UNREADABLE) as database:
            return {row["path"]: row["file_sha256"] for row in database.query("SELECT * FROM sequences")}


#: Columns of a visit that the audit table repeats.
_AUDITED = ("key", "folder", "date", "day", "phase", "reference", "shape", "affine", "created_utc")


def _row(visit: Timepoint, folder: str) -> Row:
    return {
        "patient_id": visit.patient_id,
        "key": visit.key,
        "folder": folder,
        "course_order": visit.order,
        "date": visit.date.isoformat() if visit.date else None,
        "day": visit.day,
        "phase": visit.phase.value,
        "reference": visit.reference,
        "source_axes": visit.source_axes,
        "shape": json.dumps(visit.grid.shape),
        "affine": json.dumps(visit.grid.affine.tolist()),
        "created_utc": utc_text(),
    }


def visits_of(database: Database, patient_id: int) -> tuple[Timepoint, ...]:
    """A patient's visits in order of the course."""
    sequences: dict[int, list[Row]] = {}
    query = """SELECT sequences.* FROM sequences JOIN timepoints ON timepoints.id = timepoint_id
               WHERE patient_id = ? ORDER BY sequences.id"""
    for row in database.query(query, [patient_id]):
        sequences.setdefault(row["timepoint_id"], []).append(row)
    rows = database.query("SELECT * FROM timepoints WHERE patient_id = ? ORDER BY id", [patient_id])
    return _in_course_order([timepoint_of(row, list(sequences.get(row["id"], ()))) for row in rows])


def _in_course_order(visits: list[Timepoint]) -> tuple[Timepoint, ...]:
    """By date when all visits have one, else by day when all have, else as ordered at import; `order` renumbered."""
    if all(visit.date for visit in visits):
        visits.sort(key=lambda visit: (visit.date or dt.date.min, visit.order))
    elif all(visit.day is not None for visit in visits):
        visits.sort(key=lambda visit: (visit.day or 0, visit.order))
    else:
        visits.sort(key=lambda visit: visit.order)
    return tuple(replace(visit, order=position) for position, visit in enumerate(visits))


def timepoint_of(row: Row, sequences: Iterable[Row]) -> Timepoint:
    """A visit from its row and those of its sequences."""
    i, j, k = json.loads(row["shape"])
    return Timepoint(
        patient_id=row["patient_id"],
        key=row["key"],
        order=row["course_order"],
        grid=Grid((i, j, k), np.array(json.loads(row["affine"]))),
        reference=row["reference"],
        source_axes=row["source_axes"],
        date=dt.date.fromisoformat(row["date"]) if row["date"] else None,
        day=row["day"],
        phase=TreatmentPhase(row["phase"]),
        sequences=tuple(map(_sequence, sequences)),
        id=row["id"],
    )


def _sequence(row: Row) -> Sequence:
    low, high = row["window_low"], row["window_high"]
    return Sequence(
        name=row["name"],
        role=SequenceRole(row["role"]),
        path=row["path"],
        source_name=row["source_name"],
        resampled=bool(row["resampled"]),
        window=None if low is None else Window(low, high),
        id=row["id"],
    )
