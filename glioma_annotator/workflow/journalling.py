"""What an editor writes into its journal, so that repeating it after a crash gives the mask as it was."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence

import numpy as np

from glioma_annotator.domain.editing import JournalAction, JournalEntry, UndoStack, VoxelEdit
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.workflow.ports import Journal

#: Steps of a saved mask are written to the journal again, so that undo survives a restart; no more than this.
PAST_BYTES = 16 * 2**20


@dataclasses.dataclass(slots=True, eq=False)
class SavePoint:
    """A mask that is becoming a revision while it is edited further.

    Attributes
    ----------
    past: the newest edits that it holds, oldest first.
    mark: where the journal stood.
    top: the last edit that it holds.
    depth: how many of the standing edits it holds.
    start_forgotten: whether undoing all that is remembered no longer leads back to it.
    """

    past: tuple[VoxelEdit, ...]
    mark: int
    top: VoxelEdit | None
    depth: int
    start_forgotten: bool = False

    def made_room(self, depth: int, forgotten: int) -> None:
        """An edit was made when `depth` stood, and the oldest `forgotten` are no longer remembered."""
        self.depth = max(min(self.depth, depth) - forgotten, 0)
        self.start_forgotten |= forgotten > 0


class Journalling:
    """Knows what repeating the journal would leave done and undone; `journal` None is for a mask that is not edited."""

    def __init__(self, journal: Journal | None) -> None:
        self.journal = journal
        self._done: list[VoxelEdit] = []
        self._undone: list[VoxelEdit] = []

    def repeated(self, done: Sequence[VoxelEdit], undone: Sequence[VoxelEdit]) -> None:
        """The journal was repeated."""
        self._done, self._undone = list(done), list(undone)

    def edited(self, edit: VoxelEdit, depth: int) -> JournalEntry:
        """What to write of an edit after which `depth` can be undone."""
        # No deeper than the undo stack, so that what that has forgotten does not stay in memory here.
        self._done = [*self._done, edit][-max(depth, 1) :]
        self._undone = []
        return JournalEntry(JournalAction.EDIT, edit)

    def stepped(self, action: JournalAction, edit: VoxelEdit, depth: int) -> JournalEntry:
        """What to write of an edit that was undone or redone."""
        undoing = action is JournalAction.UNDO
        source, target = (self._done, self._undone) if undoing else (self._undone, self._done)
        if source and source[-1] is edit:
            target.append(source.pop())
            return JournalEntry(action)
        # A step from before the last revision, which the journal does not know: written out in full.
        return self.edited(edit.inverse() if undoing else edit, depth)

    def mark(self) -> int:
        """Where the journal stands.

        From here on it is written so that its steps follow the mask as it stands, too, whatever they undo.
        """
        self._done, self._undone = [], []
        return self.journal.mark() if self.journal is not None else 0

    def restart(self, point: SavePoint, revision_id: int) -> None:
        """Start from a revision that holds the mask of `point`; safe on a worker. Raises `EnvironmentFailure`."""
        if self.journal is not None:
            self.journal.restart(revision_id, point.past, point.mark)

    def restarted(self, point: SavePoint) -> None:
        """The journal starts from the mask of `point`."""
        self._done = [*point.past, *self._done]


def steps_since(
    entries: Sequence[JournalEntry], start: LabelArray, reached: LabelArray
) -> tuple[JournalEntry, ...] | None:
    """Of steps on the mask `start` (i, j, k), those after the mask `reached`; None where they do not come by it.

    The program may end when a revision is written and the journal does not start from it yet. What the revision holds
    already is returned as PAST, so that undo reaches back beyond it.
    """
    labels, stack = start.copy(), UndoStack(sys.maxsize)
    differs = (labels != reached).reshape(-1)
    left = int(np.count_nonzero(differs))
    there = (0, stack.done) if left == 0 else None
    for number, entry in enumerate(entries, start=1):
        edit: VoxelEdit | None = entry.edit
        if entry.action is JournalAction.PAST and edit is not None:
            stack.remember(edit)
        elif entry.action is JournalAction.EDIT and edit is not None:
            edit.apply(labels)
            stack.push(edit)
        else:
            edit = (stack.undo if entry.action is JournalAction.UNDO else stack.redo)(labels)
        if edit is not None:
            now = labels.reshape(-1)[edit.index] != reached.reshape(-1)[edit.index]
            left += int(np.count_nonzero(now)) - int(np.count_nonzero(differs[edit.index]))
            differs[edit.index] = now
        if left == 0 and _stands_alone(entries[number:]):
            there = number, stack.done
    if there is None:
        return None
    number, past = there
    later = tuple(entries[number:])
    return (*(JournalEntry(JournalAction.PAST, edit) for edit in past), *later) if later else ()


def _stands_alone(entries: Sequence[JournalEntry]) -> bool:
    """Whether steps undo and redo nothing but one another."""
    done = undone = 0
    for entry in entries:
        if entry.action is JournalAction.EDIT:
            done, undone = done + 1, 0
        elif entry.action is JournalAction.UNDO:
            done, undone = done - 1, undone + 1
        elif entry.action is JournalAction.REDO:
            done, undone = done + 1, undone - 1
        if done < 0 or undone < 0 or entry.action is JournalAction.PAST:
            return False
    return True
