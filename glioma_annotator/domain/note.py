"""Notes of the reader and texts of reports, searched together with the findings."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum

from glioma_annotator.domain.identity import new_id, utc_now


class NoteKind(StrEnum):
    """What a text is."""

    NOTE = "note"
    RADIOLOGY = "radiology report"
    PATHOLOGY = "pathology report"
    OPERATION = "operation report"
    BOARD = "tumour board"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class Note:
    """A text about a patient or a visit.

    Attributes
    ----------
    patient: patient key.
    text: what it says.
    kind: the reader's own note, or what report.
    title: one line; may be empty.
    timepoint: key of the visit it belongs to; empty for the patient as a whole.
    author: who wrote the text.
    date, day: when it was written: a calendar date, or days since the first visit; one of them at most.
    created_utc: when it was entered.

    Raises `ValueError` for both a date and a day.
    """

    patient: str
    text: str
    kind: NoteKind = NoteKind.NOTE
    title: str = ""
    timepoint: str = ""
    author: str = ""
    date: dt.date | None = None
    day: int | None = None
    created_utc: dt.datetime = field(default_factory=utc_now)
    id: str = field(default_factory=new_id)

    def __post_init__(self) -> None:
        if self.date is not None and self.day is not None:
            raise ValueError("a note has a date or a day, not both")
