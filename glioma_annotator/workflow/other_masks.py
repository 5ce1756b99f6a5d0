"""Masks besides the one being edited: earlier revisions of the visit, and other visits' masks brought onto its grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import RevisionStatus
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.registration import identity, resample_mask_registered
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.workflow.operations import Operation, Result, Show, Snapshot
from glioma_annotator.workflow.study import StudySession
from glioma_annotator.workflow.timepoints_together import kept_registration


@dataclass(frozen=True, slots=True)
class MaskSource:
    """A mask that labels can be taken from.

    Attributes
    ----------
    key: names it to `load_source`.
    title: for the reader.
    revision_id, timepoint_id: of the mask.
    same_visit: whether it belongs to the visit being edited.
    """

    key: str
    title: str
    revision_id: int
    timepoint_id: int
    same_visit: bool


def mask_sources(session: StudySession) -> tuple[MaskSource, ...]:
    """Revisions of the open visit, newest first, then every other visit's mask: its approved revision, or newest."""
    visit = session.open
    if visit is None:
        return ()
    found = [
        MaskSource(f"revision {r.id}", f"Revision {r.number}", r.id or 0, visit.id, True)
        for r in sorted(visit.revisions, key=lambda r: -r.number)
    ]
    for timepoint in session.timepoints():
        if timepoint.id is None or timepoint.id == visit.id:
            continue
        revisions = sorted(session.store.revisions(timepoint.id), key=lambda r: r.number)
        approved = [r for r in revisions if r.status is RevisionStatus.APPROVED]
        chosen = (approved or revisions)[-1:]
        found += [
            MaskSource(f"revision {r.id}", f"{timepoint.title}, revision {r.number}", r.id or 0, timepoint.id, False)
            for r in chosen
        ]
    return tuple(found)


def load_source(session: StudySession, source: MaskSource, onto: Timepoint) -> LabelArray:
    """The mask of a source, uint8 (i, j, k) on the grid of `onto`; safe on a worker thread.

    A mask of another visit is brought over by the accepted registration of the two, else through world coordinates, as
    if they were registered; nearest neighbour. Raises `UserError` when it is gone or damaged.
    """
    revision = next((r for r in session.store.revisions(source.timepoint_id) if r.id == source.revision_id), None)
    if revision is None:
        raise UserError(f"{source.title} is not in the workspace any more.", "Choose another mask.")
    labels = session.store.load_labels(revision)
    of = session.store.timepoint(source.timepoint_id)
    accepted = None if source.same_visit else kept_registration(session.store, onto, of)
    if accepted is None and of.grid.matches(onto.grid):
        return labels
    registration = accepted.placed if accepted is not None else identity()
    return resample_mask_registered(labels, of.grid, registration, onto.grid, smooth=False)


class WithOtherMask:
    """An operation that needs another mask, which is read on the worker when it runs.

    Parameters
    ----------
    load: reads the mask, (i, j, k) on the grid of the one being edited.
    make: the operation with it.
    """

    def __init__(self, load: Callable[[], LabelArray], make: Callable[[LabelArray], Operation]) -> None:
        self._load = load
        self._make = make

    def title(self, scheme: LabelScheme) -> str:
        return self._make(np.zeros((1, 1, 1), dtype=np.uint8)).title(scheme)

    def run(self, on: Snapshot, report: Report, cancel: CancelToken, show: Show) -> Result:
        return self._make(self._load()).run(on, report, cancel, show)
