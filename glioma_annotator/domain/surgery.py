"""Whether a patient had been operated on when a visit was scanned, as far as the records tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind, ExtentOfResection
from glioma_annotator.domain.course import CourseClock
from glioma_annotator.domain.patient import Timepoint, TreatmentPhase

_LATER = (TreatmentPhase.POST_RT_BASELINE, TreatmentPhase.FOLLOW_UP, TreatmentPhase.PROGRESSION)


def operated(visit: Timepoint, visits: Sequence[Timepoint], events: Iterable[ClinicalEvent]) -> bool | None:
    """True after a resection, False before any surgery, None where the records do not tell.

    A visit counts as after one when

    - it or an earlier one is marked as post-operative;
    - a surgery that was more than a biopsy is recorded on its day or before;
    - no surgery is recorded, it is marked as a later one of the course, and an earlier one as pre-operative.

    Follow-up alone says nothing: a tumour may be watched without surgery.

    Parameters
    ----------
    visits: of the patient, in any order.
    events: of the patient.
    """
    if visit.phase is TreatmentPhase.PRE_OPERATIVE:
        return False
    phases = {v.phase for v in visits if v.order < visit.order}
    if TreatmentPhase.EARLY_POST_OPERATIVE in {visit.phase, *phases}:
        return True
    surgeries = [event for event in events if event.kind is EventKind.SURGERY]
    clock = CourseClock.of(sorted(visits, key=lambda v: v.order))
    if any(_resected_before(visit, event, clock) for event in surgeries):
        return True
    return True if not surgeries and visit.phase in _LATER and TreatmentPhase.PRE_OPERATIVE in phases else None


def resected_between(
    earlier: Timepoint, later: Timepoint, visits: Sequence[Timepoint], events: Iterable[ClinicalEvent]
) -> bool:
    """Whether tumour was resected after one visit and on the day of another, later one or before.

    A visit marked as early post-operative that does not follow another one says so, whatever is recorded; so does a
    recorded surgery that was more than a biopsy, where both visits and the surgery have their place in time.

    Parameters
    ----------
    visits: of the patient, in order of the course.
    events: of the patient.
    """
    phases = [v.phase for v in visits if earlier.order <= v.order <= later.order]
    if any(after is TreatmentPhase.EARLY_POST_OPERATIVE is not before for before, after in pairwise(phases)):
        return True
    clock = CourseClock.of(visits)
    if clock.of_visit(earlier) is None:
        return False
    still_before = earlier.phase is TreatmentPhase.PRE_OPERATIVE
    return any(
        event.kind is EventKind.SURGERY
        and _resected_before(later, event, clock)
        and (still_before or not _resected_before(earlier, event, clock))
        for event in events
    )


def _resected_before(visit: Timepoint, surgery: ClinicalEvent, clock: CourseClock) -> bool:
    if surgery.extent in (None, ExtentOfResection.BIOPSY):
        return False
    if surgery.date is not None and visit.date is not None:
        return surgery.date <= visit.date
    then, now = clock.start(surgery), clock.of_visit(visit)
    return then is not None and now is not None and then <= now
