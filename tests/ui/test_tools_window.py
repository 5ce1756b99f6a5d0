"""Every editing tool in the real window, worked with keys and real mouse paths on its panes."""

from __future__ import annotations

import numpy as np
import pytest
from desk import AXIAL, CENTRE, CTRL, ET, KEY, LEFT, RC, SHAPE, SHIFT, SNFH, Desk, lesion
from numpy.typing import NDArray
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QDialogButtonBox

from glioma_annotator.domain.geometry import Box
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.segmentation import Softmax
from glioma_annotator.ui.dialogs.label_dialog import LabelDialog
from glioma_annotator.ui.reading_state import ToolName
from glioma_annotator.workflow.study_labels import own_labels


def circle(radius: float, steps: int = 24) -> list[tuple[float, float, float]]:
    angles = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    return [(CENTRE[0] + radius * np.cos(a), CENTRE[1] + radius * np.sin(a), CENTRE[2]) for a in angles]


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


# outlines


def test_the_lasso_fills_what_is_drawn_around(desk: Desk) -> None:
    desk.key(KEY.Key_L)
    desk.drag_along(*circle(7.0))
    assert desk.editor.undo_name == "Lasso ET"
    assert set(np.flatnonzero(desk.mask.any(axis=(0, 1)))) == {CENTRE[2]}
    assert desk.mask.astype(bool).sum() == pytest.approx(np.pi * 49, rel=0.08)
    assert desk.pane(AXIAL).overlay.marks.sketch == ()


def test_what_is_painted_unseen_is_said_to_be_hidden(desk: Desk) -> None:
    reading, notice = desk.window.reading, desk.window.status.notice
    desk.key(KEY.Key_B)
    desk.click_at(CENTRE)
    assert "hidden" not in notice.text()
    reading.set_label_visible(ET, False)
    desk.click_at((10, 10, CENTRE[2]))
    assert notice.text() == "ET is hidden: the eye beside its name shows it."
    reading.set_label_visible(ET, True)
    reading.set_mask_visible(False)
    desk.click_at((10, 20, CENTRE[2]))
    assert notice.text() == "The mask is hidden: H shows it."
    reading.set_mask_visible(True)


def test_the_lasso_cuts_through_slices_and_erases(desk: Desk) -> None:
    desk.editor.apply("all", np.full(SHAPE, SNFH, np.uint8))
    desk.key(KEY.Key_L)
    options = desk.options(ToolName.LASSO)
    options.depth_mm, options.erases = 4.0, True
    desk.drag_along(*circle(5.0))
    options.depth_mm = 0.0
    assert np.flatnonzero((desk.mask == 0).any(axis=(0, 1))).tolist() == [10, 11, 12, 13, 14]
    assert desk.editor.undo_name == "Lasso erase"


def test_the_vertices_of_a_lasso_can_be_dragged_before_it_is_applied(desk: Desk) -> None:
    desk.key(KEY.Key_L)
    desk.options(ToolName.LASSO).edit_first = True
    desk.drag_along((20, 20, 12), (28, 20, 12), (28, 28, 12), (20, 28, 12))
    desk.options(ToolName.LASSO).edit_first = False
    marks = desk.pane(AXIAL).overlay.marks
    assert len(marks.sketch) == 4 and marks.sketch_handles and marks.sketch_closed
    assert not desk.mask.any()
    desk.drag_along((28, 28, 12), (36, 36, 12))
    desk.key(KEY.Key_Return)
    assert desk.mask[31, 31, 12] == ET
    assert desk.pane(AXIAL).overlay.marks.sketch == ()


