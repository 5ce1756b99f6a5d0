"""Unsaved steps survive whatever ends the program."""

from __future__ import annotations

import dataclasses
import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from glioma_annotator.db.journal import FileJournal
from glioma_annotator.db.journal_codec import decode, encode
from glioma_annotator.db.workspace import Workspace, open_workspace
from glioma_annotator.domain.editing import JournalAction, JournalEntry, edit_from_arrays
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import SegmentationRevision
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.errors import EnvironmentFailure

Save = Callable[..., SegmentationRevision]
SHAPE = (6, 5, 4)


def _edit(value: int, name: str = "Brush ET") -> JournalEntry:
    before = np.zeros(SHAPE, np.uint8)
    after = before.copy()
    after[1, value % 5, :] = value
    return JournalEntry(JournalAction.EDIT, edit_from_arrays(name, before, after))


def _same(one: JournalEntry, other: JournalEntry) -> bool:
    if one.edit is None or other.edit is None:
        return one.action is other.action and one.edit is other.edit
    a, b = one.edit, other.edit
    arrays = ((a.index, b.index), (a.old, b.old), (a.new, b.new))
    return (one.action, a.name, a.box) == (other.action, b.name, b.box) and all(
        x.dtype == y.dtype and np.array_equal(x, y) for x, y in arrays
    )


def _journal(path: Path) -> FileJournal:
    return FileJournal(path, {7: "content of 7", 8: "content of 8"}.get, read_only=False)


@given(
    hnp.arrays(np.uint8, (4, 3, 5), elements=st.integers(0, 4)),
    hnp.arrays(np.uint8, (4, 3, 5), elements=st.integers(0, 4)),
    st.text(),
)
def test_an_edit_comes_back_as_it_was_written(before: LabelArray, after: LabelArray, name: str) -> None:
    edit = edit_from_arrays(name, before, after)
    entry = JournalEntry(JournalAction.EDIT, edit)
    assert _same(decode(encode(entry)), entry)


@pytest.mark.parametrize("far", [3, 300, 70_000, 5_000_000_000])
def test_edits_far_apart_in_a_large_mask_come_back(far: int) -> None:
    template = _edit(1).edit
    assert template is not None
    index = np.array([far, far + 1, 2 * far + 1])
    values = np.array([1, 2, 255], np.uint8)
    entry = JournalEntry(JournalAction.EDIT, type(template)("far", template.box, index, values, values[::-1].copy()))
    assert _same(decode(encode(entry)), entry)


def test_steps_come_back_in_order(tmp_path: Path) -> None:
    steps = [_edit(1), _edit(2, "Größe\n"), JournalEntry(JournalAction.UNDO), JournalEntry(JournalAction.REDO)]
    journal = _journal(tmp_path / "j")
    journal.restart(7)
    for step in steps:
        journal.append(step)
    reopened = _journal(tmp_path / "j")
    for read in (journal, reopened):
        assert read.parent_revision_id == 7
        assert all(map(_same, read.entries(), steps))
        assert len(read.entries()) == 4
    reopened.append(_edit(3))
    assert len(_journal(tmp_path / "j").entries()) == 5
    journal.close()
    reopened.close()


def test_a_journal_without_a_start_belongs_to_the_empty_mask(tmp_path: Path) -> None:
    journal = _journal(tmp_path / "j")
    assert (journal.entries(), journal.parent_revision_id) == ((), None)
    assert not (tmp_path / "j").exists()
    journal.append(_edit(1))
    journal.close()
    again = _journal(tmp_path / "j")
    assert (len(again.entries()), again.parent_revision_id) == (1, None)


def test_restarting_forgets_every_step(tmp_path: Path) -> None:
    journal = _journal(tmp_path / "j")
    journal.append(_edit(1))
    journal.restart(8)
    assert (journal.entries(), journal.parent_revision_id) == ((), 8)
    journal.append(_edit(2))
    journal.close()
    again = _journal(tmp_path / "j")
    assert (len(again.entries()), again.parent_revision_id) == (1, 8)
    with pytest.raises(KeyError):
        journal.restart(99)


