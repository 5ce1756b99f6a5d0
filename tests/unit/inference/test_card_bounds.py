"""What a card or a bundle may ask for: refused in words before any memory is asked for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import tiny_card

from glioma_annotator.errors import UserError
from glioma_annotator.inference import cards, model_folder, networks
from glioma_annotator.inference.card_bounds import MOST_LABELS
from glioma_annotator.inference.cards import CARD, WEIGHTS, card_to_json, load_card
from glioma_annotator.inference.model_folder import load_model, save_model
from glioma_annotator.inference.network_size import MOST_WEIGHTS, network_size
from glioma_annotator.inference.networks import DYNUNET, RESIDUAL_INCEPTION_UNET, SEGRESNET, build_network

CARDS = Path(__file__).parents[3] / "resources" / "models"


@pytest.fixture
def unbuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever builds an enormous network here fails at once instead of taking the machine's memory."""

    def refuse(_architecture: str) -> Any:
        raise AssertionError("a network is built")

    monkeypatch.setattr(networks, "_class_of", refuse)


@pytest.mark.parametrize(
    ("architecture", "parameters"),
    [
        (RESIDUAL_INCEPTION_UNET, {"filters": [3, 5, 8], "branch_fraction": 0.5}),
        (RESIDUAL_INCEPTION_UNET, {"filters": [4, 4]}),
        (RESIDUAL_INCEPTION_UNET, {}),
        (DYNUNET, {"filters": [4, 6, 8, 10]}),
        (DYNUNET, {"filters": [4, 6, 6], "residual": True, "norm": "batch"}),
        (SEGRESNET, {"init_filters": 8, "blocks_down": [1, 2, 3], "blocks_up": [2, 1]}),
        (SEGRESNET, {}),
    ],
)
def test_the_size_of_a_network_is_known_without_building_it(architecture: str, parameters: dict[str, Any]) -> None:
    network = build_network(architecture, parameters, 4, 5)
    size = network_size(architecture, parameters, 4, 5)
    assert size is not None and size.problem == ""
    assert size.weights == sum(weight.numel() for weight in network.parameters())
    assert network.multiple == 2 ** (size.levels - 1)


ENORMOUS = [
    (RESIDUAL_INCEPTION_UNET, {"filters": [24, 48, 96, 10**6]}, "weights"),
    (RESIDUAL_INCEPTION_UNET, {"filters": [10**5, 10]}, "channels at full resolution"),
    (RESIDUAL_INCEPTION_UNET, {"filters": [8] * 1000}, "1,000 levels"),
    (RESIDUAL_INCEPTION_UNET, {"filters": [24, 48, 96, 192], "branch_fraction": 1e6}, "channels at full resolution"),
    (RESIDUAL_INCEPTION_UNET, {"filters": [2, 10 ** 400]}, "10 to the power of"),
    (DYNUNET, {"filters": [32, 64, 128, 10**7]}, "weights"),
    (DYNUNET, {"filters": [2**40, 1, 1]}, "channels at full resolution"),
    (DYNUNET, {"filters": [8] * 50}, "50 levels"),
    (SEGRESNET, {"init_filters": 8 * 10**6}, "channels at full resolution"),
    (SEGRESNET, {"blocks_down": [1] * 60, "blocks_up": [1] * 59}, "60 levels"),
    (SEGRESNET, {"blocks_down": [1, 2, 10**9], "blocks_up": [1, 1]}, "blocks in a level"),
    (SEGRESNET, {"init_filters": 256, "blocks_down": [1] * 6, "blocks_up": [1] * 5}, "weights"),
]  # fmt: skip


