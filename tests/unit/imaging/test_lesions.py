"""Lesions found, missed and invented."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.imaging.lesions import lesion_scores
from glioma_annotator.imaging.metrics import surface_distances_mm

GRID = Grid((40, 30, 20), np.eye(4))


def cube(*corners: tuple[int, int, int], size: int = 5) -> NDArray[np.bool_]:
    mask = np.zeros(GRID.shape, bool)
    for i, j, k in corners:
        mask[i : i + size, j : j + size, k : k + size] = True
    return mask


def test_equal_masks_agree_lesion_by_lesion() -> None:
    mask = cube((2, 2, 2), (20, 2, 2), (20, 20, 10))
    scores = lesion_scores(mask, mask, GRID)
    assert (scores.reference, scores.found, scores.invented, scores.dice) == (3, 3, 0, 1.0)
    assert scores.sensitivity == scores.precision == 1


def test_a_missed_and_an_invented_lesion_each_count_as_zero() -> None:
    scores = lesion_scores(cube((2, 2, 2), (20, 2, 2)), cube((2, 2, 2), (20, 20, 10)), GRID)
    assert (scores.reference, scores.found, scores.invented) == (2, 1, 1)
    assert scores.dice == pytest.approx(1 / 3)
    assert scores.sensitivity == 0.5
    assert scores.precision == 0.5


@pytest.mark.parametrize(("gap", "lesions"), [(5, 1), (8, 2)])
def test_parts_of_the_reference_close_to_each_other_are_one_lesion(gap: int, lesions: int) -> None:
    assert lesion_scores(cube((2, 2, 2), (7 + gap, 2, 2)), cube((2, 2, 2)), GRID).reference == lesions


def test_a_prediction_beside_a_lesion_finds_it_without_overlap() -> None:
    scores = lesion_scores(cube((2, 2, 2)), cube((9, 2, 2)), GRID)  # 2 voxels between them
    assert (scores.found, scores.invented, scores.dice) == (1, 0, 0.0)
    assert lesion_scores(cube((2, 2, 2)), cube((12, 2, 2)), GRID).found == 0


def test_the_margin_is_measured_in_millimetres() -> None:
    thick = Grid(GRID.shape, np.diag([1.0, 1.0, 4.0, 1.0]))
    reference, prediction = cube((2, 2, 2)), np.zeros(GRID.shape, bool)
    prediction[2:7, 2:7, 8:12] = True  # one empty slice of 4 mm between them
    assert lesion_scores(reference, prediction, GRID).found == 1
    assert lesion_scores(reference, prediction, thick).found == 0


def test_how_a_grid_is_turned_matters_not() -> None:
    apart = cube((9, 2, 2)) | cube((2, 12, 2)) | cube((2, 22, 8))
    for degrees in range(0, 90, 7):
        affine = np.eye(4)
        affine[:3, :3] = Rotation.from_euler("xyz", [degrees, 2 * degrees, 3 * degrees], degrees=True).as_matrix()
        scores = lesion_scores(cube((2, 2, 2)), apart, Grid(GRID.shape, affine))
        assert (scores.found, scores.invented) == (1, 2)  # the first lies exactly 3 mm away


def test_specks_of_either_mask_are_left_out() -> None:
    scores = lesion_scores(cube((2, 2, 2), size=3), cube((20, 20, 10), size=3), GRID)
    assert (scores.reference, scores.invented, scores.dice) == (0, 0, None)
    assert scores.sensitivity is None
    assert scores.precision is None


def test_empty_masks_have_no_lesions() -> None:
    empty = np.zeros(GRID.shape, bool)
    assert lesion_scores(empty, empty, GRID).dice is None
    assert lesion_scores(cube((2, 2, 2)), empty, GRID).dice == 0
    assert lesion_scores(empty, cube((2, 2, 2)), GRID).dice == 0


def test_the_mean_surface_distance_of_shifted_planes_is_their_shift() -> None:
    a, b = np.zeros(GRID.shape, bool), np.zeros(GRID.shape, bool)
    a[10], b[13] = True, True
    assert surface_distances_mm(a, b, GRID) == pytest.approx((3.0, 3.0))
    assert surface_distances_mm(a, a, GRID) == (0, 0)
    assert surface_distances_mm(a, np.zeros_like(a), GRID) == (None, None)
