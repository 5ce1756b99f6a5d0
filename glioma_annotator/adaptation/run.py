"""One adaptation from visits to a candidate model: passes, trainings, the verdict, the saved folder."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from glioma_annotator.adaptation.acceptance import preference
from glioma_annotator.adaptation.candidate import Candidate, best_share, make_card, save_candidate
from glioma_annotator.adaptation.cases import PreparedCase, prepare
from glioma_annotator.adaptation.features import CaseFeatures, compute_features, head_scores, predict_classes
from glioma_annotator.adaptation.guard import Guard, paint_lesions
from glioma_annotator.adaptation.held_out import HeldOut, classes_of
from glioma_annotator.adaptation.holdout import Part, Split, split
from glioma_annotator.adaptation.methods import by_gradient, decoder, full, last_layer, norm
from glioma_annotator.adaptation.methods.context import Context, Replay, Unstable
from glioma_annotator.adaptation.patches import PatchSampler
from glioma_annotator.domain.adaptation import (
    METHODS,
    AdaptationCase,
    AdaptationMethod,
    AdaptationOutcome,
    AdaptationRequest,
    CurvePoint,
    Trial,
)
from glioma_annotator.domain.labels import IGNORE
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.inference.device import ComputeDevice, choose_device
from glioma_annotator.inference.model_folder import load_model
from glioma_annotator.inference.networks import SegmentationNetwork
from glioma_annotator.inference.runner import OutOfMemory
from glioma_annotator.inference.torch_runner import out_of_memory_named
from glioma_annotator.progress import CancelToken, Progress, Report

Watch = Callable[[CurvePoint], None]

_TRAIN: dict[AdaptationMethod, Callable[[SegmentationNetwork, Context], int]] = {
    AdaptationMethod.LAST_LAYER: last_layer.train,
    AdaptationMethod.NORM: norm.train,
    AdaptationMethod.DECODER: decoder.train,
    AdaptationMethod.FULL: full.train,
}
#: Visits of which the inputs of the last decoder stage are kept: 0.1 to 0.3 GB each.
_MOST_STAGES = 4
#: What the first method gets where the passes have used the time up.
_LEAST_SECONDS = 10.0
#: What `last-layer` usually takes.
_LAST_LAYER_SECONDS = 12.0
#: Share of the time left that each method may take under AUTO.
_SHARES = {
    AdaptationMethod.LAST_LAYER: 0.15,
    AdaptationMethod.NORM: 0.3,
    AdaptationMethod.DECODER: 0.5,
    AdaptationMethod.FULL: 0.95,
}
#: What a step costs, in passes over the patch without gradients.
_PASSES_PER_STEP = {AdaptationMethod.NORM: 3.5, AdaptationMethod.DECODER: 2.0, AdaptationMethod.FULL: 4.0}
_SCHEDULES = {
    AdaptationMethod.NORM: norm.SCHEDULE,
    AdaptationMethod.DECODER: decoder.SCHEDULE,
    AdaptationMethod.FULL: full.SCHEDULE,
}


@dataclass(eq=False)
class _Telling:
    """Progress of the whole from the parts', and the curve."""

    report: Report
    watch: Watch
    began: float
    curve: list[CurvePoint] = field(default_factory=list)
    start: float = 0.0
    end: float = 1.0
    message: str = ""

    def stage(self, start: float, end: float, message: str) -> None:
        self.start, self.end, self.message = start, end, message
        self.tell(0.0)

    def tell(self, share: float, message: str = "") -> None:
        fraction = self.start + min(share, 1.0) * (self.end - self.start)
        elapsed = time.monotonic() - self.began
        left = elapsed * (1 - fraction) / fraction if fraction > 0.05 else None
        self.report(Progress(fraction, message or self.message, left))

    def point(self, point: CurvePoint, share: float) -> None:
        self.curve.append(point)
        self.watch(point)
        self.tell(share, f"{self.message}: step {point.step}, loss {point.loss:.3f}")


