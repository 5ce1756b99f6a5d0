"""A scripted reader who knows the expert's mask and repairs another one in the program's own editor, stroke by stroke.

With brush and eraser it is greedy: of all strokes it does the one that raises the mean Dice of the regions that the
expert drew most, by first order. With an assistant it first asks for something that saves more strokes than it costs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from parts.unsaved import NoJournal
from scipy import ndimage

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT as SCHEME
from glioma_annotator.domain.labels import Region
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.imaging.brush import Brush
from glioma_annotator.workflow.editing import Editor
from glioma_annotator.workflow.strokes import Paint

DIAMETERS_MM = (1.0, 3.0, 5.0, 9.0, 15.0, 25.0)
REGIONS = ("ET", "TC", "WT")
AXIAL = 2
MOST = 5000  # interactions after which a reader gives up
_RIM = 6  # voxels around expert and proposal that are kept
_PATIENCE = 20  # strokes before an assistant that had nothing is asked again
_STALE = 0.1  # share by which a weight may change before every slice is looked at again

Weights = NDArray[np.float64]
Centres = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Case:
    """What a reader has: images by sequence, the expert's mask and a proposal, all (i, j, k) on one grid."""

    name: str
    images: Mapping[str, Volume]
    expert: LabelArray
    proposal: LabelArray
    grid: Grid

    def cropped(self) -> Case:
        """The box that holds expert and proposal, with a rim: what lies beyond it is background to both."""
        box = Box.around((self.expert > 0) | (self.proposal > 0)) or Box.whole(self.grid.shape)
        box = Box(*(tuple(v + s * _RIM for v in c) for c, s in ((box.start, -1), (box.stop, 1))))  # type: ignore[arg-type]
        box = box.clipped(self.grid.shape)
        affine = self.grid.affine.copy()
        affine[:3, 3] = self.grid.index_to_world(box.start)
        grid = Grid(box.shape, affine)

        def part(data: NDArray[Any]) -> NDArray[Any]:
            return np.ascontiguousarray(data[box.slices])

        images = {name: Volume(part(volume.data), grid) for name, volume in self.images.items()}
        return Case(self.name, images, part(self.expert), part(self.proposal), grid)


def drawn_regions(expert: LabelArray) -> list[Region]:
    """The regions of an expert's mask that are scored."""
    return [region for region in SCHEME.regions if region.name in REGIONS and region.mask(expert).any()]


def regional_dice(mask: LabelArray, expert: LabelArray) -> dict[str, float]:
    """Dice by region, of the regions that the expert drew."""
    found = {}
    for region in drawn_regions(expert):
        own, truth = region.mask(mask), region.mask(expert)
        found[region.name] = float(2 * np.count_nonzero(own & truth) / (own.sum() + truth.sum()))
    return found


def error_weights(mask: LabelArray, expert: LabelArray) -> Weights:
    """What a voxel of label a that should be b costs the mean regional Dice, to first order: table [a, b]."""
    table = np.zeros((256, 256))
    known = np.unique(np.concatenate([np.unique(mask), np.unique(expert)])).tolist()
    drawn = drawn_regions(expert)
    for region in drawn:
        own, truth = region.mask(mask), region.mask(expert)
        total = float(own.sum() + truth.sum())
        dice = 2 * np.count_nonzero(own & truth) / total
        for a in known:
            for b in known:
                inside = a in region.values, b in region.values
                if inside[0] != inside[1]:
                    # d Dice / d voxel: missed ones raise intersection and size, added ones the size alone.
                    table[a, b] += ((2 - dice) if inside[1] else dice) / total / len(drawn)
    return table


@dataclass(eq=False)
class Act:
    """Something the reader could do next, which costs so many interactions; `gain` of mean Dice as it was looked up."""

    tool: str
    cost: int
    gain: float
    do: Callable[[], None]


class Assistant(Protocol):
    """Tools beyond brush and eraser."""

    def act(self, target: float) -> Act | None:
        """What saves most strokes on the way to the Dice `target`; None when nothing saves more than it costs."""
        ...


