"""What is on the screen, read from its pixels."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtGui import QColor
from stage import BRIGHT, CROSSHAIR, GRID, SHAPE, Stage, Watch, phantom_images

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.sequences import Window
from glioma_annotator.domain.volume import Volume
from glioma_annotator.ui.viewer.surface_pane import SurfacePane

AXIAL, CORONAL, SAGITTAL = 0, 1, 2
AXES = {AXIAL: 2, CORONAL: 1, SAGITTAL: 0}


def near(colour: QColor, name: str, tolerance: int = 40) -> bool:
    wanted = QColor(name)
    return all(
        abs(a - b) <= tolerance
        for a, b in zip(colour.getRgb()[:3], wanted.getRgb()[:3], strict=True)
    )  # fmt: skip


@pytest.mark.parametrize("slot", [AXIAL, CORONAL, SAGITTAL])
@pytest.mark.parametrize("convention", ["radiological", "neurological"])
def test_image_and_mask_agree_on_where_a_voxel_is(stage: Stage, slot: int, convention: str) -> None:
    view = stage.view
    view.set_smooth(False)
    view.set_convention(convention)
    view.set_crosshair_visible(False)
    view.crosshair_index = BRIGHT
    stage.settle()
    assert stage.colour(slot, BRIGHT).red() > 200
    for axis in range(3):
        if axis != AXES[slot]:
            beside = list(BRIGHT)
            beside[axis] -= 1
            assert stage.colour(slot, (beside[0], beside[1], beside[2])).red() < 80
    view.set_smooth(True)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("lowest", [0.1, -0.4])
def test_intensities_of_any_size_are_seen_in_their_window(stage: Stage, scale: float, lowest: float) -> None:
    """Apparent diffusion in m²/s is a billionth."""
    ramp = np.broadcast_to(np.linspace(lowest, lowest + 0.9, SHAPE[0], dtype=np.float32)[:, None, None], SHAPE)
    image = Volume(ramp * np.float32(scale), GRID)
    windows = {"ADC": Window(lowest * scale, (lowest + 0.9) * scale)}
    stage.view.show_images({"ADC": image}, stage.labels, GLIOMA_POST_TREATMENT, windows, "2019-10-21")
    stage.view.set_crosshair_visible(False)
    stage.settle()
    greys = [stage.colour(AXIAL, (i, 8, 8)).red() for i in (1, 22, 42)]
    assert greys == pytest.approx([6, 130, 249], abs=4)


@pytest.mark.parametrize(("convention", "on_the_left"), [("radiological", True), ("neurological", False)])
def test_paint_at_the_patients_right_is_on_the_side_the_convention_says(
    stage: Stage, convention: str, on_the_left: bool
) -> None:
    stage.view.set_convention(convention)
    stage.view.set_mask_style("fill", 1.0)
    right = Box((34, 20, 8), (40, 26, 9))  # large i: the patient's right
    stage.labels[right.slices] = 3
    stage.view.labels_changed(right)
    stage.settle()
    picture = stage.picture()
    pane = stage.pane(AXIAL)
    corner = pane.overlay.mapTo(stage.view, pane.overlay.rect().topLeft())
    painted = [
        x
        for x in range(pane.overlay.width())
        for y in range(0, pane.overlay.height(), 4)
        if near(picture(corner.x() + x, corner.y() + y), "#F0E442")
    ]
    assert painted
    assert (np.mean(painted) < pane.overlay.width() / 2) == on_the_left


def test_a_change_is_drawn_where_it_is_shown_and_nowhere_else(stage: Stage) -> None:
    stage.view.set_mask_style("fill", 1.0)
    stage.settle()
    paints = [Watch(stage.pane(slot).overlay) for slot in (AXIAL, CORONAL, SAGITTAL)]
    box = Box((30, 30, 8), (33, 33, 9))  # crosses the axial slice shown, not the coronal and sagittal ones
    stage.labels[box.slices] = 1
    stage.view.labels_changed(box)
    stage.qtbot.waitUntil(lambda: paints[AXIAL].paints > 0)
    assert [p.paints for p in paints[1:]] == [0, 0]
    assert near(stage.colour(AXIAL, (31, 31, 8)), "#D55E00")


def test_the_mask_is_shared_not_copied(stage: Stage) -> None:
    mask = stage.pane(AXIAL).overlay.marks.mask
    assert mask is not None
    assert np.shares_memory(mask._labels, stage.labels)


def test_a_hidden_mask_and_a_hidden_label_are_not_drawn(stage: Stage) -> None:
    stage.view.set_mask_style("fill", 1.0)
    stage.labels[28:32, 28:32, 8] = 4
    stage.view.labels_changed(Box.whole(SHAPE))
    assert near(stage.colour(AXIAL, (30, 30, 8)), "#56B4E9")
    stage.view.set_label_visible(4, False)
    grey = stage.colour(AXIAL, (30, 30, 8))
    assert grey.red() == grey.green() == grey.blue()
    stage.view.set_label_visible(4, True)
    stage.view.set_mask_visible(False)
    assert stage.colour(AXIAL, (30, 30, 8)) == grey


def test_an_outline_leaves_the_inside_free(stage: Stage) -> None:
    stage.labels[26:33, 26:33, 8] = 4
    stage.view.labels_changed(Box.whole(SHAPE))
    stage.view.set_mask_style("outline", 0.45)
    inside = stage.colour(AXIAL, (29, 29, 8))
    assert inside.red() == inside.green() == inside.blue()
    assert near(stage.colour(AXIAL, (25.5, 29, 8)), "#56B4E9", 90)


def test_a_proposal_is_hatched_and_leaves_the_mask_alone(stage: Stage) -> None:
    proposal = np.zeros(SHAPE, dtype=np.uint8)
    proposal[24:36, 26:38, 8] = 3
    stage.view.set_proposal(proposal)
    stage.view.set_crosshair_visible(False)
    picture = stage.picture()
    pane = stage.pane(AXIAL)
    at = pane.overlay.mapTo(stage.view, stage.pixel(AXIAL, (30, 31, 8)).toPoint())
    patch = {picture(at.x() + dx, at.y() + dy).name() for dx in range(16) for dy in range(16)}
    assert any(near(QColor(name), "#F0E442", 60) for name in patch)
    assert any(QColor(name).red() < 60 for name in patch)  # the image between the hatches
    assert not stage.labels.any()
    stage.view.set_proposal(None)
    assert stage.colour(AXIAL, (30, 31, 8)).red() < 60


def test_an_absent_sequence_leaves_a_note(stage: Stage) -> None:
    del stage.images["T1"]
    stage.show()
    stage.view.set_layout("sequences")
    stage.settle()
    assert stage.pane(0).header.text.startswith("no T1")
    assert "no T1" in stage.pane(0).overlay.marks.note
    assert stage.pane(1).header.text == f"T1Gd axial {CROSSHAIR[2] + 1}/{SHAPE[2]} 2019-10-21"


def test_a_visit_without_the_chosen_sequence_shows_the_best_it_has(stage: Stage) -> None:
    stage.view.set_pane_sequence("FLAIR")
    del stage.images["FLAIR"]
    stage.show()
    assert stage.pane(AXIAL).header.text.startswith("T1Gd axial")
    assert stage.view.panes[AXIAL].accessibleName().startswith("Pane 1: T1Gd axial")


def test_another_visit_without_the_sequence_says_so(stage: Stage) -> None:
    stage.view.show_other({"T2": stage.images["T2"]}, None, "2019-04-02")
    stage.view.set_layout("timepoints")
    stage.settle()
    assert stage.pane(1).header.text.startswith("no T1Gd")


def test_a_window_of_no_width_is_drawn_as_black_and_white(stage: Stage) -> None:
    stage.view.set_crosshair_visible(False)
    stage.view.set_window("T1Gd", Window(100.0, 100.0))
    stage.view.crosshair_index = BRIGHT
    stage.settle()
    assert stage.colour(AXIAL, BRIGHT).red() == 255
    assert stage.colour(AXIAL, CROSSHAIR).red() == 0


def test_another_visit_is_shown_at_the_same_place_in_millimetres(stage: Stage) -> None:
    shift = 6.0  # mm: the other grid starts two slices higher
    affine = GRID.affine.copy()
    affine[2, 3] = shift
    other = {"T1Gd": Volume(phantom_images()["T1Gd"].data, Grid(SHAPE, affine))}
    stage.view.show_other(other, None, "2019-04-02")
    stage.view.set_layout("timepoints")
    stage.settle()
    assert stage.pane(0).number == CROSSHAIR[2]
    assert stage.pane(1).number == CROSSHAIR[2] - 2
    assert "2019-04-02" in stage.pane(1).header.text


def test_without_another_visit_the_place_beside_says_so(stage: Stage) -> None:
    stage.view.show_other(None)
    stage.view.set_layout("timepoints")
    stage.settle()
    assert stage.pane(1).overlay.marks.note.startswith("No other visit")
    stage.view.say_beside("Opening 2019-04-02…")
    stage.settle()
    assert stage.pane(1).overlay.marks.note == "Opening 2019-04-02…"
    stage.view.say_beside("No other visit to compare with.")


def test_voxels_keep_their_shape_in_millimetres(stage: Stage) -> None:
    a = stage.pixel(CORONAL, (10, CROSSHAIR[1], 5))
    b = stage.pixel(CORONAL, (13, CROSSHAIR[1], 6))
    assert abs(b.x() - a.x()) == pytest.approx(abs(b.y() - a.y()))  # 3 voxels of 1 mm, 1 voxel of 3 mm


def test_the_surface_of_a_label_at_the_right_is_on_the_left_seen_from_the_front(stage: Stage) -> None:
    stage.labels[34:40, 20:30, 6:12] = 3
    stage.view.set_layout("3d")
    pane = stage.view.panes[0]
    assert isinstance(pane, SurfacePane)
    pane.azimuth, pane.elevation = 0.0, 0.0
    with stage.qtbot.waitSignal(pane.surfaces_shown):
        stage.view.labels_changed(Box.whole(SHAPE))
    stage.settle()
    picture = stage.picture()
    corner = pane.overlay.mapTo(stage.view, pane.overlay.rect().topLeft())
    yellow = []
    for x in range(0, pane.overlay.width(), 4):
        for y in range(0, pane.overlay.height(), 4):
            colour = picture(corner.x() + x, corner.y() + y)
            if colour.red() > 40 and colour.blue() < 0.7 * colour.red():
                yellow.append(x)
    assert yellow
    assert np.mean(yellow) < pane.overlay.width() / 2
    assert pane.overlay.marks.letters == ("R", "L", "S", "I")


def test_label_colours_come_from_the_scheme(stage: Stage) -> None:
    stage.view.set_mask_style("fill", 1.0)
    stage.view.set_crosshair_visible(False)
    for n, label in enumerate(GLIOMA_POST_TREATMENT.labels):
        stage.labels[8 * n + 4 : 8 * n + 8, 30:34, 8] = label.value
    stage.view.labels_changed(Box.whole(SHAPE))
    for n, label in enumerate(GLIOMA_POST_TREATMENT.labels):
        assert near(stage.colour(AXIAL, (8 * n + 6, 32, 8)), label.colour, 3)
