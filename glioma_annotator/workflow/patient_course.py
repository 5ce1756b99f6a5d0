"""A patient's visits, masks and events on one time axis: what measuring and assessing start from."""

from __future__ import annotations

from dataclasses import dataclass

from glioma_annotator.domain.clinical_event import ClinicalEvent
from glioma_annotator.domain.course import CourseClock, radiotherapy_end, radiotherapy_without_end
from glioma_annotator.domain.histology import HistologySample
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.rano_visit import find_baseline
from glioma_annotator.domain.revision import SegmentationRevision
from glioma_annotator.errors import UserError
from glioma_annotator.workflow.export_study import best_revision
from glioma_annotator.workflow.ports import Store


@dataclass(frozen=True, slots=True, eq=False)
class CourseVisit:
    """A visit with its place in time and the mask that counts: the newest approved revision, else the newest.

    `day` counts from the first visit; None when unknown. `days_since_rt` from the last day of radiotherapy, likewise.
    """

    timepoint: Timepoint
    day: int | None
    days_since_rt: int | None
    revision: SegmentationRevision | None


@dataclass(frozen=True, slots=True, eq=False)
class PatientCourse:
    """Visits in order of the course.

    Attributes
    ----------
    patient: key.
    visits: every visit, measured or not.
    events: the clinical events.
    samples: the histology samples.
    clock: turns their dates into days.
    baseline: index of the visit that change is judged against; `baseline_reason` says why.
    """

    patient: str
    visits: tuple[CourseVisit, ...]
    events: tuple[ClinicalEvent, ...]
    clock: CourseClock
    baseline: int
    baseline_reason: str
    samples: tuple[HistologySample, ...] = ()


def load_course(store: Store, patient_key: str) -> PatientCourse:
    """Read a patient's course; masks are not loaded.

    Raises `UserError` for an unknown patient, one without visits, or without any mask.
    """
    patient = store.patient(patient_key)
    if patient is None or patient.id is None:
        known = ", ".join(p.key for p in store.patients()) or "none"
        raise UserError(f"The workspace has no patient {patient_key}.", f"Patients in it: {known}.")
    timepoints = store.timepoints(patient.id)
    if not timepoints:
        raise UserError(f"Patient {patient_key} has no visits.", "Import a visit first.")
    events, clock = store.events.of_patient(patient_key), CourseClock.of(timepoints)
    visits = []
    for timepoint in timepoints:
        assert timepoint.id is not None, "a stored visit has an id"
        day = clock.of_visit(timepoint)
        end = radiotherapy_end(events, day, clock)
        since = day - end if day is not None and end is not None else None
        visits.append(CourseVisit(timepoint, day, since, best_revision(store.revisions(timepoint.id))))
    if all(visit.revision is None for visit in visits):
        raise UserError(f"No visit of {patient_key} has a mask.", "Segment a visit first.")
    phases, since_rt = [v.timepoint.phase for v in visits], [v.days_since_rt for v in visits]
    baseline, why = find_baseline(phases, since_rt, without_end=radiotherapy_without_end(events, clock))
    samples = store.histology.of_patient(patient_key)
    return PatientCourse(patient_key, tuple(visits), events, clock, baseline, why, samples)
