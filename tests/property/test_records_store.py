"""Records under failing writes and concurrent readers: whole or not at all, and every change in the audit table."""

from __future__ import annotations

import dataclasses
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glioma_annotator.db.workspace import Workspace, open_workspace
from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind
from glioma_annotator.domain.histology import HistologySample, Marker, MarkerResult, MarkerStatus, SampleKind
from glioma_annotator.domain.note import Note
from glioma_annotator.errors import EnvironmentFailure

STEPS = ("add", "change", "delete", "restore", "sample", "event")


@pytest.fixture
def folder() -> Iterator[Callable[[], Path]]:
    made: list[Path] = []

    def make() -> Path:
        memory = Path("/dev/shm")  # where there is one, no test waits for a disk
        made.append(Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None)))
        return made[-1] / "study"

    yield make
    for path in made:
        shutil.rmtree(path)


class Model:
    """What the store acknowledged."""

    def __init__(self) -> None:
        self.live: dict[str, Note] = {}
        self.deleted: dict[str, Note] = {}
        self.others = 0
        self.entries = 1  # the patient
        self.count = 0

    def do(self, store: Workspace, step: str) -> None:
        self.count += 1
        if step == "add":
            note = Note("P", f"text {self.count}")
            store.notes.add(note)
            self.live[note.id] = note
        elif step == "change" and self.live:
            note = dataclasses.replace(next(iter(self.live.values())), text=f"changed {self.count}")
            store.notes.change(note)
            self.live[note.id] = note
        elif step == "delete" and self.live:
            uid = next(iter(self.live))
            store.notes.delete(uid)
            self.deleted[uid] = self.live.pop(uid)
        elif step == "restore" and self.deleted:
            uid = next(iter(self.deleted))
            store.notes.restore(uid)
            self.live[uid] = self.deleted.pop(uid)
        elif step == "sample":
            marker = MarkerResult(Marker.MGMT, MarkerStatus.RESULT, True)
            sites = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
            store.histology.add(HistologySample("P", SampleKind.BIOPSY, sites_mm=sites, markers=(marker,)))
            self.others += 1
        elif step == "event":
            store.events.add(ClinicalEvent("P", EventKind.SEIZURE, day=self.count))
            self.others += 1
        else:
            return
        self.entries += 1

    def require(self, store: Workspace) -> None:
        assert {note.id: note for note in store.notes.of_patient("P")} == self.live
        assert {note.id: note for note in store.notes.deleted("P")} == self.deleted
        assert len(store.histology.of_patient("P")) + len(store.events.of_patient("P")) == self.others
        assert {hit.record for hit in store.search.find("te")} <= self.live.keys()
        assert len(store.search.find("text")) + len(store.search.find("changed")) == len(self.live)
        assert len(store.audit.newest(10_000)) == self.entries
        assert store.verify() == []


class FailingConnection:
    """Refuses statements once `left` of them went through, as a full disk does."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.left = 10**9

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if not sql.lstrip().startswith(("SELECT", "ROLLBACK", "PRAGMA", "RELEASE")):
            self.left -= 1
            if self.left < 0:
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error
        return self._connection.execute(sql, *parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(st.sampled_from(STEPS), st.one_of(st.none(), st.integers(0, 8))), min_size=1, max_size=10)
)
def test_a_write_that_fails_anywhere_leaves_no_trace(
    folder: Callable[[], Path], steps: list[tuple[str, int | None]]
) -> None:
    model = Model()
    place = folder()
    with open_workspace(place) as store:
        store.add_patient("P")
        database = store._connections.bare()
        failing = FailingConnection(database.conn)
        database.conn = failing
        for step, statements in steps:
            failing.left = 10**9 if statements is None else statements
            try:
                model.do(store, step)
            except EnvironmentFailure as failure:
                assert "the disk is full" in failure.what
            failing.left = 10**9
        model.require(store)
    with open_workspace(place) as again:
        model.require(again)


def test_readers_see_whole_changes_while_another_thread_writes(folder: Callable[[], Path]) -> None:
    """Every change writes two notes and two audit rows; no reader ever sees one without the other."""
    place = folder()
    wrong: list[str] = []
    done = threading.Event()
    with open_workspace(place) as store:
        store.add_patient("P")

        def read(reader: Workspace) -> None:
            seen = 0
            while not done.is_set():
                with reader._connections.reading("test") as database:
                    notes = database.execute("SELECT count(*) FROM notes").fetchone()[0]
                    audit = database.execute("SELECT count(*) FROM audit WHERE kind = 'notes'").fetchone()[0]
                    query = "SELECT count(*) FROM search WHERE search MATCH 'word'"
                    found = database.execute(query).fetchone()[0]
                if notes % 2 or notes != audit or notes != found or notes < seen:
                    wrong.append(f"{notes} notes, {audit} audit rows, {found} found, {seen} before")
                seen = notes

        with open_workspace(place, read_only=True) as other:
            threads = [threading.Thread(target=read, args=(reader,)) for reader in (store, store, other)]
            for thread in threads:
                thread.start()
            for number in range(40):
                store.notes.add(Note("P", f"word {number}"), Note("P", "word"))
            done.set()
            for thread in threads:
                thread.join()
        assert wrong == []
        assert len(store.notes.of_patient("P")) == 80
        assert store.verify() == []


def test_writers_of_several_threads_keep_the_chain_whole(folder: Callable[[], Path]) -> None:
    with open_workspace(folder()) as store:
        store.add_patient("P")

        def write(name: str) -> None:
            for number in range(15):
                store.notes.add(Note("P", f"{name} {number}"), by=name)

        threads = [threading.Thread(target=write, args=(name,)) for name in "ABC"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        entries = store.audit.newest(1000)
        assert [entry.number for entry in reversed(entries)] == list(range(1, 47))
        assert store.verify() == []
