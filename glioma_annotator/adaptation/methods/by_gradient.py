"""The loop that the methods share which train more than the head: patches in, steps, the best weights kept.

What is looked at and kept is a running mean of the weights over the last steps: single steps on single patches jump.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glioma_annotator.adaptation.fast_layers import speed_up
from glioma_annotator.adaptation.features import best_class, runnable, stoppable
from glioma_annotator.adaptation.methods.context import Best, Context, cosine, require_finite, set_rate
from glioma_annotator.adaptation.objective import forgotten, weighted_dice_cross_entropy
from glioma_annotator.adaptation.patches import Patch, PatchSampler, PatchStrategy
from glioma_annotator.domain.adaptation import AdaptationMethod, CurvePoint, Verdict
from glioma_annotator.domain.geometry import Box
from glioma_annotator.domain.labels import IGNORE
from glioma_annotator.inference.covering import padded_to_multiple
from glioma_annotator.inference.networks import SegmentationNetwork
from glioma_annotator.inference.torch_runner import precision

#: Edge of a patch in voxels, and patches in a step. Two of 48 take as long as one of 64 (the reference design's) and
#: show tissue and distant background together, so that one loss weighs what is missed against what is falsely marked.
EDGE = 48
PATCHES = 2
#: What a voxel of background counts beside one of tissue. Patches lie where tissue is, so that background is drawn far
#: more rarely than the visit shows it, and too much was marked around the tumour (benchmarks/measured/adaptation.md).
BACKGROUND_COUNTS = 3.0
#: What it counts, beside the loss against the mask, that answers move away from the starting model's where it is right.
#: A third of it kept too little of what the next visit shows, three times of it kept mistakes beside it
#: (benchmarks/measured/adaptation.md).
KEEPING_COUNTS = 1.0
#: How often the held-out data is looked at in a training, at least and about at most.
_LOOKS = 4
LOOKS = 6
#: Judgements that time is kept for where a candidate may lie at several shares of the way.
JUDGINGS = 2
#: What a look costs at most, in passes over as many voxels, while the machine is as quick as before.
_LOOK_COSTS = 1.5
#: Share of the running mean that a step leaves in place; less in the first steps.
_KEPT = 0.9
#: Share of the time that is left beside looks and judgements which steps are planned for.
_SHARE_FOR_STEPS = 0.9
#: Of every four steps, those in which one patch is a painted lesion.
_LESION_STEPS = (1, 2)


@dataclass(frozen=True, slots=True)
class Schedule:
    """At most so many steps, at least so many, with a peak learning rate."""

    steps: int
    least: int
    rate: float


def run(
    method: AdaptationMethod,
    network: SegmentationNetwork,
    context: Context,
    parameters: dict[str, nn.Parameter],
    schedule: Schedule,
    loss_of_step: Callable[[int], Tensor],
    measure: Callable[[], Verdict] | None = None,
) -> int:
    """Take steps on `parameters` of `network` until they or the time are used up; the number of steps.

    The number follows the time that steps take, so that candidates can be judged in time; where the last ones took
    longer, the training ends with time for a look and one judgement, which are then taken to last longer, too. At the
    end `parameters` are those with the best held-out score that were met, those of the start among them. `network` is
    left in channels-last memory.

    Parameters
    ----------
    loss_of_step: the loss of step n, with gradients.
    measure: the quick held-out verdict; by default with the whole network around the held-out tumour.
    """
    look = measure or (lambda: context.held_out.quick(predict_crops(network, context)))
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    if not context.device.gpu:
        speed_up(network)
    for parameter in parameters.values():
        parameter.requires_grad_(True)
    optimiser = torch.optim.AdamW(list(parameters.values()), lr=schedule.rate, weight_decay=0.0)
    now = context.budget.now
    began = now()
    averaged = Averaged(list(parameters.values()))
    best = Best.start({name: p.data for name, p in parameters.items()}, look())
    time = _Time(context, schedule, looks=[now() - began])
    steps = schedule.steps
    step = 0
    with stoppable(network, context.cancel):
        while step < steps:
            context.cancel.raise_if_cancelled()
            began = now()
            set_rate(optimiser, cosine(step, steps, schedule.rate))
            optimiser.zero_grad(set_to_none=True)
            loss = loss_of_step(step)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(list(parameters.values()), 5.0)
            optimiser.step()
            averaged.follow(step)
            number = require_finite(loss, method)
            step += 1
            time.steps.append(now() - began)
            steps = step if time.is_up() else time.planned(steps)
            dice = None
            if step == steps or step % max(steps // _LOOKS, 1) == 0:
                began = now()
                with averaged.in_place():
                    found = look()
                    best.offer(step, found)
                dice = found.after
                time.looks.append(now() - began)
            context.note(CurvePoint(method, step, number, dice), step / steps)
    best.restore()
    context.budget.steps_s[method] = time.step_s()
    return step


@dataclass(eq=False)
class _Time:
    """What steps and looks of a training take, in seconds, and what follows from it.

    A machine with other work stretches single steps tenfold: medians are planned with. The first step warms up.
    """

    context: Context
    schedule: Schedule
    steps: list[float] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)

    def planned(self, steps: int) -> int:
        """How many steps to take of `steps` planned before: as many as there is time for beside what follows them."""
        done = len(self.steps)
        if done < 3:
            return steps
        room = _SHARE_FOR_STEPS * (self.context.seconds_left() - max(LOOKS - len(self.looks), 1) * median(self.looks))
        step_s, judging_s = max(self.step_s(), 1e-9), _SHARE_FOR_STEPS * self._judging_s()
        several = JUDGINGS if self.context.nearer else 1
        many, few = (done + int((room - judgings * judging_s) / step_s) for judgings in (several, 1))
        least = self.schedule.least
        return int(np.clip(many if many >= least else min(few, least), done, self.schedule.steps))

    def is_up(self) -> bool:
        """Whether one more step would leave too little for a last look and a judgement at the pace of the last ones."""
        if len(self.steps) < 4:
            return False
        recent = sum(self.steps[-3:]) / 3
        closing = self._judging_s() + median(self.looks)
        return self.context.seconds_left() < recent + closing * max(recent / max(self.step_s(), 1e-9), 1.0)

    def step_s(self) -> float:
        """What a step takes; the first does not count where there are others."""
        return median(self.steps[1:] or self.steps)

    def _judging_s(self) -> float:
        """One judgement, longer where looks show that the machine has become slower since the first passes."""
        sizes = [
            (float(np.prod(crop.shape)), float(np.prod(case.shape)))
            for case, crop in zip(self.context.held_cases(), self.context.held_out.crops, strict=True)
        ]
        share = sum(crop for crop, _ in sizes) / sum(whole for _, whole in sizes)
        usual = max(_LOOK_COSTS * share * self.context.budget.passes_s, 1e-9)
        return self.context.budget.judging_s * max(median(self.looks) / usual, 1.0)


class Draws:
    """The patches of every step: of the visits, and in two of four steps one of a painted lesion.

    Parameters
    ----------
    step, augment: as `PatchSampler`'s.
    """

    def __init__(self, context: Context, rng: np.random.Generator, *, step: int = 1, augment: bool = True) -> None:
        self._visits = PatchSampler(context.train, EDGE, rng, step=step, augment=augment, marked=context.marked)
        self._count = len(context.train)
        self._lesions: PatchSampler | None = None
        if context.lesions:
            cycle = (PatchStrategy.BALANCED,)
            self._lesions = PatchSampler(context.lesions, EDGE, rng, step=step, augment=augment, cycle=cycle)

    def draw(self, step: int) -> list[Patch]:
        """Patches of step number `step`; `part` counts the visits first, then the lesions."""
        drawn = self._visits.draw_several(PATCHES)
        if self._lesions is not None and step % 4 in _LESION_STEPS:
            lesion = self._lesions.draw()
            drawn[-1] = replace(lesion, part=self._count + lesion.part)
        return drawn


@dataclass(eq=False)
class Averaged:
    """A running mean of parameters over the steps of a training."""

    parameters: list[nn.Parameter]
    means: list[Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.means = [p.detach().clone() for p in self.parameters]

    def follow(self, step: int) -> None:
        """Take the parameters after step number `step` (from 0) into the mean."""
        share = 1 - min(_KEPT, (1 + step) / (10 + step))
        for mean, parameter in zip(self.means, self.parameters, strict=True):
            mean.lerp_(parameter.detach(), share)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within it, the parameters are the mean."""
        now = [p.detach().clone() for p in self.parameters]
        self._put(self.means)
        try:
            yield
        finally:
            self._put(now)

    def _put(self, values: list[Tensor]) -> None:
        with torch.no_grad():
            for parameter, value in zip(self.parameters, values, strict=True):
                parameter.copy_(value)


