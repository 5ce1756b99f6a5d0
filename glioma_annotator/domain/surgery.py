"""Whether a patient had been operated on when a visit was scanned, as far as the records tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind, ExtentOfResection
from glioma_annotator.domain.patient import Timepoint, TreatmentPhase


def operated(visit: Timepoint, visits: Sequence[Timepoint], events: Iterable[ClinicalEvent]) -> bool | None:
    """True after a resection, False before any surgery, None where the records do not tell.

    A visit counts as after one when it or an earlier one is marked as post-operative, or a surgery that was more than a
    biopsy is recorded on its day or before. Follow-up alone says nothing: a tumour may be watched without surgery.

    Parameters
    ----------
    visits: of the patient, in any order.
    events: of the patient.
    """
    if visit.phase is TreatmentPhase.PRE_OPERATIVE:
        return False
    if any(v.phase is TreatmentPhase.EARLY_POST_OPERATIVE and v.order <= visit.order for v in (visit, *visits)):
        return True
    return True if any(_resected_before(visit, event) for event in events) else None


def _resected_before(visit: Timepoint, event: ClinicalEvent) -> bool:
    if event.kind is not EventKind.SURGERY or event.extent in (None, ExtentOfResection.BIOPSY):
        return False
    if event.date is not None and visit.date is not None:
        return event.date <= visit.date
    return event.day is not None and visit.day is not None and event.day <= visit.day
