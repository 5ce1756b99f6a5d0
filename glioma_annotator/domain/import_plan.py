"""The proposal that an import starts from: which file is which sequence of which visit of which patient.

Recognition fills it in, the reader corrects it in a table (by replacing items), the import carries it out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from glioma_annotator.domain.patient import TreatmentPhase
from glioma_annotator.domain.sequences import SequenceRole


class ImportKind(StrEnum):
    IMAGE = "image"
    MASK = "mask"


class Preparation(StrEnum):
    """What is done to a visit's images before they are stored."""

    NONE = "as it is"
    REGISTER = "register"
    STRIP = "register, strip skull"


@dataclass(frozen=True, slots=True)
class ImportItem:
    """One volume found: a file, or one channel of a 4D file.

    Attributes
    ----------
    path: the file.
    channel: index along the fourth axis of a 4D file; None for a 3D one.
    kind: image or mask.
    patient: patient key.
    visit: key of the visit within the patient.
    role: contrast of an image; OTHER for free sequences and masks.
    name: sequence name within the visit: the role's value, or a free name; for a mask, the file's stem.
    mapping: for a mask, label values found in it to the program's; empty for an image.
    voxel_counts: for a mask, number of voxels by value found (the preview of the mapping).
    why: where the guess comes from, for the reader, e.g. "BraTS 2023 name".
    warnings: contradictions between name and image, and the like; shown, never acted upon.
    include: False leaves it out of the import.
    part_of: masks of a visit with the same text here are parts of one mask; empty for a mask of its own.
    """

    path: Path
    kind: ImportKind
    patient: str
    visit: str
    role: SequenceRole = SequenceRole.OTHER
    name: str = ""
    channel: int | None = None
    mapping: Mapping[int, int] = field(default_factory=dict)
    voxel_counts: Mapping[int, int] = field(default_factory=dict)
    why: str = ""
    warnings: tuple[str, ...] = ()
    include: bool = True
    part_of: str = ""


@dataclass(frozen=True, slots=True)
class ImportVisit:
    """When a visit took place: a date, or a day offset, or only an order (counted from 0 within the patient).

    `preparation` is what its images need before they are stored.
    """

    patient: str
    key: str
    order: int
    date: dt.date | None = None
    day: int | None = None
    phase: TreatmentPhase = TreatmentPhase.UNKNOWN
    preparation: Preparation = Preparation.NONE


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """Everything found below the paths the user gave.

    Attributes
    ----------
    items: what would be imported, in reading order.
    visits: one entry per (patient, visit) that items name.
    problems: files that cannot be imported and why, one sentence each.
    """

    items: tuple[ImportItem, ...]
    visits: tuple[ImportVisit, ...]
    problems: tuple[str, ...] = ()

    @property
    def patients(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(v.patient for v in self.visits))


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import did: counts, ids of the new timepoints, and sentences for the reader."""

    patients: tuple[str, ...]
    timepoint_ids: tuple[int, ...]
    images: int
    masks: int
    messages: tuple[str, ...] = ()
