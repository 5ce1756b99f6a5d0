"""Lesions: the connected components of a region, what they measure, and which is which at the next visit."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glioma_annotator.domain.finding import LesionChange, Point
from glioma_annotator.domain.geometry import Box, FloatArray, Grid
from glioma_annotator.domain.response import DiameterLine
from glioma_annotator.imaging.components import components
from glioma_annotator.imaging.diameters import Ends, bidimensional

Mask = NDArray[np.bool_]

SMALLEST_ML = 0.05
"""Components below it are left out: a ball of 4.6 mm across, about what a scan with 5 mm slices can still show."""

OVERLAP = 0.1
"""Least share of the smaller of two registered lesions that must lie in the other for them to be one. Our choice: a
seam of touching borders stays below it."""

DISTANCE_MM = 5.0
"""Lesions that do not overlap may lie this far apart, border to border, and still be one. Our choice: about the error
of a rigid registration after resection."""

SAME_SIZE = 0.2
"""Relative change of volume up to which a lesion counts as unchanged. Our choice, of the order in which two readings of
one enhancing tumour differ; RANO's thresholds decide on response, not this one."""

_STEP_MM = 0.2
_EXACT = 1e-9  # a share of exactly the threshold reaches it, whatever the rounding


@dataclass(frozen=True, slots=True)
class Lesion:
    """One component.

    Attributes
    ----------
    number: its value in `LesionMap.numbered`, from 1, the largest first.
    voxels, volume_ml: its size; the volume is exactly voxels x voxel volume.
    box: the smallest box of voxels around it.
    centroid_mm: centre of mass, world RAS mm; may lie outside a ring.
    point_mm: centre of the voxel of the lesion nearest to the centroid, world RAS mm.
    slices: number of axial slices (k) that it is seen on.
    """

    number: int
    voxels: int
    volume_ml: float
    box: Box
    centroid_mm: Point
    point_mm: Point
    slices: int


@dataclass(frozen=True, slots=True, eq=False)
class LesionMap:
    """The lesions of one visit.

    Attributes
    ----------
    grid: the mask's grid.
    numbered: int32 (i, j, k); the lesion's number, 0 elsewhere.
    lesions: by number, so that `lesions[n - 1]` has number n.
    """

    grid: Grid
    numbered: NDArray[np.int32]
    lesions: tuple[Lesion, ...]

    def at(self, point_mm: ArrayLike, within_mm: float = 0.0) -> Lesion | None:
        """The lesion at a world RAS mm point (3,), or the nearest one whose border is at most `within_mm` away."""
        index = np.rint(self.grid.world_to_index(point_mm)).astype(int)
        if self.grid.contains(index) and self.numbered[tuple(index)]:
            return self.lesions[int(self.numbered[tuple(index)]) - 1]
        if within_mm <= 0 or not self.lesions:
            return None
        offsets = (_points(self, lesion.number) - np.asarray(point_mm) for lesion in self.lesions)
        away = [float(np.linalg.norm(offset, axis=1).min()) for offset in offsets]
        nearest = int(np.argmin(away))
        return self.lesions[nearest] if away[nearest] <= within_mm else None


@dataclass(frozen=True, slots=True)
class LesionSize:
    """The two diameters of a lesion on the axial slice `k` with its largest area, and their lines in world RAS mm."""

    longest_mm: float
    perpendicular_mm: float
    longest: DiameterLine
    perpendicular: DiameterLine
    k: int


@dataclass(frozen=True, slots=True)
class LesionLink:
    """What became of a lesion between two visits.

    Attributes
    ----------
    later: its number at the later visit; None for one that is gone.
    earlier: numbers at the earlier visit, largest overlap first; none for a new one.
    change: one of the seven.
    earlier_ml, later_ml: volumes of the earlier lesions together, and of the later one.
    """

    later: int | None
    earlier: tuple[int, ...]
    change: LesionChange
    earlier_ml: float
    later_ml: float


def find_lesions(mask: Mask, grid: Grid, smallest_ml: float = SMALLEST_ML) -> LesionMap:
    """The 26-connected components of a mask (i, j, k) on `grid` of at least `smallest_ml`, largest first."""
    found, count = components(mask)
    sizes = np.bincount(found[mask], minlength=count + 1)
    kept = [n for n in np.argsort(-sizes, kind="stable") if sizes[n] and sizes[n] * grid.voxel_volume_ml >= smallest_ml]
    renumber = np.zeros(count + 1, dtype=np.int32)
    renumber[kept] = np.arange(1, len(kept) + 1)
    numbered = renumber[found]
    boxes = _boxes(numbered)
    lesions = tuple(_lesion(n, numbered, box, grid) for n, box in enumerate(boxes, start=1))
    return LesionMap(grid, numbered, lesions)


