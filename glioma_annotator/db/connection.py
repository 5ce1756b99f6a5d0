"""Connections to the workspace's database: one per thread, closed together."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from glioma_annotator.db.failures import DAMAGED, explained
from glioma_annotator.db.sqlite_library import Database
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Progress, Report, ignore_progress

Row = dict[str, Any]

_WAIT_S = 5.0
_STEPS_BETWEEN_LOOKS = 100_000  # of SQLite's machine: some milliseconds
_PAGES_AT_ONCE = 4096  # 16 MB of a backup between two looks at whether it was cancelled


class Connections:
    """Access to one SQLite file.

    Parameters
    ----------
    file: the database.
    read_only: open it so that nothing can be changed, also where nothing may be written beside it.
    """

    def __init__(self, file: Path, *, read_only: bool) -> None:
        self._file = file
        self._read_only = read_only
        self._immutable = False
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._open: dict[threading.Thread, Database] = {}
        self._guard = threading.Lock()
        # Writers of this process queue here instead of running into SQLite's "database is locked".
        self._one_writer = threading.RLock()
        if read_only:
            self._find_readable()

    @contextmanager
    def reading(self, what: str) -> Iterator[Database]:
        """A consistent view for several queries; `what` as in `explained`, for the case that it fails."""
        with explained(what), self.bare().atomic() as database:
            yield database

    @contextmanager
    def writing(self, what: str) -> Iterator[Database]:
        """A transaction: everything in the block is recorded durably, or nothing.

        Raises `UserError` where the database was opened for reading only.
        """
        if self._read_only:
            raise UserError(
                "This workspace is open for reading only.", "Close it where it is open for writing, then open it again."
            )
        with explained(what), self._one_writer, self.bare().atomic() as database:
            yield database

    def bare(self) -> Database:
        """This thread's connection outside a transaction, for pragmas and migrations."""
        with self._guard:
            thread = threading.current_thread()
            if thread not in self._open:
                for ended in [t for t in self._open if not t.is_alive()]:
                    self._open.pop(ended).close()
                self._open[thread] = self._connect()
            return self._open[thread]

    def _connect(self) -> Database:
        # Connections are used by their own thread only, but closed by whichever closes the workspace.
        if self._read_only:
            uri = f"{self._file.resolve().as_uri()}?mode=ro{'&immutable=1' if self._immutable else ''}"
            connection = sqlite3.connect(uri, uri=True, timeout=_WAIT_S, check_same_thread=False)
        else:
            connection = sqlite3.connect(str(self._file), timeout=_WAIT_S, check_same_thread=False)
        database = Database(connection, execute_plugins=False)
        try:
            database.execute("PRAGMA foreign_keys = ON")
            if self._read_only:
                database.execute("PRAGMA query_only = ON")
            else:
                database.enable_wal()
                database.execute("PRAGMA synchronous = FULL")  # a saved revision survives a power cut
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _find_readable(self) -> None:
        """Choose a way to read that works where no file can be written beside the database.

        SQLite needs to write the shared-memory file of a database in WAL mode. Where it cannot, the database is read
        as unchanging; if changes still wait in the WAL file, a copy of both is read instead.
        """
        try:
            self._probe()
            return
        except sqlite3.OperationalError as error:
            self.close()
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
        wal = self._file.with_name(f"{self._file.name}-wal")
        with explained("The workspace could not be opened for reading"):
            if wal.exists() and wal.stat().st_size:
                self._copy = tempfile.TemporaryDirectory(prefix="glioma-annotator-")
                for file in (self._file, wal):
                    shutil.copyfile(file, Path(self._copy.name) / file.name)
                self._file = Path(self._copy.name) / self._file.name
            else:
                self._immutable = True

    def _probe(self) -> None:
        self.bare().execute("SELECT count(*) FROM sqlite_master").fetchone()

    @property
    def size_bytes(self) -> int:
        """Of the database file."""
        return self._file.stat().st_size

    def require_sound(self, tables: Sequence[str] = (), cancel: CancelToken | None = None) -> None:
        """Raise `UserError` when the file is damaged: its pages, or references between its tables.

        Given `tables`, only they and their indexes are looked at, as far as they are there. Raises `Cancelled`.
        """
        faults = self.faults(tables, cancel)
        if faults:
            raise UserError(f"The database glioma.db is damaged ({faults[0]}).", DAMAGED)

    def faults(self, tables: Sequence[str] = (), cancel: CancelToken | None = None) -> tuple[str, ...]:
        """What SQLite's own checks find wrong, one sentence each; arguments as in `require_sound`."""
        with explained("The database could not be checked"):
            database = self.bare()
            known = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            parts = [f"({name})" for name in tables if name in known] if tables else [""]
            with _stoppable(database.conn, cancel):
                pages = [row[0] for part in parts for row in database.execute(f"PRAGMA quick_check{part}").fetchall()]
                references = [
                    row for part in parts for row in database.execute(f"PRAGMA foreign_key_check{part}").fetchall()
                ]
        found = [sentence for sentence in pages if sentence != "ok"]
        return (*found, *(f"{table} row {row} refers to a missing {parent}" for table, row, parent, _ in references))

    def back_up(
        self,
        target: Path,
        report: Report = ignore_progress,
        cancel: CancelToken | None = None,
        what: str = "The database could not be backed up",
    ) -> None:
        """Copy the database as it stands to `target`, whole or not at all, while in use; `what` as in `explained`.

        Raises `EnvironmentFailure` when disk or database refuse, `Cancelled` when asked to stop.
        """

        def step(_status: int, remaining: int, total: int) -> None:
            if cancel is not None:
                cancel.raise_if_cancelled()
            report(Progress(1 - remaining / max(total, 1), "Backing up the database"))

        temporary = target.with_name(f".{target.name}.tmp")
        with explained(what):
            try:
                os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
                copy = sqlite3.connect(str(temporary))
                try:
                    self.bare().conn.backup(copy, pages=_PAGES_AT_ONCE, progress=step)
                    copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a WAL beside it
                finally:
                    copy.close()
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)

    def close(self) -> None:
        """Close every thread's connection; the last one folds the WAL file into the database."""
        with self._guard:
            while self._open:
                self._open.popitem()[1].close()
        if self._copy is not None:
            self._copy.cleanup()
            self._copy = None


@contextmanager
def _stoppable(connection: sqlite3.Connection, cancel: CancelToken | None) -> Iterator[None]:
    """Statements in the block end with `Cancelled` soon after `cancel` was asked to stop."""
    if cancel is None:
        yield
        return
    cancel.raise_if_cancelled()
    connection.set_progress_handler(lambda: cancel.cancelled, _STEPS_BETWEEN_LOOKS)
    try:
        yield
    except sqlite3.OperationalError:
        cancel.raise_if_cancelled()
        raise
    finally:
        connection.set_progress_handler(None, 0)


def fetch(database: Database, query: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[Row]:
    """Every row of a query, by column name; without the savepoint that `Database.query` puts around it."""
    cursor = database.execute(query, parameters)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def insert(database: Database, table: str, row: Row) -> int:
    """Insert a row into a table that a migration made; the new rowid.

    `sqlite_utils` would make a table that is absent, and tries out in the database itself what SQLite can do; when
    that fails because the disk is full, the open transaction is gone without a word.
    """
    columns, places = ", ".join(row), ", ".join(f":{column}" for column in row)
    added = database.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", row).lastrowid
    assert added is not None
    return added
