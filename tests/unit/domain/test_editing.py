"""Voxel edits and the undo stack."""

from __future__ import annotations

import numpy as np

from glioma_annotator.domain.editing import UndoStack, VoxelEdit, edit_from_arrays, edit_from_indices


def an_edit(before: np.ndarray, after: np.ndarray, name: str = "edit") -> VoxelEdit:
    edit = edit_from_arrays(name, before, after)
    assert edit is not None
    return edit


def test_an_edit_holds_only_the_changed_voxels_in_the_smallest_box() -> None:
    before = np.zeros((4, 5, 6), np.uint8)
    after = before.copy()
    after[1, 2, 3] = 1
    after[2, 4, 3] = 2
    edit = an_edit(before, after)
    assert edit.index.size == 2
    assert edit.box.start == (1, 2, 3)
    assert edit.box.stop == (3, 5, 4)


def test_applying_and_reverting_an_edit_are_inverse() -> None:
    rng = np.random.default_rng(1)
    before = rng.integers(0, 4, (5, 6, 7)).astype(np.uint8)
    after = rng.integers(0, 4, (5, 6, 7)).astype(np.uint8)
    labels = before.copy()
    edit = an_edit(before, after)
    edit.apply(labels)
    assert np.array_equal(labels, after)
    edit.revert(labels)
    assert np.array_equal(labels, before)
    edit.apply(labels)
    edit.inverse().apply(labels)
    assert np.array_equal(labels, before)


def test_voxels_that_keep_their_value_are_no_edit() -> None:
    index = np.array([3, 5], np.int64)
    same = np.array([1, 2], np.uint8)
    assert edit_from_indices("nothing", (2, 2, 2), index, same, same) is None


def test_undo_and_redo_walk_through_named_edits() -> None:
    labels = np.zeros((3, 3, 3), np.uint8)
    stack = UndoStack()
    for value in (1, 2, 3):
        after = labels.copy()
        after[value - 1] = value
        edit = an_edit(labels, after, f"paint {value}")
        edit.apply(labels)
        stack.push(edit)
    assert stack.names == ("paint 1", "paint 2", "paint 3")
    stack.undo(labels)
    stack.undo(labels)
    assert (stack.undo_name, stack.redo_name) == ("paint 1", "paint 2")
    assert labels[1].max() == 0
    stack.redo(labels)
    assert (labels[1] == 2).all()


def test_a_new_edit_forgets_what_could_be_redone() -> None:
    labels = np.zeros((2, 2, 2), np.uint8)
    stack = UndoStack()
    first = an_edit(labels, np.ones_like(labels))
    first.apply(labels)
    stack.push(first)
    stack.undo(labels)
    second = an_edit(labels, np.full_like(labels, 2))
    second.apply(labels)
    stack.push(second)
    assert stack.redo_name is None
    assert stack.nbytes == second.nbytes


def test_the_stack_forgets_the_oldest_edits_beyond_its_byte_limit() -> None:
    labels = np.zeros((8, 8, 8), np.uint8)
    stack = UndoStack(limit_bytes=12_000)
    for value in range(1, 5):
        edit = an_edit(labels, np.full_like(labels, value), str(value))
        edit.apply(labels)
        stack.push(edit)
    assert stack.nbytes <= 12_000
    assert stack.names == ("3", "4")


def test_undo_and_redo_of_nothing_do_nothing() -> None:
    labels = np.zeros((2, 2, 2), np.uint8)
    stack = UndoStack()
    assert stack.undo(labels) is None
    assert stack.redo(labels) is None
