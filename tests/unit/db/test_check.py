"""What the check of a workspace finds."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from glioma_annotator.db.check import Problem
from glioma_annotator.db.workspace import Workspace
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import SegmentationRevision
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.errors import UserError

Save = Callable[..., SegmentationRevision]
VISIT = "patients/PAT-0042/2020-01-31"


def _found(workspace: Workspace) -> list[tuple[Problem, str]]:
    return [(issue.problem, issue.path) for issue in workspace.check()]


def test_a_workspace_in_use_is_healthy(workspace: Workspace, visit: Timepoint, labels: LabelArray, save: Save) -> None:
    save(visit, labels)
    workspace.journal(visit.id or 0).restart(1)
    assert workspace.check() == []


def test_missing_and_damaged_files_are_found(
    workspace: Workspace, visit: Timepoint, labels: LabelArray, save: Save
) -> None:
    mask = workspace.path / save(visit, labels).path
    content = bytearray(mask.read_bytes())
    content[40] ^= 1
    mask.write_bytes(content)
    (workspace.path / VISIT / "FLAIR.nii.gz").unlink()
    assert _found(workspace) == [
        (Problem.MISSING_FILE, f"{VISIT}/FLAIR.nii.gz"),
        (Problem.DAMAGED_FILE, f"{VISIT}/segmentations/0001.nii.gz"),
    ]
    assert all(issue.what and issue.todo for issue in workspace.check())


def test_what_an_interrupted_save_left_is_found_and_can_be_cleared_away(
    workspace: Workspace, visit: Timepoint, labels: LabelArray, save: Save
) -> None:
    revision = save(visit, labels)
    left = [
        f"{VISIT}/segmentations/.0002.nii.gz.0123.tmp",
        f"{VISIT}/segmentations/0002.nii.gz",
        "patients/other/visit/T2.nii.gz",
        "journal/.timepoint-000001.journal.0123.tmp",
        "backups/.daily-20200101T000000Z.db.tmp",
    ]
    foreign = f"{VISIT}/notes.docx"
    for path in (*left, foreign):
        file = workspace.path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(workspace.path / revision.path, file)
    expected = {(Problem.LEFT_BEHIND, path) for path in left} | {(Problem.FOREIGN_FILE, foreign)}
    assert set(_found(workspace)) == expected
    assert set(workspace.remove_left_behind()) == set(left)
    assert _found(workspace) == [(Problem.FOREIGN_FILE, foreign)]
    assert workspace.remove_left_behind() == []
    kept = [p for p in (workspace.path / "set-aside").rglob("*") if p.is_file()]
    assert {p.relative_to(workspace.path / "set-aside").as_posix() for p in kept} == {left[1], left[2]}
    assert all(p.read_bytes() == (workspace.path / revision.path).read_bytes() for p in kept)


def test_a_file_that_nothing_records_is_never_overwritten(
    workspace: Workspace, visit: Timepoint, labels: LabelArray, save: Save
) -> None:
    first = workspace.path / VISIT / "segmentations" / "0001.nii.gz"
    first.parent.mkdir()
    first.write_bytes(b"a mask from before the database was replaced")
    revision = save(visit, labels)
    assert revision.number == 1
    assert revision.path == f"{VISIT}/segmentations/0001-2.nii.gz"
    assert first.read_bytes().startswith(b"a mask from before")
    assert (workspace.load_labels(revision) == labels).all()


def test_a_journal_that_was_set_aside_is_mentioned(workspace: Workspace, visit: Timepoint) -> None:
    (workspace.path / "journal" / "timepoint-000001.set-aside").touch()
    assert _found(workspace) == [(Problem.JOURNAL, "journal/timepoint-000001.set-aside")]


def test_a_nearly_full_disk_is_mentioned(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(workspace.path)._replace(free=10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    (issue,) = workspace.check()
    assert (issue.problem, issue.what) == (Problem.DISK_SPACE, "Only 0.9 GiB are free on the workspace's disk.")


def test_a_recorded_path_that_leads_out_of_the_workspace_is_not_followed(
    workspace: Workspace, visit: Timepoint, tmp_path: Path
) -> None:
    (tmp_path / "secret.nii.gz").write_bytes(b"x")
    other = sqlite3.connect(workspace.path / "glioma.db")
    other.execute("UPDATE sequences SET path = '../secret.nii.gz' WHERE name = 'FLAIR'")
    other.commit()
    other.close()
    with pytest.raises(UserError, match="outside the workspace"):
        workspace.load_image(workspace.timepoint(visit.id or 0), "FLAIR")


def test_a_mask_saved_since_the_copy_that_was_put_back_is_moved_and_found_again(
    workspace: Workspace, visit: Timepoint, labels: LabelArray, save: Save
) -> None:
    path = save(visit, labels).path
    kept = workspace.path / "set-aside" / path
    kept.parent.mkdir(parents=True)
    (workspace.path / path).rename(kept)
    (issue,) = workspace.check()
    assert (issue.problem, issue.todo) == (Problem.MISSING_FILE, f"It lies in set-aside/{path}: move it back.")
    kept.rename(workspace.path / path)
    (workspace.path / path).with_name("0002.nii.gz").write_bytes(b"saved since")
    (issue,) = workspace.check()
    assert "moves it to the folder set-aside" in issue.todo


def test_repairing_removes_the_folders_that_become_empty(workspace: Workspace, visit: Timepoint) -> None:
    for path in ("patients/PAT-0042/later/segmentations/0001.nii.gz", "backups/.import-0123/.volumes-0.nii.gz.tmp"):
        (workspace.path / path).parent.mkdir(parents=True)
        (workspace.path / path).write_bytes(b"x")
    workspace.remove_left_behind()
    assert [entry.name for entry in (workspace.path / "patients" / "PAT-0042").iterdir()] == ["2020-01-31"]
    assert not list((workspace.path / "backups").iterdir())
