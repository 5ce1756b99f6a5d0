"""Slices mirrored in the mid-sagittal plane."""

from __future__ import annotations

import numpy as np
import pytest

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.imaging.midline import MidPlane
from glioma_annotator.imaging.mirror import midline_in_slice, mirror_matrix, mirrored_labels, mirrored_slice
from glioma_annotator.imaging.reslicing import Enhancement

SHAPE = (21, 16, 12)
#: World x of voxel i is 2 i - 20: the plane x = 0 passes through voxel 10.
GRID = Grid(SHAPE, np.array([[2.0, 0, 0, -20], [0, 1.5, 0, 0], [0, 0, 3.0, 0], [0, 0, 0, 1]]))
MIDDLE = MidPlane((1.0, 0.0, 0.0), 0.0, 1.0)


def oblique() -> tuple[Grid, MidPlane]:
    """The grid and the plane turned together about z and x: the same pair seen from elsewhere."""
    a, b = np.radians((17.0, 9.0))
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    turn = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]) @ turn
    shift = np.array([5.0, -7.0, 3.0])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn @ GRID.affine[:3, :3], turn @ GRID.affine[:3, 3] + shift
    x, y, z = (float(v) for v in turn @ np.array([1.0, 0, 0]))
    return Grid(SHAPE, affine), MidPlane((x, y, z), float(np.array([x, y, z]) @ shift), 1.0)


@pytest.mark.parametrize("case", [(GRID, MIDDLE), oblique()], ids=["straight", "oblique"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_is_mirrored_onto_the_other_side(case: tuple[Grid, MidPlane], axis: int) -> None:
    matrix = mirror_matrix(*case)
    data = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    labels = np.random.default_rng(1).integers(0, 5, SHAPE).astype(np.uint8)
    number = 4
    assert np.allclose(mirrored_slice(data, matrix, axis, number), np.take(data[::-1], number, axis), atol=1e-4)
    assert np.array_equal(mirrored_labels(labels, matrix, axis, number), np.take(labels[::-1], number, axis))


def test_mirroring_twice_is_identity() -> None:
    grid, plane = oblique()
    matrix = mirror_matrix(grid, MidPlane(plane.normal, plane.offset_mm + 1.3, 1.0))
    assert np.allclose(matrix @ matrix, np.eye(4), atol=1e-9)


def test_what_lies_opposite_beyond_the_image_is_empty() -> None:
    matrix = mirror_matrix(GRID, MidPlane((1.0, 0.0, 0.0), 16.0, 1.0))
    ones = np.ones(SHAPE, dtype=np.uint8)
    assert not mirrored_labels(ones, matrix, 2, 3)[:15].any()
    assert not mirrored_slice(ones, matrix, 2, 3)[:15].any()
    assert mirrored_labels(ones, matrix, 2, 3)[16:].all()


def test_the_midline_runs_through_the_slice_where_the_plane_cuts_it() -> None:
    for axis in (1, 2):
        ends = midline_in_slice(GRID, MIDDLE, axis, 5)
        assert ends is not None
        assert [end[0] for end in ends] == [10.0, 10.0]
        along = 3 - axis
        assert sorted(end[along] for end in ends) == [-0.5, SHAPE[along] - 0.5]
    assert midline_in_slice(GRID, MIDDLE, 0, 5) is None  # parallel
    assert midline_in_slice(GRID, MidPlane((1.0, 0.0, 0.0), 500.0, 1.0), 2, 5) is None  # elsewhere


def test_the_midline_of_a_tilted_plane_lies_in_the_plane() -> None:
    grid, plane = GRID, MidPlane((float(np.cos(0.2)), float(np.sin(0.2)), 0.0), 1.0, 1.0)
    ends = midline_in_slice(grid, plane, 2, 6)
    assert ends is not None
    assert np.allclose(plane.right_of_mm(grid.index_to_world(np.array(ends))), 0.0, atol=1e-9)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_slab_that_is_read_gives_what_the_whole_image_would(axis: int) -> None:
    """Also at the image's edges, for a midline that is turned, and of an image that is computed where it is read."""
    from scipy.ndimage import map_coordinates

    image = np.random.default_rng(4).random((14, 11, 9)).astype(np.float32)
    turn = np.eye(4)
    turn[:3, :3] = [[-0.98, 0.17, 0.1], [0.17, 0.98, 0.0], [0.1, 0.0, 0.99]]
    turn[:3, 3] = [12.0, -1.5, 0.6]
    for number in range(image.shape[axis]):
        index = np.moveaxis(np.indices(image.shape), axis + 1, 1)[:, number]
        places = np.round(np.tensordot(turn[:3, :3], index, 1) + turn[:3, 3][:, None, None], 6)
        reach = np.clip(places, 0, np.array(image.shape)[:, None, None] - 1)
        places = np.where(np.abs(places - reach) <= 0.5, reach, places)  # a voxel reaches half of its size
        expected = map_coordinates(image, places, output=np.float32, order=1, mode="constant", cval=0.0)
        assert np.allclose(mirrored_slice(image, turn, axis, number), expected, atol=1e-6)
        enhanced = Enhancement(2 * image + 1, image)
        whole = mirrored_slice(enhanced[:, :, :], turn, axis, number)
        assert np.allclose(mirrored_slice(enhanced, turn, axis, number), whole, atol=1e-5)  # type: ignore[arg-type]


def test_nothing_lies_opposite_a_slice_whose_mirror_image_is_beyond_the_image() -> None:
    away = np.diag([-1.0, 1.0, 1.0, 1.0])
    away[0, 3] = -50.0
    assert not mirrored_slice(np.ones((8, 8, 8), dtype=np.float32), away, 2, 3).any()


def test_a_head_tilted_a_little_loses_no_slice_at_the_edge() -> None:
    roll = np.radians(0.5)
    plane = MidPlane((float(np.cos(roll)), 0.0, float(np.sin(roll))), 0.0, 1.0)
    ones = np.ones(SHAPE, dtype=np.float32)
    matrix = mirror_matrix(GRID, plane)
    assert mirrored_slice(ones, matrix, 2, 0)[1:-1].all()
    single = Grid((SHAPE[0], SHAPE[1], 1), GRID.affine)
    assert mirrored_slice(ones[:, :, :1], mirror_matrix(single, plane), 2, 0)[1:-1].all()