def test_steps_since_a_mark_outlast_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    for begun in (False, True):
        path = tmp_path / str(begun)
        journal = _journal(path)
        if begun:
            journal.restart(7)
            journal.append(_edit(1, "before"))
        mark = journal.mark()
        journal.append(_edit(2, "after"))
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", lambda handle, data: write(handle, data[:5]) * 0 + _no_room())
            with pytest.raises(EnvironmentFailure):
                journal.append(_edit(3, "not in the file"))
        past = _edit(1, "held by the revision").edit
        assert past is not None
        journal.restart(8, [past], mark)
        journal.append(_edit(4, "later"))
        for read in (journal, _journal(path)):
            assert read.parent_revision_id == 8
            names = [entry.edit.name for entry in read.entries() if entry.edit]
            assert names == ["held by the revision", "after", "not in the file", "later"]
        journal.close()
        again = _journal(path)
        mark = again.mark()
        again.append(_edit(1, "newest"))
        again.restart(7, (), mark)
        assert [entry.edit.name for entry in again.entries() if entry.edit] == ["newest"]
        again.close()


def _no_room() -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_restart_keeps_nobody_waiting_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = _journal(tmp_path / "j")
    journal.append(_edit(1))
    mark = journal.mark()
    waiting, appended = threading.Event(), threading.Event()

    def slow(handle: int) -> None:
        if threading.current_thread() is worker and not appended.is_set():
            waiting.set()
            assert appended.wait(20)

    worker = threading.Thread(target=lambda: journal.restart(7, (), mark))
    monkeypatch.setattr(os, "fsync", slow)
    worker.start()
    assert waiting.wait(20)
    journal.append(_edit(2))  # would hang if it waited for the disk
    assert len(_journal(tmp_path / "j").entries()) == 2  # a program that ends here has lost nothing
    appended.set()
    worker.join(20)
    assert (len(journal.entries()), journal.parent_revision_id) == (1, 7)
    journal.close()


def test_a_restart_that_the_disk_refuses_leaves_the_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = _journal(tmp_path / "j")
    journal.append(_edit(1))
    for call in ("fsync", "replace"):
        with monkeypatch.context() as patched:
            patched.setattr(os, call, lambda *_: _no_room())
            with pytest.raises(EnvironmentFailure, match="the disk is full"):
                journal.restart(7, (), journal.mark())
        assert (len(journal.entries()), journal.parent_revision_id) == (1, None)
    journal.append(_edit(2))
    assert len(_journal(tmp_path / "j").entries()) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["j"]
    journal.close()


def test_a_torn_tail_is_left_out_and_overwritten_wherever_it_was_torn(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = _journal(path)
    journal.restart(7)
    journal.append(_edit(1))
    whole = path.stat().st_size
    journal.append(_edit(2))
    journal.close()
    content = path.read_bytes()
    for length in range(whole, len(content)):
        path.write_bytes(content[:length])
        torn = _journal(path)
        assert [step.edit.name for step in torn.entries() if step.edit] == ["Brush ET"]
        torn.append(_edit(3, "after"))
        torn.close()
        assert [step.edit.name for step in _journal(path).entries() if step.edit] == ["Brush ET", "after"]


def test_a_corrupt_entry_ends_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = _journal(path)
    for value in (1, 2, 3):
        journal.append(_edit(value))
        if value == 1:
            first_end = path.stat().st_size
    journal.close()
    content = bytearray(path.read_bytes())
    content[first_end + 20] ^= 0xFF
    path.write_bytes(content)
    assert all(map(_same, _journal(path).entries(), [_edit(1)]))
    assert len(_journal(path).entries()) == 1


@pytest.mark.parametrize("content", [b"", b"something else", b"GLIOJRN1", b"GLIOJRN1" + bytes(40)])
def test_a_file_that_is_no_journal_is_set_aside(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "t.journal"
    path.write_bytes(content)
    journal = _journal(path)
    assert journal.entries() == ()
    journal.append(_edit(1))
    assert len(journal.entries()) == 1
    assert (tmp_path / "t.set-aside").read_bytes() == content
    assert "set aside" in caplog.text
    journal.close()


def test_steps_from_another_state_of_the_mask_are_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "t.journal"
    journal = _journal(path)
    journal.restart(7)
    journal.append(_edit(1))
    journal.close()
    reader = FileJournal(path, {7: "other content"}.get, read_only=True)
    assert (reader.entries(), reader.parent_revision_id) == ((), None)
    for known in ({7: "other content"}, {}):
        moved = path.with_suffix(".set-aside")
        other = FileJournal(path, known.get, read_only=False)
        assert (other.entries(), other.parent_revision_id) == ((), None)
        assert not path.exists()
        moved.rename(path)
    assert len(_journal(path).entries()) == 1


def test_a_step_that_could_not_be_written_is_written_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = _journal(tmp_path / "j")
    journal.append(_edit(1))
    write = os.write

    def full_disk(handle: int, data: bytes) -> int:
        if len(data) < 12:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, data[:10])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full_disk)
        with pytest.raises(EnvironmentFailure, match="the disk is full"):
            journal.append(_edit(2))
    assert len(_journal(tmp_path / "j").entries()) == 1
    journal.append(_edit(3))
    assert all(map(_same, journal.entries(), [_edit(1), _edit(2), _edit(3)]))
    assert len(journal.entries()) == 3
    journal.close()


