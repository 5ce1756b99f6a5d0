"""The rule that decides whether a candidate model may become current.

On held-out data, region by region (ET, TC, WT, RC):

- *present* in the reference (at least `TINY_ML` in one held-out visit): judged by Dice, averaged over the visits that
  show it. It makes up the mean, and may lose at most `MOST_LOST`.
- *tiny* (some, but less): a voxel more or less moves Dice by much, so it is judged in mL: the error of the volume may
  grow by at most `SLACK_ML`. And in Dice, more loosely: a small nodule that was found must not be lost, so where there
  is more than `SLACK_ML` of it, Dice may fall by at most `MOST_LOST_TINY`. It makes up the mean only where no region is
  present.
- *absent*: Dice would be 0 or 1. It is judged in mL: what is falsely marked may grow by at most `SLACK_ML`.

Away from the tumour (more than `AWAY_MM`), where Dice of a region that is present hardly tells, what is falsely marked
of any label may grow by at most `MOST_STRAY_ML`, or `MOST_STRAY_SHARE` of that label's own volume where that is more,
over the whole of a visit, also where it was learnt from.

The candidate is accepted when no region speaks against it and its mean Dice beats the starting model's clearly (at
least `LEAST_REMOVED` of the error is gone, `LEAST_REMOVED_IN_SLABS` where slabs of a visit learnt from judge). Where no
held-out visit shows any region, the candidate must mark less.

An earlier mask carried over is compared with and does not decide: it fits a visit that resembles the one before, and
says little about the visits to come (benchmarks/measured/adaptation.md tells of a candidate that it outdid, and that
took the next visit from 0.58 to 0.81). Where it fits better, the verdict says so: `Verdict.advice`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.adaptation import RegionVerdict, Verdict
from glioma_annotator.domain.labels import LabelScheme, Region
from glioma_annotator.domain.volume import LabelArray

#: A region smaller than this in every held-out visit is tiny: 0.5 mL is a ball of 10 mm, the least measurable lesion
#: (RANO 2.0).
TINY_ML = 0.5
#: Growth of a volume's error that is no loss yet: the segmenter leaves islands below 0.1 mL out.
SLACK_ML = 0.1
#: Dice that a region may lose.
MOST_LOST = 0.01
#: The same for a tiny region. A candidate that no longer found 0.11 mL of core in the held-out slabs (0.43 to 0.02)
#: missed 0.37 mL at the next visit and made it worse (benchmarks/measured/adaptation.md).
MOST_LOST_TINY = 0.2

#: Share of the error, 1 - Dice, that must be gone: the best of several looks at the held-out data was chosen.
LEAST_REMOVED = 0.05
#: Slabs resemble what was learnt beside them, so a small gain there says nothing about the next visit: of four accepted
#: candidates with less than this, three made it worse and one better by 7 % (benchmarks/measured/adaptation.md).
LEAST_REMOVED_IN_SLABS = 0.15

#: What may be marked more away from any tumour: a candidate that called ventricles cavity, 0.8 mL in the visit it had
#: learnt from and 0.2 mL before, did the same at the next visit and made it worse (benchmarks/measured/adaptation.md).
AWAY_MM = 10.0
MOST_STRAY_ML = 0.3
MOST_STRAY_SHARE = 0.2  # that candidate's was 0.4 of its cavity; one with 0.14 took the next visit from 0.47 to 0.86

PRESENT, TINY, ABSENT = "present", "tiny", "absent"


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A held-out visit: uint8 label values (i, j, k) of reference and predictions, all 0 outside the held-out part.

    `slabs`: the rest of the visit was learnt from.
    """

    reference: LabelArray
    before: LabelArray
    after: LabelArray
    voxel_ml: float
    carried: LabelArray | None = None
    slabs: bool = False


def judge(visits: Sequence[Judged], scheme: LabelScheme) -> Verdict:
    """Apply the rule to a candidate's masks. At least one visit."""
    regions = tuple(_judge_region(region, visits) for region in scheme.regions)
    counted = [r for r in regions if r.kind == PRESENT] or [r for r in regions if r.kind == TINY]
    before, after = mean([r.before for r in counted]), mean([r.after for r in counted])
    carried = mean([r.carried for r in counted])
    refused = [r.fault for r in regions if r.fault]
    accepted_because = ""
    if before is None or after is None:
        marked = [sum(getattr(r, side) for r in regions) for side in ("before_ml", "after_ml")]
        if marked[1] < marked[0]:
            accepted_because = "The held-out part shows no tumour, and the adapted model marks less there."
        else:
            refused.append("The held-out part shows no tumour, and the adapted model marks no less there.")
    else:
        least = LEAST_REMOVED_IN_SLABS if any(visit.slabs for visit in visits) else LEAST_REMOVED
        if not after > before:
            refused.append(f"The mean Dice does not rise: {before:.3f} before, {after:.3f} after.")
        elif after - before < least * (1 - before):
            refused.append(
                f"The mean Dice hardly rises: {before:.3f} before, {after:.3f} after; at least "
                f"{least:.0%} of the error must be gone."
            )
        accepted_because = f"The mean Dice rises from {before:.3f} to {after:.3f}, and no region loses."
    reasons = tuple(refused) if refused else (accepted_because,)
    return Verdict(not refused, reasons, regions, before, after, carried)