def test_a_polygon_is_clicked_closed_edited_and_applied(desk: Desk) -> None:
    desk.key(KEY.Key_P)
    for corner in ((20, 20, 12), (34, 20, 12), (34, 34, 12), (10, 10, 12)):
        desk.click_at(corner)
    desk.key(KEY.Key_Backspace)
    desk.click_at((20, 34, 12))
    desk.click_at((20, 20, 12))
    assert desk.pane(AXIAL).overlay.marks.sketch_closed
    assert not desk.mask.any()
    desk.drag_along((20, 34, 12), (20, 40, 12))
    desk.key(KEY.Key_Return)
    assert desk.editor.undo_name == "Polygon ET"
    assert desk.mask[21, 37, 12] == ET and desk.mask[27, 27, 12] == ET
    assert desk.mask[16, 16, 12] == 0


def test_escape_discards_a_polygon_first_and_then_puts_the_tool_down(desk: Desk) -> None:
    desk.key(KEY.Key_P)
    for corner in ((20, 20, 12), (34, 20, 12), (34, 34, 12)):
        desk.click_at(corner)
    desk.key(KEY.Key_Escape)
    assert desk.pane(AXIAL).overlay.marks.sketch == ()
    assert desk.window.reading.tool is ToolName.POLYGON
    desk.key(KEY.Key_Escape)
    assert desk.window.reading.tool is ToolName.CROSSHAIR
    assert not desk.mask.any()


def test_an_outline_waits_for_its_own_slice(desk: Desk) -> None:
    desk.key(KEY.Key_P)
    desk.click_at((20, 20, 12))
    desk.click_at((34, 20, 12))
    desk.view.step_slice(1)
    desk.settle()
    assert desk.pane(AXIAL).overlay.marks.sketch == ()
    desk.click_at((34, 34, 13))
    assert "outline waits" in desk.window.status.notice.text()
    desk.view.step_slice(-1)
    desk.settle()
    assert len(desk.pane(AXIAL).overlay.marks.sketch) == 2


# fill, pick


def test_fill_fills_a_ring_in_the_slice(desk: Desk) -> None:
    i, j, k = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    away = np.sqrt((i - 30) ** 2 + (j - 28) ** 2 + 0 * k)
    desk.editor.apply("ring", np.where((away > 7) & (away < 10), np.uint8(SNFH), np.uint8(0)))
    desk.key(KEY.Key_F)
    desk.options(ToolName.FILL).extent = "slice"
    desk.click_at(CENTRE)
    assert desk.editor.undo_name == "Fill ET"
    assert (desk.mask[:, :, 12] == ET).sum() == (away[:, :, 0] <= 7).sum()
    assert not (desk.mask[:, :, 11] == ET).any()


def test_fill_replaces_a_label_in_a_component_or_everywhere(desk: Desk) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[10:14, 10:14, 8:16] = labels[28:33, 26:31, 8:16] = SNFH
    desk.editor.apply("two islands", labels)
    desk.key(KEY.Key_F)
    desk.options(ToolName.FILL).extent = "volume"
    desk.click_at(CENTRE)
    assert (desk.mask[28:33, 26:31, 8:16] == ET).all() and (desk.mask[10:14, 10:14, 8:16] == SNFH).all()
    desk.window.reading.set_label(RC)
    desk.options(ToolName.FILL).extent = "everywhere"
    desk.click_at((11, 11, 12))
    desk.options(ToolName.FILL).extent = "slice"
    assert (desk.mask[10:14, 10:14, 8:16] == RC).all()
    assert desk.editor.undo_name == "Replace by RC everywhere"


def test_fill_by_intensity_takes_the_lesion(desk: Desk) -> None:
    options = desk.options(ToolName.FILL)
    options.by, options.extent, options.tolerance, options.sequence = "intensity", "volume", 40.0, "T1Gd"
    desk.key(KEY.Key_F)
    desk.click_at(CENTRE)
    options.by, options.extent = "label", "slice"
    assert dice(desk.mask == ET, lesion()) > 0.98


def test_pick_makes_the_label_of_a_voxel_the_active_one(desk: Desk) -> None:
    desk.editor.apply("some", np.where(lesion(4), np.uint8(RC), np.uint8(0)))
    desk.key(KEY.Key_K)
    desk.click_at(CENTRE)
    assert desk.window.reading.brush.value == RC
    desk.click_at((10, 10, 12))
    assert desk.window.reading.brush.value == RC
    assert desk.window.status.notice.text() == "There is no label at this voxel."


