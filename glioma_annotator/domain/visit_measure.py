"""Volumes of a visit with what they are compared with, as the store keeps them for searching."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VisitMeasure:
    """The volume of one label or region at one visit.

    Attributes
    ----------
    timepoint: key of the visit.
    name: label or region.
    revision: number of the mask that it was measured on.
    volume_ml: mL.
    baseline_ml: mL at the baseline visit; None at it and before it.
    nadir_ml: smallest mL from the baseline on and before this visit; None likewise.
    previous_ml: mL at the measured visit before; None at the first one.
    """

    timepoint: str
    name: str
    revision: int
    volume_ml: float
    baseline_ml: float | None = None
    nadir_ml: float | None = None
    previous_ml: float | None = None