def stray_faults(visits: Sequence[Judged], scheme: LabelScheme) -> tuple[str, ...]:
    """What a candidate marks more than the starting model where no tumour is near, label by label.

    `visits` are whole ones, what was predicted in them 0 wherever tumour is near or nobody has looked.
    """
    faults = []
    for label in scheme.labels:
        there, before, after = (
            sum(np.count_nonzero(getattr(visit, side) == label.value) * visit.voxel_ml for visit in visits)
            for side in ("reference", "before", "after")
        )
        if after - before > max(MOST_STRAY_ML, MOST_STRAY_SHARE * there):
            faults.append(f"{after:.1f} mL of {label.name} are marked away from any tumour, {before:.1f} mL before.")
    return tuple(faults)


def preference(verdict: Verdict) -> float:
    """How a candidate compares with others of the same starting model: gain in mean Dice, less for every fault."""
    if verdict.before is None or verdict.after is None:
        marked = sum(r.before_ml - r.after_ml for r in verdict.regions)
        return marked - sum(1.0 for r in verdict.regions if r.fault)
    worst = sum(_loss(region) for region in verdict.regions if region.fault)
    return verdict.after - verdict.before - 2.0 * worst


def _loss(region: RegionVerdict) -> float:
    """What a region at fault lost, in Dice; one that is tiny or absent counts as 0.02."""
    if region.kind == PRESENT and region.before is not None and region.after is not None:
        return region.before - region.after
    return 0.02


def dice(reference: NDArray[np.bool_], prediction: NDArray[np.bool_]) -> float:
    """2|A&B| / (|A|+|B|); 1 when both are empty."""
    both, total = np.count_nonzero(reference & prediction), np.count_nonzero(reference) + np.count_nonzero(prediction)
    return 2 * both / total if total else 1.0


def mean(values: Sequence[float | None]) -> float | None:
    """Mean of the values; None when there is none or one is missing."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def _judge_region(region: Region, visits: Sequence[Judged]) -> RegionVerdict:
    volumes: dict[str, list[float]] = {"reference": [], "before": [], "after": [], "carried": []}
    scores: dict[str, list[float]] = {"before": [], "after": [], "carried": []}
    for visit in visits:
        truth = region.mask(visit.reference)
        volumes["reference"].append(np.count_nonzero(truth) * visit.voxel_ml)
        for side in scores:
            labels = getattr(visit, side)
            if labels is None:
                continue
            marked = region.mask(labels)
            volumes[side].append(np.count_nonzero(marked) * visit.voxel_ml)
            if truth.any():
                scores[side].append(dice(truth, marked))
    largest = max(volumes["reference"])
    kind = PRESENT if largest >= TINY_ML else TINY if largest > 0 else ABSENT
    complete = len(volumes["carried"]) == len(visits)
    before, after = mean(scores["before"]), mean(scores["after"])
    return RegionVerdict(
        region=region.name,
        kind=kind,
        before=before,
        after=after,
        carried=mean(scores["carried"]) if complete else None,
        reference_ml=sum(volumes["reference"]),
        before_ml=sum(volumes["before"]),
        after_ml=sum(volumes["after"]),
        carried_ml=sum(volumes["carried"]) if complete else None,
        fault=_fault(region.name, kind, before, after, volumes),
    )


def _fault(name: str, kind: str, before: float | None, after: float | None, volumes: dict[str, list[float]]) -> str:
    if kind == PRESENT:
        assert before is not None and after is not None
        if before - after > MOST_LOST:
            return f"{name} loses: Dice {before:.3f} before, {after:.3f} after."
        return ""
    off = {
        side: sum(abs(ml - truth) for ml, truth in zip(volumes[side], volumes["reference"], strict=True))
        for side in ("before", "after")
    }
    lost = before - after if before is not None and after is not None else 0.0
    if lost > MOST_LOST_TINY and max(volumes["reference"]) > SLACK_ML:
        return f"{name} is tiny, and found less well: Dice {before:.3f} before, {after:.3f} after."
    if off["after"] - off["before"] <= SLACK_ML:
        return ""
    if kind == TINY:
        return f"{name} is tiny, and its volume is off by {off['after']:.2f} mL, {off['before']:.2f} mL before."
    return f"{name} is absent, but {off['after']:.2f} mL are marked, {off['before']:.2f} mL before."
