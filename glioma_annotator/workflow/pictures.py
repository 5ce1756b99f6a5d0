"""Pictures for people who would rather look than read: a visit's montage, volumes over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap, to_rgba
from matplotlib.figure import Figure
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.sequences import SequenceRole, Window
from glioma_annotator.domain.volume import LabelArray, Volume

_BACKGROUND = "#1E1F22"
_TEXT = "#E6E6E6"
_QUIET = "#A0A4AB"
_READING_ORDER = (SequenceRole.T1, SequenceRole.T1GD, SequenceRole.T2, SequenceRole.FLAIR)


def visit_montage(
    path: Path,
    title: str,
    images: Mapping[str, Volume],
    windows: Mapping[str, Window],
    masks: Mapping[str, LabelArray],
    scheme: LabelScheme,
) -> None:
    """Every sequence and every mask (by caption) on the axial slice where the first mask is largest, as PNG.

    Images and masks share one grid, axes (i, j, k); drawn in radiological convention, the patient's right on the left.
    """
    shown = next(iter(masks.values()))
    sums = np.count_nonzero(shown, axis=(0, 1))
    k = int(sums.argmax()) if sums.any() else shown.shape[2] // 2
    names = [role.value for role in _READING_ORDER if role.value in images]
    names += [name for name in images if name not in names]
    head = Box.around(np.any([volume.data[:, :, k : k + 1] != 0 for volume in images.values()], axis=0))
    across = (head or Box.whole((*shown.shape[:2], 1))).slices[:2]
    spacing = next(iter(images.values())).grid.spacing_mm
    aspect = spacing[1] / spacing[0]
    columns = len(names) + len(masks)
    figure = _figure(3.0 * columns, 4.4)
    for column in range(columns):
        axes = figure.add_subplot(1, columns, column + 1)
        axes.set_axis_off()
        caption = names[column] if column < len(names) else list(masks)[column - len(names)]
        name = caption if column < len(names) else names[-1]
        window = windows[name]
        picture = _axial(images[name].data[(*across, k)])
        axes.imshow(picture, cmap="gray", vmin=window.low, vmax=window.high, aspect=aspect)
        if column >= len(names):
            _overlay(axes, _axial(masks[caption][(*across, k)]), scheme, aspect)
        axes.set_title(caption, color=_TEXT, fontsize=12)
        for place, letter in ((0.01, "R"), (0.94, "L")):
            axes.text(place, 0.97, letter, color=_QUIET, fontsize=11, va="top", transform=axes.transAxes)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.84, bottom=0.1, wspace=0.03)
    figure.suptitle(f"{title}, axial slice {k + 1} of {shown.shape[2]}", color=_TEXT, fontsize=14)
    _legend(figure, scheme)
    figure.savefig(path, dpi=90)


def volume_curves(
    path: Path,
    title: str,
    visits: Sequence[str],
    days: Sequence[float],
    curves: Mapping[str, Sequence[float]],
    scheme: LabelScheme,
) -> None:
    """Volume in mL of every label over the days since the first visit, as PNG."""
    figure = _figure(8, 4.5)
    axes = figure.add_subplot(1, 1, 1, facecolor="#26282C")
    for label in scheme.labels:
        axes.plot(days, curves[label.name], "o-", color=label.colour, label=f"{label.name}  {label.title}")
    axes.set_xticks(list(days), [visit.replace(" ", "\n", 1) for visit in visits], color=_TEXT, fontsize=9)
    axes.margins(x=0.12)
    axes.set_ylabel("mL", color=_TEXT)
    axes.set_ylim(0, 1.05 * max(1.0, *(ml for curve in curves.values() for ml in curve)))
    axes.tick_params(colors=_QUIET)
    axes.grid(color="#3A3D42", linewidth=0.6)
    axes.set_title(title, color=_TEXT)
    axes.legend(facecolor="#26282C", edgecolor="#3A3D42", labelcolor=_TEXT, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), facecolor=_BACKGROUND)
    FigureCanvasAgg(figure)
    return figure


def _axial(plane: NDArray[np.generic]) -> NDArray[np.generic]:
    """An axial plane (i, j) as rows from anterior to posterior, columns from the patient's right to left."""
    return plane[::-1, ::-1].T


def _overlay(axes: Axes, labels: NDArray[np.generic], scheme: LabelScheme, aspect: float) -> None:
    colours = [(0.0, 0.0, 0.0, 0.0)] + [(0.0, 0.0, 0.0, 0.0)] * max(scheme.values)
    for label in scheme.labels:
        colours[label.value] = to_rgba(label.colour, 0.6)
    axes.imshow(
        labels, cmap=ListedColormap(colours), vmin=0, vmax=len(colours) - 1, interpolation="nearest", aspect=aspect
    )


def _legend(figure: Figure, scheme: LabelScheme) -> None:
    for number, label in enumerate(scheme.labels):
        figure.text(0.02 + 0.07 * number, 0.03, f"\u25a0 {label.name}", color=label.colour, fontsize=11)
