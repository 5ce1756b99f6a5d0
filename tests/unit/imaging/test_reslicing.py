"""A scan on another one's voxels, computed where it is looked at; checkerboard, difference, deformation."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import T1GD, head
from scipy.spatial.transform import Rotation

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.sequences import Window
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import Cancelled
from glioma_annotator.imaging.deformation import deform
from glioma_annotator.imaging.registration import Method, Registration, resample_mask_registered, resample_registered
from glioma_annotator.imaging.reslicing import (
    Checkerboard,
    Deformation,
    MatchedDifference,
    Placement,
    Resliced,
    shares,
)
from glioma_annotator.progress import CancelToken, ignore_progress

GRID = Grid((26, 30, 22), np.array([[6.0, 0, 0, -78], [0, 6.0, 0, -90], [0, 0, 7.0, -75], [0, 0, 0, 1]]))
MATRIX = np.eye(4)
MATRIX[:3, :3] = Rotation.from_euler("xyz", (5, -4, 9), degrees=True).as_matrix()
MATRIX[:3, 3] = (7, -5, 4)
MOVING = Volume(head(T1GD, Grid(GRID.shape, MATRIX @ GRID.affine)), Grid(GRID.shape, MATRIX @ GRID.affine))
REGISTRATION = Registration(MATRIX, Method.RIGID, 0, 1, 1)


def test_a_slice_is_what_resampling_the_whole_volume_gives() -> None:
    whole = resample_registered(MOVING, REGISTRATION, GRID).data
    found = Resliced(MOVING, GRID, Placement(MATRIX))
    inside = np.s_[3:-3, 3:-3, 3:-3]
    np.testing.assert_allclose(found[:, :, 9][3:-3, 3:-3], whole[:, :, 9][3:-3, 3:-3], atol=0.5)
    np.testing.assert_allclose(found[inside], whole[inside], atol=0.5)
    assert found[:, 4, :].shape == (26, 22)
    assert found[5, 6, 7] == pytest.approx(whole[5, 6, 7], abs=0.5)
    assert found[-1, 0, 0] == found[25, 0, 0]
    assert found[np.ix_((0, 25), (0, 29), (0, 21))].shape == (2, 2, 2)
    assert found[::3, ::3, ::3].shape == (9, 10, 8)


def test_a_mask_keeps_its_values() -> None:
    labels = np.zeros(GRID.shape, np.uint8)
    labels[8:14, 9:15, 6:12] = 3
    labels[10:12, 11:13, 8:10] = 1
    found = Resliced(Volume(labels, MOVING.grid), GRID, Placement(MATRIX), nearest=True)
    slice_ = found[:, :, 9]
    assert slice_.dtype == np.uint8
    expected = resample_mask_registered(labels, MOVING.grid, REGISTRATION, GRID, smooth=False)
    assert (slice_ == expected[:, :, 9]).all()


@pytest.mark.parametrize("nearest", [True, False])
def test_the_outermost_voxels_are_seen_as_far_as_they_reach(nearest: bool) -> None:
    """Slices of 5 mm on slices of 1 mm, and a scan of one slice: what is shown is what is there."""
    dtype = np.uint8 if nearest else np.float32
    thick, thin = Grid((8, 8, 4), np.diag([1.0, 1, 5, 1])), Grid((8, 8, 24), np.eye(4) + shift(-4))
    found = Resliced(Volume(np.ones(thick.shape, dtype), thick), thin, Placement(np.eye(4)), nearest=nearest)
    assert [k for k in range(24) if found[:, :, k].all()] == list(range(2, 22))  # -2 to 17 mm, 20 mm in all
    assert not found[:, :, 1].any() and not found[:, :, 22].any()
    turned = Grid((20, 20, 1), MATRIX @ np.diag([0.9, 0.9, 5, 1]))
    one = Resliced(Volume(np.ones(turned.shape, dtype), turned), turned, Placement(np.eye(4)), nearest=nearest)
    assert one[:, :, :].all()


def shift(z_mm: float) -> np.ndarray:
    matrix = np.zeros((4, 4))
    matrix[2, 3] = z_mm
    return matrix


@pytest.mark.parametrize("scale", [1e-9, 1e-6, 1.0, 1e9])
def test_small_and_large_intensities_are_compared_alike(scale: float) -> None:
    before = (head(T1GD, GRID) * scale).astype(np.float32)
    now = before.copy()
    now[12:15, 14:17, 10:13] *= np.float32(1.5)
    difference = MatchedDifference(now, before)
    drawn = shares(difference[:, :, :], difference.window)
    assert drawn[13, 15, 11] > 0.9
    assert drawn[6, 15, 11] == pytest.approx(0.5, abs=0.05)
    assert drawn[0, 0, 0] == 0
    window = Window(0.0, float(before.max()))
    assert shares(before, window).max() == pytest.approx(1)


def test_a_checkerboard_shows_both_in_turn_each_in_its_own_window() -> None:
    one, other = np.full((8, 8, 8), 500, np.float32), np.full((8, 8, 8), 20, np.float32)
    windows = [Window(0, 1000), Window(0, 80)]
    board = Checkerboard(one, other, (lambda: windows[0], lambda: windows[1]), (4, 4, 4))
    assert (board[:4, :4, 0] == 0.5).all()
    assert (board[:4, 4:, 0] == 0.25).all()
    assert (board[4:, 4:, 0] == 0.5).all()
    windows[1] = Window(0, 40)
    assert (board[:4, 4:, 0] == 0.5).all()
    with pytest.raises(ValueError, match="one shape"):
        Checkerboard(one, other[:4], (lambda: windows[0], lambda: windows[1]), (4, 4, 4))


def test_the_difference_shows_what_is_new_whatever_the_scanner_scaled() -> None:
    before = head(T1GD, GRID)
    now = 3 * before + 40 * (before > 0)
    now[12:15, 14:17, 10:13] += 600
    difference = MatchedDifference(now.astype(np.float32), before)
    assert difference[13, 15, 11] == pytest.approx(600, rel=0.1)
    rest = difference[5:10, 10:20, 11]
    assert np.abs(rest[rest != difference.window.low]).max() < 60
    assert difference[0, 0, 0] == difference.window.low  # background is black


def test_a_deformation_moves_points_before_the_matrix() -> None:
    coarse = Grid((4, 4, 4), np.diag([60.0, 60, 60, 1]))
    shift = np.zeros((4, 4, 4, 3), np.float32)
    shift[..., 1] = 5
    placement = Placement(MATRIX, Deformation(coarse, shift))
    np.testing.assert_allclose(placement.apply((60, 60, 60)), Placement(MATRIX).apply((60, 65, 60)))


def test_deforming_brings_a_shifted_blob_closer() -> None:
    grid = Grid((24, 26, 22), np.diag([4.0, 4, 4, 1]))
    place = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), -1)

    def blob(centre: tuple[float, float, float]) -> Volume:
        away = np.linalg.norm(place - np.asarray(centre), axis=-1)
        return Volume((1000 / (1 + np.exp(away - 6))).astype(np.float32), grid)

    fixed, moving = blob((12, 13, 11)), blob((12, 14.5, 11))
    field = deform(fixed, moving, np.eye(4), ignore_progress, CancelToken())
    middle = Placement(np.eye(4), field).apply(grid.index_to_world((12, 13, 11)))
    assert 2.5 < middle[1] - grid.index_to_world((12, 13, 11))[1] < 9  # 6 mm to the front
    before, after = (
        np.abs(Resliced(moving, grid, p)[:, :, 11] - fixed.data[:, :, 11]).mean()
        for p in (Placement(np.eye(4)), Placement(np.eye(4), field))
    )
    assert after < 0.6 * before


def test_deforming_can_be_cancelled() -> None:
    token = CancelToken()
    volume = Volume(head(T1GD, GRID), GRID)
    with pytest.raises(Cancelled):
        deform(volume, volume, np.eye(4), lambda _progress: token.cancel(), token)
