"""The features of the VASARI sheet that a visit's mask gives; `vasari_entry` has what becomes of them."""

from __future__ import annotations

from glioma_annotator.domain.patient import Timepoint, TreatmentPhase
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.task_profile import TaskProfile
from glioma_annotator.domain.vasari import VasariEntry
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.midline import MidPlane, find_midplane
from glioma_annotator.imaging.vasari_features import TissueMasks, tissue_masks, vasari_features
from glioma_annotator.progress import CancelToken, Progress, Report, ignore_progress
from glioma_annotator.workflow.patient_course import CourseVisit, PatientCourse
from glioma_annotator.workflow.ports import Store

DOUBTFUL_SYMMETRY = 0.7
"""Below it the head is too unlike its mirror image for its midline to be believed; heads with tumours reach 0.85 to
0.99 (measured on stripped and unstripped T1 and FLAIR)."""

_ROLES = ("enhancing", "core", "oedema")
_BY_CONTRAST = (
    SequenceRole.T1,
    SequenceRole.T1GD,
    SequenceRole.T2,
    SequenceRole.FLAIR,
)  # tumour stands out least first


def propose_sheet(
    store: Store,
    course: PatientCourse,
    index: int,
    profile: TaskProfile,
    cancel: CancelToken,
    report: Report = ignore_progress,
) -> tuple[VasariEntry, ...]:
    """Compute the features that the mask of visit `index` of the course gives; takes seconds, for the midline.

    Only features of the profile's sheet. Raises `UserError` when the profile has no sheet or does not say which labels
    are which tissue, or the visit has no mask; `Cancelled`.
    """
    visit = course.visits[index]
    if not profile.vasari:
        raise UserError(f"The task profile {profile.name} has no VASARI sheet.", "Choose another profile.")
    if missing := [role for role in _ROLES if role not in profile.roles]:
        raise UserError(
            f"The task profile {profile.name} does not say which label is {', '.join(missing)}.",
            "Add it under “roles” in the profile's file.",
        )
    tissue = _tissue(store, visit, profile)
    if tissue is None:
        raise UserError(f"{visit.timepoint.title} has no mask.", "Segment the visit first.")
    cancel.raise_if_cancelled()
    report(Progress(0.15, "Finding the midline"))
    plane = _midplane(store, visit.timepoint, tissue)
    cancel.raise_if_cancelled()
    report(Progress(0.7, "Measuring the tissues"))
    before = _before_surgery(course, index)
    found = vasari_features(tissue, plane, _tissue(store, before, profile) if before is not None else None)
    return tuple(
        VasariEntry(
            patient=course.patient,
            timepoint=visit.timepoint.key,
            feature=computed.feature,
            value=computed.value,
            computed=True,
            reason=computed.reason,
            revision=visit.revision.number if visit.revision else None,
        )
        for computed in found
        if profile.feature(computed.feature) is not None
    )


def _tissue(store: Store, visit: CourseVisit, profile: TaskProfile) -> TissueMasks | None:
    if visit.revision is None:
        return None
    values = {role: label.value for role in _ROLES if (label := profile.scheme.named(profile.roles[role]))}
    return tissue_masks(store.load_labels(visit.revision), visit.timepoint.grid, values)


def _midplane(store: Store, timepoint: Timepoint, tissue: TissueMasks) -> MidPlane | None:
    """The midline by the conventional sequence in which the tumour stands out least; None without one to believe."""
    name = next((role.value for role in _BY_CONTRAST if timepoint.sequence(role.value)), None)
    if name is None:
        return None
    plane = find_midplane(store.load_image(timepoint, name), tissue.whole)
    return plane if plane.symmetry >= DOUBTFUL_SYMMETRY else None


def _before_surgery(course: PatientCourse, index: int) -> CourseVisit | None:
    """The last masked pre-operative visit, for the first masked visit after it."""
    masked = [visit for visit in course.visits[:index] if visit.revision is not None]
    if not masked or masked[-1].timepoint.phase is not TreatmentPhase.PRE_OPERATIVE:
        return None
    own = course.visits[index].timepoint.phase
    return masked[-1] if own is not TreatmentPhase.PRE_OPERATIVE else None
