"""Response assessment: measured lesions, the proposed category with its reasons, and the reader's decision.

The rules are in `rano`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from glioma_annotator.domain.finding import Point
from glioma_annotator.domain.identity import new_id, utc_now


class ResponseCategory(StrEnum):
    CR = "CR"
    PR = "PR"
    SD = "SD"
    PD = "PD"
    PRELIMINARY_PD = "PD to be confirmed"
    NOT_EVALUABLE = "not evaluable"
    BASELINE = "baseline"


class ResponseMethod(StrEnum):
    BIDIMENSIONAL = "bidimensional"
    VOLUMETRIC = "volumetric"


@dataclass(frozen=True, slots=True)
class DiameterLine:
    """A straight line between two points, world RAS mm."""

    start_mm: Point
    end_mm: Point


@dataclass(frozen=True, slots=True)
class LesionMeasurement:
    """Two perpendicular diameters and the volume of one lesion at one timepoint.

    Attributes
    ----------
    patient, timepoint: keys.
    lesion: stable identity of the lesion (`Finding.lesion`), or of the component where no finding was made.
    longest_mm, perpendicular_mm: the two diameters in the axial slice with the largest area.
    longest, perpendicular: their lines, for display and for handles; None when only figures are known.
    volume_ml: of the component; None when only diameters are known.
    target: whether it counts in the sum of products.
    adjusted: True once the reader moved a handle; a measured value is replaced, never mixed.
    revision: number of the segmentation revision it was measured on.
    """

    patient: str
    timepoint: str
    lesion: str
    longest_mm: float
    perpendicular_mm: float
    longest: DiameterLine | None = None
    perpendicular: DiameterLine | None = None
    volume_ml: float | None = None
    target: bool = True
    adjusted: bool = False
    revision: int | None = None
    author: str = ""
    created_utc: dt.datetime = field(default_factory=utc_now)
    id: str = field(default_factory=new_id)

    @property
    def product_mm2(self) -> float:
        return self.longest_mm * self.perpendicular_mm


@dataclass(frozen=True, slots=True)
class ResponseAssessment:
    """A response assessment of one timepoint: what the program proposed and what the reader decided.

    Attributes
    ----------
    patient, timepoint: keys.
    method: bidimensional products or volumes.
    proposed: category that the rules lead to.
    reasons: every reason, one sentence each, with its figures.
    inputs: every value that entered the rules, by name; plain JSON values.
    baseline, nadir: keys of the timepoints compared with; empty for none.
    rule: the criteria and their version, e.g. "RANO 2.0".
    decided: the reader's category; None until decided.
    reader, decided_utc, comment: who decided, when, and why where it differs.
    """

    patient: str
    timepoint: str
    method: ResponseMethod
    proposed: ResponseCategory
    reasons: tuple[str, ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)
    baseline: str = ""
    nadir: str = ""
    rule: str = "RANO 2.0"
    decided: ResponseCategory | None = None
    reader: str = ""
    decided_utc: dt.datetime | None = None
    comment: str = ""
    created_utc: dt.datetime = field(default_factory=utc_now)
    id: str = field(default_factory=new_id)

    def __post_init__(self) -> None:
        if (self.decided is None) != (self.decided_utc is None) or (self.decided is not None and not self.reader):
            raise ValueError("a decision has a category, a reader and a time")
