"""Operations: what a tool computes from a snapshot of the mask, on a worker, for a preview or to be applied at once.

An operation never changes the mask: its result goes through the editor, and so through the rules, like every edit.
scipy, scikit-image and SimpleITK are imported when an operation runs, not when the window opens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Progress, Report

Show = Callable[[LabelArray], None]


def show_nothing(_labels: LabelArray) -> None:
    """A `Show` for callers that wait for the result."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What an operation works on; nothing changes it while the operation runs.

    Attributes
    ----------
    labels: the mask (i, j, k), a copy.
    grid, scheme: of the mask.
    images: intensities by sequence name on that grid.
    """

    labels: LabelArray
    grid: Grid
    scheme: LabelScheme
    images: Mapping[str, Volume]

    def image(self, sequence: str) -> NDArray[np.float32]:
        """Intensities of a sequence. Raises `UserError` when the visit has none of that name."""
        if sequence not in self.images:
            raise UserError(f"This visit has no {sequence}.", "Choose another sequence in the tool's options.")
        data: NDArray[np.float32] = self.images[sequence].data
        return data

    def label_name(self, value: int) -> str:
        label = self.scheme.label(value)
        return label.name if label else "background"


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """The mask as an operation would have it, before the edit rules.

    Attributes
    ----------
    labels: uint8 (i, j, k).
    note: what was done, for the reader, with figures; may be empty.
    """

    labels: LabelArray
    note: str = ""


class Operation(Protocol):
    """A computation with all its parameters."""

    def title(self, scheme: LabelScheme) -> str:
        """What the undo entry is called."""
        ...

    def run(self, on: Snapshot, report: Report, cancel: CancelToken, show: Show) -> Result:
        """Compute; `show` takes intermediate masks of operations that come to their result step by step.

        Raises `UserError` when there is nothing to do, `Cancelled` when the reader stopped it.
        """
        ...


def name_of(scheme: LabelScheme, value: int) -> str:
    label = scheme.label(value)
    return label.name if label else "background"


def volume_note(on: Snapshot, after: LabelArray, value: int) -> str:
    """How a label's volume changes, e.g. "ET 12.4 mL, +0.8 mL"."""
    before_ml = np.count_nonzero(on.labels == value) * on.grid.voxel_volume_ml
    after_ml = np.count_nonzero(after == value) * on.grid.voxel_volume_ml
    return f"{on.label_name(value)} {after_ml:.2f} mL, {after_ml - before_ml:+.2f} mL"


def require_label(on: Snapshot, value: int) -> NDArray[np.bool_]:
    """The label's voxels. Raises `UserError` when it has none."""
    mask: NDArray[np.bool_] = on.labels == value
    if not mask.any():
        what = "slice" if 1 in mask.shape else "mask"
        raise UserError(f"The {what} holds no {on.label_name(value)}.", "Choose a label that is there, or paint some.")
    return mask


#: A slice to which an operation is kept: the array axis normal to it and its number; None for the whole mask.
Only = tuple[int, int] | None

#: How many times as far off the neighbours of a slice that is treated alone are taken to be.
_OUT_OF_REACH = 1e4


def _part(only: tuple[int, int]) -> tuple[slice, slice, slice]:
    axis, number = only
    i, j, k = (slice(number, number + 1) if a == axis else slice(None) for a in range(3))
    return i, j, k


def alone(on: Snapshot, only: Only) -> Snapshot:
    """The slice `only` as a mask of its own, without images, that reaches no other slice; `on` itself for None."""
    if only is None:
        return on
    labels = np.ascontiguousarray(on.labels[_part(only)])
    affine = on.grid.affine.copy()
    affine[:3, only[0]] *= _OUT_OF_REACH
    i, j, k = labels.shape
    return Snapshot(labels, Grid((i, j, k), affine), on.scheme, {})


