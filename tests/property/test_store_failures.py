"""Whatever fails, and whenever the program is killed, what was saved stays and what is recorded can be read."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glioma_annotator.db import connection
from glioma_annotator.db.check import Problem
from glioma_annotator.db.workspace import Workspace, open_workspace
from glioma_annotator.domain.editing import JournalAction, JournalEntry, edit_from_arrays
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import RevisionOrigin
from glioma_annotator.domain.sequences import Sequence, SequenceRole
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import EnvironmentFailure

resource = pytest.importorskip("resource", reason="limits of POSIX systems")

GRID = Grid((7, 6, 5), np.diag([1.0, 1.0, 3.0, 1.0]))
DISK_CALLS = ("fsync", "replace", "write", "mkdir", "chmod", "open")
STEPS = ("patient", "visit", "revision", "revision", "stroke", "stroke", "restart", "view")


class Study:
    """A workspace under use, and what it acknowledged as saved."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.patients: list[str] = []
        self.visits: dict[int, dict[str, Volume]] = {}
        self.masks: dict[int, LabelArray] = {}
        self.strokes = 0
        self.view: dict[str, object] = {}
        self._random = np.random.default_rng(0)
        self.workspace: Workspace | None = None

    def open(self) -> Workspace:
        self.workspace = open_workspace(self.folder)
        return self.workspace

    def do(self, step: str) -> None:
        """One thing a user does; remembered only once the store has returned."""
        store = self.workspace
        assert store is not None
        if step == "patient":
            key = f"P{len(self.patients)}"
            store.add_patient(key)
            self.patients.append(key)
        elif step == "visit" and self.patients:
            patient = store.patient(self.patients[-1])
            assert patient is not None
            images = {n: Volume(self._random.normal(size=GRID.shape).astype(np.float32), GRID) for n in ("T1Gd", "T2")}
            sequences = tuple(Sequence(n, SequenceRole(n), "") for n in images)
            visit = Timepoint(patient.id or 0, f"v{len(self.visits)}", 0, GRID, "T1Gd", sequences=sequences)
            self.visits[store.add_timepoint(visit, images).id or 0] = images
        elif step == "revision" and self.visits:
            labels = self._random.integers(0, 5, GRID.shape).astype(np.uint8)
            visit = store.timepoint(max(self.visits))
            saved = store.add_revision(
                visit, labels, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="Reader"
            )
            self.masks[saved.id or 0] = labels
        elif step == "stroke" and self.visits:
            labels = self._random.integers(0, 5, GRID.shape).astype(np.uint8)
            edit = edit_from_arrays("Brush", np.zeros_like(labels), labels)
            store.journal(min(self.visits)).append(JournalEntry(JournalAction.EDIT, edit))
            self.strokes += 1
        elif step == "restart" and self.visits:
            store.journal(min(self.visits)).restart(None)
            self.strokes = 0
        elif step == "view" and self.patients:
            view: dict[str, object] = {"at": len(self.masks)}
            patient = store.patient(self.patients[0])
            assert patient is not None
            store.set_view_state(patient.id or 0, view)
            self.view = view


def require_everything(study: Study, store: Workspace, exactly: bool) -> None:
    """All that was acknowledged is there, all that is recorded can be read, and nothing else is wrong."""
    assert {issue.problem for issue in store.check()} <= {Problem.LEFT_BEHIND, Problem.DISK_SPACE}
    patients = store.patients()
    assert {p.key for p in patients} >= set(study.patients)
    visits = [v for p in patients for v in store.timepoints(p.id or 0)]
    assert {v.id for v in visits} >= set(study.visits)
    masks = [(v, r) for v in visits for r in store.revisions(v.id or 0)]
    assert {r.id for _, r in masks} >= set(study.masks)
    for visit in visits:
        for sequence in visit.sequences:
            loaded = store.load_image(visit, sequence.name)
            if visit.id in study.visits:
                np.testing.assert_array_equal(loaded.data, study.visits[visit.id][sequence.name].data)
    for _, revision in masks:
        loaded_labels = store.load_labels(revision)
        if revision.id in study.masks:
            np.testing.assert_array_equal(loaded_labels, study.masks[revision.id])
    if study.visits:
        strokes = len(store.journal(min(study.visits)).entries())
        assert strokes == study.strokes if exactly else strokes >= study.strokes
    if exactly:
        assert (len(patients), len(visits), len(masks)) == (len(study.patients), len(study.visits), len(study.masks))
        if study.patients:
            assert store.view_state(patients[0].id or 0) == study.view


