"""What gets into a workspace's archive while people work on, and where it can be unpacked."""

from __future__ import annotations

import datetime as dt
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from glioma_annotator.db.workspace import Workspace, open_workspace
from glioma_annotator.db.workspace_backup import restore_workspace
from glioma_annotator.domain.archive import BackupSummary
from glioma_annotator.domain.editing import JournalAction, JournalEntry, edit_from_arrays
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import SegmentationRevision
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Progress, Report, ignore_progress

Save = Callable[..., SegmentationRevision]


def back_up(workspace: Workspace, folder: Path, report: Report = ignore_progress) -> BackupSummary:
    return workspace.back_up_all(folder, report, CancelToken())


def restore(archive: Path, target: Path) -> None:
    restore_workspace(archive, target, ignore_progress, CancelToken())


@pytest.mark.parametrize("moment", ["before the database is copied", "after it was copied"])
def test_steps_that_are_saved_while_a_backup_is_made_are_in_it(
    workspace: Workspace, visit: Timepoint, labels: LabelArray, save: Save, tmp_path: Path, moment: str
) -> None:
    journal = workspace.journal(visit.id or 0)
    step = edit_from_arrays("Brush ET", np.zeros_like(labels), labels)
    journal.append(JournalEntry(JournalAction.EDIT, step))
    saved: list[SegmentationRevision] = []

    def report(progress: Progress) -> None:
        if not saved and (progress.fraction > 0.2) == (moment == "after it was copied"):
            saved.append(save(visit, labels))
            journal.restart(saved[0].id)

    summary = back_up(workspace, tmp_path / "out", report)
    assert saved
    restore(summary.path, tmp_path / "restored")
    with open_workspace(tmp_path / "restored") as again:
        entries = again.journal(visit.id or 0).entries()
        assert [entry.edit.name for entry in entries if entry.edit] == ["Brush ET"]
        assert again.check() == []


def test_what_a_killed_program_left_of_a_backup_is_removed_by_a_later_one(workspace: Workspace, tmp_path: Path) -> None:
    old, fresh, other = (
        tmp_path / name
        for name in (
            ".glioma-backup-20260101T000000Z.zip.0a.tmp", ".glioma-backup-20260102T000000Z.zip.0b.tmp", ".notes.tmp"
        )
    )  # fmt: skip
    for file in (old, fresh, other):
        file.write_bytes(b"PK")
    for file in (old, other):
        os.utime(file, (0, 0))
    back_up(workspace, tmp_path)
    assert [file.exists() for file in (old, fresh, other)] == [False, True, True]
    with pytest.raises(UserError, match="is a file"):
        back_up(workspace, other)


def test_a_model_that_goes_while_a_backup_is_made_does_not_stop_it(
    workspace: Workspace, visit: Timepoint, tmp_path: Path
) -> None:
    files = [workspace.path / "models" / name for name in ("adapted/m/card.json", "candidates/.begun.json")]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text("{}")

    def report(progress: Progress) -> None:
        if progress.fraction > 0.2:
            for file in files:
                file.unlink(missing_ok=True)

    summary = back_up(workspace, tmp_path / "out", report)
    assert summary.problems == ("models/adapted/m/card.json was moved or deleted meanwhile; it is in the next backup.",)
    with zipfile.ZipFile(summary.path) as archive:
        assert len(archive.namelist()) == summary.files + 1  # and the manifest
    restore(summary.path, tmp_path / "restored")


def test_folders_that_people_named_do_not_keep_a_backup_from_being_restored(
    workspace: Workspace, visit: Timepoint, tmp_path: Path
) -> None:
    names = ("my model", "Müller", "a:b", "A:B", "con", "x" * 120, "plain.v1")
    for name in names:
        folder = workspace.path / "models" / name
        folder.mkdir()
        (folder / "card.json").write_text(f'"{name}"', encoding="utf-8")
    summary = back_up(workspace, tmp_path / "out")
    assert summary.problems == ()
    restore(summary.path, tmp_path / "restored")
    cards = {card.parent.name: card.read_text("utf-8") for card in (tmp_path / "restored" / "models").glob("*/*.json")}
    assert sorted(cards.values()) == sorted(f'"{name}"' for name in names)
    assert cards["plain.v1"] == '"plain.v1"'


@pytest.mark.parametrize("year", [1970, 2150])
def test_files_and_clocks_of_times_that_a_zip_cannot_express_are_backed_up(
    workspace: Workspace, visit: Timepoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, year: int
) -> None:
    moment = dt.datetime(year, 1, 2, tzinfo=dt.UTC)
    for file in (workspace.path / "patients").rglob("*.gz"):
        os.utime(file, (moment.timestamp(), moment.timestamp()))
    monkeypatch.setattr(time, "localtime", lambda *_args: moment.timetuple())
    restore(back_up(workspace, tmp_path / "out").path, tmp_path / "restored")
    workspace.export_patient("PAT-0042", tmp_path / "patient.zip", ignore_progress, CancelToken())
    with open_workspace(tmp_path / "restored") as again:
        assert again.check() == []


def test_a_backup_is_restored_under_the_longest_name_and_through_a_link(
    workspace: Workspace, visit: Timepoint, tmp_path: Path
) -> None:
    archive = back_up(workspace, tmp_path / "out").path
    restore(archive, tmp_path / ("n" * 250))
    assert (tmp_path / ("n" * 250) / "glioma.db").is_file()
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    restore(archive, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "empty" / "glioma.db").is_file()


def test_a_whole_disk_cannot_become_a_restored_folder_and_that_is_said_at_once(
    workspace: Workspace, visit: Timepoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = back_up(workspace, tmp_path / "out").path
    (tmp_path / "stick").mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda self: self.name == "stick")
    with pytest.raises(UserError, match="is a whole disk"):
        restore(archive, tmp_path / "stick")


@pytest.mark.parametrize("name", ["folder", "study/glioma.db", "study/patients/x.zip", "study/backups/daily.db"])
def test_a_patient_is_not_exported_over_what_belongs_to_the_workspace(
    workspace: Workspace, visit: Timepoint, tmp_path: Path, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    (workspace.path / "backups" / "daily.db").write_bytes(b"kept")
    before = (workspace.path / "glioma.db").read_bytes()
    with pytest.raises(UserError, match="is a folder" if name == "folder" else "lies within the workspace"):
        workspace.export_patient("PAT-0042", tmp_path / name, ignore_progress, CancelToken())
    assert (workspace.path / "glioma.db").read_bytes() == before
    assert (workspace.path / "backups" / "daily.db").read_bytes() == b"kept"
    workspace.export_patient("PAT-0042", workspace.path / "backups" / "new.zip", ignore_progress, CancelToken())


def test_two_backups_that_begin_in_one_second_do_not_disturb_each_other(
    workspace: Workspace, visit: Timepoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glioma_annotator.db.workspace_backup.stamp", lambda: "20260101T000000Z")
    second: list[BackupSummary] = []

    def report(progress: Progress) -> None:
        if not second and progress.fraction >= 0.2:  # the database is copied, but not yet in the archive
            second.append(back_up(workspace, tmp_path / "other disk"))

    first = back_up(workspace, tmp_path / "disk", report)
    for number, summary in enumerate((first, second[0])):
        restore(summary.path, tmp_path / str(number))
    assert not list((workspace.path / "backups").iterdir())
