"""A widened network computes what the narrow one did, and its copied filters learn apart."""

from __future__ import annotations

import copy

import pytest
import torch

from glioma_annotator.adaptation.widening import widen
from glioma_annotator.errors import UserError
from glioma_annotator.inference.networks import ResidualInceptionUNet


def narrow(inputs: int = 3, filters: tuple[int, ...] = (4, 6, 8), fraction: float = 0.5) -> ResidualInceptionUNet:
    torch.manual_seed(5)
    network = ResidualInceptionUNet(inputs, 5, filters, fraction)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.get_buffer("running_mean").normal_()
            module.get_buffer("running_var").uniform_(0.5, 2.0)
            module.weight.data.uniform_(0.5, 2.0)
            module.bias.data.normal_()
    return network.eval()


IMAGES = torch.randn(2, 3, 8, 12, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("filters", "fraction"),
    [((4, 6, 8), 0.5), ((4, 6, 8), 1.0), ((7, 6, 11), 0.8), ((8, 16, 32), 1.0)],
)
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_the_wide_network_gives_the_narrow_one_s_logits(
    filters: tuple[int, ...], fraction: float, noise: float
) -> None:
    network = narrow()
    wide = widen(network, filters, fraction, noise)
    assert [block.get_submodule("reduce.conv").out_channels for block in wide.encoders] == list(filters)
    assert not wide.training
    with torch.inference_mode():
        torch.testing.assert_close(wide(IMAGES), network(IMAGES), atol=2e-4, rtol=2e-4)


def test_the_batch_s_own_statistics_give_the_same_logits_too() -> None:
    network = narrow().train()
    wide = widen(network, (8, 12, 16), 1.0)
    assert wide.training
    expected = copy.deepcopy(network)(IMAGES)
    torch.testing.assert_close(wide(IMAGES), expected, atol=2e-3, rtol=2e-3)


def test_a_further_image_channel_has_no_influence_at_first() -> None:
    network = narrow()
    wide = widen(network, (8, 12, 16), 1.0, in_channels=4)
    extra = torch.cat([IMAGES, torch.randn(2, 1, 8, 12, 8)], dim=1)
    with torch.inference_mode():
        torch.testing.assert_close(wide(extra), network(IMAGES), atol=2e-4, rtol=2e-4)


def test_an_image_with_as_many_channels_as_filters_can_be_widened() -> None:
    network = narrow(filters=(3, 4))
    with torch.inference_mode():
        torch.testing.assert_close(widen(network, (6, 8), 0.5)(IMAGES), network(IMAGES), atol=2e-4, rtol=2e-4)


def test_copied_filters_part_company_with_the_first_step() -> None:
    wide = widen(narrow(), (8, 12, 16), 0.5).train()
    optimiser = torch.optim.Adam(wide.parameters(), 1e-3)
    labels = torch.randint(0, 5, (2, 8, 12, 8), generator=torch.Generator().manual_seed(2))
    torch.nn.functional.cross_entropy(wide(IMAGES), labels).backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    for name in ("encoders.0.single", "downs.0", "encoders.2.reduce", "decoders.1.double_second"):
        weight = wide.get_parameter(f"{name}.conv.weight").detach()
        half = weight.shape[0] // 2
        assert float((weight[:half] - weight[half:]).abs().max()) > 1e-3, name


def test_the_narrow_network_is_left_alone() -> None:
    network = narrow()
    before = copy.deepcopy(network.state_dict())
    widen(network, (8, 12, 16), 1.0)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_the_same_seed_gives_the_same_network() -> None:
    first, second, other = (widen(narrow(), (8, 12, 16), 1.0, seed=seed).head.weight for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("filters", "fraction", "inputs"),
    [((4, 6), 0.5, 3), ((4, 6, 7), 0.5, 3), ((4, 6, 8), 0.25, 3), ((8, 12, 16), 0.5, 2)],
)
def test_narrowing_and_other_depths_are_refused(filters: tuple[int, ...], fraction: float, inputs: int) -> None:
    with pytest.raises(UserError):
        widen(narrow(), filters, fraction, in_channels=inputs)