def adapt(
    request: AdaptationRequest,
    start: Path,
    folder: Path,
    report: Report,
    watch: Watch,
    cancel: CancelToken,
    draw_replay: Replay | None = None,
) -> AdaptationOutcome:
    """Adapt the model in `start` and save the candidate as `folder`, whole or not at all, accepted or not.

    With device "auto", a GPU whose memory does not suffice is exchanged for the CPU, and a message says so.
    Raises `UserError` (damaged model, unusable visits, loss no number), `EnvironmentFailure` (memory, disk, device),
    `Cancelled`; then nothing is left behind.
    """
    device = choose_device(request.device)
    try:
        with _memory_explained():
            return _adapt(request, start, folder, report, watch, cancel, draw_replay, device, ())
    except OutOfMemory as error:
        torch.cuda.empty_cache()
        if request.device != "auto":
            raise EnvironmentFailure(
                f"The memory of the {device.name} does not suffice to adapt the model.",
                "Close other programs that use the GPU, or choose the CPU.",
            ) from error
    message = f"The memory of the {device.name} did not suffice; the CPU was used."
    with _memory_explained():
        return _adapt(request, start, folder, report, watch, cancel, draw_replay, choose_device("cpu"), (message,))


def _adapt(
    request: AdaptationRequest,
    start: Path,
    folder: Path,
    report: Report,
    watch: Watch,
    cancel: CancelToken,
    draw_replay: Replay | None,
    device: ComputeDevice,
    messages: tuple[str, ...],
) -> AdaptationOutcome:
    began = time.monotonic()
    deadline = began + request.budget_s
    telling = _Telling(report, watch, began)
    telling.stage(0.0, 0.05, "Reading the visits")
    card, network = load_model(start)
    cases = _prepared(request.cases, card, cancel)
    holdout = _prepared(request.holdout, card, cancel)
    parts = split(cases, holdout)
    told = [*messages, *(m for case in (*cases, *holdout) for m in case.messages)]
    told += _missing_tissues(parts, card)

    wanted = METHODS if request.method is AdaptationMethod.AUTO else (request.method,)
    telling.stage(0.05, _passed(wanted), "Passing the visits through the network")
    features, pass_seconds = _features(network, parts, device, AdaptationMethod.DECODER in wanted, telling, cancel)
    rng = np.random.default_rng([request.seed, 98])
    lesions, judging = (
        paint_lesions(painted, card, rng, by_gradient.EDGE, judged)
        for painted, judged in ((parts.train, False), (parts.held_out, True))
    )
    if not judging:
        told.append("No lesions could be painted into these visits: what the model may forget was not measured.")
    held_features = [features[id(part.case)] for part in parts.held_out]
    context = Context(
        train=parts.train,
        train_features=[features[id(part.case)] for part in parts.train],
        held_features=held_features,
        held_out=HeldOut(parts.held_out, held_features, network.head, card),
        device=device,
        seed=request.seed,
        deadline=deadline,
        note=telling.point,
        cancel=cancel,
        start={name: value.detach().clone() for name, value in network.state_dict().items()},
        replay=draw_replay or _replay_of_cases(request, card, cancel),
        marked=[classes_of(features[id(part.case)], network.head) for part in parts.train],
        lesions=lesions,
    )
    _look_at_lesions(network, context, judging, card, wanted)
    best, trials, problems = _try_methods(wanted, network, context, pass_seconds, deadline, telling)
    telling.stage(0.95, 1.0, "Saving the candidate")
    cancel.raise_if_cancelled()
    seconds = time.monotonic() - began
    saved = save_candidate(folder, make_card(card, request, best, trials, parts, device, seconds), best.network)
    telling.tell(1.0, "Done")
    return AdaptationOutcome(
        card=saved,
        verdict=best.verdict,
        trials=tuple(trials),
        curve=tuple(telling.curve),
        method=best.method,
        held_out=parts.words,
        worst=context.held_out.worst(best.classes),
        seconds=seconds,
        device=device.name,
        messages=(*told, *problems),
        facts={"pass_seconds": round(pass_seconds, 2)},
    )


def _prepared(cases: Sequence[AdaptationCase], card: ModelCard, cancel: CancelToken) -> list[PreparedCase]:
    prepared = []
    for case in cases:
        cancel.raise_if_cancelled()
        prepared.append(prepare(case, card, cancel))
    return prepared


