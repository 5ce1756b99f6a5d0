"""The mask of the visit beside, proposed for the visit that is read."""

from __future__ import annotations

from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.ui.registration import Together
from glioma_annotator.workflow.export_study import best_revision
from glioma_annotator.workflow.proposal import Proposal
from glioma_annotator.workflow.timepoints_together import carried_over


def can_carry(together: Together) -> bool:
    """Whether the visit beside has a mask to carry over."""
    session = together.study.session
    if session is None or together.other is None or together.other.id is None:
        return False
    return best_revision(session.store.revisions(together.other.id)) is not None


def carry_over(together: Together) -> None:
    """Propose the other visit's mask for the visit that is read, where the registration puts it.

    Raises `UserError` when there is no visit beside, or it has no mask.
    """
    study = together.study
    session, (fixed, moving) = study.require_session(), together.require_both()
    store, scheme, registration = session.store, session.scheme, together.present()
    revision = best_revision(store.revisions(moving.id or 0))
    if revision is None:
        raise UserError(f"{moving.title} has no mask to carry over.", "Segment that visit and save it first.")

    def work(_report: Report, _cancel: CancelToken) -> Proposal:
        return carried_over(store, revision, moving, fixed, registration, scheme)

    def done(proposal: Proposal) -> None:
        visit = study.visit
        if visit is not None and visit.id == proposal.timepoint_id:
            visit.show_proposal(proposal)
            study.notice.emit("The mask is proposed: accept or reject it in the Mask panel.")
        else:
            study.notice.emit("The carried mask was dropped: another visit is open now.")

    study.workers.computing.submit(f"Carrying the mask over from {moving.title}", work, done, study.failed.emit)
