"""What every method is given, and how it keeps the best weights it passed through."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glioma_annotator.adaptation.acceptance import preference
from glioma_annotator.adaptation.budget import Budget
from glioma_annotator.adaptation.cases import PreparedCase
from glioma_annotator.adaptation.features import CaseFeatures
from glioma_annotator.adaptation.guard import Guard
from glioma_annotator.adaptation.held_out import HeldOut
from glioma_annotator.adaptation.holdout import Part
from glioma_annotator.domain.adaptation import AdaptationMethod, CurvePoint, Verdict
from glioma_annotator.errors import UserError
from glioma_annotator.inference.device import ComputeDevice

#: Draws a patch of a case that must not be forgotten: z-scored images (channel, i, j, k) and classes (i, j, k).
Replay = Callable[[int, int], tuple[NDArray[np.float32], NDArray[np.uint8]]]


class Unstable(UserError):
    """The loss or the weights are no longer numbers."""

    def __init__(self, method: AdaptationMethod) -> None:
        super().__init__(
            f"The training by “{method.value}” came to a loss that is no number and was stopped.",
            "Choose another method, and check the images of the visits it learns from.",
        )


@dataclass(eq=False)
class Context:
    """The data and the limits of one training.

    Attributes
    ----------
    train: what may be learnt from. train_features, held_features: one pass of the starting model, in the same order.
    held_out: measures a candidate.
    device: where it runs.
    seed: of every draw.
    deadline: when, by the budget's clock, a method must have stopped.
    budget: the time of the whole adaptation; computations ask it whether to go on.
    note: hears of every point of the curve, with the share of the method done.
    replay: cases of others; None when there are none.
    start: the starting model's state by name; `full` is pulled towards its parameters, and shares of the way from it
        are candidates.
    lesions: painted into the visits in `train`, so that other tissues and places are not forgotten.
    lesion_features: as `train_features`; empty where no method needs them.
    guard: measures a candidate on painted lesions it did not learn from; None where none could be painted.
    marked: the starting model's classes uint8 (i, j, k) of every visit in `train`; empty when they are not known.
    nearer: whether a candidate may lie nearer to the starting weights than the trained ones, and is judged there, too.
    tell: hears how much of judging what was trained is done, 0 to 1.
    judging: of that, where the judgement at hand begins, and how much it makes up.
    """

    train: Sequence[Part]
    train_features: Sequence[CaseFeatures]
    held_features: Sequence[CaseFeatures]
    held_out: HeldOut
    device: ComputeDevice
    seed: int
    deadline: float
    note: Callable[[CurvePoint, float], None]
    budget: Budget
    start: dict[str, Tensor]
    replay: Replay | None = None
    marked: Sequence[NDArray[np.uint8]] = ()
    lesions: Sequence[Part] = ()
    lesion_features: Sequence[CaseFeatures] = ()
    guard: Guard | None = None
    nearer: bool = True
    tell: Callable[[float], None] = lambda _share: None
    judging: tuple[float, float] = (0.0, 1.0)

    def rng(self, method: AdaptationMethod) -> np.random.Generator:
        return np.random.default_rng([self.seed, list(AdaptationMethod).index(method)])

    def unseen(self, classes: int) -> tuple[int, ...]:
        """Which of a network's `classes`, the background apart, no visit in `train` shows."""
        shown = {int(value) for part in self.train for value in np.unique(part.case.classes)}
        return tuple(value for value in range(1, classes) if value not in shown)

    @property
    def cancel(self) -> Budget:
        """The token that computations ask."""
        return self.budget

    def seconds_left(self) -> float:
        return self.deadline - self.budget.now()

    def judged(self, share: float) -> None:
        """So much of the judgement at hand is done, 0 to 1."""
        begin, part = self.judging
        self.tell(begin + share * part)

    def forget_features(self) -> None:
        """Let go of what only the methods on cached features need: 0.1 GB for a visit."""
        self.train_features, self.held_features, self.lesion_features = (), (), ()

    def held_cases(self) -> Sequence[PreparedCase]:
        return self.held_out.cases


@dataclass(eq=False)
class Best:
    """The weights with the best held-out score so far; starts from the weights as they are, with a score of 0."""

    parameters: dict[str, Tensor]
    score: float
    step: int = 0
    kept: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def start(cls, parameters: dict[str, Tensor], verdict: Verdict) -> Best:
        made = cls(parameters, preference(verdict))
        made._keep()
        return made

    def offer(self, step: int, verdict: Verdict) -> None:
        score = preference(verdict)
        if score > self.score:
            self.score, self.step = score, step
            self._keep()

    def restore(self) -> None:
        """Put the best weights back."""
        with torch.no_grad():
            for name, value in self.parameters.items():
                value.copy_(self.kept[name])

    def _keep(self) -> None:
        self.kept = {name: value.detach().clone() for name, value in self.parameters.items()}


def cosine(step: int, steps: int, peak: float, warm_up: int = 10) -> float:
    """Learning rate: linear rise, then half a cosine down to a fiftieth of the peak."""
    rise = min((step + 1) / warm_up, 1.0)
    fall = 0.5 * (1 + math.cos(math.pi * min(step / max(steps, 1), 1.0)))
    return peak * rise * (0.02 + 0.98 * fall)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


def require_finite(loss: Tensor, method: AdaptationMethod) -> float:
    """The loss as a number. Raises `Unstable`."""
    value = float(loss.detach())
    if not math.isfinite(value):
        raise Unstable(method)
    return value
