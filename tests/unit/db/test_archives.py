"""A whole workspace in an archive and back; archives that somebody has tampered with are refused."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from glioma_annotator.db.archive import is_safe_path, read_archive
from glioma_annotator.db.connection import Connections
from glioma_annotator.db.lock import WorkspaceLock
from glioma_annotator.db.workspace import Workspace, open_workspace
from glioma_annotator.db.workspace_backup import KIND, restore_workspace
from glioma_annotator.domain.editing import JournalAction, JournalEntry
from glioma_annotator.domain.note import Note
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import SegmentationRevision
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.errors import Cancelled, UserError
from glioma_annotator.progress import CancelToken, ignore_progress

Save = Callable[..., SegmentationRevision]
Members = dict[str, bytes]


def back_up(workspace: Workspace, folder: Path | None = None) -> Path:
    return workspace.back_up_all(folder, ignore_progress, CancelToken()).path


def restore(archive: Path, target: Path) -> None:
    restore_workspace(archive, target, ignore_progress, CancelToken())


@pytest.fixture
def archive(workspace: Workspace, visit: Timepoint, labels: LabelArray, save: Save, tmp_path: Path) -> Path:
    save(visit, labels)
    workspace.notes.add(Note("PAT-0042", "kept"))
    workspace.journal(visit.id or 0).append(JournalEntry(JournalAction.UNDO))
    (workspace.path / "models" / "adapted").mkdir()
    (workspace.path / "models" / "adapted" / "card.json").write_text("{}")
    return back_up(workspace, tmp_path / "elsewhere" / "backups")


def test_a_restored_workspace_is_what_was_backed_up(
    workspace: Workspace, visit: Timepoint, labels: LabelArray, archive: Path, tmp_path: Path
) -> None:
    restore(archive, tmp_path / "restored")
    with open_workspace(tmp_path / "restored") as again:
        assert again.check() == []
        assert again.verify() == []
        assert [note.text for note in again.notes.of_patient("PAT-0042")] == ["kept"]
        (revision,) = again.revisions(visit.id or 0)
        assert (again.load_labels(revision) == labels).all()
        assert len(again.journal(visit.id or 0).entries()) == 1
        assert (again.path / "models" / "adapted" / "card.json").read_text() == "{}"
        for file in again.path.rglob("*"):
            assert stat.S_IMODE(file.stat().st_mode) == (0o700 if file.is_dir() else 0o600), file
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600


def test_a_backup_can_be_made_while_the_workspace_is_in_use_elsewhere(workspace: Workspace, visit: Timepoint) -> None:
    with open_workspace(workspace.path, read_only=True) as reader:
        made = back_up(reader)
    assert made.parent == workspace.path / "backups"
    assert workspace.check() == []


def test_a_workspace_on_a_full_or_protected_disk_is_backed_up_elsewhere(
    workspace: Workspace, visit: Timepoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[Path] = []
    real = Connections.back_up

    def back_up_to(self: Connections, target: Path, *more: Any) -> None:
        copied.append(target.parent)
        real(self, target, *more)

    monkeypatch.setattr(Connections, "back_up", back_up_to)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=2**16))
    with open_workspace(workspace.path, read_only=True) as reader:
        made = back_up(reader, tmp_path / "elsewhere")
    assert copied == [tmp_path / "elsewhere"]
    assert [file.name for file in made.parent.iterdir()] == [made.name]
    monkeypatch.undo()
    restore(made, tmp_path / "restored")


def test_damaged_volumes_are_backed_up_and_reported(workspace: Workspace, visit: Timepoint, tmp_path: Path) -> None:
    first, second = (workspace.path / sequence.path for sequence in visit.sequences)
    first.write_bytes(b"damaged")
    second.unlink()
    summary = workspace.back_up_all(tmp_path / "b", ignore_progress, CancelToken())
    assert len(summary.problems) == 2
    assert "is not what was saved" in summary.problems[0]
    assert "is missing" in summary.problems[1]


def test_a_cancelled_backup_or_restore_leaves_nothing(workspace: Workspace, archive: Path, tmp_path: Path) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        workspace.back_up_all(tmp_path / "b", ignore_progress, cancel)
    assert list((tmp_path / "b").iterdir()) == []
    with pytest.raises(Cancelled):
        restore_workspace(archive, tmp_path / "r", ignore_progress, cancel)
    assert not [p for p in tmp_path.iterdir() if p.name == "r" or "restoring" in p.name]


def test_what_a_killed_restore_left_is_removed_by_the_next_one(archive: Path, tmp_path: Path) -> None:
    left, running = tmp_path / ".restored.restoring-0123abcd", tmp_path / ".restored.restoring-4567cdef"
    other = tmp_path / ".restored.restoring-notes"
    for folder in (left, running, other):
        folder.mkdir()
        (folder / "glioma.db").touch()
    lock = WorkspaceLock(running / "lock")
    restore(archive, tmp_path / "restored")
    lock.release()
    assert [folder.exists() for folder in (left, running, other)] == [False, True, True]


def test_a_backup_is_restored_into_no_folder_in_use(archive: Path, workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not empty"):
        restore(archive, workspace.path)
    (tmp_path / "empty").mkdir()
    restore(archive, tmp_path / "empty")


def tampered(archive: Path, change: Callable[[Members, dict[str, Any]], None], target: Path) -> Path:
    """A copy of the archive whose members or manifest were changed."""
    with zipfile.ZipFile(archive) as source:
        members = {name: source.read(name) for name in source.namelist()}
    manifest = json.loads(members.pop("manifest.json"))
    change(members, manifest)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
        for name, content in members.items():
            copy.writestr(name, content)
        copy.writestr("manifest.json", json.dumps(manifest))
    return target


def _add(name: str, content: bytes = b"x") -> Callable[[Members, dict[str, Any]], None]:
    def change(members: Members, manifest: dict[str, Any]) -> None:
        import hashlib

        members[name] = content
        manifest["members"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    return change


def _alter(members: Members, manifest: dict[str, Any]) -> None:
    name = next(name for name in members if name.endswith("FLAIR.nii.gz"))
    members[name] = members[name][:-1] + bytes([members[name][-1] ^ 1])


def _grow(members: Members, manifest: dict[str, Any]) -> None:
    members["glioma.db"] += b"\0" * 4096


def _lie_about_size(members: Members, manifest: dict[str, Any]) -> None:
    manifest["members"]["glioma.db"]["bytes"] = 10**15


def _unlisted(members: Members, manifest: dict[str, Any]) -> None:
    members["patients/more.txt"] = b"x"


def _missing(members: Members, manifest: dict[str, Any]) -> None:
    del members["glioma.db"]


def _no_database(members: Members, manifest: dict[str, Any]) -> None:
    del members["glioma.db"], manifest["members"]["glioma.db"]


def _other_kind(members: Members, manifest: dict[str, Any]) -> None:
    manifest["kind"] = "patient archive"


def _newer(members: Members, manifest: dict[str, Any]) -> None:
    manifest["version"] = 99


def _damaged_database(members: Members, manifest: dict[str, Any]) -> None:
    _add("glioma.db", b"no database" * 1000)(members, manifest)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_add("../outside.txt"), "leads out of the folder"),
        (_add("/etc/passwd"), "leads out of the folder"),
        (_add("patients/../../outside.txt"), "leads out of the folder"),
        (_add("patients\\..\\outside.txt"), "leads out of the folder"),
        (_add("C:/outside.txt"), "leads out of the folder"),
        (_add("patients/con"), "leads out of the folder"),
        (_add("patients/"), "leads out of the folder"),
        (_add("lock"), "it holds lock"),
        (_add("GLIOMA.db"), "two members of one name"),
        (_alter, "is not what was put into it"),
        (_grow, "has another size than it says"),
        (_lie_about_size, "has another size than it says"),
        (_unlisted, "not those that it lists"),
        (_missing, "not those that it lists"),
        (_no_database, "it holds no database"),
        (_other_kind, "is no workspace backup"),
        (_newer, "newer version"),
        (_damaged_database, "damaged"),
    ],
)
def test_hostile_archives_are_refused_and_leave_nothing(
    archive: Path, tmp_path: Path, change: Callable[[Members, dict[str, Any]], None], reason: str
) -> None:
    hostile = tampered(archive, change, tmp_path / "hostile.zip")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UserError, match=reason):
        restore(hostile, tmp_path / "restored")
    assert sorted(tmp_path.iterdir()) == before


def test_links_are_refused(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive) as source:
        members = {name: source.read(name) for name in source.namelist()}
    hostile = tmp_path / "hostile.zip"
    with zipfile.ZipFile(hostile, "w") as copy:
        for name, content in members.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16 if name.endswith("card.json") else 0
            copy.writestr(entry, content)
    with pytest.raises(UserError, match="is no plain file"):
        restore(hostile, tmp_path / "restored")


def test_a_bomb_is_stopped_at_the_size_that_it_states(tmp_path: Path) -> None:
    """The central directory states the small size of the manifest; the member goes on and on."""
    bomb = tmp_path / "bomb.zip"
    content = b"\0" * 5_000_000
    manifest = {"kind": KIND, "version": 1, "members": {"glioma.db": {"bytes": 10, "sha256": ""}}}
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("glioma.db", content)
        made.writestr("manifest.json", json.dumps(manifest))
    raw = bytearray(bomb.read_bytes())
    at = raw.index(len(content).to_bytes(4, "little"), raw.index(b"PK\x01\x02"))
    raw[at : at + 4] = (10).to_bytes(4, "little")
    bomb.write_bytes(raw)
    with pytest.raises(UserError, match=r"refused: glioma.db is (larger than it says|damaged|not what)"):
        restore(bomb, tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + bytes(18)])
def test_other_files_are_no_archives(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(UserError, match="refused"), read_archive(tmp_path / "a.zip", KIND):
        pass
    with pytest.raises(UserError, match="There is no archive"):
        restore(tmp_path / "b.zip", tmp_path / "restored")


def test_a_full_disk_is_told_before_anything_is_unpacked(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    usage = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match="has no room"):
        restore(archive, tmp_path / "restored")


@pytest.mark.parametrize("name", ["a", "a/b.nii.gz", "journal/.x", "models/v1.0/card.json"])
def test_plain_relative_names_are_safe(name: str) -> None:
    assert is_safe_path(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a//b", "a/./b", "a/..", "/a", "a/", "a\\b", "a:b", "nul", "ü", "a\0b"]
)
def test_other_names_are_not(name: str) -> None:
    assert not is_safe_path(name)


def test_a_workspace_of_ours_is_for_its_owner_only(workspace: Workspace, visit: Timepoint) -> None:
    workspace.back_up(7)
    workspace.journal(visit.id or 0).append(JournalEntry(JournalAction.UNDO))
    back_up(workspace)
    for path in (workspace.path, *workspace.path.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