# brushes


def test_the_threshold_brush_takes_its_range_from_an_example_and_paints_only_within(desk: Desk) -> None:
    desk.key(KEY.Key_T)
    assert desk.window.reading.tool is ToolName.BRUSH
    desk.window.reading.set_diameter(4.0)
    desk.drag_along((28, 28, 12), (32, 28, 12), modifiers=CTRL)
    assert not desk.mask.any()
    brush = desk.window.toolbox.brush
    assert 180 < brush.low < 200 < brush.high < 220
    desk.window.reading.set_diameter(24.0)
    desk.drag_along((26, 28, 12), (34, 28, 12))
    assert desk.editor.undo_name == "Threshold brush ET"
    painted = desk.mask == ET
    assert painted.any() and not (painted & ~lesion()).any()
    desk.key(KEY.Key_T)
    assert brush.mode == "plain"


def test_the_adaptive_brush_stops_at_the_edge_of_the_lesion(desk: Desk) -> None:
    desk.key(KEY.Key_T, SHIFT)
    desk.window.toolbox.brush.tolerance_sd = 5.0
    desk.window.reading.set_diameter(16.0)
    desk.click_at((30, 33, 12))
    painted = desk.mask == ET
    assert painted.sum() > 30
    assert not (painted & ~lesion()).any()


# growing


def test_region_growing_is_previewed_and_applied_with_return(desk: Desk) -> None:
    desk.options(ToolName.REGION).tolerance = 40.0
    desk.key(KEY.Key_W)
    desk.click_at(CENTRE)
    assert not desk.mask.any()
    assert desk.hatched()
    assert "ET" in desk.window.mask_panel.tool.note.text()
    desk.key(KEY.Key_Return)
    assert dice(desk.mask == ET, lesion()) > 0.98
    assert not desk.hatched()
    assert desk.editor.undo_name == "Grow ET in T1Gd"


def test_a_changed_tolerance_previews_again_and_escape_discards(desk: Desk) -> None:
    desk.options(ToolName.REGION).tolerance = 40.0
    desk.key(KEY.Key_W)
    desk.click_at(CENTRE)
    before = desk.window.mask_panel.tool.note.text()
    form = desk.window.mask_panel.tool.form
    form.fields["tolerance"].setValue(150.0)
    desk.qtbot.waitUntil(
        lambda: desk.window.mask_panel.tool.note.text() not in (before, "", "Computing…"), timeout=60_000
    )
    desk.key(KEY.Key_Escape)
    assert not desk.hatched() and not desk.mask.any()
    assert desk.window.reading.tool is ToolName.REGION


def test_the_snake_grows_into_the_lesion(desk: Desk) -> None:
    desk.options(ToolName.SNAKE).tolerance = 50.0
    desk.options(ToolName.SNAKE).reach_mm = 16.0
    desk.key(KEY.Key_S)
    desk.click_at(CENTRE)
    assert desk.hatched()
    desk.key(KEY.Key_Return)
    assert dice(desk.mask == ET, lesion()) > 0.85


def test_a_stopped_snake_keeps_what_it_showed_and_leaves_the_mask_alone(desk: Desk) -> None:
    desk.options(ToolName.SNAKE).tolerance = 50.0
    desk.key(KEY.Key_S)
    previewing = desk.window.previewing
    desk.mouse(QEvent.Type.MouseButtonPress, AXIAL, desk.at(CENTRE), LEFT, LEFT)
    desk.mouse(QEvent.Type.MouseButtonRelease, AXIAL, desk.at(CENTRE), LEFT)
    desk.qtbot.waitUntil(lambda: previewing.ready or not previewing.running, timeout=60_000)
    previewing.stop()
    desk.settle()
    assert previewing.ready and not desk.mask.any()