def _missing_tissues(parts: Split, card: ModelCard) -> list[str]:
    """What the masks to learn from do not show, in words: a mask of one tissue teaches nothing about the others."""
    seen = {int(value) for part in parts.train for value in np.unique(part.case.classes[part.mask])}
    missing = [label.name for number, label in enumerate(card.scheme.labels, start=1) if number not in seen]
    return [f"The masks show no {', '.join(missing)}: nothing is learnt about it."] if missing else []


def _features(
    network: SegmentationNetwork,
    parts: Split,
    device: ComputeDevice,
    keep_stage: bool,
    telling: _Telling,
    cancel: CancelToken,
) -> tuple[dict[int, CaseFeatures], float]:
    """One pass per visit, by the visit's identity, and the seconds of the slowest."""
    cases = list({id(p.case): p.case for p in (*parts.train, *parts.held_out)}.values())
    found: dict[int, CaseFeatures] = {}
    slowest = 0.0
    for number, case in enumerate(cases):
        telling.tell(number / len(cases))
        began = time.monotonic()
        kept = keep_stage and len(cases) <= _MOST_STAGES
        found[id(case)] = compute_features(network, case, device, cancel, kept)
        slowest = max(slowest, time.monotonic() - began)
        if not np.isfinite(head_scores(network.head, found[id(case)].values)).all():
            raise UserError(
                "The starting model's weights are damaged: its output is no number.",
                "Choose another model to start from.",
            )
    return found, slowest


def _look_at_lesions(
    network: SegmentationNetwork,
    context: Context,
    judging: Sequence[Part],
    card: ModelCard,
    wanted: Sequence[AdaptationMethod],
) -> None:
    """Pass the painted lesions through the starting model, into `context`."""
    device, cancel = context.device, context.cancel
    if AdaptationMethod.LAST_LAYER in wanted or AdaptationMethod.DECODER in wanted:
        keep_stage = AdaptationMethod.DECODER in wanted
        context.lesion_features = [
            compute_features(network, part.case, device, cancel, keep_stage) for part in context.lesions
        ]
    if judging:
        before = [predict_classes(network, part.case, device, cancel) for part in judging]
        context.guard = Guard(judging, before, card.scheme, context.unseen(network.head.out_channels))


def _try_methods(
    wanted: Sequence[AdaptationMethod],
    network: SegmentationNetwork,
    context: Context,
    pass_seconds: float,
    deadline: float,
    telling: _Telling,
) -> tuple[Candidate, list[Trial], list[str]]:
    """The best candidate, what was tried, and what went wrong. Raises `Unstable` when nothing came of any method."""
    best: Candidate | None = None
    trials: list[Trial] = []
    problems: list[str] = []
    failure: Unstable | None = None
    head_start = network  # the starting model with the head that `last-layer` found, where that is better
    alone = len(wanted) == 1
    reached = _passed(wanted)
    for number, method in enumerate(wanted):
        left = deadline - time.monotonic()
        no_cache = method is AdaptationMethod.DECODER and context.train_features[0].stage is None
        why = _why_not(method, context, pass_seconds, left) if number and not alone else ""  # the cheapest always runs
        if no_cache and not alone:
            why = "too many visits to cache"
        if why:
            trials.append(Trial(method, 0, 0.0, None, False, f"Left out: {why}."))
            continue
        context.deadline = time.monotonic() + max(left * (1.0 if alone else _SHARES[method]), _LEAST_SECONDS)
        share = 1.0 if method is wanted[-1] else _expected(method, context, pass_seconds) / max(left, 1.0)
        telling.stage(reached, reached + min(share, 1.0) * (0.95 - reached), f"Training “{method.value}”")
        reached = telling.end
        began = time.monotonic()
        trained = copy.deepcopy(head_start).to(context.device.device)
        try:
            if no_cache:
                _cache_stages(network, context)
            steps = _TRAIN[method](trained, context)
            candidate = best_share(trained.cpu(), method, steps, context)
        except Unstable as error:
            failure = error
            problems.append(error.what)
            trials.append(Trial(method, 0, time.monotonic() - began, None, False, error.what))
            continue
        seconds, verdict = time.monotonic() - began, candidate.verdict
        trials.append(Trial(method, steps, round(seconds, 2), verdict.after, verdict.accepted))
        if method is AdaptationMethod.LAST_LAYER and preference(verdict) > 0:
            head_start = candidate.network
        if best is None or candidate.rank > best.rank:
            best = candidate
    if best is None:
        raise failure or UserError("The time does not suffice for any method.", "Allow more time.")
    return best, trials, problems


