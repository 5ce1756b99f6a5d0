"""Surfaces of masks, in world millimetres."""

from __future__ import annotations

import numpy as np
import pytest

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.volume import Volume
from glioma_annotator.ui.viewer.surfaces import MOST_VOXELS, SurfaceMesh, head_surface, label_surfaces, unchanged
from glioma_annotator.ui.viewer.visit import Visit

AFFINE = np.array([[1.0, 0, 0, -20], [0, 1.2, -1.0, 10], [0, 0.5, 2.5, -5], [0, 0, 0, 1]])
GRID = Grid((30, 30, 20), AFFINE)


def enclosed_ml(mesh: SurfaceMesh) -> float:
    """Volume inside a closed mesh whose triangles are all turned the same way."""
    a, b, c = (mesh.vertices[mesh.faces[:, n]].astype(np.float64) for n in range(3))
    return abs(float(np.einsum("ni,ni->", a, np.cross(b, c)))) / 6 / 1000


def test_a_surface_lies_where_the_label_is_and_encloses_its_volume() -> None:
    labels = np.zeros(GRID.shape, dtype=np.uint8)
    labels[8:20, 10:24, 5:15] = 3
    mesh = label_surfaces(labels, GRID, [1, 3])[3]
    centre = GRID.index_to_world(np.argwhere(labels).mean(axis=0))
    assert mesh.vertices.mean(axis=0) == pytest.approx(centre, abs=0.5)
    assert enclosed_ml(mesh) == pytest.approx(np.count_nonzero(labels) * GRID.voxel_volume_ml, rel=0.08)


def test_labels_that_are_absent_have_no_surface() -> None:
    assert label_surfaces(np.zeros(GRID.shape, dtype=np.uint8), GRID, [1, 2]) == {}


def test_only_labels_that_changed_get_another_surface() -> None:
    before = np.zeros(GRID.shape, dtype=np.uint8)
    before[5:10, 5:10, 5:10], before[15:20, 15:20, 5:10] = 1, 2
    after = before.copy()
    after[20:24, 15:20, 5:10] = 3
    after[15, 15:20, 5:10] = 0
    assert unchanged(before, after, [1, 2, 3]) == {1}
    known = label_surfaces(before, GRID, [1, 2])
    meshes = label_surfaces(after, GRID, [1, 2, 3], {1: known[1]})
    assert meshes[1] is known[1]
    assert meshes[2] is not known[2] and set(meshes) == {1, 2, 3}


def test_a_single_voxel_and_a_label_at_the_border_have_closed_surfaces() -> None:
    labels = np.zeros(GRID.shape, dtype=np.uint8)
    labels[0, 0, 0] = 1
    labels[25:, 25:, 15:] = 2
    meshes = label_surfaces(labels, GRID, [1, 2])
    for mesh in meshes.values():
        edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        _, count = np.unique(edges, axis=0, return_counts=True)
        assert (count == 2).all()


def test_a_large_label_is_sampled_more_coarsely() -> None:
    grid = Grid((100, 100, 100), np.eye(4))
    assert np.prod(grid.shape) > MOST_VOXELS
    mesh = label_surfaces(np.ones(grid.shape, dtype=np.uint8), grid, [1])[1]
    assert len(mesh.faces) < 50_000
    assert enclosed_ml(mesh) == pytest.approx(1000, rel=0.05)


def test_the_head_is_found_on_thick_slices_and_its_box_is_what_a_view_is_fitted_to() -> None:
    grid = Grid((60, 60, 12), np.diag([1.0, 1.0, 6.0, 1.0]))
    data = np.zeros(grid.shape, dtype=np.float32)
    data[12:48, 9:54, 2:10] = 100.0
    visit = Visit({"T1": Volume(data, grid)}, None, "visit")
    assert visit.head_steps == (3, 3, 1)
    assert visit.extent.start == (12, 9, 2)
    assert visit.extent.stop == (48, 54, 10)
    mesh = head_surface(visit.head, visit.head_steps, grid)
    assert mesh is not None
    assert mesh.vertices.min(axis=0) == pytest.approx((12, 9, 12), abs=4)
    assert mesh.vertices.max(axis=0) == pytest.approx((47, 53, 54), abs=4)


def test_a_visit_without_contrast_is_fitted_whole() -> None:
    visit = Visit({"T1": Volume(np.full((9, 9, 9), 5.0, dtype=np.float32), Grid((9, 9, 9), np.eye(4)))}, None, "v")
    assert visit.extent.stop == (9, 9, 9)
    assert head_surface(np.zeros((3, 3, 3), dtype=np.bool_), (3, 3, 3), visit.grid) is None
