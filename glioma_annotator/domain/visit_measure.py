"""Volumes of a visit with what they are compared with, as the store keeps them for searching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from glioma_annotator.domain.patient import TreatmentPhase


@dataclass(frozen=True, slots=True)
class VisitMeasure:
    """The volume of one label or region at one visit.

    Attributes
    ----------
    timepoint: key of the visit.
    name: label or region.
    revision: number of the mask that it was measured on.
    volume_ml: mL.
    baseline_ml: mL at the baseline visit; None before it.
    nadir_ml: smallest mL from the baseline on and before this visit; None at the baseline and before it.
    previous_ml: mL at the measured visit before; None at the first one.
    """

    timepoint: str
    name: str
    revision: int
    volume_ml: float
    baseline_ml: float | None = None
    nadir_ml: float | None = None
    previous_ml: float | None = None


def baseline_position(phases: Sequence[TreatmentPhase]) -> int:
    """Position of the baseline among visits in order of the course: the post-radiotherapy baseline, else the first.

    As in RANO 2.0 (Wen et al., J Clin Oncol 2023): change is judged against the scan after radiotherapy.
    """
    phases = list(phases)
    return phases.index(TreatmentPhase.POST_RT_BASELINE) if TreatmentPhase.POST_RT_BASELINE in phases else 0
