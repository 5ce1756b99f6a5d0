"""What the label operations promise, on random masks and on anisotropic, oblique and sheared grids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.imaging.label_ops import combining, fill, interpolation, islands, lasso, margins, smoothing
from glioma_annotator.imaging.label_ops.growing import from_seeds, region
from glioma_annotator.imaging.label_ops.patch import reach_voxels
from glioma_annotator.imaging.label_ops.uncertainty import entropy, places_to_check

SHAPE = (15, 13, 11)
few = settings(max_examples=12, deadline=None)


@st.composite
def grids(draw: st.DrawFn, sheared: bool = False) -> Grid:
    """Voxels of 0.5 to 4 mm, turned in space; with `sheared`, one axis leans as under gantry tilt."""
    spacing = [draw(st.sampled_from((0.5, 0.9, 1.0, 1.5, 2.2, 4.0))) for _ in range(3)]
    a, b = draw(st.floats(-0.6, 0.6)), draw(st.floats(-0.6, 0.6))
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    lean = np.eye(3)
    if sheared:
        lean[1, 2] = draw(st.floats(0.1, 0.4))
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_x @ lean @ np.diag(spacing)
    return Grid(SHAPE, affine)


@st.composite
def masks(draw: st.DrawFn) -> NDArray[np.bool_]:
    """Some blobs: boxes of random place and size, and single voxels."""
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    mask = np.zeros(SHAPE, dtype=np.bool_)
    for _ in range(draw(st.integers(1, 4))):
        low = random.integers(0, np.array(SHAPE) - 1)
        high = np.minimum(low + random.integers(1, 6, 3), SHAPE)
        mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    mask[tuple(random.integers(0, SHAPE, (3, 3)).T)] = True
    return mask


def label_arrays() -> st.SearchStrategy[NDArray[np.uint8]]:
    def build(parts: list[NDArray[np.bool_]]) -> NDArray[np.uint8]:
        labels = np.zeros(SHAPE, np.uint8)
        for value, part in enumerate(parts, start=1):
            labels[part] = value
        return labels

    return st.lists(masks(), min_size=1, max_size=4).map(build)


def distances_mm(grid: Grid, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance of every voxel to the nearest one of the mask, voxel by voxel, from the affine itself."""
    centres = grid.index_to_world(np.argwhere(np.ones(SHAPE, dtype=np.bool_)))
    members = grid.index_to_world(np.argwhere(mask))
    squares = (centres**2).sum(1)[:, None] + (members**2).sum(1) - 2 * centres @ members.T
    return np.sqrt(np.maximum(squares.min(axis=1), 0)).reshape(SHAPE)


@pytest.mark.parametrize("sheared", [False, True])
@few
@given(data=st.data(), mm=st.floats(0.3, 6.0))
def test_a_margin_is_right_in_millimetres_on_any_grid(sheared: bool, data: st.DataObject, mm: float) -> None:
    grid, mask = data.draw(grids(sheared)), data.draw(masks())
    away = distances_mm(grid, mask)
    clear = np.abs(away - mm) > 1e-4
    assert np.array_equal(margins.grow(mask, mm, grid)[clear], (away <= mm)[clear])
    if not mask.all():
        within = distances_mm(grid, ~mask)
        clear = np.abs(within - mm) > 1e-4
        assert np.array_equal(margins.shrink(mask, mm, grid)[clear], (within > mm)[clear])


@few
@given(grid=grids(), mm=st.floats(0.1, 9.0))
def test_the_realised_margin_is_the_longest_that_whole_voxels_allow(grid: Grid, mm: float) -> None:
    made = margins.realised(grid, mm)
    point = np.zeros(SHAPE, dtype=np.bool_)
    point[7, 6, 5] = True
    grown = np.argwhere(margins.grow(point, mm, grid)) - (7, 6, 5)
    for axis in range(3):
        room = min((7, 6, 5)[axis], SHAPE[axis] - 1 - (7, 6, 5)[axis])
        along = grown[(np.delete(grown, axis, axis=1) == 0).all(axis=1), axis]
        assert along.max() == min(made.voxels[axis], SHAPE[axis] - 1 - (7, 6, 5)[axis])
        assert made.mm[axis] <= mm + 1e-6 < made.mm[axis] + grid.spacing_mm[axis] + 1e-5
        assert room >= 0


@few
@given(grid=grids(), mask=masks(), mm=st.floats(0.3, 5.0))
def test_closing_loses_and_opening_adds_no_voxel(grid: Grid, mask: NDArray[np.bool_], mm: float) -> None:
    assert not (mask & ~smoothing.closing(mask, mm, grid)).any()
    assert not (smoothing.opening(mask, mm, grid) & ~mask).any()


