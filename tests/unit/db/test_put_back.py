"""A copy of the database put back in place, and large databases that are checked after opening."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from glioma_annotator import app
from glioma_annotator.db import upkeep
from glioma_annotator.db.check import Problem
from glioma_annotator.db.put_back import put_back_database
from glioma_annotator.db.workspace import Workspace, open_workspace
from glioma_annotator.domain.archive import BackupKind
from glioma_annotator.domain.editing import JournalAction, JournalEntry, edit_from_arrays
from glioma_annotator.domain.note import Note
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import SegmentationRevision
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import Cancelled, UserError, WorkspaceBusy
from glioma_annotator.progress import CancelToken, ignore_progress

DAMAGE_AT = 0.7  # of the file: behind the tables that opening a large database looks at


def put_back(copy: Path, workspace: Path) -> Path | None:
    return put_back_database(copy, workspace, ignore_progress, CancelToken())


def test_a_copy_put_back_undoes_what_came_after_it_and_the_present_state_is_kept(
    workspace: Workspace, visit: Timepoint
) -> None:
    copy = workspace.back_up(7)
    workspace.notes.add(Note("PAT-0042", "written later"))
    workspace.close()
    kept = put_back(copy, workspace.path)
    assert kept is not None
    assert stat.S_IMODE(kept.stat().st_mode) == stat.S_IMODE((workspace.path / "glioma.db").stat().st_mode) == 0o600
    with open_workspace(workspace.path) as restored:
        assert restored.notes.of_patient("PAT-0042") == ()
        assert restored.timepoint(visit.id or 0).key == visit.key
        assert {b.kind for b in restored.backups()} == {BackupKind.SCHEDULED, BackupKind.BEFORE_RESTORE}
    again = put_back(kept, workspace.path)
    assert again is not None
    with open_workspace(workspace.path) as there:
        assert [n.text for n in there.notes.of_patient("PAT-0042")] == ["written later"]


def test_a_damaged_database_is_replaced_by_its_copy_also_where_all_copies_were_moved_away(
    workspace: Workspace, visit: Timepoint, tmp_path: Path
) -> None:
    copy = workspace.back_up(7)
    workspace.close()
    (workspace.path / "glioma.db").write_bytes(os.urandom(8192))
    copy.parent.rename(tmp_path / "other disk")
    moved = tmp_path / "other disk" / copy.name
    assert app.restore_workspace(moved, workspace.path, ignore_progress, CancelToken()) == []
    assert len(list(copy.parent.glob("before-restore-*.db"))) == 1
    with pytest.raises(UserError, match="There is no workspace"):
        put_back(moved, tmp_path)


def test_a_workspace_in_use_keeps_its_database(workspace: Workspace, visit: Timepoint) -> None:
    copy = workspace.back_up(7)
    with pytest.raises(WorkspaceBusy):
        put_back(copy, workspace.path)
    assert [p.key for p in workspace.patients()] == ["PAT-0042"]


@pytest.mark.parametrize("content", [b"", b"no database", "cut"])
def test_a_copy_that_is_none_is_refused_and_nothing_changes(
    workspace: Workspace, visit: Timepoint, tmp_path: Path, content: bytes | str
) -> None:
    copy = tmp_path / "daily.db"
    copy.write_bytes(content if isinstance(content, bytes) else workspace.back_up(7).read_bytes()[:20_000])
    workspace.close()
    before = (workspace.path / "glioma.db").read_bytes()
    with pytest.raises(UserError, match="backup is refused") as caught:
        put_back(copy, workspace.path)
    assert "another backup" in caught.value.todo  # not that the workspace's own database be replaced
    assert (workspace.path / "glioma.db").read_bytes() == before
    assert not list((workspace.path / "backups").glob("before-restore*"))


def test_a_cancelled_restore_changes_nothing(workspace: Workspace, visit: Timepoint) -> None:
    copy, cancel = workspace.back_up(7), CancelToken()
    workspace.close()
    cancel.cancel()
    with pytest.raises(Cancelled):
        put_back_database(copy, workspace.path, ignore_progress, cancel)
    assert not list((workspace.path / "backups").glob("before-restore*"))


@pytest.fixture
def damaged(workspace: Workspace, visit: Timepoint, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose notes are damaged, and a program for which every database is a large one."""
    for _ in range(400):
        workspace.notes.add(Note("PAT-0042", "stable " * 40))
    workspace.close()
    file = workspace.path / "glioma.db"
    content = bytearray(file.read_bytes())
    page = int(DAMAGE_AT * len(content)) // 4096
    content[4096 * page : 4096 * (page + 1)] = os.urandom(4096)
    file.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        open_workspace(workspace.path)
    monkeypatch.setattr(upkeep, "_CHECKED_AT_ONCE_BYTES", 0)
    return workspace.path


