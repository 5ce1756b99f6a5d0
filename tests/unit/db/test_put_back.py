"""A copy of the database put back in place, and large databases that are checked after opening."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from glioma_annotator import app
from glioma_annotator.db import upkeep
from glioma_annotator.db.put_back import put_back_database
from glioma_annotator.db.workspace import Workspace, open_workspace
from glioma_annotator.domain.archive import BackupKind
from glioma_annotator.domain.note import Note
from glioma_annotator.domain.patient import Timepoint
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


def test_a_damaged_database_is_replaced_by_its_copy(workspace: Workspace, visit: Timepoint) -> None:
    copy = workspace.back_up(7)
    workspace.close()
    (workspace.path / "glioma.db").write_bytes(os.urandom(8192))
    assert app.restore_workspace(copy, workspace.path, ignore_progress, CancelToken()) == []


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