def test_painted_seeds_grow_within_the_box_that_is_dragged(desk: Desk) -> None:
    desk.key(KEY.Key_B)
    desk.window.reading.set_diameter(4.0)
    desk.window.reading.set_ball(True)
    desk.click_at(CENTRE)
    desk.window.reading.set_ball(False)
    desk.options(ToolName.SEEDS).depth_mm = 14.0
    desk.key(KEY.Key_G)
    desk.drag_along((18, 16, 12), (30, 30, 12), (42, 40, 12))
    assert desk.hatched()
    desk.key(KEY.Key_Return)
    assert dice(desk.mask == ET, lesion()) > 0.9
    assert desk.editor.undo_name == "Grow from seeds"


# tools on the whole mask


def test_interpolate_fills_the_slices_between(desk: Desk) -> None:
    labels = np.where(lesion(), np.uint8(ET), np.uint8(0))
    labels[:, :, [10, 11, 13, 14]] = 0
    desk.editor.apply("gaps", labels)
    desk.key(KEY.Key_I)
    assert desk.hatched() is False  # slice 12 is painted already
    assert desk.window.mask_panel.tool.note.text().startswith("4 slices filled")
    desk.key(KEY.Key_Return)
    assert (desk.mask[:, :, 8:17] == ET).any(axis=(0, 1)).all()
    assert desk.editor.undo_name == "Interpolate ET"


def test_interpolate_says_what_is_missing(desk: Desk) -> None:
    desk.editor.apply("one", np.where(lesion(), np.uint8(ET), np.uint8(0)))
    desk.key(KEY.Key_I)
    assert "No empty axial slice" in desk.window.mask_panel.tool.note.text()
    assert not desk.window.previewing.active
    desk.key(KEY.Key_B)
    assert not desk.window.mask_panel.tool.note.text(), "the next tool has nothing to do with it"


def test_a_margin_reports_what_it_realises_and_spares_other_labels(desk: Desk) -> None:
    labels = np.where(lesion(5), np.uint8(ET), np.uint8(0))
    labels[36:44, 20:36, 8:16] = RC
    desk.editor.apply("start", labels)
    desk.options(ToolName.MARGIN).mm = 3.0
    desk.key(KEY.Key_M)
    assert "Realised 3 x 3 x 2 mm (3 x 3 x 1 voxels)" in desk.window.mask_panel.tool.note.text()
    desk.window.mask_panel.tool.apply.click()
    desk.settle()
    assert (desk.mask[36:44, 20:36, 8:16] == RC).all()
    assert (desk.mask == ET).sum() > 1.5 * (labels == ET).sum()
    assert desk.editor.undo_name == "Grow ET by 3 mm"


def test_a_preview_comes_to_the_front_and_says_why_nothing_would_change(desk: Desk) -> None:
    desk.editor.apply("start", np.where(lesion(12), np.uint8(RC), np.uint8(0)))
    desk.window.model_dock.raise_()
    desk.settle()
    desk.options(ToolName.REGION).tolerance = 40.0
    desk.key(KEY.Key_W)
    desk.click_at(CENTRE)
    assert "Over other labels" in desk.window.mask_panel.tool.note.text()
    desk.options(ToolName.REGION).over_labels = True
    desk.click_at(CENTRE)
    desk.options(ToolName.REGION).over_labels = False
    assert desk.window.previewing.ready
    assert not desk.window.mask_panel.tool.note.visibleRegion().isEmpty()


def test_smooth_takes_a_spike(desk: Desk) -> None:
    labels = np.where(lesion(), np.uint8(ET), np.uint8(0))
    labels[30, 36:44, 12] = ET
    desk.editor.apply("spike", labels)
    desk.key(KEY.Key_M, SHIFT)
    desk.key(KEY.Key_Return)
    assert not (desk.mask[30, 40:, 12] == ET).any()
    assert dice(desk.mask == ET, lesion()) > 0.95