@pytest.mark.usefixtures("unbuilt")
@pytest.mark.parametrize(("architecture", "parameters", "reason"), ENORMOUS)
def test_an_enormous_network_is_refused_unbuilt(architecture: str, parameters: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        build_network(architecture, parameters, 4, 5)


@pytest.mark.parametrize(("architecture", "parameters", "reason"), ENORMOUS)
def test_a_card_that_asks_for_an_enormous_network_is_refused_when_it_is_read(
    architecture: str, parameters: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    card = replace(tiny_card(), architecture=architecture, parameters=parameters)
    (tmp_path / CARD).write_text(json.dumps(card_to_json(card)))
    with pytest.raises(UserError, match=reason) as refused:
        load_card(tmp_path)
    assert len(refused.value.what) < 300


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"spacing_mm": [0.001, 1, 1]}, "finer or coarser"),
        ({"spacing_mm": [0.3, 0.3, 0.3]}, "finer or coarser"),
        ({"spacing_mm": [1, 1, 500]}, "finer or coarser"),
        ({"patch": [64, 64, 8 * 10**9]}, "a patch of more voxels"),
        ({"patch": [256, 256, 256]}, "a patch of more voxels"),
        ({"title": "x" * 5000}, "a title that fills pages"),
        ({"post_processing": {"mirrored": [{"label": 4, "within_mm": 1e9}]}}, "reaches farther"),
        ({"post_processing": {"enclosed": [{"label": 2, "rim": [3], "becomes": 1, "gap_mm": 1e6}]}}, "reaches farther"),
        ({"post_processing": {"too_small": [{"label": 3, "below_ml": 1, "becomes": 0}] * 500}}, "more rules"),
    ],
)
def test_other_demands_on_memory_and_time_are_bounded(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    (tmp_path / CARD).write_text(json.dumps(card_to_json(tiny_card()) | changes))
    with pytest.raises(UserError, match=reason):
        load_card(tmp_path)


def test_more_labels_than_memory_holds_are_refused(tmp_path: Path) -> None:
    data = card_to_json(tiny_card())
    labels = [{"value": n, "name": f"L{n}", "title": "", "colour": "#808080"} for n in range(1, MOST_LABELS + 2)]
    data["scheme"] = {"name": "many", "labels": labels, "regions": []}
    (tmp_path / CARD).write_text(json.dumps(data))
    with pytest.raises(UserError, match="33 labels, at most 32"):
        load_card(tmp_path)
    data["scheme"]["labels"] = labels[:-1]
    (tmp_path / CARD).write_text(json.dumps(data))
    assert len(load_card(tmp_path).scheme.labels) == MOST_LABELS


def test_a_card_or_weights_too_large_to_be_any_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / CARD).open("wb") as file:
        file.truncate(100 * 2**30)  # a hole: no disk is used
    with pytest.raises(UserError, match="too large"):
        load_card(tmp_path)
    (tmp_path / CARD).write_text(json.dumps(card_to_json(tiny_card())))
    (tmp_path / WEIGHTS).write_bytes(bytes(100))
    monkeypatch.setattr(cards, "MOST_WEIGHTS_BYTES", 99)
    with pytest.raises(UserError, match="larger than a model's can be"):
        load_model(tmp_path)


def test_a_network_is_not_built_for_weights_that_cannot_fill_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = {"filters": [32, 64, 128, 512]}  # 40 million weights: allowed
    card = replace(tiny_card(), parameters=wide)
    saved = save_model(tmp_path, card, torch.nn.Conv3d(1, 1, 1))
    assert saved.weights_sha256 == hashlib.sha256((tmp_path / WEIGHTS).read_bytes()).hexdigest()
    monkeypatch.setattr(model_folder, "build_network", lambda *_: pytest.fail("a network is built"))
    with pytest.raises(UserError, match="do not fit the network"):
        load_model(tmp_path)


@pytest.mark.parametrize("name", ["glioma", "glioma-fast", "brain"])
def test_the_shipped_models_are_far_from_the_bounds(name: str) -> None:
    card = load_card(CARDS / name)
    size = network_size(card.architecture, card.parameters, len(card.channels), len(card.scheme.labels) + 1)
    assert size is not None and 0 < 10 * size.weights < MOST_WEIGHTS and size.problem == ""
