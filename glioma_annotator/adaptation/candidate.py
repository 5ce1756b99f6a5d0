"""A trained network as a candidate: measured as it will be saved, described in a card, saved whole or not at all."""

from __future__ import annotations

import copy
import datetime as dt
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glioma_annotator import __version__
from glioma_annotator.adaptation.acceptance import preference
from glioma_annotator.adaptation.budget import TimeUp
from glioma_annotator.adaptation.features import marked_of, predict
from glioma_annotator.adaptation.guard import LEAST_ML, GuardVerdict
from glioma_annotator.adaptation.holdout import Split
from glioma_annotator.adaptation.methods import norm
from glioma_annotator.adaptation.methods.context import Context, Unstable
from glioma_annotator.domain.adaptation import AdaptationMethod, AdaptationRequest, Trial, Verdict, way_of
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.heap import give_back
from glioma_annotator.inference.device import ComputeDevice
from glioma_annotator.inference.model_folder import save_model
from glioma_annotator.inference.networks import SegmentationNetwork

#: What the card says about the normalisation layers.
NORMALISATION = {
    AdaptationMethod.LAST_LAYER: "not touched; statistics, weight and bias are the starting model's",
    AdaptationMethod.NORM: f"batch statistics {1 - norm.SHARE:.0%} the starting model's, {norm.SHARE:.0%} the visits', "
    "unless that lowers the held-out Dice; weight and bias trained",
    AdaptationMethod.DECODER: "statistics are the starting model's; weight and bias of the last stage trained",
    AdaptationMethod.FULL: "statistics are the starting model's; weight and bias trained",
}
_LIMIT = "Adapted: better for those it learnt from, perhaps worse for others."
#: How far from the starting weights to the trained ones a candidate may lie. Between the two, what was learnt mostly
#: holds already and what was known mostly still does (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR
#: 2022).
SHARES = (1.0, 0.75, 0.5, 0.25)
#: How much of a judgement is done when the held-out visits have passed the network, and when the rule was applied.
_PASSED, _RULED = 0.5, 0.7
#: What a gain on painted lesions counts beside one on the visit itself, where candidates are compared: they say more
#: about places and sizes that the visit does not show, and less about this patient.
PAINTED_COUNTS = 0.5


@dataclass(eq=False)
class Candidate:
    """A network with its verdict, the method and steps that made it, and its classes of the held-out visits.

    `share` is how far it lies from the starting weights to the trained ones, `guard` how it did on painted lesions. The
    method AUTO has the mean weights of the candidates of the methods in `mean_of`.
    """

    network: SegmentationNetwork
    verdict: Verdict
    method: AdaptationMethod
    steps: int
    classes: list[NDArray[np.uint8]]
    share: float
    guard: GuardVerdict | None
    mean_of: tuple[AdaptationMethod, ...] = ()

    @property
    def rank(self) -> tuple[bool, float]:
        painted = -self.guard.lost if self.guard is not None else 0.0
        return self.verdict.accepted, preference(self.verdict) + PAINTED_COUNTS * painted


def best_share(network: SegmentationNetwork, method: AdaptationMethod, steps: int, context: Context) -> Candidate:
    """The best candidate at some share of the way from the starting weights to the trained ones.

    Shares are judged from the farthest on, until one is no better than an accepted one before it, while there is time
    for as long a judgement as the last one; the farthest alone where the context says so. `network` is the trained one;
    it is changed.
    """
    budget, took = context.budget, 0.0
    trained = {name: value.detach().clone() for name, value in network.state_dict().items()}
    unchanged = all(
        torch.allclose(context.start[name], value, rtol=1e-4, atol=1e-6)
        for name, value in trained.items()
        if value.is_floating_point()
    )
    best: Candidate | None = None
    shares = SHARES if context.nearer else SHARES[:1]
    for number, share in enumerate(shares):
        context.cancel.raise_if_cancelled()
        if best is not None and context.seconds_left() < took:
            break
        with torch.no_grad():
            for name, value in network.state_dict().items():
                if value.is_floating_point():
                    value.copy_(torch.lerp(context.start[name].to(value), trained[name], share))
        began = budget.now()
        context.judging = number / len(shares), 1 / len(shares)
        try:
            found = measured(network, method, steps, context, share)
        except TimeUp:
            if best is None:
                raise
            break
        took = budget.now() - began
        # The head alone is judged on features at hand; a whole network has to pass over the held-out visits, too.
        budget.judgings_s.append(took + (budget.passes_s if method is AdaptationMethod.LAST_LAYER else 0.0))
        if best is None or found.rank > best.rank:
            best = replace(found, network=copy.deepcopy(network))
        elif best.verdict.accepted:
            break
        if unchanged:
            break
    assert best is not None
    return best


def mean_of(found: Sequence[Candidate], context: Context) -> Candidate:
    """The mean of what candidates learnt as a candidate of its own, at the best share of the way to it.

    All began with the same weights and went little way from them; there the mean of several is mostly as good as the
    best, and fails less where held-out data cannot tell which that is (Wortsman et al., "Model soups", ICML 2022).
    Every weight is the mean over the candidates that changed it: one that left it as it was says nothing about it.
    """
    network = copy.deepcopy(found[0].network)
    states = [candidate.network.state_dict() for candidate in found]
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                start = context.start[name].to(value)
                learnt = [state[name] for state in states if not _unchanged(start, state[name])]
                value.copy_(torch.stack(learnt).mean(0) if learnt else start)
    made = best_share(network, AdaptationMethod.AUTO, sum(candidate.steps for candidate in found), context)
    return replace(made, mean_of=tuple(candidate.method for candidate in found))


