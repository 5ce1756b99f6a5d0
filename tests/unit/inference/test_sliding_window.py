from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from glioma_annotator.errors import Cancelled
from glioma_annotator.inference.device import ComputeDevice
from glioma_annotator.inference.sliding_window import OVERLAP, gaussian_weights, plan, predict
from glioma_annotator.progress import CancelToken, Progress, ignore_progress

CPU = ComputeDevice(torch.device("cpu"), "CPU", mixed=False)
PATCH = (16, 16, 8)


@pytest.fixture
def pointwise() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv3d(2, 4, 1), nn.ReLU(), nn.Conv3d(4, 3, 1)).eval()


def whole(network: nn.Module, images: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return torch.softmax(network(torch.from_numpy(images)[None])[0], dim=0).numpy()


@pytest.mark.parametrize("shape", [(40, 33, 21), (16, 16, 8), (5, 40, 3), (1, 1, 1)])
def test_patches_of_a_pointwise_network_join_into_the_whole_prediction(
    pointwise: nn.Module, shape: tuple[int, int, int]
) -> None:
    images = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    found, _ = predict(pointwise, images, np.ones(shape, bool), PATCH, CPU, ignore_progress, CancelToken())
    np.testing.assert_allclose(found, whole(pointwise, images), atol=1e-5)


def test_every_brain_voxel_lies_in_a_patch_and_empty_patches_are_skipped() -> None:
    brain = np.zeros((70, 60, 40), bool)
    brain[3:10, 5:50, 2:30] = True
    brain[40:45, 5:9, 25:30] = True
    covered = np.zeros_like(brain)
    boxes = plan(brain, PATCH)
    for box in boxes:
        assert box.shape == PATCH
        assert brain[box.slices].any()
        covered[box.slices] = True
    assert covered[brain].all()
    assert not covered.all()


def test_neighbouring_patches_overlap_by_a_quarter_at_least() -> None:
    boxes = plan(np.ones((100, 16, 8), bool), PATCH)
    starts = sorted(box.start[0] for box in boxes)
    assert all(b - a <= 16 * (1 - OVERLAP) for a, b in itertools.pairwise(starts))


def test_voxels_of_skipped_patches_have_no_class(pointwise: nn.Module) -> None:
    brain = np.zeros((64, 16, 8), bool)
    brain[:4] = True
    found, patches = predict(
        pointwise, np.zeros((2, 64, 16, 8), np.float32), brain, PATCH, CPU, ignore_progress, CancelToken()
    )
    assert patches == 1
    assert not found[:, 20:].any()


def test_progress_rises_to_the_end_with_the_time_left(pointwise: nn.Module) -> None:
    seen: list[Progress] = []
    shape = (50, 40, 8)
    _, patches = predict(
        pointwise, np.zeros((2, *shape), np.float32), np.ones(shape, bool), PATCH, CPU, seen.append, CancelToken()
    )
    fractions = [p.fraction for p in seen]
    assert len(seen) == patches > 4
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert seen[-1].seconds_left == 0
    assert f"1 of {patches}" in seen[0].message


def test_a_request_to_stop_is_heard_between_patches(pointwise: nn.Module) -> None:
    cancel = CancelToken()
    seen: list[Progress] = []

    def report(progress: Progress) -> None:
        seen.append(progress)
        cancel.cancel()

    shape = (50, 40, 8)
    with pytest.raises(Cancelled):
        predict(pointwise, np.zeros((2, *shape), np.float32), np.ones(shape, bool), PATCH, CPU, report, cancel)
    assert len(seen) == 1


def test_a_request_to_stop_is_heard_between_the_layers_of_one_patch() -> None:
    cancel = CancelToken()
    ran = []

    class Layer(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            ran.append(self)
            cancel.cancel()
            return x

    network = nn.Sequential(Layer(), Layer())
    with pytest.raises(Cancelled):
        predict(network, np.zeros((2, *PATCH), np.float32), np.ones(PATCH, bool), PATCH, CPU, ignore_progress, cancel)
    assert len(ran) == 1
    network(torch.zeros(1))  # the hooks are gone
    assert len(ran) == 3


def test_weights_are_symmetric_positive_and_largest_in_the_middle() -> None:
    weights = gaussian_weights((8, 8, 8))
    assert weights.min() > 0
    np.testing.assert_allclose(weights, weights[::-1, ::-1, ::-1])
    assert weights[3:5, 3:5, 3:5].min() == weights.max()
