"""Findings: something seen, tied to a timepoint, a place and usually a component of the mask.

A `Finding` is one sighting at one timepoint. Sightings of the same lesion at several visits share `lesion`, which is
the id of the first of them; `previous` names the sightings of the earlier visit that this one continues (two or more
where lesions merged).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum

from glioma_annotator.domain.geometry import Box
from glioma_annotator.domain.identity import new_id, utc_now

Point = tuple[float, float, float]


class Side(StrEnum):
    """The patient's side."""

    LEFT = "left"
    RIGHT = "right"
    BILATERAL = "bilateral"
    MIDLINE = "midline"
    UNKNOWN = "unknown"


class Confidence(StrEnum):
    POSSIBLE = "possible"
    PROBABLE = "probable"
    CERTAIN = "certain"


class FindingStatus(StrEnum):
    OPEN = "open"
    CONFIRMED = "confirmed"
    RESOLVED = "resolved"
    ARTEFACT = "artefact"


class FindingSource(StrEnum):
    """Where the finding's place came from."""

    CROSSHAIR = "crosshair"
    COMPONENT = "component"  # a connected component of the mask
    REGION = "region"  # drawn by the reader
    TRACKED = "tracked"  # proposed from the visit before


class LesionChange(StrEnum):
    """What became of a lesion since the visit it is compared with."""

    UNCHANGED = "unchanged"
    GROWN = "grown"
    SHRUNK = "shrunk"
    NEW = "new"
    GONE = "gone"
    MERGED = "merged"
    SPLIT = "split"


@dataclass(frozen=True, slots=True)
class FindingKind:
    """One term of the controlled vocabulary, read from a task profile.

    Attributes
    ----------
    code: stable key, e.g. `satellite`; what a finding records.
    title: what the reader sees.
    group: heading in lists, e.g. "VASARI" or "After treatment".
    description: one sentence for the reader.
    vasari: number of the VASARI feature that the term belongs to, e.g. "F24"; empty for other terms.
    labels: mask labels whose components usually are of this kind, best first.
    """

    code: str
    title: str
    group: str
    description: str = ""
    vasari: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A sighting at one timepoint.

    Attributes
    ----------
    patient: patient key.
    timepoint: key of the timepoint within the patient.
    kind: code of a `FindingKind`.
    point_mm: where, world RAS mm at that timepoint; lies inside the component where there is one.
    label: name of the mask label or region that it is a component of; empty for none.
    side, location: where, in words; `location` is a lobe or structure as the reader writes it.
    text: free text.
    status: a sighting proposed by tracking is OPEN until the reader confirms it.
    source: where the place came from.
    revision: number of the segmentation revision within the timepoint that the component belongs to; None for none.
    box: the component's or drawn region's box of voxels on the timepoint's grid; None for a mere point.
    volume_ml: of the component or drawn region; 0 for a lesion that is gone, None for a mere point.
    lesion: stable identity across timepoints; empty stands for this sighting's own id.
    change: since `previous`; None for a first sighting that was not compared with another visit.
    previous: ids of the sightings at the earlier visit that this one continues.
    samples: ids of the histology samples taken from it.
    author: who recorded it; `created_utc` when.
    """

    patient: str
    timepoint: str
    kind: str
    point_mm: Point
    label: str = ""
    side: Side = Side.UNKNOWN
    location: str = ""
    text: str = ""
    confidence: Confidence = Confidence.PROBABLE
    status: FindingStatus = FindingStatus.OPEN
    source: FindingSource = FindingSource.CROSSHAIR
    revision: int | None = None
    box: Box | None = None
    volume_ml: float | None = None
    lesion: str = ""
    change: LesionChange | None = None
    previous: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    author: str = ""
    created_utc: dt.datetime = field(default_factory=utc_now)
    id: str = field(default_factory=new_id)

    def __post_init__(self) -> None:
        if not self.lesion:
            object.__setattr__(self, "lesion", self.id)
