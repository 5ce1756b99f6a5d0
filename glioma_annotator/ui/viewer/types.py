"""Names and small values the viewer shares with the window around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol


class Layout(StrEnum):
    """How the panes are arranged."""

    PLANES = "planes"
    SEQUENCES = "sequences"
    TIMEPOINTS = "timepoints"
    THREE_D = "3d"


class Convention(StrEnum):
    """Which side of the picture the patient's right is on: left when radiological, right when neurological."""

    RADIOLOGICAL = "radiological"
    NEUROLOGICAL = "neurological"


class MaskStyle(StrEnum):
    """How the mask is drawn."""

    FILL = "fill"
    OUTLINE = "outline"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class HoverInfo:
    """What lies under the pointer.

    Attributes
    ----------
    index: voxel (i, j, k) on the grid of the visit under the pointer.
    world_mm: the pointer's place in RAS mm.
    values: intensity by name of every sequence of that visit.
    label: mask value there; 0 is background.
    """

    index: tuple[int, int, int]
    world_mm: tuple[float, float, float]
    values: Mapping[str, float]
    label: int


@dataclass(frozen=True, slots=True)
class CrosshairPlace:
    """Where the crosshair is: voxel (i, j, k) and RAS mm."""

    index: tuple[int, int, int]
    world_mm: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Marker:
    """A finding or the place of a sample.

    Attributes
    ----------
    index: fractional voxel (i, j, k) on the visit's grid.
    text: short, beside it.
    current: whether it is chosen.
    sample: a histology sample was taken here: drawn as a diamond, a finding as a ring.
    """

    index: tuple[float, float, float]
    text: str
    current: bool
    sample: bool = False


class Submit(Protocol):
    """Runs `work` off the GUI thread and later calls `done` with its result on the GUI thread."""

    def __call__(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None: ...