def test_logic_combines_with_a_revision(desk: Desk) -> None:
    desk.editor.apply("larger", np.where(lesion(), np.uint8(ET), np.uint8(0)))
    desk.options(ToolName.LOGIC).logic = "subtract"
    desk.options(ToolName.LOGIC).other = str(ET)
    desk.key(KEY.Key_L, SHIFT)
    desk.key(KEY.Key_Return)
    assert np.array_equal(desk.mask == ET, lesion() & ~lesion(6))
    assert desk.editor.undo_name == "Subtract ET of Revision 1"
    desk.options(ToolName.LOGIC).source = desk.options(ToolName.COPY).source = ""  # opened before there was a revision
    desk.key(KEY.Key_L, SHIFT)
    note = desk.window.mask_panel.tool.note
    assert note.text() == "There is no other mask yet: save a revision first."
    desk.window.study.revisions_changed.emit()
    desk.qtbot.waitUntil(lambda: note.text().startswith("Nothing would change"))
    assert desk.options(ToolName.LOGIC).source == next(iter(desk.window.toolbox.choices("revisions")))


def test_copy_takes_labels_from_another_visit(desk: Desk) -> None:
    options = desk.options(ToolName.COPY)
    options.source = next(k for k, title in desk.window.toolbox.choices("sources").items() if "visit 0" in title)
    options.every = True
    desk.key(KEY.Key_C, SHIFT)
    desk.key(KEY.Key_Return)
    options.every = False
    assert np.array_equal(desk.mask == SNFH, lesion(6))


# rules, for every tool


@pytest.mark.parametrize("name", ["L", "F", "W", "S", "M", "B"])
def test_no_tool_changes_a_locked_label(desk: Desk, name: str) -> None:
    labels = np.where(lesion(3), np.uint8(SNFH), np.uint8(0))
    labels[:, 30:, :] = np.where(lesion(12)[:, 30:, :], np.uint8(RC), labels[:, 30:, :])
    labels[30, 24, 12] = ET
    desk.editor.apply("start", labels)
    desk.editor.set_locked(RC, True)
    desk.editor.set_locked(SNFH, True)
    locked = np.isin(labels, (RC, SNFH))
    for tool in (ToolName.REGION, ToolName.SNAKE, ToolName.MARGIN):
        desk.options(tool).over_labels = True
    desk.key(getattr(KEY, f"Key_{name}"))
    desk.drag_along(*circle(9.0)) if name in "LB" else desk.click_at(CENTRE)
    desk.key(KEY.Key_Return)
    for tool in (ToolName.REGION, ToolName.SNAKE, ToolName.MARGIN):
        desk.options(tool).over_labels = False
    assert np.array_equal(desk.mask[locked], labels[locked])
    assert not np.isin(desk.mask[~locked], (RC, SNFH)).any()


def test_nothing_is_edited_outside_the_box_that_was_dragged(desk: Desk) -> None:
    rules = desk.window.mask_panel.rules
    rules.inside.setCurrentIndex(rules.inside.findData("box"))
    rules.inside.activated.emit(rules.inside.currentIndex())
    desk.options(ToolName.BOX).depth_mm = 4.0
    desk.drag_along((24, 24, 12), (34, 34, 12))
    assert rules.inside.currentData() == "box"
    desk.editor.apply("Accept proposal (all)", np.full(SHAPE, ET, np.uint8))
    box = Box((24, 24, 10), (35, 35, 15))
    assert (desk.mask[box.slices] == ET).all()
    assert np.count_nonzero(desk.mask) == np.prod(box.shape)


