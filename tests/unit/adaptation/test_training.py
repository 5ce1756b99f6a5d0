"""The trainer, on tiny patches."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import tiny_card

from glioma_annotator.adaptation.config import (
    Init,
    LossConfig,
    NetworkConfig,
    OptimiserConfig,
    Output,
    RunConfig,
    ScheduleKind,
    Stage,
    TrainingConfig,
)
from glioma_annotator.adaptation.first_weights import first_network
from glioma_annotator.adaptation.live_log import STEPS, VALIDATION, LiveLog
from glioma_annotator.adaptation.training import CHECKPOINT, Trainer
from glioma_annotator.adaptation.validation import CaseDice, SampleValidation
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.errors import Cancelled, UserError
from glioma_annotator.inference.device import choose_device
from glioma_annotator.inference.model_folder import load_model, save_model
from glioma_annotator.inference.networks import build_network
from glioma_annotator.progress import CancelToken, Progress

PARAMETERS = {"filters": [2, 4], "branch_fraction": 0.5}


@pytest.fixture(autouse=True)
def _pictures_only_where_looked_at(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than everything else here."""
    if request.function is not test_a_network_learns_what_it_is_shown:
        monkeypatch.setattr(LiveLog, "draw", lambda *_, **__: None)


class Balls:
    """Samples with a bright ball that is enhancing tumour."""

    def draw(self, patch: int, index: int) -> tuple[Any, Any]:
        rng = np.random.default_rng(index)
        axes = np.stack(np.meshgrid(*[np.arange(patch)] * 3, indexing="ij"))
        centre = rng.uniform(patch / 4, 3 * patch / 4, (3, 1, 1, 1))
        labels = (((axes - centre) ** 2).sum(axis=0) < (patch / 4) ** 2).astype(np.uint8) * 3
        images = rng.normal(0, 0.3, (3, patch, patch, patch)).astype(np.float32)
        images[0] += 3 * (labels > 0)
        return images, labels


def config(steps: int, **run: Any) -> TrainingConfig:
    return TrainingConfig(
        "test",
        network=NetworkConfig(parameters=PARAMETERS),
        stages=(Stage(1.0, 16, 1),),
        optimiser=OptimiserConfig(schedule=ScheduleKind.COSINE, warm_up=2),
        run=RunConfig(**{"steps": steps, "workers": 0, "checkpoint_every": 2, "precision": "float32", **run}),
    )


def trainer(settings: TrainingConfig, folder: Path, validation: Any = None, samples: Any = None) -> Trainer:
    device = dataclasses.replace(choose_device("cpu"), mixed=False)
    network = first_network(settings, GLIOMA_POST_TREATMENT)
    return Trainer(network, samples or Balls(), folder, settings, device, validation)


def rows(folder: Path, name: str = STEPS) -> list[dict[str, str]]:
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_network_learns_what_it_is_shown(tmp_path: Path) -> None:
    settings = dataclasses.replace(
        config(40),
        optimiser=OptimiserConfig(learning_rate=3e-2, schedule=ScheduleKind.COSINE),
        loss=LossConfig(smooth=1),
    )
    outcome = trainer(settings, tmp_path, SampleValidation(Balls(), 2, GLIOMA_POST_TREATMENT, 16)).train()
    assert (outcome.steps, outcome.samples) == (40, 40)
    assert min(score.dice for score in outcome.scores if score.region == "ET") > 0.5
    assert len(rows(tmp_path)) == 40
    losses = [float(row["loss"]) for row in rows(tmp_path)]
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])
    for picture in ("loss.png", "loss.svg", "dice.png", "dice.svg"):
        assert (tmp_path / picture).stat().st_size > 1000


@pytest.mark.parametrize("schedule", ScheduleKind)
def test_a_training_cut_short_goes_on_as_if_it_had_never_stopped(tmp_path: Path, schedule: ScheduleKind) -> None:
    def settings(steps: int) -> TrainingConfig:
        optimiser = OptimiserConfig(schedule=schedule, epoch=2, patience=1, factor=0.1)
        stages = (Stage(0.5, 16, 1), Stage(1.0, 16, 2, True))
        return dataclasses.replace(config(steps), optimiser=optimiser, stages=stages)

    whole = trainer(settings(6), tmp_path / "whole")
    whole.train()

    class StopAtThree(CancelToken):
        def raise_if_cancelled(self) -> None:
            if len(rows(tmp_path / "cut")) == 3:
                self.cancel()
            super().raise_if_cancelled()

    cut = trainer(settings(6), tmp_path / "cut")
    with pytest.raises(Cancelled):
        cut.train(cancel=StopAtThree())
    # A killed process may have written rows, also half a row, after its last checkpoint.
    with (tmp_path / "cut" / STEPS).open("a") as file:
        file.write("4,1.0,16,1e-3,9.9,9.9\r\n5,1.0")
    resumed = trainer(settings(6), tmp_path / "cut")
    assert resumed.resume()
    resumed.train()
    for name, value in whole.averaged.state_dict().items():
        assert torch.equal(value, resumed.averaged.state_dict()[name]), name
    strip = ["step", "patch", "learning_rate", "loss"]
    assert [[r[c] for c in strip] for r in rows(tmp_path / "cut")] == [
        [r[c] for c in strip] for r in rows(tmp_path / "whole")
    ]


