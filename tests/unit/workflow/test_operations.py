"""Operations: results, notes, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import Cancelled, UserError
from glioma_annotator.progress import CancelToken, Progress, ignore_progress
from glioma_annotator.workflow import seeded_operations as seeded
from glioma_annotator.workflow.difference import Difference, label_changes
from glioma_annotator.workflow.operations import (
    CombineWith,
    CopyFrom,
    Interpolate,
    Margin,
    Operation,
    Result,
    Smooth,
    Snapshot,
    show_nothing,
)

GRID = Grid((20, 20, 20), np.diag([1.0, 1.0, 2.0, 1.0]))
SCHEME = GLIOMA_POST_TREATMENT
NETC, SNFH, ET = 1, 2, 3


def snapshot(labels: LabelArray | None = None) -> Snapshot:
    image = np.full(GRID.shape, 100, np.float32)
    image[6:14, 6:14, 6:14] = 200
    empty = np.zeros(GRID.shape, np.uint8)
    return Snapshot(empty if labels is None else labels, GRID, SCHEME, {"T1Gd": Volume(image, GRID)})


def block() -> LabelArray:
    labels = np.zeros(GRID.shape, np.uint8)
    labels[8:12, 8:12, 8:12] = ET
    return labels


def run(operation: Operation, on: Snapshot) -> Result:
    before = on.labels.copy()
    result = operation.run(on, ignore_progress, CancelToken(), show_nothing)
    assert np.array_equal(on.labels, before), "an operation changes nothing itself"
    return result


@pytest.mark.parametrize("operation", [Interpolate(ET, 2), Margin(ET, 2.0), Smooth(ET, "median", 2.0)])
def test_a_label_that_is_absent_is_named(operation: Operation) -> None:
    with pytest.raises(UserError, match="holds no ET"):
        run(operation, snapshot())


def test_a_margin_below_a_voxel_is_refused_with_the_voxel_size() -> None:
    with pytest.raises(UserError, match="1 x 1 x 2 mm"):
        run(Margin(ET, 0.4), snapshot(block()))


def test_growing_and_shrinking_are_noted_in_millimetres_and_millilitres() -> None:
    grown = run(Margin(ET, 2.5), snapshot(block()))
    assert grown.note.startswith("Realised 2 x 2 x 2 mm (2 x 2 x 1 voxels); ET ")
    shrunk = run(Margin(ET, -1.0), snapshot(block()))
    assert (shrunk.labels == ET).sum() == 2 * 2 * 4  # 2 mm slices lie too far apart to shrink by 1 mm
    assert shrunk.note.endswith("-0.10 mL")
    assert Margin(ET, -1.0).title(SCHEME) == "Shrink ET by 1 mm"


def test_interpolation_counts_the_slices_it_fills() -> None:
    labels = block()
    labels[:, :, 9:11] = 0
    assert run(Interpolate(ET, 2), snapshot(labels)).note.startswith("2 slices filled")
    labels[:, :, 10] = block()[:, :, 10]
    assert run(Interpolate(ET, 2), snapshot(labels)).note.startswith("1 slice filled")
    with pytest.raises(UserError, match="No empty sagittal slice"):
        run(Interpolate(ET, 0), snapshot(labels))


def test_a_region_and_a_fill_by_intensity_agree() -> None:
    grown = run(seeded.GrowRegion((10, 10, 10), NETC, "T1Gd", 50.0, 40.0), snapshot()).labels
    filled = run(seeded.Fill((10, 10, 10), NETC, "intensity", "volume", 2, "T1Gd", 50.0), snapshot()).labels
    assert np.array_equal(grown, filled)
    assert (grown == NETC).sum() == 8**3
    everywhere = seeded.Fill((0, 0, 0), NETC, "intensity", "everywhere", 2, "T1Gd", 50.0)
    assert (run(everywhere, snapshot()).labels == NETC).sum() == 20**3 - 8**3


@pytest.mark.parametrize(
    "operation",
    [
        seeded.GrowRegion((3, 3, 3), NETC, "T1Gd", 50.0, 40.0),
        seeded.Fill((3, 3, 3), NETC, "intensity", "slice", 2, "T1Gd", 50.0),
    ],
)
def test_a_bright_speck_that_was_clicked_is_said_to_be_unlike_its_surroundings(operation: Operation) -> None:
    on = snapshot()
    on.images["T1Gd"].data[3, 3, 3] = 300
    with pytest.raises(UserError, match=r"differs in T1Gd from those around it.*Raise the tolerance"):
        run(operation, on)


def test_a_sequence_that_the_visit_lacks_is_named() -> None:
    with pytest.raises(UserError, match="has no FLAIR"):
        run(seeded.GrowRegion((10, 10, 10), NETC, "FLAIR", 50.0, 40.0), snapshot())


def test_seeds_outside_the_box_are_missed() -> None:
    with pytest.raises(UserError, match="no painted voxel"):
        run(seeded.GrowFromSeeds(Box((0, 0, 0), (5, 5, 5)), ("T1Gd",)), snapshot(block()))


def test_a_snake_shows_its_steps_and_stops_when_it_is_told_to() -> None:
    shown: list[LabelArray] = []
    token = CancelToken()

    def report(progress: Progress) -> None:
        if len(shown) == 2:
            token.cancel()

    snake = seeded.Snake((10, 10, 10), ET, "T1Gd", 60.0, 2.0, 0.4, 12.0)
    with pytest.raises(Cancelled):
        snake.run(snapshot(), report, token, shown.append)
    assert len(shown) == 2
    assert 0 < (shown[0] == ET).sum() < (shown[1] == ET).sum()


def test_copying_what_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="Revision 1 holds no SNFH"):
        run(CopyFrom(block(), (SNFH,), "Revision 1"), snapshot())
    with pytest.raises(UserError, match="Every label is locked"):
        run(CopyFrom(block(), (), "Revision 1"), snapshot())


def test_logic_is_named_after_what_it_does() -> None:
    other = np.roll(block(), 2, axis=0)
    operation = CombineWith(ET, other, ET, "intersect", "Revision 4")
    assert operation.title(SCHEME) == "Intersect ET of Revision 4"
    assert (run(operation, snapshot(block())).labels == ET).sum() == 2 * 4 * 4


def test_a_difference_says_what_is_added_and_removed_and_follows_the_mask() -> None:
    present, proposed = block(), np.roll(block(), 2, axis=0)
    difference = Difference(present, proposed)
    assert (difference.added == ET).sum() == (difference.removed == ET).sum() == 2 * 4 * 4
    assert len(difference.component((13, 9, 9))) == 32
    assert len(difference.component((8, 9, 9))) == 32
    assert difference.component((11, 9, 9)).size == 0
    present[12:14] = proposed[12:14]
    difference.refresh(Box((12, 0, 0), (14, 20, 20)))
    assert not difference.added.any() and not difference.empty
    present[0, 0, 0] = NETC  # beyond what the proposal had changed so far
    difference.refresh(Box((0, 0, 0), (1, 1, 1)))
    assert difference.removed[0, 0, 0] == NETC
    assert difference.component((0, 0, 0)).tolist() == [0]
    assert difference.place_to_see((0, 19, 19)) == (8, 8, 8)  # one voxel of 33 lies in the first slice
    with pytest.raises(ValueError, match="shape"):
        Difference(present, proposed[:5])


def test_changes_between_masks_in_dice_and_millilitres() -> None:
    before, after = block(), np.roll(block(), 2, axis=0)
    et, netc = label_changes(before, after, [("ET", (ET,)), ("NETC", (NETC,))], GRID.voxel_volume_ml)
    assert et.dice == pytest.approx(0.5)
    assert (et.before_ml, et.after_ml) == pytest.approx((0.128, 0.128))
    assert (et.added_ml, et.removed_ml) == pytest.approx((0.064, 0.064))
    assert (netc.dice, netc.before_ml, netc.added_ml) == (1.0, 0.0, 0.0)


def test_a_few_voxels_in_a_slice_do_not_keep_the_view_there() -> None:
    present = np.zeros((12, 12, 12), np.uint8)
    proposed = present.copy()
    proposed[2:8, 2:8, 4:6] = 1
    proposed[2, 2:5, 6] = proposed[2, 2:7, 7] = 1
    difference = Difference(present, proposed)
    assert difference.place_to_see((3, 3, 6)) == (3, 3, 4)  # 3 of 36
    assert difference.place_to_see((3, 3, 7)) == (3, 3, 7)  # 5


def test_the_place_to_see_a_proposal_moves_only_along_the_planes_that_show_none_of_it() -> None:
    present, proposed = np.zeros((8, 9, 10), np.uint8), np.zeros((8, 9, 10), np.uint8)
    proposed[2, 3, 4] = proposed[5, 3, 6] = proposed[5, 4, 6] = 2
    difference = Difference(present, proposed)
    assert difference.place_to_see((0, 0, 0)) == (5, 3, 6)
    assert difference.place_to_see((2, 0, 0)) == (2, 3, 6)
    assert difference.place_to_see((2, 4, 4)) == (2, 4, 4)
    assert Difference(present, present.copy()).place_to_see((1, 2, 3)) == (1, 2, 3)
    erased = np.zeros_like(present)
    present[7, 7, 7] = 1
    assert Difference(present, erased).place_to_see((0, 0, 0)) == (7, 7, 7)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_operation_kept_to_a_slice_measures_within_it_and_leaves_the_others(axis: int) -> None:
    grid = Grid((11, 12, 13), np.diag([1.0, 1.5, 3.0, 1.0]))
    labels = np.zeros(grid.shape, np.uint8)
    labels[4:7, 4:8, 5:8] = 3
    on = Snapshot(labels, grid, GLIOMA_POST_TREATMENT, {})
    part = tuple(slice(5, 6) if a == axis else slice(None) for a in range(3))
    for mm in (3.0, -1.5):
        result = Margin(3, mm, only=(axis, 5)).run(on, ignore_progress, CancelToken(), show_nothing)
        changed = result.labels != labels
        inside = np.zeros_like(changed)
        inside[part] = True
        assert changed.any() and not (changed & ~inside).any()
        assert result.note.split("(")[1].split(" voxels")[0].split(" x ")[axis] == "0"
    grown = Margin(3, 3.0, only=(axis, 5)).run(on, ignore_progress, CancelToken(), show_nothing).labels == 3
    reach = [0 if a == axis else int(3.0 / mm) for a, mm in enumerate(grid.spacing_mm)]
    held = [np.flatnonzero(grown[part].any(axis=tuple(b for b in range(3) if b != a))) for a in range(3)]
    was = [np.flatnonzero((labels == 3)[part].any(axis=tuple(b for b in range(3) if b != a))) for a in range(3)]
    for a in range(3):
        if a != axis:
            assert (was[a][0] - held[a][0], held[a][-1] - was[a][-1]) == (reach[a], reach[a])
    with pytest.raises(UserError, match="The slice holds no ET"):
        Smooth(3, "median", 2.0, only=(axis, 0)).run(on, ignore_progress, CancelToken(), show_nothing)
