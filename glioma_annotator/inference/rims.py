"""Rules of the post-processing about rims of enhancement: what they enclose, what lies outside, what lines a cavity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.mask_rules import Enclosed, Lining, Outside, Unenclosed
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.imaging.components import components, remove_small
from glioma_annotator.imaging.label_ops.margins import grow
from glioma_annotator.imaging.label_ops.smoothing import closing
from glioma_annotator.inference.brightness import BLURRED_VOXELS, against_brain, without_thin

#: How much wider apart fluid and oedema lie where T1Gd is added to FLAIR less half of T2.
_WITH_T1GD = 1.5


def outside_rim(labels: LabelArray, rule: Outside, grid: Grid) -> NDArray[np.bool_]:
    """Voxels of the rule's label, (i, j, k), outside the rim of a lesion whose rim encloses a core of its own."""
    from scipy import ndimage  # here, to keep it off the program's start

    found = np.zeros(labels.shape, dtype=bool)
    every_rim = np.isin(labels, rule.rim)
    lesions, _ = components(labels != 0)
    for number, box in enumerate(ndimage.find_objects(lesions), start=1):
        lesion = lesions[box] == number
        rim, core = _without_islands(lesion & every_rim[box], rule.island), lesion & (labels[box] == rule.label)
        if not rim.any() or not core.any():
            continue
        closed, convex = core & (_planes_around(rim, rule.gap_mm, grid.spacing_mm) >= 2), _within_hull(core, rim)
        if 2 * np.count_nonzero(closed) >= np.count_nonzero(convex):
            within, out = closed, core & (_planes_around(rim, rule.notch_mm, grid.spacing_mm) == 0)
        else:  # the rim is open
            away_mm = ndimage.distance_transform_edt(~(convex | rim), sampling=grid.spacing_mm)
            within, out = convex, core & (away_mm > rule.margin_mm)
        within_ml, rim_ml, out_ml = (np.count_nonzero(part) * grid.voxel_volume_ml for part in (within, rim, out))
        own_ml = within_ml + rim_ml
        if within.any() and within_ml >= rule.least_ml and own_ml >= rule.share * (own_ml + out_ml):
            found[box] |= out
    return found


