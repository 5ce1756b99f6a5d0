"""An import in the window: what it says when it ends, is cancelled or fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import FakeStore
from phantoms import FLAIR, T1, T1GD, T2, head, write_nifti, write_visit
from pytestqt.qtbot import QtBot

from glioma_annotator.domain.import_plan import ImportPlan
from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.ui.window import MainWindow
from glioma_annotator.workflow.import_study import propose_import

FOUR = {T1: "t1.nii.gz", T1GD: "t1c.nii.gz", T2: "t2.nii.gz", FLAIR: "flair.nii.gz"}


def two_visits(folder: Path) -> ImportPlan:
    """A new patient's visits; the FLAIR of the first has voxels that are no number."""
    for visit in ("2020-01-01", "2020-03-01"):
        write_visit(folder / "PAT-7" / visit, FOUR)
    flair = head(FLAIR)
    flair[0, 0, 0] = float("nan")
    write_nifti(folder / "PAT-7" / "2020-01-01" / "flair.nii.gz", flair)
    return propose_import([folder], ignore_progress, CancelToken())


def settle(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: not window.workers.jobs, timeout=20_000)


def test_what_an_import_has_to_say_stands_there_once_its_visit_shows(qtbot: QtBot, bench: Any, tmp_path: Path) -> None:
    plan = two_visits(tmp_path / "scans")
    window = bench.open_patient(qtbot)
    window.importing.run(plan)
    qtbot.waitUntil(lambda: window.study.patient_key == "PAT-7" and window.study.visit is not None, timeout=20_000)
    settle(qtbot, window)
    qtbot.waitUntil(window.banner.isVisible)
    assert "1 voxels that are no number" in window.banner.text.text()
    assert window.study.require_visit().timepoint.key == "2020-01-01"


def test_a_cancelled_import_tells_how_much_of_it_is_there(
    qtbot: QtBot, bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = two_visits(tmp_path / "scans")
    window = bench.open_window()
    told: list[str] = []
    window.study.notice.connect(told.append)
    store = FakeStore.add_timepoint

    def add_and_cancel(*args: Any) -> Any:
        stored = store(*args)
        for job in window.workers.jobs:
            job.cancel()
        return stored

    monkeypatch.setattr(FakeStore, "add_timepoint", add_and_cancel)
    window.importing.run(plan)
    qtbot.waitUntil(lambda: bool(told), timeout=20_000)
    settle(qtbot, window)
    assert told == ["The import was cancelled. 1 visit imported before that stays."]
    names = [window.start_page.patients.topLevelItem(n).text(0) for n in range(3)]
    assert "PAT-7" in names


def test_visits_stored_before_an_import_failed_are_listed(
    qtbot: QtBot, bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = two_visits(tmp_path / "scans")
    window = bench.open_window()
    store = FakeStore.add_timepoint

    def fill_the_disk(self: FakeStore, timepoint: Any, *rest: Any) -> Any:
        if timepoint.key == "2020-03-01":
            raise EnvironmentFailure("The disk is full.")
        return store(self, timepoint, *rest)

    monkeypatch.setattr(FakeStore, "add_timepoint", fill_the_disk)
    window.importing.run(plan)
    qtbot.waitUntil(lambda: window.errors.dialog is not None, timeout=20_000)
    assert "disk is full" in window.errors.dialog.what.text()
    window.errors.dialog.close()
    qtbot.waitUntil(lambda: window.errors.dialog is None)
    qtbot.waitUntil(lambda: window.start_page.patients.topLevelItemCount() == 3)
