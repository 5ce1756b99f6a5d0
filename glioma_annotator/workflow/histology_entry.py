"""Histology as a reader enters it: what a marker can be, what the CNS5 rules say, and words for lists and tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from glioma_annotator.domain.cns5 import WORDS, Cns5Opinion, check_sample
from glioma_annotator.domain.course import CourseClock
from glioma_annotator.domain.finding import Finding, Point
from glioma_annotator.domain.histology import (
    HistologySample,
    IntegratedDiagnosis,
    Marker,
    MarkerResult,
    MarkerStatus,
    SampleKind,
    TumourType,
)
from glioma_annotator.errors import UserError

#: How many diagnoses that are still possible are named before the rest is counted.
_MOST_NAMED = 3

NEC_TEXT = "diffuse glioma, IDH-wildtype and H3-wildtype"
"""What is proposed in words where the markers rule every type out (not elsewhere classified)."""


@dataclass(frozen=True, slots=True)
class MarkerChoice:
    """One thing that can be said of a marker: its wording, and what is recorded. A percentage comes beside it."""

    text: str
    status: MarkerStatus
    altered: bool | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """What the CNS5 rules say to a sample, in words; nothing of it is recorded by itself.

    Attributes
    ----------
    headline: the diagnosis that the markers lead to, or those still possible.
    details: what would decide, and how the stated diagnosis compares; one sentence each.
    contradictions: each in a sentence or two.
    proposal: the diagnosis that the reader may take over; None while the markers leave more than one type.
    """

    headline: str
    details: tuple[str, ...]
    contradictions: tuple[str, ...]
    proposal: IntegratedDiagnosis | None


def marker_title(marker: Marker) -> str:
    """A marker's name at the beginning of a line."""
    name = WORDS[marker][0]
    return name.capitalize() if name.replace(" ", "").isalpha() and name.islower() else name


def marker_choices(marker: Marker) -> tuple[MarkerChoice, ...]:
    """What can be said of a marker; not tested comes first."""
    _, yes, no = WORDS[marker]
    results: tuple[MarkerChoice, ...]
    if marker is Marker.KI67:
        results = (MarkerChoice("percentage", MarkerStatus.RESULT),)
    else:
        results = (MarkerChoice(yes, MarkerStatus.RESULT, True), MarkerChoice(no, MarkerStatus.RESULT, False))
    return (
        MarkerChoice(MarkerStatus.NOT_TESTED.value, MarkerStatus.NOT_TESTED),
        *results,
        MarkerChoice(MarkerStatus.INDETERMINATE.value, MarkerStatus.INDETERMINATE),
    )


def with_marker(sample: HistologySample, result: MarkerResult) -> HistologySample:
    """The sample with another result of a marker, in the order of the markers; not tested leaves it out."""
    found = {m.marker: m for m in sample.markers} | {result.marker: result}
    kept = tuple(
        found[marker]
        for marker in Marker
        if marker in found and (found[marker].status is not MarkerStatus.NOT_TESTED or found[marker].detail)
    )
    return replace(sample, markers=kept)


def result_text(result: MarkerResult) -> str:
    """A result in words, without the marker's name."""
    if result.percent is not None:
        words = f"{result.percent:g} %"
    elif result.altered is not None:
        words = WORDS[result.marker][1 if result.altered else 2]
    else:
        words = result.status.value
    return f"{words} ({result.detail})" if result.detail else words


def with_point(sample: HistologySample, timepoint: str, title: str, point: Point) -> HistologySample:
    """The sample with one more site point, at a visit.

    Raises `UserError` when its points lie in the images of another visit; `title` is that of the visit given.
    """
    if sample.sites_mm and sample.timepoint != timepoint:
        raise UserError(
            f"The points of this sample lie in the images of another visit ({sample.timepoint}), not of {title}.",
            "Click one of its points to open that visit, or remove them first.",
        )
    return replace(sample, timepoint=timepoint, sites_mm=(*sample.sites_mm, point))


def without_point(sample: HistologySample, place: int) -> HistologySample:
    """The sample without its site point number `place`, from 0."""
    return replace(sample, sites_mm=sample.sites_mm[:place] + sample.sites_mm[place + 1 :])


def sample_of(finding: Finding, author: str) -> HistologySample:
    """A new sample taken from a finding: its point and its place in words."""
    return HistologySample(
        finding.patient,
        SampleKind.BIOPSY,
        timepoint=finding.timepoint,
        sites_mm=(finding.point_mm,),
        location=finding.location,
        author=author,
    )


def advise(sample: HistologySample) -> Advice:
    """Run the rules of `domain.cns5` on a sample as it stands; takes about 30 ms."""
    opinion = check_sample(sample)
    contradictions = tuple(c.what for c in opinion.contradictions)
    if not opinion.reasons:
        start = "Enter the results: what they lead to, what is missing and what contradicts is said here."
        some = any(m.status is MarkerStatus.RESULT for m in sample.markers)  # a percentage decides nothing
        which = "No marker that the rules ask for" if some else "No marker"
        return Advice(f"{which} has a result yet.", (start,), contradictions, None)
    if not opinion.candidates:
        return Advice("No diagnosis follows: the results contradict each other.", (), contradictions, None)
    proposal = _proposal(sample, opinion)
    details = list(_missing(opinion.missing))
    if sample.diagnosis is not None and proposal is not None and not contradictions:
        same = (sample.diagnosis.type, sample.diagnosis.grade) == (proposal.type, proposal.grade)
        details.append("The stated diagnosis agrees with the markers." if same else _compared(sample, proposal))
    return Advice(_headline(opinion, proposal), tuple(d for d in details if d), contradictions, proposal)


