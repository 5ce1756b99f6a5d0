"""Two visits beside each other: linked through a registration, in one grid, as a checkerboard, in turns."""

from __future__ import annotations

import numpy as np
import pytest
from stage import GRID, SHAPE, Stage, phantom_images

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.volume import Volume
from glioma_annotator.imaging.reslicing import Placement
from glioma_annotator.ui.viewer import comparing as comparing_module
from glioma_annotator.ui.viewer.comparing import Picture

OTHER = "2019-04-02 follow-up"
PLACE = np.eye(4)
PLACE[:3, 3] = (4.0, -5.0, 6.0)  # whole voxels: 4, 4 and 2


@pytest.fixture
def beside(stage: Stage) -> Stage:
    """Another visit that lies 4, -5 and 6 mm from this one, with a mask, in the layout of two visits."""
    affine = GRID.affine.copy()
    affine[:3, 3] += PLACE[:3, 3]
    labels = np.zeros(SHAPE, np.uint8)
    labels[18:23, 22:27, 6:11] = 3
    images = {name: Volume(volume.data, Grid(SHAPE, affine)) for name, volume in phantom_images().items()}
    del images["T2"]
    stage.view.show_other(images, labels, OTHER)
    stage.view.set_layout("timepoints")
    stage.view.comparing.set_picture(Picture.AS_SCANNED)
    stage.settle()
    return stage


def test_the_crosshair_follows_through_the_registration_both_ways(beside: Stage) -> None:
    view = beside.view
    view.comparing.place(Placement(PLACE))
    view.crosshair_index = (12, 20, 7)
    beside.settle()
    pane = beside.pane(1)
    assert pane.plane is not None
    assert pane.number == 7  # the same voxel, though it lies elsewhere in the world
    assert pane.overlay.marks.crosshair == pytest.approx(pane.plane.to_plane((12, 20, 7)))
    beside.click(1, beside.pixel(1, (30, 33, 7)))
    assert view.crosshair_index == (30, 33, 7)
    view.comparing.place(Placement(np.eye(4)))
    beside.settle()
    assert beside.pane(1).number == 5  # by the headers it lies two slices lower


def test_in_these_slices_the_other_visit_and_its_mask_lie_under_this_one(beside: Stage) -> None:
    view = beside.view
    view.comparing.place(Placement(PLACE))
    view.comparing.set_picture(Picture.REGISTERED)
    beside.settle()
    pane = beside.pane(1)
    picture, _ = pane.picture()
    here, _ = beside.pane(0).picture()
    np.testing.assert_allclose(picture, here, atol=1e-3)
    assert pane.overlay.marks.mask is not None
    assert "2019-04-02 in these slices" in pane.header.text
    beside.click(1, beside.pixel(1, (30, 33, 8)))
    assert view.crosshair_index == (30, 33, 8)
    view.comparing.place(Placement(np.eye(4)))
    beside.settle()
    assert np.abs(beside.pane(1).picture()[0] - here).max() > 10


def test_a_sequence_that_only_one_visit_has_says_so(beside: Stage) -> None:
    beside.view.comparing.set_picture(Picture.CHECKERBOARD)
    beside.view.set_pane_sequence("T2")
    beside.settle()
    assert "no T2" in beside.pane(1).header.text
    assert beside.pane(1).overlay.marks.note


def test_checkerboard_and_difference_show_both(beside: Stage) -> None:
    comparing = beside.view.comparing
    comparing.place(Placement(PLACE))
    comparing.set_picture(Picture.CHECKERBOARD)
    beside.settle()
    board, window = beside.pane(1).picture()
    assert (window.low, window.high) == (0, 1)
    assert board.min() >= 0
    assert board.max() <= 1
    assert "2019-10-21 and 2019-04-02" in beside.pane(1).header.text
    comparing.set_picture(Picture.DIFFERENCE)
    beside.settle()
    difference, window = beside.pane(1).picture()
    inside = difference[difference != window.low]
    assert np.abs(inside).max() < 1e-3  # the same head
    assert "less" in beside.pane(1).header.text


def test_in_turns_each_visit_stands_in_the_other_ones_place(beside: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing_module, "FLICKER_MS", 600_000)  # the test takes the turns
    comparing = beside.view.comparing
    comparing.set_picture(Picture.FLICKER)
    assert comparing.taking_turns
    for title in ("2019-10-21", "2019-04-02"):
        comparing.take_turn()
        beside.settle()
        assert title in beside.pane(1).header.text
    comparing.take_turn()
    beside.view.set_layout("planes")
    assert not comparing.taking_turns  # nothing takes turns where nobody sees it
    assert not comparing.swapped
    beside.view.set_layout("timepoints")
    comparing.set_picture(Picture.REGISTERED)
    comparing.swap(True)
    beside.settle()
    assert "2019-10-21" in beside.pane(1).header.text
    comparing.swap(False)
    beside.settle()
    assert "2019-04-02" in beside.pane(1).header.text


def test_changes_are_coloured_over_the_picture_beside(beside: Stage) -> None:
    comparing = beside.view.comparing
    changes = np.zeros(SHAPE, np.uint8)
    changes[10:14, 10:14, :] = 1
    comparing.set_picture(Picture.REGISTERED)
    comparing.set_changes(changes)
    beside.settle()
    marks = beside.pane(1).overlay.marks
    assert marks.heat is not None
    assert marks.mask is None
    assert marks.heat.extent != (slice(0, 0), slice(0, 0))
    comparing.set_changes(None)
    beside.settle()
    assert beside.pane(1).overlay.marks.heat is None


def test_tools_leave_the_other_visit_alone(beside: Stage) -> None:
    comparing = beside.view.comparing
    comparing.set_picture(Picture.REGISTERED)
    beside.settle()
    before = beside.labels.copy()
    beside.drag(1, [beside.pixel(1, (10, 10, 8)), beside.pixel(1, (20, 20, 8))])
    assert (beside.labels == before).all()


def test_the_axes_of_the_screen_follow_the_convention(beside: Stage) -> None:
    comparing = beside.view.comparing
    right, up, towards = comparing.screen_axes(2)
    assert right == pytest.approx((-1, 0, 0))  # radiological: the patient's right is on the left
    assert up == pytest.approx((0, 1, 0))
    assert towards == pytest.approx((0, 0, -1))
    beside.view.set_convention("neurological")
    assert comparing.screen_axes(2)[0] == pytest.approx((1, 0, 0))
    assert comparing.screen_axes(0)[0] == pytest.approx((0, -1, 0))  # sagittal: the face looks to the left
