"""The longest diameter of a lesion on a slice and the longest one perpendicular to it.

The two lengths whose product response criteria follow: Macdonald et al., J Clin Oncol 1990;8:1277, and RANO 2.0, Wen et
al., J Clin Oncol 2023;41:5187.

Lengths run from edge to edge: along the contour halfway between the centres of voxels inside and outside, so that a row
of n voxels is n voxels long. Holes, such as the necrotic middle of a ring, count as inside. Where the outline is
concave a diameter may cross the dent, as a ruler laid on the picture does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
Ends = tuple[Point, Point]

_WITH_CORNERS = np.ones((3, 3), dtype=np.bool_)  # voxels that touch at a corner belong together
_ON_LINE_MM = 1e-9
_MOST_EQUAL = 64  # equally long lines that are looked at: a round lesion has about five
_EQUAL = 1e-9  # two products that differ by so small a share differ by rounding alone


@dataclass(frozen=True, slots=True)
class Diameters:
    """Two perpendicular diameters.

    Attributes
    ----------
    long_mm, short_mm: lengths.
    long_ends, short_ends: where they end, as fractional indices (i, j) of the slice; integers are voxels' centres.
    """

    long_mm: float
    short_mm: float
    long_ends: Ends
    short_ends: Ends

    @property
    def product_mm2(self) -> float:
        """The bidimensional product."""
        return self.long_mm * self.short_mm


def bidimensional(mask: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> Diameters | None:
    """The diameters of the component of a slice (i, j) with the largest product; None for an empty slice.

    Parameters
    ----------
    mask: bool (i, j).
    spacing_mm: distance between voxels' centres along i and j.
    """
    return _largest(_pieces(np.asarray(mask, dtype=np.bool_)), spacing_mm, 0.0)


def largest_axial_bidimensional(
    mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> tuple[int, Diameters] | None:
    """The axial slice k with the largest product of diameters, and these; None for an empty mask.

    Parameters
    ----------
    mask: bool (i, j, k).
    spacing_mm: distance between voxels' centres along i, j and k.
    """
    mask = np.asarray(mask, dtype=np.bool_)
    best: tuple[int, Diameters] | None = None
    for k in np.flatnonzero(mask.any(axis=(0, 1))):
        found = _largest(_pieces(mask[:, :, k]), spacing_mm[:2], best[1].product_mm2 if best else 0.0)
        if found is not None:
            best = int(k), found
    return best


def _pieces(mask: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.float64]]]:
    """The components of a slice without their holes, each cut out of it, with the index (2,) of the cut's corner."""
    from scipy.ndimage import binary_fill_holes, find_objects, label  # here, to keep it off the program's start

    numbered, _ = label(mask, structure=_WITH_CORNERS)
    for number, where in enumerate(find_objects(numbered), start=1):
        corner = np.array([part.start for part in where], dtype=np.float64)
        yield binary_fill_holes(numbered[where] == number), corner


def _largest(
    pieces: Iterator[tuple[NDArray[np.bool_], NDArray[np.float64]]], spacing_mm: tuple[float, float], least_mm2: float
) -> Diameters | None:
    """The diameters with the largest product above `least_mm2`; of equal products, those with the longer line."""
    best: Diameters | None = None
    for inside, corner in pieces:
        height, width = (n * mm for n, mm in zip(inside.shape, spacing_mm, strict=True))
        # The product of perpendicular diameters is at most twice the area of the box around them.
        if 2 * height * width < least_mm2:
            continue
        found = _measure(inside, corner, spacing_mm)
        larger = found.product_mm2 > least_mm2 * (1 + _EQUAL)
        if larger or (best and found.product_mm2 >= least_mm2 * (1 - _EQUAL) and found.long_mm > best.long_mm):
            best, least_mm2 = found, found.product_mm2
    return best


def _measure(inside: NDArray[np.bool_], corner: NDArray[np.float64], spacing_mm: tuple[float, float]) -> Diameters:
    """The diameters of one component without holes; of equally long lines the one with the longest across.

    So that a lesion and its mirror image measure alike.
    """
    from scipy.spatial.distance import pdist, squareform
    from skimage.measure import find_contours

    spacing = np.asarray(spacing_mm, dtype=np.float64)
    padded = np.pad(inside, 1).astype(np.float64)
    outlines = find_contours(padded, 0.5, fully_connected="high")  # type: ignore[no-untyped-call]
    outline = max(outlines, key=len)
    points = (outline - 1) * spacing  # closed: the last is the first
    distances = squareform(pdist(points))
    made: list[Diameters] = []
    for first, last in np.argwhere(np.triu(distances >= distances.max() * (1 - _EQUAL)))[:_MOST_EQUAL]:
        start, end = points[first], points[last]
        low, high = _longest_across(points, (end - start) / distances[first, last])
        made.append(
            Diameters(
                float(distances[first, last]),
                float(np.linalg.norm(high - low)),
                _ends(start, end, corner, spacing),
                _ends(low, high, corner, spacing),
            )
        )
    most = max(one.short_mm for one in made)
    return next(one for one in made if one.short_mm >= most * (1 - _EQUAL))


def _ends(a: NDArray[np.float64], b: NDArray[np.float64], corner: NDArray[np.float64], mm: NDArray[np.float64]) -> Ends:
    (i0, j0), (i1, j1) = (a / mm + corner).tolist(), (b / mm + corner).tolist()
    return (i0, j0), (i1, j1)


def _longest_across(
    points: NDArray[np.float64], direction: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends (2,) of the longest line across a closed outline (n, 2), perpendicular to a unit direction (2,).

    The distance between the outermost crossings changes linearly from one corner of the outline to the next, so that
    the longest line passes through a corner.
    """
    across = np.array([-direction[1], direction[0]])
    along, aside = points @ direction, points @ across
    line = np.unique(along)[:, None]  # where the lines are laid, one through every corner
    a, b = along[:-1][None], along[1:][None]
    crosses = (np.minimum(a, b) <= line + _ON_LINE_MM) & (line <= np.maximum(a, b) + _ON_LINE_MM)
    step = np.where(np.abs(b - a) > _ON_LINE_MM, b - a, 1.0)
    part = np.clip((line - a) / step, 0.0, 1.0)
    at = aside[:-1][None] + part * np.diff(aside)[None]
    # An edge that lies along the line is crossed at both its ends; its neighbours bring the other one.
    low = np.where(crosses, at, np.inf).min(axis=1)
    high = np.where(crosses, at, -np.inf).max(axis=1)
    best = int((high - low).argmax())
    place = line[best, 0] * direction
    return place + low[best] * across, place + high[best] * across