def test_a_training_cancelled_while_it_validates_validates_when_taken_up(tmp_path: Path) -> None:
    class Interrupted:
        def score(self, *_: Any) -> tuple[CaseDice, ...]:
            raise Cancelled

    class Told:
        def score(self, *_: Any) -> tuple[CaseDice, ...]:
            return (CaseDice("A", "WT", 0.5, True),)

    settings = config(3, validate_every=2)
    with pytest.raises(Cancelled):
        trainer(settings, tmp_path, Interrupted()).train()
    resumed = trainer(settings, tmp_path, Told())
    assert resumed.resume()
    resumed.train()
    assert [row["step"] for row in rows(tmp_path, VALIDATION)] == ["2", "3"]


def test_there_is_nothing_to_resume_in_an_empty_folder(tmp_path: Path) -> None:
    assert not trainer(config(1), tmp_path).resume()


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes(b"nonsense")
    with pytest.raises(UserError, match="checkpoint"):
        trainer(config(1), tmp_path).resume()


@pytest.mark.parametrize(("content", "reason"), [(b"", "it is empty"), ([1], "indices"), ({"a": 1}, "network")])
def test_a_checkpoint_of_something_else_is_refused_with_the_reason(tmp_path: Path, content: Any, reason: str) -> None:
    if isinstance(content, bytes):
        (tmp_path / CHECKPOINT).write_bytes(content)
    else:
        torch.save(content, tmp_path / CHECKPOINT)
    with pytest.raises(UserError, match=f"cannot be taken up: .*{reason}"):
        trainer(config(1), tmp_path).resume()


class Noted:
    """A validation that keeps the weights it was shown, and finds every network as good."""

    def __init__(self) -> None:
        self.seen: list[dict[str, torch.Tensor]] = []

    def score(self, network: torch.nn.Module, *_: Any) -> tuple[CaseDice, ...]:
        self.seen.append({name: value.clone() for name, value in network.state_dict().items()})
        return (CaseDice("A", "WT", len(self.seen) / 10, True),)


@pytest.mark.parametrize("validate_every", [0, 2])
def test_the_scores_are_those_of_the_network_that_is_kept(tmp_path: Path, validate_every: int) -> None:
    settings = config(4, start_share=0.5, ema=0.0, validate_every=validate_every)
    done = trainer(settings, tmp_path, noted := Noted())
    outcome = done.train()
    kept = done.averaged.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in noted.seen[-1].items())
    assert outcome.scores[0].dice == len(noted.seen) / 10
    last = [row["dice"] for row in rows(tmp_path, VALIDATION) if row["step"] == "4"]
    assert last == [f"{outcome.scores[0].dice:.4f}"]
    again = trainer(settings, tmp_path)
    assert again.resume()
    again.train()
    assert all(torch.equal(value, kept[name]) for name, value in again.averaged.state_dict().items())


def test_a_schedule_forgets_its_best_value_when_something_else_is_measured(tmp_path: Path) -> None:
    def settings(steps: int, validate_every: int) -> TrainingConfig:
        optimiser = OptimiserConfig(epoch=1, patience=1, learning_rate=1e-3, factor=0.5)
        return dataclasses.replace(config(steps, validate_every=validate_every), optimiser=optimiser)

    trainer(settings(2, 1), tmp_path, Noted()).train()  # 1 - Dice: 0.8 at its best, which no loss comes near
    resumed = trainer(settings(4, 0), tmp_path, Noted())
    assert resumed.resume()
    resumed.train()
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    losses = [float(row["loss"]) for row in rows(tmp_path)]
    assert state["schedule"]["best"] == pytest.approx(min(losses[2:]), abs=1e-3)
    assert state["schedule"]["best"] > 0.8


def test_a_batch_that_nobody_reviewed_is_a_step_without_an_update(tmp_path: Path) -> None:
    class Unreviewed(Balls):
        def draw(self, patch: int, index: int) -> tuple[Any, Any]:
            images, labels = super().draw(patch, index)
            return images, np.full_like(labels, 255) if index != 1 else labels

    settings = dataclasses.replace(config(1, ema=0.0), optimiser=OptimiserConfig(epoch=1))
    first = trainer(settings, tmp_path / "one", samples=Unreviewed())
    before = {name: value.clone() for name, value in first.averaged.state_dict().items()}
    assert first.train().steps == 1
    assert all(torch.equal(value, before[name]) for name, value in first.averaged.state_dict().items())
    outcome = trainer(dataclasses.replace(settings, run=config(3).run), tmp_path / "all", samples=Unreviewed()).train()
    assert [row["loss"] == "nan" for row in rows(tmp_path / "all")] == [True, False, True]
    assert outcome.loss == pytest.approx(float(rows(tmp_path / "all")[1]["loss"]), abs=1e-3)


