"""One adaptation from visits to a candidate model: passes, trainings, the verdict, the saved folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from glioma_annotator.adaptation.budget import Budget, TimeUp, TooSlow
from glioma_annotator.adaptation.candidate import make_card, save_candidate
from glioma_annotator.adaptation.cases import PreparedCase, prepare
from glioma_annotator.adaptation.features import classes_of, compute_features, predict
from glioma_annotator.adaptation.guard import Guard, paint_lesions
from glioma_annotator.adaptation.held_out import HeldOut
from glioma_annotator.adaptation.holdout import Part, Split, split
from glioma_annotator.adaptation.methods import by_gradient
from glioma_annotator.adaptation.methods.context import Context, Replay
from glioma_annotator.adaptation.pace import least_seconds
from glioma_annotator.adaptation.passes import pass_visits
from glioma_annotator.adaptation.patches import PatchSampler
from glioma_annotator.adaptation.readers_rules import as_readers_outline
from glioma_annotator.adaptation.trying import Telling, Watch, passed, try_methods
from glioma_annotator.domain.adaptation import (
    METHODS,
    AdaptationCase,
    AdaptationMethod,
    AdaptationOutcome,
    AdaptationRequest,
)
from glioma_annotator.domain.labels import IGNORE
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.inference.cards import load_card
from glioma_annotator.inference.device import ComputeDevice, choose_device
from glioma_annotator.inference.model_folder import load_model
from glioma_annotator.inference.networks import SegmentationNetwork
from glioma_annotator.inference.runner import OutOfMemory
from glioma_annotator.inference.torch_runner import out_of_memory_named
from glioma_annotator.progress import CancelToken, Report, StepProgress

#: Where the progress stands when the visits are read; of what lies between that and the first method, what the passes
#: make up: the rest are the painted lesions.
_READ, _PASSES = 0.05, 0.6


def adapt(
    request: AdaptationRequest,
    start: Path,
    folder: Path,
    report: Report,
    watch: Watch,
    cancel: CancelToken,
    draw_replay: Replay | None = None,
    now: Callable[[], float] = time.monotonic,
) -> AdaptationOutcome:
    """Adapt the model in `start` and save the candidate as `folder`, whole or not at all, accepted or not.

    It ends within `request.budget_s` by the clock `now`. Where that is too short for all visits, less of the earlier
    ones is learnt from; where it is too short for any candidate, the error says about how much would do.
    With device "auto", a GPU whose memory does not suffice is exchanged for the CPU, and a message says so.
    Raises `UserError` (damaged model, unusable visits, loss no number), `EnvironmentFailure` (memory, disk, device;
    `TooSlow`), `Cancelled`; then nothing is left behind.
    """
    device = choose_device(request.device)
    budget = Budget(request.budget_s, cancel, now)
    telling = Telling(report, watch, budget)
    try:
        with _memory_explained():
            return _adapt(request, start, folder, telling, budget, draw_replay, device, ())
    except TimeUp as error:
        raise _time_explained(request, start, telling) from error
    except OutOfMemory as error:
        torch.cuda.empty_cache()
        if request.device != "auto":
            raise EnvironmentFailure(
                f"The memory of the {device.name} does not suffice to adapt the model.",
                "Close other programs that use the GPU, or choose the CPU.",
            ) from error
    message = f"The memory of the {device.name} did not suffice; the CPU was used."
    try:
        with _memory_explained():
            return _adapt(request, start, folder, telling, budget, draw_replay, choose_device("cpu"), (message,))
    except TimeUp as error:
        raise _time_explained(request, start, telling) from error


def _adapt(
    request: AdaptationRequest,
    start: Path,
    folder: Path,
    telling: Telling,
    budget: Budget,
    draw_replay: Replay | None,
    device: ComputeDevice,
    messages: tuple[str, ...],
) -> AdaptationOutcome:
    telling.stage(0.0, _READ, "Reading the visits")
    start_card, network = load_model(start)
    cases = _prepared(request.cases, start_card, budget)
    holdout = _prepared(request.holdout, start_card, budget)
    card, outlined = as_readers_outline(start_card, (*cases, *holdout))
    parts = split(cases, holdout)
    told = [*messages, *(m for case in (*cases, *holdout) for m in case.messages), *outlined]
    told += _missing_tissues(parts, card)

    wanted = _wanted(request)
    ready = passed(wanted)
    passes = _READ + _PASSES * (ready - _READ)
    telling.stage(_READ, passes, "Passing the visits through the network")
    keep_stage = AdaptationMethod.DECODER in wanted
    gone = pass_visits(network, parts, device, keep_stage, lambda p: telling.tell(p.fraction), budget)
    parts, told = gone.parts, [*told, *gone.messages]
    budget.passes_s = sum(gone.seconds)
    telling.stage(passes, ready, "Looking at lesions painted into the visits")
    rng = np.random.default_rng([request.seed, 98])
    lesions, judging = (
        paint_lesions(painted, card, rng, by_gradient.EDGE, judged)
        for painted, judged in ((parts.train, False), (parts.held_out, True))
    )
    if not judging:
        told.append("No lesions could be painted into these visits: what the model may forget was not measured.")
    train_features, held_features = gone.of(parts.train), gone.of(parts.held_out)
    context = Context(
        train=parts.train,
        train_features=train_features,
        held_features=held_features,
        held_out=HeldOut(parts.held_out, held_features, network.head, card, start_card),
        device=device,
        seed=request.seed,
        deadline=budget.deadline,
        note=telling.point,
        budget=budget,
        start={name: value.detach().clone() for name, value in network.state_dict().items()},
        replay=draw_replay or _replay_of_cases(request, card, budget),
        marked=[classes_of(found, network.head) for found in train_features],
        lesions=lesions,
        tell=telling.tell,
    )
    pass_s = max(gone.seconds)
    del gone, train_features, held_features  # the context lets go of them when they are no longer needed
    _look_at_lesions(network, context, judging, card, wanted, telling)
    best, trials, problems = try_methods(wanted, network, context, pass_s, telling)
    budget.binding = False  # what there is, is saved
    telling.stage(0.95, 1.0, "Saving the candidate")
    budget.raise_if_cancelled()
    worst, seconds = context.held_out.worst(best.classes), budget.elapsed()
    saved = save_candidate(folder, make_card(card, request, best, trials, parts, device, seconds), best.network)
    telling.tell(1.0, "Done")
    return AdaptationOutcome(
        card=saved,
        verdict=best.verdict,
        trials=tuple(trials),
        curve=tuple(telling.curve),
        method=best.method,
        mean_of=best.mean_of,
        held_out=parts.words,
        worst=worst,
        seconds=budget.elapsed(),
        device=device.name,
        messages=(*told, *problems),
        facts={"pass_seconds": round(pass_s, 2), "judging_seconds": round(budget.judging_s, 2)},
    )


def _wanted(request: AdaptationRequest) -> Sequence[AdaptationMethod]:
    return METHODS if request.method is AdaptationMethod.AUTO else (request.method,)


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


def _look_at_lesions(
    network: SegmentationNetwork,
    context: Context,
    judging: Sequence[Part],
    card: ModelCard,
    wanted: Sequence[AdaptationMethod],
    telling: Telling,
) -> None:
    """Pass the painted lesions through the starting model, into `context`."""
    device, cancel = context.device, context.cancel
    shown = context.lesions if {AdaptationMethod.LAST_LAYER, AdaptationMethod.DECODER} & set(wanted) else ()
    progress = StepProgress(lambda p: telling.tell(p.fraction), len(shown) + len(judging), "")
    keep_stage, found = AdaptationMethod.DECODER in wanted, []
    for part in shown:
        found.append(compute_features(network, part.case, device, cancel, keep_stage))
        progress.step()
    context.lesion_features = found
    began = context.budget.now()
    if judging:
        before = []
        for part in judging:
            before.append(predict(network, part.case, device, cancel).classes)
            progress.step()
        context.guard = Guard(judging, before, card.scheme, context.unseen(network.head.out_channels))
    context.budget.judgings_s.append(context.budget.passes_s + context.budget.now() - began)


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


def _time_explained(request: AdaptationRequest, start: Path, telling: Telling) -> TooSlow:
    """What it means when the time ends before there is a candidate."""
    visits = len(request.cases) + len(request.holdout)
    in_passes = telling.start < passed(_wanted(request))
    least = least_seconds(load_card(start), visits, request.method, telling.budget.elapsed(), not in_passes)
    return TooSlow(telling.message, least)


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