def without_rim(
    labels: LabelArray,
    likely: NDArray[np.uint8] | None,
    brain: NDArray[np.bool_],
    images: Mapping[SequenceRole, NDArray[np.float32]],
    rule: Unenclosed,
    grid: Grid,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Voxels of the rule's label, (i, j, k), in parts without a rim: those that are fluid, and the others.

    `likely`: the label's probability, uint8; None where there is none to go by.
    """
    from scipy import ndimage  # here, to keep it off the program's start

    found = np.zeros((2, *labels.shape), dtype=bool)
    if not {SequenceRole.FLAIR, SequenceRole.T2} <= images.keys():
        return found[0], found[1]
    rim = np.isin(labels, rule.rim)
    if rule.thinner_mm and rim.any():
        rim &= _thick(rim, rule.thinner_mm, grid)
    numbered, count = components(labels == rule.label)
    is_open = np.zeros(count + 1, dtype=bool)
    touching = ndimage.generate_binary_structure(3, 3)
    for number, place in enumerate(ndimage.find_objects(numbered), start=1):
        box = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in place)
        core = numbered[box] == number
        around = rim[box][ndimage.binary_dilation(core, touching) & ~core & brain[box]]
        is_open[number] = around.size == 0 or around.mean() < rule.covered
    found[1] = is_open[numbered]
    oedema = labels == rule.becomes
    where = Box.around(found[1] | oedema) if is_open.any() else None
    if where is None:
        return found[0], found[1]
    box = where.grown(BLURRED_VOXELS).clipped(labels.shape).slices
    flair, t2 = (against_brain(images[role], brain, box, grid) for role in (SequenceRole.FLAIR, SequenceRole.T2))
    level = flair - t2 / 2
    looks = level < _bound(rule.level, _usual(level, oedema[box]), rule.apart)
    if SequenceRole.T1GD in images:
        dark = level + against_brain(images[SequenceRole.T1GD], brain, box, grid)
        usual = _usual(dark, oedema[box])
        looks |= dark < _bound(rule.dark_level, usual, _WITH_T1GD * rule.apart)
        if rule.darker and likely is not None and oedema.any():
            sure = ndimage.mean(likely, numbered, np.arange(count + 1)) >= 255 * rule.sure
            for one in np.flatnonzero(is_open & sure):
                part = numbered[box] == one
                if np.median(dark[part]) < rule.darker * usual:
                    looks |= part & (dark < (1 + rule.darker) / 2 * usual)
    fluid = found[1][box] & looks
    found[0][box] = remove_small(fluid.astype(np.uint8), rule.least_ml, grid) > 0
    found[1] &= ~found[0]
    return found[0], found[1]


def _usual(values: NDArray[np.floating[Any]], where: NDArray[np.bool_]) -> float:
    """The median there; infinite where there is nothing."""
    return float(np.median(values[where])) if where.any() else math.inf


def _bound(level: float, usual: float, apart: float) -> float:
    """`level`, but at most so far below what is usual; 0 for no such look."""
    return min(level, usual - apart) if apart else level


def thin_lining(labels: LabelArray, rule: Lining, grid: Grid) -> NDArray[np.bool_]:
    """Voxels of the rule's label, (i, j, k), in thin parts beside a cavity."""
    enhancing, cavity = labels == rule.label, labels == rule.cavity
    if not enhancing.any() or not cavity.any():
        return np.zeros(labels.shape, dtype=bool)
    here = Grid(labels.shape, np.diag([*grid.spacing_mm, 1.0]))
    return np.asarray(enhancing & ~_thick(enhancing, rule.thinner_mm, grid) & grow(cavity, rule.within_mm, here))


def _thick(mask: NDArray[np.bool_], thinner_mm: float, grid: Grid) -> NDArray[np.bool_]:
    """What lies in or beside the mask's parts (i, j, k) that a ball of this diameter fits into."""
    here = Grid(mask.shape, np.diag([*grid.spacing_mm, 1.0]))
    return grow(without_thin(mask, thinner_mm, here), thinner_mm, here)


def _without_islands(mask: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    """The components of a mask (i, j, k) with at least this share of its largest one's voxels."""
    numbered, count = components(mask)
    sizes = np.bincount(numbered[mask], minlength=count + 1)
    return np.asarray(mask & (sizes >= share * sizes.max())[numbered])


def _within_hull(mask: NDArray[np.bool_], rim: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask's voxels (i, j, k) within the convex hull of the rim's; none where the rim's lie in a plane."""
    from scipy.spatial import ConvexHull, Delaunay, QhullError  # here, to keep it off the program's start

    corners, places = np.argwhere(rim), np.argwhere(mask)
    within = np.zeros(mask.shape, dtype=bool)
    if len(corners) < 4:
        return within
    try:
        hull = Delaunay(corners[ConvexHull(corners).vertices])
    except QhullError:  # they lie in a plane or on a line
        return within
    within[tuple(places[hull.find_simplex(places) >= 0].T)] = True
    return within


def within_rim(labels: LabelArray, rule: Enclosed, spacing_mm: tuple[float, float, float]) -> NDArray[np.bool_]:
    """Voxels of the rule's label, (i, j, k), that its rim surrounds in at least two of the three planes."""
    rim = np.isin(labels, rule.rim)
    return np.asarray((labels == rule.label) & (_planes_around(rim, rule.gap_mm, spacing_mm) >= 2))


def _planes_around(rim: NDArray[np.bool_], gap_mm: float, spacing_mm: tuple[float, float, float]) -> NDArray[np.uint8]:
    """In how many of the three planes the rim (i, j, k), its gaps closed, surrounds or holds each voxel."""
    planes = np.zeros(rim.shape, dtype=np.uint8)
    box = Box.around(rim)
    if box is not None:
        closed = closing(rim, gap_mm / 2, Grid(rim.shape, np.diag([*spacing_mm, 1.0])))[box.slices]
        planes[box.slices] = sum(_filled_in_plane(closed, axis).astype(np.uint8) for axis in range(3))
    return planes


def _filled_in_plane(mask: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """The mask (i, j, k) with the holes of every slice across `axis` filled."""
    from scipy import ndimage  # here, to keep it off the program's start

    neighbours = ndimage.generate_binary_structure(3, 1)
    neighbours[tuple(slice(None, None, 2) if n == axis else 1 for n in range(3))] = False
    edge = [(0, 0) if n == axis else (1, 1) for n in range(3)]
    numbered, count = ndimage.label(np.pad(~mask, edge, constant_values=True), neighbours)
    outside = np.zeros(count + 1, dtype=bool)
    outside[numbered.take(0, axis - 1)] = True  # of every slice, the line that was put before the first
    return np.asarray(~outside[numbered][tuple(slice(low, -low or None) for low, _ in edge)])