def lesion_size(lesions: LesionMap, number: int) -> LesionSize:
    """Bidimensional diameters of a lesion on the axial slice where its outline, holes filled, has the largest area."""
    from scipy import ndimage  # here, to keep it off the program's start

    box = lesions.lesions[number - 1].box
    inside = lesions.numbered[box.slices] == number
    areas = [np.count_nonzero(ndimage.binary_fill_holes(inside[:, :, k])) for k in range(inside.shape[2])]
    k = int(np.argmax(areas))
    found = bidimensional(inside[:, :, k], lesions.grid.spacing_mm[:2])
    assert found is not None, "a lesion's box has no empty outermost slice"
    i, j, first = box.start

    def line(ends: Ends) -> DiameterLine:
        index = [(u + i, v + j, k + first) for u, v in ends]
        start, end = lesions.grid.index_to_world(index).tolist()
        return DiameterLine((start[0], start[1], start[2]), (end[0], end[1], end[2]))

    return LesionSize(found.long_mm, found.short_mm, line(found.long_ends), line(found.short_ends), k + first)


def match_lesions(
    earlier: LesionMap,
    later: LesionMap,
    later_to_earlier: ArrayLike | None = None,
    *,
    among_earlier: Collection[int] | None = None,
    among_later: Collection[int] | None = None,
    overlap: float = OVERLAP,
    distance_mm: float = DISTANCE_MM,
    same_size: float = SAME_SIZE,
) -> tuple[LesionLink, ...]:
    """Say for every lesion of two visits what became of it: by overlap, then, for those without any, by distance.

    Parameters
    ----------
    later_to_earlier: (4, 4) world RAS mm of the later visit to that of the earlier one, as a registration with the
        later scan fixed gives it; None when both lie in one world.
    among_earlier, among_later: numbers that take part; None for all.

    Returns links of the later lesions by number, then those of the gone ones.
    """
    matrix = np.eye(4) if later_to_earlier is None else np.asarray(later_to_earlier, dtype=np.float64)
    old = [n for n in earlier.lesions if among_earlier is None or n.number in among_earlier]
    new = [n for n in later.lesions if among_later is None or n.number in among_later]
    shared = _shared_ml(earlier, later, matrix)
    pairs = {
        (a.number, b.number): ml
        for a in old
        for b in new
        if (ml := shared.get((a.number, b.number), 0.0)) >= overlap * min(a.volume_ml, b.volume_ml) * (1 - _EXACT)
        and ml > 0
    }
    pairs |= dict.fromkeys(_near(earlier, later, old, new, pairs, matrix, distance_mm), 0.0)
    links = [_link(lesion, earlier, pairs, same_size) for lesion in new]
    continued = {a for a, _ in pairs}
    gone = (n for n in old if n.number not in continued)
    return (*links, *(LesionLink(None, (n.number,), LesionChange.GONE, n.volume_ml, 0.0) for n in gone))


def _link(lesion: Lesion, earlier: LesionMap, pairs: dict[tuple[int, int], float], same_size: float) -> LesionLink:
    """The link of one later lesion from the pairs (earlier, later) of all."""
    before = sorted((a for a, b in pairs if b == lesion.number), key=lambda a: (-pairs[a, lesion.number], a))
    ml = sum(earlier.lesions[a - 1].volume_ml for a in before)
    if not before:
        change = LesionChange.NEW
    elif len(before) > 1:
        change = LesionChange.MERGED
    elif sum(a == before[0] for a, _ in pairs) > 1:
        change = LesionChange.SPLIT
    elif abs(lesion.volume_ml - ml) <= (same_size + _EXACT) * ml:
        change = LesionChange.UNCHANGED
    else:
        change = LesionChange.GROWN if lesion.volume_ml > ml else LesionChange.SHRUNK
    return LesionLink(lesion.number, tuple(before), change, ml, lesion.volume_ml)


