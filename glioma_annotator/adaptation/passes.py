"""The starting model's passes over the visits: the held-out ones first, whole; the others as far as the time allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from glioma_annotator.adaptation.budget import Budget
from glioma_annotator.adaptation.cases import PreparedCase
from glioma_annotator.adaptation.features import CaseFeatures, compute_features, head_scores
from glioma_annotator.adaptation.holdout import Part, Split
from glioma_annotator.domain.geometry import Box
from glioma_annotator.errors import UserError
from glioma_annotator.heap import give_back
from glioma_annotator.inference.device import ComputeDevice
from glioma_annotator.inference.networks import SegmentationNetwork
from glioma_annotator.progress import CancelToken, Report, StepProgress

#: Visits of which the inputs of the last decoder stage are kept, 0.3 GB each: with three, the window took 5.1 GiB.
MOST_STAGES = 2
#: Of the time left after the held-out visits' passes, what those over the other visits may take.
_SHARE = 0.4
#: Voxels around the tumour of a visit that is not passed whole.
_MARGIN = 20


@dataclass(eq=False)
class Passed:
    """What the passes left.

    Attributes
    ----------
    parts: what is learnt from and judged; less to learn from than asked for where the time is short.
    features: of every visit of `parts`, by its identity.
    seconds: of the passes over the held-out visits, in their order.
    messages: what was left out, for a reader.
    """

    parts: Split
    features: dict[int, CaseFeatures] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def of(self, parts: Sequence[Part]) -> list[CaseFeatures]:
        """The features of the visits of `parts`, in their order."""
        return [self.features[id(part.case)] for part in parts]


def pass_visits(
    network: SegmentationNetwork,
    parts: Split,
    device: ComputeDevice,
    keep_stage: bool,
    report: Report,
    budget: Budget,
) -> Passed:
    """One pass per visit, the inputs of the last decoder stage kept with `keep_stage`, where memory allows.

    What is judged is always passed whole: false marks far from the tumour must be seen. Its pace says how much of the
    visits that are only learnt from there is time for (see `_affordable`). Raises `UserError` for weights that make no
    numbers, `TimeUp`, `Cancelled`.
    """
    done = Passed(parts)
    held = [part.case for part in parts.held_out]
    cases = {id(part.case) for part in (*parts.train, *parts.held_out)}
    keep_stage = keep_stage and len(cases) <= MOST_STAGES
    progress = StepProgress(report, len(cases), "Passing the visits through the network")
    for case in held:
        began = budget.now()
        done.features[id(case)] = _passed(network, case, device, budget, keep_stage)
        done.seconds.append(budget.now() - began)
        progress.step()
    pace = sum(done.seconds) / sum(_voxels(case) for case in held)
    train, done.messages = _affordable(parts.train, held, pace, budget)
    done.parts = replace(parts, train=train)
    for part in train:
        if id(part.case) not in done.features:
            done.features[id(part.case)] = _passed(network, part.case, device, budget, keep_stage)
            progress.step()
    return done


def _passed(
    network: SegmentationNetwork, case: PreparedCase, device: ComputeDevice, cancel: CancelToken, keep_stage: bool
) -> CaseFeatures:
    found = compute_features(network, case, device, cancel, keep_stage)
    give_back()
    if not np.isfinite(head_scores(network.head, found.values)).all():
        raise UserError(
            "The starting model's weights are damaged: its output is no number.",
            "Choose another model to start from.",
        )
    return found


def _affordable(
    train: Sequence[Part], held: Sequence[PreparedCase], pace: float, budget: Budget
) -> tuple[tuple[Part, ...], list[str]]:
    """The visits to learn from that there is time for at `pace`, in seconds per voxel, and what was left out.

    Whole where that fits, else a box around each tumour, else without the oldest. The newest one with tumour always
    stays; where even that takes too long, the end of the time says so.
    """
    room = _SHARE * budget.left()

    def seconds(parts: Sequence[Part]) -> float:
        return pace * sum(_voxels(part.case) for part in parts if not any(part.case is case for case in held))

    if seconds(train) <= room:
        return tuple(train), []
    kept = [part if any(part.case is case for case in held) else _around_tumour(part) for part in train]
    kept = [part for part in kept if (part.case.tumour & part.mask).any()] or kept
    messages = ["For want of time only the surroundings of the tumour were learnt from in the earlier visits."]
    left_out: list[str] = []
    while len(kept) > 1 and seconds(kept) > room:
        left_out.append(kept.pop(0).case.name)
    if left_out:
        messages.append(f"For want of time nothing was learnt from {', '.join(left_out)}: allow more to use all.")
    return tuple(kept), messages


def _around_tumour(part: Part) -> Part:
    """The part within a box around its tumour; as it is where it shows none."""
    case = part.case
    around = Box.around(case.tumour & part.mask)
    if around is None:
        return part
    box = around.grown(_MARGIN).clipped(case.shape).slices
    cut = replace(
        case,
        images=np.ascontiguousarray(case.images[(slice(None), *box)]),
        brain=np.ascontiguousarray(case.brain[box]),
        classes=np.ascontiguousarray(case.classes[box]),
        carried=None,
    )
    return Part(cut, np.ascontiguousarray(part.mask[box]))


def _voxels(case: PreparedCase) -> float:
    return float(np.prod(case.shape))
