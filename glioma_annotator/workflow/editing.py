"""The editor: the one place that changes a mask.

It owns the authoritative label array of the open timepoint. Tools, accepted proposals and restored revisions all go
through it, so locks, the undo stack and the journal hold for every one of them.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from glioma_annotator.domain.editing import (
    JournalAction,
    JournalEntry,
    UndoStack,
    VoxelEdit,
    edit_from_arrays,
    edit_from_indices,
)
from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.imaging.brush import Brush, line_centres, stroke_indices
from glioma_annotator.workflow.ports import Journal


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
        self._journal = journal
        self._stack = UndoStack(undo_bytes)
        self._locked: frozenset[int] = frozenset()
        self._stroke: _Stroke | None = None
        self._base_depth = 0  # how many of the standing edits the last revision holds
        self._saved_top: VoxelEdit | None = None
        self._start_forgotten = False  # undoing everything no longer leads back to an empty undo stack's mask
        # The newest edits that repeating the journal would leave done and undone.
        self._journal_done: list[VoxelEdit] = []
        self._journal_undone: list[VoxelEdit] = []

    @property
    def read_only(self) -> bool:
        return self._journal is None

    @property
    def locked(self) -> frozenset[int]:
        """Label values that no tool may change, neither from nor to."""
        return self._locked

    def set_locked(self, value: int, locked: bool) -> None:
        self._locked = self._locked | {value} if locked else self._locked - {value}
        self.state_changed.emit()

    # strokes

    @property
    def stroke_active(self) -> bool:
        return self._stroke is not None

    def begin_stroke(self, brush: Brush, value: int) -> None:
        """Start painting label `value` (0 erases); nothing changes before `stroke_to`."""
        if self.read_only:
            return
        self.end_stroke()
        self._stroke = _Stroke(brush, value)

    def stroke_to(self, index: tuple[float, float, float]) -> Box | None:
        """Paint from the stroke's last point to the fractional voxel `index`; the box of what changed, or None."""
        stroke = self._stroke
        if stroke is None:
            return None
        start = stroke.last if stroke.last is not None else index
        voxels = stroke_indices(line_centres(start, index, stroke.brush), stroke.brush, self.grid)
        stroke.last = index
        flat = self.labels.reshape(-1)
        before = flat[voxels]
        after = self._permitted(before, np.full_like(before, stroke.value))
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
        if stroke is None or not stroke.pieces:
            return None
        index = np.concatenate([piece.index for piece in stroke.pieces])
        old = np.concatenate([piece.old for piece in stroke.pieces])
        # A voxel met twice had its first value before the stroke; `unique` keeps the first occurrence.
        index, first = np.unique(index, return_index=True)
        new = self.labels.reshape(-1)[index]
        edit = edit_from_indices(self._stroke_name(stroke.value), self.grid.shape, index, old[first], new)
        return self._remember(edit)

    def _stroke_name(self, value: int) -> str:
        label = self.scheme.label(value)
        return f"Brush {label.name}" if label else "Erase"

    # whole-array edits

    def apply(self, name: str, after: LabelArray, model: str = "") -> VoxelEdit | None:
        """Change the mask to `after` (same shape) as one undoable edit, locked labels left alone.

        `model` is the identity of the model that proposed `after`; empty when a person made it.
        """
        if self.read_only:
            return None
        self.end_stroke()
        permitted = self._permitted(self.labels, after) if self._locked else after
        edit = edit_from_arrays(name, self.labels, permitted)
        if edit is None:
            return None
        edit = dataclasses.replace(edit, model=model)
        edit.apply(self.labels)
        self.changed.emit(edit.box)
        return self._remember(edit)

    def _permitted(self, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if not self._locked:
            return after
        locked = sorted(self._locked)
        return np.where(np.isin(before, locked) | np.isin(after, locked), before, after).astype(np.uint8)

    # undo, redo

    def undo(self) -> VoxelEdit | None:
        self.end_stroke()
        return self._step(JournalAction.UNDO)

    def redo(self) -> VoxelEdit | None:
        self.end_stroke()
        return self._step(JournalAction.REDO)

    def _step(self, action: JournalAction) -> VoxelEdit | None:
        if self.read_only:
            return None
        undoing = action is JournalAction.UNDO
        edit = self._stack.undo(self.labels) if undoing else self._stack.redo(self.labels)
        if edit is None:
            return None
        self.changed.emit(edit.box)
        source, target = self._journal_done, self._journal_undone
        if not undoing:
            source, target = target, source
        if source and source[-1] is edit:
            target.append(source.pop())
            self._write(JournalEntry(action))
        else:  # a step from before the last revision, which the journal does not know: written out in full
            self._write_edit(edit.inverse() if undoing else edit)
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

        Raises `ValueError` when a step does not fit this mask's shape.
        """
        limit, self._stack.limit_bytes = self._stack.limit_bytes, sys.maxsize
        for entry in entries:
            if entry.action is JournalAction.EDIT and entry.edit is not None:
                if entry.edit.index.size and entry.edit.index[-1] >= self.labels.size:
                    raise ValueError("a journalled step lies outside the mask")
                entry.edit.apply(self.labels)
                self._stack.push(entry.edit)
            elif entry.action is JournalAction.UNDO:
                self._stack.undo(self.labels)
            elif entry.action is JournalAction.REDO:
                self._stack.redo(self.labels)
        self._stack.limit_bytes = limit
        self._journal_done, self._journal_undone = list(self._stack.done), list(self._stack.undone)
        return len(entries)

    def mark_saved(self, revision_id: int) -> None:
        """The mask as it stands is revision `revision_id`; the undo stack stays."""
        self._saved_top = self._stack.top
        self._base_depth = self._stack.depth
        self._start_forgotten = False
        self._journal_done, self._journal_undone = [], []
        if self._journal is not None:
            self._journal.restart(revision_id)
        self.state_changed.emit()

    def _remember(self, edit: VoxelEdit | None) -> VoxelEdit | None:
        if edit is None:
            return None
        base = min(self._base_depth, self._stack.depth)
        forgotten = self._stack.push(edit)
        self._base_depth = max(base - forgotten, 0)
        self._start_forgotten |= forgotten > 0
        self._write_edit(edit)
        return edit

    def _write_edit(self, edit: VoxelEdit) -> None:
        # No deeper than the undo stack, so that what that has forgotten does not stay in memory here.
        self._journal_done = [*self._journal_done, edit][-max(self._stack.depth, 1) :]
        self._journal_undone = []
        self._write(JournalEntry(JournalAction.EDIT, edit))

    def _write(self, entry: JournalEntry) -> None:
        self.state_changed.emit()
        if self._journal is not None:
            self._journal.append(entry)


class _Stroke:
    """A stroke in progress: where it was last, and what it changed so far."""

    __slots__ = ("brush", "last", "pieces", "value")

    def __init__(self, brush: Brush, value: int) -> None:
        self.brush = brush
        self.value = value
        self.last: tuple[float, float, float] | None = None
        self.pieces: list[VoxelEdit] = []