def _headline(opinion: Cns5Opinion, proposal: IntegratedDiagnosis | None) -> str:
    if proposal is not None:
        grades = sorted({grade for c in opinion.candidates for grade in c.grades})
        text = proposal.title
        if proposal.grade is None and grades:
            text = f"{text}, CNS WHO grade {', '.join(map(str, grades[:-1]))} or {grades[-1]}"
        return f"Markers lead to: {text}."
    titles = list(dict.fromkeys(c.title if c.type is TumourType.OTHER else c.type.value for c in opinion.candidates))
    more = f"; {len(titles) - _MOST_NAMED} more" if len(titles) > _MOST_NAMED + 1 else ""
    return f"Still possible: {'; '.join(titles[:_MOST_NAMED] if more else titles)}{more}."


def _missing(sentences: Sequence[str]) -> list[str]:
    """Sentences that differ in their beginning only, put into one."""
    made = []
    for end, start in ((" is not tested.", "Not tested"), (" is indeterminate.", "Indeterminate")):
        names = [s.removesuffix(end) for s in sentences if s.endswith(end)]
        if names:
            made.append(f"{start}, and would decide: {', '.join(names)}.")
    return made + [s for s in sentences if not s.endswith((" is not tested.", " is indeterminate."))]


def _compared(sample: HistologySample, proposal: IntegratedDiagnosis) -> str:
    """What the stated diagnosis leaves open, where it does not contradict the markers."""
    assert sample.diagnosis is not None
    if sample.diagnosis.grade is None and proposal.grade is not None:
        return "The stated diagnosis has no grade yet."
    return ""


def _proposal(sample: HistologySample, opinion: Cns5Opinion) -> IntegratedDiagnosis | None:
    """The one type that is left, with its grade where the markers or the histological grade decide it."""
    types = {c.type for c in opinion.candidates}
    if len(types) > 1:
        return None
    (only,) = types
    if only is TumourType.OTHER:
        return IntegratedDiagnosis(only, None, "NEC", NEC_TEXT)
    grades = {grade for c in opinion.candidates for grade in c.grades}
    grade = next(iter(grades)) if len(grades) == 1 else sample.grade if sample.grade in grades else None
    return IntegratedDiagnosis(only, grade)


# words for lists and tables


def sample_when(sample: HistologySample) -> str:
    """Date, day, or that there is none yet."""
    if sample.date is not None:
        return sample.date.isoformat()
    return f"day {sample.day}" if sample.day is not None else "no date"


def sample_title(sample: HistologySample) -> str:
    """Kind and time."""
    return f"{sample.kind.value} {sample_when(sample)}"


def diagnosis_text(sample: HistologySample) -> str:
    """The integrated diagnosis, else the histological grade, else that there is none yet."""
    if sample.diagnosis is not None:
        return sample.diagnosis.title
    return f"histological grade {sample.grade}" if sample.grade is not None else "no diagnosis yet"


def in_order(samples: Iterable[HistologySample], clock: CourseClock) -> tuple[HistologySample, ...]:
    """By time; those without one last, as they were recorded."""

    def place(sample: HistologySample) -> tuple[float, str]:
        day = clock.day(sample.date, sample.day)
        return (math.inf if day is None else day), sample.created_utc.isoformat()

    return tuple(sorted(samples, key=place))


SAMPLE_COLUMNS = (
    "patient", "sample", "kind", "date", "day", "timepoint", "sites_mm", "site", "location", "microscopy", "grade",
    "diagnosis", "diagnosis_grade", "diagnosis_suffix", "diagnosis_text", *(marker.value for marker in Marker),
    "contradictions", "author", "created_utc",
)  # fmt: skip


def sample_rows(samples: Iterable[HistologySample]) -> list[tuple[object, ...]]:
    """One row per sample with `SAMPLE_COLUMNS`; a marker's cell has its result in words, empty when not tested.

    Site points are written as "x y z" in RAS mm, separated by semicolons.
    """
    return [_row(sample) for sample in samples]


def _row(sample: HistologySample) -> tuple[object, ...]:
    stated = sample.diagnosis
    tested = {m.marker: result_text(m) for m in sample.markers}
    return (
        sample.patient,
        sample.id,
        sample.kind.value,
        sample.date.isoformat() if sample.date else "",
        "" if sample.day is None else sample.day,
        sample.timepoint,
        "; ".join(" ".join(f"{v:.1f}" for v in point) for point in sample.sites_mm),
        sample.site.value,
        sample.location,
        sample.microscopy,
        "" if sample.grade is None else sample.grade,
        stated.type.value if stated else "",
        "" if stated is None or stated.grade is None else stated.grade,
        stated.suffix if stated else "",
        stated.text if stated else "",
        *(tested.get(marker, "") for marker in Marker),
        " ".join(c.what for c in check_sample(sample).contradictions),
        sample.author,
        sample.created_utc.isoformat(),
    )
