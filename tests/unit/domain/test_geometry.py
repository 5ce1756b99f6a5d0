"""Grids and boxes."""

from __future__ import annotations

import numpy as np
import pytest

from glioma_annotator.domain.geometry import Box, Grid


def oblique_grid() -> Grid:
    angle = np.deg2rad(20)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([0.9, 0.9, 5.5])
    affine[:3, 3] = (-80, 12, 40)
    return Grid((20, 30, 10), affine)


def test_spacing_and_voxel_volume_come_from_an_oblique_affine() -> None:
    grid = oblique_grid()
    assert grid.spacing_mm == pytest.approx((0.9, 0.9, 5.5))
    assert grid.voxel_volume_ml == pytest.approx(0.9 * 0.9 * 5.5 / 1000)


def test_index_and_world_are_inverse() -> None:
    grid = oblique_grid()
    index = np.array([[0, 0, 0], [3.5, 7, 2], [19, 29, 9]])
    assert grid.world_to_index(grid.index_to_world(index)) == pytest.approx(index)


def test_grids_match_only_with_the_same_voxels() -> None:
    grid = oblique_grid()
    moved = grid.affine.copy()
    moved[0, 3] += 0.5
    assert grid.matches(Grid(grid.shape, grid.affine.copy()))
    assert not grid.matches(Grid(grid.shape, moved))
    assert not grid.matches(Grid((20, 30, 11), grid.affine))


@pytest.mark.parametrize(
    "affine", [np.zeros((4, 4)), np.full((4, 4), np.nan), np.eye(3)], ids=["singular", "not finite", "3 x 3"]
)
def test_an_unusable_affine_is_refused(affine: np.ndarray) -> None:
    with pytest.raises(ValueError, match="affine"):
        Grid((2, 2, 2), affine)


def test_a_grids_affine_cannot_be_changed_behind_its_back() -> None:
    affine = np.eye(4)
    grid = Grid((2, 2, 2), affine)
    affine[0, 0] = 5
    assert grid.spacing_mm[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 0] = 5


def test_a_box_around_a_mask_is_the_smallest() -> None:
    mask = np.zeros((5, 6, 7), bool)
    mask[1, 2, 3] = mask[3, 2, 6] = True
    assert Box.around(mask) == Box((1, 2, 3), (4, 3, 7))
    assert Box.around(np.zeros((2, 2, 2), bool)) is None


def test_boxes_grow_and_are_clipped_to_the_array() -> None:
    box = Box((0, 0, 2), (3, 3, 5))
    assert box.grown(2).clipped((4, 4, 6)) == Box((0, 0, 0), (4, 4, 6))
    assert Box((2, 0, 0), (2, 3, 3)).empty
