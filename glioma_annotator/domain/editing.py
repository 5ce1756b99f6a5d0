"""Voxel edits and the one undo stack.

An edit stores the changed voxels only: their flat indices in the mask, the values before and the values after. Every
tool, an accepted proposal and a restored revision produce the same kind of edit, so one stack undoes them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box, Shape
from glioma_annotator.domain.volume import LabelArray

_COMPARED_AT_ONCE = 2**19


@dataclass(frozen=True, slots=True, eq=False)
class VoxelEdit:
    """A reversible change of a label array.

    Attributes
    ----------
    name: what the reader did, e.g. "Brush ET".
    box: the smallest box that holds the changed voxels.
    index: flat C-order indices of the changed voxels in the whole array, int64, ascending, unique.
    old: label values before, uint8, as long as `index`.
    new: label values after.
    model: identity of the model whose proposal this edit accepts; empty for an edit by hand.
    """

    name: str
    box: Box
    index: NDArray[np.int64]
    old: NDArray[np.uint8]
    new: NDArray[np.uint8]
    model: str = ""

    @property
    def nbytes(self) -> int:
        return self.index.nbytes + self.old.nbytes + self.new.nbytes

    def apply(self, labels: LabelArray) -> None:
        """Write the new values into `labels` (C-contiguous) in place."""
        labels.reshape(-1)[self.index] = self.new

    def revert(self, labels: LabelArray) -> None:
        """Write the old values back in place."""
        labels.reshape(-1)[self.index] = self.old

    def inverse(self) -> VoxelEdit:
        """The edit that takes this one back."""
        return VoxelEdit(f"Undo {self.name}", self.box, self.index, self.new, self.old)


class JournalAction(StrEnum):
    EDIT = "edit"
    UNDO = "undo"
    REDO = "redo"
    PAST = "past"


@dataclass(frozen=True, slots=True, eq=False)
class JournalEntry:
    """One step after the parent revision: an edit made, or the last one undone, or the last undone one redone.

    A PAST entry is an edit that the parent revision holds already; it is kept so that undo reaches back beyond it.
    PAST entries come first.
    """

    action: JournalAction
    edit: VoxelEdit | None = None


def edit_from_indices(
    name: str, shape: tuple[int, int, int], index: NDArray[np.int64], old: NDArray[np.uint8], new: NDArray[np.uint8]
) -> VoxelEdit | None:
    """An edit from flat indices (unique), keeping only voxels whose value changes; None when none does."""
    changed = old != new
    if not changed.all():
        index, old, new = index[changed], old[changed], new[changed]
    if index.size == 0:
        return None
    if np.any(index[1:] < index[:-1]):
        order = np.argsort(index)
        index, old, new = index[order], old[order], new[order]
    return VoxelEdit(name, box_of(index, shape), index, old, new)


def box_of(index: NDArray[np.int64], shape: Shape) -> Box:
    """The smallest box that holds the voxels at ascending flat C-order indices (n,), n > 0, of an array."""
    # In 32 bits where that suffices: half the memory, and half the time of a division.
    kind = np.int32 if index[-1] < 2**31 else np.int64
    row, k = np.divmod(index.astype(kind), shape[2])
    j = row % shape[1]
    start = (int(row[0]) // shape[1], int(j.min()), int(k.min()))
    return Box(start, (int(row[-1]) // shape[1] + 1, int(j.max()) + 1, int(k.max()) + 1))


def edit_from_arrays(name: str, before: LabelArray, after: LabelArray) -> VoxelEdit | None:
    """The edit that turns `before` (i, j, k) into `after` of the same shape; None when they are equal."""
    index = differing(before, after)
    return edit_from_indices(name, before.shape, index, before.reshape(-1)[index], after.reshape(-1)[index])


def differing(before: LabelArray, after: LabelArray) -> NDArray[np.int64]:
    """Flat C-order indices, ascending, of the voxels where two masks (i, j, k) of one shape differ.

    In pieces, so that no array of the masks' size is made: new memory takes longer than the comparison.
    """
    if before.shape != after.shape:
        raise ValueError(f"masks of shapes {before.shape} and {after.shape}")
    then, now = before.reshape(-1), after.reshape(-1)
    starts = range(0, then.size, _COMPARED_AT_ONCE)
    pieces = [(then[s : s + _COMPARED_AT_ONCE] != now[s : s + _COMPARED_AT_ONCE]).nonzero()[0] + s for s in starts]
    return np.concatenate(pieces).astype(np.int64, copy=False) if pieces else np.zeros(0, dtype=np.int64)


class UndoStack:
    """Undo and redo of voxel edits, bounded by bytes: the oldest edits are forgotten first.

    Parameters
    ----------
    limit_bytes: memory that the remembered edits may take.
    """

    def __init__(self, limit_bytes: int = 256 * 2**20) -> None:
        self.limit_bytes = limit_bytes
        self._done: list[VoxelEdit] = []
        self._undone: list[VoxelEdit] = []
        self._bytes = 0

    def push(self, edit: VoxelEdit) -> int:
        """Remember an edit that has been applied; whatever was undone before can no longer be redone.

        Returns how many of the oldest edits were forgotten for it.
        """
        self._bytes -= sum(e.nbytes for e in self._undone)
        self._undone.clear()
        self._done.append(edit)
        self._bytes += edit.nbytes
        forgotten = 0
        while self._bytes > self.limit_bytes and len(self._done) > 1:
            self._bytes -= self._done.pop(0).nbytes
            forgotten += 1
        return forgotten

    def undo(self, labels: LabelArray) -> VoxelEdit | None:
        """Take the last edit back in `labels`; None when there is nothing to undo."""
        return self._move(self._done, self._undone, lambda edit: edit.revert(labels))

    def redo(self, labels: LabelArray) -> VoxelEdit | None:
        """Apply the last undone edit again; None when there is nothing to redo."""
        return self._move(self._undone, self._done, lambda edit: edit.apply(labels))

    def remember(self, edit: VoxelEdit) -> None:
        """Add an edit that has been applied, without forgetting any: a history is read again."""
        self._done.append(edit)
        self._bytes += edit.nbytes

    def newest(self, limit_bytes: int) -> tuple[VoxelEdit, ...]:
        """The newest edits that can be undone and take no more than `limit_bytes` together, oldest first."""
        kept: list[VoxelEdit] = []
        for edit in reversed(self._done):
            limit_bytes -= edit.nbytes
            if limit_bytes < 0:
                break
            kept.append(edit)
        return tuple(reversed(kept))

    @staticmethod
    def _move(source: list[VoxelEdit], target: list[VoxelEdit], act: Callable[[VoxelEdit], None]) -> VoxelEdit | None:
        if not source:
            return None
        edit = source.pop()
        act(edit)
        target.append(edit)
        return edit

    @property
    def undo_name(self) -> str | None:
        return self._done[-1].name if self._done else None

    @property
    def redo_name(self) -> str | None:
        return self._undone[-1].name if self._undone else None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the edits that can be undone, oldest first."""
        return tuple(e.name for e in self._done)

    @property
    def done(self) -> tuple[VoxelEdit, ...]:
        """The edits that can be undone, oldest first."""
        return tuple(self._done)

    @property
    def undone(self) -> tuple[VoxelEdit, ...]:
        """The edits that can be redone; the last one is redone first."""
        return tuple(self._undone)

    @property
    def top(self) -> VoxelEdit | None:
        """The last edit that stands; None when none does."""
        return self._done[-1] if self._done else None

    @property
    def depth(self) -> int:
        return len(self._done)

    @property
    def history(self) -> tuple[str, ...]:
        """Names of all edits, oldest first: the first `depth` stand, the others are undone."""
        return tuple(e.name for e in (*self._done, *reversed(self._undone)))

    @property
    def nbytes(self) -> int:
        return self._bytes