def test_a_large_database_opens_at_once_and_its_check_finds_the_damage(damaged: Path) -> None:
    with open_workspace(damaged) as opened:
        assert opened.needs_check
        with pytest.raises(UserError, match=r"damaged.*backups"):
            opened.check_database()
        assert opened.needs_check


def test_a_copy_of_a_damaged_database_takes_no_older_copys_place(damaged: Path) -> None:
    old = damaged / "backups" / "daily-20200101T120000Z.db"
    old.touch()
    with open_workspace(damaged) as opened, pytest.raises(UserError, match="damaged"):
        opened.back_up(1)
    assert [p.name for p in (damaged / "backups").iterdir()] == [old.name]


def test_damage_to_what_leads_to_the_images_is_found_on_opening_a_large_database_too(
    workspace: Workspace, visit: Timepoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_CHECKED_AT_ONCE_BYTES", 0)
    with workspace._connections.writing("damage") as database:
        root = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'sequences'").fetchone()[0]
    workspace.close()
    file = workspace.path / "glioma.db"
    content = bytearray(file.read_bytes())
    content[4096 * (root - 1) : 4096 * root] = os.urandom(4096)
    file.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        open_workspace(workspace.path)


def test_the_check_of_a_large_database_ends_when_cancelled(workspace: Workspace, visit: Timepoint) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        workspace.check_database(cancel=cancel)
    workspace.check_database()
    assert not workspace.needs_check


_LEFT = """
import os, sys
from pathlib import Path
from glioma_annotator.db.workspace import open_workspace
from glioma_annotator.domain.note import Note
open_workspace(Path(sys.argv[1])).notes.add(Note("PAT-0042", "last words"))
os._exit(9)
"""


def _killed_with_a_note(workspace: Workspace) -> None:
    """The note is in the database's WAL file alone."""
    workspace.close()
    assert subprocess.run([sys.executable, "-c", _LEFT, str(workspace.path)], check=False).returncode == 9
    assert (workspace.path / "glioma.db-wal").stat().st_size


def _notes(path: Path) -> list[str]:
    with open_workspace(path) as opened:
        assert opened.check() == []
        return [note.text for note in opened.notes.of_patient("PAT-0042")]


def test_what_a_killed_program_wrote_comes_back_with_the_database_that_was_kept(
    workspace: Workspace, visit: Timepoint
) -> None:
    copy = workspace.back_up(7)
    _killed_with_a_note(workspace)
    kept = put_back(copy, workspace.path)
    assert kept is not None
    assert _notes(workspace.path) == []
    assert [file.name for file in kept.parent.glob("before-restore*")] == [kept.name]  # one file
    put_back(kept, workspace.path)
    assert _notes(workspace.path) == ["last words"]


def test_a_copy_comes_with_what_waits_in_the_wal_file_beside_it(
    workspace: Workspace, visit: Timepoint, tmp_path: Path
) -> None:
    _killed_with_a_note(workspace)
    for end in ("", "-wal"):
        shutil.copyfile(workspace.path / f"glioma.db{end}", tmp_path / f"copy.db{end}")
    (workspace.path / "glioma.db").write_bytes(b"")
    put_back(tmp_path / "copy.db", workspace.path)
    assert _notes(workspace.path) == ["last words"]


@pytest.mark.parametrize("lost", ["deleted", "empty"])
def test_a_wal_file_of_a_lost_database_is_kept_and_not_applied_to_the_copy(
    workspace: Workspace, visit: Timepoint, lost: str
) -> None:
    copy = workspace.back_up(7)
    _killed_with_a_note(workspace)
    database = workspace.path / "glioma.db"
    database.unlink() if lost == "deleted" else database.write_bytes(b"")
    assert (put_back(copy, workspace.path) is None) == (lost == "deleted")
    assert _notes(workspace.path) == []
    assert list((workspace.path / "backups").glob("before-restore-*.db-wal"))


@pytest.mark.parametrize("moment", [1, 2, 3])
def test_a_restore_that_is_killed_leaves_the_database_or_says_that_it_is_lost(
    workspace: Workspace, visit: Timepoint, moment: int
) -> None:
    copy = workspace.back_up(7)
    _killed_with_a_note(workspace)
    code = f"""
import os
from pathlib import Path
from glioma_annotator.db.put_back import put_back_database
from glioma_annotator.progress import CancelToken, ignore_progress
done, replace = [], Path.replace
def cut(self, target):
    done.append(self)
    return os._exit(9) if len(done) == {moment} else replace(self, target)
Path.replace = cut
put_back_database(Path({str(copy)!r}), Path({str(workspace.path)!r}), ignore_progress, CancelToken())
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    if moment == 3:
        with pytest.raises(UserError, match="has lost its database"):
            open_workspace(workspace.path)
        put_back(next(workspace.path.glob("backups/before-restore-*.db")), workspace.path)
        assert _notes(workspace.path) == ["last words"]
        return
    with open_workspace(workspace.path) as opened:
        assert [note.text for note in opened.notes.of_patient("PAT-0042")] == ["last words"]
        (issue,) = opened.check()
        assert issue.problem is Problem.LEFT_BEHIND
        assert opened.remove_left_behind() == [issue.path]
        assert opened.check() == []


def test_steps_on_a_visit_are_not_offered_for_another_that_got_its_number(
    workspace: Workspace,
    visit: Timepoint,
    make_visit: Callable[..., Timepoint],
    images: dict[str, Volume],
    labels: LabelArray,
) -> None:
    copy = workspace.back_up(7)
    later = workspace.add_timepoint(make_visit(visit.patient_id, "later"), images)
    step = edit_from_arrays("Brush ET", np.zeros_like(labels), labels)
    workspace.journal(later.id or 0).append(JournalEntry(JournalAction.EDIT, step))
    workspace.close()
    put_back(copy, workspace.path)
    with open_workspace(workspace.path) as restored:
        other = restored.add_patient("PAT-0043")
        imported = restored.add_timepoint(make_visit(other.id or 0), images)
        assert imported.id == later.id
        assert restored.journal(imported.id or 0).entries() == ()
        assert Problem.JOURNAL in [issue.problem for issue in restored.check()]  # set aside, not lost


def test_steps_on_a_mask_saved_since_come_back_with_the_database_that_was_kept(
    workspace: Workspace, visit: Timepoint, labels: LabelArray, save: Callable[..., SegmentationRevision]
) -> None:
    copy, number = workspace.back_up(7), visit.id or 0
    journal = workspace.journal(number)
    journal.restart(save(visit, labels).id)
    journal.append(JournalEntry(JournalAction.UNDO))
    workspace.close()
    kept = put_back(copy, workspace.path)
    assert kept is not None
    with open_workspace(workspace.path) as older:
        assert older.journal(number).entries() == ()
        older.journal(number).restart(None)  # as the window does
        assert Problem.JOURNAL in [issue.problem for issue in older.check()]
    put_back(kept, workspace.path)
    with open_workspace(workspace.path, read_only=True) as reader:
        assert reader.journal(number).entries() == ()
    with open_workspace(workspace.path) as again:
        assert [entry.action for entry in again.journal(number).entries()] == [JournalAction.UNDO]
        assert again.journal(number).parent_revision_id == 1
        assert again.check() == []


def test_the_journals_of_many_visits_are_looked_for_once(
    workspace: Workspace, visit: Timepoint, make_visit: Callable[..., Timepoint], images: dict[str, Volume],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for key in ("second", "third"):
        workspace.add_timepoint(make_visit(visit.patient_id, key), images)
    (workspace.path / "journal" / "timepoint-000002.set-aside").write_bytes(b"damaged")
    (workspace.path / "journal" / "timepoint-000003.set-aside").touch()
    asked: list[str] = []
    listed = Path.glob

    def glob(folder: Path, pattern: str) -> Iterable[Path]:
        asked.append(pattern)
        return listed(folder, pattern)

    monkeypatch.setattr(Path, "glob", glob)
    workspace.journal(visit.id or 0)
    (workspace.path / "journal" / "timepoint-000003.set-aside").unlink()  # by hand, meanwhile
    assert [workspace.journal(number).entries() for number in (2, 3)] == [(), ()]
    assert len(asked) == 1  # the start page asks for every visit's


def test_steps_that_were_set_aside_do_not_push_out_later_work(
    workspace: Workspace, visit: Timepoint, labels: LabelArray, save: Callable[..., SegmentationRevision]
) -> None:
    number = visit.id or 0
    journal = workspace.journal(number)
    journal.restart(save(visit, labels).id)
    journal.append(JournalEntry(JournalAction.UNDO))
    later = save(visit, labels[::-1].copy())
    workspace.close()
    file = next((workspace.path / "journal").iterdir())
    file.rename(file.with_name("timepoint-000001.set-aside"))
    with open_workspace(workspace.path) as again:  # the mask that was saved since is the newest
        assert again.journal(number).entries() == ()
        again.journal(number).restart(later.id)
        again.journal(number).append(JournalEntry(JournalAction.REDO))
    with open_workspace(workspace.path) as again:
        assert [entry.action for entry in again.journal(number).entries()] == [JournalAction.REDO]
