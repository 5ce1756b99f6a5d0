"""MR sequences and the roles they play."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SequenceRole(StrEnum):
    """The four conventional contrasts of a glioma study, and everything else."""

    T1 = "T1"
    T1GD = "T1Gd"
    T2 = "T2"
    FLAIR = "FLAIR"
    OTHER = "other"


#: Which sequence serves as the reference grid, best first.
REFERENCE_ORDER = (SequenceRole.T1GD, SequenceRole.FLAIR, SequenceRole.T2, SequenceRole.T1, SequenceRole.OTHER)


@dataclass(frozen=True, slots=True)
class Window:
    """A display window in the units of the image: black at `low`, white at `high`."""

    low: float
    high: float

    @property
    def level(self) -> float:
        return (self.low + self.high) / 2

    @property
    def width(self) -> float:
        return self.high - self.low


@dataclass(frozen=True, slots=True)
class Sequence:
    """One sequence of a timepoint, stored on the timepoint's reference grid.

    Attributes
    ----------
    name: unique within the timepoint; the role's value for the four conventional ones, else a free name such as ADC.
    role: which contrast it is.
    path: the volume's file, relative to the workspace folder, in POSIX form.
    source_name: the file name it was imported from.
    resampled: True when its own grid differed from the reference's.
    window: the display window the reader left it with; None for the default.
    id: database key; None before it is stored.
    """

    name: str
    role: SequenceRole
    path: str
    source_name: str = ""
    resampled: bool = False
    window: Window | None = None
    id: int | None = None
