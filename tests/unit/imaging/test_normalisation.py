from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from glioma_annotator.imaging.normalisation import (
    EMPTY_NOTE,
    SKULL_NOTE,
    brain_mask,
    find_brain,
    not_shown,
    robust_window,
    z_score,
)

SHAPE = (40, 48, 36)
Image = NDArray[np.float32]


def ellipsoid(scale: float = 1.0) -> NDArray[np.bool_]:
    axes = [np.linspace(-1, 1, n) for n in SHAPE]
    i, j, k = np.meshgrid(*axes, indexing="ij")
    return np.asarray(i**2 + j**2 + k**2 < (0.8 * scale) ** 2)


@pytest.fixture
def brain() -> NDArray[np.bool_]:
    return ellipsoid()


@pytest.fixture
def image(brain: NDArray[np.bool_]) -> Image:
    noise = np.random.default_rng(0).normal(100, 10, SHAPE)
    return np.where(brain, noise, 0).astype(np.float32)


def test_the_brain_is_what_differs_from_the_background(image: Image, brain: NDArray[np.bool_]) -> None:
    found = find_brain([image, image * 2])
    assert np.array_equal(found.mask, brain)
    assert found.note == ""


@pytest.mark.parametrize("background", [-1000.0, 7.0, np.nan])
def test_the_background_need_not_be_zero(image: Image, brain: NDArray[np.bool_], background: float) -> None:
    assert np.array_equal(brain_mask([np.where(brain, image, np.float32(background))]), brain)


def test_holes_are_filled_and_specks_left_out(image: Image, brain: NDArray[np.bool_]) -> None:
    image[18:22, 20:26, 16:20] = 0
    image[1, 1, 1] = 50
    assert np.array_equal(brain_mask([image]), brain)


def test_not_a_number_inside_the_brain_stays_in_it(image: Image, brain: NDArray[np.bool_]) -> None:
    image[20, 24, 18] = np.nan
    image[21, 24, 18] = np.inf
    assert np.array_equal(brain_mask([image]), brain)


def test_any_channel_counts(image: Image, brain: NDArray[np.bool_]) -> None:
    left, right = image.copy(), image.copy()
    left[:18], right[22:] = 0, 0
    assert np.array_equal(brain_mask([left, right]), brain)


def test_dust_of_interpolation_around_the_brain_is_background(image: Image, brain: NDArray[np.bool_]) -> None:
    image[~brain] = np.random.default_rng(1).choice([0, 1e-4, -1e-4], size=int((~brain).sum()), p=[0.9, 0.05, 0.05])
    assert np.array_equal(brain_mask([image]), brain)


def test_a_channel_without_background_is_left_to_the_others(image: Image, brain: NDArray[np.bool_]) -> None:
    noisy = np.random.default_rng(2).normal(100, 5, SHAPE).astype(np.float32)
    found = find_brain([noisy, image])
    assert np.array_equal(found.mask, brain)
    assert found.note == ""


def test_a_scan_with_noise_around_the_head_is_said_to_show_the_skull(brain: NDArray[np.bool_]) -> None:
    head = np.random.default_rng(3).rayleigh(3, SHAPE).astype(np.float32) + 100 * brain
    found = find_brain([head])
    assert found.note == SKULL_NOTE
    assert np.array_equal(found.mask, brain)


def test_a_head_on_a_zero_background_is_told_by_its_size(image: Image, brain: NDArray[np.bool_]) -> None:
    litres = brain.sum() / 1e6
    assert find_brain([image], voxel_volume_ml=1.3e-3 / litres).note == ""
    assert find_brain([image], voxel_volume_ml=3.5e-3 / litres).note == SKULL_NOTE


def test_an_empty_scan_has_no_brain() -> None:
    found = find_brain([np.zeros(SHAPE, np.float32), np.full(SHAPE, np.nan, np.float32)])
    assert not found.mask.any()
    assert found.note == EMPTY_NOTE


def test_integers_are_scans_too(image: Image, brain: NDArray[np.bool_]) -> None:
    assert np.array_equal(brain_mask([image.astype(np.int16)]), brain)


