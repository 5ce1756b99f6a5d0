"""Scans brought together by mutual information, on phantoms whose true place is known."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from phantoms import FLAIR, T1GD, T2, head, tumour_mask
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import Cancelled, UserError
from glioma_annotator.imaging.nifti import read_volume
from glioma_annotator.imaging.registration import (
    Method,
    Registration,
    identity,
    landmark_error_mm,
    placed,
    register,
    resample_mask_registered,
    resample_registered,
)
from glioma_annotator.progress import CancelToken, Progress

CENTRE = np.array([0.0, 0.0, 3.0])


def upright(mm: float = 3.0, slice_mm: float | None = None) -> Grid:
    size = np.array([mm, mm, slice_mm or mm])
    shape = np.ceil(np.array([150.0, 180, 140]) / size).astype(int)
    affine = np.diag([*size, 1.0])
    affine[:3, 3] = -(shape - 1) / 2 * size
    return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)


def moved(angles_deg: tuple[float, float, float], shift_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """World to world: turned about `CENTRE`, then shifted."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles_deg, degrees=True).as_matrix()
    matrix[:3, 3] = CENTRE + shift_mm - matrix[:3, :3] @ CENTRE
    return matrix


def brain(role: object = T1GD, grid: Grid | None = None, truth: NDArray[np.float64] | None = None) -> Volume:
    """The head on `grid`, with partial volume; `truth` carries its world to where the scanner found it."""
    where = grid or upright()
    fine = Grid(
        tuple(2 * n for n in where.shape),  # type: ignore[arg-type]
        where.affine @ np.array([[0.5, 0, 0, -0.25], [0, 0.5, 0, -0.25], [0, 0, 0.5, -0.25], [0, 0, 0, 1]]),
    )
    data = head(role, fine)  # type: ignore[arg-type]
    data = data.reshape(where.shape[0], 2, where.shape[1], 2, where.shape[2], 2).mean(axis=(1, 3, 5))
    affine = where.affine if truth is None else truth @ where.affine
    return Volume(data.astype(np.float32), Grid(where.shape, affine))


def points() -> NDArray[np.float64]:
    return np.random.default_rng(0).uniform(-60, 60, (200, 3))


def apart_deg(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.degrees(Rotation.from_matrix(one[:3, :3] @ other[:3, :3].T).magnitude()))


@pytest.mark.parametrize(
    ("role", "truth"),
    [
        (T1GD, moved((3, -2, 4), (5, -4, 2))),
        (FLAIR, moved((5, -4, 4.8), (6, -5, 6.2))),  # 10 mm and 8 degrees
        (T2, moved((12, -8, 15), (-18, 11, 14))),
        (FLAIR, moved((-20, 5, -9), (60, -40, 35))),
        (T2, moved((0, 0, 0), (0, 0, 0))),
    ],
)
def test_a_rigid_move_is_found_within_a_fifth_of_a_millimetre_and_degree(
    role: object, truth: NDArray[np.float64]
) -> None:
    turned_grid = Grid(upright().shape, moved((4, 3, -5), (1, 1, 1)) @ upright().affine)
    found = register(brain(), brain(role, turned_grid, truth), finest_mm=2.0)
    expected = points() @ truth[:3, :3].T + truth[:3, 3]
    assert np.linalg.norm(found.apply(points()) - expected, axis=1).max() < 0.2
    assert apart_deg(found.matrix, truth) < 0.2
    assert found.quality > 0.3
    assert not found.doubtful


def test_thick_slices_of_another_contrast_are_registered() -> None:
    truth = moved((6, -4, 5), (8, -6, 10))
    found = register(brain(), brain(FLAIR, upright(2.0, 6.0), truth), finest_mm=2.0)
    expected = points() @ truth[:3, :3].T + truth[:3, 3]
    assert np.linalg.norm(found.apply(points()) - expected, axis=1).max() < 1.0


def test_an_affine_move_is_found() -> None:
    truth = moved((5, 3, -4), (4, 2, -6)) @ np.array(
        [[1.06, 0.02, 0, 0], [0, 0.95, 0, 0], [0, 0.03, 1.03, 0], [0, 0, 0, 1.0]]
    )
    found = register(brain(), brain(T1GD, upright(), truth), method=Method.AFFINE, finest_mm=2.0)
    expected = points() @ truth[:3, :3].T + truth[:3, 3]
    assert np.linalg.norm(found.apply(points()) - expected, axis=1).max() < 0.5
    rigid = register(brain(), brain(T1GD, upright(), truth), finest_mm=2.0)
    assert rigid.quality < found.quality


def test_masks_keep_what_moved_outside_them_out_of_it() -> None:
    truth = moved((4, 0, 3), (5, 2, -3))
    fixed, moving = brain(), brain(T2, upright(), truth)
    mask = fixed.data > 0
    hat = fixed.data.copy()
    hat[:, :, -6:] = 900  # something bright that lies in one scan only
    found = register(Volume(hat, fixed.grid), moving, fixed_mask=mask, finest_mm=2.0)
    expected = points() @ truth[:3, :3].T + truth[:3, 3]
    assert np.linalg.norm(found.apply(points()) - expected, axis=1).max() < 0.5


def test_the_same_seed_gives_the_same_matrix() -> None:
    fixed, moving = brain(), brain(T2, upright(), moved((4, 0, 3), (5, 2, -3)))
    one, other = (register(fixed, moving, finest_mm=3.0, seed=4) for _ in range(2))
    assert (one.matrix == other.matrix).all()


