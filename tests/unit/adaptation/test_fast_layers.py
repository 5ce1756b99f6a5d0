"""Faster layers compute what torch's do."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from glioma_annotator.adaptation.fast_layers import FastBatchNorm3d, speed_up
from glioma_annotator.inference.networks import RESIDUAL_INCEPTION_UNET, build_network


@pytest.mark.parametrize("training", [True, False])
def test_batch_normalisation_equals_torchs_in_values_gradients_and_statistics(training: bool) -> None:
    torch.manual_seed(0)
    reference = nn.BatchNorm3d(5)
    nn.init.normal_(reference.weight)
    reference.running_mean = torch.randn(5)
    fast = FastBatchNorm3d(5)
    fast.load_state_dict(reference.state_dict())
    images, upper = torch.randn(2, 5, 24, 23, 22) + 3, torch.randn(2, 5, 24, 23, 22)
    results = []
    for layer in (reference, fast):
        layer.train(training)
        x = images.clone().requires_grad_()
        out = layer(x)
        out.backward(upper)
        results.append([out, x.grad, layer.weight.grad, layer.bias.grad, layer.running_mean, layer.running_var])
    for expected, found in zip(*results, strict=True):
        assert torch.allclose(expected, found, rtol=1e-4, atol=2e-3)


def test_a_network_sped_up_keeps_its_state_and_its_logits() -> None:
    network = build_network(RESIDUAL_INCEPTION_UNET, {"filters": [2, 4], "branch_fraction": 1.0}, 3, 4)
    fast = copy.deepcopy(network)
    speed_up(fast)
    assert list(fast.state_dict()) == list(network.state_dict())
    x = torch.randn(1, 3, 8, 8, 8)
    gradients = []
    for one in (network, fast):
        logits = one(x)
        logits.square().sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in one.parameters()]))
    assert torch.allclose(network(x), fast(x), atol=1e-4)
    assert torch.nn.functional.cosine_similarity(gradients[0], gradients[1], dim=0) > 0.9999