def kept_to(on: Snapshot, only: Only, after: LabelArray) -> LabelArray:
    """The mask with the slice `only` as `after` has it, of the whole mask or of that slice; `after` itself for None."""
    if only is None:
        return after
    labels = on.labels.copy()
    labels[_part(only)] = after if after.shape[only[0]] == 1 else after[_part(only)]
    return labels


@dataclass(frozen=True, slots=True)
class Interpolate:
    """Fill the empty slices between painted ones of a label. `axis` is normal to the slices."""

    value: int
    axis: int
    over_labels: bool = False

    def title(self, scheme: LabelScheme) -> str:
        return f"Interpolate {name_of(scheme, self.value)}"

    def run(self, on: Snapshot, report: Report, cancel: CancelToken, show: Show) -> Result:  # noqa: ARG002
        from glioma_annotator.imaging.label_ops import combining, interpolation

        mask = require_label(on, self.value)
        if not interpolation.fillable(on.labels, self.value, self.axis):
            plane = ("sagittal", "coronal", "axial")[self.axis]
            raise UserError(
                f"No empty {plane} slice lies between two slices with {on.label_name(self.value)}.",
                f"Paint it in {plane} slices that are some way apart, or choose another plane.",
            )
        report(Progress(0.1, "Interpolating"))
        filled = interpolation.between_slices(mask, on.grid, self.axis)
        cancel.raise_if_cancelled()
        after = combining.with_extent(on.labels, self.value, filled, over_labels=self.over_labels)
        others = tuple(a for a in range(3) if a != self.axis)
        count = np.count_nonzero(filled.any(axis=others)) - np.count_nonzero(mask.any(axis=others))
        return Result(after, f"{count} slice{'' if count == 1 else 's'} filled; {volume_note(on, after, self.value)}")


@dataclass(frozen=True, slots=True)
class Margin:
    """Grow (`mm` > 0) or shrink (`mm` < 0) a label; with `over_labels` it grows over other labels too."""

    value: int
    mm: float
    over_labels: bool = False
    only: Only = None

    def title(self, scheme: LabelScheme) -> str:
        return f"{'Grow' if self.mm > 0 else 'Shrink'} {name_of(scheme, self.value)} by {abs(self.mm):g} mm"

    def run(self, on: Snapshot, report: Report, cancel: CancelToken, show: Show) -> Result:  # noqa: ARG002
        from glioma_annotator.imaging.label_ops import combining, margins

        part = alone(on, self.only)
        mask = require_label(part, self.value)
        made = margins.realised(part.grid, abs(self.mm))
        voxels = " x ".join(str(n) for n in made.voxels)
        mm = " x ".join(f"{n:.3g}" for n in made.mm)
        if not any(made.voxels):
            raise UserError(
                f"A margin of {abs(self.mm):g} mm is less than one voxel of this image.",
                f"Voxels are {' x '.join(f'{s:.3g}' for s in on.grid.spacing_mm)} mm: choose a larger margin.",
            )
        report(Progress(0.1, "Growing" if self.mm > 0 else "Shrinking"))
        changed = (margins.grow if self.mm > 0 else margins.shrink)(mask, abs(self.mm), part.grid)
        cancel.raise_if_cancelled()
        made_of_it = combining.with_extent(part.labels, self.value, changed, over_labels=self.over_labels)
        after = kept_to(on, self.only, made_of_it)
        return Result(after, f"Realised {mm} mm ({voxels} voxels); {volume_note(on, after, self.value)}")


#: How outlines can be smoothed, by name for a reader.
SMOOTHING = {
    "median": "Median",
    "closing": "Closing (fill gaps)",
    "opening": "Opening (cut spikes)",
    "joint": "All labels jointly",
}


