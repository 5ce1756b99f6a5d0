"""The methods one after another, within the time: what is tried, what is left out, their mean, the best candidate."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from glioma_annotator.adaptation.budget import Budget, TimeUp
from glioma_annotator.adaptation.candidate import Candidate, best_share, mean_of
from glioma_annotator.adaptation.features import compute_features
from glioma_annotator.adaptation.methods import by_gradient, decoder, full, last_layer, norm
from glioma_annotator.adaptation.methods.context import Context, Unstable
from glioma_annotator.adaptation.passes import MOST_STAGES
from glioma_annotator.domain.adaptation import AdaptationMethod, CurvePoint, Trial
from glioma_annotator.inference.networks import SegmentationNetwork
from glioma_annotator.progress import Progress, Report

Watch = Callable[[CurvePoint], None]

TRAIN: dict[AdaptationMethod, Callable[[SegmentationNetwork, Context], int]] = {
    AdaptationMethod.LAST_LAYER: last_layer.train,
    AdaptationMethod.NORM: norm.train,
    AdaptationMethod.DECODER: decoder.train,
    AdaptationMethod.FULL: full.train,
}
#: What the first method gets where the passes have used the time up.
_LEAST_SECONDS = 5.0
#: What `last-layer` usually takes.
_LAST_LAYER_SECONDS = 12.0
#: Share of the time left that each method may take under AUTO.
_SHARES = {
    AdaptationMethod.LAST_LAYER: 0.15,
    AdaptationMethod.NORM: 0.3,
    AdaptationMethod.DECODER: 0.5,
}
#: What a gain counts beside one of another method: of those that keep what the starting model answers rightly, and of
#: the mean of all that were accepted (AUTO). Held-out slabs hardly tell methods apart; what one method learnt failed
#: the next visit now and then, a head alone most, their mean hardly (benchmarks/README.md).
_GAIN_COUNTS = {AdaptationMethod.DECODER: 2.0, AdaptationMethod.FULL: 2.0, AdaptationMethod.AUTO: 4.0}
#: What a step costs, in passes over the patch without gradients.
_PASSES_PER_STEP = {AdaptationMethod.NORM: 3.5, AdaptationMethod.DECODER: 2.0, AdaptationMethod.FULL: 4.0}
_SCHEDULES = {
    AdaptationMethod.NORM: norm.SCHEDULE,
    AdaptationMethod.DECODER: decoder.SCHEDULE,
    AdaptationMethod.FULL: full.SCHEDULE,
}
#: Share of a method's part of the progress that its training makes up; the rest is its judgement.
_TRAINING = 0.8
#: Where the progress stands when the methods have been tried, and when their mean has been judged.
_TRIED, _JUDGED = 0.92, 0.95


@dataclass(eq=False)
class Telling:
    """Progress of the whole from the parts', and the curve. The time left is never more than what is allowed."""

    report: Report
    watch: Watch
    budget: Budget
    curve: list[CurvePoint] = field(default_factory=list)
    start: float = 0.0
    end: float = 1.0
    message: str = ""

    def stage(self, start: float, end: float, message: str) -> None:
        self.start, self.end, self.message = start, end, message
        self.tell(0.0)

    def tell(self, share: float, message: str = "") -> None:
        fraction = self.start + min(share, 1.0) * (self.end - self.start)
        elapsed = self.budget.elapsed()
        left = elapsed * (1 - fraction) / fraction if fraction > 0.05 else None
        if left is not None and self.budget.left() > 0:
            left = min(left, self.budget.left())
        self.report(Progress(fraction, message or self.message, left))

    def point(self, point: CurvePoint, share: float) -> None:
        self.curve.append(point)
        self.watch(point)
        self.tell(share, f"{self.message}: step {point.step}, loss {point.loss:.3f}")


def try_methods(
    wanted: Sequence[AdaptationMethod],
    network: SegmentationNetwork,
    context: Context,
    pass_seconds: float,
    telling: Telling,
) -> tuple[Candidate, list[Trial], list[str]]:
    """The best candidate, what was tried, and what went wrong.

    Once there is a candidate, the end of the time stops whatever else is being tried. Raises `TimeUp` where it comes
    before, `Unstable` when nothing came of any method.
    """
    budget = context.budget
    best: Candidate | None = None
    accepted: list[Candidate] = []
    trials: list[Trial] = []
    problems: list[str] = []
    failure: Unstable | None = None
    alone = len(wanted) == 1
    reached = passed(wanted)
    for number, method in enumerate(wanted):
        left = budget.left()
        no_cache = method is AdaptationMethod.DECODER and context.train_features[0].stage is None
        why = _why_not(method, context, pass_seconds, left) if number and not alone else ""
        if no_cache and not alone:
            why = "too many visits to cache"
        if why:
            trials.append(Trial(method, 0, 0.0, None, False, f"Left out: {why}."))
            continue
        if not {AdaptationMethod.LAST_LAYER, AdaptationMethod.DECODER} & set(wanted[number:]):
            context.forget_features()
        began = budget.now()
        context.deadline = began + (left if alone else _allowed(method, left, context, pass_seconds))
        share = 1.0 if method is wanted[-1] else _expected(method, context, pass_seconds) / max(left, 1.0)
        end = reached + min(share, 1.0) * ((_JUDGED if alone else _TRIED) - reached)
        judging = reached + _TRAINING * (end - reached)
        telling.stage(reached, judging, f"Training “{method.value}”")
        reached = end
        trained = copy.deepcopy(network).to(context.device.device)
        try:
            if no_cache:
                _cache_stages(network, context)
            steps = TRAIN[method](trained, context)
            telling.stage(judging, end, f"Judging “{method.value}”")
            candidate = best_share(trained.cpu(), method, steps, context)
        except Unstable as error:
            failure = error
            problems.append(error.what)
            trials.append(Trial(method, 0, budget.now() - began, None, False, error.what))
            continue
        except TimeUp:
            if best is None:
                raise
            words = "Given up: the time was used up before it could be judged."
            trials.append(Trial(method, 0, round(budget.now() - began, 2), None, False, words))
            break
        seconds, verdict = budget.now() - began, candidate.verdict
        trials.append(Trial(method, steps, round(seconds, 2), verdict.after, verdict.accepted))
        if verdict.accepted:
            accepted.append(candidate)
        if best is None or _standing(candidate) > _standing(best):
            best = candidate
    if best is None:
        raise failure or TimeUp
    if len(accepted) > 1:
        mean, trial = _try_mean(accepted, context, telling)
        trials.append(trial)
        if mean is not None and _standing(mean) > _standing(best):
            best = mean
    return best, trials, problems