def _shared_ml(earlier: LesionMap, later: LesionMap, matrix: FloatArray) -> dict[tuple[int, int], float]:
    """Volume in mL shared by (earlier, later) lesions, sampled at the centres of the finer grid's voxels."""
    if earlier.grid.voxel_volume_ml < later.grid.voxel_volume_ml:
        flipped = _shared_ml(later, earlier, np.asarray(np.linalg.inv(matrix), dtype=np.float64))
        return {(b, a): ml for (a, b), ml in flipped.items()}
    index = np.argwhere(later.numbered)
    if index.size == 0 or not earlier.lesions:
        return {}
    numbers = later.numbered[tuple(index.T)].astype(np.int64)
    place = later.grid.index_to_world(index) @ matrix[:3, :3].T + matrix[:3, 3]
    there = np.rint(earlier.grid.world_to_index(place)).astype(np.int64)
    inside = ((there >= 0) & (there < np.asarray(earlier.grid.shape))).all(axis=1)
    hit = np.zeros(len(index), dtype=np.int64)
    hit[inside] = earlier.numbered[tuple(there[inside].T)]
    codes, counts = np.unique(hit[hit > 0] * (numbers.max() + 1) + numbers[hit > 0], return_counts=True)
    pairs = (divmod(int(code), int(numbers.max()) + 1) for code in codes)
    return {pair: float(n) * later.grid.voxel_volume_ml for pair, n in zip(pairs, counts, strict=True)}


def _near(
    earlier: LesionMap,
    later: LesionMap,
    old: Iterable[Lesion],
    new: Iterable[Lesion],
    pairs: Collection[tuple[int, int]],
    matrix: FloatArray,
    distance_mm: float,
) -> list[tuple[int, int]]:
    """Pairs of lesions that overlap with nothing and lie within `distance_mm`, nearest first, each used once."""
    from scipy.spatial import KDTree  # here, to keep it off the program's start

    lone_old = [n.number for n in old if all(n.number != a for a, _ in pairs)]
    lone_new = [n.number for n in new if all(n.number != b for _, b in pairs)]
    if not lone_old or not lone_new:
        return []
    trees = {a: KDTree(_points(earlier, a)) for a in lone_old}
    reach = []
    for b in lone_new:
        place = _points(later, b) @ matrix[:3, :3].T + matrix[:3, 3]
        for a, tree in trees.items():
            away = float(np.min(tree.query(place, distance_upper_bound=distance_mm + 1e-9)[0]))
            if away <= distance_mm:
                reach.append((away, a, b))
    found: list[tuple[int, int]] = []
    for _, a, b in sorted(reach):
        if all(a != x and b != y for x, y in found):
            found.append((a, b))
    return found


def _points(lesions: LesionMap, number: int) -> FloatArray:
    """Centres (n, 3) of a lesion's voxels, world RAS mm."""
    box = lesions.lesions[number - 1].box
    index = np.argwhere(lesions.numbered[box.slices] == number) + np.asarray(box.start)
    return lesions.grid.index_to_world(index)


def _boxes(numbered: NDArray[np.int32]) -> list[Box]:
    if not numbered.any():
        return []
    from scipy import ndimage  # here, to keep it off the program's start

    boxes = []
    for i, j, k in ndimage.find_objects(numbered):
        boxes.append(Box((i.start, j.start, k.start), (i.stop, j.stop, k.stop)))
    return boxes


def _lesion(number: int, numbered: NDArray[np.int32], box: Box, grid: Grid) -> Lesion:
    inside = numbered[box.slices] == number
    index = np.argwhere(inside) + np.asarray(box.start)
    centre = index.mean(axis=0)
    away = np.linalg.norm((index - centre) * np.asarray(grid.spacing_mm), axis=1)
    nearest = index[int(np.argmin(away))]
    x, y, z = grid.index_to_world(centre).tolist()
    u, v, w = grid.index_to_world(nearest).tolist()
    slices = int(np.count_nonzero(inside.any(axis=(0, 1))))
    return Lesion(number, len(index), len(index) * grid.voxel_volume_ml, box, (x, y, z), (u, v, w), slices)


def length_inside_mm(line: DiameterLine, mask: NDArray[np.bool_], grid: Grid) -> float:
    """How much of a line, world RAS mm, runs through a mask (i, j, k) on `grid`; to about a fifth of a millimetre."""
    start, end = np.asarray(line.start_mm), np.asarray(line.end_mm)
    length = float(np.linalg.norm(end - start))
    shares = (np.arange(max(1, round(length / _STEP_MM))) + 0.5) / max(1, round(length / _STEP_MM))
    index = np.rint(grid.world_to_index(start + shares[:, None] * (end - start))).astype(int)
    within = ((index >= 0) & (index < grid.shape)).all(axis=1)
    return length * float(np.count_nonzero(mask[tuple(index[within].T)])) / len(shares)
