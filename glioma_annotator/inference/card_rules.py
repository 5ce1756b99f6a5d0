"""Rules of post-processing in model cards: read, and checked for what cannot be meant."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from glioma_annotator.domain.mask_rules import (
    Doubtful,
    Enclosed,
    Extent,
    LeastCore,
    Likelier,
    Lining,
    Mirrored,
    Outline,
    Outside,
    Paired,
    PostProcessing,
    TooSmall,
    Unenclosed,
)
from glioma_annotator.domain.sequences import SequenceRole

_FARTHEST_PAIRED_MM = 20.0
_Rule = TypeVar(
    "_Rule",
    TooSmall,
    Mirrored,
    Outside,
    Enclosed,
    Outline,
    Doubtful,
    Unenclosed,
    Lining,
    Extent,
    Paired,
    LeastCore,
    Likelier,
)


def parse_rules(data: Mapping[str, Any]) -> PostProcessing:
    """The rules of a card's `post_processing`; raises what `int`, `float` and look-ups raise."""
    standard = PostProcessing()
    doubtful = data.get("doubtful")
    return PostProcessing(
        min_component_ml=float(data.get("min_component_ml", standard.min_component_ml)),
        fill_holes_ml=float(data.get("fill_holes_ml", standard.fill_holes_ml)),
        too_small=tuple(_rule(TooSmall, rule) for rule in data.get("too_small", ())),
        mirrored=tuple(_rule(Mirrored, rule) for rule in data.get("mirrored", ())),
        outside=tuple(_rule(Outside, rule) for rule in data.get("outside", ())),
        enclosed=tuple(_rule(Enclosed, rule) for rule in data.get("enclosed", ())),
        outlines=tuple(_rule(Outline, rule) for rule in data.get("outlines", ())),
        doubtful=None if doubtful is None else _rule(Doubtful, doubtful),
        unenclosed=tuple(_rule(Unenclosed, rule) for rule in data.get("unenclosed", ())),
        linings=tuple(_rule(Lining, rule) for rule in data.get("linings", ())),
        extents=tuple(_rule(Extent, rule) for rule in data.get("extents", ())),
        paired=tuple(_rule(Paired, rule) for rule in data.get("paired", ())),
        least_cores=tuple(_rule(LeastCore, rule) for rule in data.get("least_cores", ())),
        likelier=tuple(_rule(Likelier, rule) for rule in data.get("likelier", ())),
    )


def _values(data: Any) -> tuple[int, ...]:
    return tuple(int(value) for value in data)


def _sequences(data: Any) -> tuple[SequenceRole, ...]:
    return tuple(SequenceRole(role) for role in data)


#: How the fields of rules are read, by their names; all others are numbers.
_READ: Mapping[str, Callable[[Any], Any]] = {
    "label": int,
    "becomes": int,
    "cavity": int,
    "taken_from": int,
    "rim": _values,
    "without": _values,
    "into": _values,
    "also": _values,
    "sequence": SequenceRole,
    "shown_by": SequenceRole,
    "as_bright": _sequences,
    "alike": _sequences,
    "bright_on": _sequences,
    "alone": bool,
    "operated": lambda value: None if value is None else bool(value),
}


def _rule(kind: type[_Rule], data: Mapping[str, Any]) -> _Rule:
    """A rule of the post-processing; fields that have a default may be absent."""
    present = [field.name for field in fields(kind) if field.name in data or field.default is MISSING]
    return kind(**{name: _READ.get(name, float)(data[name]) for name in present})


