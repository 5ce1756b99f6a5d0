"""What a workspace holds, for the start page and the timeline: read on a worker."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from glioma_annotator.domain.editing import JournalAction, JournalEntry
from glioma_annotator.domain.patient import Patient, Timepoint
from glioma_annotator.domain.revision import RevisionStatus
from glioma_annotator.progress import CancelToken, Report, StepProgress
from glioma_annotator.workflow.ports import Store


@dataclass(frozen=True, slots=True, eq=False)
class VisitOverview:
    """A visit, its mask ("approved", "draft" or "" for none) and its steps that are no revision yet."""

    visit: Timepoint
    mask: str
    unsaved: int


@dataclass(frozen=True, slots=True, eq=False)
class PatientOverview:
    """A patient with the visits in order.

    Attributes
    ----------
    opened: when the patient was last looked at, UTC; None for never.
    """

    patient: Patient
    visits: tuple[VisitOverview, ...]
    opened: dt.datetime | None = None

    @property
    def period(self) -> str:
        """First to last visit, as far as it is known."""
        titles = [v.visit.title for v in self.visits]
        if not titles:
            return ""
        return titles[0] if len(titles) == 1 else f"{titles[0]} to {titles[-1]}"

    @property
    def masks(self) -> str:
        """How many visits have which mask, e.g. "2 approved, 1 draft"."""
        states = [v.mask or "no mask" for v in self.visits]
        counts = ((states.count(state), state) for state in ("approved", "draft", "no mask"))
        return ", ".join(state if n == len(states) else f"{n} {state}" for n, state in counts if n)


def mask_state(store: Store, timepoint_id: int) -> str:
    """ "approved" when any revision is, "draft" when there is one, "" without a mask."""
    revisions = store.revisions(timepoint_id)
    if any(r.status is RevisionStatus.APPROVED for r in revisions):
        return RevisionStatus.APPROVED.value
    return RevisionStatus.DRAFT.value if revisions else ""


def read_overview(store: Store, report: Report, cancel: CancelToken) -> tuple[PatientOverview, ...]:
    """Every patient of the workspace, those last looked at first; safe on a worker thread."""
    opened = store.last_opened()
    patients = sorted(store.patients(), key=lambda p: _latest_first(opened.get(p.id or 0)))  # by key among equals
    steps = StepProgress(report, len(patients), "Looking at the workspace")
    result = []
    for patient in patients:
        cancel.raise_if_cancelled()
        visits = store.timepoints(patient.id) if patient.id is not None else ()
        shown = tuple(_visit(store, visit) for visit in visits)
        result.append(PatientOverview(patient, shown, opened.get(patient.id or 0)))
        steps.step()
    return tuple(result)


def _latest_first(opened: dt.datetime | None) -> float:
    return 0.0 if opened is None else -opened.timestamp()


def _visit(store: Store, visit: Timepoint) -> VisitOverview:
    if visit.id is None:
        raise ValueError("a stored visit has an id")
    unsaved = 0 if store.read_only else standing_steps(store.journal(visit.id).entries())
    return VisitOverview(visit, mask_state(store, visit.id), unsaved)


def standing_steps(entries: Iterable[JournalEntry]) -> int:
    """How many journalled steps lie between the saved mask and the one on the screen, forwards or back."""
    steps = {JournalAction.EDIT: 1, JournalAction.REDO: 1, JournalAction.UNDO: -1, JournalAction.PAST: 0}
    return abs(sum(steps[entry.action] for entry in entries))
