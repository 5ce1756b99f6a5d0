"""Whether a stored visit was scanned after a resection."""

from __future__ import annotations

from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.surgery import operated
from glioma_annotator.workflow.ports import Store


def was_operated(store: Store, visit: Timepoint) -> bool | None:
    """True after a resection, False before any surgery, None where phases and recorded surgeries do not tell.

    Safe on a worker thread.
    """
    events = [event for p in store.patients() if p.id == visit.patient_id for event in store.events.of_patient(p.key)]
    return operated(visit, store.timepoints(visit.patient_id), events)
