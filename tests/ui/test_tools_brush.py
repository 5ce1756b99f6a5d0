"""Brush and eraser, from the mouse to the voxels."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from stage import CROSSHAIR, GRID, SHAPE, SPACING_MM, Stage

from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.ui.tools.base import PointerEvent
from glioma_annotator.ui.tools.brush import LARGEST_MM, SMALLEST_MM, BrushSettings, BrushTool
from glioma_annotator.workflow.editing import Editor

AXIAL, CORONAL, SAGITTAL = 0, 1, 2
AXES = {AXIAL: 2, CORONAL: 1, SAGITTAL: 0}
LEFT = Qt.MouseButton.LeftButton


def hold(stage: Stage, settings: BrushSettings, erases: bool = False) -> None:
    stage.view.set_tool(BrushTool(stage.editor, settings, erases))
    stage.settle()


def outlined(stage: Stage, slot: int) -> set[tuple[int, int]]:
    """Row and column of the voxels inside the outline of a pane: an odd number of edges to their left."""
    pane = stage.pane(slot)
    assert pane.plane is not None
    edges = [line for line in pane.overlay.marks.cursor if line.x1() == line.x2()]
    inside = set()
    for row in range(pane.plane.rows):
        for column in range(pane.plane.columns):
            crossed = sum(1 for e in edges if e.x1() <= column and e.y1() <= row < e.y2())
            if crossed % 2:
                inside.add((row, column))
    return inside


@pytest.mark.parametrize("slot", [AXIAL, CORONAL, SAGITTAL])
@pytest.mark.parametrize("ball", [False, True])
def test_a_click_paints_what_the_outline_showed(stage: Stage, slot: int, ball: bool) -> None:
    hold(stage, BrushSettings(9.0, ball, 3))
    at = stage.pixel(slot, (CROSSHAIR[0] + 0.3, CROSSHAIR[1] - 0.2, CROSSHAIR[2] + 0.1))
    stage.move(slot, at)
    shown = outlined(stage, slot)
    stage.click(slot, at)
    pane = stage.pane(slot)
    assert pane.plane is not None
    painted = pane.plane.picture(stage.labels, CROSSHAIR[AXES[slot]]) == 3
    assert shown == {(int(r), int(c)) for r, c in np.argwhere(painted)}
    assert len(shown) > 5
    other_slices = np.delete(stage.labels, CROSSHAIR[AXES[slot]], axis=AXES[slot])
    assert other_slices.any() == ball


@pytest.mark.parametrize("slot", [AXIAL, CORONAL, SAGITTAL])
def test_a_dab_is_round_in_millimetres(stage: Stage, slot: int) -> None:
    hold(stage, BrushSettings(12.0, False, 1))
    stage.click(slot, stage.pixel(slot, CROSSHAIR))
    voxels = np.argwhere(stage.labels)
    distance = np.linalg.norm((voxels - CROSSHAIR) * SPACING_MM, axis=1)
    assert distance.max() <= 6.0
    everything = np.argwhere(np.ones(SHAPE, dtype=np.bool_))
    flat = everything[everything[:, AXES[slot]] == CROSSHAIR[AXES[slot]]]
    near = np.linalg.norm((flat - CROSSHAIR) * SPACING_MM, axis=1) <= 6.0
    assert len(voxels) == near.sum()


@pytest.mark.parametrize("notches", [-10, 0, 18], ids=["a quarter", "as it comes", "twelve times"])
def test_a_fast_zigzag_leaves_no_gap_at_any_zoom(stage: Stage, notches: int) -> None:
    from scipy.ndimage import label

    before = stage.pane(AXIAL).overlay.marks.zoom
    stage.wheel(AXIAL, stage.pixel(AXIAL, CROSSHAIR), notches, Qt.KeyboardModifier.ControlModifier)
    assert stage.pane(AXIAL).overlay.marks.zoom == pytest.approx(before * max(1.15**notches, 0.2))
    hold(stage, BrushSettings(1.0, False, 2))
    corners = [(8, 8), (36, 14), (8, 24), (36, 34), (8, 44)]
    stage.drag(AXIAL, [stage.pixel(AXIAL, (i, j, 8)) for i, j in corners])
    painted = stage.labels[:, :, 8] == 2
    assert all(painted[i, j] for i, j in corners)
    assert label(painted, structure=np.ones((3, 3)))[1] == 1
    assert stage.editor.undo_names == ("Brush SNFH",)
    stage.editor.undo()
    assert not stage.labels.any()


def test_the_stroke_goes_on_in_the_slice_scrolled_to(stage: Stage) -> None:
    hold(stage, BrushSettings(4.0, False, 3))
    at = stage.pixel(AXIAL, CROSSHAIR)
    stage.mouse(QEvent.Type.MouseButtonPress, AXIAL, at, LEFT, LEFT)
    stage.wheel(AXIAL, at, 1)
    stage.wheel(AXIAL, at, 1)
    stage.mouse(QEvent.Type.MouseMove, AXIAL, at + QPointF(30, 0), Qt.MouseButton.NoButton, LEFT)
    stage.mouse(QEvent.Type.MouseButtonRelease, AXIAL, at + QPointF(30, 0), LEFT)
    slices = np.flatnonzero(stage.labels.any(axis=(0, 1)))
    assert slices.tolist() == [8, 9, 10]
    assert stage.labels[:, :, 10].sum() > stage.labels[:, :, 9].sum()
    assert len(stage.editor.undo_names) == 1


def test_the_eraser_takes_away_and_spares_locked_labels(stage: Stage) -> None:
    stage.labels[:, 10:25, 8] = 2
    stage.labels[:, 25:40, 8] = 4
    stage.editor.set_locked(4, True)
    hold(stage, BrushSettings(8.0, False, 3), erases=True)
    stage.drag(AXIAL, [stage.pixel(AXIAL, (20, j, 8)) for j in (15, 35)])
    assert stage.labels[20, 15, 8] == 0
    assert stage.labels[20, 35, 8] == 4


def test_a_fast_second_click_paints_again_and_maximises_nothing(stage: Stage) -> None:
    hold(stage, BrushSettings(4.0, False, 1))
    stage.double_click(AXIAL, stage.pixel(AXIAL, CROSSHAIR))
    assert stage.labels.any()
    assert all(pane.isVisible() for pane in stage.view.panes)
    assert not stage.editor.stroke_active


def test_putting_the_tool_away_ends_the_stroke(stage: Stage) -> None:
    hold(stage, BrushSettings(4.0, False, 1))
    stage.mouse(QEvent.Type.MouseButtonPress, AXIAL, stage.pixel(AXIAL, CROSSHAIR), LEFT, LEFT)
    assert stage.editor.stroke_active
    stage.view.set_tool(None)
    assert not stage.editor.stroke_active
    assert stage.editor.undo_names == ("Brush NETC",)
    stage.mouse(QEvent.Type.MouseButtonRelease, AXIAL, stage.pixel(AXIAL, CROSSHAIR), LEFT)


@pytest.mark.parametrize("how", ["layout", "visit", "clear", "state"])
def test_a_stroke_is_kept_when_the_picture_goes_away_under_it(stage: Stage, how: str) -> None:
    hold(stage, BrushSettings(4.0, False, 1))
    at = stage.pixel(AXIAL, CROSSHAIR)
    stage.mouse(QEvent.Type.MouseButtonPress, AXIAL, at, LEFT, LEFT)
    if how == "layout":
        stage.view.set_layout("sequences")
    elif how == "visit":
        stage.show()
    elif how == "clear":
        stage.view.clear()
    else:
        stage.view.restore({})
    assert not stage.editor.stroke_active
    assert stage.editor.undo_names == ("Brush NETC",)
    stage.mouse(QEvent.Type.MouseButtonRelease, AXIAL, at, LEFT)
    stage.settle()


def test_the_outline_is_gone_when_the_pointer_leaves_or_the_tool_does(stage: Stage) -> None:
    hold(stage, BrushSettings(9.0, False, 1))
    stage.move(AXIAL, stage.pixel(AXIAL, CROSSHAIR))
    assert stage.pane(AXIAL).overlay.marks.cursor
    stage.move(CORONAL, stage.pixel(CORONAL, CROSSHAIR))
    assert not stage.pane(AXIAL).overlay.marks.cursor
    assert stage.pane(CORONAL).overlay.marks.cursor
    stage.view.set_tool(None)
    assert not stage.pane(CORONAL).overlay.marks.cursor


def test_the_outline_grows_with_the_brush(stage: Stage) -> None:
    settings = BrushSettings(6.0, False, 1)
    hold(stage, settings)
    stage.move(AXIAL, stage.pixel(AXIAL, CROSSHAIR))
    before = len(outlined(stage, AXIAL))
    settings.resize(5)
    stage.view.refresh_cursor()
    assert len(outlined(stage, AXIAL)) > before


def test_a_tool_does_not_act_on_the_other_visit(stage: Stage) -> None:
    stage.view.show_other(stage.images, None, "2019-04-02")
    stage.view.set_layout("timepoints")
    hold(stage, BrushSettings(6.0, False, 1))
    stage.click(1, stage.pixel(1, (30, 30, 8)))
    assert not stage.labels.any()
    assert stage.view.crosshair_index == (30, 30, 8)


def test_sizes_stay_within_limits_and_change_by_at_least_half_a_millimetre() -> None:
    settings = BrushSettings(1.0)
    settings.resize(-10)
    assert settings.diameter_mm == SMALLEST_MM
    settings.resize(1)
    assert settings.diameter_mm == SMALLEST_MM + 0.5
    settings.resize(1000)
    assert settings.diameter_mm == LARGEST_MM


def test_a_brush_larger_than_the_grid_is_outlined_within_it(stage: Stage) -> None:
    hold(stage, BrushSettings(100.0, False, 1))
    stage.move(AXIAL, stage.pixel(AXIAL, CROSSHAIR))
    assert len(outlined(stage, AXIAL)) == SHAPE[0] * SHAPE[1]


def test_a_mask_that_may_not_be_edited_stays_as_it_is() -> None:
    labels = np.zeros(SHAPE, dtype=np.uint8)
    tool = BrushTool(Editor(labels, GRID, GLIOMA_POST_TREATMENT, None), BrushSettings(6.0))
    event = PointerEvent(2, (10.0, 10.0, 10.0))
    tool.press(event)
    tool.move(event)
    tool.release(event)
    assert not labels.any()
