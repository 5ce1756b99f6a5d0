"""The trainer, on tiny patches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import tiny_card

from glioma_annotator.adaptation.augmentation import TorchIOAugmentation
from glioma_annotator.adaptation.synthesis.backgrounds import RealBackground
from glioma_annotator.adaptation.synthesis.samples import SampleSource
from glioma_annotator.adaptation.training import LOG, DiceCrossEntropy, Stage, Trainer, TrainingPlan
from glioma_annotator.errors import Cancelled
from glioma_annotator.inference.model_folder import load_model, save_model
from glioma_annotator.inference.networks import RESIDUAL_INCEPTION_UNET, build_network
from glioma_annotator.progress import CancelToken

PARAMETERS = {"filters": [2, 4], "branch_fraction": 0.5}


def plan(max_steps: int, **changes: object) -> TrainingPlan:
    settings: dict[str, object] = {
        "minutes": 60.0,
        "stages": (Stage(1.0, 16, 1),),
        "max_steps": max_steps,
        "workers": 0,
        "checkpoint_every": 2,
        **changes,
    }
    return TrainingPlan(**settings)  # type: ignore[arg-type]


def source() -> SampleSource:
    tissue = np.zeros((24, 24, 24), dtype=np.uint8)
    tissue[2:22, 2:22, 2:22] = 3
    images = np.where(tissue > 0, np.float16(1), np.float16(0))[None].repeat(3, axis=0)
    return SampleSource([RealBackground("cube", images, tissue, True, np.ones(3, np.float32), np.ones(3, np.float32))])


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network(RESIDUAL_INCEPTION_UNET, PARAMETERS, 3, 5)


def rows(run: Path) -> int:
    return len((run / LOG).read_text().splitlines()) - 1


def test_a_short_training_writes_a_model_that_loads(tmp_path: Path) -> None:
    trainer = Trainer(network(), source(), tmp_path / "run", plan(3))
    outcome = trainer.train()
    assert (outcome.steps, outcome.samples) == (3, 3)
    assert np.isfinite(outcome.loss)
    assert rows(tmp_path / "run") == 3
    save_model(tmp_path / "model", tiny_card(parameters=PARAMETERS), trainer.averaged)
    loaded_card, loaded = load_model(tmp_path / "model")
    assert loaded_card.name == "tiny"
    with torch.no_grad():
        assert loaded(torch.zeros(1, 3, 16, 16, 16)).shape == (1, 5, 16, 16, 16)


def test_a_training_cut_short_goes_on_from_its_checkpoint_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    whole = Trainer(network(), source(), tmp_path / "whole", plan(4, minutes=1e6))
    whole.train()
    Trainer(network(), source(), tmp_path / "cut", plan(2, minutes=1e6)).train()
    resumed = Trainer(network(), source(), tmp_path / "cut", plan(4, minutes=1e6))
    assert resumed.resume()
    assert resumed.train().steps == 4
    for name, value in whole.averaged.state_dict().items():
        assert torch.allclose(value, resumed.averaged.state_dict()[name], atol=1e-5), name


def test_there_is_nothing_to_resume_in_an_empty_folder(tmp_path: Path) -> None:
    assert not Trainer(network(), source(), tmp_path, plan(1)).resume()


def test_a_cancelled_training_keeps_what_it_has_reached(tmp_path: Path) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        Trainer(network(), source(), tmp_path, plan(5)).train(cancel=cancel)
    assert Trainer(network(), source(), tmp_path, plan(5)).resume()


def test_stages_follow_each_other_by_time(tmp_path: Path) -> None:
    stages = (Stage(0.0, 16, 1), Stage(1.0, 24, 2))
    outcome = Trainer(network(), source(), tmp_path, plan(2, stages=stages)).train()
    assert outcome.samples == 4


def test_frozen_statistics_stay_as_they_are(tmp_path: Path) -> None:
    net = network()
    before = {name: value.clone() for name, value in net.named_buffers()}
    Trainer(net, source(), tmp_path, plan(2, stages=(Stage(1.0, 16, 1, frozen_statistics=True),))).train()
    assert all(torch.equal(before[name], value) for name, value in net.named_buffers())


def test_a_tissue_that_a_batch_lacks_leaves_the_dice_loss_alone() -> None:
    labels = torch.zeros(1, 8, 8, 8, dtype=torch.long)
    logits = torch.zeros(1, 5, 8, 8, 8)
    assert float(DiceCrossEntropy()(logits, labels)) == pytest.approx(float(np.log(5)), abs=1e-4)


def test_the_loss_falls_as_the_prediction_nears_the_truth() -> None:
    labels = torch.zeros(1, 8, 8, 8, dtype=torch.long)
    labels[:, 2:6, 2:6, 2:6] = 3
    right = torch.nn.functional.one_hot(labels, 5).permute(0, 4, 1, 2, 3).float() * 20
    loss = DiceCrossEntropy(smooth=1.0)
    assert float(loss(right, labels)) < 0.01 < float(loss(torch.zeros_like(right), labels))


def test_torchio_augmentation_repeats_itself_for_a_seed() -> None:
    images = np.random.default_rng(0).random((3, 16, 16, 16), dtype=np.float32) + 0.5
    augment = TorchIOAugmentation()
    outcomes = [augment(images, seed) for seed in (1, 1, 2, 3, 4, 5)]
    assert np.array_equal(outcomes[0], outcomes[1])
    assert any(not np.array_equal(outcomes[0], other) for other in outcomes[2:])