def test_progress_grows_to_one_and_a_cancelled_registration_ends() -> None:
    seen: list[Progress] = []
    register(brain(), brain(T2), finest_mm=4.0, report=seen.append)
    assert [p.fraction for p in seen] == sorted(p.fraction for p in seen)
    assert seen[-1].fraction == 1.0
    token = CancelToken()
    with pytest.raises(Cancelled):
        register(brain(), brain(T2), report=lambda _progress: token.cancel(), cancel=token)


def test_scans_that_share_nothing_are_doubtful_and_empty_ones_refused() -> None:
    noise = gaussian_filter(np.random.default_rng(1).random(upright().shape), 2).astype(np.float32)
    assert register(brain(), Volume(noise, upright()), finest_mm=4.0).doubtful
    empty = Volume(np.zeros(upright().shape, np.float32), upright())
    with pytest.raises(UserError, match="empty"):
        register(brain(), empty)
    with pytest.raises(UserError, match="2 slices"):
        register(brain(), brain(grid=Grid((50, 60, 2), upright().affine)))


def test_a_registered_scan_and_mask_lie_on_the_fixed_one() -> None:
    truth = moved((10, -6, 8), (12, -7, 9))
    registration = Registration(truth, Method.RIGID, 0.0, 1.0, 0.0)
    fixed, moving = brain(), brain(T1GD, upright(), truth)
    on_fixed = resample_registered(moving, registration, fixed.grid)
    assert np.corrcoef(on_fixed.data.ravel(), fixed.data.ravel())[0, 1] > 0.99
    # A moving grid that does not coincide with the fixed one, so that labels must be interpolated.
    turned = Grid(upright(2.0).shape, moved((5, 5, 5), (2, 2, 2)) @ upright(2.0).affine)
    labels = tumour_mask(turned, (1, 2, 3))
    for smooth, least in ((True, 0.93), (False, 0.9)):
        carried = resample_mask_registered(
            labels, Grid(turned.shape, truth @ turned.affine), registration, upright(2.0), smooth=smooth
        )
        expected = tumour_mask(upright(2.0), (1, 2, 3))
        assert carried.dtype == np.uint8
        for value in (1, 2, 3):
            both = np.count_nonzero((carried == value) & (expected == value))
            dice = 2 * both / (np.count_nonzero(carried == value) + np.count_nonzero(expected == value))
            assert dice > least, (smooth, value)


def test_an_empty_mask_stays_empty() -> None:
    grid = upright(6.0)
    carried = resample_mask_registered(np.zeros(grid.shape, np.uint8), grid, identity(), upright(4.0))
    assert not carried.any()


def test_the_inverse_leads_back() -> None:
    registration = Registration(moved((3, 4, 5), (6, 7, 8)), Method.RIGID, 0.0, 0.5, 0.2)
    assert np.allclose(registration.inverse().apply(registration.apply(points())), points())
    assert registration.rotation_deg == pytest.approx(apart_deg(registration.matrix, np.eye(4)))


def test_a_nudge_moves_the_moving_scan_as_it_is_seen_on_the_fixed_one() -> None:
    registration = Registration(moved((3, 4, 5), (6, 7, 8)), Method.RIGID, 0.0, 0.5, 0.2)
    volume = brain(grid=upright(6.0))
    before = placed(volume, registration).grid.index_to_world((10, 10, 10))
    shifted = placed(volume, registration.nudged((1, -2, 3), (0, 0, 0), CENTRE)).grid.index_to_world((10, 10, 10))
    assert np.allclose(shifted - before, (1, -2, 3))
    turned = placed(volume, registration.nudged((0, 0, 0), (0, 0, 90), CENTRE)).grid.index_to_world((10, 10, 10))
    x, y, z = before - CENTRE
    assert np.allclose(turned - CENTRE, (-y, x, z))


@pytest.mark.parametrize("matrix", [np.eye(3), np.full((4, 4), np.nan), np.diag([1.0, 0, 1, 1])])
def test_a_matrix_that_is_none_is_refused(matrix: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="matrix"):
        Registration(matrix, Method.RIGID, 0.0, 0.0, 0.0)


def read_landmarks(path: Path) -> NDArray[np.float64]:
    """World RAS mm (n, 3) of a BraTS-Reg table, which is in LPS."""
    with path.open(newline="") as file:
        return np.array([[-float(r["X"]), -float(r["Y"]), float(r["Z"])] for r in csv.DictReader(file)])


@pytest.mark.realdata
def test_real_visits_are_registered_no_worse_than_their_atlas_alignment(realdata_root: Path) -> None:
    folder = realdata_root / "longitudinal" / "BraTSReg_002"
    first, last = read_landmarks(folder / "landmarks_00_0000.csv"), read_landmarks(folder / "landmarks_01_0262.csv")
    fixed = read_volume(folder / "tp0_preop_day0000" / "t1ce.nii.gz").volume
    moving = read_volume(folder / "tp1_followup_day0262" / "t1ce.nii.gz").volume
    found = register(fixed, moving, fixed_mask=fixed.data > 0, moving_mask=moving.data > 0, finest_mm=2.0)
    # The visits lie on one atlas already (median 2.2 mm); what is left is tissue that moved: no rigid matrix mends it.
    assert np.median(landmark_error_mm(identity(), first, last)) == pytest.approx(2.21, abs=0.01)
    assert np.median(landmark_error_mm(found, first, last)) < 2.4
    # Moved away by hand, the follow-up comes back to the same place.
    away = moved((9, -7, 12), (20, -15, 10))
    there = Volume(moving.data, Grid(moving.grid.shape, away @ moving.grid.affine))
    again = register(fixed, there, fixed_mask=fixed.data > 0, moving_mask=moving.data > 0, finest_mm=2.0)
    expected = found.apply(first) @ away[:3, :3].T + away[:3, 3]
    assert np.linalg.norm(again.apply(first) - expected, axis=1).max() < 0.05
