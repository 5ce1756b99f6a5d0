"""Where each visit lies in the visit before, for comparing lesions between visits."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from glioma_annotator.domain.geometry import FloatArray
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.information import shared_information
from glioma_annotator.imaging.normalisation import brain_mask
from glioma_annotator.imaging.resampling import overlap
from glioma_annotator.progress import CancelToken, Report, ignore_progress
from glioma_annotator.workflow.ports import Store
from glioma_annotator.workflow.timepoints_together import common_sequence, kept_registration

TOGETHER = 0.1
"""Visits whose brains share at least this much information where their headers put them are left there: registered
visits of one patient reach 0.15, the same ones 5 mm apart 0.06 (measured on a pre-operative and a follow-up scan)."""

_FINEST_MM = 3.0


class Alignment(Protocol):
    """Gives world RAS mm of a later visit to that of an earlier one, (4, 4); may take seconds for each new pair."""

    def __call__(self, later: Timepoint, earlier: Timepoint) -> FloatArray: ...


class VisitAlignment:
    """Aligns visits as a reader accepted it, by their headers where the images agree with them, else rigidly.

    Fulfils `Alignment`. Matrices found are remembered. `messages` says for a reader what was registered, one sentence
    for each pair.

    Raises `UserError` when two visits have no sequence in common or cannot be registered; `Cancelled`.
    """

    def __init__(self, store: Store, report: Report = ignore_progress, cancel: CancelToken | None = None) -> None:
        self._store = store
        self._report = report
        self._cancel = cancel or CancelToken()
        self._known: dict[tuple[int | None, int | None], FloatArray] = {}
        self.messages: list[str] = []

    def __call__(self, later: Timepoint, earlier: Timepoint) -> FloatArray:
        key = later.id, earlier.id
        if key not in self._known:
            self._known[key] = self._find(later, earlier)
        return self._known[key]

    def _find(self, later: Timepoint, earlier: Timepoint) -> FloatArray:
        self._cancel.raise_if_cancelled()
        accepted = kept_registration(self._store, later, earlier)
        if accepted is not None:
            self.messages.append(
                f"{earlier.title} lies in {later.title} as {accepted.accepted_by} accepted it on {accepted.accepted}."
            )
            return accepted.placed.matrix
        name = common_sequence(later, earlier)
        from glioma_annotator.imaging.registration import register  # scipy's optimiser: not at the program's start

        fixed, moving = self._store.load_image(later, name), self._store.load_image(earlier, name)
        brain = brain_mask([fixed.data])
        apart = overlap(fixed.grid, moving.grid) == 0
        before = 0.0 if apart else shared_information(fixed, moving, brain)
        if before >= TOGETHER:
            return np.eye(4)
        found = register(
            fixed,
            moving,
            fixed_mask=brain,
            moving_mask=brain_mask([moving.data]),
            finest_mm=_FINEST_MM,
            report=self._report,
            cancel=self._cancel,
        )
        if found.quality < before:  # the headers were right after all
            return np.eye(4)
        doubt = " The result is doubtful: check it before trusting which lesion is which." if found.doubtful else ""
        self.messages.append(f"{earlier.title} was registered to {later.title} by {name}.{doubt}")
        return found.matrix


class OrByHeaders:
    """Leaves visits that cannot be aligned where their headers put them; fulfils `Alignment`.

    `doubts` says so for a reader, one sentence for each pair, by the key of the later visit.
    """

    def __init__(self, align: Alignment) -> None:
        self._align = align
        self.doubts: dict[str, list[str]] = {}

    def __call__(self, later: Timepoint, earlier: Timepoint) -> FloatArray:
        try:
            return self._align(later, earlier)
        except UserError as error:
            doubt = f"{error} Until then lesions are followed as the headers put the visits: check which is which."
            known = self.doubts.setdefault(later.key, [])
            if doubt not in known:
                known.append(doubt)
            return np.eye(4)


class SameWorld:
    """For visits that are known to lie in one world; fulfils `Alignment`."""

    def __call__(self, later: Timepoint, earlier: Timepoint) -> FloatArray:  # noqa: ARG002 - the protocol's
        return np.eye(4)
