"""How the learning rate changes while a training runs."""

from __future__ import annotations

import math
from typing import Any, Protocol

import torch

from glioma_annotator.adaptation.config import OptimiserConfig, ScheduleKind


class Schedule(Protocol):
    """A learning rate; `state` and `restore` carry it over an interruption."""

    def rate(self, step: int, share: float) -> float:
        """The rate of a step (counted from 0), `share` of the training (0 to 1) being done."""

    def epoch_ended(self, value: float) -> None:
        """Tell how good the network is; lower is better."""

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


def make_schedule(config: OptimiserConfig) -> Schedule:
    """The schedule that a configuration names."""
    return Plateau(config) if config.schedule is ScheduleKind.PLATEAU else Cosine(config)


class Cosine:
    """From the first to the final rate along half a cosine, after a linear warm-up."""

    def __init__(self, config: OptimiserConfig) -> None:
        self._config = config

    def rate(self, step: int, share: float) -> float:
        config = self._config
        bend = 0.5 * (1 + math.cos(math.pi * share))
        rate = config.final_learning_rate + (config.learning_rate - config.final_learning_rate) * bend
        return rate * min((step + 1) / config.warm_up, 1.0) if config.warm_up else rate

    def epoch_ended(self, value: float) -> None:
        """The cosine does not mind."""

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


class Plateau:
    """Multiplied by a factor when the value has not improved for `patience` epochs (torch's `ReduceLROnPlateau`)."""

    def __init__(self, config: OptimiserConfig) -> None:
        # The scheduler wants an optimiser to write the rate into; this one holds nothing else.
        self._holder = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=config.learning_rate)
        self._scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self._holder, factor=config.factor, patience=config.patience
        )

    def rate(self, step: int, share: float) -> float:  # noqa: ARG002 - neither matters here
        return float(self._holder.param_groups[0]["lr"])

    def epoch_ended(self, value: float) -> None:
        self._scheduler.step(value)

    def state(self) -> dict[str, Any]:
        return {"rate": self.rate(0, 0), "best": self._scheduler.best, "bad": self._scheduler.num_bad_epochs}

    def restore(self, state: dict[str, Any]) -> None:
        self._holder.param_groups[0]["lr"] = state["rate"]
        self._scheduler.best, self._scheduler.num_bad_epochs = state["best"], state["bad"]