def predict_crops(network: SegmentationNetwork, context: Context) -> list[NDArray[np.uint8]]:
    """Classes in the crops of the held-out visits, from a pass over each crop alone."""
    quick = runnable(network, context.device)
    results = []
    with torch.inference_mode(), precision(context.device):
        for case, crop in zip(context.held_cases(), context.held_out.crops, strict=True):
            context.cancel.raise_if_cancelled()
            batch = cut(case.images, crop, quick.multiple).to(context.device.device)
            logits = quick(batch.to(memory_format=torch.channels_last_3d))[0]
            i, j, k = (slice(0, n) for n in crop.shape)
            classes = best_class(logits[:, i, j, k].float().cpu().numpy(), case.barred)
            results.append(classes * case.brain[crop.slices])
    return results


def cut(images: NDArray[np.float32], crop: Box, multiple: int) -> Tensor:
    """A crop of images (channel, i, j, k) as a batch, filled with 0 to a multiple of voxels."""
    return torch.from_numpy(padded_to_multiple(images[(slice(None), *crop.slices)], multiple)[None])


def patch_loss(
    logits: Tensor, classes: Sequence[NDArray[np.uint8]], unseen: Sequence[int] = (), known: Tensor | None = None
) -> Tensor:
    """Loss of logits (patch, class, i, j, k) against each patch's classes (i, j, k), over all together; 255 does not
    count. `unseen` as in `weighted_dice_cross_entropy`; with `known`, the starting model's logits, what it answers
    rightly is kept.
    """
    flat = torch.from_numpy(np.stack(classes).ravel().astype(np.int64)).to(logits.device)
    weights = (flat != IGNORE).float() + (BACKGROUND_COUNTS - 1) * (flat == 0)
    scores = _by_voxel(logits)
    loss = weighted_dice_cross_entropy(scores, torch.where(flat == IGNORE, 0, flat), weights, unseen)
    return loss if known is None else loss + KEEPING_COUNTS * forgotten(scores, _by_voxel(known), flat)


def _by_voxel(logits: Tensor) -> Tensor:
    return logits.movedim(1, -1).flatten(0, -2)


def forward(network: SegmentationNetwork, images: Sequence[NDArray[np.float32]], context: Context) -> Tensor:
    """Logits (patch, class, i, j, k) of patches (channel, i, j, k), with gradients."""
    batch = torch.from_numpy(np.stack(images)).to(context.device.device, memory_format=torch.channels_last_3d)
    with precision(context.device):
        logits: Tensor = network(batch)
    return logits