@few
@given(grid=grids(), mask=masks(), mm=st.floats(0.3, 5.0))
def test_closing_fills_nothing_towards_the_edge_of_the_image(grid: Grid, mask: NDArray[np.bool_], mm: float) -> None:
    room = [(n + 1, n + 1) for n in reach_voxels(grid, mm)]
    wide = np.pad(mask, room)
    i, j, k = wide.shape
    closed = smoothing.closing(wide, mm, Grid((i, j, k), grid.affine))
    inner = tuple(slice(n, -n) for n, _ in room)
    assert np.array_equal(smoothing.closing(mask, mm, grid), closed[inner])
    assert closed.sum() == closed[inner].sum()


@few
@given(grid=grids(), mask=masks(), axis=st.integers(0, 2))
def test_interpolation_gives_the_painted_slices_back_and_fills_every_gap(
    grid: Grid, mask: NDArray[np.bool_], axis: int
) -> None:
    others = tuple(a for a in range(3) if a != axis)
    painted = np.flatnonzero(mask.any(axis=others))
    if not (np.diff(painted) > 1).any():
        with pytest.raises(ValueError, match="no empty slice"):
            interpolation.between_slices(mask, grid, axis)
        return
    filled = interpolation.between_slices(mask, grid, axis)
    assert np.array_equal(np.take(filled, painted, axis), np.take(mask, painted, axis))
    outside = [n for n in range(SHAPE[axis]) if n < painted[0] or n > painted[-1]]
    assert not np.take(filled, outside, axis).any()


def test_interpolation_between_two_discs_gives_a_disc_between() -> None:
    grid = Grid((40, 40, 9), np.diag([1.0, 1.0, 3.0, 1.0]))
    i, j = np.ogrid[:40, :40]
    mask = np.zeros(grid.shape, dtype=np.bool_)
    mask[:, :, 0] = (i - 20) ** 2 + (j - 20) ** 2 <= 5**2
    mask[:, :, 8] = (i - 20) ** 2 + (j - 20) ** 2 <= 13**2
    areas = interpolation.between_slices(mask, grid, 2).sum(axis=(0, 1))
    assert (np.diff(areas) > 0).all()
    assert np.sqrt(areas[4] / np.pi) == pytest.approx(9, abs=0.6)


def test_interpolation_follows_an_outline_that_moves_further_than_it_is_wide() -> None:
    grid = Grid((40, 40, 11), np.eye(4))
    mask = np.zeros(grid.shape, dtype=np.bool_)
    mask[3:8, 10:16, 0] = True
    mask[23:28, 10:16, 10] = True
    filled = interpolation.between_slices(mask, grid, 2)
    assert ndimage.center_of_mass(filled[:, :, 5])[0] == pytest.approx(15, abs=0.5)
    assert 20 <= filled[:, :, 5].sum() <= 45


@few
@given(labels=label_arrays(), data=st.data())
def test_a_fill_is_the_connected_part_of_one_label(labels: NDArray[np.uint8], data: st.DataObject) -> None:
    seed = tuple(data.draw(st.integers(0, n - 1)) for n in SHAPE)
    axis = data.draw(st.sampled_from((None, 0, 1, 2)))
    found = fill.same_label(labels, seed, axis)  # type: ignore[arg-type]
    assert found[seed]
    assert (labels[found] == labels[seed]).all()
    structure = np.ones((3, 3, 3)) if labels[seed] else ndimage.generate_binary_structure(3, 1)
    assert ndimage.label(found, structure=structure)[1] == 1
    if axis is not None:
        assert set(np.argwhere(found)[:, axis]) == {seed[axis]}
    rim = ndimage.binary_dilation(found, structure) & ~found
    if axis is None:
        assert (labels[rim] != labels[seed]).all()


def test_a_fill_of_background_does_not_leak_through_the_corners_of_an_outline() -> None:
    labels = np.zeros((9, 9, 1), np.uint8)
    for i, j in ((4, 1), (3, 2), (2, 3), (1, 4), (2, 5), (3, 6), (4, 7), (5, 6), (6, 5), (7, 4), (6, 3), (5, 2)):
        labels[i, j, 0] = 3
    inner = fill.same_label(labels, (4, 4, 0), axis=2)
    assert not inner[0].any()
    assert inner.sum() == 13


