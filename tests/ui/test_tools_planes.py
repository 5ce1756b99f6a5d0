"""Every tool in every plane, in the slice and through the slices, with real mouse paths."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from desk import CENTRE, CTRL, ET, GRID, KEY, RC, SHAPE, SHIFT, SNFH, Desk, lesion
from numpy.typing import NDArray
from PySide6.QtCore import Qt

from glioma_annotator.ui.reading_state import ToolName
from glioma_annotator.ui.tools.toolbox import WHOLE_MASK
from glioma_annotator.ui.viewer.measures import MeasureKind

#: Array axis normal to the plane of each pane.
AXES = {0: 2, 1: 1, 2: 0}

#: Tools in hand that this file works in every plane; those of the whole mask know no plane but `interpolate`.
IN_EVERY_PLANE = {
    ToolName.BRUSH, ToolName.ERASER, ToolName.LASSO, ToolName.POLYGON, ToolName.FILL, ToolName.PICK, ToolName.REGION,
    ToolName.SNAKE, ToolName.SEEDS, ToolName.INTERPOLATE, ToolName.BOX, ToolName.ACCEPT_BRUSH, ToolName.ACCEPT_PIECE,
    ToolName.FINDING_REGION, ToolName.CROSSHAIR,
}  # fmt: skip


class Hand:
    """A hand in one plane: places in mm from the middle of the lesion, along the plane's two array axes."""

    def __init__(self, desk: Desk, slot: int) -> None:
        self.desk = desk
        self.axis = AXES[slot]
        desk.look(slot)

    def place(self, u_mm: float, v_mm: float) -> tuple[float, float, float]:
        index = [float(v) for v in CENTRE]
        first, second = (a for a in range(3) if a != self.axis)
        index[first] += u_mm / GRID.spacing_mm[first]
        index[second] += v_mm / GRID.spacing_mm[second]
        return index[0], index[1], index[2]

    def click(self, u_mm: float = 0.0, v_mm: float = 0.0) -> None:
        self.desk.click_at(self.place(u_mm, v_mm))

    def drag(self, *places: tuple[float, float], modifiers: Qt.KeyboardModifier | None = None) -> None:
        self.desk.drag_along(*(self.place(*place) for place in places), modifiers=modifiers)

    @property
    def slices(self) -> list[int]:
        """Slices of this plane that hold labels."""
        other = tuple(a for a in range(3) if a != self.axis)
        return [int(v) for v in np.flatnonzero(self.desk.mask.any(axis=other))]

    @property
    def here(self) -> list[int]:
        return [CENTRE[self.axis]]

    def through(self, mm: float) -> list[int]:
        """Slices within `mm` of the lesion's middle."""
        n = int(mm / GRID.spacing_mm[self.axis] + 1e-9)
        return list(range(CENTRE[self.axis] - n, CENTRE[self.axis] + n + 1))

    def distance_mm(self) -> NDArray[np.float64]:
        """From the middle of the lesion, within the plane, for every voxel."""
        parts = [
            ((np.arange(n) - c) * mm) ** 2 if a != self.axis else np.zeros(n)
            for a, (n, c, mm) in enumerate(zip(SHAPE, CENTRE, GRID.spacing_mm, strict=True))
        ]
        i, j, k = np.meshgrid(*parts, indexing="ij")
        return np.asarray(np.sqrt(i + j + k))

    def in_slice(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.asarray(np.take(mask, CENTRE[self.axis], self.axis))


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


@pytest.fixture(params=[0, 1, 2], ids=["axial", "coronal", "sagittal"])
def hand(desk: Desk, request: pytest.FixtureRequest) -> Iterator[Hand]:
    yield Hand(desk, request.param)
    desk.window.reading.set_ball(False)
    for tool in (ToolName.LASSO, ToolName.POLYGON):
        desk.options(tool).depth_mm = 0.0
    desk.options(ToolName.FILL).extent = "slice"
    desk.options(ToolName.REGION).volume = True
    desk.options(ToolName.SMOOTH).method, desk.options(ToolName.LOGIC).logic = "median", "add"
    desk.view.aids.measuring.clear()


def test_every_tool_in_hand_is_worked_in_every_plane_here() -> None:
    assert set(ToolName) == IN_EVERY_PLANE | WHOLE_MASK


def test_the_brush_paints_a_disc_of_its_millimetres_in_the_slice_and_a_ball_through_slices(hand: Hand) -> None:
    desk = hand.desk
    desk.key(KEY.Key_B)
    desk.window.reading.set_diameter(9.0)
    hand.click()
    assert hand.slices == hand.here
    assert np.array_equal(hand.in_slice(desk.mask == ET), hand.in_slice(hand.distance_mm() <= 4.5))
    desk.editor.undo()
    desk.window.commands["edit.ball"].trigger()
    assert desk.window.reading.brush.ball
    hand.click()
    assert hand.slices == hand.through(4.5)


def test_the_outline_of_the_brush_is_what_a_click_paints(hand: Hand) -> None:
    desk = hand.desk
    desk.key(KEY.Key_B)
    desk.window.reading.set_diameter(7.0)
    at = desk.at(hand.place(0, 0))
    desk.move(desk.slot, at)
    pane = desk.pane(desk.slot)
    edges = {(min(e.x1(), e.x2()), min(e.y1(), e.y2()), max(e.x1(), e.x2()), max(e.y1(), e.y2()))
             for e in pane.overlay.marks.cursor}  # fmt: skip
    hand.click()
    mask = pane.overlay.marks.mask
    assert mask is not None
    painted = {(min(e.x1(), e.x2()), min(e.y1(), e.y2()), max(e.x1(), e.x2()), max(e.y1(), e.y2()))
               for e in mask.lines({ET})[ET]}  # fmt: skip
    assert edges == painted and edges


def test_a_fast_zigzag_of_the_brush_leaves_no_gap(hand: Hand) -> None:
    from scipy import ndimage

    desk = hand.desk
    desk.key(KEY.Key_B)
    desk.window.reading.set_diameter(4.0)
    hand.drag((-14, -14), (14, -6), (-14, 2), (14, 10))
    assert hand.slices == hand.here
    _, parts = ndimage.label(hand.in_slice(desk.mask == ET), structure=np.ones((3, 3)))
    assert parts == 1
    assert np.count_nonzero(desk.mask) > 60


def test_the_eraser_erases_in_the_slice_and_through_slices(hand: Hand) -> None:
    desk = hand.desk
    desk.editor.apply("all", np.full(SHAPE, SNFH, np.uint8))
    desk.key(KEY.Key_E)
    desk.window.reading.set_diameter(9.0)
    other = tuple(a for a in range(3) if a != hand.axis)
    hand.click()
    assert np.flatnonzero((desk.mask == 0).any(axis=other)).tolist() == hand.here
    desk.window.reading.set_ball(True)
    hand.click()
    assert np.flatnonzero((desk.mask == 0).any(axis=other)).tolist() == hand.through(4.5)


def test_threshold_and_adaptive_brush_keep_to_the_lesion(hand: Hand) -> None:
    desk = hand.desk
    desk.key(KEY.Key_T)
    desk.window.reading.set_diameter(4.0)
    hand.drag((-2, 0), (2, 0), modifiers=CTRL)  # an example
    assert not desk.mask.any()
    desk.window.reading.set_diameter(24.0)
    hand.drag((-4, 0), (4, 0))
    assert hand.slices == hand.here and not ((desk.mask == ET) & ~lesion()).any()
    assert dice(hand.in_slice(desk.mask == ET), hand.in_slice(lesion())) > 0.8  # the example's range is narrow
    desk.editor.undo()
    desk.key(KEY.Key_T, SHIFT)
    desk.window.toolbox.brush.tolerance_sd = 6.0
    desk.window.reading.set_diameter(16.0)
    hand.click()
    assert hand.slices == hand.here and desk.mask.any() and not ((desk.mask == ET) & ~lesion()).any()
    desk.window.reading.set_ball(True)
    hand.click()
    assert len(hand.slices) > 3 and not ((desk.mask == ET) & ~lesion()).any()


def test_lasso_and_polygon_fill_in_the_slice_and_cut_through_slices(hand: Hand) -> None:
    desk = hand.desk
    desk.key(KEY.Key_L)
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    hand.drag(*((8 * float(np.cos(a)), 8 * float(np.sin(a))) for a in angles))
    assert hand.slices == hand.here
    inside = hand.in_slice(desk.mask == ET)
    assert inside.sum() == pytest.approx(hand.in_slice(hand.distance_mm() <= 8).sum(), rel=0.12)
    desk.editor.undo()
    desk.key(KEY.Key_P)
    desk.options(ToolName.POLYGON).depth_mm = 4.0
    for corner in ((-8, -8), (8, -8), (8, 8), (-8, 8), (-8, -8)):
        hand.click(*corner)
    assert desk.pane(desk.slot).overlay.marks.sketch_closed
    desk.key(KEY.Key_Return)
    assert hand.slices == hand.through(4.0)
    assert desk.mask[CENTRE] == ET


def test_fill_fills_the_slice_or_all_that_is_connected_and_pick_takes_the_label(hand: Hand) -> None:
    desk = hand.desk
    desk.editor.apply("start", np.where(lesion(6), np.uint8(SNFH), np.uint8(0)))
    desk.key(KEY.Key_F)
    hand.click()
    assert np.array_equal(hand.in_slice(desk.mask == ET), hand.in_slice(lesion(6)))
    other = tuple(a for a in range(3) if a != hand.axis)
    assert np.flatnonzero((desk.mask == ET).any(axis=other)).tolist() == hand.here
    desk.editor.undo()
    desk.options(ToolName.FILL).extent = "volume"
    hand.click()
    assert np.array_equal(desk.mask == ET, lesion(6))
    desk.window.reading.set_label(RC)
    desk.key(KEY.Key_K)
    hand.click()
    assert desk.window.reading.brush.value == ET


def test_a_region_grows_in_the_slice_or_in_3d_and_a_snake_in_3d(hand: Hand) -> None:
    desk = hand.desk
    options = desk.options(ToolName.REGION)
    options.tolerance, options.volume = 40.0, False
    desk.key(KEY.Key_W)
    hand.click()
    assert desk.hatched()
    desk.key(KEY.Key_Return)
    assert hand.slices == hand.here
    assert np.array_equal(hand.in_slice(desk.mask == ET), hand.in_slice(lesion()))
    options.volume = True
    hand.click()
    desk.key(KEY.Key_Return)
    assert np.count_nonzero((desk.mask == ET) ^ lesion()) < 0.05 * np.count_nonzero(lesion())
    desk.editor.undo()
    desk.editor.undo()
    snake = desk.options(ToolName.SNAKE)
    snake.tolerance, snake.reach_mm = 50.0, 16.0
    desk.key(KEY.Key_S)
    hand.click()
    assert desk.hatched()
    desk.key(KEY.Key_Return)
    assert len(hand.slices) > 3 and desk.mask[CENTRE] == ET


def test_seeds_grow_within_a_box_dragged_in_the_plane(hand: Hand) -> None:
    desk = hand.desk
    desk.key(KEY.Key_B)
    desk.window.reading.set_diameter(5.0)
    desk.window.reading.set_ball(True)
    hand.click()
    desk.options(ToolName.SEEDS).depth_mm = 14.0
    desk.key(KEY.Key_G)
    hand.drag((-11, -12), (0, 0), (11, 12))
    assert desk.hatched()
    desk.key(KEY.Key_Return)
    grown = desk.mask == ET
    assert dice(grown, lesion()) > 0.85


def test_the_box_that_limits_editing_is_dragged_in_the_plane(hand: Hand) -> None:
    desk = hand.desk
    desk.window.commands["edit.box"].trigger()
    desk.options(ToolName.BOX).depth_mm = 4.0
    hand.drag((-6, -8), (6, 8))
    desk.editor.apply("Accept proposal (all)", np.full(SHAPE, ET, np.uint8))
    assert hand.slices == hand.through(4.0)
    first, second = (a for a in range(3) if a != hand.axis)
    for axis, mm in ((first, 6), (second, 8)):
        held = np.flatnonzero(desk.mask.any(axis=tuple(a for a in range(3) if a != axis)))
        n = int(mm / GRID.spacing_mm[axis])
        assert (held[0], held[-1]) == (CENTRE[axis] - n, CENTRE[axis] + n)


def test_interpolate_fills_between_the_slices_of_the_plane_in_hand(hand: Hand) -> None:
    desk = hand.desk
    labels = np.where(lesion(), np.uint8(ET), np.uint8(0))
    between = [hand.here[0] - 1, hand.here[0] + 1]
    index: list[object] = [slice(None)] * 3
    index[hand.axis] = between
    labels[tuple(index)] = 0
    desk.editor.apply("gaps", labels)
    desk.key(KEY.Key_I)
    assert desk.window.mask_panel.tool.note.text().startswith("2 slices filled")
    desk.key(KEY.Key_Return)
    wrong = np.count_nonzero((desk.mask == ET) ^ lesion())
    assert wrong < 0.1 * np.count_nonzero(lesion())
    other = tuple(a for a in range(3) if a != hand.axis)
    assert (desk.mask == ET).any(axis=other)[between].all()


@pytest.mark.parametrize("tool", [ToolName.MARGIN, ToolName.SMOOTH, ToolName.LOGIC, ToolName.COPY])
def test_a_tool_on_the_whole_mask_keeps_to_the_slice_when_asked(hand: Hand, tool: ToolName) -> None:
    desk = hand.desk
    start = np.where(lesion(), np.uint8(ET), np.uint8(0))
    hole = list(CENTRE)
    hole[next(a for a in range(3) if a != hand.axis)] += 3
    start[tuple(hole)] = 0
    desk.editor.apply("start", start)
    options = desk.options(tool)
    options.in_slice = True
    desk.options(ToolName.SMOOTH).method = "closing"
    desk.options(ToolName.LOGIC).logic = "intersect"
    desk.options(ToolName.COPY).source = next(iter(desk.window.toolbox.choices("sources")))
    desk.window.reading.set_tool(tool)
    desk.settle()
    assert desk.window.previewing.ready, desk.window.mask_panel.tool.note.text()
    desk.key(KEY.Key_Return)
    options.in_slice = False
    other = tuple(a for a in range(3) if a != hand.axis)
    assert np.flatnonzero((desk.mask != start).any(axis=other)).tolist() == hand.here


def test_a_preview_kept_to_the_slice_follows_the_slice_that_is_looked_at(hand: Hand) -> None:
    desk = hand.desk
    start = np.where(lesion(), np.uint8(ET), np.uint8(0))
    desk.editor.apply("start", start)
    desk.options(ToolName.MARGIN).in_slice = True
    desk.window.reading.set_tool(ToolName.MARGIN)
    desk.settle()
    assert desk.window.previewing.ready
    desk.view.activate(3)  # the surfaces were turned
    desk.window.toolbox.preview()
    assert desk.window.mask_panel.tool.note.text().startswith("The active pane shows no slice")
    desk.view.activate(desk.slot)
    desk.qtbot.waitUntil(lambda: desk.window.previewing.ready, timeout=60_000)
    desk.view.step_slice(1)
    assert not desk.window.previewing.ready
    desk.qtbot.waitUntil(lambda: desk.window.previewing.ready, timeout=60_000)
    desk.key(KEY.Key_Return)
    desk.options(ToolName.MARGIN).in_slice = False
    other = tuple(a for a in range(3) if a != hand.axis)
    assert np.flatnonzero((desk.mask != start).any(axis=other)).tolist() == [hand.here[0] + 1]


def test_a_proposal_is_taken_by_component_and_by_brush_in_the_slice_and_through_slices(hand: Hand) -> None:
    desk = hand.desk
    desk.propose(np.where(lesion(7), np.uint8(SNFH), np.uint8(0)))
    assert desk.hatched()
    desk.key(KEY.Key_A)
    desk.window.reading.set_diameter(9.0)
    hand.click()
    assert hand.slices == hand.here and (desk.mask[desk.mask > 0] == SNFH).all()
    desk.window.reading.set_ball(True)
    hand.click()
    assert hand.slices == hand.through(4.5)
    desk.key(KEY.Key_A, SHIFT)
    hand.click(6.5, 0)
    assert np.array_equal(desk.mask == SNFH, lesion(7))


def test_the_region_of_a_finding_is_drawn_in_the_plane(hand: Hand) -> None:
    desk = hand.desk
    drawn: list[tuple[int, int]] = []
    desk.window.toolbox.region_drawn.disconnect()
    desk.window.toolbox.region_drawn.connect(lambda _points, axis, number: drawn.append((axis, number)))
    desk.window.reading.set_tool(ToolName.FINDING_REGION)
    desk.settle()
    hand.drag((-6, -6), (6, -6), (6, 6), (-6, 6))
    assert drawn == [(hand.axis, CENTRE[hand.axis])]
    assert not desk.mask.any()


def test_with_no_tool_a_click_puts_the_crosshair_there(hand: Hand) -> None:
    hand.click(5.0, -6.0)
    assert np.allclose(hand.desk.view.crosshair_index, np.rint(hand.place(5.0, -6.0)), atol=1)
    assert hand.desk.view.crosshair_index[hand.axis] == CENTRE[hand.axis]
    assert not hand.desk.mask.any()


def test_ruler_and_diameters_measure_in_the_plane(hand: Hand) -> None:
    desk = hand.desk
    aids = desk.view.aids
    aids.measure(MeasureKind.RULER)
    hand.drag((-8, 0), (8, 0))
    aids.measure(MeasureKind.DIAMETERS)
    hand.drag((-8, 2), (8, 2))
    ruler, diameters = aids.measuring.items
    assert ruler.axis == diameters.axis == hand.axis
    assert ruler.long_mm == pytest.approx(16.0, abs=0.5)
    assert diameters.long_mm == pytest.approx(16.0, abs=0.5)
    aids.measure(None)


def test_the_mask_moves_slice_by_slice_in_the_plane(hand: Hand) -> None:
    desk = hand.desk
    desk.editor.apply("start", np.where(lesion(4), np.uint8(ET), np.uint8(0)))
    desk.view.next_slice_with_label(ET, 1)
    place = list(CENTRE)
    place[hand.axis] += 1
    assert desk.view.crosshair_index == tuple(place)
    desk.view.step_slice(30)
    desk.view.next_slice_with_label(ET, -1)
    last = max(hand.slices)
    assert desk.view.crosshair_index[hand.axis] == last
