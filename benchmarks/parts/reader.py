"""A scripted reader who knows the expert's mask and repairs another one in the program's own editor, stroke by stroke.

It is greedy: of everything that its tools could do next it does what raises the mean Dice of the regions that the
expert drew most per interaction, by first order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from parts.unsaved import NoJournal
from scipy import ndimage

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT as SCHEME
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.imaging.brush import Brush
from glioma_annotator.workflow.editing import Editor
from glioma_annotator.workflow.strokes import Paint

DIAMETERS_MM = (1.0, 3.0, 5.0, 9.0, 15.0, 25.0)
REGIONS = ("ET", "TC", "WT")
AXIAL = 2
MOST = 5000  # interactions after which a reader gives up
_RIM = 6  # voxels around expert and proposal that are kept
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


def regional_dice(mask: LabelArray, expert: LabelArray) -> dict[str, float]:
    """Dice by region, of the regions that the expert drew."""
    found = {}
    for region in SCHEME.regions:
        truth = region.mask(expert)
        if region.name in REGIONS and truth.any():
            own = region.mask(mask)
            found[region.name] = float(2 * np.count_nonzero(own & truth) / (own.sum() + truth.sum()))
    return found


def error_weights(mask: LabelArray, expert: LabelArray) -> Weights:
    """What a voxel of label a that should be b costs the mean regional Dice, to first order: table [a, b]."""
    table = np.zeros((256, 256))
    known = np.unique(np.concatenate([np.unique(mask), np.unique(expert)])).tolist()
    drawn = [region for region in SCHEME.regions if region.name in REGIONS and region.mask(expert).any()]
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


@dataclass(order=True)
class Act:
    """Something the reader could do next; `gain` (of mean Dice) was true when it was looked up."""

    worth: float
    number: int
    tool: str = field(compare=False)
    cost: int = field(compare=False)
    gain: float = field(compare=False)
    do: Callable[[], None] = field(compare=False)


class Assistant(Protocol):
    """Tools beyond brush and eraser."""

    def acts(self, worth: float) -> list[Act]:
        """What could be done with them that is worth more than `worth` per interaction."""
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
        self.assistant: Assistant | None = None
        self.weights = error_weights(self.mask, case.expert)
        self._slices: dict[int, Act | None] = {}
        self._number = 0

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

    def gain_of(self, after: LabelArray) -> float:
        changed = np.flatnonzero(after.reshape(-1) != self.mask.reshape(-1))
        expert = self.case.expert.reshape(-1)[changed]
        before, now = self.mask.reshape(-1)[changed], after.reshape(-1)[changed]
        return float((self.weights[before, expert] - self.weights[now, expert]).sum())

    def work(self, target: float) -> Iterator[float]:
        """Work until the Dice is reached; yields it after every act."""
        self._look_at_all()
        while self.dice < target and self.interactions < MOST:
            act = self._best()
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

    def _best(self) -> Act | None:
        acts = [act for act in self._slices.values() if act is not None]
        if self.assistant is not None:
            acts += self.assistant.acts(max((act.worth for act in acts), default=0.0))
        return max(acts, default=None)

    def act(self, tool: str, cost: int, gain: float, do: Callable[[], None]) -> Act:
        self._number += 1
        return Act(gain / cost, self._number, tool, cost, gain, do)

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
            self._slices[number] = self.act(
                "brush" if value else "eraser", 1, gain, lambda: self.stroke(paint, centres_3d)
            )

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
