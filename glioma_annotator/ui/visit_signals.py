"""Passes on what the open visit says, which is free of Qt, to the window's signals."""

from __future__ import annotations

from collections.abc import Callable

from glioma_annotator.domain.geometry import Box
from glioma_annotator.workflow.study import OpenTimepoint


class VisitSignals:
    """Listens to one visit at a time. A psygnal cannot hold the `emit` of a Qt signal, so methods pass each on.

    Parameters
    ----------
    mask, edit_state, proposal, revisions, journalled: called when the visit's mask, undo names or locks, proposal or
        revisions changed, and when a step is in its journal.
    """

    def __init__(
        self,
        mask: Callable[[Box], None],
        edit_state: Callable[[], None],
        proposal: Callable[[], None],
        revisions: Callable[[], None],
        journalled: Callable[[], None],
    ) -> None:
        self._mask = mask
        self._edit_state = edit_state
        self._proposal = proposal
        self._revisions = revisions
        self._journalled = journalled

    def attach(self, visit: OpenTimepoint) -> None:
        visit.editor.changed.connect(self._tell_mask)
        visit.editor.state_changed.connect(self._tell_edit_state)
        visit.editor.journalled.connect(self._tell_journalled)
        visit.proposal_changed.connect(self._tell_proposal)
        visit.revisions_changed.connect(self._tell_revisions)

    def detach(self, visit: OpenTimepoint) -> None:
        visit.editor.changed.disconnect(self._tell_mask)
        visit.editor.state_changed.disconnect(self._tell_edit_state)
        visit.editor.journalled.disconnect(self._tell_journalled)
        visit.proposal_changed.disconnect(self._tell_proposal)
        visit.revisions_changed.disconnect(self._tell_revisions)

    def _tell_mask(self, box: Box) -> None:
        self._mask(box)

    def _tell_edit_state(self) -> None:
        self._edit_state()

    def _tell_proposal(self) -> None:
        self._proposal()

    def _tell_revisions(self) -> None:
        self._revisions()

    def _tell_journalled(self) -> None:
        self._journalled()
