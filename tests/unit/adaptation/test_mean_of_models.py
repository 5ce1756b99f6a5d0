"""The mean of several models' weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_models import PARAMETERS, tiny_card

from glioma_annotator.adaptation.mean_of_models import main, mean_of_models
from glioma_annotator.errors import UserError
from glioma_annotator.inference.model_folder import load_model, save_model
from glioma_annotator.inference.networks import RESIDUAL_INCEPTION_UNET, build_network


def _model(folder: Path, seed: int, parameters: dict[str, object] = PARAMETERS) -> Path:
    torch.manual_seed(seed)
    save_model(
        folder,
        tiny_card(parameters=parameters, ranges={"a": (0.0, 1.0)}),
        build_network(RESIDUAL_INCEPTION_UNET, parameters, 3, 5),
        False,
    )
    return folder


def test_every_weight_is_the_mean_by_share(tmp_path: Path) -> None:
    one, two = _model(tmp_path / "one", 1), _model(tmp_path / "two", 2)
    card = mean_of_models([(one, 0.75), (two, 0.25)], tmp_path / "mean")
    first, second, mean = (load_model(f)[1].state_dict() for f in (one, two, tmp_path / "mean"))
    for name, tensor in mean.items():
        torch.testing.assert_close(
            tensor, 0.75 * first[name] + 0.25 * second[name], rtol=2e-3, atol=1e-4, check_dtype=False
        )
    assert not torch.equal(mean["head.weight"], first["head.weight"])
    assert card.scores == card.ranges == {}
    assert [text.split()[0] for text in card.training["mean_of"]] == ["0.75", "0.25"]


def test_a_checkpoint_counts_by_its_moving_average(tmp_path: Path) -> None:
    one, two = _model(tmp_path / "one", 1), _model(tmp_path / "two", 2)
    torch.save({"average": load_model(two)[1].state_dict(), "network": {}}, tmp_path / "checkpoint.pt")
    by_folder = mean_of_models([(one, 0.5), (two, 0.5)], tmp_path / "a")
    by_checkpoint = mean_of_models([(one, 0.5), (tmp_path / "checkpoint.pt", 0.5)], tmp_path / "b")
    assert by_folder.weights_sha256 == by_checkpoint.weights_sha256


def test_what_cannot_be_averaged_is_refused(tmp_path: Path) -> None:
    one = _model(tmp_path / "one", 1)
    other = _model(tmp_path / "other", 1, {"filters": [2, 4], "branch_fraction": 0.5})
    with pytest.raises(UserError, match="another network"):
        mean_of_models([(one, 0.5), (other, 0.5)], tmp_path / "mean")
    with pytest.raises(UserError, match="add up to 1"):
        mean_of_models([(one, 0.5), (one, 0.6)], tmp_path / "mean")
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(UserError, match="no checkpoint"):
        mean_of_models([(one, 0.5), (tmp_path / "text.pt", 0.5)], tmp_path / "mean")
    with pytest.raises(UserError, match="model's folder"):
        mean_of_models([(tmp_path / "text.pt", 1.0)], tmp_path / "mean")
    assert not (tmp_path / "mean").exists()


def test_command_writes_the_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = _model(tmp_path / "one", 1), _model(tmp_path / "two", 2)
    main(["--model", f"{one}=0.5", "--model", f"{two}=0.5", "--out", str(tmp_path / "mean")])
    assert capsys.readouterr().out.strip() == load_model(tmp_path / "mean")[0].identity
    with pytest.raises(SystemExit):
        main(["--model", str(one), "--out", str(tmp_path / "other")])
