"""Where voxels lie on the screen."""

from __future__ import annotations

import numpy as np
import pytest

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.ui.viewer.mask_slice import outline_segments
from glioma_annotator.ui.viewer.planes import SlicePlane, direction_letters, nice_length_mm
from glioma_annotator.ui.viewer.types import Convention

SHAPE = (5, 7, 4)
GRID = Grid(SHAPE, np.diag([1.0, 2.0, 3.0, 1.0]))
PLANES = [SlicePlane(GRID, axis, convention) for axis in range(3) for convention in Convention]


@pytest.mark.parametrize("plane", PLANES, ids=lambda p: f"{p.axis}-{p.convention.value}")
def test_a_voxel_is_drawn_where_its_plane_coordinates_say(plane: SlicePlane) -> None:
    volume = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    index = (3, 5, 1)
    picture = plane.picture(volume, index[plane.axis])
    x, y = plane.to_plane(index)
    assert picture.shape == (plane.rows, plane.columns)
    assert picture[round(y / plane.row_mm), round(x / plane.column_mm)] == volume[index]


@pytest.mark.parametrize("plane", PLANES, ids=lambda p: f"{p.axis}-{p.convention.value}")
def test_plane_coordinates_lead_back_to_the_index(plane: SlicePlane) -> None:
    index = (1.25, 4.5, 2.75)
    assert plane.to_index(plane.to_plane(index), index[plane.axis]) == pytest.approx(index)


@pytest.mark.parametrize("plane", PLANES, ids=lambda p: f"{p.axis}-{p.convention.value}")
def test_a_picture_is_a_view_of_the_volume(plane: SlicePlane) -> None:
    volume = np.zeros(SHAPE, dtype=np.uint8)
    assert np.shares_memory(plane.picture(volume, 1), volume)


@pytest.mark.parametrize("plane", PLANES, ids=lambda p: f"{p.axis}-{p.convention.value}")
def test_a_box_covers_the_same_voxels_in_the_picture(plane: SlicePlane) -> None:
    box = Box((1, 2, 1), (3, 6, 2))
    volume = np.zeros(SHAPE, dtype=np.uint8)
    volume[box.slices] = 1
    number = box.start[plane.axis]
    picture = plane.picture(volume, number)
    assert plane.touches(box, number)
    assert not plane.touches(box, box.stop[plane.axis])
    assert picture[plane.picture_box(box)].all()
    assert picture.sum() == picture[plane.picture_box(box)].size


def test_letters_follow_the_convention() -> None:
    def letters(axis: int, convention: Convention) -> tuple[str, ...]:
        return SlicePlane(GRID, axis, convention).letters()

    assert letters(2, Convention.RADIOLOGICAL) == ("R", "L", "A", "P")
    assert letters(1, Convention.RADIOLOGICAL) == ("R", "L", "S", "I")
    assert letters(0, Convention.RADIOLOGICAL) == ("A", "P", "S", "I")
    assert letters(2, Convention.NEUROLOGICAL) == ("L", "R", "A", "P")
    assert letters(1, Convention.NEUROLOGICAL) == ("L", "R", "S", "I")
    assert letters(0, Convention.NEUROLOGICAL) == ("A", "P", "S", "I")


def test_an_oblique_direction_has_two_letters_the_stronger_first() -> None:
    assert direction_letters((0.0, 0.8, 0.6)) == "AS"
    assert direction_letters((-0.98, 0.1, 0.1)) == "L"


@pytest.mark.parametrize(("mm_per_pixel", "expected"), [(0.25, 20.0), (0.5, 50.0), (0.05, 5.0), (1.0, 100.0)])
def test_the_scale_bar_has_a_round_length_that_fits(mm_per_pixel: float, expected: float) -> None:
    assert nice_length_mm(mm_per_pixel, most_px=140) == expected


def test_an_outline_runs_along_voxel_edges() -> None:
    inside = np.zeros((3, 4), dtype=np.bool_)
    inside[1, 1:3] = True
    lines = {tuple(line) for line in outline_segments(inside).tolist()}
    assert lines == {(1, 1, 3, 1), (1, 2, 3, 2), (1, 1, 1, 2), (3, 1, 3, 2)}


def test_an_outline_closes_at_the_border() -> None:
    lines = {tuple(line) for line in outline_segments(np.ones((2, 3), dtype=np.bool_)).tolist()}
    assert lines == {(0, 0, 3, 0), (0, 2, 3, 2), (0, 0, 0, 2), (3, 0, 3, 2)}
