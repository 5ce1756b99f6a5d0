"""What the repositories of clinical records share: adding, changing, deleting and restoring, all audited."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from glioma_annotator.db.audit import AuditTrail, json_text
from glioma_annotator.db.clock import utc_text
from glioma_annotator.db.connection import Connections, Row, fetch
from glioma_annotator.db.sqlite_library import Database
from glioma_annotator.domain.audit import AuditAction
from glioma_annotator.domain.plain import Plain, from_plain, to_plain


class Record(Protocol):
    """What every clinical record has."""

    @property
    def id(self) -> str: ...

    @property
    def patient(self) -> str: ...

    @property
    def timepoint(self) -> str: ...


R = TypeVar("R", bound=Record)

#: A list that belongs to a record, in a table of its own: the table and its column that names the record.
Child = tuple[str, str]


class RecordRepository(Generic[R]):
    """Records of one kind, each of a patient and mostly of a visit; returned oldest first.

    A subclass names the table and its columns. A column has the name of the dataclass's field unless `_to_row` and
    `_to_plain` say otherwise. Writing takes `by`, who does it; empty stands for the record's author, then for whoever
    opened the workspace. Every method raises `EnvironmentFailure` when the database refuses, and every writing one
    `UserError` in a workspace opened for reading only.
    """

    kind: ClassVar[type[Any]]
    table: ClassVar[str]
    title: ClassVar[str]  # for messages: "finding"
    columns: ClassVar[tuple[str, ...]]
    flags: ClassVar[tuple[str, ...]] = ()  # of the columns: kept as 0 or 1
    json_columns: ClassVar[tuple[str, ...]] = ()  # of the columns: kept as JSON
    children: ClassVar[tuple[Child, ...]] = ()

    def __init__(self, connections: Connections, audit: AuditTrail) -> None:
        self._connections = connections
        self._audit = audit

    # reading

    def get(self, record_id: str) -> R | None:
        """The record, unless it is unknown or deleted."""
        with self._connections.reading(self._unreadable) as database:
            return next(iter(self._select(database, "uid = ? AND deleted_utc IS NULL", [record_id])), None)

    def of_patient(self, patient: str) -> tuple[R, ...]:
        """Live records by the patient's key."""
        condition = "patient_id = (SELECT id FROM patients WHERE key = ?) AND deleted_utc IS NULL"
        with self._connections.reading(self._unreadable) as database:
            return tuple(self._select(database, condition, [patient]))

    def of_timepoint(self, patient: str, timepoint: str) -> tuple[R, ...]:
        """Live records by the keys of patient and visit."""
        condition = f"timepoint_id = ({_TIMEPOINT}) AND deleted_utc IS NULL"
        with self._connections.reading(self._unreadable) as database:
            return tuple(self._select(database, condition, [patient, timepoint]))

    def deleted(self, patient: str) -> tuple[R, ...]:
        """Records of the patient that can be restored."""
        condition = "patient_id = (SELECT id FROM patients WHERE key = ?) AND deleted_utc IS NOT NULL"
        with self._connections.reading(self._unreadable) as database:
            return tuple(self._select(database, condition, [patient]))

    # writing

    def add(self, *records: R, by: str = "") -> None:
        """All or nothing. Raises `KeyError` for an unknown patient or visit, or a record that it refers to."""
        with self._connections.writing(f"The {self.title} could not be recorded") as database:
            for record in records:
                self._require_references(database, record)
                after = to_plain(record)
                row = self._row(database, record, after)
                names = ", ".join(row)
                places = ", ".join(f":{name}" for name in row)
                added = database.execute(f"INSERT INTO {self.table} ({names}) VALUES ({places})", row).lastrowid
                assert added is not None
                self._add_children(database, added, record)
                self._write_audit(database, AuditAction.ADD, record, None, after, by or self._author(record))
                self._written(database, row["patient_id"], record)

    def change(self, record: R, by: str = "") -> None:
        """Put another state in the place of the record with that id; nothing when it is the same.

        Raises `KeyError` for an unknown or deleted record or reference, `ValueError` when the patient is another.
        """
        with self._connections.writing(f"The {self.title} could not be changed") as database:
            row_id, before = self._live(database, record.id)
            if before == record:
                return
            if before.patient != record.patient:
                raise ValueError(f"a {self.title} stays with its patient")
            self._require_references(database, record)
            after = to_plain(record)
            row = self._row(database, record, after)
            settings = ", ".join(f"{name} = :{name}" for name in row)
            database.execute(f"UPDATE {self.table} SET {settings} WHERE id = :row_id", {**row, "row_id": row_id})
            for table, owner in self.children:
                database.execute(f"DELETE FROM {table} WHERE {owner} = ?", [row_id])
            self._add_children(database, row_id, record)
            now = self._author(record)  # a new one made the change; who stays the author need not have
            by = by or (now if now != self._author(before) else "")
            self._write_audit(database, AuditAction.CHANGE, record, to_plain(before), after, by)
            self._written(database, row["patient_id"], before)
            self._written(database, row["patient_id"], record)

    def delete(self, record_id: str, by: str = "") -> None:
        """Take the record out of every list; `restore` brings it back. Raises `KeyError` when there is none."""
        with self._connections.writing(f"The {self.title} could not be deleted") as database:
            row_id, record = self._live(database, record_id)
            database.execute(f"UPDATE {self.table} SET deleted_utc = ? WHERE id = ?", [utc_text(), row_id])
            self._write_audit(database, AuditAction.DELETE, record, to_plain(record), None, by)
            self._written(database, self._patient_id(database, record), record)

    def restore(self, record_id: str, by: str = "") -> None:
        """Bring a deleted record back. Raises `KeyError` when there is none of that id."""
        with self._connections.writing(f"The {self.title} could not be restored") as database:
            found = self._select(database, "uid = ? AND deleted_utc IS NOT NULL", [record_id])
            if not found:
                raise KeyError(record_id)
            database.execute(f"UPDATE {self.table} SET deleted_utc = NULL WHERE uid = ?", [record_id])
            self._write_audit(database, AuditAction.RESTORE, found[0], None, to_plain(found[0]), by)
            self._written(database, self._patient_id(database, found[0]), found[0])

    # for the audit's verification

    def states(self, database: Database) -> Iterator[tuple[str, Plain | None]]:
        """Every record's id and present state, None for a deleted one, in the transaction of `database`."""
        highest = database.execute(f"SELECT coalesce(max(id), 0) FROM {self.table}").fetchone()[0]
        for start in range(0, highest, _CHUNK):
            between = [start, start + _CHUNK]
            gone = f"SELECT uid FROM {self.table} WHERE id > ? AND id <= ? AND deleted_utc IS NOT NULL"
            deleted = {uid for (uid,) in database.execute(gone, between)}
            for record in self._select(database, "id > ? AND id <= ?", between):
                yield record.id, None if record.id in deleted else to_plain(record)

    # what subclasses know

    def _to_row(self, plain: Plain) -> Row:
        """The record's columns but those that all tables share; by default the fields of that name."""
        row: Row = {name: plain[name] for name in self.columns}
        for name in self.flags:
            row[name] = int(row[name])
        for name in self.json_columns:
            row[name] = None if row[name] is None else json_text(row[name])
        return row

    def _to_plain(self, row: Row) -> Plain:
        """The inverse of `_to_row`."""
        plain: Plain = {name: row[name] for name in self.columns}
        for name in self.flags:
            plain[name] = bool(plain[name])
        for name in self.json_columns:
            plain[name] = None if plain[name] is None else json.loads(plain[name])
        return plain

    def _child_rows(self, record: R) -> Iterator[tuple[str, Row]]:  # noqa: ARG002 - for subclasses
        """Rows of the tables in `children`, in order, without the column that names the record."""
        yield from ()

    def _take_children(self, plain: Plain, rows: dict[str, list[Row]]) -> None:
        """Put the rows of `children`, by table and in order, into the record's fields."""

    def _author(self, record: R) -> str:
        return str(getattr(record, "author", ""))

    def _references(self, record: R) -> Iterator[tuple[str, str]]:  # noqa: ARG002 - for subclasses
        """Table and uid of every record that this one refers to."""
        yield from ()

    def _written(self, database: Database, patient_id: int, record: R) -> None:
        """Called in the transaction that wrote or deleted a record."""

    # common machinery

    @property
    def _unreadable(self) -> str:
        return f"The {self.title}s could not be read from the database"

    def _live(self, database: Database, record_id: str) -> tuple[int, R]:
        found = self._select(database, "uid = ? AND deleted_utc IS NULL", [record_id])
        if not found:
            raise KeyError(record_id)
        return database.execute(f"SELECT id FROM {self.table} WHERE uid = ?", [record_id]).fetchone()[0], found[0]

    def _row(self, database: Database, record: R, plain: Plain) -> Row:
        place = [record.patient, record.timepoint]
        return {
            "uid": record.id,
            "patient_id": self._patient_id(database, record),
            "timepoint_id": _key(database, _TIMEPOINT, place) if record.timepoint else None,
            **self._to_row(plain),
        }

    def _patient_id(self, database: Database, record: R) -> int:
        return _key(database, "SELECT id FROM patients WHERE key = ?", [record.patient])

    def _require_references(self, database: Database, record: R) -> None:
        for table, uid in self._references(record):
            query = f"SELECT 1 FROM {table} WHERE uid = ? AND patient_id = (SELECT id FROM patients WHERE key = ?)"
            _key(database, query, [uid, record.patient])

    def _add_children(self, database: Database, row_id: int, record: R) -> None:
        owners = dict(self.children)
        for position, (table, row) in enumerate(self._child_rows(record)):
            full = {owners[table]: row_id, "position": position, **row}
            names, places = ", ".join(full), ", ".join(f":{name}" for name in full)
            database.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", full)

    def _write_audit(
        self, database: Database, action: AuditAction, record: R, before: Plain | None, after: Plain | None, by: str
    ) -> None:
        self._audit.write(database, action, self.table, record.id, before, after, by)

    def _select(self, database: Database, condition: str, parameters: Sequence[Any]) -> list[R]:
        """Records whose row fulfils `condition`, live and deleted ones, oldest first."""
        rows = fetch(
            database,
            f"""SELECT record.*, patients.key AS patient_key, coalesce(timepoints.key, '') AS timepoint_key
                FROM (SELECT * FROM {self.table} WHERE {condition}) AS record
                JOIN patients ON patients.id = record.patient_id
                LEFT JOIN timepoints ON timepoints.id = record.timepoint_id ORDER BY record.id""",
            parameters,
        )
        owned: dict[int, dict[str, list[Row]]] = {row["id"]: {} for row in rows}
        for table, owner in self.children if rows else ():
            within = f"SELECT id FROM {self.table} WHERE {condition}"
            query = f"SELECT * FROM {table} WHERE {owner} IN ({within}) ORDER BY {owner}, position"
            for child in fetch(database, query, parameters):
                owned[child[owner]].setdefault(table, []).append(child)
        return [self._record(row, owned[row["id"]]) for row in rows]

    def _record(self, row: Row, children: dict[str, list[Row]]) -> R:
        plain = self._to_plain(row)
        plain |= {"id": row["uid"], "patient": row["patient_key"], "timepoint": row["timepoint_key"]}
        self._take_children(plain, children)
        record: R = from_plain(self.kind, plain)
        return record


_TIMEPOINT = "SELECT id FROM timepoints WHERE patient_id = (SELECT id FROM patients WHERE key = ?) AND key = ?"

#: Records checked at a time; bounds the memory.
_CHUNK = 2000


def _key(database: Database, query: str, parameters: Sequence[Any]) -> int:
    """The one value of a query. Raises `KeyError` when there is none."""
    found = database.execute(query, parameters).fetchone()
    if found is None:
        raise KeyError(parameters[-1] if len(parameters) == 1 else tuple(parameters))
    return int(found[0])
