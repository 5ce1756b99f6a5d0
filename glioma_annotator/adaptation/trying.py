"""The methods one after another, within the time: what is tried, what is left out, their mean, the best candidate."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np

from glioma_annotator.adaptation.budget import Budget, TimeUp
from glioma_annotator.adaptation.candidate import Candidate, best_share, mean_of
from glioma_annotator.adaptation.features import compute_features
from glioma_annotator.adaptation.guard import MOST_LOST_ALONE
from glioma_annotator.adaptation.methods import by_gradient, decoder, full, last_layer, norm
from glioma_annotator.adaptation.methods.context import Context, Unstable
from glioma_annotator.adaptation.passes import MOST_STAGES
from glioma_annotator.domain.adaptation import AdaptationMethod, CurvePoint, Trial, listed
from glioma_annotator.inference.networks import SegmentationNetwork
from glioma_annotator.progress import Progress, Report

Watch = Callable[[CurvePoint], None]

TRAIN: dict[AdaptationMethod, Callable[[SegmentationNetwork, Context], int]] = {
    AdaptationMethod.LAST_LAYER: last_layer.train,
    AdaptationMethod.NORM: norm.train,
    AdaptationMethod.DECODER: decoder.train,
    AdaptationMethod.FULL: full.train,
}
#: The methods that train on cached features.
_ON_FEATURES = {AdaptationMethod.LAST_LAYER, AdaptationMethod.DECODER}
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
#: What a gain counts beside one of another method, of those that keep what the starting model answers rightly: what a
#: head alone learnt failed the next visit most (benchmarks/measured/adaptation.md).
_GAIN_COUNTS = {AdaptationMethod.DECODER: 2.0, AdaptationMethod.FULL: 2.0}
#: What a step costs, in passes of a whole visit over as many voxels: those keep features and overlap in tiles.
_PASSES_PER_STEP = {AdaptationMethod.NORM: 1.3, AdaptationMethod.DECODER: 1.3, AdaptationMethod.FULL: 2.6}
_SCHEDULES = {
    AdaptationMethod.NORM: norm.SCHEDULE,
    AdaptationMethod.DECODER: decoder.SCHEDULE,
    AdaptationMethod.FULL: full.SCHEDULE,
}
#: What is kept for the mean's judgement beside what one took so far: on a machine with other work they differ.
_ROOM = 1.25
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
    found: list[Candidate] = []
    trials: list[Trial] = []
    problems: list[str] = []
    failure: Unstable | None = None
    alone = len(wanted) == 1
    context.nearer = alone  # of several, their mean is judged nearer
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
        if not _ON_FEATURES & set(wanted[number:]):
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
            if method is AdaptationMethod.DECODER and not _ON_FEATURES & set(wanted[number + 1 :]):
                context.forget_features()  # judged by passes, which need the memory
            telling.stage(judging, end, f"Judging “{method.value}”")
            candidate = best_share(trained.cpu(), method, steps, context)
        except Unstable as error:
            failure = error
            problems.append(error.what)
            trials.append(Trial(method, 0, budget.now() - began, None, False, error.what))
            continue
        except TimeUp:
            if not found:
                raise
            words = "Given up: the time was used up before it could be judged."
            trials.append(Trial(method, 0, round(budget.now() - began, 2), None, False, words))
            break
        seconds, verdict = budget.now() - began, candidate.verdict
        trials.append(Trial(method, steps, round(seconds, 2), verdict.after, verdict.accepted))
        found.append(candidate)
    if not found:
        raise failure or TimeUp
    best = found[0]
    context.nearer = True
    if len(found) > 1:
        mean, trial = _try_mean(_averaged(found), context, telling)
        trials.append(trial)
        best = max(found, key=_alone) if mean is None else _kept(mean, found)
    elif not alone and not best.verdict.accepted:
        telling.stage(_TRIED, _JUDGED, f"Judging “{best.method.value}” nearer to the starting model")
        best = _nearer(best, context)
        judged = Trial(best.method, best.steps, trials[0].seconds, best.verdict.after, best.verdict.accepted)
        trials = [judged if trial.method is best.method else trial for trial in trials]
    return best, trials, problems


def _nearer(candidate: Candidate, context: Context) -> Candidate:
    """The candidate of the only method there was time for, nearer to the starting weights where that is better."""
    context.deadline = context.budget.now() + context.budget.left()
    try:
        return best_share(copy.deepcopy(candidate.network), candidate.method, candidate.steps, context)
    except TimeUp:
        return candidate


def _try_mean(found: Sequence[Candidate], context: Context, telling: Telling) -> tuple[Candidate | None, Trial]:
    """The mean of candidates, refused ones among them, where there is time to judge it."""
    budget, method = context.budget, AdaptationMethod.AUTO
    needed, left, began = budget.judging_s, budget.left(), budget.now()
    if needed > left:
        words = f"Left out: judging the mean needs about {needed:.0f} s, {max(left, 0):.0f} s are left."
        return None, Trial(method, 0, 0.0, None, False, words)
    context.deadline = began + left
    telling.stage(_TRIED, _JUDGED, "Judging the mean of the methods")
    try:
        mean = mean_of(found, context)
    except TimeUp:
        words = "Given up: the time was used up before the mean could be judged."
        return None, Trial(method, 0, round(budget.now() - began, 2), None, False, words)
    seconds = round(budget.now() - began, 2)
    return mean, Trial(method, 0, seconds, mean.verdict.after, mean.verdict.accepted)


def _averaged(found: Sequence[Candidate]) -> list[Candidate]:
    """The candidates that the mean is made of: all, but `norm` where two others or more were trained.

    It helped the next visit least, and made such a mean worse for most patients looked at
    (benchmarks/measured/adaptation.md).
    """
    others = [one for one in found if one.method is not AdaptationMethod.NORM]
    return others if len(others) > 1 else list(found)


def _kept(mean: Candidate, found: Sequence[Candidate]) -> Candidate:
    """The mean; where it is refused, the best accepted one of those that lose hardly anything painted.

    Held-out slabs hardly tell which method the next visit will prefer. What one learnt alone failed there now and then,
    a head alone most, so it is not taken (benchmarks/measured/adaptation.md).
    """
    accepted = [candidate for candidate in found if candidate.verdict.accepted]
    if mean.verdict.accepted or not accepted:
        return mean
    best = max(accepted, key=_alone)
    if _sure(best):
        return best
    words = (
        f"Accepted alone: {listed([one.method for one in accepted])}. Where the mean of the methods is refused, that "
        f"is not enough for last-layer, nor for one not shown to lose at most {MOST_LOST_ALONE} on painted lesions."
    )
    return replace(mean, verdict=replace(mean.verdict, reasons=(*mean.verdict.reasons, words)))


def _sure(candidate: Candidate) -> bool:
    """Whether what one method learnt alone is shown to lose hardly anything painted; never of a head alone."""
    guard = candidate.guard
    return (
        candidate.method is not AdaptationMethod.LAST_LAYER and guard is not None and guard.most_lost <= MOST_LOST_ALONE
    )


def _alone(candidate: Candidate) -> tuple[bool, bool, float]:
    """By what candidates are compared of which one alone is kept: accepted ones first, then sure ones, then by gain."""
    accepted, gain = _standing(candidate)
    return accepted, _sure(candidate), gain


def _standing(candidate: Candidate) -> tuple[bool, float]:
    """By what candidates of several methods are compared: accepted ones first, then by their gain."""
    accepted, gain = candidate.rank
    return accepted, gain * (_GAIN_COUNTS.get(candidate.method, 1.0) if gain > 0 else 1.0)


def passed(wanted: Sequence[AdaptationMethod]) -> float:
    """Where the progress stands after the passes: they are half of what `last-layer` takes, and little of the rest."""
    return 0.5 if tuple(wanted) == (AdaptationMethod.LAST_LAYER,) else 0.12


def estimate(method: AdaptationMethod, steps: int, judgings: int, context: Context, pass_seconds: float) -> float:
    """Seconds that a method takes for so many steps and judgements, from what a pass over a visit took.

    Where methods have been trained, their steps say how much longer or shorter steps take here.
    """
    voxels = max(float(np.prod(case.shape)) for case in context.held_cases())
    patches = pass_seconds * by_gradient.PATCHES * by_gradient.EDGE**3 / voxels
    times = [took / (_PASSES_PER_STEP[other] * patches) for other, took in context.budget.steps_s.items()]
    step = _PASSES_PER_STEP[method] * patches * (median(times) if times else 1.0)
    look = sum(pass_seconds * float(np.prod(crop.shape)) / voxels for crop in context.held_out.crops)
    return steps * step + by_gradient.LOOKS * look + judgings * context.budget.judging_s


def _why_not(method: AdaptationMethod, context: Context, pass_seconds: float, left: float) -> str:
    """Why AUTO does not try a method; empty when it does.

    What `full` needs is set aside first: of all methods it has helped the next visit most (docs/adaptation.md).
    """
    needed = estimate(method, _SCHEDULES[method].least, 1, context, pass_seconds)
    if needed > left:
        return f"it needs about {needed:.0f} s, {max(left, 0):.0f} s are left"
    if method is not AdaptationMethod.FULL and needed + _set_aside(method, context, pass_seconds) > left:
        return f"the {left:.0f} s left are kept for “{AdaptationMethod.FULL.value}”"
    return ""


def _allowed(method: AdaptationMethod, left: float, context: Context, pass_seconds: float) -> float:
    """Seconds that a method may take under AUTO: its share, but for what `full` needs.

    `full` leaves the mean's judgements their time, or that of one, where at least half of its own steps remain.
    """
    if method in (AdaptationMethod.NORM, AdaptationMethod.DECODER):
        return min(left * _SHARES[method], left - _set_aside(method, context, pass_seconds))
    if method is AdaptationMethod.FULL:
        half = estimate(method, full.SCHEDULE.steps // 2, 1, context, pass_seconds)
        for judgings in (by_gradient.JUDGINGS, 1):
            rest = left - _ROOM * judgings * context.budget.judging_s
            if rest >= half:
                return max(rest, _LEAST_SECONDS)
        return max(left, _LEAST_SECONDS)
    return max(left * _SHARES[method], _LEAST_SECONDS)


def _set_aside(method: AdaptationMethod, context: Context, pass_seconds: float) -> float:
    """Seconds kept for `full` and its judgement while another method is tried, and for the mean's.

    For all steps of `full` while `norm` is tried, of all methods the one that helped the next visit least; for half of
    them, and one judgement of the mean, while `decoder` is.
    """
    steps, judgings = full.SCHEDULE.steps, by_gradient.JUDGINGS
    if method is AdaptationMethod.DECODER:
        steps, judgings = steps // 2, 1
    return estimate(AdaptationMethod.FULL, steps, 1 + judgings, context, pass_seconds)


def _expected(method: AdaptationMethod, context: Context, pass_seconds: float) -> float:
    """Seconds a method will take where the time suffices."""
    if method is AdaptationMethod.LAST_LAYER:
        return _LAST_LAYER_SECONDS
    judgings = by_gradient.JUDGINGS if context.nearer else 1
    return estimate(method, _SCHEDULES[method].steps, judgings, context, pass_seconds)


def _cache_stages(network: SegmentationNetwork, context: Context) -> None:
    """Keep what the last decoder stage reads, for as many visits as memory allows: the latest."""
    context.train = context.train[-MOST_STAGES:]
    again = {
        id(f.case): compute_features(network, f.case, context.device, context.cancel, keep_stage=True)
        for f in (*context.train_features[-MOST_STAGES:], *context.held_features)
    }
    context.train_features = [again[id(part.case)] for part in context.train]
    context.held_features = [again[id(f.case)] for f in context.held_features]
