"""Segmentation revisions: immutable states of a timepoint's mask."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.volume import LabelArray


class RevisionOrigin(StrEnum):
    """How a revision was made."""

    MANUAL = "manual"
    AUTOMATIC = "automatic"
    SEMI_AUTOMATIC = "semi-automatic"
    PROPAGATED = "propagated"
    IMPORTED = "imported"


class RevisionStatus(StrEnum):
    DRAFT = "draft"
    APPROVED = "approved"


@dataclass(frozen=True, slots=True, eq=False)
class ImportedMask:
    """A mask that comes into the workspace together with its visit: uint8 `labels` (i, j, k) on the visit's grid."""

    labels: LabelArray
    scheme: LabelScheme
    author: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class SegmentationRevision:
    """An immutable mask of a timepoint.

    Attributes
    ----------
    timepoint_id: database key of the timepoint.
    number: counted from 1 within the timepoint.
    origin: how it was made.
    author: who made it.
    created_utc: when, timezone-aware UTC.
    content_sha256: of the label array's bytes in C order with its shape, see `db`.
    path: the mask's file, relative to the workspace folder, in POSIX form.
    scheme: name of the label scheme.
    volumes_ml: volume in mL by label name.
    parent_id: the revision it was made from; None for a first one.
    model: name and weights hash of the model that proposed it (`name@sha256`), empty when none did.
    note: free text, such as what an imported file was called.
    minutes: active minutes since the revision before by the tool in hand; empty when they were not counted.
    """

    timepoint_id: int
    number: int
    origin: RevisionOrigin
    author: str
    created_utc: dt.datetime
    content_sha256: str
    path: str
    scheme: str
    volumes_ml: Mapping[str, float] = field(default_factory=dict)
    status: RevisionStatus = RevisionStatus.DRAFT
    parent_id: int | None = None
    model: str = ""
    note: str = ""
    minutes: Mapping[str, float] = field(default_factory=dict)
    id: int | None = None