@contextmanager
def disk_calls(before: Callable[[str], None]) -> Iterator[None]:
    """`before` is called with the name of every system call that changes the disk, and may raise instead of it."""

    def watched(name: str) -> Callable[..., Any]:
        call = getattr(os, name)

        def instead(*args: Any, **kwargs: Any) -> Any:
            before(name)
            return call(*args, **kwargs)

        return instead

    with patch.multiple(os, **{name: watched(name) for name in DISK_CALLS}):
        yield


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


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=8),
    fails_at=st.integers(1, 60),
    times=st.integers(1, 3),
    code=st.sampled_from([errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EACCES]),
)
def test_a_failing_disk_loses_nothing_and_the_work_goes_on(
    folder: Callable[[], Path], steps: list[str], fails_at: int, times: int, code: int
) -> None:
    study = Study(folder())
    study.open()
    calls = 0

    def fail(name: str) -> None:
        nonlocal calls
        calls += 1
        if fails_at <= calls < fails_at + times:
            raise OSError(code, os.strerror(code))

    with disk_calls(fail):
        for step in ["patient", "visit", *steps]:
            before = (study.strokes, step)
            try:
                study.do(step)
            except EnvironmentFailure as failure:
                assert failure.what
                assert failure.todo
                if before[1] == "stroke":  # kept and written together with the next
                    study.strokes += 1
        calls = 1000
        study.do("stroke")  # the disk works again
    store = study.workspace
    assert store is not None
    require_everything(study, store, exactly=True)
    store.close()
    with study.open() as reopened:
        require_everything(study, reopened, exactly=True)
        reopened.remove_left_behind()
        assert {issue.problem for issue in reopened.check()} <= {Problem.DISK_SPACE}
        study.do("patient")
        study.do("visit")
        study.do("revision")
        require_everything(study, reopened, exactly=True)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 40_000))
def test_a_file_that_cannot_grow_loses_nothing(folder: Callable[[], Path], most_bytes: int) -> None:
    study = Study(folder())
    study.open()
    study.do("patient")
    study.do("visit")
    study.do("revision")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))  # files, database and WAL alike
    try:
        for step in ("revision", "view", "visit", "patient"):
            try:
                study.do(step)
            except EnvironmentFailure as failure:
                assert failure.todo
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    store = study.workspace
    assert store is not None
    require_everything(study, store, exactly=True)
    study.do("revision")
    store.close()
    with study.open() as reopened:
        require_everything(study, reopened, exactly=True)


def test_a_full_database_is_explained(folder: Callable[[], Path]) -> None:
    study = Study(folder())
    with study.open() as store:
        study.do("patient")
        database = store._connections.bare()
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(EnvironmentFailure, match="could not be recorded: the disk is full"):
            store.set_view_state(1, {"large": "x" * 100_000})
        require_everything(study, store, exactly=True)


def test_a_kill_at_any_moment_loses_nothing_that_was_saved(folder: Callable[[], Path]) -> None:
    """The folder is copied whenever a system call or an SQL statement has changed it."""
    study = Study(folder())
    moments: list[tuple[Path, Study]] = []
    last: set[tuple[Path, bytes]] = set()

    def remember(_: str) -> None:
        nonlocal last
        with patch.multiple(os, **real):
            now = {(p, p.read_bytes() if p.is_file() else b"") for p in study.folder.rglob("*")}
        if not now or now == last:
            return
        last = now
        with patch.multiple(os, **real):
            copy = folder()
            shutil.copytree(study.folder, copy)
        seen = Study(copy)
        seen.patients, seen.strokes, seen.view = list(study.patients), study.strokes, study.view
        seen.visits, seen.masks = dict(study.visits), dict(study.masks)
        moments.append((copy, seen))

    real = {name: getattr(os, name) for name in DISK_CALLS}
    connect = sqlite3.connect

    def traced(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        made: sqlite3.Connection = connect(*args, **kwargs)
        made.set_trace_callback(remember)
        return made

    with disk_calls(remember), patch.object(connection.sqlite3, "connect", traced):
        store = study.open()
        for step in ("patient", "visit", "stroke", "revision", "view", "stroke", "revision"):
            study.do(step)
        store.close()
    assert len(moments) > 30
    for _, seen in moments:
        with seen.open() as survivor:
            require_everything(seen, survivor, exactly=False)
            survivor.remove_left_behind()
            assert {issue.problem for issue in survivor.check()} <= {Problem.DISK_SPACE}
