"""Answers to questions across patients, and the questions that were saved."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from typing import Any

from glioma_annotator.db.audit import AuditTrail
from glioma_annotator.db.clock import utc_text
from glioma_annotator.db.cohort_sql import Sql, record_of, where
from glioma_annotator.db.connection import Connections, Row, fetch, insert
from glioma_annotator.db.sqlite_library import Database
from glioma_annotator.domain.audit import AuditAction
from glioma_annotator.domain.cohort import (
    CohortHit,
    CohortResult,
    Condition,
    SavedQuestion,
    VolumeChange,
    VolumeIs,
    asks_about_visits,
    parts_of,
)
from glioma_annotator.domain.cohort_question import parse_question
from glioma_annotator.domain.cohort_vocabulary import USUAL_LABELS
from glioma_annotator.domain.identity import new_id
from glioma_annotator.domain.patient import TreatmentPhase
from glioma_annotator.domain.plain import Plain
from glioma_annotator.errors import UserError

_UNANSWERED = "The question could not be answered from the database"

#: Whether all visits of a patient have a date, and all a day: what the order of the course follows.
_KNOWN = (
    "SELECT patient_id, count(*) = count(date) AS dates, count(*) = count(day) AS days FROM timepoints"
    " GROUP BY patient_id"
)

#: Hits whose details are read at a time; below SQLite's limit of parameters.
_CHUNK = 500


class CohortRepository:
    """Fulfils `workflow.record_ports.Cohort`."""

    table = "saved_questions"

    def __init__(self, connections: Connections, audit: AuditTrail) -> None:
        self._connections = connections
        self._audit = audit

    def ask(self, question: str, limit: int | None = None) -> CohortResult:
        """The visits that a question selects; see `domain.cohort_question`. Raises `QuestionError`."""
        with self._connections.reading(_UNANSWERED) as database:
            return _answer(database, parse_question(question, _labels(database)), limit)

    def select(self, condition: Condition, limit: int | None = None) -> CohortResult:
        """The visits that a condition selects."""
        with self._connections.reading(_UNANSWERED) as database:
            return _answer(database, condition, limit)

    def labels(self) -> tuple[str, ...]:
        """Labels and regions whose volumes can be asked about."""
        with self._connections.reading(_UNANSWERED) as database:
            return _labels(database)

    def saved(self) -> tuple[SavedQuestion, ...]:
        """By name."""
        query = "SELECT name, text, author, created_utc FROM saved_questions WHERE deleted_utc IS NULL ORDER BY name"
        with self._connections.reading("The saved questions could not be read") as database:
            return tuple(
                SavedQuestion(r["name"], r["text"], r["author"], dt.datetime.fromisoformat(r["created_utc"]))
                for r in fetch(database, query)
            )

    def save(self, name: str, text: str, by: str = "") -> None:
        """Keep a question under a name, in place of the one of that name. Raises `UserError` for one without a name
        and `QuestionError` for one that cannot be read."""
        if not name.strip():
            raise UserError("A saved question needs a name.", "Name it after what it asks.")
        with self._connections.writing("The question could not be saved") as database:
            parse_question(text, _labels(database))
            known = _saved(database, name)
            after = {"name": name, "text": text}
            if known is None:
                row = after | {"uid": new_id(), "author": by, "created_utc": utc_text()}
                insert(database, "saved_questions", row)
                self._audit.write(database, AuditAction.ADD, "saved_questions", row["uid"], None, after, by)
            elif known["text"] != text:
                database.execute("UPDATE saved_questions SET text = ? WHERE uid = ?", [text, known["uid"]])
                before = {"name": name, "text": known["text"]}
                self._audit.write(database, AuditAction.CHANGE, "saved_questions", known["uid"], before, after, by)

    def rename(self, name: str, other: str, by: str = "") -> None:
        """Give a saved question another name. Raises `KeyError` when there is none of that name, `UserError` for an
        empty name and for one that is taken."""
        if not other.strip():
            raise UserError("A saved question needs a name.", "Name it after what it asks.")
        with self._connections.writing("The question could not be renamed") as database:
            known = _saved(database, name)
            if known is None:
                raise KeyError(name)
            if other == name:
                return
            if _saved(database, other) is not None:
                raise UserError(f"There is a saved question “{other}” already.", "Choose another name.")
            database.execute("UPDATE saved_questions SET name = ? WHERE uid = ?", [other, known["uid"]])
            before, after = ({"name": each, "text": known["text"]} for each in (name, other))
            self._audit.write(database, AuditAction.CHANGE, "saved_questions", known["uid"], before, after, by)

    def forget(self, name: str, by: str = "") -> None:
        """Take a saved question out of the list. Raises `KeyError` when there is none of that name."""
        with self._connections.writing("The question could not be removed") as database:
            known = _saved(database, name)
            if known is None:
                raise KeyError(name)
            database.execute("UPDATE saved_questions SET deleted_utc = ? WHERE uid = ?", [utc_text(), known["uid"]])
            before = {"name": name, "text": known["text"]}
            self._audit.write(database, AuditAction.DELETE, "saved_questions", known["uid"], before, None, by)

    def states(self, database: Database) -> Iterator[tuple[str, Plain | None]]:
        """Every saved question's uid and present state, for the audit's verification."""
        for row in fetch(database, "SELECT uid, name, text, deleted_utc FROM saved_questions"):
            yield row["uid"], None if row["deleted_utc"] else {"name": row["name"], "text": row["text"]}


def _saved(database: Database, name: str) -> Row | None:
    found = fetch(database, "SELECT * FROM saved_questions WHERE name = ? AND deleted_utc IS NULL", [name])
    return found[0] if found else None


def _labels(database: Database) -> tuple[str, ...]:
    names = list(USUAL_LABELS)
    for (definition,) in database.execute("SELECT definition FROM label_schemes"):
        scheme = json.loads(definition)
        names += [part["name"] for part in (*scheme["labels"], *scheme["regions"])]
    return tuple(dict.fromkeys(names))


def _answer(database: Database, condition: Condition, limit: int | None) -> CohortResult:
    chosen = where(condition)
    rows = database.execute(
        f"""SELECT t.id, t.patient_id FROM timepoints AS t JOIN patients ON patients.id = t.patient_id
            JOIN ({_KNOWN}) AS known ON known.patient_id = t.patient_id
            WHERE {chosen.text} ORDER BY patients.key, CASE WHEN known.dates THEN t.date END,
            CASE WHEN known.days AND NOT known.dates THEN t.day END, t.course_order, t.id""",
        chosen.parameters,
    ).fetchall()
    if not asks_about_visits(condition):
        rows = [(visit, patient) for patient, visit in {patient: visit for visit, patient in rows}.items()]
    ids = [visit for visit, _ in rows[:limit]]
    hits = [hit for at in range(0, len(ids), _CHUNK) for hit in _hits(database, ids[at : at + _CHUNK], condition)]
    return CohortResult(tuple(hits), len(rows), len({patient for _, patient in rows}))


def _hits(database: Database, ids: Sequence[int], condition: Condition) -> list[CohortHit]:
    names = list(dict.fromkeys(p.name for p in parts_of(condition) if isinstance(p, VolumeIs | VolumeChange)))
    asked = record_of(condition, ids)
    looked_at = asked or Sql("0" if names else "r.status IN ('open', 'confirmed')")
    among = ", ".join("?" * len(ids))
    query = f"""
        SELECT t.id, patients.key AS patient, t.key AS timepoint, t.date, t.day, t.phase,
            f.uid, f.x_mm, f.y_mm, f.z_mm
        FROM timepoints AS t JOIN patients ON patients.id = t.patient_id
        LEFT JOIN findings AS f ON f.id = (
            SELECT r.id FROM findings AS r WHERE r.timepoint_id = t.id AND r.deleted_utc IS NULL
            AND ({looked_at.text}) ORDER BY r.volume_ml DESC, r.id LIMIT 1
        ) WHERE t.id IN ({among})"""
    rows = {row["id"]: row for row in fetch(database, query, [*looked_at.parameters, *ids])}
    volumes: dict[int, dict[str, Any]] = {visit: {} for visit in ids}
    places: dict[int, dict[str, Any]] = {visit: {} for visit in ids}
    if names:
        query = f"""
            SELECT timepoint_id, measures.name, volume_ml, x_mm, y_mm, z_mm FROM measures LEFT JOIN mask_places
            ON mask_places.revision_id = measures.revision_id AND mask_places.name = measures.name
            WHERE timepoint_id IN ({among}) AND measures.name IN ({", ".join("?" * len(names))})"""
        for row in fetch(database, query, [*ids, *names]):
            volumes[row["timepoint_id"]][row["name"]] = row["volume_ml"]
            places[row["timepoint_id"]][row["name"]] = row
    hits = []
    for visit in ids:
        row = rows[visit]
        place = row if row["uid"] else next((places[visit][n] for n in names if n in places[visit]), row)
        hits.append(
            CohortHit(
                patient=row["patient"],
                timepoint=row["timepoint"],
                date=dt.date.fromisoformat(row["date"]) if row["date"] else None,
                day=row["day"],
                phase=TreatmentPhase(row["phase"]),
                point_mm=None if place["x_mm"] is None else (place["x_mm"], place["y_mm"], place["z_mm"]),
                finding=row["uid"] or "",
                volumes_ml={name: volumes[visit][name] for name in names if name in volumes[visit]},
            )
        )
    return hits
