from __future__ import annotations

import pytest
import torch
from torch import nn

from glioma_annotator.errors import UserError
from glioma_annotator.inference.fusing import fused
from glioma_annotator.inference.networks import MaxPool3, ResidualInceptionUNet, build_network


def test_the_published_width_has_7_3_million_parameters() -> None:
    network = ResidualInceptionUNet(3, 4)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(7.3e6, rel=0.03)


def test_logits_have_the_input_s_size_and_one_channel_per_class(network: ResidualInceptionUNet) -> None:
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, 16, 8, 24)).shape == (2, 5, 16, 8, 24)


def test_the_head_reads_the_features(network: ResidualInceptionUNet) -> None:
    x = torch.randn(1, 3, 8, 8, 8)
    with torch.inference_mode():
        features = network.features(x)
        assert features.shape == (1, 2, 8, 8, 8)
        torch.testing.assert_close(network.head(features), network(x))


def test_four_levels_need_multiples_of_eight() -> None:
    assert ResidualInceptionUNet(1, 2, (2, 2, 2, 2)).multiple == 8


def test_blocks_order_convolution_relu_normalisation(network: ResidualInceptionUNet) -> None:
    block = network.downs[0]
    kinds = [type(m) for m in block.modules() if not list(m.children())]
    assert kinds == [nn.Conv3d, nn.ReLU, nn.BatchNorm3d]


@pytest.mark.parametrize("size", [(1, 1, 1), (2, 1, 3), (5, 4, 7)])
@pytest.mark.parametrize("grad", [True, False])
def test_the_split_pool_equals_the_3d_pool(size: tuple[int, int, int], grad: bool) -> None:
    x = torch.randn(2, 3, *size)
    with torch.set_grad_enabled(grad):
        assert torch.equal(MaxPool3()(x), nn.functional.max_pool3d(x, 3, stride=1, padding=1))


def test_the_fused_network_equals_the_original(network: ResidualInceptionUNet) -> None:
    x = torch.randn(1, 3, 16, 16, 8)
    with torch.inference_mode():
        expected = network(x)
        torch.testing.assert_close(fused(network)(x), expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(network(x), expected, atol=0, rtol=0)


def test_an_unknown_architecture_is_refused_by_name() -> None:
    with pytest.raises(UserError, match="swin-unetr"):
        build_network("swin-unetr", {}, 3, 5)


@pytest.mark.parametrize("parameters", [{"colour": 1}, {"filters": [8]}, {"filters": 5}, {"branch_fraction": 0}])
def test_parameters_that_make_no_sense_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(UserError, match="residual-inception-unet"):
        build_network("residual-inception-unet", parameters, 3, 5)
