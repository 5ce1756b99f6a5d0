"""Notes and reports as a reader enters them: their order, words for lists, rows for tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from glioma_annotator.domain.course import CourseClock
from glioma_annotator.domain.note import Note
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.plain import to_plain

_LONGEST = 80


def in_order(notes: Iterable[Note], visits: Sequence[Timepoint]) -> tuple[Note, ...]:
    """By the time they were written, else of their visit; those without either last, as they were entered."""
    clock = CourseClock.of(visits)
    days = {visit.key: clock.of_visit(visit) for visit in visits}

    def place(note: Note) -> tuple[float, str]:
        day = clock.day(note.date, note.day)
        day = days.get(note.timepoint) if day is None else day
        return (math.inf if day is None else day), note.created_utc.isoformat()

    return tuple(sorted(notes, key=place))


def note_when(note: Note) -> str:
    """Date or day; empty where neither is known."""
    if note.date is not None:
        return note.date.isoformat()
    return f"day {note.day}" if note.day is not None else ""


def note_title(note: Note) -> str:
    """What it is and its title, else the beginning of its text, in one line."""
    words = " ".join((note.title or note.text).split())
    words = words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1].rstrip()}…"
    return f"{note.kind.value}: {words}" if words else note.kind.value


NOTE_COLUMNS = tuple(field.name for field in fields(Note))


def note_rows(notes: Iterable[Note]) -> list[dict[str, Any]]:
    """One flat row for each."""
    return [to_plain(note) for note in notes]
