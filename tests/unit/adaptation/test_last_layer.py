"""The head trained on cached features: what it keeps of what the starting model knew."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from glioma_annotator.adaptation.methods import last_layer
from glioma_annotator.adaptation.methods.last_layer import ScaledHead, Voxels


def _head() -> nn.Conv3d:
    """Of two features the first speaks for class 1, moderately; the second says nothing yet."""
    head = nn.Conv3d(2, 2, 1)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[-1.0, 0.0], [1.0, 0.0]]).view(2, 2, 1, 1, 1))
        head.bias = nn.Parameter(torch.tensor([0.1, -0.1]))
    return head


def _voxels() -> Voxels:
    """Both features tell the classes apart; the head is right everywhere."""
    rng = np.random.default_rng(0)
    classes = (np.arange(400) % 2).astype(np.uint8)
    signs = np.where(classes == 1, 1.0, -1.0)[:, None]
    features = (signs * rng.uniform(0.5, 1.5, (400, 2))).astype(np.float16)
    return Voxels(features, classes, ((np.arange(400), 1.0),))


def _tensor(features: NDArray[np.float16]) -> torch.Tensor:
    return torch.from_numpy(features.astype(np.float32))


def _moved() -> float:
    """How far 200 steps take the probability of the right class from what the starting head says."""
    voxels = _voxels()
    scaled = ScaledHead(_head(), voxels)
    optimiser = torch.optim.Adam(scaled.parameters(), lr=last_layer.RATE)
    features, weights = _tensor(voxels.features), np.ones(400, np.float32)
    for _ in range(200):
        last_layer.one_step(scaled, optimiser, features, voxels.classes, weights)
    before, after = (torch.softmax(scores, 1)[:, 1] for scores in (scaled.known(features), scaled(features)))
    return float((after - before).detach().abs().mean())


def test_the_starting_head_is_remembered_while_the_head_learns() -> None:
    voxels, head = _voxels(), _head()
    features = _tensor(voxels.features)
    said = nn.functional.linear(features, head.weight.flatten(1), head.bias).detach()
    scaled = ScaledHead(head, voxels)
    with torch.no_grad():
        scaled.weight += 1
        scaled.bias -= 1
    assert torch.allclose(scaled.known(features), said, atol=1e-5)
    assert not torch.allclose(scaled(features), said, atol=0.1)


def test_answers_that_were_right_hardly_become_surer(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = _moved()
    monkeypatch.setattr(last_layer, "KEEPING_COUNTS", 0.0)
    assert kept < 0.8 * _moved()
