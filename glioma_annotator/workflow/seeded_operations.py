"""Operations that start from a point or a box in the image: fill, region growing, snake, seeds in a box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Progress, Report
from glioma_annotator.workflow.operations import Result, Show, Snapshot, name_of, volume_note

Index = tuple[int, int, int]

#: What a fill fills, by name for a reader.
FILL_BY = {"label": "Same label", "intensity": "Similar intensity"}
#: How far it reaches.
FILL_EXTENT = {"slice": "In the slice", "volume": "In 3D", "everywhere": "Everywhere"}


def _found(mask: NDArray[np.bool_], sequence: str) -> NDArray[np.bool_]:
    """What is alike. Raises `UserError` for nothing: tolerance counts from the median around the voxel clicked."""
    if not mask.any():
        raise UserError(
            f"The voxel clicked differs in {sequence} from those around it by more than the tolerance.",
            "Raise the tolerance, or click where the tissue is more even.",
        )
    return mask


@dataclass(frozen=True, slots=True)
class Fill:
    """Give the active label to what hangs together with a voxel.

    Attributes
    ----------
    seed: the voxel that was clicked.
    value: the label it becomes; 0 erases.
    by: a `FILL_BY` key.
    extent: a `FILL_EXTENT` key; "everywhere" needs no connection.
    axis: array axis normal to the slice.
    sequence, tolerance: for intensities: what differs from the seed by no more than this, in the image's units.
    """

    seed: Index
    value: int
    by: str = "label"
    extent: str = "slice"
    axis: int = 2
    sequence: str = ""
    tolerance: float = 0.0

    def title(self, scheme: LabelScheme) -> str:
        if self.by == "label" and self.extent != "slice":
            where = "everywhere" if self.extent == "everywhere" else "in a component"
            return f"Replace by {name_of(scheme, self.value)} {where}"
        return f"Fill {name_of(scheme, self.value)}"

    def run(self, on: Snapshot, report: Report, cancel: CancelToken, show: Show) -> Result:  # noqa: ARG002
        from glioma_annotator.imaging.label_ops import combining, fill
        from glioma_annotator.imaging.label_ops.growing import seed_intensity

        report(Progress(0.1, "Filling"))
        axis = self.axis if self.extent == "slice" else None
        if self.by == "intensity":
            image = on.image(self.sequence)
            middle = seed_intensity(image, self.seed)
            low, high = middle - self.tolerance, middle + self.tolerance
            if self.extent == "everywhere":
                mask = fill.in_range(image, low, high)
            else:
                mask = _found(fill.same_intensity(image, self.seed, low, high, axis), self.sequence)
        elif self.extent == "everywhere":
            mask = on.labels == on.labels[self.seed]
        else:
            mask = fill.same_label(on.labels, self.seed, axis)
        cancel.raise_if_cancelled()
        after = combining.replaced(on.labels, mask, self.value)
        return Result(after, f"{np.count_nonzero(mask) * on.grid.voxel_volume_ml:.2f} mL filled")


@dataclass(frozen=True, slots=True)
class GrowRegion:
    """Region growing with tolerance from a voxel, in 3D or, with an `axis`, in the slice normal to it."""

    seed: Index
    value: int
    sequence: str
    tolerance: float
    reach_mm: float
    axis: int | None = None
    over_labels: bool = False

    def title(self, scheme: LabelScheme) -> str:
        return f"Grow {name_of(scheme, self.value)} in {self.sequence}"

    def run(self, on: Snapshot, report: Report, cancel: CancelToken, show: Show) -> Result:  # noqa: ARG002
        from glioma_annotator.imaging.label_ops import combining
        from glioma_annotator.imaging.label_ops.growing import region

        report(Progress(0.1, "Growing"))
        image = on.image(self.sequence)
        mask = _found(region(image, self.seed, self.tolerance, on.grid, self.reach_mm, self.axis), self.sequence)
        cancel.raise_if_cancelled()
        extent = (on.labels == self.value) | mask
        after = combining.with_extent(on.labels, self.value, extent, over_labels=self.over_labels)
        return Result(after, volume_note(on, after, self.value))


@dataclass(frozen=True, slots=True)
class Snake:
    """A level-set snake from a voxel; every step is shown, and stopping keeps what was shown last."""

    seed: Index
    value: int
    sequence: str
    tolerance: float
    radius_mm: float
    smoothness: float
    reach_mm: float
    over_labels: bool = False

    def title(self, scheme: LabelScheme) -> str:
        return f"Snake {name_of(scheme, self.value)} in {self.sequence}"

    def run(self, on: Snapshot, report: Report, cancel: CancelToken, show: Show) -> Result:
        from glioma_annotator.imaging.label_ops import combining, snake

        settings = snake.SnakeSettings(self.radius_mm, self.tolerance, self.smoothness, self.reach_mm)
        after = on.labels
        present = on.labels == self.value
        for step, mask in enumerate(snake.evolve(on.image(self.sequence), self.seed, on.grid, settings), start=1):
            after = combining.with_extent(on.labels, self.value, present | mask, over_labels=self.over_labels)
            show(after)
            report(Progress(step / settings.steps, f"Step {step} of at most {settings.steps}"))
            cancel.raise_if_cancelled()
        return Result(after, volume_note(on, after, self.value))


@dataclass(frozen=True, slots=True)
class GrowFromSeeds:
    """Let what is painted within a box grow until the labels, and background from the box's faces, meet."""

    box: Box
    sequences: tuple[str, ...]

    def title(self, scheme: LabelScheme) -> str:  # noqa: ARG002
        return "Grow from seeds"

    def run(self, on: Snapshot, report: Report, cancel: CancelToken, show: Show) -> Result:  # noqa: ARG002
        from glioma_annotator.imaging.label_ops.growing import from_seeds

        if not on.labels[self.box.clipped(on.grid.shape).slices].any():
            raise UserError(
                "The box holds no painted voxel.", "Paint a stroke of every label first, then drag the box."
            )
        report(Progress(0.1, "Growing from the painted seeds"))
        after = from_seeds([on.image(name) for name in self.sequences], on.labels, self.box, on.grid)
        cancel.raise_if_cancelled()
        present = [v for v in on.scheme.values if (on.labels[self.box.clipped(on.grid.shape).slices] == v).any()]
        return Result(after, "; ".join(volume_note(on, after, value) for value in present))
