"""The assistant tools in a scripted reader's hands: what each of them could do next, and what it would be worth."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from parts.reader import AXIAL, DIAMETERS_MM, SCHEME, Act, Centres, Reader
from scipy import ndimage

from glioma_annotator.domain.geometry import Box
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.brush import Brush
from glioma_annotator.imaging.components import components
from glioma_annotator.imaging.label_ops.fill import sampled_range
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow.operations import Interpolate, Margin, Operation, Smooth, Snapshot, show_nothing
from glioma_annotator.workflow.seeded_operations import GrowFromSeeds, GrowRegion
from glioma_annotator.workflow.strokes import LikeCentre, Paint, WithinRange

_BUSIEST = 3  # axial slices that 3D strokes are tried in
_COMPONENTS = 2  # of a label's error that clicks into the image are tried in
_TRIED = 6  # of each tool's uses, by what they gain, whose outcome is worked out
_EVERY = (2, 3, 4, 6, 8, 12)  # slices from one painted by hand to the next, before interpolation
_SEED_SLICES = (1, 3)  # slices in which every label gets a stroke, before it grows
_FACES = ndimage.generate_binary_structure(3, 1)

Mask = NDArray[np.bool_]
Outcome = tuple[LabelArray, int] | None
Box3 = tuple[slice, ...]


@dataclass(eq=False)
class _Use:
    """A use of a tool: the voxels that it changes within a box, and what it costs."""

    tool: str
    cost: int
    gain: float
    box: Box3
    changed: Mask
    value: int
    do: Callable[[], None]


@dataclass(order=True)
class _Plan:
    """A way of using tools that is long to work out, by what it saved per interaction when it was worked out last."""

    minus_worth: float
    number: int
    tool: str = field(compare=False)
    outcome: Callable[[], Outcome] = field(compare=False)


class ToolUser:
    """Tries the assistant tools for a reader.

    A use is worth the strokes of the brush that it saves, per interaction; one stroke saves one, so only what is worth
    more is done. A click or stroke counts one; so does the Return that applies a preview; a tool whose millimetres or
    method are set counts two; an example dragged for the threshold brush counts one.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._case = reader.case
        self._rooms = {value: self._room(value) for value in reader.values}
        plans = [*self._whole_mask(), *self._between_slices(), *self._from_seeds(), *self._grown()]
        self._plans = [_Plan(-np.inf, n, tool, outcome) for n, (tool, outcome) in enumerate(plans)]

    def _room(self, value: int) -> NDArray[np.float32]:
        """Distance in mm of every voxel of the expert's label to the nearest other voxel."""
        distance = ndimage.distance_transform_edt(self._case.expert == value, sampling=self._case.grid.spacing_mm)
        return np.asarray(distance, dtype=np.float32)

    def act(self, target: float) -> Act | None:
        """What saves most strokes per interaction on the way to the Dice `target`; None when nothing saves any."""
        reader = self._reader
        mask = reader.mask
        errors = {number: reader.slice_errors(mask, number) for number in range(mask.shape[AXIAL])}
        left = reader.strokes_left(mask, target, errors)
        best: Act | None = None
        most = 1.0

        def consider(tool: str, cost: int, after: LabelArray, do: Callable[[], None]) -> float:
            nonlocal best, most
            changed = np.flatnonzero((after != mask).any(axis=(0, 1))).tolist()
            kept = {number: found for number, found in errors.items() if number not in changed}
            worth = (left - reader.strokes_left(after, target, kept)) / cost
            if worth > most:
                best, most = Act(tool, cost, worth, do), worth
            return worth

        for look in (self._clicks, self._balls, self._dabs):
            for use in sorted(look(), key=lambda use: -use.gain / use.cost)[:_TRIED]:
                after = mask.copy()
                after[use.box][use.changed] = use.value
                consider(use.tool, use.cost, after, use.do)
        kept = []
        while self._plans and -self._plans[0].minus_worth > most:
            plan = heapq.heappop(self._plans)
            outcome = plan.outcome()
            plan.minus_worth = 0.0
            if outcome is not None:
                after, cost = outcome
                plan.minus_worth = -consider(plan.tool, cost, after, self._applier(plan.tool, after))
            kept.append(plan)
        for plan in kept:
            heapq.heappush(self._plans, plan)
        return best

    # a click on a component of the mask

    def _clicks(self) -> Iterator[_Use]:
        """Fill: a component of the mask, in 3D or in its slice, becomes another label or background."""
        reader, expert = self._reader, self._case.expert
        mask = reader.mask
        whole = tuple(slice(None) for _ in range(3))
        for value in np.unique(mask).tolist():
            for flat in (False, True):
                structure = np.ones((3, 3, 3), dtype=np.bool_) if value else _FACES.copy()
                if flat:
                    structure[:, :, (0, 2)] = False
                found, count = ndimage.label(mask == value, structure)
                if not count:
                    continue
                pairs = np.bincount(
                    found.reshape(-1).astype(np.int64) * 256 + expert.reshape(-1), minlength=(count + 1) * 256
                ).reshape(count + 1, 256)
                pairs[0] = 0
                # What a component costs as it is, less what it would cost as each of the labels.
                gains = (pairs @ reader.weights[value])[:, None] - pairs @ reader.weights.T
                gains = gains[:, reader.values]
                for flat_place in np.argsort(-gains, axis=None)[:3].tolist():
                    place, label = divmod(int(flat_place), gains.shape[1])
                    gain, to = float(gains[place, label]), reader.values[label]
                    if gain > 0:
                        where = found == place
                        yield _Use("fill", 1, gain, whole, where, to, self._filler(where, to))

    def _filler(self, where: Mask, value: int) -> Callable[[], None]:
        voxels = np.flatnonzero(where).astype(np.int64)
        return lambda: (self._reader.editor.set_voxels("Fill", voxels, value), None)[1]

    # 3D strokes, plain or within a range of intensity

    def _balls(self) -> Iterator[_Use]:
        """3D strokes in the axial slices with most to correct."""
        reader, expert = self._reader, self._case.expert
        costs = reader.errors(reader.mask)
        for number in np.argsort(-costs.sum(axis=(0, 1)))[:_BUSIEST].tolist():
            for value in np.unique(expert[:, :, number][costs[:, :, number] > 0]).tolist():
                missed = (expert[:, :, number] == value) & (costs[:, :, number] > 0)
                near = ndimage.distance_transform_edt(~missed, sampling=self._case.grid.spacing_mm[:2])
                for diameter in DIAMETERS_MM[1:]:
                    own = (expert[:, :, number] == value) & (near <= diameter / 2)
                    inside = own & (self._rooms[value][:, :, number] > diameter / 2)
                    yield from self._ball(number, value, diameter, inside)
                    yield from self._ranged_ball(number, value, diameter, own)

    def _reach(self, number: int, diameter: float, centres: Mask) -> tuple[Centres, Box3, Mask] | None:
        """The largest connected path of centres in a slice, and what a ball along it touches, as a box and a mask."""
        paths, count = ndimage.label(centres, np.ones((3, 3)))
        if not count:
            return None
        path = np.argwhere(paths == int(np.bincount(paths.reshape(-1))[1:].argmax()) + 1)
        voxels = np.column_stack([path, np.full(len(path), number)])
        grid = self._case.grid
        reach = [int(diameter / 2 / s) for s in grid.spacing_mm]
        low = np.maximum(voxels.min(axis=0) - reach, 0)
        high = np.minimum(voxels.max(axis=0) + reach + 1, grid.shape)
        part = np.ones(tuple(high - low), dtype=np.bool_)
        part[tuple((voxels - low).T)] = False
        touched = ndimage.distance_transform_edt(part, sampling=grid.spacing_mm) <= diameter / 2 + 1e-6
        return voxels, tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True)), touched

    def _gains(self, box: Box3, value: int) -> NDArray[np.float64]:
        """What every voxel of a box would gain by becoming `value`; less than 0 where it would lose."""
        weights, expert = self._reader.weights, self._case.expert[box]
        gains: NDArray[np.float64] = weights[self._reader.mask[box], expert] - weights[value, expert]
        return gains

    def _ball(self, number: int, value: int, diameter: float, centres: Mask) -> Iterator[_Use]:
        found = self._reach(number, diameter, centres)
        if found is not None:
            voxels, box, touched = found
            gain = float(self._gains(box, value)[touched].sum())
            yield _Use("3D brush", 1, gain, box, touched, value, self._stroker(Paint(Brush(diameter), value), voxels))

    def _ranged_ball(self, number: int, value: int, diameter: float, centres: Mask) -> Iterator[_Use]:
        """The threshold brush, its range from an example dragged over the label in the slice: two interactions."""
        found = self._reach(number, diameter, centres)
        if found is None:
            return
        voxels, box, touched = found
        gains = self._gains(box, value)
        own = self._case.expert[:, :, number] == value
        for volume in self._case.images.values():
            low, high = sampled_range(volume.data[:, :, number][own])
            within = touched & (volume.data[box] >= low) & (volume.data[box] <= high)
            paint = Paint(Brush(diameter), value, chooser=WithinRange(volume.data, low, high))
            gain = float(gains[within].sum())
            yield _Use("threshold brush", 2, gain, box, within, value, self._stroker(paint, voxels))

    def _stroker(self, paint: Paint, centres: Centres) -> Callable[[], None]:
        return lambda: self._reader.stroke(paint, centres)

    # clicks into the image

    def _places(self, value: int) -> Iterator[tuple[tuple[int, int, int], Mask]]:
        """Middles of the costliest connected errors of a label, and where they are."""
        costs = np.where(self._case.expert == value, self._reader.errors(self._reader.mask), 0.0)
        found, count = components(costs > 0)
        worth = np.bincount(found.reshape(-1), weights=costs.reshape(-1), minlength=count + 1)
        for place in np.argsort(-worth)[:_COMPONENTS].tolist():
            if place and worth[place] > 0:
                where = found == place
                inside = np.argwhere(where)
                i, j, k = inside[np.argmin(((inside - inside.mean(axis=0)) ** 2).sum(axis=1))].tolist()
                yield (i, j, k), where

    def _dabs(self) -> Iterator[_Use]:
        """One press of the adaptive brush as a ball."""
        reader, grid = self._reader, self._case.grid
        expert, mask = self._case.expert.reshape(-1), reader.mask.reshape(-1)
        whole = tuple(slice(None) for _ in range(3))
        for value in reader.values[1:]:
            for seed, _ in self._places(value):
                for diameter in DIAMETERS_MM[3:]:
                    for volume in self._case.images.values():
                        for tolerance in (1.5, 2.5, 4.0):
                            brush, chooser = Brush(diameter), LikeCentre(volume.data, tolerance)
                            voxels = chooser(np.array([seed]), brush, grid)
                            gain = float(
                                (reader.weights[mask[voxels], expert[voxels]] - reader.weights[value, expert[voxels]])
                                .sum()
                            )  # fmt: skip
                            if gain > 0:
                                changed = np.zeros(grid.shape, dtype=np.bool_)
                                changed.reshape(-1)[voxels] = True
                                do = self._stroker(Paint(brush, value, chooser=chooser), np.array([seed]))
                                yield _Use("adaptive brush", 1, gain, whole, changed, value, do)

    def _grown(self) -> Iterator[tuple[str, Callable[[], Outcome]]]:
        """Region growing from the costliest errors; a click and Return."""
        for value in self._reader.values[1:]:
            for n in range(_COMPONENTS):
                for name in self._case.images:
                    for spread in (1.0, 2.0):
                        yield "region growing", self._grower(value, n, name, spread)

    def _grower(self, value: int, place: int, name: str, spread: float) -> Callable[[], Outcome]:
        def outcome() -> Outcome:
            found = list(self._places(value))
            if place >= len(found):
                return None
            seed, where = found[place]
            tolerance = float(spread * self._case.images[name].data[where].std()) + 1e-3
            after = self._run(GrowRegion(seed, value, name, tolerance, 30.0, None, True), self._reader.mask)
            return None if after is None else (after, 2)

        return outcome

    # what takes longer to work out

    def _whole_mask(self) -> Iterator[tuple[str, Callable[[], Outcome]]]:
        """Margin and smooth: what is set and Return."""
        for value in self._reader.values[1:]:
            for over in (False, True):
                for mm in (-2.0, -1.0, 1.0, 2.0):
                    yield "margin", self._setter(Margin(value, mm, over))
                for method in ("median", "closing", "opening"):
                    for mm in (1.0, 2.0, 3.0):
                        yield "smooth", self._setter(Smooth(value, method, mm, over))
        for mm in (1.0, 2.0, 3.0):
            yield "smooth", self._setter(Smooth(1, "joint", mm))

    def _setter(self, tool: Operation) -> Callable[[], Outcome]:
        def outcome() -> Outcome:
            after = self._run(tool, self._reader.mask)
            return None if after is None else (after, 2)

        return outcome

    def _between_slices(self) -> Iterator[tuple[str, Callable[[], Outcome]]]:
        """A label cleared, painted anew in every so many axial slices, and interpolated."""
        for value in self._reader.values[1:]:
            for every in _EVERY:
                yield "interpolate", self._interpolator(value, every)

    def _interpolator(self, value: int, every: int) -> Callable[[], Outcome]:
        def outcome() -> Outcome:
            mask, expert = self._reader.mask.copy(), self._case.expert
            present = bool((mask == value).any())
            mask[mask == value] = 0
            held = np.flatnonzero((expert == value).any(axis=(0, 1)))
            keys = np.unique([*held[::every].tolist(), int(held[-1])])
            strokes = 0
            for number in keys.tolist():
                own = expert[:, :, number] == value
                mask[:, :, number][own] = value
                strokes += int(ndimage.label(own, np.ones((3, 3)))[1])
            after = self._run(Interpolate(value, AXIAL, True), mask)
            return None if after is None else (after, int(present) + strokes + 1)

        return outcome

    def _from_seeds(self) -> Iterator[tuple[str, Callable[[], Outcome]]]:
        """Everything cleared, a stroke of every label in one or three slices, a box around, and Return."""
        names = tuple(self._case.images)
        for sequences in (names, *((name,) for name in names)):
            for slices in _SEED_SLICES:
                yield "grow from seeds", self._seeder(sequences, slices)

    def _seeder(self, sequences: tuple[str, ...], slices: int) -> Callable[[], Outcome]:
        def outcome() -> Outcome:
            expert = self._case.expert
            present = np.unique(self._reader.mask)
            mask = np.zeros_like(self._reader.mask)
            strokes = 0
            for value in self._reader.values[1:]:
                own = expert == value
                areas = np.count_nonzero(own, axis=(0, 1))
                held = np.flatnonzero(areas)
                parts = np.array_split(held, min(slices, len(held)))
                for number in (int(part[areas[part].argmax()]) for part in parts):
                    # A stroke along the middle of the label's largest piece there.
                    pieces, _ = ndimage.label(own[:, :, number], np.ones((3, 3)))
                    piece = pieces == int(np.bincount(pieces.reshape(-1))[1:].argmax()) + 1
                    room = ndimage.distance_transform_edt(piece)
                    core, _ = ndimage.label(room >= min(3.0, room.max()), np.ones((3, 3)))
                    mask[:, :, number][core == core[np.unravel_index(int(room.argmax()), room.shape)]] = value
                    strokes += 1
            box = Box.around(expert > 0)
            if box is None:
                return None
            after = self._run(GrowFromSeeds(box.grown(2), sequences), mask)
            return None if after is None else (after, int(np.count_nonzero(present)) + strokes + 2)

        return outcome

    def _run(self, tool: Operation, mask: LabelArray) -> LabelArray | None:
        """The mask after an operation; None where it has nothing to do."""
        snapshot = Snapshot(mask, self._case.grid, SCHEME, self._case.images)
        try:
            return tool.run(snapshot, ignore_progress, CancelToken(), show_nothing).labels
        except UserError:
            return None

    def _applier(self, name: str, after: LabelArray) -> Callable[[], None]:
        return lambda: (self._reader.editor.apply(name, after), None)[1]
