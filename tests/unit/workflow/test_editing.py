"""The editor: strokes, locks, undo, journal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from glioma_annotator.domain.edit_rules import EditArea
from glioma_annotator.domain.editing import JournalAction, JournalEntry, VoxelEdit
from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, Label
from glioma_annotator.imaging.brush import Brush
from glioma_annotator.workflow.editing import Editor

GRID = Grid((12, 12, 12), np.eye(4))


class MemoryJournal:
    def __init__(self) -> None:
        self.written: list[JournalEntry] = []
        self.parent_revision_id: int | None = None

    def append(self, entry: JournalEntry) -> None:
        self.written.append(entry)

    def flush(self) -> None:
        self.flushed = len(self.written)

    def entries(self) -> tuple[JournalEntry, ...]:
        return tuple(self.written)

    def mark(self) -> int:
        return len(self.written)

    def restart(self, parent_revision_id: int | None, past: Sequence[VoxelEdit] = (), since: int | None = None) -> None:
        kept = [] if since is None else self.written[since:]
        self.written = [*(JournalEntry(JournalAction.PAST, edit) for edit in past), *kept]
        self.parent_revision_id = parent_revision_id


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
def editor(journal: MemoryJournal) -> Editor:
    return new_editor(journal)


def new_editor(journal: MemoryJournal | None) -> Editor:
    return Editor(np.zeros(GRID.shape, np.uint8), GRID, GLIOMA_POST_TREATMENT, journal)


def stroke(editor: Editor, value: int, *points: tuple[float, float, float], diameter: float = 3.0) -> None:
    editor.begin_stroke(Brush(diameter), value)
    for point in points:
        editor.stroke_to(point)
    editor.end_stroke()


def test_a_stroke_is_one_undo_entry_with_a_name(editor: Editor) -> None:
    stroke(editor, 3, (2, 2, 2), (8, 8, 8), (2, 8, 2))
    assert editor.undo_names == ("Brush ET",)
    assert (editor.labels == 3).sum() > 50
    editor.undo()
    assert not editor.labels.any()
    editor.redo()
    assert editor.redo_name is None
    assert editor.undo_name == "Brush ET"


def test_a_stroke_over_its_own_voxels_undoes_to_what_was_before(editor: Editor) -> None:
    stroke(editor, 2, (5, 5, 5), diameter=6)
    before = editor.labels.copy()
    stroke(editor, 3, (4, 5, 5), (6, 5, 5), (4, 5, 5))
    editor.undo()
    assert np.array_equal(editor.labels, before)


def test_erasing_is_named_so(editor: Editor) -> None:
    stroke(editor, 1, (5, 5, 5))
    stroke(editor, 0, (5, 5, 5))
    assert editor.undo_name == "Erase"
    assert not editor.labels.any()


def test_every_change_announces_its_box(editor: Editor) -> None:
    boxes: list[Box] = []
    editor.changed.connect(boxes.append)
    stroke(editor, 1, (5, 5, 5), diameter=0.1)
    assert boxes == [Box((5, 5, 5), (6, 6, 6))]


def test_a_locked_label_is_changed_by_no_tool(editor: Editor) -> None:
    stroke(editor, 2, (5, 5, 5), diameter=6)
    editor.set_locked(2, True)
    locked = editor.labels == 2
    stroke(editor, 0, (5, 5, 5), diameter=12)
    stroke(editor, 3, (5, 5, 5), diameter=12)
    editor.apply("Accept proposal", np.full(GRID.shape, 1, np.uint8))
    assert (editor.labels[locked] == 2).all()
    assert (editor.labels[~locked] == 1).all()


def test_rules_on_a_label_that_is_gone_do_not_wait_for_the_next_of_its_value(editor: Editor) -> None:
    own = Label(9, "CYST", "Cyst", "#00FFFF")
    without, along = editor.scheme, editor.scheme.with_label(own)
    editor.use_scheme(along)
    editor.set_locked(9, True)
    editor.set_locked(3, True)
    editor.set_paint_over({0, 9})
    kept = editor.rules
    editor.use_scheme(without)
    editor.use_scheme(along)
    assert editor.locked == {3} and editor.rules.paint_over == {0}
    editor.use_scheme(without)
    editor.use_rules(kept)  # another visit's, from before the label was deleted
    assert editor.locked == {3}


def test_a_locked_label_is_not_painted_either(editor: Editor) -> None:
    editor.set_locked(4, True)
    stroke(editor, 4, (5, 5, 5))
    assert not editor.labels.any()
    assert editor.undo_name is None


def test_a_stroke_that_changes_nothing_leaves_no_entry(editor: Editor, journal: MemoryJournal) -> None:
    stroke(editor, 0, (5, 5, 5))
    assert editor.undo_name is None
    assert journal.written == []
    assert not editor.unsaved


def test_replaying_the_journal_gives_the_same_mask(editor: Editor, journal: MemoryJournal) -> None:
    stroke(editor, 3, (2, 2, 2), (9, 9, 9))
    stroke(editor, 1, (5, 5, 5))
    editor.undo()
    stroke(editor, 2, (8, 2, 2))
    editor.undo()
    editor.redo()
    again = new_editor(MemoryJournal())
    assert again.replay(journal.entries()) == 6
    assert np.array_equal(again.labels, editor.labels)
    assert again.undo_names == editor.undo_names
    assert again.unsaved


def test_undo_beyond_the_last_revision_survives_a_crash(editor: Editor, journal: MemoryJournal) -> None:
    stroke(editor, 3, (2, 2, 2))
    stroke(editor, 1, (8, 8, 8))
    saved = editor.labels.copy()
    editor.mark_saved(7)
    assert not editor.unsaved
    editor.undo()
    editor.undo()
    editor.redo()
    stroke(editor, 2, (5, 5, 5))
    editor.undo()
    assert editor.unsaved
    again = Editor(saved, GRID, GLIOMA_POST_TREATMENT, MemoryJournal())
    again.replay(journal.entries())
    assert np.array_equal(again.labels, editor.labels)


def test_undoing_back_to_the_revision_leaves_nothing_unsaved(editor: Editor) -> None:
    stroke(editor, 3, (2, 2, 2))
    editor.mark_saved(1)
    stroke(editor, 1, (8, 8, 8))
    editor.undo()
    assert not editor.unsaved


def test_a_journal_for_a_larger_mask_is_refused(journal: MemoryJournal) -> None:
    large = Editor(np.zeros((20, 20, 20), np.uint8), Grid((20, 20, 20), np.eye(4)), GLIOMA_POST_TREATMENT, journal)
    stroke(large, 1, (18, 18, 18))
    with pytest.raises(ValueError, match="outside the mask"):
        new_editor(None).replay(journal.entries())


def test_a_read_only_editor_changes_nothing() -> None:
    editor = new_editor(None)
    stroke(editor, 3, (5, 5, 5))
    editor.apply("anything", np.ones(GRID.shape, np.uint8))
    assert not editor.labels.any()


def test_steps_undone_past_the_last_save_and_redone_are_recovered(journal: MemoryJournal, editor: Editor) -> None:
    stroke(editor, 1, (2, 2, 2))
    editor.mark_saved(1)
    saved = editor.labels.copy()
    stroke(editor, 3, (8, 8, 8))
    editor.undo()
    editor.undo()
    editor.redo()
    editor.redo()
    recovered = Editor(saved, GRID, GLIOMA_POST_TREATMENT, None)
    recovered.replay(journal.entries())
    assert np.array_equal(recovered.labels, editor.labels)


@pytest.mark.parametrize("seed", range(40))
def test_any_course_of_strokes_undo_redo_and_saves_is_recovered(seed: int) -> None:
    random = np.random.default_rng(seed)
    journal = MemoryJournal()
    editor = Editor(np.zeros(GRID.shape, np.uint8), GRID, GLIOMA_POST_TREATMENT, journal, undo_bytes=1500)
    start = editor.labels.copy()
    for _ in range(40):
        what = random.choice(["stroke", "undo", "redo", "save", "crash"], p=[0.3, 0.3, 0.28, 0.07, 0.05])
        if what == "stroke":
            stroke(editor, int(random.integers(0, 5)), tuple(random.integers(0, 12, 3).astype(float)))
        elif what == "save":
            start = editor.labels.copy()
            editor.mark_saved(1)
        elif what == "crash":
            editor = Editor(start.copy(), GRID, GLIOMA_POST_TREATMENT, journal, undo_bytes=1500)
            editor.replay(journal.entries())
        else:
            editor.undo() if what == "undo" else editor.redo()
        recovered = Editor(start.copy(), GRID, GLIOMA_POST_TREATMENT, None)
        recovered.replay(journal.entries())
        assert np.array_equal(recovered.labels, editor.labels)


@pytest.mark.parametrize("seed", range(60))
def test_steps_made_while_a_revision_is_written_are_kept_whenever_the_program_ends(seed: int) -> None:
    random = np.random.default_rng(seed)
    journal = MemoryJournal()
    editor = Editor(np.zeros(GRID.shape, np.uint8), GRID, GLIOMA_POST_TREATMENT, journal, undo_bytes=1500)
    start = editor.labels.copy()  # what the journal starts from
    saved: list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]] = [start]  # the newest revision
    point, mask, written = None, start, False
    for _ in range(60):
        what = random.choice(["stroke", "undo", "redo", "save", "crash"], p=[0.26, 0.26, 0.2, 0.24, 0.04])
        if what == "stroke":
            stroke(editor, int(random.integers(0, 5)), tuple(random.integers(0, 12, 3).astype(float)))
        elif what == "save" and point is None:
            point, mask, written = editor.begin_save(), editor.labels.copy(), False
        elif what == "save" and point is not None and not written:
            if random.random() < 0.2:  # the disk is full
                editor.drop_save(point)
                point = None
            else:
                editor.restart_journal(point, 1)
                start, written = mask, True
                saved.append(mask)
        elif what == "save" and point is not None:
            editor.end_save(point)
            point = None
        elif what == "crash":
            editor = Editor(start.copy(), GRID, GLIOMA_POST_TREATMENT, journal, undo_bytes=1500)
            editor.replay(journal.entries())
            point = None
        else:
            editor.undo() if what == "undo" else editor.redo()
        recovered = Editor(start.copy(), GRID, GLIOMA_POST_TREATMENT, None)
        recovered.replay(journal.entries())
        assert np.array_equal(recovered.labels, editor.labels)
        if point is None and not editor.unsaved:
            assert np.array_equal(editor.labels, saved[-1])


def test_steps_made_while_a_revision_is_written_are_unsaved_and_can_all_be_undone(
    editor: Editor, journal: MemoryJournal
) -> None:
    stroke(editor, 1, (2, 2, 2))
    point = editor.begin_save()
    assert editor.unsaved
    stroke(editor, 2, (8, 8, 8))
    editor.restart_journal(point, 1)
    stroke(editor, 3, (5, 5, 5))
    editor.end_save(point)
    assert editor.unsaved and len(editor.unsaved_edits) == 2
    assert [entry.action.value for entry in journal.entries()] == ["past", "edit", "edit"]
    assert editor.go_to_saved() == 2 and not editor.unsaved
    editor.undo()
    assert not editor.labels.any() and editor.unsaved
    assert [entry.action.value for entry in journal.entries()][-3:] == ["undo"] * 3


def test_a_revision_that_could_not_be_written_leaves_the_mask_unsaved(editor: Editor, journal: MemoryJournal) -> None:
    stroke(editor, 1, (2, 2, 2))
    editor.drop_save(editor.begin_save())
    assert editor.unsaved and editor.undo_name == "Brush NETC"
    editor.undo()
    again = new_editor(MemoryJournal())
    again.replay(journal.entries())
    assert not again.labels.any()


def test_a_mask_whose_first_steps_left_the_undo_stack_counts_as_unsaved(journal: MemoryJournal) -> None:
    editor = Editor(np.zeros(GRID.shape, np.uint8), GRID, GLIOMA_POST_TREATMENT, journal, undo_bytes=1)
    stroke(editor, 1, (2, 2, 2))
    stroke(editor, 3, (8, 8, 8))
    editor.undo()
    assert editor.labels.any()
    assert editor.undo_name is None
    assert editor.unsaved


def test_a_saved_mask_counts_as_saved_after_a_restart_and_its_steps_can_be_undone(
    journal: MemoryJournal, editor: Editor
) -> None:
    stroke(editor, 1, (2, 2, 2))
    editor.mark_saved(1)
    again = Editor(editor.labels.copy(), GRID, GLIOMA_POST_TREATMENT, MemoryJournal())
    assert again.replay(journal.entries()) == 0
    assert not again.unsaved
    assert again.unsaved_edits == ()
    again.undo()
    assert again.unsaved
    assert not again.labels.any()


def test_going_to_an_entry_takes_the_steps_one_by_one_into_the_journal(journal: MemoryJournal, editor: Editor) -> None:
    for n in range(4):
        stroke(editor, 1 + n % 3, (2 + 2 * n, 5, 5))
    assert editor.go_to(1) == 3
    assert [entry.action.value for entry in journal.written[-3:]] == ["undo"] * 3
    assert editor.history == ("Brush NETC", "Brush SNFH", "Brush ET", "Brush NETC")
    assert editor.go_to(3) == 2
    assert editor.go_to(99) == 1  # as far as there is


def test_undo_memory_of_a_hundred_strokes_stays_under_fifty_megabytes() -> None:
    grid = Grid((120, 120, 100), np.eye(4))
    editor = Editor(np.zeros(grid.shape, np.uint8), grid, GLIOMA_POST_TREATMENT, MemoryJournal())
    for n in range(100):
        stroke_on(editor, 1 + n % 4, (20 + n % 70, 30 + n % 50, 50.0))
    assert len(editor.history) == 100
    assert editor.undo_bytes < 50e6


def stroke_on(editor: Editor, value: int, at: tuple[float, float, float]) -> None:
    editor.begin_stroke(Brush(27.0), value)  # a ball of about 10,000 voxels
    editor.stroke_to(at)
    editor.end_stroke()


def test_an_area_of_another_shape_is_refused(editor: Editor) -> None:
    with pytest.raises(ValueError, match="shape"):
        editor.set_inside(EditArea("the brain", np.ones((3, 3, 3), dtype=np.bool_)))


def test_going_back_to_the_saved_mask_undoes_what_came_after_or_redoes_what_was_undone(editor: Editor) -> None:
    stroke(editor, 1, (2, 2, 2))
    stroke(editor, 2, (8, 8, 8))
    editor.mark_saved(1)
    saved = editor.labels.copy()
    stroke(editor, 3, (5, 5, 5))
    assert editor.go_to_saved() == 1
    assert np.array_equal(editor.labels, saved) and not editor.unsaved
    editor.go_to(0)
    assert editor.unsaved
    assert editor.go_to_saved() == 2
    assert np.array_equal(editor.labels, saved) and not editor.unsaved


def test_a_step_is_in_the_journal_when_it_is_said_to_be_and_on_the_disk_after_a_flush(
    editor: Editor, journal: MemoryJournal
) -> None:
    told: list[int] = []
    editor.journalled.connect(lambda: told.append(len(journal.written)))
    editor.set_voxels("Fill", np.array([5]), 2)
    editor.undo()
    editor.redo()
    assert told == [1, 2, 3]
    editor.flush()
    assert journal.flushed == 3


def test_a_step_made_on_less_than_was_saved_counts_as_unsaved_after_a_restart(
    journal: MemoryJournal, editor: Editor
) -> None:
    stroke(editor, 1, (2, 2, 2))
    editor.mark_saved(1)
    saved = editor.labels.copy()
    editor.undo()
    stroke(editor, 3, (8, 8, 8))
    again = Editor(saved.copy(), GRID, GLIOMA_POST_TREATMENT, MemoryJournal())
    again.replay(journal.entries())
    assert np.array_equal(again.labels, editor.labels)
    assert [edit.name for edit in again.unsaved_edits] == [edit.name for edit in editor.unsaved_edits] == ["Brush ET"]


def test_the_saved_mask_is_taken_in_one_step_whatever_is_locked(editor: Editor) -> None:
    stroke(editor, 1, (2, 2, 2))
    editor.mark_saved(1)
    saved = editor.labels.copy()
    editor.undo()
    stroke(editor, 3, (8, 8, 8))
    mine = editor.labels.copy()
    editor.set_locked(3, True)
    editor.take_saved("Discard unsaved steps", saved)
    assert np.array_equal(editor.labels, saved)
    assert not editor.unsaved and editor.unsaved_edits == ()
    editor.undo()
    assert np.array_equal(editor.labels, mine) and editor.unsaved
    editor.go_to_saved()
    assert np.array_equal(editor.labels, saved) and not editor.unsaved
