"""Adaptive brush, threshold, snake, copying and replacing."""

from __future__ import annotations

import numpy as np
import pytest

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.imaging.brush import Brush
from glioma_annotator.imaging.label_ops import combining, fill, smoothing, snake
from glioma_annotator.imaging.label_ops.adaptive import like_centre
from glioma_annotator.imaging.label_ops.lasso import simplified

GRID = Grid((30, 30, 30), np.diag([1.0, 1.0, 2.0, 1.0]))


def two_tissues() -> np.ndarray:
    image = np.full(GRID.shape, 100.0, dtype=np.float32)
    image[15:] = 200.0
    return image + np.random.default_rng(0).normal(0, 4, GRID.shape).astype(np.float32)


def test_the_adaptive_brush_stops_at_the_edge_under_it() -> None:
    found = like_centre(two_tissues(), (12, 15, 15), Brush(12.0, 2), GRID, 4.0)
    i, _, k = np.unravel_index(found, GRID.shape)
    assert i.max() == 14
    assert set(k) == {15}
    assert len(found) > 50


def test_the_adaptive_brush_reaches_no_alike_voxels_beyond_an_edge() -> None:
    image = np.full(GRID.shape, 100.0, dtype=np.float32)
    image[14] = 400.0
    found = like_centre(image, (12, 15, 15), Brush(14.0), GRID, 3.0)
    assert np.unravel_index(found, GRID.shape)[0].max() == 13


@pytest.mark.parametrize("centre", [(-1, 5, 5), (5, 30, 5), (5, 5, 99)])
def test_the_adaptive_brush_paints_nothing_outside_the_image(centre: tuple[int, int, int]) -> None:
    assert like_centre(two_tissues(), centre, Brush(8.0), GRID, 3.0).size == 0


def test_the_adaptive_brush_keeps_within_the_image_at_its_corner() -> None:
    found = like_centre(two_tissues(), (0, 0, 0), Brush(9.0), GRID, 6.0)
    assert found.size and 0 in found


def test_a_range_taken_from_an_example_holds_most_of_it() -> None:
    example = np.random.default_rng(0).normal(50, 5, 4000)
    low, high = fill.sampled_range(example)
    assert fill.in_range(example, low, high).mean() == pytest.approx(0.9, abs=0.01)
    assert fill.in_range(example, low, high, inverted=True).mean() == pytest.approx(0.1, abs=0.01)
    with pytest.raises(ValueError, match="at least one"):
        fill.sampled_range(example[:0])


def test_a_fill_by_intensity_spans_only_what_is_connected_and_in_range() -> None:
    image = np.zeros(GRID.shape)
    image[2:6, 2:6, 2:6] = 50.0
    image[10:12, 10:12, 10:12] = 50.0
    assert fill.same_intensity(image, (3, 3, 3), 40, 60).sum() == 64
    assert fill.same_intensity(image, (3, 3, 3), 40, 60, axis=0).sum() == 16
    assert not fill.same_intensity(image, (3, 3, 3), 60, 70).any()


def test_a_seed_outside_the_mask_fills_nothing() -> None:
    assert not fill.connected_to(np.ones((3, 3, 3), dtype=np.bool_), (3, 0, 0)).any()


def test_the_snake_fills_a_ball_and_comes_to_rest() -> None:
    i, j, k = np.ogrid[:30, :30, :30]
    ball = (i - 15) ** 2 + (j - 15) ** 2 + ((k - 15) * 2) ** 2 <= 9**2
    image = np.where(ball, 300.0, 100.0).astype(np.float32)
    image += np.random.default_rng(0).normal(0, 10, GRID.shape).astype(np.float32)
    shown = list(snake.evolve(image, (15, 15, 15), GRID, snake.SnakeSettings(tolerance=80, reach_mm=14)))
    assert len(shown) < snake.SnakeSettings().steps
    assert shown[0].sum() < shown[-1].sum()
    assert 2 * (shown[-1] & ball).sum() / (shown[-1].sum() + ball.sum()) > 0.85


def test_every_logic_does_what_it_is_called() -> None:
    one, other = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    results = {logic: combining.combined(one, other, logic).astype(int).tolist() for logic in combining.Logic}
    assert results == {
        combining.Logic.ADD: [1, 1, 1, 0],
        combining.Logic.SUBTRACT: [0, 1, 0, 0],
        combining.Logic.INTERSECT: [1, 0, 0, 0],
        combining.Logic.DIFFERENCE: [0, 1, 1, 0],
    }


def test_copying_replaces_a_label_or_adds_to_it() -> None:
    labels = np.array([[[1, 1, 0, 2]]], np.uint8)
    source = np.array([[[0, 1, 1, 1]]], np.uint8)
    assert combining.copied(labels, source, [1]).ravel().tolist() == [0, 1, 1, 1]
    assert combining.copied(labels, source, [1], replace=False).ravel().tolist() == [1, 1, 1, 2]
    assert combining.replaced(labels, labels == 1, 4).ravel().tolist() == [4, 4, 0, 2]


def test_what_a_label_leaves_goes_to_its_neighbour_when_it_is_to_heal() -> None:
    labels = np.full((9, 9, 9), 2, np.uint8)
    labels[4, 4, 4] = 3
    nothing = np.zeros(labels.shape, dtype=np.bool_)
    assert combining.with_extent(labels, 3, nothing)[4, 4, 4] == 0
    assert combining.with_extent(labels, 3, nothing, heal=True)[4, 4, 4] == 2
    only = np.full((3, 3, 3), 3, np.uint8)
    assert not combining.with_extent(only, 3, np.zeros(only.shape, dtype=np.bool_), heal=True).any()


def test_a_simplified_outline_stays_close_to_the_drawn_one() -> None:
    angle = np.linspace(0, 2 * np.pi, 200)
    drawn = np.stack([20 + 8 * np.cos(angle), 20 + 8 * np.sin(angle), np.full(200, 5.0)], axis=1)
    kept = simplified(drawn, 2, (1.0, 1.0, 3.0), 0.5)
    assert 5 < len(kept) < 40
    assert np.abs(np.linalg.norm(kept[:, :2] - 20, axis=1) - 8).max() < 0.5


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_median_leaves_a_mask_that_the_images_edge_cuts_as_it_is_in_the_middle(axis: int) -> None:
    distance = np.hypot(*np.ogrid[-12:13, -12:13])
    shape = [25, 25, 25]
    shape[axis] = 12
    through = np.broadcast_to(np.expand_dims(distance <= 7, axis), shape)
    smoothed = np.moveaxis(smoothing.median(through, 3.0, Grid((shape[0], shape[1], shape[2]), np.eye(4))), axis, 0)
    assert (smoothed == smoothed[6]).all()
    assert smoothed[6].any()
