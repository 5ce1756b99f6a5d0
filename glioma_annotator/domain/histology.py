"""Histology samples, their markers and the integrated diagnosis; the rules that check them are in `cns5`."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum

from glioma_annotator.domain.finding import Point
from glioma_annotator.domain.identity import new_id, utc_now


class Marker(StrEnum):
    """The markers of WHO CNS5 diffuse glioma diagnosis; the value is the column name in tables."""

    IDH1 = "idh1"
    IDH2 = "idh2"
    CODELETION_1P19Q = "codeletion_1p19q"
    ATRX = "atrx"
    TERT = "tert_promoter"
    EGFR = "egfr_amplification"
    GAIN7_LOSS10 = "gain7_loss10"
    CDKN2A = "cdkn2a_b_deletion"
    MGMT = "mgmt_methylation"
    H3_K27 = "h3_k27"
    H3_G34 = "h3_g34"
    P53 = "p53"
    BRAF_V600E = "braf_v600e"
    KI67 = "ki67"
    MICROVASCULAR_PROLIFERATION = "microvascular_proliferation"
    NECROSIS = "necrosis"


class MarkerStatus(StrEnum):
    RESULT = "result"
    NOT_TESTED = "not tested"
    INDETERMINATE = "indeterminate"


@dataclass(frozen=True, slots=True)
class MarkerResult:
    """What is known of one marker in one sample.

    Attributes
    ----------
    altered: for a RESULT, whether the alteration the marker stands for was found (mutated, codeleted, lost, amplified,
        methylated, homozygously deleted, present); None for a percentage.
    percent: for a RESULT of Ki-67, the labelling index 0..100; None otherwise.
    detail: variant or method as the report has it, e.g. "R132H, immunohistochemistry".

    Raises ValueError when status and value contradict each other.
    """

    marker: Marker
    status: MarkerStatus = MarkerStatus.NOT_TESTED
    altered: bool | None = None
    percent: float | None = None
    detail: str = ""

    def __post_init__(self) -> None:
        is_result = self.status is MarkerStatus.RESULT
        valued = self.percent if self.marker is Marker.KI67 else self.altered
        other = self.altered if self.marker is Marker.KI67 else self.percent
        if is_result != (valued is not None) or other is not None:
            raise ValueError(f"{self.marker.value}: a result needs a value of its kind, anything else must have none")
        if self.percent is not None and not 0 <= self.percent <= 100:
            raise ValueError(f"{self.marker.value}: a percentage lies between 0 and 100")


class SampleKind(StrEnum):
    BIOPSY = "biopsy"
    RESECTION = "resection"


class TumourSite(StrEnum):
    """As far as diagnosis depends on it."""

    HEMISPHERIC = "hemispheric"
    MIDLINE = "midline"  # thalamus, brain stem, spinal cord, other midline structures
    UNKNOWN = "unknown"


class TumourType(StrEnum):
    """Adult-type and paediatric-type diffuse gliomas of WHO CNS5 that the rules know."""

    OLIGODENDROGLIOMA = "oligodendroglioma, IDH-mutant and 1p/19q-codeleted"
    ASTROCYTOMA = "astrocytoma, IDH-mutant"
    GLIOBLASTOMA = "glioblastoma, IDH-wildtype"
    DIFFUSE_MIDLINE_GLIOMA = "diffuse midline glioma, H3 K27-altered"
    DIFFUSE_HEMISPHERIC_GLIOMA = "diffuse hemispheric glioma, H3 G34-mutant"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class IntegratedDiagnosis:
    """A diagnosis as the pathologist states it.

    Attributes
    ----------
    type: tumour type.
    grade: WHO grade 1..4; None when none was given.
    suffix: "", "NOS" (not otherwise specified) or "NEC" (not elsewhere classified).
    text: the report's wording where it says more.

    Raises ValueError for a grade outside 1..4 or another suffix.
    """

    type: TumourType
    grade: int | None = None
    suffix: str = ""
    text: str = ""

    def __post_init__(self) -> None:
        if self.grade is not None and self.grade not in (1, 2, 3, 4):
            raise ValueError(f"there is no WHO grade {self.grade}")
        if self.suffix not in ("", "NOS", "NEC"):
            raise ValueError(f"there is no suffix {self.suffix}; it is NOS or NEC")

    @property
    def title(self) -> str:
        words = [self.text or self.type.value if self.type is TumourType.OTHER else self.type.value]
        if self.grade is not None:
            words.append(f"CNS WHO grade {self.grade}")
        return ", ".join(words) + (f", {self.suffix}" if self.suffix else "")


@dataclass(frozen=True, slots=True)
class HistologySample:
    """A biopsy or resection specimen.

    Attributes
    ----------
    patient: patient key.
    kind: biopsy or resection.
    date: of the operation; `day` counts from the first visit where only that is known.
    timepoint: key of the timepoint whose image `sites_mm` refer to; empty for none.
    sites_mm: where it was taken, world RAS mm at that timepoint; none, one or several points.
    site: hemispheric or midline.
    location: the place in words.
    microscopy: the report's description.
    markers: at most one result per marker; an absent marker counts as not tested.
    grade: histological grade as reported, before integration; None when none was given.
    diagnosis: the integrated diagnosis; None while there is none.

    Raises ValueError when a marker occurs twice.
    """

    patient: str
    kind: SampleKind
    date: dt.date | None = None
    day: int | None = None
    timepoint: str = ""
    sites_mm: tuple[Point, ...] = ()
    site: TumourSite = TumourSite.UNKNOWN
    location: str = ""
    microscopy: str = ""
    markers: tuple[MarkerResult, ...] = ()
    grade: int | None = None
    diagnosis: IntegratedDiagnosis | None = None
    author: str = ""
    created_utc: dt.datetime = field(default_factory=utc_now)
    id: str = field(default_factory=new_id)

    def __post_init__(self) -> None:
        if len({m.marker for m in self.markers}) != len(self.markers):
            raise ValueError("a sample has one result per marker")

    def marker(self, marker: Marker) -> MarkerResult:
        """The sample's result of a marker; not tested when it has none."""
        return next((m for m in self.markers if m.marker is marker), MarkerResult(marker))
