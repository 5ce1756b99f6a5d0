"""Training a network on a stream of samples."""

from __future__ import annotations

import copy
import math
import pickle
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from glioma_annotator.adaptation.config import Stage, TrainingConfig
from glioma_annotator.adaptation.fast_layers import speed_up
from glioma_annotator.adaptation.live_log import VALIDATION, LiveLog
from glioma_annotator.adaptation.losses import make_loss
from glioma_annotator.adaptation.sample_streams import Samples, SampleStream
from glioma_annotator.adaptation.schedules import make_schedule
from glioma_annotator.adaptation.validation import CaseDice, Validation, mean_dice
from glioma_annotator.domain.labels import IGNORE
from glioma_annotator.errors import Cancelled, UserError
from glioma_annotator.imaging.atomic_file import atomic_write, make_folder
from glioma_annotator.inference.device import ComputeDevice
from glioma_annotator.inference.networks import SegmentationNetwork
from glioma_annotator.progress import CancelToken, Progress, Report, ignore_progress

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """What a training came to.

    Attributes
    ----------
    steps, samples: taken and drawn.
    seconds: wall time.
    processor_seconds: processor time of the training itself, generation of samples in other processes left out.
    loss: mean of the last 100 steps.
    scores: of the network that is kept; empty where there was no validation.
    """

    steps: int
    samples: int
    seconds: float
    processor_seconds: float
    loss: float
    scores: tuple[CaseDice, ...]