def test_only_background_is_painted_over_when_the_reader_says_so(desk: Desk) -> None:
    desk.editor.apply("start", np.where(lesion(4), np.uint8(RC), np.uint8(0)))
    desk.window.mask_panel.rules.only_background.trigger()
    rules = desk.window.mask_panel.rules
    assert rules.over.text() == "Background"
    desk.editor.set_paint_over({0, 1})
    rules.over.show_names("Background, " * 20)
    assert rules.over.text().endswith("…") and rules.over.toolTip().startswith("Background, Background")
    most = desk.window.mask_panel.minimumWidth() - 16  # within its margins
    assert rules.minimumSizeHint().width() < most, "else the panel would be cut off at its right edge"
    desk.editor.set_paint_over({0, 1, 2, 4})
    assert rules.over.text() == "Everything but ET"
    desk.editor.set_paint_over({0})
    desk.key(KEY.Key_B)
    desk.window.reading.set_diameter(12.0)
    desk.click_at(CENTRE)
    assert (desk.mask[lesion(4)] == RC).all()
    assert (desk.mask == ET).any()


# proposals


def test_a_proposal_is_accepted_where_it_is_brushed_or_clicked(desk: Desk) -> None:
    desk.editor.apply("start", np.where(lesion(4), np.uint8(ET), np.uint8(0)))
    proposed = np.zeros(SHAPE, np.uint8)
    proposed[10:16, 10:16, 10:15] = SNFH
    proposed[30:40, 10:16, 10:15] = RC
    desk.propose(proposed)
    assert desk.hatched()
    desk.key(KEY.Key_A, SHIFT)
    desk.click_at((12, 12, 12))
    assert (desk.mask[10:16, 10:16, 10:15] == SNFH).all()
    assert not (desk.mask == RC).any() and (desk.mask == ET).any()
    assert desk.editor.undo_name == "Accept proposal (component)"
    desk.key(KEY.Key_A)
    desk.window.reading.set_diameter(5.0)
    desk.click_at((32, 12, 12))
    taken = desk.mask == RC
    assert 0 < taken.sum() < 60 and (proposed[taken] == RC).all()
    desk.click_at(CENTRE)
    assert desk.mask[CENTRE] == 0  # the proposal has background there
    assert desk.window.study.require_visit().proposal is not None


def test_the_hatch_shrinks_as_the_proposal_is_taken_over(desk: Desk) -> None:
    desk.propose(np.where(lesion(6), np.uint8(ET), np.uint8(0)))
    difference = desk.window.previewing.difference
    assert np.array_equal(difference.added == ET, lesion(6))
    desk.editor.apply("by hand", np.where(lesion(6), np.uint8(ET), np.uint8(0)))
    assert difference.empty


# lists


def test_the_uncertainty_is_shown_and_its_places_are_visited_in_order(desk: Desk) -> None:
    box = Box((5, 5, 2), (40, 45, 20))
    values = np.zeros((5, *box.shape), np.uint8)
    values[0] = 255
    for low, high in ((2, 5), (15, 22)):
        values[0, low:high, low:high, 5:9], values[3, low:high, low:high, 5:9] = 140, 115
    desk.propose(np.zeros(SHAPE, np.uint8), Softmax(values, box))
    desk.key(KEY.Key_U)
    assert desk.window.uncertainty.shown
    desk.key(KEY.Key_U, SHIFT)
    first = desk.view.crosshair_index
    assert all(20 <= first[a] < 27 for a in (0, 1))
    assert desk.pane(AXIAL).overlay.marks.heat is not None
    desk.key(KEY.Key_U, SHIFT)
    assert all(7 <= desk.view.crosshair_index[a] < 10 for a in (0, 1))
    desk.key(KEY.Key_U, CTRL)
    assert desk.window.review_dock.places.table.rowCount() == 2
    desk.key(KEY.Key_U)
    assert desk.pane(AXIAL).overlay.marks.heat is None
    desk.window.review_dock.hide()


