from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.inference.cards import find_cards
from glioma_annotator.inference.model_folder import CARD, WEIGHTS, load_card, load_model, save_model
from glioma_annotator.inference.networks import ResidualInceptionUNet, build_network


@pytest.fixture
def folder(tmp_path: Path, card: ModelCard, network: ResidualInceptionUNet) -> Path:
    save_model(tmp_path / "tiny", card, network, half=False)
    return tmp_path / "tiny"


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads((folder / CARD).read_text())
    change(data)
    (folder / CARD).write_text(json.dumps(data))


def test_card_and_weights_come_back_as_saved(folder: Path, card: ModelCard, network: ResidualInceptionUNet) -> None:
    loaded, again = load_model(folder)
    assert replace(loaded, weights_sha256="") == card
    assert len(loaded.weights_sha256) == 64
    assert not again.training
    x = torch.randn(1, 3, 8, 8, 8)
    with torch.inference_mode():
        assert torch.equal(again(x), network(x))


def test_half_precision_is_half_the_size_and_nearly_the_same(
    tmp_path: Path, folder: Path, card: ModelCard, network: ResidualInceptionUNet
) -> None:
    save_model(tmp_path / "half", card, network)
    _, again = load_model(tmp_path / "half")
    for name, tensor in again.state_dict().items():
        torch.testing.assert_close(tensor, network.state_dict()[name], rtol=1e-3, atol=1e-4)
    assert again.head.weight.dtype == torch.float32


def test_values_beyond_half_precision_survive_saving(
    tmp_path: Path, card: ModelCard, network: ResidualInceptionUNet
) -> None:
    network.state_dict()["downs.0.adn.N.running_var"][0] = 1e6
    save_model(tmp_path / "half", card, network)
    _, again = load_model(tmp_path / "half")
    assert again.state_dict()["downs.0.adn.N.running_var"][0] == 1e6


def test_saving_leaves_only_card_and_weights(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {CARD, WEIGHTS}


def test_a_folder_that_cannot_be_made_is_explained(
    tmp_path: Path, card: ModelCard, network: ResidualInceptionUNet
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFailure, match="could not be made"):
        save_model(tmp_path / "file" / "model", card, network)


def test_a_folder_without_card_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no model.*card\.json"):
        load_card(tmp_path)


def test_missing_weights_are_named(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    with pytest.raises(UserError, match=r"weights\.safetensors. is missing"):
        load_model(folder)


def test_changed_weights_are_refused(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(UserError, match="SHA-256 differs"):
        load_model(folder)


def test_pickled_weights_are_refused_unopened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return (pytest.fail, ("the weights were unpickled",))

    content = pickle.dumps(Bomb())
    (folder / WEIGHTS).write_bytes(content)
    rewrite(folder, lambda data: data.update(weights_sha256=hashlib.sha256(content).hexdigest()))
    with pytest.raises(UserError, match="do not fit"):
        load_model(folder)


def test_weights_of_another_width_are_refused(tmp_path: Path, card: ModelCard) -> None:
    save_model(tmp_path / "m", card, build_network(card.architecture, {"filters": [4, 4]}, 3, 5))
    with pytest.raises(UserError, match="do not fit the network"):
        load_model(tmp_path / "m")


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, card: ModelCard) -> None:
    network = build_network(card.architecture, card.parameters, 3, 5)
    with torch.no_grad():
        network.head.bias[1] = float("nan")
    save_model(tmp_path / "m", card, network)
    with pytest.raises(UserError, match="no numbers"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize(
    "text",
    [
        "{", "", "[]", "null", "3", '{"name": "x"}', '{"format": 1, "name": 4}',
        "[" * 100_000, '{"format": ' + "9" * 5000 + "}", '{"title": "\\ud800"}',
    ],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_a_malformed_card_is_explained(folder: Path, text: str) -> None:
    (folder / CARD).write_text(text)
    with pytest.raises(UserError, match=r"card\.json"):
        load_card(folder)


def test_a_binary_card_is_explained(folder: Path) -> None:
    (folder / CARD).write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(UserError, match="damaged"):
        load_card(folder)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d.update(channels=["T1Gd", "T1Gd", "T2"]), "channel twice"),
        (lambda d: d.update(channels=[]), "no channels"),
        (lambda d: d.update(channels=["T1Gd", "PET"]), "PET"),
        (lambda d: d.update(name=""), "no name"),
        (lambda d: d.update(name="a\0b"), "one line"),
        (lambda d: d.update(name="n" * 5000), "255 characters"),
        (lambda d: d.update(patch=[float("inf")] * 3), "cannot be understood"),
        (lambda d: d.pop("scheme"), "scheme. is missing"),
        (lambda d: d["scheme"].update(labels=[]), "no labels"),
        (lambda d: d["scheme"]["labels"][0].update(value=2), "twice"),
        (lambda d: d["scheme"]["labels"][0].update(value=255), "outside 1 to 254"),
        (lambda d: d["scheme"]["regions"][0].update(values=[9]), "no label has"),
        (lambda d: d.update(spacing_mm=[1, 1]), "three numbers"),
        (lambda d: d.update(spacing_mm=[1, 0, 1]), "voxel size"),
        (lambda d: d.update(patch=[64, 64, 60]), "multiple of 8"),
        (lambda d: d.update(normalisation="min-max"), "min-max"),
        (lambda d: d.update(format=99), "newer version"),
        (lambda d: d.update(parameters=None), "cannot be understood"),
    ],
)
def test_a_card_that_makes_no_sense_says_why(
    folder: Path, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    rewrite(folder, change)
    with pytest.raises(UserError, match=reason):
        load_card(folder)


def test_cards_are_found_in_order_and_damaged_ones_left_out(
    tmp_path: Path, card: ModelCard, network: ResidualInceptionUNet, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    save_model(first / "b", replace(card, name="b"), network)
    save_model(first / "a", replace(card, name="a"), network)
    save_model(second / "a", replace(card, name="a", title="another"), network)
    save_model(second / "c", replace(card, name="c"), network)
    (second / "c" / CARD).write_text("{")
    found = find_cards([first, tmp_path / "absent", second])
    assert [c.name for c in found] == ["a", "b"]
    assert found[0].title == card.title
    assert "left out" in caplog.text


def test_a_model_folder_itself_may_be_named(folder: Path) -> None:
    assert [c.name for c in find_cards([folder])] == ["tiny"]


def test_cards_are_read_without_torch() -> None:
    modules = "glioma_annotator.inference.cards, glioma_annotator.inference.segmenter"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