def test_scores_have_mean_0_and_deviation_1_over_the_brain_and_are_0_outside(
    image: Image, brain: NDArray[np.bool_]
) -> None:
    scaled = z_score(image * 1e4, brain)
    assert scaled.dtype == np.float32
    assert scaled[brain].mean() == pytest.approx(0, abs=1e-5)
    assert scaled[brain].std() == pytest.approx(1, abs=1e-5)
    assert not scaled[~brain].any()


def test_scores_of_a_constant_image_are_0(brain: NDArray[np.bool_]) -> None:
    assert not z_score(np.full(SHAPE, 5.0, np.float32), brain).any()
    assert not z_score(np.full(SHAPE, 5.0, np.float32), np.zeros(SHAPE, bool)).any()


def test_extreme_voxels_do_not_hide_the_brain(image: Image, brain: NDArray[np.bool_]) -> None:
    image[20, 24, 18] = 1e7
    assert np.array_equal(brain_mask([image]), brain)


def test_not_a_number_scores_0(image: Image, brain: NDArray[np.bool_]) -> None:
    image[20, 24, 18] = np.nan
    scaled = z_score(image, brain)
    assert scaled[20, 24, 18] == 0
    assert np.isfinite(scaled).all()


def test_the_window_follows_the_brain_not_the_background(image: Image, brain: NDArray[np.bool_]) -> None:
    image[20, 24, 18] = 1e6
    window = robust_window(image)
    assert 70 < window.low < 90
    assert 120 < window.high < 150
    assert robust_window(image, brain) == window


@pytest.mark.parametrize("value", [0.0, 5.0, np.nan])
def test_the_window_of_a_constant_image_is_not_empty(value: float) -> None:
    assert robust_window(np.full(SHAPE, value, np.float32)).width > 0


@pytest.mark.realdata
def test_stripped_scans_and_scans_with_skull_are_told_apart(realdata_root: Path) -> None:
    case = realdata_root / "raw_clinical" / "TCGA-FG-6692"
    if not case.is_dir():
        pytest.skip(f"{case.name} is absent from the real MRI")

    def brain_of(*names: str) -> tuple[str, float]:
        images = [nib.load(case / name) for name in names]
        millilitres = abs(float(np.linalg.det(images[0].affine[:3, :3]))) / 1000
        found = find_brain([image.get_fdata(dtype=np.float32) for image in images], millilitres)
        return found.note, float(found.mask.sum()) * millilitres

    stripped = sorted(str(p.relative_to(case)) for p in (case / "sri24_bet").glob("*.nii.gz"))
    note, volume_ml = brain_of(*stripped)
    assert note == ""
    assert 1000 < volume_ml < 2000
    raw = sorted(str(p.relative_to(case)) for p in (case / "raw_native").glob("*.nii.gz"))
    assert all(brain_of(name)[0] == SKULL_NOTE for name in raw)


def test_a_part_that_an_image_does_not_reach_is_told_from_dark_fluid(image: Image, brain: NDArray[np.bool_]) -> None:
    spacing = (4.0, 4.0, 4.0)
    image[18:22, 20:26, 16:20] = 0  # a ventricle as dark as the background
    assert not_shown(image, brain, spacing) is None
    short = image.copy()
    short[:, :, :10] = 0
    lacking = not_shown(short, brain, spacing)
    assert lacking is not None
    assert np.array_equal(lacking, brain & (np.arange(SHAPE[2]) < 10))
    assert not_shown(np.ones(SHAPE, np.float32) + image, brain, spacing) is None


def test_an_image_of_one_value_says_nothing_of_the_brain(image: Image, brain: NDArray[np.bool_]) -> None:
    assert np.array_equal(brain_mask([np.full(SHAPE, 5, np.float32), image]), brain)
    raw = np.random.default_rng(1).normal(100, 1, SHAPE).astype(np.float32) + 100 * brain
    assert find_brain([np.full(SHAPE, 5, np.float32), raw]).note == SKULL_NOTE
