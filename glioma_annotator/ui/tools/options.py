"""What the reader can set for each tool: values with their units, from which the options panel is made."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from glioma_annotator.domain.sequences import Window

#: Choices that depend on what is open; the toolbox fills them in.
SEQUENCES, SEQUENCES_OR_ALL, SOURCES, REVISIONS, LABELS = "sequences", "sequences_all", "sources", "revisions", "labels"

_SPREAD = 1000.0  # of intensities, before any image is looked at
INTENSITY = "a.u."  # MRI has no physical unit: arbitrary units

BRUSH_MODES = {"plain": "Plain", "threshold": "Threshold", "adaptive": "Adaptive"}
PLANES = {"active": "Active pane", "2": "Axial", "1": "Coronal", "0": "Sagittal"}
LOGICS = {"add": "Add", "subtract": "Subtract", "intersect": "Intersect", "difference": "Only in one"}


@dataclass(frozen=True, slots=True)
class OptionInfo:
    """One option, described for a form.

    Attributes
    ----------
    name: the field's. kind: float, int, bool or str.
    title, help, unit: for the reader.
    minimum, maximum, step, decimals: of a number.
    choices: texts by value; a name from above where they depend on what is open; None for no list.
    shown_for: option name and the values of it for which this one is shown; None for always.
    """

    name: str
    kind: type
    title: str
    help: str
    unit: str = ""
    minimum: float = 0.0
    maximum: float = 1e6
    step: float = 1.0
    decimals: int = 0
    choices: Mapping[str, str] | str | None = None
    shown_for: tuple[str, tuple[object, ...]] | None = None


def _option(default: Any, title: str, text: str, **more: Any) -> Any:
    return field(default=default, metadata={"title": title, "help": text, **more})


def describe(options: object) -> Iterator[OptionInfo]:
    """The options of a tool in reading order."""
    assert dataclasses.is_dataclass(options)
    for entry in dataclasses.fields(options):
        if "title" in entry.metadata:
            info = OptionInfo(entry.name, type(getattr(options, entry.name)), **entry.metadata)
            yield _fine_enough(info, getattr(options, "spread", _SPREAD)) if info.unit == INTENSITY else info


def _fine_enough(info: OptionInfo, spread: float) -> OptionInfo:
    """An intensity with decimals for images of small numbers, and room for large ones.

    Its arrows change it by a few hundredths of `spread`.
    """
    magnitude = math.floor(math.log10(spread)) if spread > 0 else 0
    step, room = min(info.step, 0.05 * 10.0**magnitude), max(1.0, spread / _SPREAD)
    low, high = info.minimum * room, info.maximum * room
    return dataclasses.replace(info, decimals=max(0, 2 - magnitude), step=step, minimum=low, maximum=high)


def start_from(options: Any, sequence: str, window: Window) -> None:
    """Give options that look at images what suits a sequence shown in `window`."""
    if hasattr(options, "sequence"):
        options.sequence = sequence
    if hasattr(options, "spread"):
        options.spread = window.width
    if hasattr(options, "tolerance"):
        options.tolerance = float(f"{0.12 * window.width:.2g}")
    if isinstance(options, BrushOptions):
        low = window.level
        options.low, options.high = float(f"{low:.3g}"), float(f"{low + window.width:.3g}")


def _over() -> Any:
    return _option(False, "Over other labels", "Also where another label is; else only background is taken")


def _sequence(**more: Any) -> Any:
    return _option("", "Sequence", "The images that are looked at", choices=SEQUENCES, **more)


def _tolerance(**more: Any) -> Any:
    text = "How far from the seed's intensity, in the arbitrary units of the image"
    return _option(100.0, "Tolerance", text, unit=INTENSITY, maximum=1e5, step=5.0, **more)


def _mm(default: float, title: str, text: str, low: float, high: float, **more: Any) -> Any:
    return _option(default, title, text, unit="mm", minimum=low, maximum=high, step=0.5, decimals=1, **more)


def _in_slice() -> Any:
    return _option(False, "Only this slice", "Keep to the slice of the active pane and leave all others as they are")


@dataclass(slots=True)
class BrushOptions:
    mode: str = _option(
        "plain",
        "Paints",
        "All voxels, those in a range of intensity (T), or those like the centre",
        choices=BRUSH_MODES,
    )
    sequence: str = _sequence(shown_for=("mode", ("threshold", "adaptive")))
    low: float = _option(
        0.0, "From", "Lowest intensity that is painted; drag with Ctrl over an example to set both",
        unit=INTENSITY, minimum=-1e6, step=5.0, shown_for=("mode", ("threshold",)),
    )  # fmt: skip
    high: float = _option(
        1000.0, "To", "Highest intensity that is painted",
        unit=INTENSITY, minimum=-1e6, step=5.0, shown_for=("mode", ("threshold",)),
    )  # fmt: skip
    inverted: bool = _option(
        False, "Outside the range", "Paint what is not in the range", shown_for=("mode", ("threshold",))
    )
    tolerance_sd: float = _option(
        2.5, "Likeness", "Standard deviations from the intensity under the middle of the brush",
        unit="SD", minimum=0.5, maximum=10.0, step=0.25, decimals=2, shown_for=("mode", ("adaptive",)),
    )  # fmt: skip
    spread: float = _SPREAD


@dataclass(slots=True)
class PolygonOptions:
    erases: bool = _option(False, "Erase", "Make background of what the outline encloses")
    depth_mm: float = _mm(0.0, "Through slices", "How far the outline cuts to either side of its slice", 0, 100)


@dataclass(slots=True)
class LassoOptions(PolygonOptions):
    edit_first: bool = _option(False, "Edit before applying", "Show the vertices to be dragged; Return applies")


@dataclass(slots=True)
class FillOptions:
    by: str = _option(
        "label", "Fill", "What is filled from the voxel clicked",
        choices={"label": "Same label", "intensity": "Similar intensity"},
    )  # fmt: skip
    extent: str = _option(
        "slice", "Extent", "In the slice, connected in 3D, or everywhere: replaces the label clicked by the active one",
        choices={"slice": "In the slice", "volume": "Connected in 3D", "everywhere": "Everywhere"},
    )  # fmt: skip
    sequence: str = _sequence(shown_for=("by", ("intensity",)))
    tolerance: float = _tolerance(shown_for=("by", ("intensity",)))
    erases: bool = _option(False, "Erase", "Make background of it instead of the active label")
    spread: float = _SPREAD


@dataclass(slots=True)
class RegionOptions:
    sequence: str = _sequence()
    tolerance: float = _tolerance()
    volume: bool = _option(True, "In 3D", "Grow through the slices, or stay in the slice")
    reach_mm: float = _mm(40.0, "Reach", "How far from the seed it may grow", 1, 200)
    over_labels: bool = _over()
    spread: float = _SPREAD


@dataclass(slots=True)
class SnakeOptions:
    sequence: str = _sequence()
    tolerance: float = _tolerance()
    radius_mm: float = _mm(3.0, "Start radius", "Radius of the ball it starts from", 1, 30)
    smoothness: float = _option(
        0.6, "Smoothness", "Weight of curvature: 0 follows every voxel, 2 stays round",
        maximum=2.0, step=0.1, decimals=1,
    )  # fmt: skip
    reach_mm: float = _mm(40.0, "Reach", "How far from the seed it may go", 5, 100)
    over_labels: bool = _over()
    spread: float = _SPREAD


@dataclass(slots=True)
class SeedsOptions:
    sequence: str = _option("", "Sequence", "The images whose edges part the labels", choices=SEQUENCES_OR_ALL)
    depth_mm: float = _mm(20.0, "Through slices", "How far the box reaches to either side of the slice", 1, 150)


@dataclass(slots=True)
class InterpolateOptions:
    plane: str = _option("active", "Plane", "The slices that were painted", choices=PLANES)
    over_labels: bool = _over()


@dataclass(slots=True)
class MarginOptions:
    mm: float = _mm(2.0, "Margin", "Grows the active label; a negative margin shrinks it", -50, 50)
    in_slice: bool = _in_slice()
    over_labels: bool = _over()


@dataclass(slots=True)
class SmoothOptions:
    method: str = _option(
        "median", "Method", "How the outline is smoothed",
        choices={
            "median": "Median", "closing": "Closing: fill gaps", "opening": "Opening: cut spikes",
            "joint": "All labels jointly",
        },
    )  # fmt: skip
    radius_mm: float = _mm(2.0, "Radius", "Details smaller than this go", 0.5, 30)
    in_slice: bool = _in_slice()
    over_labels: bool = _over()


@dataclass(slots=True)
class LogicOptions:
    logic: str = _option("add", "Do", "What the other label does to the active one", choices=LOGICS)
    source: str = _option("", "With", "The revision that holds the other label", choices=REVISIONS)
    other: str = _option("", "Its label", "The label of that revision", choices=LABELS)
    in_slice: bool = _in_slice()
    over_labels: bool = _over()


@dataclass(slots=True)
class CopyOptions:
    source: str = _option("", "From", "A revision of this visit, or another visit's mask", choices=SOURCES)
    every: bool = _option(False, "All labels", "Copy every label that is not locked, or only the active one")
    replace: bool = _option(True, "Replace", "The label becomes as it is there; else its voxels are added")
    in_slice: bool = _in_slice()


@dataclass(slots=True)
class BoxOptions:
    depth_mm: float = _mm(20.0, "Through slices", "How far the box reaches to either side of the slice", 1, 150)