def _try_mean(accepted: Sequence[Candidate], context: Context, telling: Telling) -> tuple[Candidate | None, Trial]:
    """The mean of accepted candidates, where there is time to judge it."""
    budget, method = context.budget, AdaptationMethod.AUTO
    needed, left, began = budget.judging_s, budget.left(), budget.now()
    if needed > left:
        words = f"Left out: judging the mean needs about {needed:.0f} s, {max(left, 0):.0f} s are left."
        return None, Trial(method, 0, 0.0, None, False, words)
    telling.stage(_TRIED, _JUDGED, "Judging the mean of the methods")
    try:
        mean = mean_of(accepted, context)
    except TimeUp:
        words = "Given up: the time was used up before the mean could be judged."
        return None, Trial(method, 0, round(budget.now() - began, 2), None, False, words)
    seconds = round(budget.now() - began, 2)
    return mean, Trial(method, 0, seconds, mean.verdict.after, mean.verdict.accepted)


def _standing(candidate: Candidate) -> tuple[bool, float]:
    """By what candidates of several methods are compared: accepted ones first, then by their gain."""
    accepted, gain = candidate.rank
    return accepted, gain * (_GAIN_COUNTS.get(candidate.method, 1.0) if gain > 0 else 1.0)


def passed(wanted: Sequence[AdaptationMethod]) -> float:
    """Where the progress stands after the passes: they are half of what `last-layer` takes, and little of the rest."""
    return 0.5 if tuple(wanted) == (AdaptationMethod.LAST_LAYER,) else 0.12


def estimate(method: AdaptationMethod, steps: int, judgings: int, context: Context, pass_seconds: float) -> float:
    """Seconds that a method takes for so many steps and judgements, from what a pass over a visit took."""
    voxels = max(float(np.prod(case.shape)) for case in context.held_cases())
    step = _PASSES_PER_STEP[method] * pass_seconds * by_gradient.PATCHES * by_gradient.EDGE**3 / voxels
    look = sum(pass_seconds * float(np.prod(crop.shape)) / voxels for crop in context.held_out.crops)
    return steps * step + by_gradient.LOOKS * look + judgings * context.budget.judging_s


def _why_not(method: AdaptationMethod, context: Context, pass_seconds: float, left: float) -> str:
    """Why AUTO does not try a method; empty when it does.

    What `full` needs is set aside first: of all methods it has helped the next visit most (docs/adaptation.md).
    """
    needed = estimate(method, _SCHEDULES[method].least, 1, context, pass_seconds)
    if needed > left:
        return f"it needs about {needed:.0f} s, {max(left, 0):.0f} s are left"
    if method is not AdaptationMethod.FULL and needed + _set_aside(context, pass_seconds) > left:
        return f"the {left:.0f} s left are kept for “{AdaptationMethod.FULL.value}”"
    return ""


def _allowed(method: AdaptationMethod, left: float, context: Context, pass_seconds: float) -> float:
    """Seconds that a method may take under AUTO: its share, but for what `full` needs.

    `full` leaves the mean's judgement its time, where at least half of its own steps remain.
    """
    if method in (AdaptationMethod.NORM, AdaptationMethod.DECODER):
        return min(left * _SHARES[method], left - _set_aside(context, pass_seconds))
    if method is AdaptationMethod.FULL:
        half = estimate(method, full.SCHEDULE.steps // 2, by_gradient.JUDGINGS, context, pass_seconds)
        rest = left - context.budget.judging_s
        return max(rest if rest >= half else left, _LEAST_SECONDS)
    return max(left * _SHARES[method], _LEAST_SECONDS)


def _set_aside(context: Context, pass_seconds: float) -> float:
    """Seconds that `full` needs for all of its steps and its judgements."""
    return estimate(AdaptationMethod.FULL, full.SCHEDULE.steps, by_gradient.JUDGINGS, context, pass_seconds)


def _expected(method: AdaptationMethod, context: Context, pass_seconds: float) -> float:
    """Seconds a method will take where the time suffices."""
    if method is AdaptationMethod.LAST_LAYER:
        return _LAST_LAYER_SECONDS
    return estimate(method, _SCHEDULES[method].steps, by_gradient.JUDGINGS, context, pass_seconds)


def _cache_stages(network: SegmentationNetwork, context: Context) -> None:
    """Keep what the last decoder stage reads, for as many visits as memory allows: the latest."""
    context.train = context.train[-MOST_STAGES:]
    again = {
        id(f.case): compute_features(network, f.case, context.device, context.cancel, keep_stage=True)
        for f in (*context.train_features[-MOST_STAGES:], *context.held_features)
    }
    context.train_features = [again[id(part.case)] for part in context.train]
    context.held_features = [again[id(f.case)] for f in context.held_features]
