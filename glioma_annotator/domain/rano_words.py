"""The sentences and figures that the reasons of a RANO proposal are made of."""

from __future__ import annotations

from collections.abc import Sequence

from glioma_annotator.domain.rano_visit import RanoVisit
from glioma_annotator.domain.response import LesionMeasurement, ResponseMethod


def remarks(visit: RanoVisit, targets: Sequence[str], method: ResponseMethod) -> list[str]:
    """What the reader should know of how a visit's lesions were measured and followed."""
    told = list(visit.doubts)
    told += [
        f"The diameters of {lesion.lesion} were set on mask {lesion.revision}; mask {visit.revision} counts now:"
        " measure them again."
        for lesion in visit.lesions
        if visit.out_of_date(lesion)
    ]
    if method is not ResponseMethod.BIDIMENSIONAL:
        return told
    told += [
        f"{target}, a target, has merged with {name}, which counts in the sum."
        for name, gone in sorted(visit.merged.items())
        for target in sorted(gone.intersection(targets))
        if any(lesion.lesion == name for lesion in visit.lesions)
    ]
    told += [
        f"The diameters of {name} run across the resection cavity, which is not measured: adjust them to the solid"
        " part; without one of 10 mm both ways the lesion is not measurable."
        for name in sorted(visit.over_cavity)
    ]
    return told


def ml_text(value: float) -> str:
    """A volume in mL; one that two decimals would show as nothing is said to be less."""
    return f"{value:.2f} mL" if value == 0 or value >= 0.005 else "less than 0.01 mL"


def diameters_text(lesion: LesionMeasurement) -> str:
    return f"{lesion.longest_mm:.1f} x {lesion.perpendicular_mm:.1f} mm"


def change_text(now: float, reference: float) -> str:
    if reference == 0:
        return "no percentage from zero" if now else "unchanged at zero"
    return f"{(now - reference) / reference:+.0%}"


def count_text(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def days_text(earlier: RanoVisit, later: RanoVisit) -> str:
    return f"{later.day - earlier.day} days" if earlier.day is not None and later.day is not None else "some time"
