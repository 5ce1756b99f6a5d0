"""What is hatched over the mask, until applied or discarded: a proposal's difference, or what a tool would do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from glioma_annotator.domain.edit_rules import EditRules
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

_SAME = "Nothing changes there."
_KEPT = "Nothing would change: locks or edit rules keep all of it as it is."
_UNCHANGED = "Nothing changed: locks or edit rules keep all of it as it is."


@dataclass(slots=True, eq=False)
class _Run:
    """One run of an operation on one visit: what is shown of it so far, and what it has come to."""

    visit: OpenTimepoint
    operation: Operation
    title: str
    apply_at_once: bool
    job: Job | None = None
    change: VoxelEdit | None = None
    outcome: tuple[VoxelEdit | None, str] | None = None

    @property
    def erases(self) -> bool:
        """Whether it is the reader's own act of erasing."""
        return isinstance(self.operation, Fill) and self.operation.value == 0


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
        self._next: list[tuple[Operation, bool]] = []  # asked for while something was applied at once
        self._said = ""
        self._kept_ml = 0.0  # of what is previewed, by locks and edit rules
        self._rules: EditRules | None = None
        self._permits = True
        self.failed = False
        self.difference: Difference | None = None
        self._added: LabelArray | None = None
        self._removed: LabelArray | None = None
        study.leaving_visit.connect(self._leave)
        study.workers.closing.connect(self._finish)
        study.visit_changed.connect(self._on_proposal)
        study.proposal_changed.connect(self._on_proposal)
        study.scheme_changed.connect(self._on_scheme)
        study.mask_changed.connect(self._on_mask)
        study.edit_state_changed.connect(self._on_rules)

    # what is hatched

    @property
    def active(self) -> bool:
        """Whether a tool's preview stands or is being computed."""
        return self._run is not None

    @property
    def running(self) -> bool:
        return self._run is not None and self._run.job is not None and self._run.job.active

    @property
    def applying(self) -> bool:
        """Whether something is being computed that is applied without being asked about."""
        return self.running and self._run is not None and self._run.apply_at_once

    @property
    def ready(self) -> bool:
        """Whether there is something to apply."""
        return self._run is not None and self._run.change is not None

    @property
    def note(self) -> str:
        """What was said of the last preview, and what of it locks and edit rules hold back."""
        if not self._kept_ml:
            return self._said
        if not self._permits:
            return _KEPT
        said = f"{self._said.rstrip('.')}. " if self._said else ""
        return f"{said}Locks or edit rules keep {self._kept_ml:.2f} mL of that as it is."

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

    def _on_rules(self) -> None:
        run = self._run
        if run is not None and run.change is not None and run.visit.editor.rules is not self._rules:
            self._draw(run, run.change)
            self.changed.emit()

    # operations

    def start(self, operation: Operation, *, apply_at_once: bool = False) -> None:
        """Compute what `operation` would do to the mask as it stands; a preview in progress is dropped for it.

        What is applied at once is not a preview: it comes to its end first, and what is started meanwhile follows.
        """
        if self.applying:
            self._next = [*self._next, (operation, apply_at_once)]
            return
        study = self._study
        visit = study.require_visit()
        self._drop()
        run = self._run = _Run(visit, operation, operation.title(visit.scheme), apply_at_once)
        self._said, self.failed = "", False
        if self._added is None:
            shape = visit.editor.labels.shape  # `zeros_like` would write all of them, a tenth of a second's work
            self._added, self._removed = (np.zeros(shape, dtype=np.uint8) for _ in range(2))
        snapshot = Snapshot(visit.editor.labels.copy(), visit.timepoint.grid, visit.scheme, visit.images)

        def show(labels: LabelArray) -> None:
            change = edit_from_arrays("", snapshot.labels, labels)
            study.workers.gui.post(lambda: self._show(run, change))

        def work(report: Report, cancel: CancelToken) -> tuple[VoxelEdit | None, str]:
            result = operation.run(snapshot, report, cancel, show)
            run.outcome = edit_from_arrays("", snapshot.labels, result.labels), result.note
            return run.outcome

        def done(outcome: tuple[VoxelEdit | None, str]) -> None:
            if self._run is run:
                self._take(run, *outcome)

        def fail(error: BaseException) -> None:
            current = self._run is run
            if current:
                self._drop()
            elif not apply_at_once:
                return
            if isinstance(error, UserError) and not apply_at_once:
                self._said, self.failed = str(error), True
            elif isinstance(error, UserError):
                study.notice.emit(str(error))
            else:
                study.failed.emit(error)
            if current:
                self.changed.emit()
                self._go_on()

        def stopped() -> None:
            if self._run is run:
                self._said = "Stopped: this is how far it came." if run.change is not None else "Stopped."
                if run.change is None:
                    self._drop()
                self.changed.emit()
                self._go_on()

        run.job = study.workers.editing.submit(run.title, work, done, fail, stopped)
        self.changed.emit()

    def _take(self, run: _Run, change: VoxelEdit | None, said: str) -> None:
        """An operation has come to its end."""
        self._said = said
        self._show(run, change)
        if change is None:
            self._drop()
            self._said = "" if run.apply_at_once else _nothing(run.operation)
            if run.apply_at_once:
                self._study.notice.emit(_SAME)
        elif run.apply_at_once:
            self.apply()
        self.changed.emit()
        self._go_on()

    def _finish(self) -> None:
        """Wait for what is applied at once, and carry it out: the visit is about to be left."""
        while self.applying and self._run is not None:
            run = self._run
            self._study.workers.editing.wait()
            if run.outcome is None:  # it was cancelled, or failed, which is told in its turn
                self._drop()
                self._go_on()
            else:
                self._take(run, *run.outcome)

    def _go_on(self) -> None:
        """Start what was asked for while something was applied."""
        waiting, self._next = self._next, []
        for operation, apply_at_once in waiting:
            self.start(operation, apply_at_once=apply_at_once)

    def stop(self) -> None:
        """Stop computing; what is shown stays to be applied."""
        if self._run is not None and self._run.job is not None:
            self._run.job.cancel()

    def apply(self) -> None:
        """Write the preview into the mask as one undoable step."""
        run = self._run
        if run is None or run.change is None:
            return
        change, note, kept = run.change, self.note, self._kept_ml
        self._drop()
        self._said = ""
        edit = run.visit.editor.set_voxels(run.title, change.index, 0 if run.erases else change.new)
        done = f"{run.title}: {note}" if note else run.title
        self._study.notice.emit(done if edit is not None else _UNCHANGED if kept else _SAME)
        self.changed.emit()

    def discard(self) -> None:
        """Drop the preview and what was said about it, or about why there is none; the mask stays as it is."""
        self._next = []
        if self._run is not None or self._said:
            self._drop()
            self._said, self.failed = "", False
            self.changed.emit()

    def refuse(self, reason: str) -> None:
        """Say why there is no preview."""
        self._drop()
        self._said, self.failed = reason, True
        self.changed.emit()

    def _drop(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            if run.job is not None and run.job.active:
                run.job.cancel()
            self._clear(run.change)
        self._kept_ml = 0.0

    def _leave(self) -> None:
        self._finish()
        self._drop()
        self._next = []
        self._said, self.failed = "", False
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
        self._rules = editor.rules
        present = editor.labels.reshape(-1)[change.index]
        wanted: NDArray[np.uint8] = self._rules.permitted(present, change.new, change.index, erasing=run.erases)
        differs = wanted != present
        kept = np.count_nonzero((change.new != present) & ~differs)
        self._kept_ml, self._permits = kept * editor.grid.voxel_volume_ml, bool(differs.any())
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
