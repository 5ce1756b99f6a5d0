from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from glioma_annotator.errors import Cancelled
from glioma_annotator.inference.covering import (
    HALO,
    LEAST_TILE,
    OVERLAP,
    gaussian_weights,
    in_patches,
    in_tiles,
    plan,
    tile_shape,
    whole,
)
from glioma_annotator.inference.networks import ResidualInceptionUNet
from glioma_annotator.inference.runner import Block
from glioma_annotator.progress import CancelToken, Progress, ignore_progress

PATCH = (16, 16, 8)
Run = Callable[[NDArray[np.float32]], Block]


def pointwise(images: NDArray[np.float32]) -> Block:
    """Two classes and a feature from each voxel alone."""
    share = 1 / (1 + np.exp(-images.sum(axis=0)))
    return Block(np.stack([share, 1 - share]).astype(np.float32), images[:1].astype(np.float16))


def random_images(shape: tuple[int, int, int]) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)


class TestPatches:
    @pytest.mark.parametrize("shape", [(40, 33, 21), (16, 16, 8), (5, 40, 3), (1, 1, 1)])
    def test_those_of_a_pointwise_network_join_into_the_whole_prediction(self, shape: tuple[int, int, int]) -> None:
        images = random_images(shape)
        found, _ = in_patches(pointwise, images, np.ones(shape, bool), PATCH, ignore_progress, CancelToken())
        np.testing.assert_allclose(found.softmax, pointwise(images).softmax, atol=1e-5)
        assert found.features is not None and found.features.dtype == np.float16
        np.testing.assert_allclose(found.features, images[:1], atol=2e-3)

    def test_every_brain_voxel_lies_in_one_and_empty_ones_are_skipped(self) -> None:
        brain = np.zeros((70, 60, 40), bool)
        brain[3:10, 5:50, 2:30] = True
        brain[40:45, 5:9, 25:30] = True
        covered = np.zeros_like(brain)
        for box in plan(brain, PATCH):
            assert box.shape == PATCH
            assert brain[box.slices].any()
            covered[box.slices] = True
        assert covered[brain].all()
        assert not covered.all()

    def test_neighbours_overlap_by_a_quarter_at_least(self) -> None:
        starts = sorted(box.start[0] for box in plan(np.ones((100, 16, 8), bool), PATCH))
        assert all(b - a <= 16 * (1 - OVERLAP) for a, b in itertools.pairwise(starts))

    def test_voxels_of_skipped_ones_have_no_class(self) -> None:
        brain = np.zeros((64, 16, 8), bool)
        brain[:4] = True
        found, count = in_patches(pointwise, random_images((64, 16, 8)), brain, PATCH, ignore_progress, CancelToken())
        assert count == 1
        assert not found.softmax[:, 20:].any()

    def test_progress_rises_to_the_end_with_the_time_left(self) -> None:
        seen: list[Progress] = []
        shape = (50, 40, 8)
        _, count = in_patches(pointwise, random_images(shape), np.ones(shape, bool), PATCH, seen.append, CancelToken())
        fractions = [p.fraction for p in seen]
        assert len(seen) == count > 4
        assert fractions == sorted(fractions)
        assert fractions[-1] == 1.0
        assert seen[-1].seconds_left == 0
        assert f"1 of {count}" in seen[0].message

    def test_a_request_to_stop_is_heard_between_them(self) -> None:
        cancel = CancelToken()
        seen: list[Progress] = []

        def report(progress: Progress) -> None:
            seen.append(progress)
            cancel.cancel()

        shape = (50, 40, 8)
        with pytest.raises(Cancelled):
            in_patches(pointwise, random_images(shape), np.ones(shape, bool), PATCH, report, cancel)
        assert len(seen) == 1

    def test_weights_are_symmetric_positive_and_largest_in_the_middle(self) -> None:
        weights = gaussian_weights((8, 8, 8))
        assert weights.min() > 0
        np.testing.assert_allclose(weights, weights[::-1, ::-1, ::-1])
        assert weights[3:5, 3:5, 3:5].min() == weights.max()


class TestOnePassAndTiles:
    @pytest.fixture
    def run(self, network: ResidualInceptionUNet) -> Run:
        def run(images: NDArray[np.float32]) -> Block:
            with torch.inference_mode():
                features = network.features(torch.from_numpy(images.copy())[None])
                softmax = torch.softmax(network.head(features)[0], dim=0).numpy()
            return Block(softmax, features[0].half().numpy())

        return run

    def test_one_pass_takes_any_size(self, run: Run) -> None:
        images = np.random.default_rng(0).normal(size=(3, 21, 17, 9)).astype(np.float32)
        block = whole(run, images, 8)
        assert block.softmax.shape == (5, 21, 17, 9)
        np.testing.assert_allclose(block.softmax.sum(axis=0), 1, atol=1e-5)
        assert block.features is not None and block.features.shape[1:] == (21, 17, 9)

    def test_tiles_with_margins_wider_than_the_field_of_view_equal_one_pass(self, run: Run) -> None:
        images = np.random.default_rng(0).normal(size=(3, 150, 20, 12)).astype(np.float32)
        once = whole(run, images, 8)
        tiled, count = in_tiles(run, images, (104, 24, 16), 8, ignore_progress, CancelToken())
        assert count == 2
        np.testing.assert_allclose(tiled.softmax, once.softmax, atol=1e-5)
        assert tiled.features is not None and once.features is not None
        np.testing.assert_allclose(tiled.features, once.features, atol=1e-2)

    def test_tiles_report_and_stop(self) -> None:
        seen: list[Progress] = []
        cancel = CancelToken()

        def report(progress: Progress) -> None:
            seen.append(progress)
            cancel.cancel()

        with pytest.raises(Cancelled):
            in_tiles(pointwise, random_images((200, 16, 16)), (104, 16, 16), 8, report, cancel)
        assert [p.message for p in seen] == ["Segmenting: 1 of 3 tiles"]

    @pytest.mark.parametrize("bound", [10**7, 3 * 10**6, 10**6])
    def test_the_largest_tile_that_memory_allows_is_taken(self, bound: int) -> None:
        tile = tile_shape((144, 176, 136), 8, lambda t: int(np.prod(t)) <= bound)
        assert tile is not None
        assert np.prod(tile) <= bound
        assert all(n % 8 == 0 for n in tile)
        assert min(tile) > 2 * HALO

    def test_no_tile_is_taken_when_memory_does_not_suffice_for_its_margins(self) -> None:
        assert tile_shape((144, 176, 136), 8, lambda t: int(np.prod(t)) <= (LEAST_TILE // 2) ** 3) is None

    @pytest.mark.parametrize("size", [97, 150, 201, 350])
    def test_tiles_of_any_planned_size_cover_every_voxel_once(self, size: int) -> None:
        images = random_images((size, 8, 8))
        tile = tile_shape((size + -size % 8, 8, 8), 8, lambda t: t[0] <= 104)
        assert tile is not None
        found, _ = in_tiles(pointwise, images, tile, 8, ignore_progress, CancelToken())
        np.testing.assert_array_equal(found.softmax, pointwise(images).softmax)
