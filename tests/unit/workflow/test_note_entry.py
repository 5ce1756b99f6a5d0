"""Notes and reports in lists."""

from __future__ import annotations

import datetime as dt

import numpy as np

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.note import Note, NoteKind
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.workflow.note_entry import in_order, note_title, note_when

GRID = Grid((2, 2, 2), np.eye(4))
VISITS = (
    Timepoint(1, "a", 0, GRID, "T1Gd", date=dt.date(2020, 1, 1)),
    Timepoint(1, "b", 1, GRID, "T1Gd", date=dt.date(2020, 3, 1)),
)


def test_notes_stand_in_the_order_of_the_course() -> None:
    undated, of_visit = Note("P", "undated"), Note("P", "of the second visit", timepoint="b")
    by_day, by_date = Note("P", "day 30", day=30), Note("P", "dated", timepoint="b", date=dt.date(2019, 12, 1))
    assert in_order((undated, of_visit, by_day, by_date), VISITS) == (by_date, by_day, of_visit, undated)


def test_a_note_is_named_by_its_title_else_by_how_it_begins() -> None:
    assert note_title(Note("P", "long text", NoteKind.PATHOLOGY, "Biopsy")) == "pathology report: Biopsy"
    assert note_title(Note("P", "two\n lines")) == "note: two lines"
    assert note_title(Note("P", "word " * 40)).endswith("word…")
    assert [note_when(n) for n in (Note("P", "", day=-3), Note("P", "", date=VISITS[0].date), Note("P", ""))] == [
        "day -3",
        "2020-01-01",
        "",
    ]
