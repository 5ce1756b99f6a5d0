"""Volumes carried between grids by their affines."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from phantoms import T1GD, grid_of, head, tumour_mask
from scipy.ndimage import affine_transform

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.resampling import Interpolation, overlap, reconcile, resample_labels, resample_to

CANONICAL = Grid((30, 34, 28), np.array([[6.0, 0, 0, -87], [0, 6, 0, -99], [0, 0, 6, -81], [0, 0, 0, 1]]))
TURNED = np.eye(4)
TURNED[:3, :3] = nib.eulerangles.euler2mat(0.2, 0.1, -0.15) @ np.diag([5.0, 5, 7])
TURNED[:3, 3] = (-90, -85, -95)
OBLIQUE = Grid((34, 36, 26), TURNED)
SHEARED = Grid((32, 36, 30), np.array([[6.0, 0.9, 0, -95], [0, 6, 0.5, -110], [0, 0, 6, -90], [0, 0, 0, 1]]))


def linear_field(grid: Grid) -> Volume:
    """Intensities that grow linearly in the world: linear interpolation must give them back exactly."""
    world = grid.index_to_world(np.moveaxis(np.indices(grid.shape), 0, -1))
    return Volume((world @ (0.3, -0.2, 0.5) + 500).astype(np.float32), grid)


@pytest.mark.parametrize(
    "target", [OBLIQUE, SHEARED, Grid((60, 68, 56), CANONICAL.affine @ np.diag([0.5, 0.5, 0.5, 1]))]
)
def test_every_voxel_keeps_its_place_in_the_world(target: Grid) -> None:
    moved = resample_to(linear_field(CANONICAL), target)
    index = CANONICAL.world_to_index(target.index_to_world(np.moveaxis(np.indices(target.shape), 0, -1)))
    inside = ((index >= 0) & (index <= np.array(CANONICAL.shape) - 1)).all(-1)
    assert inside.mean() > 0.2
    assert np.allclose(moved.data[inside], linear_field(target).data[inside], atol=0.02)
    assert moved.data.dtype == np.float32
    assert moved.data.flags.c_contiguous


def test_linear_resampling_is_what_scipy_computes() -> None:
    volume = Volume(head(T1GD, CANONICAL), CANONICAL)
    matrix = np.linalg.inv(CANONICAL.affine) @ OBLIQUE.affine
    expected = affine_transform(volume.data, matrix, output_shape=OBLIQUE.shape, order=1)
    assert np.allclose(resample_to(volume, OBLIQUE).data, expected, atol=0.5)


def test_nearest_resampling_invents_no_values() -> None:
    labels = tumour_mask(CANONICAL)
    moved = resample_labels(labels, CANONICAL, OBLIQUE)
    assert moved.dtype == np.uint8
    assert set(np.unique(moved)) == set(np.unique(labels))
    ml = [(m > 0).sum() * g.voxel_volume_ml for m, g in ((labels, CANONICAL), (moved, OBLIQUE))]
    assert abs(ml[0] - ml[1]) < 0.1 * ml[0]


def test_the_half_voxel_at_the_border_has_the_border_s_value() -> None:
    thick = Volume(np.full((4, 4, 4), 7, np.float32), Grid((4, 4, 4), np.diag([5.0, 5, 5, 1])))
    fine = Grid((20, 20, 20), np.array([[1.0, 0, 0, -2], [0, 1, 0, -2], [0, 0, 1, -2], [0, 0, 0, 1]]))
    assert (resample_to(thick, fine).data == 7).all()


def test_outside_the_source_is_zero() -> None:
    beyond = Grid((10, 10, 10), CANONICAL.affine + np.array([[0, 0, 0, 900.0]] + [[0] * 4] * 3))
    assert not resample_to(linear_field(CANONICAL), beyond).data.any()


def test_a_volume_on_the_same_voxels_is_not_touched() -> None:
    volume = linear_field(CANONICAL)
    assert resample_to(volume, Grid(CANONICAL.shape, CANONICAL.affine), Interpolation.NEAREST) is volume
    labels = tumour_mask(CANONICAL)
    assert resample_labels(labels, CANONICAL, CANONICAL) is labels


def moved_by(grid: Grid, mm: float) -> Grid:
    affine = grid.affine.copy()
    affine[0, 3] += mm
    return Grid(grid.shape, affine)


def test_overlap_is_the_share_of_the_smaller_field_of_view() -> None:
    slab = Grid((30, 34, 6), CANONICAL.affine)
    assert overlap(slab, CANONICAL) == overlap(CANONICAL, slab) == 1
    assert overlap(CANONICAL, moved_by(CANONICAL, 90)) == pytest.approx(0.5, abs=0.05)
    assert overlap(CANONICAL, moved_by(CANONICAL, 1000)) == 0


def test_grids_that_differ_are_named_for_resampling() -> None:
    grids = {"t1c.nii": CANONICAL, "flair.nii": OBLIQUE, "t2.nii": Grid(CANONICAL.shape, CANONICAL.affine)}
    assert reconcile(grids, "t1c.nii") == ("flair.nii",)


def test_files_that_show_different_places_are_refused_by_name() -> None:
    elsewhere = Grid((20, 20, 20), moved_by(CANONICAL, 500).affine)
    with pytest.raises(UserError, match=r"flair\.nii and t1c\.nii do not show the same place"):
        reconcile({"t1c.nii": CANONICAL, "flair.nii": elsewhere}, "t1c.nii")


def test_equal_shapes_with_contradictory_affines_are_refused_as_a_header_error() -> None:
    without_header = Grid(CANONICAL.shape, np.eye(4))
    with pytest.raises(UserError, match="contradict each other"):
        reconcile({"t1c.nii": CANONICAL, "seg.nii": without_header}, "t1c.nii")


def test_the_phantom_s_stored_grid_and_its_canonical_grid_are_the_same_voxels() -> None:
    assert overlap(grid_of(), CANONICAL) == 1


def test_beyond_a_smaller_field_of_view_lies_its_own_background() -> None:
    data = np.full((20, 20, 20), -9, np.float32)
    data[5:15, 5:15, 5:15] = 3
    small = Volume(data, Grid(data.shape, CANONICAL.affine))
    assert set(np.unique(resample_to(small, CANONICAL).data[22:])) == {-9}
    noisy = Volume(np.random.default_rng(0).normal(5, 1, (20, 20, 20)).astype(np.float32), small.grid)
    assert not resample_to(noisy, CANONICAL).data[22:].any()
