"""Which folders are opened, by whom, and what is said about the others."""

from __future__ import annotations

import datetime as dt
import errno
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from glioma_annotator.db.workspace import Workspace, open_workspace
from glioma_annotator.domain.editing import JournalAction, JournalEntry
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import RevisionOrigin, RevisionStatus, SegmentationRevision
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import Cancelled, EnvironmentFailure, UserError, WorkspaceBusy
from glioma_annotator.progress import CancelToken

_NOBODY = 65534


def test_a_folder_of_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(UserError, match="is no workspace and is not empty"):
        open_workspace(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_file_is_no_workspace(tmp_path: Path) -> None:
    file = tmp_path / "scan.nii.gz"
    file.write_bytes(b"x")
    with pytest.raises(UserError, match="is a file"):
        open_workspace(file)
    assert file.read_bytes() == b"x"


def test_an_empty_folder_and_what_file_managers_leave_in_it_become_a_workspace(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").write_bytes(b"x")
    with open_workspace(tmp_path) as made:
        assert made.path == tmp_path
    assert (tmp_path / "README.txt").read_text().startswith("This folder is a workspace")


def test_making_a_workspace_can_be_interrupted_and_done_again(tmp_path: Path) -> None:
    (tmp_path / "patients").mkdir()
    (tmp_path / "lock").touch()
    (tmp_path / "glioma.db").touch()
    (tmp_path / "glioma.db-journal").touch()
    with open_workspace(tmp_path) as made:
        assert made.patients() == ()


def test_a_lost_database_is_not_replaced_by_an_empty_one(workspace: Workspace, visit: Timepoint) -> None:
    workspace.close()
    (workspace.path / "glioma.db").unlink()
    (workspace.path / ".glioma.db.restoring.tmp").touch()  # ended while a copy was put back
    (workspace.path / "glioma.db-wal").touch()
    with pytest.raises(UserError, match=r"has lost its database.*backups"):
        open_workspace(workspace.path)
    assert not (workspace.path / "glioma.db").exists()


def test_an_empty_file_is_a_lost_database_where_there_are_patients(workspace: Workspace, visit: Timepoint) -> None:
    workspace.close()
    (workspace.path / "glioma.db").write_bytes(b"")
    for read_only in (False, True):
        with pytest.raises(UserError, match="has lost its database"):
            open_workspace(workspace.path, read_only=read_only)
    assert (workspace.path / "glioma.db").read_bytes() == b""


def test_a_home_folder_of_nobody_is_a_folder_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_workspace(Path("~no such user")) as made:
        assert made.path == tmp_path / "~no such user"


def test_a_workspace_that_is_only_being_made_is_not_called_an_old_one(tmp_path: Path) -> None:
    (tmp_path / "glioma.db").touch()
    with pytest.raises(UserError, match="is not made yet"):
        open_workspace(tmp_path, read_only=True)


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    foreign = sqlite3.connect(tmp_path / "glioma.db")
    foreign.execute("CREATE TABLE recipes (name TEXT)")
    foreign.close()
    content = (tmp_path / "glioma.db").read_bytes()
    with pytest.raises(UserError, match="was not made by Glioma Annotator"):
        open_workspace(tmp_path)
    assert sqlite3.connect(tmp_path / "glioma.db").execute("SELECT name FROM sqlite_master").fetchall() == [
        ("recipes",)
    ]
    assert len(content) == (tmp_path / "glioma.db").stat().st_size


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("damage", ["not a database", "overwritten pages", "cut short"])
def test_a_damaged_database_is_refused_saying_where_the_backups_are(
    workspace: Workspace, visit: Timepoint, damage: str, read_only: bool
) -> None:
    workspace.set_view_state(visit.patient_id, {"text": "x" * 100_000})
    workspace.close()
    file = workspace.path / "glioma.db"
    content = bytearray(file.read_bytes())
    if damage == "not a database":
        content[:16] = b"not a database!!"
    elif damage == "overwritten pages":
        content[4096:] = os.urandom(len(content) - 4096)
    else:
        del content[len(content) // 2 :]
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"damaged.*backups"):
        open_workspace(workspace.path, read_only=read_only)
    assert file.read_bytes() == content


def test_references_that_lead_nowhere_are_found_on_opening(workspace: Workspace, visit: Timepoint) -> None:
    workspace.close()
    other = sqlite3.connect(workspace.path / "glioma.db")
    other.execute("DELETE FROM timepoints")
    other.commit()
    other.close()
    with pytest.raises(UserError, match=r"damaged.*sequences row 1 refers to a missing timepoints"):
        open_workspace(workspace.path)


def test_a_backup_put_in_place_opens(workspace: Workspace, visit: Timepoint) -> None:
    backup = workspace.back_up(7)
    workspace.close()
    (workspace.path / "glioma.db").unlink()
    shutil.copy(backup, workspace.path / "glioma.db")
    with open_workspace(workspace.path) as restored:
        assert restored.timepoint(visit.id or 0).sequences == visit.sequences


def test_as_many_scheduled_backups_are_kept_as_wished(workspace: Workspace) -> None:
    for day in range(1, 10):
        (workspace.path / "backups" / f"daily-2020010{day}T120000Z.db").touch()
    kept = workspace.path / "backups" / "before-migration-v1-20200101T120000Z.db"
    kept.touch()
    workspace.back_up(4)
    daily = sorted(p.name for p in (workspace.path / "backups").glob("daily-*"))
    assert len(daily) == 4
    assert daily[0] == "daily-20200107T120000Z.db"
    assert kept.exists()


def test_a_backup_is_due_after_so_many_days(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not workspace.backup_due(1)  # there is nothing to lose yet
    workspace.add_patient("P")
    assert workspace.backup_due(1)
    assert not workspace.backup_due(0)
    made = workspace.back_up(7)
    assert not workspace.backup_due(1)
    three_days_ago = dt.datetime.now(dt.UTC) - dt.timedelta(days=3)
    made.rename(made.with_name(f"daily-{three_days_ago:%Y%m%dT%H%M%SZ}.db"))
    assert [workspace.backup_due(days) for days in (1, 3, 4)] == [True, True, False]
    with open_workspace(workspace.path, read_only=True) as reader:
        assert not reader.backup_due(1)


def test_copies_made_while_the_clock_was_ahead_hold_up_no_new_one(workspace: Workspace) -> None:
    workspace.add_patient("P")
    backups = workspace.path / "backups"
    for day in range(1, 4):
        (backups / f"daily-2099010{day}T120000Z.db").touch()
    assert workspace.backup_due(1)
    made = workspace.back_up(3)
    assert made.exists()
    assert not workspace.backup_due(1)
    assert sorted(p.name for p in backups.glob("daily-2099*")) == [f"daily-2099010{d}T120000Z.db" for d in (2, 3)]


def test_a_cancelled_backup_leaves_nothing(workspace: Workspace) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        workspace.back_up(7, cancel=cancel)
    assert list((workspace.path / "backups").iterdir()) == []


def test_the_second_to_open_a_workspace_is_told_who_has_it(workspace: Workspace) -> None:
    with pytest.raises(WorkspaceBusy) as caught:
        open_workspace(workspace.path)
    assert f"process {os.getpid()}, since 2" in caught.value.holder
    assert "reading only" in caught.value.todo
    assert "+" not in caught.value.holder  # the reader's own time, without an offset
    workspace.close()
    with open_workspace(workspace.path) as again:
        assert not again.read_only


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    holder = _child(tmp_path, "print('open', flush=True); import signal; signal.pause()")
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(WorkspaceBusy) as caught:
            open_workspace(tmp_path / "study")
        assert f"process {holder.pid}," in caught.value.holder
        with open_workspace(tmp_path / "study", read_only=True) as reader:
            assert [p.key for p in reader.patients()] == ["P"]
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    with open_workspace(tmp_path / "study") as opened:
        assert [p.key for p in opened.patients()] == ["P"]


def _child(folder: Path, then: str) -> subprocess.Popen[str]:
    code = f"""
from pathlib import Path
from glioma_annotator.db.workspace import open_workspace
w = open_workspace(Path({str(folder / "study")!r}))
w.add_patient("P")
{then}
"""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_nothing_can_be_changed_when_open_for_reading_only(
    workspace: Workspace,
    visit: Timepoint,
    labels: LabelArray,
    save: Callable[..., SegmentationRevision],
    images: dict[str, Volume],
) -> None:
    revision = save(visit, labels)
    with open_workspace(workspace.path, read_only=True) as reader:
        assert reader.read_only
        np.testing.assert_array_equal(reader.load_labels(revision), labels)
        assert reader.revisions(visit.id or 0) == (revision,)
        assert reader.check() == []
        journal = reader.journal(visit.id or 0)
        assert (journal.entries(), journal.parent_revision_id) == ((), None)
        refused: list[Callable[[], object]] = [
            lambda: reader.add_patient("Q"),
            lambda: reader.add_timepoint(visit, images),
            lambda: reader.set_window(1, None),
            lambda: reader.add_revision(
                visit, labels, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="Reader"
            ),
            lambda: reader.set_status(1, RevisionStatus.APPROVED),
            lambda: reader.set_view_state(1, {}),
            lambda: reader.remove_left_behind(),
            lambda: journal.append(JournalEntry(JournalAction.UNDO)),
            lambda: journal.restart(None),
        ]
        for change in refused:
            with pytest.raises(UserError, match="open for reading only"):
                change()
    assert workspace.revisions(visit.id or 0) == (revision,)


def test_a_reader_sees_what_the_writer_saves_meanwhile(workspace: Workspace) -> None:
    with open_workspace(workspace.path, read_only=True) as reader:
        workspace.add_patient("P")
        assert [p.key for p in reader.patients()] == ["P"]


def test_opening_for_reading_makes_no_workspace(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no workspace"):
        open_workspace(tmp_path / "study", read_only=True)
    assert not (tmp_path / "study").exists()


@contextmanager
def _unprivileged() -> Iterator[None]:
    """Permissions count in here, also when the tests run as root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def _protect(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder whose parents every user may enter, unlike `tmp_path`'s."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.skipif(os.name != "posix", reason="permissions as on POSIX systems")
@pytest.mark.parametrize("killed", [False, True], ids=["closed", "killed while open"])
def test_a_protected_workspace_can_be_read_but_not_opened_for_writing(public_folder: Path, killed: bool) -> None:
    original, protected = public_folder / "original", public_folder / "protected"
    with open_workspace(original) as writer:
        writer.add_patient("P")
        if killed:  # the latest changes are in the WAL file only
            shutil.copytree(original, protected)
            (protected / "glioma.db-shm").unlink()
    if not killed:
        shutil.copytree(original, protected)
    _protect(protected)
    with _unprivileged():
        with pytest.raises(EnvironmentFailure, match="reading only"):
            open_workspace(protected)
        with open_workspace(protected, read_only=True) as reader:
            assert [p.key for p in reader.patients()] == ["P"]
            with pytest.raises(UserError, match="reading only"):
                reader.add_patient("Q")


@pytest.mark.skipif(os.name != "posix", reason="permissions as on POSIX systems")
def test_a_workspace_is_not_made_where_nothing_may_be_written(public_folder: Path) -> None:
    with _unprivileged(), pytest.raises(EnvironmentFailure, match="access was denied"):
        open_workspace(public_folder / "study")


def test_a_file_system_without_locks_is_explained(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.close()

    def refuse(handle: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("glioma_annotator.db.lock._take", refuse)
    with pytest.raises(EnvironmentFailure, match="could not be locked for writing: No locks available"):
        open_workspace(workspace.path)
