"""Longitudinal measurement: volumes per visit, change against baseline and nadir, doubling time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from glioma_annotator.domain.course import doubling_time_days
from glioma_annotator.domain.measurement import is_seen, label_volumes_ml, region_volumes_ml
from glioma_annotator.domain.task_profile import TaskProfile
from glioma_annotator.progress import CancelToken, Report, StepProgress
from glioma_annotator.workflow.patient_course import CourseVisit, PatientCourse
from glioma_annotator.workflow.ports import Store
from glioma_annotator.workflow.study_labels import own_labels, study_scheme

Volumes = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Change:
    """One label's or region's volume at a visit, compared.

    Attributes
    ----------
    volume_ml: number of voxels times the volume of a voxel of the native grid.
    baseline_ml, nadir_ml: at the baseline, and the smallest from the baseline on before this visit; None where the
        visit is the baseline or lies before it.
    from_baseline, from_nadir: relative change, +0.25 for a quarter more; None likewise, and from a volume of zero.
    doubling_days: doubling time since the measured visit before; None unless it grew.
    """

    volume_ml: float
    baseline_ml: float | None = None
    nadir_ml: float | None = None
    from_baseline: float | None = None
    from_nadir: float | None = None
    doubling_days: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredVisit:
    """A visit with its volumes: by label name and by region name; empty without a mask.

    What enhances is left out where there is none in the mask and no T1Gd to show it.
    """

    visit: CourseVisit
    labels: Mapping[str, Change]
    regions: Mapping[str, Change]


def with_own_labels(store: Store, profile: TaskProfile) -> TaskProfile:
    """The profile with the labels that readers added to the workspace."""
    scheme = profile.scheme
    for label in own_labels(study_scheme(store)):
        scheme = scheme if scheme.fault(label) else scheme.with_label(label)
    return replace(profile, scheme=scheme)


def measure_course(
    store: Store, course: PatientCourse, profile: TaskProfile, report: Report, cancel: CancelToken
) -> tuple[MeasuredVisit, ...]:
    """Measure every visit's mask on its native grid, in order of the course; labels that readers added come along.

    Raises `UserError` when a mask's file is gone or damaged; `Cancelled` between visits.
    """
    scheme = with_own_labels(store, profile).scheme
    steps = StepProgress(report, len(course.visits), "Measuring")
    labels: list[Volumes | None] = []
    regions: list[Volumes | None] = []
    for visit in course.visits:
        cancel.raise_if_cancelled()
        mask = store.load_labels(visit.revision) if visit.revision is not None else None
        if mask is None:
            labels.append(None)
            regions.append(None)
        else:
            by_label = label_volumes_ml(mask, visit.timepoint.grid.voxel_volume_ml, scheme)
            by_region = region_volumes_ml(by_label, scheme)
            roles = visit.timepoint.roles
            labels.append({name: ml for name, ml in by_label.items() if is_seen(name, ml, roles)})
            regions.append({name: ml for name, ml in by_region.items() if is_seen(name, ml, roles)})
        steps.step(f"Measured {visit.timepoint.key}")
    return tuple(
        MeasuredVisit(visit, _changes(course, labels, index), _changes(course, regions, index))
        for index, visit in enumerate(course.visits)
    )


def _changes(course: PatientCourse, volumes: Sequence[Volumes | None], index: int) -> dict[str, Change]:
    """What `volumes`, mL by name and visit, say of one visit; empty without a mask."""
    return {name: _change(course, volumes, index, name, ml) for name, ml in (volumes[index] or {}).items()}


def _change(course: PatientCourse, volumes: Sequence[Volumes | None], index: int, name: str, ml: float) -> Change:
    before = [(i, v[name]) for i, v in enumerate(volumes[:index]) if v is not None and name in v]
    doubling = None
    if before:
        last, last_ml = before[-1]
        now, then = course.visits[index].day, course.visits[last].day
        doubling = doubling_time_days(last_ml, ml, now - then if now is not None and then is not None else None)
    start = (volumes[course.baseline] or {}).get(name)
    if index <= course.baseline or start is None:
        return Change(ml, doubling_days=doubling)
    nadir = min(value for i, value in before if i >= course.baseline)
    return Change(ml, start, nadir, _relative(ml, start), _relative(ml, nadir), doubling)


def _relative(now: float, then: float) -> float | None:
    return (now - then) / then if then > 0 else None
