"""Brush shapes in millimetres."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.imaging.brush import Brush, footprint_offsets, line_centres, stroke_indices


def grid_of(spacing: tuple[float, float, float], shape: tuple[int, int, int] = (60, 60, 30)) -> Grid:
    return Grid(shape, np.diag([*spacing, 1.0]))


def test_a_ball_is_round_in_millimetres_on_anisotropic_voxels() -> None:
    offsets = footprint_offsets(Brush(16.0), grid_of((1.0, 1.0, 3.0)))
    reach = np.abs(offsets).max(axis=0)
    assert reach.tolist() == [8, 8, 2]
    volume_mm3 = len(offsets) * 3.0
    assert volume_mm3 == pytest.approx(4 / 3 * np.pi * 8**3, rel=0.1)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_disc_stays_in_its_plane(axis: int) -> None:
    offsets = footprint_offsets(Brush(8.0, axis), grid_of((1.0, 2.0, 3.0)))
    assert (offsets[:, axis] == 0).all()
    others = [a for a in range(3) if a != axis]
    assert (np.abs(offsets[:, others]).max(axis=0) > 0).all()


def test_the_smallest_brush_paints_one_voxel() -> None:
    assert footprint_offsets(Brush(0.1), grid_of((1.0, 1.0, 1.0))).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.5, 5.0), (0.9, 1.2, 3.0)])
def test_a_fast_stroke_leaves_no_gap(spacing: tuple[float, float, float]) -> None:
    grid, brush = grid_of(spacing), Brush(0.1, 2)
    points = [(2.0, 2.0, 7.0), (55.0, 9.0, 7.0), (4.0, 50.0, 7.0), (57.3, 57.9, 7.0)]
    painted = np.zeros(grid.shape, bool)
    for start, end in pairwise(points):
        centres = np.vstack([np.rint([start]).astype(np.int64), line_centres(start, end, brush)])
        painted.reshape(-1)[stroke_indices(centres, brush, grid)] = True
    _, count = ndimage.label(painted, structure=np.ones((3, 3, 3)))
    assert count == 1
    assert np.flatnonzero(painted.any(axis=(0, 1))).tolist() == [7]


def test_a_stroke_beyond_the_edge_paints_only_what_exists() -> None:
    grid = grid_of((1.0, 1.0, 1.0), (5, 5, 5))
    indices = stroke_indices(np.array([[0, 0, 0], [-9, 2, 2]]), Brush(3.0), grid)
    assert indices.size > 0
    assert indices.min() >= 0
    assert indices.max() < 125


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.7, 5.0)])
@pytest.mark.parametrize("axis", [None, 0, 2])
def test_a_stroke_paints_the_brush_at_every_centre_and_each_voxel_once(
    spacing: tuple[float, float, float], axis: int | None
) -> None:
    grid, brush, random = grid_of(spacing, (20, 24, 9)), Brush(9.0, axis), np.random.default_rng(0)
    for _ in range(20):
        start, end = (tuple(random.uniform(-6, 26, 3)) for _ in range(2))
        centres = line_centres(start, end, brush)
        voxels = (centres[:, None, :] + footprint_offsets(brush, grid)).reshape(-1, 3)
        inside = ((voxels >= 0) & (voxels < grid.shape)).all(axis=1)
        expected = np.unique(np.ravel_multi_index(tuple(voxels[inside].T), grid.shape))
        assert np.array_equal(stroke_indices(centres, brush, grid), expected)


def test_the_largest_ball_takes_little_memory_and_so_little_time() -> None:
    grid, brush = grid_of((1.0, 1.0, 1.0), (240, 240, 155)), Brush(100.0)
    centres = line_centres((110.0, 110.0, 77.0), (120.0, 114.0, 77.0), brush)
    tracemalloc.start()
    try:
        assert stroke_indices(centres, brush, grid).size > 500_000
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()
