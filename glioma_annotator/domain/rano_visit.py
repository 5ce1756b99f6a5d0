"""RANO 2.0: what a visit brings to the rules, what is measurable, and what is compared with what.

Sources: Wen et al., "RANO 2.0: Update to the Response Assessment in Neuro-Oncology Criteria for High- and Low-Grade
Gliomas in Adults", J Clin Oncol 41:5187, 2023 (baseline after radiotherapy, confirmation within 12 weeks, volumetric
thresholds, up to three targets); Wen et al., J Clin Oncol 28:1963, 2010 (RANO: measurable disease, steroids, table of
categories in which every criterion of a response must hold and any criterion of progression suffices, what counts as
clinical deterioration).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from glioma_annotator.domain.clinical_event import ClinicalState
from glioma_annotator.domain.patient import TreatmentPhase
from glioma_annotator.domain.response import LesionMeasurement, ResponseMethod

MEASURABLE_MM = 10.0
"""Least length of both diameters of a measurable lesion; twice the distance of slices thicker than 5 mm (RANO)."""
TARGET_LIMIT = 2  # three if needed (RANO 2.0)
REPLACEMENT_MG = 1.5
"""Up to this daily dose of dexamethasone steroids count as physiologic replacement, which a complete response allows
(Wen et al. 2010). Our choice: the criteria name no figure."""
_NO_END = "The end of radiotherapy is not recorded and should be entered; until then the baseline is"
EXACT = 1e-9  # a change of exactly the threshold reaches it, whatever the rounding


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Relative changes that make a response or a progression, as fractions."""

    decrease: float
    increase: float


THRESHOLDS: Mapping[ResponseMethod, Thresholds] = {
    ResponseMethod.BIDIMENSIONAL: Thresholds(0.50, 0.25),
    ResponseMethod.VOLUMETRIC: Thresholds(0.65, 0.40),
}


@dataclass(frozen=True, slots=True)
class RanoVisit:
    """One visit as the rules see it.

    Attributes
    ----------
    timepoint, title: key, and what a reader calls the visit.
    day: days since the first visit; None when unknown.
    lesions: every enhancing lesion measured at the visit, under its stable identity.
    measurable: ids of the lesions that are measurable at this visit (`is_measurable`).
    new: ids of the lesions that no visit from the baseline on had before.
    total_ml: volume of all enhancing tumour at the visit; None when there is no mask.
    steroid_mg: daily dose; None when none was recorded.
    state: clinical state against the visit before; None when none was recorded.
    kps, ecog: performance scores; None when not recorded.
    days_since_rt: days since the last day of radiotherapy; None without one.
    non_target_worse: the reader's judgement that non-measurable or non-target disease clearly progressed.
    revision: number of the mask that counts; None when there is none, or it is not known.
    over_cavity: ids of the lesions whose diameters run across the resection cavity, which RANO does not measure.
    too_small: ids of the measurements that are not measurable themselves; another part of a split lesion may be.
    merged: ids of the lesions that went up in another one since the baseline, by its id.
    no_contrast: whether nothing is measured because there is no T1Gd; `total_ml` is None then.
    resected: whether tumour was resected since the baseline.
    doubts: what the reader should know of how the lesions were followed, one sentence each.
    """

    timepoint: str
    title: str
    day: int | None
    lesions: tuple[LesionMeasurement, ...] = ()
    measurable: frozenset[str] = frozenset()
    new: frozenset[str] = frozenset()
    total_ml: float | None = None
    steroid_mg: float | None = None
    state: ClinicalState | None = None
    kps: int | None = None
    ecog: int | None = None
    days_since_rt: int | None = None
    non_target_worse: bool = False
    revision: int | None = None
    over_cavity: frozenset[str] = frozenset()
    too_small: frozenset[str] = frozenset()
    merged: Mapping[str, frozenset[str]] = field(default_factory=dict)
    no_contrast: bool = False
    resected: bool = False
    doubts: tuple[str, ...] = ()

    @property
    def missing(self) -> str:
        """Why nothing is measured, to follow the visit's name."""
        return "has no T1Gd to show what enhances" if self.no_contrast else "has no mask"

    def counts(self, lesion: str, targets: Sequence[str]) -> bool:
        """Whether a lesion is a target, or one has gone up in it."""
        return lesion in targets or not self.merged.get(lesion, frozenset()).isdisjoint(targets)

    def largest(self, lesion: str) -> LesionMeasurement:
        """The largest part of a lesion that the visit has."""
        return max((n for n in self.lesions if n.lesion == lesion), key=lambda n: n.product_mm2)

    def measures(self, part: LesionMeasurement) -> bool:
        """Whether a lesion is measurable, of a split one this part."""
        return part.lesion in self.measurable and part.id not in self.too_small

    def out_of_date(self, lesion: LesionMeasurement) -> bool:
        """Whether a reader set a lesion's diameters on another mask than the one that counts now."""
        known = self.revision is not None and lesion.revision is not None
        return lesion.adjusted and known and lesion.revision != self.revision


