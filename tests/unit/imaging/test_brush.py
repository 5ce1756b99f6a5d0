"""Brush shapes in millimetres."""

from __future__ import annotations

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
