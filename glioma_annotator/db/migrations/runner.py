"""Brings a database to the schema this program knows.

`PRAGMA user_version` counts the migrations applied; `PRAGMA application_id` marks the file as ours.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence

from glioma_annotator.db.migrations import (
    m0001_initial,
    m0002_findings,
    m0003_revision_times,
    m0004_registrations,
)
from glioma_annotator.db.sqlite_library import Database
from glioma_annotator.errors import UserError

APPLICATION_ID = 0x474C494F  # "GLIO"

#: In order, never reordered: the n-th makes version n.
MIGRATIONS: tuple[str, ...] = (
    m0001_initial.SQL,
    m0002_findings.SQL,
    m0003_revision_times.SQL,
    m0004_registrations.SQL,
)


def schema_version(database: Database) -> int:
    """How many migrations the database has seen."""
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def require_ours(database: Database, latest: int = len(MIGRATIONS)) -> None:
    """Raise `UserError` for a database of another program or of a newer version of this one."""
    owner = int(database.execute("PRAGMA application_id").fetchone()[0])
    fresh = owner == 0 and schema_version(database) == 0 and not database.table_names()
    if owner != APPLICATION_ID and not fresh:
        raise UserError(
            "The file glioma.db in this folder was not made by Glioma Annotator.", "Choose another workspace folder."
        )
    version = schema_version(database)
    if version > latest:
        raise UserError(
            f"This workspace was written by a newer version of the program (schema {version}, known here: {latest}).",
            "Install the newer version to open it; nothing was changed.",
        )


def split_statements(statements: str) -> Iterator[str]:
    """Single statements; each ends at the end of a line. `executescript` would look at every character anew."""
    held = ""
    for line in statements.splitlines(keepends=True):
        held += line
        if sqlite3.complete_statement(held):
            yield held
            held = ""
    if held.strip():
        yield held


def migrate(database: Database, before_change: Callable[[int], None], migrations: Sequence[str] = MIGRATIONS) -> None:
    """Apply the migrations that are missing, each in a transaction of its own.

    Parameters
    ----------
    database: a connection outside a transaction.
    before_change: called once with the present version before an existing database is changed.
    """
    version = schema_version(database)
    if version == len(migrations):
        return
    if version > 0:
        before_change(version)
    database.execute("PRAGMA foreign_keys = OFF")  # a migration may rebuild a table that others refer to
    try:
        for number, statements in enumerate(migrations[version:], start=version + 1):
            with database.atomic():
                for statement in split_statements(statements):
                    database.execute(statement)
                broken = database.execute("PRAGMA foreign_key_check").fetchall()
                if broken:
                    raise AssertionError(f"migration {number} leaves broken references: {broken[:3]}")
                database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                database.execute(f"PRAGMA user_version = {number}")
    finally:
        database.execute("PRAGMA foreign_keys = ON")