def test_islands_are_listed_gone_to_and_deleted(desk: Desk) -> None:
    labels = np.where(lesion(6), np.uint8(ET), np.uint8(0))
    labels[8:10, 8:10, 5] = ET
    labels[40:43, 40:43, 18:20] = RC
    desk.editor.apply("three", labels)
    desk.window.commands["view.islands"].trigger()
    panel = desk.window.review_dock.islands
    desk.qtbot.waitUntil(lambda: panel.table.rowCount() == 3, timeout=60_000)
    assert [panel.table.item(row, 0).text() for row in range(3)] == ["ET", "RC", "ET"]
    panel.table.selectRow(1)
    assert desk.view.crosshair_index[0] == 41
    panel.under.setValue(0.02)
    panel.under.setFocus()
    assert desk.window.focusWidget() is panel.under
    panel.delete_small.click()
    assert desk.window.focusWidget() is not panel.under  # Undo would undo the number
    assert not desk.mask[8:10, 8:10, 5].any() and (desk.mask == RC).any()
    desk.qtbot.waitUntil(lambda: panel.table.rowCount() == 2, timeout=60_000)
    panel.table.selectRow(1)
    panel.relabel.click()
    assert not (desk.mask == RC).any()
    desk.editor.undo()
    desk.qtbot.waitUntil(
        lambda: "RC" in [panel.table.item(row, 0).text() for row in range(panel.table.rowCount())], timeout=60_000
    )
    panel.table.selectRow(0)
    panel.keep.click()
    assert (desk.mask == RC).any()
    assert np.array_equal(desk.mask == ET, lesion(6))
    desk.window.review_dock.hide()


def test_after_an_island_is_deleted_no_other_is_chosen_in_its_place(desk: Desk) -> None:
    labels = np.where(lesion(6), np.uint8(ET), np.uint8(0))
    for n in range(3):
        labels[8 * n + 2 : 8 * n + 4, 4:6, 5] = RC
    desk.editor.apply("four", labels)
    desk.window.commands["view.islands"].trigger()
    panel = desk.window.review_dock.islands
    desk.qtbot.waitUntil(lambda: panel.table.rowCount() == 4, timeout=60_000)
    panel.table.selectRow(2)
    (kept,) = panel._selected()
    told: list[object] = []  # cell by cell, every column would be measured anew for each: half a minute for 500 islands
    panel.table.model().dataChanged.connect(lambda *_: told.append(_))
    desk.editor.set_voxels("another", np.array([0]), ET)
    desk.qtbot.waitUntil(lambda: panel.table.rowCount() == 5, timeout=60_000)
    (again,) = panel._selected()
    assert told == []
    assert (again.value, again.inside) == (kept.value, kept.inside)
    panel.delete.click()
    desk.qtbot.waitUntil(lambda: panel.table.rowCount() == 4, timeout=60_000)
    assert not panel._selected()
    assert not panel.delete.isEnabled()
    desk.window.review_dock.hide()


def test_the_history_goes_to_any_step(desk: Desk) -> None:
    depth = desk.editor.depth
    desk.key(KEY.Key_B)
    for n in range(3):
        desk.click_at((15 + 8 * n, 28, 12))
    three = desk.mask.copy()
    desk.window.commands["view.history"].trigger()
    history = desk.window.review_dock.history
    assert history.list.currentRow() == depth + 3
    history.list.itemClicked.emit(history.list.item(depth + 1))
    assert desk.mask.any() and desk.mask.sum() < three.sum()
    assert history.list.currentRow() == depth + 1
    history.list.itemClicked.emit(history.list.item(depth + 3))
    assert np.array_equal(desk.mask, three)
    desk.window.review_dock.hide()


# labels of the study's own


def new_label(desk: Desk, name: str) -> LabelDialog:
    desk.window.mask_panel.labels.new.click()
    dialog = desk.window.dialogs.open
    assert isinstance(dialog, LabelDialog)
    dialog.name.setText(name)
    return dialog


