"""Notes of the reader and texts of reports, searched together with the findings."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum

from glioma_annotator.domain.identity import new_id, utc_now


class NoteKind(StrEnum):
    NOTE = "note"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class Note:
    """A text about a patient or a visit.

    Attributes
    ----------
    patient: patient key.
    text: what it says.
    kind: the reader's own note, or a report.
    title: one line; may be empty.
    timepoint: key of the visit it belongs to; empty for the patient as a whole.
    """

    patient: str
    text: str
    kind: NoteKind = NoteKind.NOTE
    title: str = ""
    timepoint: str = ""
    author: str = ""
    created_utc: dt.datetime = field(default_factory=utc_now)
    id: str = field(default_factory=new_id)
