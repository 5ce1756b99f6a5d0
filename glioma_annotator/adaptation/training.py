"""Training a base model on samples that are generated as they are needed."""

from __future__ import annotations

import copy
import csv
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from glioma_annotator.adaptation.synthesis.samples import SampleSource, draw_sample
from glioma_annotator.progress import CancelToken, Progress, Report, ignore_progress

CHECKPOINT = "checkpoint.pt"
LOG = "log.csv"


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the training with patches of one size.

    Attributes
    ----------
    until: share of the whole time at which the stage ends, 0 to 1.
    patch: edge of a cubic patch in voxels.
    batch: patches per step.
    frozen_statistics: whether batch normalisation keeps the averaged statistics instead of the batch's own. One or two
        patches say too little about intensities for the last part of a training.
    """

    until: float
    patch: int
    batch: int
    frozen_statistics: bool = False


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How to train.

    Attributes
    ----------
    minutes: wall time of the whole training; the learning rate follows the share of it that has passed.
    stages: patch sizes in order.
    seed: of the network's first weights and of the stream of samples.
    learning_rate, final_learning_rate: Adam's, at the end of the warm-up and of the cosine.
    warm_up: steps of the linear warm-up.
    weight_decay, clip_norm, ema: as in Adam, gradient clipping, and the moving average of the weights.
    class_weights: of background, NETC, SNFH, ET, RC in the cross-entropy: ET fills the fewest voxels and matters most.
    checkpoint_every: steps between checkpoints.
    max_steps: stop after so many steps in all, if earlier; None for no such limit.
    workers: processes that generate samples; 0 generates them in this one.
    """

    minutes: float = 60.0
    stages: Sequence[Stage] = (Stage(0.4, 64, 2), Stage(0.85, 64, 2, True), Stage(1.0, 96, 1, True))
    seed: int = 20261120
    learning_rate: float = 2e-3
    final_learning_rate: float = 1e-5
    warm_up: int = 20
    weight_decay: float = 1e-5
    clip_norm: float = 5.0
    ema: float = 0.99
    class_weights: Sequence[float] | None = (1.0, 1.5, 1.0, 4.0, 1.0)
    checkpoint_every: int = 100
    max_steps: int | None = None
    workers: int = 1


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """What a training came to.

    Attributes
    ----------
    steps, samples: taken and drawn.
    seconds: wall time.
    processor_seconds: processor time of the training itself, generation of samples in other processes left out.
    loss: mean of the last 100 steps.
    """

    steps: int
    samples: int
    seconds: float
    processor_seconds: float
    loss: float


class SampleStream(Dataset[tuple[Tensor, Tensor]]):
    """Samples `first`, `first + 1`, ... of a seed; each is the same whoever generates it."""

    def __init__(self, source: SampleSource, patch: int, seed: int, first: int) -> None:
        self._source, self._patch, self._seed, self._first = source, patch, seed, first

    def __len__(self) -> int:
        return 10**6

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        sample = draw_sample(self._source, self._patch, self._seed, self._first + index)
        return torch.from_numpy(sample.images), torch.from_numpy(sample.labels)


