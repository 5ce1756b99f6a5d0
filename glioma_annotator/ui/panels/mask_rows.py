"""The masks that a model can learn from, as rows of the Model panel."""

from __future__ import annotations

from glioma_annotator.ui.timeline import SHORT_PHASE, when_text
from glioma_annotator.workflow.adapt import UsableRevision
from glioma_annotator.workflow.reviewed_slices import slices_text


def mask_key(usable: UsableRevision) -> tuple[int, int, str]:
    """What a tick is about: another revision, and one that was approved since, is suggested anew."""
    return usable.timepoint.id or 0, usable.revision.id or 0, usable.revision.status.value


def mask_tip(usable: UsableRevision) -> str:
    revision = usable.revision
    slices = f"\nReviewed slices: {slices_text(usable.slices)}" if usable.slices else ""
    return f"{usable.timepoint.title}\nRevision {revision.number}, {revision.origin.value}{slices}"


def mask_text(patient: str, usable: UsableRevision) -> str:
    """As the timeline names the visit: a whole title would push the state out of sight."""
    visit = usable.timepoint
    state = "approved" if usable.approved else usable.revision.status.value
    name = " ".join(filter(None, (when_text(visit), SHORT_PHASE[visit.phase])))
    slices = f", {slices_text(usable.slices)}" if usable.slices else ""
    return f"{patient + ': ' if patient else ''}{name}, {state}{slices}"
