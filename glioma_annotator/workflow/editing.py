"""The editor: the one place that changes a mask.

It owns the authoritative label array of the open timepoint. Tools, accepted proposals and restored revisions all go
through it, so locks, the undo stack and the journal hold for every one of them.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from glioma_annotator.domain.edit_rules import EditArea, EditRules
from glioma_annotator.domain.editing import (
    JournalAction,
    JournalEntry,
    UndoStack,
    VoxelEdit,
    differing,
    edit_from_arrays,
    edit_from_indices,
)
from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.labels import BACKGROUND, LabelScheme
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.imaging.brush import Brush, line_centres
from glioma_annotator.workflow.journalling import PAST_BYTES, Journalling, SavePoint
from glioma_annotator.workflow.ports import Journal
from glioma_annotator.workflow.strokes import Paint, Stroke, made_by


class Editor:
    """Edits one label array.

    Parameters
    ----------
    labels: uint8 (i, j, k), C-contiguous; changed in place from now on.
    grid: the array's grid.
    scheme: meaning of the values.
    journal: where every step is kept until it is saved; None for a mask that may not be edited.
    undo_bytes: memory for undo.
    """

    changed = Signal(Box)
    """Voxels within the box changed."""
    state_changed = Signal()
    """Undo names, locks or the unsaved state changed."""
    journalled = Signal()
    """A step is in the journal, but the disk may not have it yet: `flush` waits for that."""

    def __init__(
        self,
        labels: LabelArray,
        grid: Grid,
        scheme: LabelScheme,
        journal: Journal | None,
        undo_bytes: int = 256 * 2**20,
    ) -> None:
        if labels.shape != grid.shape:
            raise ValueError(f"mask of shape {labels.shape} on a grid of shape {grid.shape}")
        self.labels: LabelArray = np.ascontiguousarray(labels, dtype=np.uint8)
        self.grid = grid
        self.scheme = scheme
        self._journalling = Journalling(journal)
        self._stack = UndoStack(undo_bytes)
        self._rules = EditRules()
        self._stroke: Stroke | None = None
        self._after_stroke: list[Callable[[], None]] = []
        self._base_depth = 0  # how many of the standing edits the last revision holds
        self._saved_top: VoxelEdit | None = None
        self._saving: SavePoint | None = None
        self._start_forgotten = False  # undoing everything no longer leads back to an empty undo stack's mask

    @property
    def read_only(self) -> bool:
        return self._journalling.journal is None

    # rules

    @property
    def rules(self) -> EditRules:
        """What every change but undo and redo is held to."""
        return self._rules

    @property
    def locked(self) -> frozenset[int]:
        """Label values that no tool may change, neither from nor to."""
        return self._rules.locked

    def set_locked(self, value: int, locked: bool) -> None:
        values = self._rules.locked | {value} if locked else self._rules.locked - {value}
        self.use_rules(dataclasses.replace(self._rules, locked=values))

    def use_scheme(self, scheme: LabelScheme) -> None:
        """The labels changed: no rule on a label that is gone waits for the next one of its value."""
        self.scheme = scheme
        self.use_rules(self._rules)

    def set_paint_over(self, values: Collection[int] | None) -> None:
        """Let labels replace only the label values `values` (0 is background); None for all."""
        chosen = None if values is None else frozenset(values)
        self.use_rules(dataclasses.replace(self._rules, paint_over=chosen))

    def set_inside(self, area: EditArea | None) -> None:
        """Let voxels change only within `area`; None for everywhere. Raises `ValueError` for one of another shape."""
        if area is not None and area.mask.shape != self.labels.shape:
            raise ValueError(f"an area of shape {area.mask.shape} for a mask of shape {self.labels.shape}")
        self.use_rules(dataclasses.replace(self._rules, inside=area))

    def use_rules(self, rules: EditRules) -> None:
        """Hold every change from now on to `rules`, whose area is of the mask's shape; labels there are none of go."""
        self._rules = rules.among(self.scheme.values)
        self.state_changed.emit()

    # strokes

    @property
    def stroke_active(self) -> bool:
        return self._stroke is not None

    def begin_stroke(self, brush: Brush, value: int) -> None:
        """Start painting label `value` (0 erases); nothing changes before `stroke_to`."""
        self.begin(Paint(brush, value))

    def begin(self, paint: Paint) -> None:
        """Start a stroke; nothing changes before `stroke_to`."""
        if self.read_only:
            return
        self.end_stroke()
        self._stroke = Stroke(paint)

    def stroke_to(self, index: tuple[float, float, float], diameter_mm: float | None = None) -> Box | None:
        """Paint from the stroke's last point to the fractional voxel `index`; the box of what changed, or None.

        `diameter_mm` is the brush's from here on, as a pen's pressure has it; None leaves it.
        """
        stroke = self._stroke
        if stroke is None:
            return None
        if diameter_mm is not None and diameter_mm != stroke.paint.brush.diameter_mm:
            brush = dataclasses.replace(stroke.paint.brush, diameter_mm=diameter_mm)
            stroke.paint = dataclasses.replace(stroke.paint, brush=brush)
        paint = stroke.paint
        start = stroke.last if stroke.last is not None else index
        voxels = paint.voxels(line_centres(start, index, paint.brush), self.grid)
        stroke.last = index
        before = self.labels.reshape(-1)[voxels]
        wanted, erasing = paint.values(voxels), paint.source is None and paint.value == BACKGROUND
        after = self._rules.permitted(before, wanted, voxels, erasing=erasing, spared=paint.spared)
        edit = edit_from_indices("", self.grid.shape, voxels, before, after)
        if edit is None:
            return None
        edit.apply(self.labels)
        stroke.pieces.append(edit)
        self.changed.emit(edit.box)
        return edit.box

    def end_stroke(self) -> VoxelEdit | None:
        """Finish the stroke: one undo entry and one journal entry for all of it."""
        stroke, self._stroke = self._stroke, None
        waiting, self._after_stroke = self._after_stroke, []
        try:
            return self._remember(self._taken(stroke))
        finally:
            for act in waiting:
                act()

    def after_stroke(self, act: Callable[[], None]) -> None:
        """Call `act` when the stroke in progress has ended, which is at once without one."""
        if self._stroke is None:
            act()
        else:
            self._after_stroke.append(act)

    def _part_stroke(self) -> None:
        """What the stroke in progress changed so far becomes an undo entry; what follows will be another one."""
        self._remember(self._taken(self._stroke))

    def _taken(self, stroke: Stroke | None) -> VoxelEdit | None:
        return stroke.taken(self.labels, self.scheme) if stroke is not None else None

    # edits at once

    def set_voxels(
        self,
        name: str,
        index: NDArray[np.int64],
        values: int | NDArray[np.uint8],
        model: str = "",
        spared: Collection[int] = (),
    ) -> VoxelEdit | None:
        """Set the voxels at flat C-order indices (n,), unique, as one undoable edit within the rules.

        A stroke in progress goes on after it.
        `values` is one label value (0 erases) or one per voxel; `model` and `spared` as in `apply`.
        """
        if self.read_only:
            return None
        self._part_stroke()
        before = self.labels.reshape(-1)[index]
        wanted = np.broadcast_to(np.asarray(values, dtype=np.uint8), before.shape)
        erasing = isinstance(values, int) and values == 0
        after = self._rules.permitted(before, wanted, index, erasing=erasing, spared=spared)
        return self._carry_out(made_by(edit_from_indices(name, self.grid.shape, index, before, after), model))

    def apply(self, name: str, after: LabelArray, model: str = "", spared: Collection[int] = ()) -> VoxelEdit | None:
        """Change the mask to `after` (same shape) as one undoable edit within the rules.

        `model` is the identity of the model that proposed `after`; empty when a person made it. Voxels of the labels
        `spared` stay as they are: whoever proposes has no name for those labels.
        """
        if self.read_only:
            return None
        index = differing(self.labels, after)
        return self.set_voxels(name, index, after.reshape(-1)[index], model, spared)

    def _carry_out(self, edit: VoxelEdit | None) -> VoxelEdit | None:
        if edit is None:
            return None
        edit.apply(self.labels)
        self.changed.emit(edit.box)
        return self._remember(edit)

    # undo, redo

    def undo(self) -> VoxelEdit | None:
        return self._step(JournalAction.UNDO)

    def redo(self) -> VoxelEdit | None:
        return self._step(JournalAction.REDO)

    def go_to(self, depth: int) -> int:
        """Undo or redo until the first `depth` entries of `history` stand; how many steps that took."""
        self.end_stroke()
        steps = 0
        while self._stack.depth != depth:
            action = JournalAction.UNDO if self._stack.depth > depth else JournalAction.REDO
            if self._step(action) is None:
                break
            steps += 1
        return steps

    def go_to_saved(self) -> int:
        """Undo the steps since the last revision, or redo those of it that were undone; how many that took."""
        return self.go_to(self._base_depth)

    def take_saved(self, name: str, saved: LabelArray) -> None:
        """Change the mask to the last revision's, `saved`, as one undoable edit that no rule holds back."""
        self._part_stroke()
        self._carry_out(edit_from_arrays(name, self.labels, saved))
        self._saved_top, self._base_depth, self._start_forgotten = self._stack.top, self._stack.depth, False
        self.state_changed.emit()

    def _step(self, action: JournalAction) -> VoxelEdit | None:
        if self.read_only:
            return None
        self.end_stroke()
        undoing = action is JournalAction.UNDO
        edit = self._stack.undo(self.labels) if undoing else self._stack.redo(self.labels)
        if edit is None:
            return None
        self.changed.emit(edit.box)
        self._write(self._journalling.stepped(action, edit, self._stack.depth))
        return edit

    @property
    def undo_name(self) -> str | None:
        return self._stack.undo_name

    @property
    def redo_name(self) -> str | None:
        return self._stack.redo_name

    @property
    def undo_names(self) -> tuple[str, ...]:
        return self._stack.names

    @property
    def history(self) -> tuple[str, ...]:
        """Names of all steps, oldest first: the first `depth` stand, the others are undone."""
        return self._stack.history

    @property
    def depth(self) -> int:
        return self._stack.depth

    def holds(self, value: int) -> bool:
        """Whether the mask, or a step that can be undone or redone, holds a label value."""
        steps = (*self._stack.done, *self._stack.undone)
        in_steps = any(bool((edit.old == value).any() or (edit.new == value).any()) for edit in steps)
        return in_steps or bool((self.labels == value).any())

    @property
    def undo_bytes(self) -> int:
        """Memory that the remembered steps take, in bytes."""
        return self._stack.nbytes

    # the journal

    @property
    def unsaved(self) -> bool:
        """Whether the mask differs from the last revision by any step."""
        top = self._stack.top
        return top is not self._saved_top or (top is None and self._start_forgotten)

    @property
    def unsaved_edits(self) -> tuple[VoxelEdit, ...]:
        """The standing edits since the last revision, oldest first."""
        return self._stack.done[min(self._base_depth, self._stack.depth) :]

    def replay(self, entries: Collection[JournalEntry]) -> int:
        """Repeat journalled steps after a crash, without writing them again; how many were repeated.

        Steps that the mask holds already (PAST) can be undone afterwards, and are not counted.

        Raises `ValueError` when a step does not fit this mask's shape.
        """
        limit, self._stack.limit_bytes = self._stack.limit_bytes, sys.maxsize
        repeated = 0
        for entry in entries:
            if entry.edit is not None and entry.edit.index.size and entry.edit.index[-1] >= self.labels.size:
                raise ValueError("a journalled step lies outside the mask")
            repeated += entry.action is not JournalAction.PAST
            if entry.action is JournalAction.PAST and entry.edit is not None:
                self._stack.remember(entry.edit)
                self._saved_top = entry.edit
                self._base_depth = self._stack.depth
            elif entry.action is JournalAction.EDIT and entry.edit is not None:
                entry.edit.apply(self.labels)
                self._base_depth = min(self._base_depth, self._stack.depth)  # it may stand on less than was saved
                self._stack.push(entry.edit)
            elif entry.action is JournalAction.UNDO:
                self._stack.undo(self.labels)
            elif entry.action is JournalAction.REDO:
                self._stack.redo(self.labels)
        self._stack.limit_bytes = limit
        self._journalling.repeated(self._stack.done, self._stack.undone)
        return repeated

    def flush(self) -> None:
        """Wait until the disk has every step; safe on a worker thread. Raises `EnvironmentFailure`."""
        if self._journalling.journal is not None:
            self._journalling.journal.flush()

    def begin_save(self) -> SavePoint:
        """Note where the mask stands, which is about to become a revision; edits may go on until `end_save`."""
        self.end_stroke()
        past, mark = self._stack.newest(PAST_BYTES), self._journalling.mark()
        self._saving = SavePoint(past, mark, self._stack.top, self._stack.depth)
        self.state_changed.emit()
        return self._saving

    def restart_journal(self, point: SavePoint, revision_id: int) -> None:
        """Let the journal start from the revision that holds the mask of `point`; safe on a worker thread.

        Raises `EnvironmentFailure`; the journal then still starts from the revision before, which loses nothing.
        """
        self._journalling.restart(point, revision_id)

    def end_save(self, point: SavePoint, restarted: bool = True) -> None:
        """The mask of `point` is a revision now; `restarted` is whether the journal starts from it."""
        self._saving = None
        self._saved_top, self._base_depth = point.top, min(point.depth, self._stack.depth)
        self._start_forgotten = point.start_forgotten
        if restarted:
            self._journalling.restarted(point)
        self.state_changed.emit()

    def drop_save(self, point: SavePoint) -> None:
        """The mask of `point` did not become a revision."""
        if self._saving is point:
            self._saving = None
            self.state_changed.emit()

    def mark_saved(self, revision_id: int) -> None:
        """The mask as it stands is revision `revision_id`; the undo stack stays."""
        point = self.begin_save()
        self.restart_journal(point, revision_id)
        self.end_save(point)

    def _remember(self, edit: VoxelEdit | None) -> VoxelEdit | None:
        if edit is None:
            return None
        depth = self._stack.depth
        forgotten = self._stack.push(edit)
        self._base_depth = max(min(self._base_depth, depth) - forgotten, 0)
        self._start_forgotten |= forgotten > 0
        if self._saving is not None:
            self._saving.made_room(depth, forgotten)
        self._write(self._journalling.edited(edit, self._stack.depth))
        return edit

    def _write(self, entry: JournalEntry) -> None:
        self.state_changed.emit()
        if self._journalling.journal is not None:
            self._journalling.journal.append(entry)
            self.journalled.emit()