class Reader:
    """One reader with an editor.

    Parameters
    ----------
    start: the mask to begin with; `cost` is what that took.
    """

    def __init__(self, case: Case, start: LabelArray, cost: int) -> None:
        self.case = case
        self.editor = Editor(start.copy(), case.grid, SCHEME, NoJournal())
        self.used: Counter[str] = Counter({"accept": cost} if cost else {})
        self.values = sorted({0, *np.unique(case.expert).tolist()})
        self._drawn = drawn_regions(case.expert)
        self.assistant: Assistant | None = None
        self.weights = error_weights(self.mask, case.expert)
        self._slices: dict[int, Act | None] = {}

    @property
    def mask(self) -> LabelArray:
        return self.editor.labels

    @property
    def interactions(self) -> int:
        return sum(self.used.values())

    @property
    def dice(self) -> float:
        return float(np.mean(list(regional_dice(self.mask, self.case.expert).values())))

    def errors(self, mask: LabelArray) -> Weights:
        """What every voxel of a mask costs."""
        return self.weights[mask, self.case.expert]

    def strokes_left(self, mask: LabelArray, target: float, known: Mapping[int, Weights] | None = None) -> int:
        """How many strokes of the brush a mask is about away from the Dice `target`.

        A stroke puts right one connected error of a label in a slice; the costliest ones come first. `known` are the
        errors by slice, where they have been looked at already.
        """
        known = known or {}
        found = [known[n] if n in known else self.slice_errors(mask, n) for n in range(mask.shape[AXIAL])]
        errors = np.concatenate(found)
        errors = errors[np.argsort(-errors[:, 0])]
        steps = np.vstack([np.zeros(errors.shape[1]), errors.cumsum(axis=0)])
        dice = np.zeros(len(steps))
        for n, region in enumerate(self._drawn):
            own, truth = region.mask(mask), region.mask(self.case.expert)
            shared = np.count_nonzero(own & truth) + steps[:, 1 + 2 * n]
            size = own.sum() + truth.sum() + steps[:, 2 + 2 * n]
            dice += 2 * shared / size / len(self._drawn)
        there = np.flatnonzero(dice >= target)
        return int(there[0]) if there.size else len(errors)

    def slice_errors(self, mask: LabelArray, number: int) -> Weights:
        """The connected errors of each label in an axial slice, one in a row.

        What each costs, and for each region drawn how much putting it right adds to the intersection and to the size.
        """
        now, expert = mask[:, :, number], self.case.expert[:, :, number]
        costs = self.weights[now, expert]
        rows = [np.zeros((0, 1 + 2 * len(self._drawn)))]
        for value in np.unique(expert[costs > 0]).tolist():
            pieces, count = ndimage.label((expert == value) & (costs > 0), np.ones((3, 3)))
            where = pieces > 0
            of, before = pieces[where], now[where]
            columns = [np.bincount(of, weights=costs[where], minlength=count + 1)]
            for region in self._drawn:
                own, truth = region.mask(before).astype(np.int64), int(value in region.values)
                columns.append(np.bincount(of, weights=truth * (1 - own), minlength=count + 1))
                columns.append(np.bincount(of, weights=truth - own, minlength=count + 1))
            rows.append(np.column_stack(columns)[1:])
        return np.concatenate(rows)

    def work(self, target: float) -> Iterator[float]:
        """Work until the Dice is reached; yields it after every act."""
        self._look_at_all()
        patience = 0
        while self.dice < target and self.interactions < MOST:
            act = None
            if self.assistant is not None and patience <= 0:
                act = self.assistant.act(target)
                patience = 0 if act is not None else _PATIENCE
            if act is None:
                patience -= 1
                act = max((act for act in self._slices.values() if act is not None), key=_gain, default=None)
            if act is None:
                return
            before = self.mask.copy()
            act.do()
            self.used[act.tool] += act.cost
            weights = error_weights(self.mask, self.case.expert)
            if (np.abs(weights - self.weights) > _STALE * np.maximum(weights, self.weights)).any():
                self.weights = weights
                self._look_at_all()
            else:
                for number in np.flatnonzero((before != self.mask).any(axis=(0, 1))):
                    self._look(int(number))
            yield self.dice

    # strokes in an axial slice

    def _look_at_all(self) -> None:
        for number in range(self.case.grid.shape[AXIAL]):
            self._look(number)

    def _look(self, number: int) -> None:
        """Find the best stroke in an axial slice."""
        mask, expert = self.mask[:, :, number], self.case.expert[:, :, number]
        self._slices[number] = None
        costs = self.weights[mask, expert]
        if not costs.any():
            return
        spacing = self.case.grid.spacing_mm[:2]
        best: tuple[float, float, int, Centres] | None = None
        for value in np.unique(expert[costs > 0]).tolist():
            own = expert == value
            wrong = own & (costs > 0)
            room = ndimage.distance_transform_edt(np.pad(own, 1, constant_values=value == 0), sampling=spacing)
            room = room[1:-1, 1:-1]
            near = ndimage.distance_transform_edt(~wrong, sampling=spacing)
            for diameter in DIAMETERS_MM:
                # The brush stays within the label where its centre is farther than its radius from the next one.
                centres = own & (room > diameter / 2) & (near <= diameter / 2 + 1e-6)
                paths, count = ndimage.label(centres, np.ones((3, 3)))
                if not count:
                    continue
                away, nearest = ndimage.distance_transform_edt(~centres, sampling=spacing, return_indices=True)
                reached = wrong & (away <= diameter / 2 + 1e-6)
                of_path = paths[tuple(part[reached] for part in nearest)]
                gains = np.bincount(of_path, weights=costs[reached], minlength=count + 1)
                path = int(gains[1:].argmax()) + 1
                if best is None or gains[path] > best[0]:
                    best = float(gains[path]), diameter, value, np.argwhere(paths == path)
        if best is not None:
            gain, diameter, value, path_voxels = best
            centres_3d = np.column_stack([path_voxels, np.full(len(path_voxels), number)])
            paint = Paint(Brush(diameter, AXIAL), value)
            tool = "brush" if value else "eraser"
            self._slices[number] = Act(tool, 1, gain, lambda: self.stroke(paint, centres_3d))

    def stroke(self, paint: Paint, centres: Centres) -> None:
        """Drag from voxel to neighbouring voxel over connected centres (n, 3) in a slice, back where the way ends."""
        left = {(int(i), int(j), int(k)) for i, j, k in centres}
        start = min(left)
        self.editor.begin(paint)
        trail = [start]
        left.discard(start)
        self.editor.stroke_to(start)
        while trail:
            i, j, k = trail[-1]
            step = next(
                (v for a in (-1, 0, 1) for b in (-1, 0, 1) if (v := (i + a, j + b, k)) in left),
                None,
            )
            if step is None:
                trail.pop()
                if trail and left:
                    self.editor.stroke_to(trail[-1])
                continue
            left.discard(step)
            trail.append(step)
            self.editor.stroke_to(step)
        self.editor.end_stroke()


def _gain(act: Act) -> float:
    return act.gain
