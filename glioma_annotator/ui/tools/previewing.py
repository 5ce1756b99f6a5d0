"""What is hatched over the mask, until applied or discarded: a proposal's difference, or what a tool would do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from glioma_annotator.domain.editing import VoxelEdit, edit_from_arrays
from glioma_annotator.domain.geometry import Box
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.workflow.difference import Difference
from glioma_annotator.workflow.jobs import Job
from glioma_annotator.workflow.operations import Operation, Snapshot
from glioma_annotator.workflow.seeded_operations import Fill
from glioma_annotator.workflow.study import OpenTimepoint


@dataclass(slots=True, eq=False)
class _Run:
    """One run of an operation on one visit, and what it has come to so far."""

    visit: OpenTimepoint
    operation: Operation
    title: str
    apply_at_once: bool
    job: Job | None = None
    change: VoxelEdit | None = None


class Previewing(QObject):
    """Runs operations on a worker and keeps what they would change.

    Signals
    -------
    changed: a preview began, came to a result, or ended; or the proposal's difference is another one.
    drawn(Box): what is hatched changed within a box.
    """

    changed = Signal()
    drawn = Signal(object)

    def __init__(self, study: StudyController, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._study = study
        self._run: _Run | None = None
        self.note = ""
        self.failed = False
        self.difference: Difference | None = None
        self._added: LabelArray | None = None
        self._removed: LabelArray | None = None
        study.leaving_visit.connect(self._forget)
        study.visit_changed.connect(self._on_proposal)
        study.proposal_changed.connect(self._on_proposal)
        study.scheme_changed.connect(self._on_scheme)
        study.mask_changed.connect(self._on_mask)

    # what is hatched

    @property
    def active(self) -> bool:
        """Whether a tool's preview stands or is being computed."""
        return self._run is not None

    @property
    def running(self) -> bool:
        return self._run is not None and self._run.job is not None and self._run.job.active

    @property
    def ready(self) -> bool:
        """Whether there is something to apply."""
        return self._run is not None and self._run.change is not None

    @property
    def title(self) -> str:
        return self._run.title if self._run else ""

    @property
    def hatched(self) -> tuple[LabelArray | None, LabelArray | None]:
        """What would be added and removed, uint8 (i, j, k): a tool's preview, else the proposal's difference."""
        if self.ready:
            return self._added, self._removed
        if self.difference is not None:
            return self.difference.added, self.difference.removed
        return None, None

    def _on_proposal(self) -> None:
        visit = self._study.visit
        proposal = visit.proposal if visit is not None else None
        known = self.difference.proposed if self.difference is not None else None
        if visit is None or proposal is None:
            self.difference = None
        elif known is not proposal.labels:
            self.difference = Difference(visit.editor.labels, proposal.labels, visit.spared)
        self.changed.emit()

    def _on_scheme(self) -> None:
        """A label was added or deleted: what the proposal has no name for is another set."""
        self.difference = None
        self._on_proposal()

    def _on_mask(self, box: Box) -> None:
        if self.difference is not None:
            self.difference.refresh(box)
            self.drawn.emit(box)
        if self._run is not None and self._run.change is not None:
            self._draw(self._run, self._run.change)

    # operations

    def start(self, operation: Operation, *, apply_at_once: bool = False) -> None:
        """Compute what `operation` would do to the mask as it stands; a preview in progress is dropped for it."""
        study = self._study
        visit = study.require_visit()
        self._drop()
        run = self._run = _Run(visit, operation, operation.title(visit.scheme), apply_at_once)
        self.note, self.failed = "", False
        if self._added is None:
            shape = visit.editor.labels.shape  # `zeros_like` would write all of them, a tenth of a second's work
            self._added, self._removed = (np.zeros(shape, dtype=np.uint8) for _ in range(2))
        snapshot = Snapshot(visit.editor.labels.copy(), visit.timepoint.grid, visit.scheme, visit.images)

        def show(labels: LabelArray) -> None:
            change = edit_from_arrays("", snapshot.labels, labels)
            study.workers.gui.post(lambda: self._show(run, change))

        def work(report: Report, cancel: CancelToken) -> tuple[VoxelEdit | None, str]:
            result = operation.run(snapshot, report, cancel, show)
            return edit_from_arrays("", snapshot.labels, result.labels), result.note

        def done(outcome: tuple[VoxelEdit | None, str]) -> None:
            if self._run is run:
                change, self.note = outcome
                self._show(run, change)
                if change is None:
                    self._drop()
                    self.note = "" if apply_at_once else _nothing(operation)
                    if apply_at_once:
                        study.notice.emit("Nothing changes there.")
                elif apply_at_once:
                    self.apply()
                self.changed.emit()

        def fail(error: BaseException) -> None:
            if self._run is not run:
                return
            self._drop()
            if isinstance(error, UserError) and not apply_at_once:
                self.note, self.failed = str(error), True
            elif isinstance(error, UserError):
                study.notice.emit(str(error))
            else:
                study.failed.emit(error)
            self.changed.emit()

        def stopped() -> None:
            if self._run is run:
                self.note = "Stopped: this is how far it came." if run.change is not None else "Stopped."
                if run.change is None:
                    self._drop()
                self.changed.emit()

        run.job = study.workers.editing.submit(run.title, work, done, fail, stopped)
        self.changed.emit()

    def stop(self) -> None:
        """Stop computing; what is shown stays to be applied."""
        if self._run is not None and self._run.job is not None:
            self._run.job.cancel()

    def apply(self) -> None:
        """Write the preview into the mask as one undoable step."""
        run = self._run
        if run is None or run.change is None:
            return
        change = run.change
        self._drop()
        erases = isinstance(run.operation, Fill) and run.operation.value == 0
        run.visit.editor.set_voxels(run.title, change.index, 0 if erases else change.new)
        self._study.notice.emit(f"{run.title}: {self.note}" if self.note else run.title)
        self.note = ""
        self.changed.emit()

    def discard(self) -> None:
        """Drop the preview; the mask stays as it is."""
        if self._run is not None:
            self._drop()
            self.note, self.failed = "", False
            self.changed.emit()

    def clear_note(self) -> None:
        """Forget what was said about the last preview."""
        self.note, self.failed = "", False
        self.changed.emit()

    def refuse(self, reason: str) -> None:
        """Say why there is no preview."""
        self._drop()
        self.note, self.failed = reason, True
        self.changed.emit()

    def _drop(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            if run.job is not None and run.job.active:
                run.job.cancel()
            self._clear(run.change)

    def _forget(self) -> None:
        self._drop()
        self.note, self.failed = "", False
        self._added = self._removed = None

    # the arrays of a preview

    def _show(self, run: _Run, change: VoxelEdit | None) -> None:
        if self._run is not run:
            return
        first = run.change is None
        self._clear(run.change)
        run.change = change
        if first:
            self.changed.emit()  # the view takes the arrays before they are drawn on
        if change is not None:
            self._draw(run, change)

    def _draw(self, run: _Run, change: VoxelEdit) -> None:
        """Hatch what of a change the rules permit and the mask has not yet."""
        editor = run.visit.editor
        if self._added is None or self._removed is None:
            return
        present = editor.labels.reshape(-1)[change.index]
        wanted: NDArray[np.uint8] = editor.rules.permitted(present, change.new, change.index)
        differs = wanted != present
        self._added.reshape(-1)[change.index] = np.where(differs, wanted, 0)
        self._removed.reshape(-1)[change.index] = np.where(differs & (wanted == 0), present, 0)
        self.drawn.emit(change.box)

    def _clear(self, change: VoxelEdit | None) -> None:
        if change is not None and self._added is not None and self._removed is not None:
            self._added.reshape(-1)[change.index] = 0
            self._removed.reshape(-1)[change.index] = 0
            self.drawn.emit(change.box)


def _nothing(operation: Operation) -> str:
    kept = getattr(operation, "over_labels", None) is False
    why = " Other labels stay as they are unless Over other labels is ticked." if kept else ""
    return f"Nothing would change.{why}"
