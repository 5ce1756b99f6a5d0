"""Where two visits of a patient lie in one another, as a reader accepted it."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field

from glioma_annotator.domain.finding import Point
from glioma_annotator.domain.identity import new_id, utc_now


@dataclass(frozen=True, slots=True)
class AcceptedRegistration:
    """One visit registered to another and checked by a reader.

    Attributes
    ----------
    patient: patient key.
    timepoint: key of the fixed visit.
    other: key of the visit that was registered to it.
    matrix: 4 x 4 by rows, world RAS mm of the fixed visit to those of the other one, as it was found.
    method: what the matrix may do (`imaging.registration.Method`).
    sequence: the sequence of both that was registered; empty where the headers put them.
    metric: Mattes mutual information that the optimiser reached, in nats.
    quality, quality_found, quality_before: shared information, 0 to 1, with the nudge, as found, and by the headers.
    centre_mm: what the nudge turns about, world RAS mm of the fixed visit.
    shift_mm, rotation_deg: the nudge by hand.
    author, created_utc: who accepted it, and when.

    Raises `ValueError` for a matrix that is not 16 finite numbers, or a visit registered to itself.
    """

    patient: str
    timepoint: str
    other: str
    matrix: tuple[float, ...]
    method: str
    sequence: str = ""
    metric: float = 0.0
    quality: float = 0.0
    quality_found: float = 0.0
    quality_before: float = 0.0
    centre_mm: Point = (0.0, 0.0, 0.0)
    shift_mm: Point = (0.0, 0.0, 0.0)
    rotation_deg: Point = (0.0, 0.0, 0.0)
    author: str = ""
    created_utc: dt.datetime = field(default_factory=utc_now)
    id: str = field(default_factory=new_id)

    def __post_init__(self) -> None:
        if len(self.matrix) != 16 or not all(math.isfinite(value) for value in self.matrix):
            raise ValueError("a registration has a matrix of 16 finite numbers")
        if self.timepoint == self.other:
            raise ValueError("a visit is registered to another one")

    def joins(self, one: str, other: str) -> bool:
        """Whether it is of these two visits, in either order."""
        return {self.timepoint, self.other} == {one, other}