@few
@given(data=st.data(), axis=st.integers(0, 2))
def test_an_outline_encloses_the_voxels_that_matplotlib_says(data: st.DataObject, axis: int) -> None:
    from matplotlib.path import Path

    a, b = (n for n in range(3) if n != axis)
    point = st.tuples(st.floats(-3, SHAPE[a] + 2), st.floats(-3, SHAPE[b] + 2))
    corners = np.array(data.draw(st.lists(point, min_size=3, max_size=3)))
    points = np.zeros((3, 3))
    points[:, a], points[:, b], points[:, axis] = corners[:, 0], corners[:, 1], 4
    index = lasso.enclosed(points, axis, 4, SHAPE)
    ours = np.zeros(SHAPE, dtype=np.bool_)
    ours.reshape(-1)[index] = True
    assert set(np.argwhere(ours)[:, axis]) <= {4}
    grid = np.stack(np.meshgrid(np.arange(SHAPE[a]), np.arange(SHAPE[b]), indexing="ij"), -1).reshape(-1, 2)
    flat = np.take(ours, 4, axis).reshape(-1)
    clear = np.array([_clear_of_edges(voxel, corners) for voxel in grid])
    expected = Path(np.vstack([corners, corners[:1]])).contains_points(grid)
    assert np.array_equal(flat[clear], expected[clear])


def _clear_of_edges(voxel: NDArray[np.intp], corners: NDArray[np.float64]) -> bool:
    for one, other in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = other - one
        share = np.clip(np.dot(voxel - one, along) / max(np.dot(along, along), 1e-12), 0, 1)
        if np.linalg.norm(voxel - one - share * along) < 1e-6:
            return False
    return True


@few
@given(labels=label_arrays(), grid=grids())
def test_islands_are_all_of_the_mask_once(labels: NDArray[np.uint8], grid: Grid) -> None:
    found = islands.islands(labels, grid, (1, 2, 3, 4))
    everything = np.concatenate([island.index for island in found])
    assert np.array_equal(np.sort(everything), np.flatnonzero(labels))
    for island in found:
        assert (labels.reshape(-1)[island.index] == island.value).all()
        assert labels[island.inside] == island.value
        assert island.ml == pytest.approx(island.voxels * grid.voxel_volume_ml)
    assert not islands.without(labels, found).any()
    smallest = found[-1]
    rest = islands.without(labels, [smallest])
    assert np.count_nonzero(labels) - np.count_nonzero(rest) == smallest.voxels


@few
@given(labels=label_arrays(), mask=masks(), value=st.integers(1, 4), over=st.booleans(), heal=st.booleans())
def test_a_label_gets_its_extent_and_spares_the_others(
    labels: NDArray[np.uint8], mask: NDArray[np.bool_], value: int, over: bool, heal: bool
) -> None:
    after = combining.with_extent(labels, value, mask, over_labels=over, heal=heal)
    others = (labels != 0) & (labels != value)
    assert ((after == value) <= mask).all()
    assert (after == value)[mask & ~others].all()
    if not over:
        assert np.array_equal(after[others], labels[others])
    else:
        assert np.array_equal(after == value, mask)


@few
@given(labels=label_arrays(), grid=grids(), mm=st.floats(0.5, 4))
def test_joint_smoothing_leaves_the_labels_it_is_not_given(labels: NDArray[np.uint8], grid: Grid, mm: float) -> None:
    after = smoothing.joint(labels, (1, 2), mm, grid)
    other = labels > 2
    assert np.array_equal(after[other], labels[other])
    assert np.array_equal(after > 2, other)


def test_smoothing_takes_a_spike_and_keeps_the_body() -> None:
    grid = Grid((30, 30, 30), np.diag([1.0, 1.0, 2.0, 1.0]))
    mask = np.zeros(grid.shape, dtype=np.bool_)
    mask[8:22, 8:22, 8:22] = True
    body = mask.copy()
    mask[22:28, 14, 14] = True
    for smooth in (smoothing.median, smoothing.opening):
        after = smooth(mask, 2.5, grid)
        assert not after[24:, 14, 14].any()
        assert np.count_nonzero(after & body) > 0.9 * np.count_nonzero(body)


@few
@given(labels=label_arrays(), data=st.data())
def test_seeds_stay_and_nothing_grows_out_of_the_box(labels: NDArray[np.uint8], data: st.DataObject) -> None:
    image = np.random.default_rng(0).normal(size=SHAPE)
    box = Box((2, 2, 2), (12, 11, 9))
    grid = Grid(SHAPE, np.eye(4))
    if not labels[box.slices].any():
        with pytest.raises(ValueError, match="no painted voxel"):
            from_seeds([image], labels, box, grid)
        return
    after = from_seeds([image], labels, box, grid)
    assert np.array_equal(after[labels > 0], labels[labels > 0])
    outside = np.ones(SHAPE, dtype=np.bool_)
    outside[box.slices] = False
    assert np.array_equal(after[outside], labels[outside])
    assert set(np.unique(after)) <= set(np.unique(labels)) | {0}