@dataclass(frozen=True, slots=True)
class Smooth:
    """Smooth a label's outline, or with `method` "joint" all labels but `spared` together."""

    value: int
    method: str
    radius_mm: float
    over_labels: bool = False
    spared: frozenset[int] = frozenset()
    only: Only = None

    def title(self, scheme: LabelScheme) -> str:
        if self.method == "joint":
            return f"Smooth all labels, {self.radius_mm:g} mm"
        return f"{self.method.capitalize()} of {name_of(scheme, self.value)}, {self.radius_mm:g} mm"

    def run(self, on: Snapshot, report: Report, cancel: CancelToken, show: Show) -> Result:  # noqa: ARG002
        from glioma_annotator.imaging.label_ops import combining, smoothing

        report(Progress(0.1, "Smoothing"))
        part = alone(on, self.only)
        if self.method == "joint":
            values = [v for v in on.scheme.values if v not in self.spared]
            after = kept_to(on, self.only, smoothing.joint(part.labels, values, self.radius_mm, part.grid))
            cancel.raise_if_cancelled()
            changed = np.count_nonzero(after != on.labels) * on.grid.voxel_volume_ml
            return Result(after, f"{changed:.2f} mL changed")
        mask = require_label(part, self.value)
        smooth = {"median": smoothing.median, "closing": smoothing.closing, "opening": smoothing.opening}[self.method]
        smoothed = smooth(mask, self.radius_mm, part.grid)
        cancel.raise_if_cancelled()
        made_of_it = combining.with_extent(part.labels, self.value, smoothed, over_labels=self.over_labels, heal=True)
        after = kept_to(on, self.only, made_of_it)
        return Result(after, volume_note(on, after, self.value))


@dataclass(frozen=True, slots=True, eq=False)
class CombineWith:
    """A logical operation between a label and the label `other_value` of another mask.

    Attributes
    ----------
    other: the other mask (i, j, k) on the same grid.
    logic: a `combining.Logic` value.
    source: what the other mask is called.
    """

    value: int
    other: LabelArray = field(repr=False)
    other_value: int
    logic: str
    source: str
    over_labels: bool = False
    only: Only = None

    def title(self, scheme: LabelScheme) -> str:
        return f"{self.logic.capitalize()} {name_of(scheme, self.other_value)} of {self.source}"

    def run(self, on: Snapshot, report: Report, cancel: CancelToken, show: Show) -> Result:  # noqa: ARG002
        from glioma_annotator.imaging.label_ops import combining

        report(Progress(0.3, "Combining"))
        mask = combining.combined(on.labels == self.value, self.other == self.other_value, combining.Logic(self.logic))
        after = combining.with_extent(on.labels, self.value, mask, over_labels=self.over_labels)
        cancel.raise_if_cancelled()
        after = kept_to(on, self.only, after)
        return Result(after, volume_note(on, after, self.value))


@dataclass(frozen=True, slots=True, eq=False)
class CopyFrom:
    """Labels taken over from another mask (i, j, k) on the same grid; without `replace`, added over background."""

    other: LabelArray = field(repr=False)
    values: tuple[int, ...]
    source: str
    replace: bool = True
    only: Only = None

    def title(self, scheme: LabelScheme) -> str:
        names = ", ".join(name_of(scheme, value) for value in self.values)
        return f"Copy {names} from {self.source}"

    def run(self, on: Snapshot, report: Report, cancel: CancelToken, show: Show) -> Result:  # noqa: ARG002
        from glioma_annotator.imaging.label_ops import combining

        if not self.values:
            raise UserError("Every label is locked.", "Unlock those to be copied.")
        if not np.isin(self.other, self.values).any():
            names = ", ".join(on.label_name(value) for value in self.values)
            raise UserError(f"{self.source} holds no {names}.", "Choose another label, or another mask to copy from.")
        report(Progress(0.3, "Copying"))
        after = kept_to(on, self.only, combining.copied(on.labels, self.other, self.values, replace=self.replace))
        cancel.raise_if_cancelled()
        return Result(after, "; ".join(volume_note(on, after, value) for value in self.values))