def test_a_cancelled_training_keeps_what_it_has_reached(tmp_path: Path) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        trainer(config(5), tmp_path).train(cancel=cancel)
    assert trainer(config(5), tmp_path).resume()


def test_stages_follow_each_other(tmp_path: Path) -> None:
    settings = dataclasses.replace(config(4), stages=(Stage(0.5, 16, 1), Stage(1.0, 24, 2)))
    reports: list[Progress] = []
    assert trainer(settings, tmp_path).train(reports.append).samples == 6
    assert [row["patch"] for row in rows(tmp_path)] == ["16", "16", "24", "24"]
    assert [report.fraction for report in reports] == [0.25, 0.5, 0.75, 1.0]
    assert all(report.seconds_left is not None for report in reports)


def test_frozen_statistics_stay_as_they_are(tmp_path: Path) -> None:
    settings = dataclasses.replace(config(2), stages=(Stage(1.0, 16, 1, frozen_statistics=True),))
    before = {name: value.clone() for name, value in first_network(settings, GLIOMA_POST_TREATMENT).named_buffers()}
    done = trainer(settings, tmp_path)
    done.train()
    assert all(torch.equal(before[name], value) for name, value in done.averaged.named_buffers())


def test_a_training_by_time_ends_when_the_time_is_up(tmp_path: Path) -> None:
    outcome = trainer(config(0, minutes=0.001), tmp_path).train()
    assert outcome.steps >= 1
    assert outcome.seconds >= 0.06


def test_a_plateau_is_judged_by_the_validation(tmp_path: Path) -> None:
    class Same:
        def score(self, *_: Any) -> tuple[CaseDice, ...]:
            return (CaseDice("A", "WT", 0.5, True), CaseDice("A", "RC", 1.0, False))

    optimiser = OptimiserConfig(learning_rate=1e-2, patience=1, factor=0.5)
    settings = dataclasses.replace(config(6, validate_every=1), optimiser=optimiser)
    trainer(settings, tmp_path, Same()).train()
    assert [float(row["learning_rate"]) for row in rows(tmp_path)] == [0.01, 0.01, 0.01, 0.005, 0.005, 0.0025]


def test_a_loss_that_is_no_number_stops_the_training(tmp_path: Path) -> None:
    class Broken(Balls):
        def draw(self, patch: int, index: int) -> tuple[Any, Any]:
            images, labels = super().draw(patch, index)
            return np.full_like(images, np.nan), labels

    settings = config(3)
    with pytest.raises(UserError, match="no number"):
        trainer(settings, tmp_path, samples=Broken()).train()


def test_the_background_of_a_multi_label_network_stays_at_zero(tmp_path: Path) -> None:
    done = trainer(dataclasses.replace(config(3), output=Output.MULTI_LABEL), tmp_path)
    done.train()
    x = torch.randn(1, 3, 8, 8, 8)
    with torch.inference_mode():
        logits = done.averaged(x)
    assert torch.equal(logits[:, 0], torch.zeros_like(logits[:, 0]))
    assert logits[:, 1:].abs().max() > 0


@pytest.mark.parametrize("how", ["model", "widen"])
def test_a_multi_label_training_begins_with_the_log_odds_of_a_multi_class_model(tmp_path: Path, how: str) -> None:
    card = tiny_card(parameters=PARAMETERS)
    save_model(tmp_path, card, build_network(card.architecture, PARAMETERS, 3, 5))
    begun = load_model(tmp_path)[1].eval()  # rounded by being saved
    parameters = PARAMETERS if how == "model" else {"filters": [4, 8], "branch_fraction": 0.5}
    network = NetworkConfig(parameters=parameters, init=Init(**{how: str(tmp_path)}))
    settings = dataclasses.replace(config(1), output=Output.MULTI_LABEL, network=network)
    first = first_network(settings, GLIOMA_POST_TREATMENT).eval()
    x = torch.randn(1, 3, 16, 16, 16)
    with torch.inference_mode():
        before, after = begun(x), first(x)
    assert not after[:, 0].any()
    assert torch.allclose(after[:, 1:], before[:, 1:] - before[:, :1], atol=1e-4)
    save_model(tmp_path, dataclasses.replace(card, training={"output": "multi-label"}), begun)
    with torch.inference_mode():  # its background was never learnt, so its tissues stay as they are
        again = first_network(settings, GLIOMA_POST_TREATMENT).eval()(x)
    assert not again[:, 0].any()
    assert torch.allclose(again[:, 1:], before[:, 1:], atol=1e-4)


def test_a_batch_that_is_known_well_changes_nothing(tmp_path: Path) -> None:
    settings = config(steps=2, ema=0.0)
    settings = dataclasses.replace(settings, loss=dataclasses.replace(settings.loss, skip_below=1e6))
    skipping = trainer(settings, tmp_path / "skipping")
    before = {name: value.clone() for name, value in skipping.averaged.named_parameters()}
    assert skipping.train().steps == 2
    for name, value in skipping.averaged.named_parameters():
        assert torch.equal(value, before[name]), name
