"""What changed settings do at once, and settings or workspaces that are not what they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QDialogButtonBox
from pytestqt.qtbot import QtBot

from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.settings import Settings, WindowSettings, with_value


def settle(qtbot: QtBot, window: Any) -> None:
    qtbot.waitUntil(lambda: not window.workers.jobs and not window.workers.drawing.active)


def test_the_readers_new_name_holds_in_the_next_workspace_too(qtbot: QtBot, bench: Any, tmp_path: Path) -> None:
    window = bench.open_patient(qtbot)
    window.change_settings(with_value(window.settings, "author", "Dr Other"))
    assert window.study.session.author == "Dr Other"
    window.study.open_workspace(tmp_path / "another")
    qtbot.waitUntil(lambda: not window.study.patient_key)
    settle(qtbot, window)
    assert window.study.session.author == "Dr Other"


def test_pages_see_the_changed_settings(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    window.change_settings(with_value(window.settings, "display.convention", "neurological"))
    assert window.study.services.settings.display.convention == "neurological"


def test_brush_and_mask_stay_as_adjusted_when_something_else_is_set(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    window.reading.set_diameter(20.0)
    window.reading.set_opacity(0.2)
    window.change_settings(with_value(window.settings, "author", "Dr Other"))
    assert (window.reading.brush.diameter_mm, window.reading.opacity) == (20.0, 0.2)
    window.change_settings(with_value(window.settings, "editing.brush_diameter_mm", 5.0))
    assert (window.reading.brush.diameter_mm, window.reading.opacity) == (5.0, 0.2)


def test_settings_are_used_also_where_they_cannot_be_kept(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)

    def refuse(_settings: Settings) -> None:
        raise EnvironmentFailure("The settings could not be saved.")

    kept = window.services
    window.services = replace(kept, save_settings=refuse)
    with pytest.raises(EnvironmentFailure):
        window.change_settings(with_value(window.settings, "author", "Dr Other"))
    assert window.study.session.author == "Dr Other"
    window.services = kept


def test_what_the_window_remembers_outlasts_an_older_page_of_settings(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_window()
    old = window.settings
    window._keep(workspace="/newer")
    window.change_settings(with_value(old, "backup.kept", 3))
    assert (window.settings.window.workspace, window.settings.backup.kept) == ("/newer", 3)


def test_a_place_of_the_window_that_cannot_be_read_is_left_out(qtbot: QtBot, bench: Any) -> None:
    odd = WindowSettings(geometry="é", state="\N{SNOWMAN}")
    window = bench.open_window(settings=replace(Settings(author="Dr New"), window=odd))
    assert window.isVisible()


def test_a_workspace_that_has_gone_is_not_made_anew_empty(qtbot: QtBot, bench: Any, tmp_path: Path) -> None:
    opened: list[Path] = []

    def open_store(path: Path, *, read_only: bool = False) -> Any:
        opened.append(path)
        return bench.store

    gone = tmp_path / "share" / "workspace"
    kept = replace(Settings(author="Dr New"), window=WindowSettings(workspace=str(gone)))
    window = bench.open_window(settings=kept, open_store=open_store)
    qtbot.waitUntil(lambda: window.errors.dialog is not None)
    assert window.errors.dialog.what.text() == f"The workspace {gone} is not there."
    assert "No workspace is open" in window.start_page.empty.text()
    assert not opened
    window.errors.dialog.close()
    qtbot.waitUntil(lambda: window.errors.dialog is None)
    gone.mkdir(parents=True)
    (gone / "glioma.db").touch()
    window.start_page.workspace_chosen.emit(gone)
    qtbot.waitUntil(lambda: opened == [gone])
    settle(qtbot, window)


def test_a_reader_without_a_name_is_not_accepted(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_window()
    window.commands["file.preferences"].trigger()
    dialog = window.dialogs.open
    ok = dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Ok)
    dialog.controls["author"].setText("   ")
    assert not ok.isEnabled() and "is empty" in ok.toolTip()
    dialog.controls["author"].setText(" Dr Other ")
    assert ok.isEnabled()
    ok.click()
    assert window.settings.author == "Dr Other"