def test_a_step_waits_for_the_disk_only_when_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda handle: waits.append(stat.S_ISDIR(os.fstat(handle).st_mode)))
    journal = _journal(tmp_path / "j")
    journal.append(_edit(1))
    journal.append(_edit(2))
    assert waits == []
    assert len(_journal(tmp_path / "j").entries()) == 2  # what another process finds
    journal.flush()
    assert waits == [False, True]  # the new file and its name
    journal.flush()
    assert len(waits) == 2  # nothing is left to wait for
    journal.append(_edit(3))
    journal.close()
    assert waits == [False, True, False]


def test_a_disk_that_does_not_take_the_steps_is_told_and_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    journal = _journal(tmp_path / "j")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        journal.append(_edit(1))
        with pytest.raises(EnvironmentFailure, match="the disk is full"):
            journal.flush()
        with pytest.raises(EnvironmentFailure, match="the disk is full"):
            journal.flush()
        assert len(journal.entries()) == 1
    journal.flush()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        journal.append(_edit(2))
        journal.close()
    assert "before the disk had confirmed it" in caplog.text
    assert len(_journal(tmp_path / "j").entries()) == 2


def test_the_disk_may_be_waited_for_while_further_steps_are_appended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, appended = threading.Event(), threading.Event()
    flushed: list[int] = []

    def slow(handle: int) -> None:
        if threading.current_thread() is worker:
            waiting.set()
            assert appended.wait(20)
            flushed.append(handle)

    journal = _journal(tmp_path / "j")
    journal.append(_edit(1))
    worker = threading.Thread(target=journal.flush)
    monkeypatch.setattr(os, "fsync", slow)
    worker.start()
    assert waiting.wait(20)
    journal.append(_edit(2))  # would hang if it waited for the disk
    journal.restart(8)  # while an older file is being flushed
    journal.append(_edit(3))
    appended.set()
    worker.join(20)
    assert flushed and len(journal.entries()) == 1
    journal.close()


def test_the_journal_of_a_visit_starts_from_one_of_its_revisions(
    workspace: Workspace, visit: Timepoint, labels: LabelArray, save: Save
) -> None:
    revision = save(visit, labels)
    journal = workspace.journal(visit.id or 0)
    journal.restart(revision.id)
    journal.append(_edit(1))
    assert workspace.journal(visit.id or 0) is journal
    workspace.close()
    with open_workspace(workspace.path) as reopened:
        again = reopened.journal(visit.id or 0)
        assert (len(again.entries()), again.parent_revision_id) == (1, revision.id)
        assert reopened.check() == []
        with pytest.raises(KeyError):
            again.restart(999)


def test_every_step_of_a_killed_process_is_recovered(workspace: Workspace, visit: Timepoint) -> None:
    workspace.close()
    code = f"""
import sys
from pathlib import Path
import numpy as np
from glioma_annotator.db.workspace import open_workspace
from glioma_annotator.domain.editing import JournalAction, JournalEntry, edit_from_arrays
journal = open_workspace(Path({str(workspace.path)!r})).journal({visit.id})
before = np.zeros({SHAPE}, np.uint8)
journal.restart(None)
for count in range(1, 1_000_000):
    after = before.copy()
    after.flat[count % after.size] = count % 4 + 1
    journal.append(JournalEntry(JournalAction.EDIT, edit_from_arrays(f"stroke {{count}}", before, after)))
    print(count, flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(25):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate()
    finished = 25 + len(rest.split())
    with open_workspace(workspace.path) as reopened:
        steps = reopened.journal(visit.id or 0).entries()
        assert len(steps) in (finished, finished + 1)
        assert [s.edit.name for s in steps if s.edit] == [f"stroke {n}" for n in range(1, len(steps) + 1)]


def test_the_model_behind_an_accepted_proposal_comes_back() -> None:
    entry = _edit(3, "Accept proposal (all)")
    assert entry.edit is not None
    accepted = JournalEntry(JournalAction.EDIT, dataclasses.replace(entry.edit, model="glioma@0123456789ab"))
    found = decode(encode(accepted)).edit
    assert found is not None
    assert found.model == "glioma@0123456789ab"
