"""What people type where a patient's archive is written or read."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QMessageBox, QWidget
from pytestqt.qtbot import QtBot

from glioma_annotator.ui.dialogs.patient_archives import ExportArchiveDialog, ImportArchiveDialog


@pytest.fixture
def parent(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> QWidget:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    made = QWidget()
    qtbot.addWidget(made)
    return made


@pytest.mark.parametrize("name", ["~nobody/x.zip", "x" * 300, "x" * 300 + "/y.zip", "locked/x/y.zip", "", "."])
def test_no_path_that_is_typed_is_an_error(
    parent: QWidget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    asked = Path.stat

    def stat(self: Path, *, follow_symlinks: bool = True) -> object:
        if "locked" in self.parts:
            raise PermissionError(13, "Permission denied")
        return asked(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", stat)
    for dialog in (ExportArchiveDialog("PAT-1", parent), ImportArchiveDialog(parent)):
        dialog.file.setText(str(tmp_path / name) if name.startswith("locked") else name)
        assert dialog.start.isEnabled() == (name == "x" * 300 and isinstance(dialog, ExportArchiveDialog))


def test_a_name_without_a_folder_is_one_in_the_home_folder(parent: QWidget, tmp_path: Path) -> None:
    dialog = ExportArchiveDialog("PAT-1", parent)
    for typed, path in (("x.zip", tmp_path / "x.zip"), ("~/x.zip", tmp_path / "x.zip"), ("/x.zip", Path("/x.zip"))):
        dialog.file.setText(typed)
        assert dialog.path == path


@pytest.mark.parametrize("patient", ["P" * 252, "Ü" * 130])
def test_the_name_that_is_offered_for_a_long_key_can_be_written(parent: QWidget, patient: str) -> None:
    dialog = ExportArchiveDialog(patient, parent)
    dialog.path.touch()
    assert ExportArchiveDialog(patient, parent).path.name.endswith("-2.zip")


def test_a_file_that_is_there_is_replaced_only_when_that_is_said(parent: QWidget, tmp_path: Path) -> None:
    dialog = ExportArchiveDialog("PAT-1", parent)
    chosen: list[Path] = []
    dialog.chosen.connect(lambda path, _identities: chosen.append(path))
    (tmp_path / "holiday.zip").touch()
    dialog.file.setText("holiday")
    for answer in (QMessageBox.ButtonRole.RejectRole, QMessageBox.ButtonRole.DestructiveRole):
        dialog.start.click()
        asked = dialog.findChildren(QMessageBox)[-1]
        assert (asked.text(), chosen) == ("There is a file holiday.zip already. Replace it?", [])
        next(button for button in asked.buttons() if asked.buttonRole(button) is answer).click()
    assert chosen == [tmp_path / "holiday.zip"]