def test_seeds_grow_to_the_edges_of_the_image() -> None:
    grid = Grid((24, 24, 24), np.eye(4))
    i, j, k = np.ogrid[:24, :24, :24]
    ball = (i - 12) ** 2 + (j - 12) ** 2 + (k - 12) ** 2 <= 7**2
    image = np.where(ball, 200.0, 100.0) + np.random.default_rng(1).normal(0, 5, grid.shape)
    labels = np.zeros(grid.shape, np.uint8)
    labels[11:14, 11:14, 12] = 3
    after = from_seeds([image], labels, Box((2, 2, 2), (22, 22, 22)), grid) == 3
    assert 2 * np.count_nonzero(after & ball) / (after.sum() + ball.sum()) > 0.95


def test_a_region_stays_within_tolerance_reach_and_slice() -> None:
    grid = Grid((24, 24, 24), np.diag([1.0, 1.0, 2.0, 1.0]))
    image = np.full(grid.shape, 100.0)
    image[5:20, 5:20, 5:20] = 150.0
    found = region(image, (12, 12, 12), 20.0, grid, 30.0)
    assert np.array_equal(found, image == 150)
    assert np.argwhere(region(image, (12, 12, 12), 20.0, grid, 30.0, axis=1))[:, 1].tolist() == [12] * 225
    near = np.argwhere(region(image, (12, 12, 12), 20.0, grid, 4.0))
    assert np.abs((near - 12) * grid.spacing_mm).max() <= 4


def test_entropy_is_nought_when_sure_and_one_when_every_class_is_as_likely() -> None:
    shares = np.zeros((4, 1, 1, 3), np.uint8)
    shares[0, 0, 0, 0] = 255
    shares[:, 0, 0, 1] = 64
    shares[:2, 0, 0, 2] = 128
    sure, even, two = entropy(shares)[0, 0]
    assert sure == 0
    assert even == pytest.approx(1, abs=0.01)
    assert two == pytest.approx(0.5, abs=0.01)


def test_the_place_with_the_largest_expected_error_comes_first() -> None:
    shares = np.zeros((2, 20, 20, 20), np.uint8)
    shares[0] = 255
    shares[0, 2:4, 2:4, 2:4], shares[1, 2:4, 2:4, 2:4] = 130, 125  # 8 voxels of about 0.49
    shares[0, 10:15, 10:15, 10:15], shares[1, 10:15, 10:15, 10:15] = 180, 75  # 125 voxels of about 0.29
    shares[0, 18, 18, 18], shares[1, 18, 18, 18] = 240, 15  # sure enough
    first, second = places_to_check(shares, Grid((20, 20, 20), np.diag([1.0, 1.0, 2.0, 1.0])))
    assert first.inside == (12, 12, 12)
    assert first.error_ml == pytest.approx(125 * (75 / 255) * 0.002, rel=0.01)
    assert first.volume_ml == pytest.approx(0.25)
    assert second.inside in {(i, j, k) for i in (2, 3) for j in (2, 3) for k in (2, 3)}
    assert places_to_check(shares[:, :1, :1, :1], Grid((1, 1, 1), np.eye(4))) == ()


def test_the_rim_of_a_large_lesion_is_many_places_and_a_speck_is_none() -> None:
    """One place of the whole rim would tell the reader nothing."""
    i, j, k = np.ogrid[:90, :90, :60]
    away = np.sqrt((i - 45) ** 2 + (j - 45) ** 2 + ((k - 30) * 1.5) ** 2)
    rim = np.abs(away - 32) < 2
    rim[2, 2, 2] = True
    shares = np.zeros((2, 90, 90, 60), np.uint8)
    shares[0] = np.where(rim, 140, 255)
    shares[1] = np.where(rim, 115, 0)
    grid = Grid((90, 90, 60), np.diag([1.0, 1.0, 1.5, 1.0]))
    places = places_to_check(shares, grid, most=100)
    assert len(places) > 10
    errors = [place.error_ml for place in places]
    assert errors == sorted(errors, reverse=True)
    assert sum(errors) == pytest.approx(np.count_nonzero(rim) * (115 / 255) * 0.0015, rel=0.03)
    assert all(rim[place.inside] for place in places)
    assert (2, 2, 2) not in [place.inside for place in places]
    assert max(place.volume_ml for place in places) < 4 / 3 * np.pi * 1.2**3
