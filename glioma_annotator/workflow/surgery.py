"""Whether a stored visit was scanned after a resection."""

from __future__ import annotations

from glioma_annotator.domain.labels import LEFT_BY_SURGERY
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import RevisionOrigin
from glioma_annotator.domain.surgery import operated
from glioma_annotator.workflow.ports import Store

#: A cavity of at least this volume in a mask that a reader stands behind says that there was surgery.
_CAVITY_ML = 1.0


def was_operated(store: Store, visit: Timepoint) -> bool | None:
    """True after a resection, False before any surgery, None where the workspace does not tell.

    Phases and recorded surgeries tell, and a cavity in a reader's newest mask of this visit or an earlier one. Safe on
    a worker thread.
    """
    events = [event for p in store.patients() if p.id == visit.patient_id for event in store.events.of_patient(p.key)]
    visits = store.timepoints(visit.patient_id)
    known = operated(visit, visits, events)
    if known is not None:
        return known
    return True if any(_shows_cavity(store, v) for v in visits if v.order <= visit.order) else None


def _shows_cavity(store: Store, visit: Timepoint) -> bool:
    revisions = store.revisions(visit.id) if visit.id is not None else ()
    if not revisions or revisions[-1].origin is RevisionOrigin.AUTOMATIC:
        return False
    return any(revisions[-1].volumes_ml.get(name, 0.0) >= _CAVITY_ML for name in LEFT_BY_SURGERY)
