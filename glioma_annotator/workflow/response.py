"""Response assessment by RANO 2.0: measured from the masks, proposed with reasons, decided by the reader."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.clinical_event import EventKind
from glioma_annotator.domain.course import clinical_state_at, score_at, steroid_dose_mg
from glioma_annotator.domain.finding import Point
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.identity import utc_now
from glioma_annotator.domain.measurement import is_seen
from glioma_annotator.domain.rano import RanoProposal, assess_course
from glioma_annotator.domain.rano_visit import TARGET_LIMIT, RanoVisit, is_measurable, select_targets
from glioma_annotator.domain.response import (
    LesionMeasurement,
    ResponseAssessment,
    ResponseCategory,
    ResponseMethod,
)
from glioma_annotator.domain.surgery import resected_between
from glioma_annotator.domain.task_profile import TaskProfile
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.lesion_map import LesionMap, find_lesions, length_inside_mm, lesion_size
from glioma_annotator.progress import CancelToken, Report, StepProgress
from glioma_annotator.workflow.alignment import Alignment, OrByHeaders
from glioma_annotator.workflow.diameters import AUTOMATIC, recorded_diameters
from glioma_annotator.workflow.lesion_names import lesion_titles
from glioma_annotator.workflow.patient_course import CourseVisit, PatientCourse
from glioma_annotator.workflow.ports import Store
from glioma_annotator.workflow.tracking import REACH_MM, TrackedLesion, merged_since, track_lesions

MOST_TARGETS = 3  # two, three if needed (RANO 2.0)
CAVITY_MM = 3.0
"""A diameter with at least so much resection cavity on its way measures the cavity too. Our choice."""
_TARGETS, _TARGETS_AT, _CHOSEN_BY = "chosen_targets", "chosen_targets_at_mm", "targets_chosen_by"
_CHOICE = (_TARGETS, _TARGETS_AT, _CHOSEN_BY)


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredCourse:
    """The lesions of the response region through the course.

    Attributes
    ----------
    course: the visits.
    maps: their lesions; None for a visit without a mask, or without contrast and anything that enhances.
    lesions: the same under their identities, by visit, those that are gone last.
    visits: what the rules see.
    titles: what a reader calls the lesions that have a finding, by identity.
    cavities: where each visit's mask has resection cavity, bool (i, j, k); None without any.
    """

    course: PatientCourse
    maps: tuple[LesionMap | None, ...]
    lesions: tuple[tuple[TrackedLesion, ...], ...]
    visits: tuple[RanoVisit, ...]
    titles: Mapping[str, str] = field(default_factory=dict)
    cavities: tuple[NDArray[np.bool_] | None, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class CourseResponse:
    """Proposals for the baseline and every visit after it, with what a reader has decided, by visit key.

    `chosen_by` is who chose the targets; empty where the rule did.
    """

    method: ResponseMethod
    targets: tuple[str, ...]
    proposals: tuple[RanoProposal, ...]
    decisions: Mapping[str, ResponseAssessment]
    chosen_by: str = ""


def measure_lesions(
    store: Store, course: PatientCourse, profile: TaskProfile, align: Alignment, report: Report, cancel: CancelToken
) -> MeasuredCourse:
    """Measure the lesions of the profile's response region at every visit and follow them through the course.

    Diameters that a reader adjusted replace the measured ones. Where visits cannot be aligned, lesions are followed as
    the headers put the visits, and their `doubts` say so. Raises `UserError` when a mask is damaged; `Cancelled`.
    """
    steps = StepProgress(report, 2 * len(course.visits), "Measuring lesions")
    maps: list[LesionMap | None] = []
    totals: list[float | None] = []
    region = next(r for r in profile.scheme.regions if r.name == profile.response_region)
    cavity_label = profile.scheme.named(profile.roles.get("cavity", ""))
    cavities: list[NDArray[np.bool_] | None] = []
    for visit in course.visits:
        cancel.raise_if_cancelled()
        if visit.revision is None:
            maps.append(None)
            totals.append(None)
            cavities.append(None)
        else:
            labels = store.load_labels(visit.revision)
            cavity = labels == cavity_label.value if cavity_label is not None else np.zeros(labels.shape, np.bool_)
            cavities.append(cavity if cavity.any() else None)
            mask = region.mask(labels)
            total_ml = float(mask.sum()) * visit.timepoint.grid.voxel_volume_ml
            seen = is_seen(region.name, total_ml, visit.timepoint.roles)
            maps.append(find_lesions(mask, visit.timepoint.grid) if seen else None)
            totals.append(total_ml if seen else None)
        steps.step(f"Found the lesions of {visit.timepoint.key}")
    timepoints = [visit.timepoint for visit in course.visits]
    findings = store.findings.of_patient(course.patient)
    follow = OrByHeaders(align)
    tracked = track_lesions(timepoints, maps, follow, findings)
    visits = []
    for index, visit in enumerate(course.visits):
        cancel.raise_if_cancelled()
        made = _visit(store, course, index, maps[index], tracked, totals[index], cavities[index])
        visits.append(replace(made, doubts=tuple(follow.doubts.get(visit.timepoint.key, ()))))
        steps.step(f"Measured {visit.timepoint.key}")
    titles = lesion_titles((t.lesion for own in tracked for t in own), findings, profile)
    return MeasuredCourse(course, tuple(maps), tracked, tuple(visits), titles, tuple(cavities))


def measure_again(store: Store, measured: MeasuredCourse) -> MeasuredCourse:
    """The same lesions with the diameters that are recorded now; nothing is searched or followed anew."""
    course, cavities = measured.course, measured.cavities
    visits = [
        replace(
            _visit(store, course, index, measured.maps[index], measured.lesions, before.total_ml, cavities[index]),
            doubts=before.doubts,
        )
        for index, before in enumerate(measured.visits)
    ]
    return replace(measured, visits=tuple(visits))


def assess_response(
    store: Store,
    measured: MeasuredCourse,
    method: ResponseMethod = ResponseMethod.BIDIMENSIONAL,
    limit: int = TARGET_LIMIT,
    non_target_worse: Collection[str] = (),
) -> CourseResponse:
    """Propose a category for the baseline and every later visit; earlier decisions of the reader are built upon.

    Target lesions are those that the reader chose, else the largest measurable ones of the baseline.

    Parameters
    ----------
    limit: number of target lesions.
    non_target_worse: keys of the visits at which the reader sees clear progression of non-measurable or non-target
        disease, besides those for which that is recorded.
    """
    course = measured.course
    visits = [
        replace(v, non_target_worse=v.non_target_worse or v.timepoint in non_target_worse) for v in measured.visits
    ]
    decisions = {
        assessment.timepoint: assessment
        for assessment in store.responses.of_patient(course.patient)
        if assessment.method is method and assessment.decided is not None
    }
    decided = {key: a.decided for key, a in decisions.items() if a.decided is not None}
    chosen, by = chosen_targets(store, measured)
    kept = tuple(dict.fromkeys(name for name in chosen if name))
    if "" in chosen:
        told = f"A target lesion that {by} chose is not in the mask that counts: choose the targets anew."
        first = visits[course.baseline]
        visits[course.baseline] = replace(first, doubts=(*first.doubts, told))
    targets = kept or select_targets(visits[course.baseline], limit)
    proposals = assess_course(
        visits,
        course.baseline,
        method,
        targets=targets,
        decided=decided,
        baseline_reason=course.baseline_reason,
    )
    return CourseResponse(method, targets, proposals, decisions, by if kept else "")


def decide(
    store: Store,
    patient: str,
    method: ResponseMethod,
    proposal: RanoProposal,
    category: ResponseCategory,
    reader: str,
    comment: str = "",
) -> ResponseAssessment:
    """Record the reader's decision beside the proposal that it answers, in place of an earlier one for the visit.

    Raises `UserError` without a reader's name.
    """
    if not reader.strip():
        raise UserError("A decision needs the reader's name.", "Enter it in the preferences.")
    made = ResponseAssessment(
        patient=patient,
        timepoint=proposal.timepoint,
        method=method,
        proposed=proposal.category,
        reasons=proposal.reasons,
        inputs=proposal.inputs,
        baseline=proposal.baseline,
        nadir=proposal.nadir,
        decided=category,
        reader=reader.strip(),
        decided_utc=utc_now(),
        comment=comment,
    )
    earlier = [a for a in store.responses.of_timepoint(patient, proposal.timepoint) if a.method is method]
    if earlier:
        kept = {name: earlier[-1].inputs[name] for name in _CHOICE if name in earlier[-1].inputs}
        made = replace(made, id=earlier[-1].id, created_utc=earlier[-1].created_utc, inputs={**proposal.inputs, **kept})
        store.responses.change(made, by=reader)
    else:
        store.responses.add(made, by=reader)
    return made


def choose_targets(
    store: Store, measured: MeasuredCourse, response: CourseResponse, targets: Sequence[str], reader: str
) -> None:
    """Record which lesions of the baseline are followed as targets, for both ways of measuring; none for the rule's.

    The choice stands with the assessment of the baseline. Raises `UserError` without a reader's name, for more than
    `MOST_TARGETS` lesions, or one that the baseline does not have.
    """
    if not reader.strip():
        raise UserError("A choice of target lesions needs the reader's name.", "Enter it in the preferences.")
    if len(targets) > MOST_TARGETS:
        raise UserError(f"RANO 2.0 follows at most {MOST_TARGETS} target lesions.", "Take one out first.")
    course, at_start = measured.course, measured.visits[measured.course.baseline]
    unknown = set(targets) - {lesion.lesion for lesion in at_start.lesions}
    if unknown:
        raise UserError(f"The baseline has no lesion {', '.join(sorted(unknown))}.", "Choose among its lesions.")
    places = _baseline_places(measured)
    at_mm = [list(places[lesion]) for lesion in targets]
    choice = {_TARGETS: list(targets), _TARGETS_AT: at_mm, _CHOSEN_BY: reader.strip()}
    earlier = store.responses.of_timepoint(course.patient, at_start.timepoint)
    if earlier:
        for assessment in earlier:
            store.responses.change(replace(assessment, inputs={**assessment.inputs, **choice}), by=reader)
        return
    proposal = response.proposals[0]
    made = ResponseAssessment(
        patient=course.patient,
        timepoint=at_start.timepoint,
        method=response.method,
        proposed=proposal.category,
        reasons=proposal.reasons,
        inputs={**proposal.inputs, **choice},
        baseline=proposal.baseline,
        nadir=proposal.nadir,
    )
    store.responses.add(made, by=reader)


def chosen_targets(store: Store, measured: MeasuredCourse) -> tuple[tuple[str, ...], str]:
    """The target lesions that a reader chose at the baseline, and who; none where the rule chooses.

    A lesion whose name changed since, as a finding was made of it or taken back, is known by its place; one that the
    mask no longer has is empty.
    """
    course, places = measured.course, _baseline_places(measured)
    key = course.visits[course.baseline].timepoint.key
    for assessment in reversed(store.responses.of_timepoint(course.patient, key)):
        if assessment.inputs.get(_CHOSEN_BY):
            targets = [str(lesion) for lesion in assessment.inputs.get(_TARGETS, ())]
            at_mm = assessment.inputs.get(_TARGETS_AT) or [None] * len(targets)
            named = (_named(name, place, measured, places) for name, place in zip(targets, at_mm, strict=True))
            return tuple(named), str(assessment.inputs[_CHOSEN_BY])
    return (), ""


def _baseline_places(measured: MeasuredCourse) -> dict[str, Point]:
    """A point within each lesion of the baseline, by name."""
    index = measured.course.baseline
    lesions = measured.maps[index]
    if lesions is None:
        return {}
    own = [t for t in measured.lesions[index] if t.number is not None]
    return {t.lesion: lesions.lesions[(t.number or 1) - 1].point_mm for t in reversed(own)}


def _named(name: str, place: Sequence[float] | None, measured: MeasuredCourse, known: Mapping[str, Point]) -> str:
    index = measured.course.baseline
    lesions = measured.maps[index]
    if place is None or lesions is None or (name in known and not AUTOMATIC.fullmatch(name)):
        return name if name in known else ""
    there = lesions.at(place, REACH_MM)
    return next((t.lesion for t in measured.lesions[index] if there and t.number == there.number), "")


def _visit(
    store: Store,
    course: PatientCourse,
    index: int,
    lesions: LesionMap | None,
    tracked: Sequence[Sequence[TrackedLesion]],
    total_ml: float | None,
    cavity: NDArray[np.bool_] | None,
) -> RanoVisit:
    visit = course.visits[index]
    own = [t for t in tracked[index] if t.number is not None]
    recorded = store.measurements.of_timepoint(course.patient, visit.timepoint.key)
    by_hand = recorded_diameters(recorded, own, lesions) if lesions is not None else {}
    measured, measurable, too_small, over_cavity = [], set(), set(), set()
    for lesion in own:
        assert lesions is not None and lesion.number is not None
        made, seen = _measurement(course, visit, lesions, lesion, by_hand.get(lesion.number))
        measured.append(made)
        if is_measurable(made.longest_mm, made.perpendicular_mm, seen, lesions.grid.spacing_mm[2]):
            measurable.add(lesion.lesion)
        else:
            too_small.add(made.id)
        if cavity is not None and _crosses(made, cavity, lesions.grid):
            over_cavity.add(lesion.lesion)
    events, clock, day = course.events, course.clock, visit.day
    timepoints, first = [v.timepoint for v in course.visits], course.baseline
    before = next((v.day for v in reversed(course.visits[:index]) if v.day is not None), None)
    return RanoVisit(
        timepoint=visit.timepoint.key,
        title=visit.timepoint.title,
        day=day,
        lesions=tuple(measured),
        measurable=frozenset(measurable),
        new=_new(own, tracked[first:index]),
        total_ml=total_ml,
        steroid_mg=steroid_dose_mg(events, day, clock),
        state=clinical_state_at(events, before, day, clock),
        kps=score_at(events, EventKind.KPS, day, clock),
        ecog=score_at(events, EventKind.ECOG, day, clock),
        days_since_rt=visit.days_since_rt,
        non_target_worse=_judged_worse(store.responses.of_timepoint(course.patient, visit.timepoint.key)),
        revision=visit.revision.number if visit.revision else None,
        over_cavity=frozenset(over_cavity),
        too_small=frozenset(too_small),
        merged=merged_since(tracked[first : index + 1]),
        no_contrast=visit.revision is not None and total_ml is None,
        resected=index > first and resected_between(timepoints[first], visit.timepoint, timepoints, events),
    )


def _crosses(made: LesionMeasurement, cavity: NDArray[np.bool_], grid: Grid) -> bool:
    """Whether either diameter runs through the cavity for more than its outline may waver."""
    lines = (line for line in (made.longest, made.perpendicular) if line is not None)
    return any(length_inside_mm(line, cavity, grid) >= CAVITY_MM for line in lines)


def _measurement(
    course: PatientCourse,
    visit: CourseVisit,
    lesions: LesionMap,
    lesion: TrackedLesion,
    adjusted: LesionMeasurement | None,
) -> tuple[LesionMeasurement, int]:
    """A lesion's measurement, the reader's where there is one, and the number of slices it is seen on."""
    assert lesion.number is not None
    found = lesions.lesions[lesion.number - 1]
    if adjusted is not None:
        return replace(adjusted, lesion=lesion.lesion, volume_ml=found.volume_ml), found.slices
    size = lesion_size(lesions, lesion.number)
    made = LesionMeasurement(
        patient=course.patient,
        timepoint=visit.timepoint.key,
        lesion=lesion.lesion,
        longest_mm=size.longest_mm,
        perpendicular_mm=size.perpendicular_mm,
        longest=size.longest,
        perpendicular=size.perpendicular,
        volume_ml=found.volume_ml,
        revision=visit.revision.number if visit.revision else None,
    )
    return made, found.slices


def _new(own: Iterable[TrackedLesion], since_baseline: Sequence[Iterable[TrackedLesion]]) -> frozenset[str]:
    """Lesions that no visit from the baseline on had; none at the baseline and before it."""
    if not since_baseline:
        return frozenset()
    seen = {t.lesion for visit in since_baseline for t in visit if t.number is not None}
    return frozenset(t.lesion for t in own) - seen


def _judged_worse(assessments: Sequence[ResponseAssessment]) -> bool:
    """Whether the reader's last assessment of the visit, by either method, says that other disease progressed."""
    last = max(assessments, key=lambda made: made.decided_utc or made.created_utc, default=None)
    return last is not None and last.inputs.get("non_target_worse") is True
