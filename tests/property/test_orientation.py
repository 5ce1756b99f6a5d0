"""Axes go to canonical order and back without a trace, whatever the affine."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from nibabel import eulerangles

from glioma_annotator.imaging.orientation import axis_codes, canonical_grid, from_canonical, to_canonical

angles = st.floats(-np.pi, np.pi)
shapes = st.tuples(*[st.integers(2, 7)] * 3)
sizes = st.tuples(*[st.floats(0.3, 6)] * 3)
signs = st.tuples(*[st.sampled_from((-1, 1))] * 3)
origins = st.tuples(*[st.floats(-200, 200)] * 3)


@st.composite
def affines(draw: st.DrawFn) -> np.ndarray:
    affine = np.eye(4)
    turn = eulerangles.euler2mat(draw(angles), draw(angles), draw(angles))
    affine[:3, :3] = turn @ np.diag(np.multiply(draw(sizes), draw(signs)))
    affine[:3, 3] = draw(origins)
    return affine.astype(np.float32).astype(np.float64)


@given(shapes, affines())
def test_there_and_back_is_the_same_array_and_affine(shape: tuple[int, int, int], affine: np.ndarray) -> None:
    data = np.arange(np.prod(shape)).reshape(shape)
    grid = canonical_grid(shape, affine)
    canonical = to_canonical(data, affine)
    assert canonical.shape == grid.shape
    back, affine_back = from_canonical(canonical, grid, axis_codes(affine))
    assert np.array_equal(back, data)
    assert np.allclose(affine_back, affine, atol=1e-9)
    # A file stores float32: there the affine is the same to the last bit wherever it is not next to nothing.
    near_zero = np.abs(affine) < 1e-6
    assert np.array_equal(np.where(near_zero, 0, affine_back).astype(np.float32), np.where(near_zero, 0, affine))


@given(shapes, affines())
def test_every_voxel_keeps_its_place_in_the_world(shape: tuple[int, int, int], affine: np.ndarray) -> None:
    index = np.moveaxis(np.indices(shape), 0, -1)
    grid = canonical_grid(shape, affine)
    for axis in range(3):
        world = index @ affine[:3, :3].T + affine[:3, 3]
        moved = to_canonical(world[..., axis], affine)
        expected = grid.index_to_world(np.moveaxis(np.indices(grid.shape), 0, -1))[..., axis]
        assert np.allclose(moved, expected, atol=1e-6)


@given(shapes, affines())
def test_canonical_axes_point_right_anterior_superior(shape: tuple[int, int, int], affine: np.ndarray) -> None:
    assert axis_codes(canonical_grid(shape, affine).affine) == "RAS"
