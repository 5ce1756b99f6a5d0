"""Intensity matching before subtraction."""

from __future__ import annotations

import numpy as np
import pytest

from glioma_annotator.domain.sequences import Window
from glioma_annotator.imaging.reslicing import Enhancement
from glioma_annotator.imaging.subtraction import match

SHAPE = (40, 44, 36)


def pair(slope: float, offset: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """T1, T1Gd on another scale with a tenth of the head enhancing, and where."""
    rng = np.random.default_rng(1)
    head = np.zeros(SHAPE, dtype=np.bool_)
    head[5:35, 5:39, 4:32] = True
    plain = np.where(head, 200 + 60 * rng.standard_normal(SHAPE), 0).astype(np.float32)
    spot = np.zeros(SHAPE, dtype=np.bool_)
    spot[10:24, 10:24, 10:24] = True
    enhanced = np.where(head, slope * plain + offset + 2 * rng.standard_normal(SHAPE), 0).astype(np.float32)
    enhanced[spot] += 300
    return plain, enhanced, spot


def subtract(enhanced: np.ndarray, plain: np.ndarray) -> tuple[np.ndarray, Window]:
    """T1Gd less T1, all of it, and the window to show it in."""
    difference = Enhancement(enhanced, plain)
    return difference[:, :, :], difference.window


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (2.5, 40.0), (0.4, -10.0)])
def test_the_scale_is_found_in_spite_of_what_enhances(slope: float, offset: float) -> None:
    plain, enhanced, _ = pair(slope, offset)
    found = match(enhanced, plain)
    assert found.slope == pytest.approx(slope, rel=0.02)
    assert found.offset == pytest.approx(offset, abs=3)


def test_only_what_enhances_is_left() -> None:
    plain, enhanced, spot = pair(2.5, 40.0)
    difference, window = subtract(enhanced, plain)
    assert difference.dtype == np.float32
    assert difference[spot].mean() == pytest.approx(300, abs=5)
    assert np.abs(difference[~spot & (plain != 0)]).mean() < 5
    assert np.allclose(difference[plain == 0], window.low)
    assert window.low < 0 < 250 < window.high


def test_a_slice_is_subtracted_as_the_whole_would_be() -> None:
    plain, enhanced, _ = pair(2.5, 40.0)
    difference = Enhancement(enhanced, plain)
    whole = difference[:, :, :]
    assert np.array_equal(difference[:, :, 20], whole[:, :, 20])
    assert np.array_equal(difference[12, :, :], whole[12])


def test_voxels_that_are_no_number_are_background() -> None:
    plain, enhanced, _ = pair(2.5, 40.0)
    enhanced[20, 20, 20] = np.nan
    difference, window = subtract(enhanced, plain)
    assert difference[20, 20, 20] == np.float32(window.low)
    assert np.isfinite(difference).all()


def test_empty_and_flat_images_give_nothing_rather_than_an_error() -> None:
    empty = np.zeros(SHAPE, dtype=np.float32)
    difference, window = subtract(empty, empty)
    assert np.allclose(difference, window.low)
    assert window.width > 0
    flat = np.full(SHAPE, 7.0, dtype=np.float32)
    assert not subtract(flat, flat)[0].any()


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_the_scale_of_the_images_makes_no_difference(scale: float) -> None:
    plain, enhanced, spot = pair(2.5, 40.0)
    wanted = match(enhanced, plain)
    found = match((enhanced * scale).astype(np.float32), (plain * scale).astype(np.float32))
    assert found.slope == pytest.approx(wanted.slope, rel=1e-3)
    assert found.noise == pytest.approx(wanted.noise * scale, rel=1e-2)
    difference, window = subtract((enhanced * scale).astype(np.float32), (plain * scale).astype(np.float32))
    assert difference[spot].mean() / window.width == pytest.approx(
        subtract(enhanced, plain)[0][spot].mean() / subtract(enhanced, plain)[1].width, rel=0.02
    )