def test_a_label_is_added_painted_with_renamed_and_deleted(desk: Desk) -> None:
    window, labels = desk.window, desk.window.mask_panel.labels
    dialog = new_label(desk, "et")
    assert not dialog.buttons.button(QDialogButtonBox.StandardButton.Ok).isEnabled()
    assert "already" in dialog.note.text()
    dialog.name.setText("Blood")
    colour = dialog.colour
    dialog.accept()
    assert list(labels.names) == [1, 2, 3, 4, 5]
    assert window.reading.brush.value == 5
    desk.key(KEY.Key_3)
    desk.key(KEY.Key_5)  # its own key
    desk.key(KEY.Key_B)
    desk.click_at(CENTRE)
    assert desk.mask[CENTRE] == 5
    assert desk.editor.undo_name == "Brush Blood"
    assert window.view._masks.colours[5].name().upper() == colour
    assert "Blood" in [action.text() for action in window.mask_panel.rules.values.values()]
    desk.qtbot.waitUntil(lambda: labels.volumes[5].text() not in ("", "0.0 mL"))
    labels.change_asked.emit(window.study.scheme.label(5))
    change = window.dialogs.open
    assert isinstance(change, LabelDialog)
    change.name.setText("Bleed")
    change.choose_colour("#FFFFFF")
    change.accept()
    assert labels.names[5].text().strip() == "Bleed"
    assert window.view._masks.colours[5].name() == "#ffffff"
    failures: list[object] = []
    window.study.failed.disconnect(window.errors.show)
    window.study.failed.connect(failures.append)
    labels.delete_asked.emit(window.study.scheme.label(5))
    assert "history" in str(failures[0])  # the open mask holds it
    assert 5 in labels.names
    window.study.failed.disconnect()
    window.study.failed.connect(window.errors.show)
    window.study.session.use_scheme(GLIOMA_POST_TREATMENT)
    window.study.session.store.schemes.keep(GLIOMA_POST_TREATMENT)
    desk.key(KEY.Key_3)
    assert list(labels.names) == [1, 2, 3, 4]
    assert not window.commands["edit.label5"].isVisible()


def test_an_unused_label_is_deleted(desk: Desk) -> None:
    window = desk.window
    for name in ("Painted", "Unused"):  # the first takes the value that a test before has painted with
        new_label(desk, name).accept()
    label = window.study.scheme.named("Unused")
    assert label is not None and label.value in window.mask_panel.labels.menus
    window.mask_panel.labels.delete_asked.emit(label)
    desk.settle()
    assert [own.name for own in own_labels(window.study.scheme)] == ["Painted"]
    assert window.reading.brush.value != label.value
    painted = window.study.scheme.named("Painted").value
    window.reading.set_label(painted)
    window.reading.set_label_visible(painted, False)
    window.study.session.use_scheme(GLIOMA_POST_TREATMENT)  # as another workspace does, whose labels these are not
    assert window.reading.brush.value in GLIOMA_POST_TREATMENT.values and not window.reading.hidden
    window.study.session.store.schemes.keep(GLIOMA_POST_TREATMENT)


# the mirror check


def test_the_mirror_check_shows_the_difference_the_other_side_and_goes_away(desk: Desk) -> None:
    window = desk.window
    pane = desk.pane(AXIAL)
    before = pane.picture()[0].copy()
    desk.key(KEY.Key_B)
    desk.click_at(CENTRE)
    mask = desk.mask.copy()
    desk.key(KEY.Key_M, CTRL)
    assert window.commands["view.mirror"].isChecked()
    assert pane.header.text.startswith("T1Gd minus mirrored")
    picture, shown = pane.picture()
    assert shown.low == -shown.high
    _row, column = np.unravel_index(int(picture.argmax()), picture.shape)
    i = pane.plane.columns - 1 - column  # radiological: the patient's right is on the left
    assert abs(i - CENTRE[0]) < 10  # the lesion stands out on its own side
    assert pane.overlay.marks.midline and ET in pane.overlay.marks.opposite
    desk.key(KEY.Key_M, CTRL)
    assert pane.header.text.startswith("T1Gd mirrored")
    desk.key(KEY.Key_M, CTRL)
    assert np.array_equal(pane.picture()[0], before)
    assert not pane.overlay.marks.midline and not pane.overlay.marks.opposite
    assert np.array_equal(desk.mask, mask)  # it is for looking only
