"""Import, mapping, preferences, palette, shortcuts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeStore
from phantoms import write_nifti
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QCheckBox, QLabel, QWidget
from pytestqt.qtbot import QtBot

from glioma_annotator.domain.cohort import SearchHit
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.import_plan import ImportItem, ImportKind, ImportPlan, ImportVisit
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.patient import Timepoint, TreatmentPhase
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.settings import Settings
from glioma_annotator.ui.dialogs.command_palette import CommandPalette
from glioma_annotator.ui.dialogs.import_dialog import ImportDialog
from glioma_annotator.ui.dialogs.import_models import FileModel, VisitModel
from glioma_annotator.ui.dialogs.mapping import MappingDialog, MappingTable
from glioma_annotator.ui.dialogs.preferences import PreferencesDialog
from glioma_annotator.ui.dialogs.shortcuts import ShortcutPage, keys_page

EDIT, TICK = Qt.ItemDataRole.EditRole, Qt.ItemDataRole.CheckStateRole


@pytest.fixture
def parent(qtbot: QtBot) -> QWidget:
    widget = QWidget()
    qtbot.addWidget(widget)
    return widget


def plan(mask: Path) -> ImportPlan:
    def image(name: str, role: SequenceRole, visit: str, **more: Any) -> ImportItem:
        return ImportItem(
            Path(f"/scans/{visit}/{name}.nii.gz"), ImportKind.IMAGE, "P1", visit, role, role.value, **more
        )

    items = (
        image("t1ce", SequenceRole.T1GD, "day0000", why="BraTS name"),
        image("flair", SequenceRole.FLAIR, "day0000", warnings=("CSF is bright: is it really FLAIR?",)),
        image("t1ce", SequenceRole.T1GD, "day0262"),
        ImportItem(
            mask, ImportKind.MASK, "P1", "day0262", name="seg",
            mapping={0: 0, 1: 1, 4: 3}, voxel_counts={0: 900, 1: 40, 4: 60},
        ),
    )  # fmt: skip
    visits = (ImportVisit("P1", "day0000", 0, day=0), ImportVisit("P1", "day0262", 1, day=262))
    return ImportPlan(items, visits, ("notes.nii is left out: it is no volume.",))


@pytest.fixture
def dialog(qtbot: QtBot, parent: QWidget, tmp_path: Path) -> ImportDialog:
    mask = write_nifti(tmp_path / "seg.nii.gz", np.zeros((3, 3, 3), np.uint8), np.diag([2.0, 2.0, 5.0, 1.0]))
    made = ImportDialog(plan(mask), FakeStore(tmp_path), GLIOMA_POST_TREATMENT, parent)
    qtbot.addWidget(made)
    made.show()
    return made


def cell(table: Any, row: int, column: int) -> Any:
    return table.model().index(row, column)


def test_the_import_dialog_says_what_was_found_and_left_out(dialog: ImportDialog) -> None:
    assert dialog.summary.text() == "1 patient, 2 visits, 3 sequences, 1 mask; 1 file with warnings"
    assert "notes.nii is left out" in dialog.problems.text()
    assert dialog.ok.isEnabled()


def test_parts_of_one_mask_are_counted_as_one(qtbot: QtBot, parent: QWidget, tmp_path: Path) -> None:
    mask = write_nifti(tmp_path / "seg.nii.gz", np.zeros((3, 3, 3), np.uint8), np.diag([2.0, 2.0, 5.0, 1.0]))
    found = plan(mask)
    part = replace(found.items[3], part_of="scans")
    other = replace(part, path=tmp_path / "other.nii.gz", name="other")
    made = ImportDialog(
        replace(found, items=(*found.items[:3], part, other)), FakeStore(tmp_path), GLIOMA_POST_TREATMENT, parent
    )
    qtbot.addWidget(made)
    assert made.summary.text().startswith("1 patient, 2 visits, 3 sequences, 1 mask;")


def test_warnings_and_full_paths_are_shown(dialog: ImportDialog) -> None:
    assert cell(dialog.files, 1, FileModel.WARNINGS).data() == "CSF is bright: is it really FLAIR?"
    tip = cell(dialog.files, 1, FileModel.FILE).data(Qt.ItemDataRole.ToolTipRole)
    assert tip == str(Path("/scans/day0000/flair.nii.gz"))


def test_two_files_of_one_role_block_the_import_with_the_reason(dialog: ImportDialog) -> None:
    dialog.files.model().setData(cell(dialog.files, 1, FileModel.ROLE), "T1Gd", EDIT)
    assert not dialog.ok.isEnabled()
    assert "more than one T1Gd" in dialog.conflicts.text()
    dialog.files.model().setData(cell(dialog.files, 1, FileModel.ROLE), "T2", EDIT)
    assert dialog.ok.isEnabled()
    assert dialog.plan.items[1].role is SequenceRole.T2


def test_space_leaves_a_file_out(qtbot: QtBot, dialog: ImportDialog) -> None:
    dialog.files.setCurrentIndex(cell(dialog.files, 3, FileModel.INCLUDE))
    qtbot.keyClick(dialog.files, Qt.Key.Key_Space)
    assert not dialog.plan.items[3].include


def test_date_day_and_phase_of_a_visit_can_be_corrected(dialog: ImportDialog) -> None:
    model = dialog.visits.model()
    assert model.setData(cell(dialog.visits, 0, VisitModel.DATE), "2019-01-14", EDIT)
    assert not model.setData(cell(dialog.visits, 1, VisitModel.DATE), "last spring", EDIT)
    assert model.setData(cell(dialog.visits, 1, VisitModel.DAY), "260", EDIT)
    assert model.setData(cell(dialog.visits, 1, VisitModel.PHASE), "progression", EDIT)
    first, second = dialog.plan.visits
    assert str(first.date) == "2019-01-14"
    assert (second.date, second.day, second.phase) == (None, 260, TreatmentPhase.PROGRESSION)


def test_a_date_may_be_written_as_people_do_and_what_is_none_is_said_to_be_none(
    qtbot: QtBot, dialog: ImportDialog
) -> None:
    told: list[Any] = []
    dialog.failed.connect(told.append)
    visits = dialog.visits.model()
    for text in ("14.01.2019", "14 Jan 2019", "2019-01-14"):
        visits.setData(cell(dialog.visits, 0, VisitModel.DATE), "", EDIT)
        assert visits.setData(cell(dialog.visits, 0, VisitModel.DATE), text, EDIT), text
        assert cell(dialog.visits, 0, VisitModel.DATE).data() == "2019-01-14"
    for text in ("03/04/2019", "03-04-2019", "soon"):
        assert not visits.setData(cell(dialog.visits, 0, VisitModel.DATE), text, EDIT)
    assert not visits.setData(cell(dialog.visits, 0, VisitModel.DAY), "two", EDIT)
    assert "“03/04/2019” is no date." in str(told[0])
    assert "YYYY-MM-DD" in told[0].todo
    assert "“two” is no whole number of days." in str(told[3])
    assert cell(dialog.visits, 0, VisitModel.DATE).data() == "2019-01-14"


def test_visits_without_dates_can_be_put_in_order(qtbot: QtBot, dialog: ImportDialog) -> None:
    dialog.visits.setCurrentIndex(cell(dialog.visits, 1, VisitModel.KEY))
    qtbot.mouseClick(dialog.earlier, Qt.MouseButton.LeftButton)
    assert [(v.key, v.order) for v in dialog.plan.visits] == [("day0262", 0), ("day0000", 1)]
    assert dialog.visits.currentIndex().row() == 0
    qtbot.mouseClick(dialog.earlier, Qt.MouseButton.LeftButton)
    assert [v.key for v in dialog.plan.visits] == ["day0262", "day0000"]


def test_a_click_on_the_tick_leaves_a_file_out(qtbot: QtBot, dialog: ImportDialog) -> None:
    box = dialog.files.visualRect(cell(dialog.files, 0, FileModel.INCLUDE))
    at = QPoint(box.left() + 12, box.center().y())
    qtbot.mouseClick(dialog.files.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert not dialog.plan.items[0].include


def test_renaming_the_patient_renames_every_file(dialog: ImportDialog) -> None:
    dialog.visits.model().setData(cell(dialog.visits, 0, VisitModel.PATIENT), "PAT-7", EDIT)
    assert dialog.plan.patients == ("PAT-7",)
    assert {item.patient for item in dialog.plan.items} == {"PAT-7"}


def test_renaming_a_visit_renames_it_for_every_file(dialog: ImportDialog) -> None:
    index = cell(dialog.visits, 1, VisitModel.KEY)
    assert index.flags() & Qt.ItemFlag.ItemIsEditable
    assert dialog.visits.model().setData(index, "second scan", EDIT)
    assert [i.visit for i in dialog.plan.items] == ["day0000", "day0000", "second scan", "second scan"]
    assert [(v.key, v.day) for v in dialog.plan.visits] == [("day0000", 0), ("second scan", 262)]


def test_the_meaning_of_a_masks_values_can_be_changed(qtbot: QtBot, dialog: ImportDialog) -> None:
    dialog.files.setCurrentIndex(cell(dialog.files, 3, FileModel.FILE))
    table = dialog.details.findChild(MappingTable)
    assert table.findChildren(QLabel)[6].text() == "0.80"  # 40 voxels of 2 x 2 x 5 mm
    choice = table.choices[4]
    assert choice.currentData() == 3
    choice.setCurrentIndex(choice.findData(4))
    choice.activated.emit(choice.currentIndex())
    assert dialog.plan.items[3].mapping == {0: 0, 1: 1, 4: 4}


def test_visits_of_the_workspace_are_named_and_do_not_block_the_others(
    qtbot: QtBot, parent: QWidget, tmp_path: Path
) -> None:
    store = FakeStore(tmp_path)
    grid = Grid((3, 3, 3), np.diag([2.0, 2.0, 5.0, 1.0]))
    patient = store.add_patient("P1")
    store.add_timepoint(Timepoint(patient.id or 0, "day0000", 0, grid, "T1Gd", "RAS"), {}, [])
    made = ImportDialog(plan(tmp_path / "gone.nii.gz"), store, GLIOMA_POST_TREATMENT, parent)
    qtbot.addWidget(made)
    made.show()
    assert made.summary.text() == "1 patient, 1 visit, 1 sequence, 1 mask"
    assert "Visit day0000 of P1 is in the workspace already and stays as it is." in made.problems.text()
    assert made.ok.isEnabled()
    for row in (2, 3):
        made.files.model().setData(cell(made.files, row, FileModel.INCLUDE), Qt.CheckState.Unchecked.value, TICK)
    assert "already has visit day0000" in made.conflicts.text()
    assert "stays as it is" not in made.problems.text()
    assert not made.ok.isEnabled()


def test_a_mask_that_went_away_meanwhile_can_still_be_looked_at(qtbot: QtBot, parent: QWidget, tmp_path: Path) -> None:
    made = ImportDialog(plan(tmp_path / "gone.nii.gz"), FakeStore(tmp_path), GLIOMA_POST_TREATMENT, parent)
    qtbot.addWidget(made)
    made.files.setCurrentIndex(cell(made.files, 3, FileModel.PATIENT))
    table = made.details.widget().findChild(MappingTable)
    assert table is not None
    assert table.mapping == {0: 0, 1: 1, 4: 3}


def test_the_values_of_a_selected_mask_have_room(qtbot: QtBot, dialog: ImportDialog) -> None:
    dialog.files.setCurrentIndex(cell(dialog.files, 3, FileModel.PATIENT))
    assert dialog.details.widget().findChild(MappingTable) is not None
    qtbot.wait(50)
    assert not dialog.details.horizontalScrollBar().isVisible()


def test_a_mapping_that_keeps_nothing_cannot_be_used(qtbot: QtBot, parent: QWidget) -> None:
    dialog = MappingDialog("seg.nii.gz", {0: 10, 7: 5}, GLIOMA_POST_TREATMENT, parent, voxel_ml=0.001)
    assert dialog.mapping == {0: 0, 7: 0}
    assert not dialog.ok.isEnabled()
    dialog.table.show_mapping({7: 3})
    assert dialog.ok.isEnabled()
    assert dialog.mapping == {0: 0, 7: 3}
    dialog.close()


def test_a_mask_of_many_values_does_not_outgrow_the_screen(qtbot: QtBot, parent: QWidget) -> None:
    few, many = (
        MappingDialog("mask.nii.gz", dict.fromkeys(range(count), 10), GLIOMA_POST_TREATMENT, parent)
        for count in (4, 90)
    )
    for made in (few, many):
        qtbot.addWidget(made)
        made.show()
        for choice in list(made.table.choices.values())[:3]:
            assert not choice.visibleRegion().isEmpty()
    assert many.height() < 700
    assert few.height() < 400
    assert not many.ok.visibleRegion().isEmpty()


def test_the_wheel_moves_the_list_of_values_and_changes_no_label(qtbot: QtBot, parent: QWidget) -> None:
    made = MappingDialog("mask.nii.gz", dict.fromkeys(range(90), 10), GLIOMA_POST_TREATMENT, parent)
    qtbot.addWidget(made)
    made.show()
    before = made.mapping
    choice = made.table.choices[2]
    at = QPointF(choice.rect().center())
    turn = QWheelEvent(
        at, QPointF(choice.mapToGlobal(at.toPoint())), QPoint(), QPoint(0, -120),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(choice, turn)
    assert made.mapping == before


def test_preferences_offer_every_shown_setting_and_keep_changes(qtbot: QtBot, parent: QWidget) -> None:
    dialog = PreferencesDialog(Settings(author="Dr A"), parent)
    assert {"author", "display.theme", "editing.undo_mb", "segmentation.device"} <= set(dialog.controls)
    assert not any(path.startswith("window.") for path in dialog.controls)
    kept: list[Settings] = []
    dialog.changed.connect(kept.append)
    dialog.controls["author"].setText("Dr B")
    ball = dialog.controls["editing.brush_3d"]
    assert isinstance(ball, QCheckBox)
    ball.setChecked(True)
    assert dialog.controls["backup.every_days"].text() == "1 day"
    dialog.controls["backup.every_days"].setValue(7)
    assert dialog.controls["backup.every_days"].text() == "7 days"
    dialog._accept()
    assert (kept[0].author, kept[0].editing.brush_3d) == ("Dr B", True)


def test_the_palette_finds_a_command_by_words_and_runs_it(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    qtbot.keyClick(window.view, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    palette = window.dialogs.open
    assert isinstance(palette, CommandPalette)
    qtbot.keyClicks(palette.filter, "label rc")
    assert palette.list.currentItem().text(0) == "Label RC"
    qtbot.keyClick(palette.filter, Qt.Key.Key_Return)
    assert window.reading.brush.value == 4


def test_the_palette_stays_open_on_a_command_that_cannot_run_and_lists_what_menus_list(
    qtbot: QtBot, bench: Any
) -> None:
    window = bench.open_window()
    window.commands["help.palette"].trigger()
    palette = window.dialogs.open
    palette.filter.setText("lasso")
    assert palette.list.topLevelItem(0).text(0) == "Lasso"
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_Return):
        qtbot.keyClick(palette.filter, key)
    assert palette.isVisible()
    palette.filter.setText("added label")  # there are none
    assert palette.list.topLevelItemCount() == 0
    palette.close()


def test_shortcuts_are_found_by_their_keys(qtbot: QtBot, bench: Any) -> None:
    page = ShortcutPage(bench.open_window().registry, None)
    qtbot.addWidget(page)
    for typed in ("alt+shift", " Alt+Shift+H "):
        page.filter.setText(typed)
        groups = [page.list.topLevelItem(n) for n in range(page.list.topLevelItemCount())]
        assert "Changes…" in [group.child(n).text(1) for group in groups for n in range(group.childCount())]


def test_return_opens_nothing_that_an_earlier_text_found(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    chosen: list[object] = []
    box = window.search_box
    box.chosen.connect(chosen.append)
    box.setFocus()
    box._show([(SearchHit("finding", "f", "PAT-0043", "", "ab", ""), "ab")])
    assert box.popup.isVisible()
    box._pause.start()  # as after one more letter
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert not chosen
    qtbot.waitUntil(lambda: not box.searching)


def test_the_shortcut_page_opens_with_a_question_mark_and_can_be_searched(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    qtbot.keyClick(window.view, "?")
    page = window.dialogs.open
    assert isinstance(page, ShortcutPage)
    page.filter.setText("eraser")
    rows = [page.list.topLevelItem(0).child(i).text(1) for i in range(page.list.topLevelItem(0).childCount())]
    assert "Eraser" in rows
    page.close()


def test_the_documents_list_the_keys_that_the_program_has(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    written = Path(__file__).resolve().parents[3] / "docs" / "keys.md"
    assert keys_page(window.registry) == written.read_text(encoding="utf-8"), "run 'make screenshots'"
