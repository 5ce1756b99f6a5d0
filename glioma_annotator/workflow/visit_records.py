"""What is read for a visit that opens, and what is written of its mask: handed from one thread to the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from glioma_annotator.domain.editing import JournalEntry
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import RevisionOrigin, SegmentationRevision
from glioma_annotator.domain.sequences import Window
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.workflow.journalling import SavePoint


@dataclass(frozen=True, slots=True, eq=False)
class LoadedTimepoint:
    """What a worker reads from disk for a visit; immutable, handed over to the window's thread.

    `labels` is the mask that the journalled `steps` start from, revision `parent_id` (None: an empty mask).
    """

    timepoint: Timepoint
    images: Mapping[str, Volume]
    windows: Mapping[str, Window]
    labels: LabelArray
    parent_id: int | None
    steps: tuple[JournalEntry, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Saving:
    """A mask on its way to a revision; `labels` is its own copy (i, j, k), the others as in `Store.add_revision`."""

    labels: LabelArray
    scheme: LabelScheme
    point: SavePoint
    parent_id: int | None
    origin: RevisionOrigin
    model: str
    note: str
    minutes: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """A revision that is stored; `failure` is why the journal does not start from it yet, which loses nothing."""

    revision: SegmentationRevision
    failure: EnvironmentFailure | None = None