def contradicting_rules(rules: PostProcessing, values: Sequence[int]) -> str:
    """What is wrong with a card's rules that parse, its labels having these values; empty when nothing is."""
    volumes = (rules.min_component_ml, rules.fill_holes_ml, *(rule.below_ml for rule in rules.too_small))
    checks = {
        "a volume of its post-processing is not a number of mL": not all(0 <= ml < math.inf for ml in volumes),
        "its post-processing names a value that no label has": any(
            rule.label not in values or rule.becomes not in (0, *values) for rule in rules.too_small
        )
        or any({rule.label, *rule.also} - {*values} for rule in rules.mirrored)
        or any({rule.label, rule.becomes, *rule.rim} - {*values} for rule in rules.outside)
        or any({rule.label, rule.becomes, *rule.rim} - {*values} for rule in rules.enclosed)
        or any({rule.label, rule.cavity, rule.becomes, *rule.rim} - {*values} for rule in rules.unenclosed)
        or any({rule.label, rule.cavity, rule.becomes} - {*values} for rule in rules.linings)
        or any(rule.label not in values for rule in rules.extents)
        or any(rule.label not in values for rule in rules.paired)
        or any(rule.label not in values for rule in rules.likelier)
        or any({rule.label, rule.taken_from, *rule.without} - {*values} for rule in rules.least_cores)
        or any({rule.label, *rule.into} - {*values} for rule in rules.outlines),
        "a gap of its rule for enclosed tissue is not a length": not all(
            0 <= rule.gap_mm < math.inf for rule in rules.enclosed
        ),
        "a number of its rule for tissue outside a rim is out of range": not all(
            0 <= rule.gap_mm <= rule.notch_mm < math.inf
            and all(0 <= value < math.inf for value in (rule.margin_mm, rule.least_ml))
            and all(0 <= value <= 1 for value in (rule.island, rule.share))
            for rule in rules.outside
        ),
        "a number of its rule for core without a rim is out of range": not all(
            math.isfinite(rule.level)
            and math.isfinite(rule.dark_level)
            and all(0 <= share <= 1 for share in (rule.covered, rule.darker, rule.sure))
            and all(0 <= value < math.inf for value in (rule.least_ml, rule.thinner_mm, rule.apart))
            for rule in rules.unenclosed
        ),
        "a number of its rule for the lining of cavities is out of range": not all(
            0 <= mm < math.inf for rule in rules.linings for mm in (rule.thinner_mm, rule.within_mm)
        ),
        "a number of its rule for extents is out of range": not all(
            0 < rule.level <= 1
            and all(0 <= share <= 1 for share in (rule.quantile, rule.brighter))
            and all(0 <= value < math.inf for value in (rule.within_mm, rule.narrow_mm, rule.least_ml))
            for rule in rules.extents
        ),
        "a number of its rule for outlines is out of range": not all(
            0 < rule.level <= 1 and 0 <= rule.reach_mm < math.inf for rule in rules.outlines
        ),
        "a number of its rule for doubtful islands is out of range": rules.doubtful is not None
        and not (0 <= rules.doubtful.below_ml < math.inf and 0 <= rules.doubtful.sure <= 1),
        "a number of its rule for what both sides show is out of range": not all(
            0 < rule.share <= 1
            and 0 <= rule.slack < math.inf
            and 0 <= rule.bordering <= 1
            and all(0 <= mm < math.inf for mm in (rule.thinner_mm, rule.around_mm))
            and 0 <= rule.within_mm <= _FARTHEST_PAIRED_MM
            for rule in rules.paired
        ),
        "its rule for what both sides show names no sequence": not all(
            rule.as_bright or rule.alike for rule in rules.paired
        ),
        "a number of its rule for mirrored tissue is out of range": not all(
            0 < rule.share <= 1
            and 0 <= rule.most_other < 1
            and 0 <= rule.within_mm < math.inf
            and 0 <= rule.least_left < math.inf
            for rule in rules.mirrored
        ),
        "a number of its rule for the least core is out of range": not all(
            0 <= rule.share <= 1 and 0 <= rule.least_ml < math.inf for rule in rules.least_cores
        ),
        "a number of its rule for what is likelier after surgery is out of range": not all(
            1 <= rule.times < math.inf
            and all(0 <= share <= 1 for share in (rule.found, rule.similar))
            and all(0 <= number < math.inf for number in (rule.within_mm, rule.least_ml))
            for rule in rules.likelier
        ),
    }
    return next((problem for problem, present in checks.items() if present), "")
