"""What the brain model is given, and what is made of its answer."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.brain_extraction import at_spacing, mask_of_share, mean_share, scaled

ANISOTROPIC = Grid((40, 44, 10), np.diag([0.9, 0.9, 5.5, 1.0]))


def ball(grid: Grid, centre_mm: tuple[float, float, float], radius_mm: float) -> NDArray[np.bool_]:
    world = grid.index_to_world(np.moveaxis(np.indices(grid.shape), 0, -1))
    return np.asarray(np.linalg.norm(world - centre_mm, axis=-1) < radius_mm)


def test_intensities_lie_between_0_and_1_whatever_their_unit() -> None:
    image = np.random.default_rng(0).gamma(2, 100, (20, 20, 20)).astype(np.float32)
    one, other = scaled(image), scaled(image * 37)
    assert (one.min(), one.max()) == (pytest.approx(0, abs=0.01), 1)
    assert np.allclose(one, other, atol=1e-5)


def test_zeros_stay_zero_and_do_not_count() -> None:
    image = np.zeros((30, 30, 30), np.float32)
    image[5:25, 5:25, 5:25] = np.random.default_rng(0).uniform(50, 100, (20, 20, 20))
    assert (scaled(image)[image == 0] == 0).all()
    assert scaled(image)[5:25, 5:25, 5:25].min() > 0.4


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_a_constant_scan_becomes_zero_and_nothing_is_raised(value: float) -> None:
    image = scaled(np.full((9, 9, 9), value, np.float32))
    assert np.isfinite(image).all()


def test_a_scan_keeps_its_place_at_another_spacing() -> None:
    centre = (18.0, 19.0, 24.0)
    volume = Volume(ball(ANISOTROPIC, centre, 12).astype(np.float32), ANISOTROPIC)
    small = at_spacing(volume, (2.0, 2.0, 2.0))
    assert np.allclose(small.grid.spacing_mm, 2.0, atol=0.05)
    corners = [
        grid.index_to_world(np.array([(-0.5,) * 3, np.array(grid.shape) - 0.5])) for grid in (ANISOTROPIC, small.grid)
    ]
    assert np.allclose(*corners)
    weights = small.data / small.data.sum()
    world = small.grid.index_to_world(np.moveaxis(np.indices(small.grid.shape), 0, -1))
    assert np.allclose((world * weights[..., None]).sum(axis=(0, 1, 2)), centre, atol=0.6)


def test_an_impossible_voxel_size_is_refused() -> None:
    grid = Grid((40, 44, 10), np.diag([9.0, 9.0, 55.0, 1.0]))
    with pytest.raises(UserError, match="voxel size"):
        at_spacing(Volume(np.zeros(grid.shape, np.float32), grid), (2.0, 2.0, 2.0))


def test_the_mask_is_one_solid_piece() -> None:
    grid = Grid((60, 60, 60), np.diag([2.0, 2.0, 2.0, 1.0]))
    share = 0.9 * ball(grid, (60, 60, 60), 40).astype(np.float32)
    share[ball(grid, (60, 60, 60), 8)] = 0.2
    share[ball(grid, (10, 10, 10), 8)] = 0.9
    mask = mask_of_share(share, grid)
    expected = ball(grid, (60, 60, 60), 40)
    assert mask[expected].all()
    assert np.count_nonzero(mask) < 1.05 * np.count_nonzero(expected)


def test_what_only_half_of_the_scans_call_brain_is_none() -> None:
    grid = Grid((60, 60, 60), np.diag([2.0, 2.0, 2.0, 1.0]))
    inner, outer = ball(grid, (60, 60, 60), 36), ball(grid, (60, 60, 60), 44)
    votes = [Volume(part.astype(np.float32), grid) for part in (inner, inner, outer, outer)]
    mask = mask_of_share(mean_share(votes, grid), grid)
    assert np.count_nonzero(mask) < 1.1 * np.count_nonzero(inner)
    assert mask[inner].all()


def test_the_mask_goes_over_the_sulci_not_into_them() -> None:
    grid = Grid((60, 60, 60), np.diag([2.0, 2.0, 2.0, 1.0]))
    whole = ball(grid, (60, 60, 60), 40)
    sulcus = np.zeros_like(whole)
    sulcus[29:31, :, 40:] = True
    mask = mask_of_share((whole & ~sulcus).astype(np.float32), grid)
    assert mask[whole & sulcus].mean() > 0.85


def test_too_little_to_be_a_brain_is_refused() -> None:
    grid = Grid((20, 20, 20), np.diag([2.0, 2.0, 2.0, 1.0]))
    with pytest.raises(UserError, match="No brain"):
        mask_of_share(ball(grid, (20, 20, 20), 15).astype(np.float32), grid)
