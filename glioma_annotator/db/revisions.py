"""Segmentation revisions in the database: added, never changed."""

from __future__ import annotations

import datetime as dt

from glioma_annotator.db.audit import AuditTrail
from glioma_annotator.db.clock import utc_text
from glioma_annotator.db.connection import Connections, Row, insert
from glioma_annotator.db.sqlite_library import Database
from glioma_annotator.domain.audit import AuditAction
from glioma_annotator.domain.revision import RevisionOrigin, RevisionStatus, SegmentationRevision

_UNREADABLE = "The segmentation revisions could not be read from the database"

_SELECT = """
SELECT revisions.*, (
    SELECT status FROM revision_status WHERE revision_id = revisions.id ORDER BY id DESC LIMIT 1
) AS status
FROM revisions
"""


#: Active minutes by tool of a revision, most first.
TIMES = "SELECT tool, minutes FROM revision_times WHERE revision_id = ? ORDER BY minutes DESC, tool"


class RevisionRepository:
    def __init__(self, connections: Connections, audit: AuditTrail) -> None:
        self._connections = connections
        self._audit = audit

    def of_timepoint(self, timepoint_id: int) -> tuple[SegmentationRevision, ...]:
        """Oldest first."""
        return self._select("WHERE timepoint_id = ? ORDER BY number", timepoint_id)

    def get(self, revision_id: int) -> SegmentationRevision | None:
        return next(iter(self._select("WHERE revisions.id = ?", revision_id)), None)

    def _select(self, condition: str, parameter: int) -> tuple[SegmentationRevision, ...]:
        with self._connections.reading(_UNREADABLE) as database:
            rows = list(database.query(f"{_SELECT} {condition}", [parameter]))
            volumes: dict[int, dict[str, float]] = {row["id"]: {} for row in rows}
            for revision_id, of_revision in volumes.items():
                query = "SELECT label, volume_ml FROM revision_volumes WHERE revision_id = ? ORDER BY rowid"
                of_revision.update({row["label"]: row["volume_ml"] for row in database.query(query, [revision_id])})
            minutes: dict[int, dict[str, float]] = {row["id"]: {} for row in rows}
            for revision_id, by_tool in minutes.items():
                by_tool.update(database.execute(TIMES, [revision_id]).fetchall())
            return tuple(_revision(row, volumes[row["id"]], minutes[row["id"]]) for row in rows)

    def add(self, revision: SegmentationRevision, file_sha256: str) -> int:
        """Record a revision whose file is written; its id."""
        with self._connections.writing("The segmentation revision could not be recorded") as database:
            revision_id = insert(database, "revisions", _row(revision, file_sha256))
            for label, volume_ml in revision.volumes_ml.items():
                row = {"revision_id": revision_id, "label": label, "volume_ml": volume_ml}
                insert(database, "revision_volumes", row)
            for tool, minutes in revision.minutes.items():
                insert(database, "revision_times", {"revision_id": revision_id, "tool": tool, "minutes": minutes})
            insert(database, "revision_status", _status_row(revision_id, revision.status))
            record = _uid(database, revision_id)
            state = {**_row(revision, file_sha256), "volumes_ml": dict(revision.volumes_ml)}
            state |= {"minutes": dict(revision.minutes)} if revision.minutes else {}
            state = {name: value for name, value in state.items() if name not in _OF_THIS_DATABASE}
            self._audit.write(database, AuditAction.ADD, "revisions", record, None, state, revision.author)
        return revision_id

    def set_status(self, revision_id: int, status: RevisionStatus, by: str = "") -> None:
        """Record a change of status; nothing when it has that status. Raises `KeyError` for an unknown id."""
        found = self.get(revision_id)
        if found is None:
            raise KeyError(revision_id)
        if found.status is not status:
            with self._connections.writing("The revision's status could not be recorded") as database:
                insert(database, "revision_status", _status_row(revision_id, status))
                before, after = {"status": found.status.value}, {"status": status.value}
                record = _uid(database, revision_id)
                self._audit.write(database, AuditAction.CHANGE, "revision_status", record, before, after, by)

    def recorded_files(self) -> dict[str, str]:
        """SHA-256 of every mask's file by its recorded path."""
        with self._connections.reading(_UNREADABLE) as database:
            return {row["path"]: row["file_sha256"] for row in database.query("SELECT * FROM revisions")}


#: Columns that mean nothing in another workspace.
_OF_THIS_DATABASE = ("timepoint_id", "parent_id")


def _uid(database: Database, revision_id: int) -> str:
    """The visit's uid and the revision's number."""
    query = """SELECT timepoints.uid || ' mask ' || number FROM revisions
               JOIN timepoints ON timepoints.id = timepoint_id WHERE revisions.id = ?"""
    return str(database.execute(query, [revision_id]).fetchone()[0])


def _status_row(revision_id: int, status: RevisionStatus) -> Row:
    return {"revision_id": revision_id, "status": status.value, "changed_utc": utc_text()}


def _row(revision: SegmentationRevision, file_sha256: str) -> Row:
    return {
        "timepoint_id": revision.timepoint_id,
        "number": revision.number,
        "parent_id": revision.parent_id,
        "origin": revision.origin.value,
        "author": revision.author,
        "created_utc": revision.created_utc.isoformat(timespec="microseconds"),
        "path": revision.path,
        "file_sha256": file_sha256,
        "content_sha256": revision.content_sha256,
        "scheme": revision.scheme,
        "model": revision.model,
        "note": revision.note,
    }


def _revision(row: Row, volumes_ml: dict[str, float], minutes: dict[str, float]) -> SegmentationRevision:
    return SegmentationRevision(
        timepoint_id=row["timepoint_id"],
        number=row["number"],
        origin=RevisionOrigin(row["origin"]),
        author=row["author"],
        created_utc=dt.datetime.fromisoformat(row["created_utc"]),
        content_sha256=row["content_sha256"],
        path=row["path"],
        scheme=row["scheme"],
        volumes_ml=volumes_ml,
        status=RevisionStatus(row["status"]),
        parent_id=row["parent_id"],
        model=row["model"],
        note=row["note"],
        minutes=minutes,
        id=row["id"],
    )
