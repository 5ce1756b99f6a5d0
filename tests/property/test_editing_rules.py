"""What holds for every edit: the rules, undo and redo, the journal."""

from __future__ import annotations

import numpy as np
from fakes import FakeJournal
from hypothesis import given, settings
from hypothesis import strategies as st

from glioma_annotator.domain.edit_rules import EditArea, EditRules
from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.imaging.brush import Brush
from glioma_annotator.workflow.difference import Difference
from glioma_annotator.workflow.editing import Editor
from glioma_annotator.workflow.proposal import merged
from glioma_annotator.workflow.strokes import LikeCentre, Paint, WithinRange

GRID = Grid((10, 9, 8), np.diag([1.0, 1.5, 2.0, 1.0]))
few = settings(max_examples=60, deadline=None)


def new_editor(random: np.random.Generator, journal: FakeJournal | None = None) -> Editor:
    labels = random.integers(0, 5, GRID.shape).astype(np.uint8)
    return Editor(labels, GRID, GLIOMA_POST_TREATMENT, journal or FakeJournal())


def act(editor: Editor, random: np.random.Generator) -> None:
    """Any one edit that tools make."""
    kind = random.integers(0, 6)
    value = int(random.integers(0, 5))
    image = random.normal(100, 30, GRID.shape)
    if kind == 0:
        editor.set_voxels("Fill", np.unique(random.integers(0, editor.labels.size, 40)), value)
    elif kind == 1:
        editor.apply("Margin", np.roll(editor.labels, 1, axis=int(random.integers(0, 3))))
    elif kind == 2:
        index = np.unique(random.integers(0, editor.labels.size, 40))
        editor.set_voxels("Copy", index, random.integers(0, 5, index.shape).astype(np.uint8), "model@1")
    else:
        choosers = {3: None, 4: WithinRange(image, 80, 120, bool(random.integers(0, 2))), 5: LikeCentre(image, 2.0)}
        source = random.integers(0, 5, GRID.shape).astype(np.uint8) if random.random() < 0.3 else None
        brush = Brush(float(random.uniform(1, 6)), [None, 0, 1, 2][random.integers(0, 4)])
        editor.begin(Paint(brush, value, chooser=choosers[int(kind)], source=source))
        for _ in range(3):
            editor.stroke_to(tuple(random.uniform(-2, 11, 3)))
        editor.end_stroke()


@few
@given(seed=st.integers(0, 2**31), locked=st.sets(st.integers(1, 4)))
def test_locked_labels_never_change(seed: int, locked: set[int]) -> None:
    random = np.random.default_rng(seed)
    editor = new_editor(random)
    for value in locked:
        editor.set_locked(value, True)
    before = {value: editor.labels == value for value in locked}
    for _ in range(6):
        act(editor, random)
    assert all(np.array_equal(editor.labels == value, mask) for value, mask in before.items())


@few
@given(seed=st.integers(0, 2**31), data=st.data())
def test_nothing_changes_outside_the_area_that_may_be_edited(seed: int, data: st.DataObject) -> None:
    random = np.random.default_rng(seed)
    editor = new_editor(random)
    low = [data.draw(st.integers(-2, n - 1)) for n in GRID.shape]
    high = [data.draw(st.integers(a, 11)) for a in low]
    area = EditArea.of_box(Box((low[0], low[1], low[2]), (high[0], high[1], high[2])), GRID.shape)
    editor.set_inside(area)
    before = editor.labels.copy()
    for _ in range(6):
        act(editor, random)
    assert np.array_equal(editor.labels[~area.mask], before[~area.mask])


@few
@given(seed=st.integers(0, 2**31), over=st.sets(st.integers(0, 4)))
def test_a_label_replaces_only_what_may_be_painted_over(seed: int, over: set[int]) -> None:
    random = np.random.default_rng(seed)
    editor = new_editor(random)
    editor.set_paint_over(over)
    for _ in range(6):
        before = editor.labels.copy()
        act(editor, random)
        protected = ~np.isin(before, sorted(over))
        now = editor.labels[protected]
        assert ((now == before[protected]) | (now == 0)).all()
        if not np.array_equal(editor.labels, before):
            name = editor.undo_name
            assert name == "Erase" or (now == before[protected]).all() or name == "Fill"