class Trainer:
    """Trains a network; what it has reached lies in its run folder and can be taken up again.

    Parameters
    ----------
    network: freshly initialised; changed in place.
    samples: what is learnt from.
    folder: for the checkpoint and the log; made when absent.
    validation: what is scored meanwhile; None for nothing.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        samples: Samples,
        folder: Path,
        config: TrainingConfig,
        device: ComputeDevice,
        validation: Validation | None = None,
    ) -> None:
        network = network.to(device.device)
        self._network = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self._samples, self._folder, self._config, self._device = samples, folder, config, device
        self._validation = validation
        self._average: SegmentationNetwork = copy.deepcopy(self._network).eval()
        self._first = copy.deepcopy(self._average.state_dict()) if config.run.start_share else {}
        self._kept: SegmentationNetwork = self._average
        if device.device.type == "cpu" and device.mixed:
            speed_up(self._network)
        self._loss = make_loss(config.loss, config.output).to(device.device)
        self._schedule = make_schedule(config.optimiser)
        self._optimiser = torch.optim.Adam(
            network.parameters(), lr=config.optimiser.learning_rate, weight_decay=config.optimiser.weight_decay
        )
        make_folder(folder)
        self._log = LiveLog(folder)
        self._step = self._drawn = self._ended = 0
        self._scored_at = -1
        self._seconds = self._processor_seconds = 0.0
        self._recent: list[float] = []
        self._epoch: list[float] = []
        self._scores: tuple[CaseDice, ...] = ()

    @property
    def averaged(self) -> SegmentationNetwork:
        """The moving average of the network, in evaluation mode, after `train` with its share of the first weights."""
        return self._kept

    def resume(self) -> bool:
        """Take up the run folder's checkpoint, else begin anew in it; False when there is none.

        Raises `UserError` when the checkpoint is damaged or of another network.
        """
        path = self._folder / CHECKPOINT
        if not path.exists():
            self._log.cut_after(0)
            return False
        try:
            state = torch.load(path, weights_only=True, map_location=self._device.device)
            self._network.load_state_dict(state["network"])
            self._average.load_state_dict(state["average"])
            self._optimiser.load_state_dict(state["optimiser"])
            self._take_up(state)
        except (OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            reason = f"{error}".rstrip(".") if path.stat().st_size else "it is empty"
            raise UserError(
                f"The checkpoint “{path}” cannot be taken up: {reason or type(error).__name__}.",
                "Start the training anew in another folder.",
            ) from error
        self._log.cut_after(self._step)
        return True

    def _take_up(self, state: Mapping[str, Any]) -> None:
        """What a checkpoint holds besides the weights. Raises `KeyError` and `TypeError`."""
        schedule, self._epoch = dict(state["schedule"]), list(state["epoch"])
        if schedule and state.get("measure", self._measure) != self._measure:  # no longer comparable
            schedule |= {"best": math.inf, "bad": 0}
            self._epoch = []
        self._schedule.restore(schedule)
        self._step, self._drawn, self._ended = state["step"], state["drawn"], state["ended"]
        self._seconds, self._processor_seconds = state["seconds"], state["processor_seconds"]
        self._recent = list(state["recent"])

    def train(self, report: Report = ignore_progress, cancel: CancelToken | None = None) -> TrainingOutcome:
        """Train until the time or the steps are used up, then validate.

        Raises `Cancelled` after a checkpoint when asked to, and `UserError` when the loss is no number any more.
        """
        cancel = cancel or CancelToken()
        if self._ended != self._step:  # cancelled within the validation after that step
            self._end_epoch(cancel)
        for stage in self._config.all_stages():
            if not self._finished(stage):
                self._run_stage(stage, report, cancel)
        self._kept = self._gone_back()
        if self._validation is not None and (self._scored_at != self._step or self._kept is not self._average):
            report(Progress(1.0, "Validating"))
            self._validate(self._kept, cancel)
            self._log.cut_after(self._step - 1, (VALIDATION,))  # a training that had ended is scored again
            self._log.validation(self._step, self._scores)
        self._log.draw(always=True)
        mean = sum(self._recent) / max(len(self._recent), 1)
        return TrainingOutcome(self._step, self._drawn, self._seconds, self._processor_seconds, mean, self._scores)

    def _run_stage(self, stage: Stage, report: Report, cancel: CancelToken) -> None:
        run = self._config.run
        began, before, first = time.monotonic(), self._seconds, self._step
        processor_began, processor_before = time.process_time(), self._processor_seconds
        if stage.frozen_statistics:
            self._take_averaged_statistics()
        for images, labels in self._batches(stage):
            rate = self._schedule.rate(self._step, self._share)
            loss = self._update(images, labels, rate, stage.frozen_statistics)
            self._seconds = before + time.monotonic() - began
            self._processor_seconds = processor_before + time.process_time() - processor_began
            self._drawn += stage.batch
            self._note(loss, rate, stage, report, self._step - first, time.monotonic() - began)
            try:
                self._end_epoch(cancel)
            except Cancelled:
                self._save()
                raise
            done = self._finished(stage)
            if done or cancel.cancelled or self._step % run.checkpoint_every == 0:
                self._save()
                self._log.draw()
            cancel.raise_if_cancelled()
            if done:
                return

    @property
    def _share(self) -> float:
        """Share of the training that is done, by time or steps, whichever ends it first."""
        run = self._config.run
        by_time = self._seconds / (run.minutes * 60) if run.minutes else 0.0
        by_steps = self._step / run.steps if run.steps else 0.0
        return min(max(by_time, by_steps), 1.0)

    def _finished(self, stage: Stage) -> bool:
        return self._share >= stage.until

    def _batches(self, stage: Stage) -> Iterator[Any]:
        workers = self._config.run.workers
        stream = SampleStream(self._samples, stage.patch, self._drawn)
        loader = DataLoader(
            stream,
            stage.batch,
            num_workers=workers,
            worker_init_fn=_leave_interrupts_alone,
            pin_memory=self._device.device.type == "cuda",
        )
        return iter(loader)

    def _update(self, images: Tensor, labels: Tensor, rate: float, frozen_statistics: bool) -> float | None:
        """Take a step; its loss, or None where no voxel is reviewed: such a batch teaches nothing."""
        if not (labels != IGNORE).any():
            self._step += 1
            return None
        device, clip = self._device, self._config.optimiser.clip_norm
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._network.train()
        if frozen_statistics:
            for module in _batch_norms(self._network):
                module.eval()
        self._optimiser.zero_grad(set_to_none=True)
        inputs = images.to(device.device, non_blocking=True).to(memory_format=torch.channels_last_3d)
        with torch.autocast(device.device.type, torch.bfloat16, enabled=device.mixed):
            logits = self._network(inputs)
        loss = self._loss(logits, labels.to(device.device, non_blocking=True).long())
        value = float(loss.detach())
        if not math.isfinite(value):
            raise UserError(
                f"The training went wrong at step {self._step + 1}: the loss is no number any more.",
                "Lower optimiser.learning_rate or set optimiser.clip_norm, and start anew.",
            )
        if value >= self._config.loss.skip_below:
            loss.backward()
            if clip:
                nn.utils.clip_grad_norm_(self._network.parameters(), clip)
            self._optimiser.step()
        self._step += 1
        self._follow()
        return value

    def _follow(self) -> None:
        """Move the average towards the network; faster in the beginning, when the network is still poor."""
        decay = min(self._config.run.ema, (1 + self._step) / (10 + self._step))
        with torch.no_grad():
            current = self._network.state_dict()
            for name, value in self._average.state_dict().items():
                if value.is_floating_point():
                    value.lerp_(current[name], 1 - decay)
                else:
                    value.copy_(current[name])

    def _gone_back(self) -> SegmentationNetwork:
        """The averaged network, moved its share of the way towards the weights that it began with."""
        if not self._first:
            return self._average
        kept: SegmentationNetwork = copy.deepcopy(self._average)
        with torch.no_grad():
            for name, value in kept.state_dict().items():
                if value.is_floating_point():
                    value.lerp_(self._first[name], self._config.run.start_share)
        return kept

    @property
    def _measure(self) -> str:
        """What the schedule is told at the end of an epoch."""
        return "dice" if self._validation is not None and self._config.run.validate_every else "loss"

    def _end_epoch(self, cancel: CancelToken) -> None:
        """Where an epoch ends, tell the schedule how good the network is: Dice where it is measured, else the loss."""
        validate_every, epoch = self._config.run.validate_every, self._config.optimiser.epoch
        if self._measure == "dice":
            if self._step % validate_every == 0:
                self._validate(self._average, cancel)
                if not self._first or self._share < 1:  # else what is kept is scored and logged after this step
                    self._log.validation(self._step, self._scores)
                dice = mean_dice(self._scores)
                self._schedule.epoch_ended(1 - (dice or 0.0))
                self._epoch = []
        elif self._step % epoch == 0 and self._epoch:
            self._schedule.epoch_ended(sum(self._epoch) / len(self._epoch))
            self._epoch = []
        self._ended = self._step

    def _validate(self, network: SegmentationNetwork, cancel: CancelToken) -> None:
        assert self._validation is not None
        self._scores = self._validation.score(network, self._device, cancel)
        self._scored_at = self._step

    def _take_averaged_statistics(self) -> None:
        for module, averaged in zip(_batch_norms(self._network), _batch_norms(self._average), strict=True):
            module.load_state_dict({**module.state_dict(), **dict(averaged.named_buffers())})

    def _note(
        self, loss: float | None, rate: float, stage: Stage, report: Report, steps_here: int, seconds_here: float
    ) -> None:
        run = self._config.run
        if loss is not None:
            self._recent = [*self._recent[-99:], loss]
            self._epoch.append(loss)
        mean = sum(self._recent) / len(self._recent) if self._recent else math.nan
        self._log.step(self._step, self._seconds, stage.patch, rate, math.nan if loss is None else loss, mean)
        left = []
        if run.minutes:
            left.append(run.minutes * 60 - self._seconds)
        if run.steps:
            left.append((run.steps - self._step) * seconds_here / max(steps_here, 1))
        report(Progress(self._share, f"Step {self._step}, loss {mean:.3f}", max(min(left, default=0.0), 0.0)))

    def _save(self) -> None:
        state = {
            "network": self._network.state_dict(),
            "average": self._average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state(),
            "measure": self._measure,
            "step": self._step,
            "drawn": self._drawn,
            "ended": self._ended,
            "seconds": self._seconds,
            "processor_seconds": self._processor_seconds,
            "recent": self._recent,
            "epoch": self._epoch,
        }
        with atomic_write(self._folder / CHECKPOINT) as file:
            torch.save(state, file)


def _leave_interrupts_alone(_worker: int) -> None:
    """Ctrl+C reaches every process of a terminal; only the training's own decides what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _batch_norms(network: nn.Module) -> list[nn.BatchNorm3d]:
    return [m for m in network.modules() if isinstance(m, nn.BatchNorm3d)]
