"""DynUNet and SegResNet by name, as networks with features and a head."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_models import tiny_card

from glioma_annotator.errors import UserError
from glioma_annotator.inference.fusing import fused
from glioma_annotator.inference.model_folder import load_model, save_model
from glioma_annotator.inference.networks import build_network

NETWORKS = [
    ("dynunet", {"filters": [4, 6, 8]}, 4),
    ("dynunet", {"filters": [4, 6, 8], "norm": "batch", "residual": True}, 4),
    ("segresnet", {"init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1]}, 2),
]


@pytest.mark.parametrize(("name", "parameters", "multiple"), NETWORKS)
def test_the_head_reads_features_of_the_input_s_size(name: str, parameters: dict[str, object], multiple: int) -> None:
    network = build_network(name, parameters, 3, 5).eval()
    assert network.multiple == multiple
    x = torch.randn(1, 3, 8, 16, 8)
    with torch.inference_mode():
        features = network.features(x)
        assert features.shape == (1, network.head.in_channels, 8, 16, 8)
        logits = network(x)
        assert logits.shape == (1, 5, 8, 16, 8)
        torch.testing.assert_close(network.head(features), logits)
        torch.testing.assert_close(fused(network)(x), logits)


@pytest.mark.parametrize(("name", "parameters", "multiple"), NETWORKS)
def test_they_are_saved_and_loaded_like_any_model(
    name: str, parameters: dict[str, object], multiple: int, tmp_path: Path
) -> None:
    network = build_network(name, parameters, 3, 5).eval()
    card = replace(tiny_card(), architecture=name, parameters=parameters)
    save_model(tmp_path, card, network, half=False)
    loaded_card, loaded = load_model(tmp_path)
    assert loaded_card.architecture == name
    x = torch.randn(1, 3, 8, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(x), network(x))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("dynunet", {"filters": [4, 6]}), ("dynunet", {"norm": "none"}), ("segresnet", {"init_filters": 6})],
)
def test_parameters_that_make_no_sense_are_refused(name: str, parameters: dict[str, object]) -> None:
    with pytest.raises(UserError, match=name):
        build_network(name, parameters, 3, 5)
