"""RANO 2.0: from measured lesions, steroids and clinical state to a proposed response category with its reasons.

Sources as in `rano_visit`. Every criterion of a response must hold, any criterion of progression suffices. The program
proposes; the reader decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from glioma_annotator.domain.clinical_event import ClinicalState
from glioma_annotator.domain.rano_visit import (
    EXACT,
    REPLACEMENT_MG,
    THRESHOLDS,
    RanoVisit,
    burden,
    deteriorated,
    select_targets,
)
from glioma_annotator.domain.rano_words import change_text, count_text, days_text, diameters_text, ml_text, remarks
from glioma_annotator.domain.response import ResponseCategory, ResponseMethod

CONFIRM_PD_DAYS = 84  # progression in the first 12 weeks after radiotherapy is confirmed by a second scan (RANO 2.0)
CONFIRM_AFTER_DAYS = 28  # least time to the confirming scan: 4 weeks
BECOME_MEASURABLE_MM = 5.0
"""A lesion that becomes measurable is progression when its longest diameter grew by more than this, or its product by
the threshold of progression (Wen et al. 2010)."""

PD, PR, CR, SD = ResponseCategory.PD, ResponseCategory.PR, ResponseCategory.CR, ResponseCategory.SD


@dataclass(frozen=True, slots=True)
class RanoProposal:
    """What the rules propose for one visit; `reasons` and `inputs` as in `ResponseAssessment`."""

    timepoint: str
    category: ResponseCategory
    reasons: tuple[str, ...]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    baseline: str = ""
    nadir: str = ""


def assess_course(
    visits: Sequence[RanoVisit],
    baseline: int = 0,
    method: ResponseMethod = ResponseMethod.BIDIMENSIONAL,
    *,
    targets: Sequence[str] | None = None,
    decided: Mapping[str, ResponseCategory] | None = None,
    baseline_reason: str = "",
) -> tuple[RanoProposal, ...]:
    """Propose a category for the baseline and every visit after it.

    Parameters
    ----------
    visits: in order of the course.
    baseline: index of the baseline visit (`find_baseline`).
    targets: ids of the target lesions; None chooses them by `select_targets`.
    decided: categories that a reader decided, by timepoint; they replace the proposal where later visits build on it.
    baseline_reason: why the baseline is the baseline, for its own proposal.
    """
    chosen = tuple(targets) if targets is not None else select_targets(visits[baseline])
    settled = dict(decided or {})
    proposals: list[RanoProposal] = []
    for index in range(baseline, len(visits)):
        course = _Course(visits, baseline, index, method, chosen, settled)
        made = course.baseline_proposal(baseline_reason) if index == baseline else course.proposal()
        proposals.append(made)
        settled.setdefault(made.timepoint, made.category)
    return tuple(proposals)


@dataclass(frozen=True, slots=True)
class _Course:
    """One visit within its course; `settled` holds the categories of the visits before."""

    visits: Sequence[RanoVisit]
    first: int
    index: int
    method: ResponseMethod
    targets: tuple[str, ...]
    settled: Mapping[str, ResponseCategory]

    @property
    def visit(self) -> RanoVisit:
        return self.visits[self.index]

    @property
    def baseline(self) -> RanoVisit:
        return self.visits[self.first]

    @property
    def unit(self) -> str:
        return "mm²" if self.method is ResponseMethod.BIDIMENSIONAL else "mL"

    def size(self, visit: RanoVisit) -> float | None:
        return burden(visit, self.targets, self.method)

    def nadir(self) -> RanoVisit:
        """The visit with the smallest burden from the baseline to the one before this; the earliest of equal ones."""
        earlier = [v for v in self.visits[self.first : self.index] if self.size(v) is not None]
        return min(earlier, key=lambda v: self.size(v) or 0.0, default=self.baseline)

    def _at(self, visit: RanoVisit) -> _Course:
        """The same course as it stood at an earlier visit."""
        return replace(self, index=self.visits.index(visit))

    def _assessed_before(self) -> list[RanoVisit]:
        """The visits from the baseline to the one before this, latest first, without those that show nothing.

        A visit without a mask shows nothing, unless the reader decided on it.
        """
        nothing = ResponseCategory.NOT_EVALUABLE
        earlier = reversed(self.visits[self.first : self.index])
        return [v for v in earlier if v.total_ml is not None or self.settled.get(v.timepoint) is not nothing]

    def text(self, value: float) -> str:
        if self.method is ResponseMethod.BIDIMENSIONAL:
            return f"Sum of products {value:.0f} {self.unit}"
        return f"Enhancing volume {ml_text(value)}"

    def baseline_proposal(self, why: str) -> RanoProposal:
        size = self.size(self.visit)
        reasons = [why] if why else []
        if size is None:
            reasons.append(f"The baseline {self.visit.missing}.")
        else:
            of_targets = f" in {count_text(len(self.targets), 'target lesion')}"
            reasons.append(self.text(size) + (of_targets if self.method is ResponseMethod.BIDIMENSIONAL else "") + ".")
            if not self.targets:
                reasons.append("No lesion is measurable at baseline: only a new measurable lesion can be measured.")
        category = ResponseCategory.BASELINE if size is not None else ResponseCategory.NOT_EVALUABLE
        return self._made(category, reasons, self.baseline)

    def proposal(self) -> RanoProposal:
        now, at_start, nadir = self.size(self.visit), self.size(self.baseline), self.nadir()
        lowest = self.size(nadir)
        if now is None or at_start is None or lowest is None:
            missing = self.visit if now is None else self.baseline
            return self._made(ResponseCategory.NOT_EVALUABLE, [f"{missing.title} {missing.missing}."], nadir)
        reasons = [
            f"{self.text(now)}; {change_text(now, at_start)} since the baseline ({self.baseline.title}), "
            f"{change_text(now, lowest)} since the nadir ({nadir.title})."
        ]
        growth, others = self._progression(now, lowest)
        decline = self._decline()
        if growth or others or decline:
            category, more = self._progressive(growth, others, decline, nadir)
        else:
            category, more = self._response(now, at_start)
        return self._made(category, [*reasons, *growth, *others, *decline, *more], nadir)

    def _progression(self, now: float, lowest: float) -> tuple[list[str], list[str]]:
        """Reasons for progression on the images: growth of what is measured, and everything else."""
        growth, others = [], []
        if self._grown(now, lowest) and (self.method is ResponseMethod.BIDIMENSIONAL or self.visit.measurable):
            growth.append(f"That is at least {THRESHOLDS[self.method].increase:.0%} more than the nadir.")
        if self._measurable_again(now, lowest):
            growth.append("A measurable lesion is back after all measured disease had gone.")
        growth += self._become_measurable().values()
        fresh = self._fresh()
        if fresh:
            others.append(f"{count_text(len(fresh), 'new measurable lesion')}: {', '.join(fresh)}.")
        for key, (earlier, is_new) in sorted(self._still_there().items()):
            found = others if is_new else growth
            found.append(f"{key}, {'new' if is_new else 'measurable first'} at {earlier.title}, is still measurable.")
        if self.visit.non_target_worse:
            others.append("The reader sees clear progression of non-measurable or non-target disease.")
        return growth, others

    def _decline(self) -> list[str]:
        """Reasons for progression that are clinical."""
        found = []
        if self.visit.state is ClinicalState.WORSE:
            found.append("The clinical state is recorded as worse.")
        fell = deteriorated(self.visit.kps, self.visit.ecog, self.baseline)
        if fell:
            found.append(f"{fell} That counts as clinical deterioration unless another cause explains it.")
        return found

    def _grown(self, now: float, lowest: float) -> bool:
        return lowest > 0 and (now - lowest) / lowest >= THRESHOLDS[self.method].increase - EXACT

    def _fresh(self) -> list[str]:
        """New lesions that are measurable."""
        return sorted(self.visit.new & self.visit.measurable)

    def _still_there(self) -> dict[str, tuple[RanoVisit, bool]]:
        """Lesions of the progression that lasts, measurable ever since: the visit they came at, and whether as new."""
        found: dict[str, tuple[RanoVisit, bool]] = {}
        lasting = set(self.visit.measurable)
        for earlier in self._assessed_before():
            if self.settled.get(earlier.timepoint) not in (PD, ResponseCategory.PRELIMINARY_PD):
                break
            lasting &= earlier.measurable
            then = self._at(earlier)
            found |= dict.fromkeys(lasting & then._become_measurable().keys(), (earlier, False))
            found |= dict.fromkeys(lasting.intersection(then._fresh()), (earlier, True))
        return found

    def _become_measurable(self) -> dict[str, str]:
        """Lesions that were never measurable since the baseline, and are now, grown by a significant amount."""
        found = {}
        for key in sorted(self.visit.measurable - self.visit.new):
            if self.visit.counts(key, self.targets):
                continue
            earlier = [v for v in self.visits[self.first : self.index] if any(n.lesion == key for n in v.lesions)]
            if not earlier or any(key in v.measurable for v in earlier):
                continue
            was = min((v.largest(key) for v in earlier), key=lambda n: n.product_mm2)
            now = self.visit.largest(key)
            longer = now.longest_mm - was.longest_mm > BECOME_MEASURABLE_MM
            if longer or now.product_mm2 >= (1 + THRESHOLDS[ResponseMethod.BIDIMENSIONAL].increase) * was.product_mm2:
                found[key] = f"{key} was not measurable and is now: {diameters_text(was)}, then {diameters_text(now)}."
        return found

    def _measurable_again(self, now: float, lowest: float) -> bool:
        """Whether a measurable lesion is back: one that counts after all those had gone, any after all enhancement."""
        lesions, by_area = self.visit.measurable, self.method is ResponseMethod.BIDIMENSIONAL
        if by_area and lowest == 0 and now > 0 and any(self.visit.counts(key, self.targets) for key in lesions):
            return True
        had: set[str] = set()
        for earlier in self.visits[self.first : self.index]:
            if earlier.total_ml == 0 and had & lesions:
                return True
            had.update(n.lesion for n in earlier.lesions)
        return False

    def _progressive(
        self, growth: list[str], others: list[str], decline: list[str], nadir: RanoVisit
    ) -> tuple[ResponseCategory, list[str]]:
        since = self.visit.days_since_rt
        early = since is not None and 0 <= since <= CONFIRM_PD_DAYS
        if early and not growth and not others:
            what = f"Only {since} days since radiotherapy: within 12 weeks clinical decline alone is no progression;"
            return ResponseCategory.PRELIMINARY_PD, [f"{what} a scan or histology has to show it."]
        before = self._unconfirmed_before()
        if before is not None:
            return PD, [
                f"It confirms the progression first seen at {before.title}, {days_text(before, self.visit)} before."
            ]
        if early:
            what = f"Only {since} days since radiotherapy: within 12 weeks progression needs a second scan, 4 weeks on,"
            exception = "unless it lies outside the radiation field or histology proves tumour."
            return ResponseCategory.PRELIMINARY_PD, [f"{what} {exception}"]
        dose, earlier = self.visit.steroid_mg, nadir.steroid_mg
        if growth and not others and not decline and dose is not None and earlier is not None and dose < earlier:
            what = f"Steroids were reduced from {earlier:g} to {dose:g} mg since the nadir, which can enhance alike."
            return ResponseCategory.PRELIMINARY_PD, [f"{what} Repeat the scan on a stable dose."]
        return PD, []

    def _unconfirmed_before(self) -> RanoVisit | None:
        """The visit whose progression this one confirms: preliminary, at least 4 weeks ago, nothing else between.

        A decline alone, with a scan that showed no progression, leaves nothing for another scan to confirm.
        """
        found = None
        for earlier in self._assessed_before():
            if self.settled.get(earlier.timepoint) is not ResponseCategory.PRELIMINARY_PD:
                break
            if self._at(earlier)._declined_alone():
                continue
            if earlier.day is None or self.visit.day is None or self.visit.day - earlier.day >= CONFIRM_AFTER_DAYS:
                found = earlier
        return found

    def _declined_alone(self) -> bool:
        now, lowest = self.size(self.visit), self.size(self.nadir())
        seen = now is None or lowest is None or any(self._progression(now, lowest))
        return not seen and bool(self._decline())

    def _response(self, now: float, at_start: float) -> tuple[ResponseCategory, list[str]]:
        """CR, PR or SD when nothing progressed, or not evaluable when steroids hide what the tumour does."""
        limit, reasons = THRESHOLDS[self.method].decrease, []
        last = next(iter(self._assessed_before()), self.baseline)
        if self.settled.get(last.timepoint) is ResponseCategory.PRELIMINARY_PD:
            reasons.append("The progression seen at the scan before is not confirmed.")
        dose, baseline_dose = self.visit.steroid_mg, self.baseline.steroid_mg
        remaining = self.visit.total_ml or 0.0
        replaced = remaining == 0 and at_start > 0 and 0 < (dose or 0.0) <= REPLACEMENT_MG
        if dose is None:
            reasons.append("No steroid dose is recorded; it is taken as unchanged.")
        elif replaced:
            reasons.append(f"{dose:g} mg of steroids a day count as physiologic replacement, which CR allows.")
        elif baseline_dose is None:
            reasons.append(f"{dose:g} mg of steroids a day; no dose is recorded at baseline to compare with.")
        elif dose > baseline_dose:
            reasons.append(
                f"Steroids rose from {baseline_dose:g} to {dose:g} mg a day since the baseline: neither response nor"
                " stable disease can be claimed, and a higher dose alone is no progression. Assess again once the dose"
                " is back."
            )
            return ResponseCategory.NOT_EVALUABLE, reasons
        if self.visit.state is None and self.visit.kps is None and self.visit.ecog is None:
            reasons.append("No clinical state is recorded; it is taken as stable.")
        if self._grown(now, self.size(self.nadir()) or 0.0):
            reasons.append("The volume grew, but no lesion is measurable: both diameters of one must reach 10 mm.")
        if at_start == 0 or not self.targets:
            reasons.append("Nothing measurable at baseline: no response can be measured.")
            return SD, reasons
        less = (at_start - now) / at_start >= limit - EXACT
        if self.visit.resected and (less or remaining == 0):
            reasons.append("Tumour was resected since the baseline: what surgery took is no response.")
            return SD, reasons
        if remaining == 0:
            if not dose or replaced:
                return CR, [*reasons, "No enhancing tumour remains.", *self._confirmation(CR)]
            reasons.append(f"No enhancing tumour remains, but {dose:g} mg of steroids a day rule out CR.")
        if less:
            reasons.append(f"That is at least {limit:.0%} less than the baseline.")
            if now == 0 and remaining > 0:
                reasons.append(f"Enhancing tumour remains, {ml_text(remaining)}, so it is no CR.")
            return PR, [*reasons, *self._confirmation(PR)]
        reasons.append(f"Less than {limit:.0%} decrease and less than {THRESHOLDS[self.method].increase:.0%} increase.")
        return SD, reasons

    def _confirmation(self, category: ResponseCategory) -> list[str]:
        """Whether an earlier scan, at least 4 weeks before, already showed the response without a break."""
        enough = (CR,) if category is CR else (CR, PR)
        for earlier in self._assessed_before():
            if self.settled.get(earlier.timepoint) not in enough:
                break
            known = earlier.day is not None and self.visit.day is not None
            if known and (self.visit.day or 0) - (earlier.day or 0) >= CONFIRM_AFTER_DAYS:
                return [f"Confirmed: {earlier.title} showed it {days_text(earlier, self.visit)} before."]
        return ["To be confirmed by a scan at least 4 weeks later."]

    def _made(self, category: ResponseCategory, reasons: list[str], nadir: RanoVisit) -> RanoProposal:
        visit, limits = self.visit, THRESHOLDS[self.method]
        reasons = [*reasons, *remarks(visit, self.targets, self.method)]
        inputs: dict[str, Any] = {
            "method": self.method.value,
            "unit": self.unit,
            "targets": list(self.targets),
            "burden": self.size(visit),
            "baseline": {"timepoint": self.baseline.timepoint, "burden": self.size(self.baseline)},
            "nadir": {"timepoint": nadir.timepoint, "burden": self.size(nadir)},
            "lesions": [
                {
                    "lesion": lesion.lesion,
                    "longest_mm": lesion.longest_mm,
                    "perpendicular_mm": lesion.perpendicular_mm,
                    "product_mm2": lesion.product_mm2,
                    "volume_ml": lesion.volume_ml,
                    "target": visit.counts(lesion.lesion, self.targets),
                    "measurable": visit.measures(lesion),
                    "new": lesion.lesion in visit.new,
                    "adjusted": lesion.adjusted,
                    "mask": lesion.revision,
                    "out_of_date": visit.out_of_date(lesion),
                    "over_cavity": lesion.lesion in visit.over_cavity,
                }
                for lesion in visit.lesions
            ],
            "enhancing_ml": visit.total_ml,
            "steroid_mg": visit.steroid_mg,
            "steroid_mg_baseline": self.baseline.steroid_mg,
            "clinical_state": visit.state.value if visit.state else None,
            "kps": visit.kps,
            "ecog": visit.ecog,
            "days_since_radiotherapy": visit.days_since_rt,
            "non_target_worse": visit.non_target_worse,
            "thresholds": {"decrease": limits.decrease, "increase": limits.increase},
        }
        return RanoProposal(visit.timepoint, category, tuple(reasons), inputs, self.baseline.timepoint, nadir.timepoint)