class DiceCrossEntropy(nn.Module):
    """Mean soft Dice loss, over the batch, of the tumour classes that are there, plus cross-entropy.

    Classes that a batch lacks are left to the cross-entropy: their Dice is the same for a few wrong voxels as for many,
    and drives a rare tissue such as ET out of every prediction.

    Parameters
    ----------
    smooth: added to numerator and denominator of Dice, in voxels; keeps small tissues calm.
    weights: of the classes in the cross-entropy, background first; None for equal ones.
    """

    def __init__(self, smooth: float = 50.0, weights: Sequence[float] | None = None) -> None:
        super().__init__()
        self._smooth = smooth
        self._weights = None if weights is None else torch.tensor(weights)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Loss of logits (batch, class, i, j, k) against labels (batch, i, j, k)."""
        log_shares = torch.log_softmax(logits.float(), dim=1)
        shares = log_shares.exp()
        entropy = nn.functional.nll_loss(log_shares, labels, self._weights)
        losses = []
        for value in range(1, logits.shape[1]):
            truth = (labels == value).float()
            if not truth.any():
                continue
            overlap = (shares[:, value] * truth).sum()
            total = shares[:, value].sum() + truth.sum()
            losses.append(1 - (2 * overlap + self._smooth) / (total + self._smooth))
        return entropy + torch.stack(losses).mean() if losses else entropy


class Trainer:
    """Trains a network; what it has reached lies in its run folder and can be taken up again.

    Parameters
    ----------
    network: freshly initialised; changed in place.
    source: what samples are made from.
    run: folder for the checkpoint and the log; made when absent.
    """

    def __init__(self, network: nn.Module, source: SampleSource, run: Path, plan: TrainingPlan) -> None:
        self._network = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self._source, self._run, self._plan = source, run, plan
        self._average: nn.Module = copy.deepcopy(self._network).eval()
        self._loss = DiceCrossEntropy(weights=plan.class_weights)
        self._optimiser = torch.optim.Adam(network.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay)
        self._step = self._samples = 0
        self._seconds = self._processor_seconds = 0.0
        self._recent: list[float] = []
        run.mkdir(parents=True, exist_ok=True)

    @property
    def averaged(self) -> nn.Module:
        """The moving average of the network: the one to keep."""
        return self._average

    def resume(self) -> bool:
        """Take up the run folder's checkpoint; False when there is none."""
        path = self._run / CHECKPOINT
        if not path.exists():
            return False
        state = torch.load(path, weights_only=True)
        self._network.load_state_dict(state["network"])
        self._average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._step, self._samples = state["step"], state["samples"]
        self._seconds, self._processor_seconds = state["seconds"], state["processor_seconds"]
        self._recent = list(state["recent"])
        return True

    def train(self, report: Report = ignore_progress, cancel: CancelToken | None = None) -> TrainingOutcome:
        """Train until the plan's time or steps are used up. Raises `Cancelled` after a checkpoint when asked to."""
        plan = self._plan
        for stage in plan.stages:
            if self._finished(stage):
                continue
            began, before = time.monotonic(), self._seconds
            if stage.frozen_statistics:
                self._take_averaged_statistics()
            processor_began, processor_before = time.process_time(), self._processor_seconds
            for images, labels in self._batches(stage):
                loss = self._update(images, labels.long(), stage.frozen_statistics)
                self._seconds = before + time.monotonic() - began
                self._processor_seconds = processor_before + time.process_time() - processor_began
                self._samples += stage.batch
                self._note(loss, stage, report)
                stop = self._finished(stage)
                if cancel is not None and cancel.cancelled:
                    self._save()
                    cancel.raise_if_cancelled()
                if stop or self._step % plan.checkpoint_every == 0:
                    self._save()
                if stop:
                    break
        mean = sum(self._recent) / max(len(self._recent), 1)
        return TrainingOutcome(self._step, self._samples, self._seconds, self._processor_seconds, mean)

    @property
    def _share(self) -> float:
        return min(self._seconds / (self._plan.minutes * 60), 1.0)

    def _finished(self, stage: Stage) -> bool:
        plan = self._plan
        return self._share >= stage.until or (plan.max_steps is not None and self._step >= plan.max_steps)

    def _batches(self, stage: Stage) -> Iterator[Any]:
        stream = SampleStream(self._source, stage.patch, self._plan.seed, self._samples)
        return iter(DataLoader(stream, stage.batch, num_workers=self._plan.workers))

    def _rate(self) -> float:
        plan = self._plan
        cosine = 0.5 * (1 + math.cos(math.pi * self._share))
        rate = plan.final_learning_rate + (plan.learning_rate - plan.final_learning_rate) * cosine
        return rate * min((self._step + 1) / plan.warm_up, 1.0)

    def _update(self, images: Tensor, labels: Tensor, frozen_statistics: bool) -> float:
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate()
        self._network.train()
        if frozen_statistics:
            for module in _batch_norms(self._network):
                module.eval()
        self._optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self._network(images.to(memory_format=torch.channels_last_3d))
        loss = self._loss(logits, labels)
        loss.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), self._plan.clip_norm)
        self._optimiser.step()
        self._step += 1
        decay = min(self._plan.ema, (1 + self._step) / (10 + self._step))
        with torch.no_grad():
            current = self._network.state_dict()
            for name, value in self._average.state_dict().items():
                if value.is_floating_point():
                    value.lerp_(current[name], 1 - decay)
                else:
                    value.copy_(current[name])
        return float(loss.detach())

    def _take_averaged_statistics(self) -> None:
        for module, averaged in zip(_batch_norms(self._network), _batch_norms(self._average), strict=True):
            module.load_state_dict({**module.state_dict(), **dict(averaged.named_buffers())})

    def _note(self, loss: float, stage: Stage, report: Report) -> None:
        self._recent = [*self._recent[-99:], loss]
        mean = sum(self._recent) / len(self._recent)
        path = self._run / LOG
        fresh = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.writer(file)
            if fresh:
                writer.writerow(["step", "seconds", "patch", "learning_rate", "loss", "mean_of_100"])
            writer.writerow(
                [self._step, f"{self._seconds:.1f}", stage.patch, f"{self._rate():.2e}", f"{loss:.4f}", f"{mean:.4f}"]
            )
        left = self._plan.minutes * 60 - self._seconds
        report(Progress(self._share, f"Step {self._step}, loss {mean:.3f}", max(left, 0.0)))

    def _save(self) -> None:
        state = {
            "network": self._network.state_dict(),
            "average": self._average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "step": self._step,
            "samples": self._samples,
            "seconds": self._seconds,
            "processor_seconds": self._processor_seconds,
            "recent": self._recent,
        }
        temporary = self._run / f"{CHECKPOINT}.part"
        torch.save(state, temporary)
        temporary.replace(self._run / CHECKPOINT)


def _batch_norms(network: nn.Module) -> list[nn.BatchNorm3d]:
    return [m for m in network.modules() if isinstance(m, nn.BatchNorm3d)]
