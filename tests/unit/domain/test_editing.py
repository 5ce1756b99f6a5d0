"""Voxel edits and the undo stack."""

from __future__ import annotations

import numpy as np
import pytest

from glioma_annotator.domain import editing
from glioma_annotator.domain.editing import (
    UndoStack,
    VoxelEdit,
    box_of,
    differing,
    edit_from_arrays,
    edit_from_indices,
)
from glioma_annotator.domain.geometry import Box


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


@pytest.mark.parametrize("at_once", [7, 64, 10**6])
def test_what_differs_is_found_whatever_pieces_are_compared(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(editing, "_COMPARED_AT_ONCE", at_once)
    rng = np.random.default_rng(2)
    before = rng.integers(0, 3, (5, 6, 7)).astype(np.uint8)
    after = rng.integers(0, 3, (5, 6, 7)).astype(np.uint8)
    index = differing(before, after)
    assert index.dtype == np.int64
    assert np.array_equal(index, np.flatnonzero(before != after))
    assert differing(before, before.copy()).size == 0
    with pytest.raises(ValueError, match="shapes"):
        differing(before, after[:4])


def test_an_edit_from_voxels_in_any_order_is_in_order() -> None:
    index = np.array([119, 3, 40])
    edit = edit_from_indices("edit", (4, 5, 6), index, np.zeros(3, np.uint8), np.array([1, 2, 3], np.uint8))
    assert edit is not None
    assert edit.index.tolist() == [3, 40, 119]
    assert edit.new.tolist() == [2, 3, 1]
    assert edit.box == Box((0, 0, 3), (4, 5, 6))


def test_the_box_of_voxels_counts_beyond_32_bits() -> None:
    shape = (2000, 2000, 2000)
    index = np.ravel_multi_index(([1, 1999], [1500, 3], [7, 1998]), shape).astype(np.int64)
    assert box_of(index, shape) == Box((1, 3, 7), (2000, 1501, 1999))