def _why_not(method: AdaptationMethod, context: Context, pass_seconds: float, left: float) -> str:
    """Why AUTO does not try a method; empty when it does.

    What `full` needs is set aside first: of all methods it has helped the next visit most (docs/adaptation.md).
    """
    needed = _seconds(method, _SCHEDULES[method].least, context, pass_seconds)
    if needed > left:
        return f"it needs about {needed:.0f} s, {max(left, 0):.0f} s are left"
    aside = _seconds(AdaptationMethod.FULL, full.SCHEDULE.steps, context, pass_seconds)
    if method is not AdaptationMethod.FULL and needed + aside > left:
        return f"the {left:.0f} s left are kept for “{AdaptationMethod.FULL.value}”"
    return ""


def _passed(wanted: Sequence[AdaptationMethod]) -> float:
    """Where the progress stands after the passes: they are half of what `last-layer` takes, and little of the rest."""
    return 0.5 if tuple(wanted) == (AdaptationMethod.LAST_LAYER,) else 0.12


def _expected(method: AdaptationMethod, context: Context, pass_seconds: float) -> float:
    """Seconds a method will take where the time suffices."""
    if method is AdaptationMethod.LAST_LAYER:
        return _LAST_LAYER_SECONDS
    return _seconds(method, _SCHEDULES[method].steps, context, pass_seconds)


def _seconds(method: AdaptationMethod, steps: int, context: Context, pass_seconds: float) -> float:
    """About how long a method takes for so many steps, from what a pass over a visit took."""
    voxels = max(float(np.prod(case.shape)) for case in context.held_cases())
    step = _PASSES_PER_STEP[method] * pass_seconds * by_gradient.PATCHES * by_gradient.EDGE**3 / voxels
    look = sum(pass_seconds * float(np.prod(crop.shape)) / voxels for crop in context.held_out.crops)
    lesions = len(context.guard.parts) if context.guard else 0
    judged = len(context.held_cases()) + lesions * by_gradient.EDGE**3 / voxels
    return steps * step + 3 * look + judged * pass_seconds


def _cache_stages(network: SegmentationNetwork, context: Context) -> None:
    """Keep what the last decoder stage reads, for as many visits as memory allows: the latest."""
    context.train = context.train[-_MOST_STAGES:]
    again = {
        id(f.case): compute_features(network, f.case, context.device, context.cancel, keep_stage=True)
        for f in (*context.train_features[-_MOST_STAGES:], *context.held_features)
    }
    context.train_features = [again[id(part.case)] for part in context.train]
    context.held_features = [again[id(f.case)] for f in context.held_features]


def _replay_of_cases(request: AdaptationRequest, card: ModelCard, cancel: CancelToken) -> Replay | None:
    """Draws patches of the stored cases of others."""
    if not request.replay or request.method not in (AdaptationMethod.AUTO, AdaptationMethod.FULL):
        return None

    prepared = _prepared(request.replay, card, cancel)
    parts = [Part(case, case.classes != IGNORE) for case in prepared]
    sampler = PatchSampler(parts, by_gradient.EDGE, np.random.default_rng([request.seed, 99]))

    def draw(_edge: int, _step: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        patch = sampler.draw()
        return patch.images, patch.classes

    return draw


@contextmanager
def _memory_explained() -> Iterator[None]:
    """Say what it means when main memory does not suffice."""
    try:
        with out_of_memory_named():
            yield
    except OutOfMemory as error:
        if isinstance(error.__cause__, torch.OutOfMemoryError):
            raise
        raise EnvironmentFailure(
            "The computer's memory does not suffice to adapt the model.",
            "Close other programs, adapt to fewer visits, or choose the method last-layer.",
        ) from error