def _unchanged(start: Tensor, value: Tensor) -> bool:
    """Whether a weight is the starting model's, but for the half precision that a candidate's are rounded to."""
    return torch.allclose(start, value, rtol=1e-3, atol=1e-6)


def measured(
    network: SegmentationNetwork, method: AdaptationMethod, steps: int, context: Context, share: float
) -> Candidate:
    """The candidate with its weights rounded as they will be saved, judged on the whole held-out data and on painted
    lesions.
    """
    give_back()  # what the training, or the judgement before, left in pieces
    network.requires_grad_(False).eval()
    for value in network.state_dict().values():
        if value.is_floating_point():
            if not bool(value.isfinite().all()):
                raise Unstable(method)
            halved = value.half()
            if bool(halved.isfinite().all()):
                value.copy_(halved)
    if method is AdaptationMethod.LAST_LAYER:
        marked = [marked_of(found, network.head) for found in context.held_features]
    else:
        marked = []
        for number, case in enumerate(context.held_cases(), start=1):
            marked.append(predict(network, case, context.device, context.cancel))
            context.judged(_PASSED * number / len(context.held_cases()))
    verdict, guard = context.held_out.verdict(marked), None
    classes = [found.classes for found in marked]
    context.judged(_RULED)
    if context.guard is not None:
        lesions = []
        for number, painted in enumerate(context.guard.parts, start=1):
            lesions.append(predict(network, painted.case, context.device, context.cancel).classes)
            context.judged(_RULED + (1 - _RULED) * number / len(context.guard.parts))
        guard = context.guard.verdict(lesions, gains(verdict))
        verdict = guarded(verdict, guard)
    return Candidate(network, verdict, method, steps, classes, share, guard)


def gains(verdict: Verdict) -> dict[str, float]:
    """Dice gained on the held-out data, of the regions that they show as much of as a painted lesion has to."""
    shown = (r for r in verdict.regions if r.reference_ml >= LEAST_ML)
    return {r.region: r.after - r.before for r in shown if r.before is not None and r.after is not None}


def guarded(verdict: Verdict, guard: GuardVerdict) -> Verdict:
    """The verdict on the held-out data, refused where the painted lesions speak against the candidate.

    They do where a region loses too much there, and where more is lost there than is gained on the held-out data: then
    what was learnt belongs to that visit (benchmarks/measured/adaptation.md tells of the patient whose next visit
    became worse).
    """
    if guard.faults:
        reasons = guard.faults if verdict.accepted else (*verdict.reasons, *guard.faults)
        return replace(verdict, accepted=False, reasons=reasons)
    lost, gained = guard.lost, (verdict.after or 0.0) - (verdict.before or 0.0)
    if verdict.accepted and verdict.after is not None and lost >= gained:
        words = (
            f"Less is gained (mean Dice {gained:+.3f}) than is lost on lesions painted into this brain ({-lost:+.3f})."
        )
        return replace(verdict, accepted=False, reasons=(words,))
    if verdict.accepted and guard.before:
        return replace(verdict, reasons=(*verdict.reasons, "Lesions painted into this brain are found as well."))
    return verdict


def make_card(
    parent: ModelCard,
    request: AdaptationRequest,
    best: Candidate,
    trials: Sequence[Trial],
    parts: Split,
    device: ComputeDevice,
    seconds: float,
) -> ModelCard:
    """The card of a candidate: everything that says how it came about and how it did."""
    verdict = best.verdict
    rounded = {
        r.region: {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(r).items() if k != "region"}
        for r in verdict.regions
    }
    return replace(
        parent,
        name=request.name,
        title=request.title or request.name,
        weights_sha256="",
        default=False,
        parent=parent.name,
        patient=request.patient,
        training={
            "kind": "adapted",
            "parent": parent.identity,
            "method": way_of(best.method, best.mean_of),
            "asked_for": request.method.value,
            "normalisation_layers": "; ".join(NORMALISATION[method] for method in best.mean_of or (best.method,)),
            "seed": request.seed,
            "steps": best.steps,
            "share_of_the_way": best.share,
            "visits": [part.case.name for part in parts.train],
            "held_out": parts.words,
            "trials": [asdict(trial) for trial in trials],
            "budget_seconds": request.budget_s,
            "seconds": round(seconds, 1),
            "device": device.name,
            "created_utc": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "versions": {"glioma-annotator": __version__, "torch": torch.__version__},
            "history": [*parent.training.get("history", []), parent.identity]
            if isinstance(parent.training.get("history", []), list)
            else [parent.identity],
        },
        scores={
            "held_out": {
                "accepted": verdict.accepted,
                "reasons": list(verdict.reasons),
                "mean_dice_before": verdict.before,
                "mean_dice": verdict.after,
                "mean_dice_carried": verdict.carried,
                "regions": rounded,
            },
            **({"painted_lesions": asdict(best.guard)} if best.guard is not None else {}),
        },
        limits=tuple(dict.fromkeys((*parent.limits, _LIMIT))),
    )


def save_candidate(folder: Path, card: ModelCard, network: SegmentationNetwork) -> ModelCard:
    """Write beside `folder`, then rename: a killed save leaves no model there."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        saved = save_model(temporary, card, network)
        temporary.replace(folder)
    except OSError as error:
        raise EnvironmentFailure(
            f"The model could not be put in its place ({error.strerror or error}).",
            "Make room on the disk, or check that the folder can be written.",
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return saved
