"""Pictures of an evaluation: box plots of the figures, and the slices where masks differ most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from glioma_annotator.domain.labels import IGNORE, LabelScheme
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.imaging.atomic_file import atomic_write
from glioma_annotator.workflow.evaluation.scores import CaseScore

BOXES, WORST = "boxes", "worst.png"
_PANELS: Mapping[str, tuple[str, bool]] = {
    "dice": ("Dice", True),
    "hd95_mm": ("HD95 in mm", False),
    "surface_mm": ("mean surface distance in mm", False),
    "sensitivity": ("sensitivity", True),
    "precision": ("precision", True),
    "volume_error_ml": ("volume error in mL", False),
}
WORST_SHOWN = 6


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """An axial slice where two masks differ, by `ml`: `image` as float (i, j), and both masks."""

    case: str
    ml: float
    caption: str
    image: NDArray[np.float32]
    reference: LabelArray
    prediction: LabelArray
    aspect: float


def draw_boxes(folder: Path, scores: Sequence[CaseScore]) -> None:
    """Box plots per region, every case a dot, as `boxes.png` and `boxes.svg`."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    regions = list(dict.fromkeys(score.region for score in scores))
    for axes, (name, (title, share)) in zip(figure.subplots(2, 3).flat, _PANELS.items(), strict=True):
        values = [[v for s in scores if s.region == r and (v := getattr(s, name)) is not None] for r in regions]
        names = [f"{region} ({len(v)})" for region, v in zip(regions, values, strict=True)]
        axes.boxplot(values, tick_labels=names, showfliers=False)
        for place, dots in enumerate(values, start=1):
            spread = np.linspace(-0.12, 0.12, len(dots)) if len(dots) > 1 else np.zeros(len(dots))
            axes.plot(place + spread, dots, "o", color="#0072B2", markersize=3.5, alpha=0.7)
        axes.set_title(title, fontsize=11)
        axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
        if share:
            axes.set_ylim(-0.02, 1.02)
    for ending in ("png", "svg"):
        with atomic_write(folder / f"{BOXES}.{ending}") as file:
            figure.savefig(file, format=ending, dpi=110)


def worst_slice(
    case: str, image: NDArray[np.float32], reference: LabelArray, prediction: LabelArray, spacing: Sequence[float]
) -> Slice | None:
    """The axial slice on which two masks (i, j, k) differ in the most voxels; None where they agree everywhere."""
    wrong = (reference != prediction) & (reference != IGNORE)
    per_slice = np.count_nonzero(wrong, axis=(0, 1))
    if not per_slice.any():
        return None
    k = int(per_slice.argmax())
    ml = float(per_slice[k]) * float(np.prod(spacing)) / 1000
    caption = f"{case}\naxial {k + 1} of {wrong.shape[2]}: {ml:.2f} mL differ"
    plane = np.nan_to_num(image[:, :, k].astype(np.float32))
    return Slice(
        case, ml, caption, plane, reference[:, :, k].copy(), prediction[:, :, k].copy(), spacing[1] / spacing[0]
    )


def draw_worst(folder: Path, slices: Sequence[Slice], scheme: LabelScheme) -> None:
    """A sheet, `worst.png`: one row per slice with the image, the reference and the prediction over it.

    Without slices there is none, and that of an earlier evaluation goes.
    """
    shown = slices[:WORST_SHOWN]
    if not shown:
        _remove(folder / WORST)
        return
    height = 3.2 * len(shown) + 0.5
    legend = 0.35 / height
    layout = ConstrainedLayoutEngine(rect=(0.01, legend, 0.98, 1 - legend))
    figure = Figure(figsize=(9, height), facecolor="#1E1F22", layout=layout)
    rows = figure.subplots(len(shown), 3, squeeze=False)
    for row, one in zip(rows, shown, strict=True):
        area = np.argwhere(one.image != 0)
        (a, b), (c, d) = (area.min(axis=0), area.max(axis=0) + 1) if len(area) else ((0, 0), one.image.shape)
        panels = ((one.caption, None), ("reference", one.reference), ("prediction", one.prediction))
        for axes, (title, mask) in zip(row, panels, strict=True):
            _show(axes, one.image[a:c, b:d], None if mask is None else mask[a:c, b:d], scheme, one.aspect)
            axes.set_title(title, color="#E6E6E6", fontsize=9, loc="left", parse_math=False)
    for number, label in enumerate(scheme.labels):
        figure.text(0.02 + 0.09 * number, 0.3 * legend, f"\u25a0 {label.name}", color=label.colour, fontsize=10)
    with atomic_write(folder / WORST) as file:
        figure.savefig(file, format="png", dpi=100)


def _remove(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise EnvironmentFailure(
            f"“{file}” of an earlier evaluation could not be removed ({error.strerror or error}).",
            "Close it where it is open, or choose another folder.",
        ) from error


def _show(axes: Axes, image: NDArray[np.float32], mask: LabelArray | None, scheme: LabelScheme, aspect: float) -> None:
    """An axial plane (i, j) in radiological convention, a mask over it where there is one."""
    axes.set_axis_off()
    inside = image[image != 0]
    low, high = np.percentile(inside, (1, 99.5)) if inside.size else (0.0, 1.0)
    axes.imshow(image[::-1, ::-1].T, cmap="gray", vmin=low, vmax=high, aspect=aspect)
    if mask is not None:
        colours = [(0.0, 0.0, 0.0, 0.0)] * (max(scheme.values) + 1)
        for label in scheme.labels:
            colours[label.value] = to_rgba(label.colour, 0.6)
        plane = np.where(mask == IGNORE, 0, mask)[::-1, ::-1].T
        cmap = ListedColormap(colours)
        axes.imshow(plane, cmap=cmap, vmin=0, vmax=len(colours) - 1, interpolation="nearest", aspect=aspect)
    for place, letter in ((0.01, "R"), (0.93, "L")):
        axes.text(place, 0.97, letter, color="#A0A4AB", fontsize=9, va="top", transform=axes.transAxes)