def is_measurable(longest_mm: float, perpendicular_mm: float, slices: int, slice_distance_mm: float) -> bool:
    """Whether a lesion is measurable: both diameters long enough, and seen on at least two axial slices."""
    least = max(MEASURABLE_MM, 2 * slice_distance_mm if slice_distance_mm > 5 else 0.0)
    return min(longest_mm, perpendicular_mm) >= least - EXACT and slices >= 2


def find_baseline(
    phases: Sequence[TreatmentPhase], days_since_rt: Sequence[int | None], *, without_end: bool = False
) -> tuple[int, str]:
    """Which visit is the baseline, and why.

    The scan marked as post-radiotherapy baseline; else the first after the end of radiotherapy, a pre-operative one
    only where there is no other; else, where there was none, the first post-operative one; else the first.
    `without_end` is whether radiotherapy is recorded that has no end (`course.radiotherapy_without_end`): the reason
    then asks for it.

    Raises ValueError without visits.
    """
    if not phases:
        raise ValueError("a response needs visits")
    for index, phase in enumerate(phases):
        if phase is TreatmentPhase.POST_RT_BASELINE:
            return index, "It is marked as the post-radiotherapy baseline."
    irradiated = [index for index, days in enumerate(days_since_rt) if days is not None and days >= 0]
    if irradiated:  # some had radiotherapy long before, and are operated on again
        kept = [index for index in irradiated if phases[index] is not TreatmentPhase.PRE_OPERATIVE]
        return (kept or irradiated)[0], "It is the first scan after radiotherapy."
    later = (TreatmentPhase.EARLY_POST_OPERATIVE, TreatmentPhase.FOLLOW_UP)
    for index, phase in enumerate(phases):
        if phase in later:
            return (
                index,
                f"{_NO_END if without_end else 'No radiotherapy is recorded; it is'} the first scan after surgery.",
            )
    if without_end:
        return 0, f"{_NO_END} the first scan, as no phase says more."
    return 0, "No radiotherapy is recorded and no phase says more; it is the first scan."


def select_targets(visit: RanoVisit, limit: int = TARGET_LIMIT) -> tuple[str, ...]:
    """The measurable lesions of the baseline with the largest products, largest first, `limit` at most."""
    products: dict[str, float] = {}
    for lesion in visit.lesions:
        if lesion.lesion in visit.measurable:
            products[lesion.lesion] = products.get(lesion.lesion, 0.0) + lesion.product_mm2
    return tuple(sorted(products, key=lambda key: (-products[key], key))[:limit])


def burden(visit: RanoVisit, targets: Sequence[str], method: ResponseMethod) -> float | None:
    """Sum of products in mm2, parts of a split lesion added, or the enhancing volume in mL; None where not measured.

    Of the target lesions, and of those that a target went up in.
    """
    if visit.total_ml is None:
        return None
    if method is ResponseMethod.VOLUMETRIC:
        return visit.total_ml
    return sum(lesion.product_mm2 for lesion in visit.lesions if visit.counts(lesion.lesion, targets))


def deteriorated(kps: int | None, ecog: int | None, earlier: RanoVisit) -> str:
    """The sentence that says why performance scores mean clinical deterioration since `earlier`; empty if they do not.

    KPS: from 100 or 90 to 70 or less, by 20 or more from 80 or less, or to 50 or less from any. ECOG: from 0 or 1 to 2
    or more, or from 2 to 3 or more (Wen et al. 2010).
    """
    before = earlier.kps
    if kps is not None and before is not None and kps < before:
        lower = kps <= 70 if before >= 90 else before - kps >= 20
        if lower or kps <= 50:
            return f"KPS fell from {before} to {kps}."
    worse = earlier.ecog
    if ecog is not None and worse is not None and ecog > worse and ecog >= (2 if worse <= 1 else 3):
        return f"ECOG rose from {worse} to {ecog}."
    return ""
