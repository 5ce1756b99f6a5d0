"""Has anybody changed what is recorded? The audit's chain, the records beside it, and the backups' memory of it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from glioma_annotator.db.audit import broken_links
from glioma_annotator.db.connection import Connections, fetch
from glioma_annotator.db.sqlite_library import Database
from glioma_annotator.domain.plain import Plain
from glioma_annotator.progress import CancelToken, Report, StepProgress

_MOST = 20  # of one kind that are listed one by one
_STATUS = "revision_status"  # what the audit table calls a mask's status
_UNCHECKED = "The audit table could not be checked"


class Audited(Protocol):
    """A repository whose records are all in the audit table."""

    @property
    def table(self) -> str: ...

    def states(self, database: Database) -> Iterator[tuple[str, Plain | None]]: ...


def tampering(
    connections: Connections, repositories: Sequence[Audited], backups: Path, report: Report, cancel: CancelToken
) -> list[str]:
    """Every sign that somebody went past the program, one sentence each; an empty list for an untouched database."""
    progress = StepProgress(report, len(repositories) + 2, "Checking the audit table")
    with connections.reading(_UNCHECKED) as database:
        found = list(_listed([f"row {n}" for n in broken_links(database)], "The audit table was changed at {}."))
        progress.step()
        for repository in repositories:
            cancel.raise_if_cancelled()
            found += _changed_records(database, repository)
            progress.step(f"Checking {repository.table.replace('_', ' ')}")
        found += [*_changed_rows(database), *_changed_status(database)]
        found += _forgotten(database, backups)
        progress.step()
    return found


def _changed_records(database: Database, repository: Audited) -> Iterator[str]:
    """Records that are not what their newest audit row says, have none, or are gone."""
    last: dict[str, str | None] = dict(
        database.execute("SELECT record, after FROM audit WHERE kind = ? ORDER BY id", [repository.table]).fetchall()
    )
    changed, unknown = [], []
    for uid, state in repository.states(database):
        if uid not in last:
            unknown.append(uid)
        else:
            audited = last.pop(uid)
            if not _same(state, None if audited is None else json.loads(audited)):
                changed.append(uid)
    table = repository.table.replace("_", " ")
    yield from _listed(changed, f"In {table}, {{}} is not what the audit table says.")
    yield from _listed(unknown, f"In {table}, {{}} was added without an entry in the audit table.")
    yield from _listed(list(last), f"In {table}, {{}} was removed from the database.")


def _same(state: Plain | None, audited: Plain | None) -> bool:
    """Whether a record is what was audited; a field that came with a later version is empty in an older record."""
    if state is None or audited is None:
        return state is audited
    added = (state[name] for name in state.keys() - audited.keys())
    return all(value is None for value in added) and {name: state.get(name) for name in audited} == audited


def _changed_rows(database: Database) -> Iterator[str]:
    """Patients, visits and masks that are not what the audit table says of when they were added, nor is what belongs to
    them: the hashes of a visit's images, the volumes of a mask.

    Those of a workspace that is older than its audit table have no entry there, and none is missed.
    """
    for table, query, title, (part, belonging) in _ADDED:
        added = dict(database.execute("SELECT record, after FROM audit WHERE kind = ? AND action = 'add'", [table]))
        found = fetch(database, query)
        parts: dict[str, dict[str, Any]] = {}
        for uid, name, value in database.execute(belonging) if belonging else ():
            parts.setdefault(uid, {})[name] = value
        changed = []
        for row in found:
            if part:
                row[part] = parts.get(row["uid"], {})
            known = json.loads(added.pop(row["uid"], None) or "{}")
            shared = known.keys() & row.keys() - {"uid"}
            if any(row[name] != known[name] for name in shared):
                changed.append(row["uid"])
        yield from _listed(changed, f"The {title} {{}} is not what the audit table says.")
        yield from _listed(list(added), f"The {title} {{}} was removed from the database.")


#: Tables whose rows stay as they were added: the name, a query that names every row as the audit table does, a word.
_ADDED = (
    ("patients", "SELECT * FROM patients", "patient", ("", "")),
    (
        "timepoints",
        "SELECT * FROM timepoints",
        "visit",
        ("files", "SELECT uid, name, file_sha256 FROM sequences JOIN timepoints ON timepoints.id = timepoint_id"),
    ),
    (
        "revisions",
        """SELECT timepoints.uid || ' mask ' || number AS uid, number, origin, author, path, file_sha256,
               content_sha256, scheme, model, note
           FROM revisions JOIN timepoints ON timepoints.id = timepoint_id""",
        "mask",
        (
            "volumes_ml",
            """SELECT timepoints.uid || ' mask ' || number, label, volume_ml FROM revision_volumes
               JOIN revisions ON revisions.id = revision_id JOIN timepoints ON timepoints.id = timepoint_id""",
        ),
    ),
)


def _changed_status(database: Database) -> Iterator[str]:
    """Masks that were approved, or whose approval was taken back, without an entry in the audit table."""
    decided: dict[str, list[str]] = {}
    for record, after in database.execute("SELECT record, after FROM audit WHERE kind = ? ORDER BY id", [_STATUS]):
        decided.setdefault(record, []).append(json.loads(after)["status"])
    added = {record for (record,) in database.execute("SELECT record FROM audit WHERE kind = 'revisions'")}
    query = """SELECT timepoints.uid || ' mask ' || number, status FROM revision_status
               JOIN revisions ON revisions.id = revision_id JOIN timepoints ON timepoints.id = timepoint_id
               ORDER BY revision_status.id"""
    states: dict[str, list[str]] = {}
    for record, status in database.execute(query):
        states.setdefault(record, []).append(status)
    changed = []
    for record in sorted(states.keys() | decided.keys() | added):
        known, later = states.get(record, []), decided.get(record, [])
        unaudited = known[: len(known) - len(later)]  # the first, and those from before there was an audit table
        if unaudited + later != known or (record in added and len(unaudited) != 1):
            changed.append(record)
    yield from _listed(changed, "The approval of the mask {} is not what the audit table says.")


def _forgotten(database: Database, backups: Path) -> Iterator[str]:
    """Backups whose newest audit row this database does not have: rows were removed or all written anew."""
    for file in sorted(backups.glob("*.db")):
        try:
            copy = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
            try:
                last = copy.execute("SELECT id, sha256 FROM audit ORDER BY id DESC LIMIT 1").fetchone()
            finally:
                copy.close()
        except sqlite3.Error:  # older than the audit table, or no database: nothing to compare with
            continue
        if last and not database.execute("SELECT 1 FROM audit WHERE id = ? AND sha256 = ?", last).fetchone():
            yield f"The audit table lacks row {last[0]} of the backup {file.name}: rows were removed or written anew."


def _listed(items: Sequence[str], sentence: str) -> Iterator[str]:
    for item in items[:_MOST]:
        yield sentence.format(item)
    if len(items) > _MOST:
        yield sentence.format(f"{len(items) - _MOST} more")