@few
@given(seed=st.integers(0, 2**31), own=st.sets(st.integers(5, 7)), values=st.sets(st.integers(1, 7)))
def test_no_way_of_accepting_a_proposal_takes_a_voxel_from_a_label_it_has_no_name_for(
    seed: int, own: set[int], values: set[int]
) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 8, GRID.shape).astype(np.uint8)
    proposed = random.integers(0, 5, GRID.shape).astype(np.uint8)
    editor = Editor(labels, GRID, GLIOMA_POST_TREATMENT, FakeJournal())
    before = {value: editor.labels == value for value in own}
    difference = Difference(editor.labels, proposed, own)
    spared = np.isin(editor.labels, sorted(own))
    assert not difference.added[spared].any() and not difference.removed[spared].any()  # nor are they hatched

    def brush() -> None:
        editor.begin(Paint(Brush(6.0), 1, source=proposed, model="m@1", spared=frozenset(own)))
        for _ in range(3):
            editor.stroke_to(tuple(random.uniform(-2, 11, 3)))
        editor.end_stroke()

    def component() -> None:
        index = difference.component(tuple(random.integers(0, GRID.shape).tolist()))
        editor.set_voxels("Accept", index, proposed.reshape(-1)[index], "m@1", own)

    def some_labels() -> None:
        editor.apply("Accept", merged(editor.labels, proposed, values), "m@1", own)

    def whole() -> None:
        editor.apply("Accept", merged(editor.labels, proposed, None), "m@1", own)

    for accept in (brush, component, some_labels, whole):
        accept()
        assert all(np.array_equal(editor.labels == value, mask) for value, mask in before.items())
    assert np.array_equal(editor.labels[~spared], proposed[~spared])  # all else is as proposed


def test_the_eraser_erases_although_only_background_may_be_painted_over() -> None:
    editor = new_editor(np.random.default_rng(0))
    editor.set_paint_over({0})
    editor.begin_stroke(Brush(30.0), 0)
    editor.stroke_to((5, 5, 5))
    editor.end_stroke()
    assert not editor.labels.any()


def test_a_proposal_that_clears_a_label_is_held_to_what_may_be_painted_over() -> None:
    rules = EditRules(paint_over=frozenset({0}))
    before, after = np.array([0, 3], np.uint8), np.array([0, 0], np.uint8)
    assert rules.permitted(before, after).tolist() == [0, 3]
    assert rules.permitted(before, after, erasing=True).tolist() == [0, 0]


@few
@given(seed=st.integers(0, 2**31))
def test_undo_then_redo_is_identity_and_any_entry_can_be_gone_to(seed: int) -> None:
    random = np.random.default_rng(seed)
    editor = new_editor(random)
    states = [editor.labels.copy()]
    for _ in range(8):
        depth = editor.depth
        act(editor, random)
        if editor.depth > depth:
            states.append(editor.labels.copy())
    for depth in random.permutation(len(states)).tolist():
        editor.go_to(depth)
        assert editor.depth == depth
        assert np.array_equal(editor.labels, states[depth])
    assert len(editor.history) == len(states) - 1


@few
@given(seed=st.integers(0, 2**31))
def test_undo_reaches_back_beyond_a_save_after_a_restart(seed: int) -> None:
    random = np.random.default_rng(seed)
    journal = FakeJournal()
    editor = new_editor(random, journal)
    start = editor.labels.copy()
    for _ in range(3):
        act(editor, random)
    saved = editor.labels.copy()
    editor.mark_saved(1)
    for _ in range(int(random.integers(0, 3))):
        act(editor, random)
    if random.random() < 0.5:
        editor.go_to(int(random.integers(0, editor.depth + 1)))
    again = Editor(saved.copy(), GRID, GLIOMA_POST_TREATMENT, FakeJournal())
    again.replay(journal.entries())
    assert np.array_equal(again.labels, editor.labels)
    assert again.history == editor.history
    assert again.depth == editor.depth
    assert again.unsaved == editor.unsaved
    again.go_to(0)
    assert np.array_equal(again.labels, start)
    assert again.unsaved == bool(editor.history)
