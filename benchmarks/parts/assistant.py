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
_EVERY = (2, 3, 4, 6, 8, 12)  # slices from one painted by hand to the next, before interpolation
_SEED_SLICES = (1, 3)  # slices in which every label gets a stroke, before it grows
_FACES = ndimage.generate_binary_structure(3, 1)

Mask = NDArray[np.bool_]


@dataclass(order=True)
class _Plan:
    """A way of using tools that is long to work out, by what it was worth when it was worked out last."""

    minus_worth: float
    number: int
    tool: str = field(compare=False)
    outcome: Callable[[], tuple[LabelArray, int] | None] = field(compare=False)


class ToolUser:
    """Tries the assistant tools for a reader.

    A click or stroke counts one; so does the Return that applies a preview; a tool whose millimetres or method are set
    counts two; an example dragged for the threshold brush counts one.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._case = reader.case
        self._rooms = {value: self._room(value) for value in reader.values}
        plans = [*self._whole_mask(), *self._between_slices(), *self._from_seeds()]
        self._plans = [_Plan(-np.inf, n, tool, outcome) for n, (tool, outcome) in enumerate(plans)]

    def _room(self, value: int) -> NDArray[np.float32]:
        """Distance in mm of every voxel of the expert's label to the nearest other voxel."""
        distance = ndimage.distance_transform_edt(self._case.expert == value, sampling=self._case.grid.spacing_mm)
        return np.asarray(distance, dtype=np.float32)

    def acts(self, worth: float) -> list[Act]:
        """What is worth more than `worth` per interaction, and than what came before it in the list."""
        found: list[Act] = []
        for look in (self._click, self._balls, self._dabs, self._grown, self._planned):
            found.extend(look(max((a.worth for a in found), default=worth)))
        return found

    # a click on a component of the mask

    def _click(self, worth: float) -> Iterator[Act]:
        """Fill: a component of the mask, in 3D or in its slice, becomes another label or background."""
        reader, expert = self._reader, self._case.expert
        mask = reader.mask
        best: tuple[float, NDArray[np.int64], int] | None = None
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
                place, label = np.unravel_index(int(gains.argmax()), gains.shape)
                gain = float(gains[place, label])
                if gain > worth and (best is None or gain > best[0]):
                    best = gain, np.flatnonzero(found == place).astype(np.int64), reader.values[int(label)]
        if best is not None:
            gain, voxels, to = best
            yield reader.act("fill", 1, gain, lambda: (reader.editor.set_voxels("Fill", voxels, to), None)[1])

    # 3D strokes, plain or within a range of intensity

    def _balls(self, worth: float) -> Iterator[Act]:
        """3D strokes in the axial slices with most to correct."""
        reader, expert = self._reader, self._case.expert
        costs = reader.errors(reader.mask)
        for number in np.argsort(-costs.sum(axis=(0, 1)))[:_BUSIEST].tolist():
            for value in np.unique(expert[:, :, number][costs[:, :, number] > 0]).tolist():
                missed = np.where(expert == value, costs, 0.0)
                near = ndimage.distance_transform_edt(
                    missed[:, :, number] == 0, sampling=self._case.grid.spacing_mm[:2]
                )
                for diameter in DIAMETERS_MM[1:]:
                    own = (expert[:, :, number] == value) & (near <= diameter / 2)
                    inside = own & (self._rooms[value][:, :, number] > diameter / 2)
                    for act in (
                        self._ball(number, value, diameter, inside, missed, worth),
                        self._ranged_ball(number, value, diameter, own, missed, worth),
                    ):
                        if act is not None:
                            worth = act.worth
                            yield act

    def _reach(self, number: int, diameter: float, centres: Mask) -> tuple[Centres, tuple[slice, ...], Mask] | None:
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

    def _ball(
        self, number: int, value: int, diameter: float, centres: Mask, missed: NDArray[np.float64], worth: float
    ) -> Act | None:
        found = self._reach(number, diameter, centres)
        if found is None:
            return None
        voxels, box, touched = found
        gain = float(missed[box][touched].sum())
        if gain <= worth:
            return None
        paint = Paint(Brush(diameter), value)
        return self._reader.act("3D brush", 1, gain, lambda: self._reader.stroke(paint, voxels))

    def _ranged_ball(
        self, number: int, value: int, diameter: float, centres: Mask, missed: NDArray[np.float64], worth: float
    ) -> Act | None:
        """The threshold brush, its range from an example dragged over the label in the slice: two interactions."""
        reader, expert = self._reader, self._case.expert
        found = self._reach(number, diameter, centres)
        if found is None:
            return None
        voxels, box, touched = found
        best: tuple[float, Paint] | None = None
        if float(missed[box][touched].sum()) / 2 <= worth:
            return None
        harm = reader.weights[value, expert[box]] - reader.weights[reader.mask[box], expert[box]]
        for volume in self._case.images.values():
            low, high = sampled_range(volume.data[:, :, number][expert[:, :, number] == value])
            within = touched & (volume.data[box] >= low) & (volume.data[box] <= high)
            gain = -float(harm[within].sum())
            if gain / 2 > worth and (best is None or gain > best[0]):
                best = gain, Paint(Brush(diameter), value, chooser=WithinRange(volume.data, low, high))
        if best is None:
            return None
        gain, paint = best
        return reader.act("threshold brush", 2, gain, lambda: reader.stroke(paint, voxels))

    # clicks into the image

    def _places(self, value: int) -> Iterator[tuple[tuple[int, int, int], Mask, float]]:
        """Middles of the costliest connected errors of a label, where they are and what they cost together."""
        costs = np.where(self._case.expert == value, self._reader.errors(self._reader.mask), 0.0)
        found, count = components(costs > 0)
        worth = np.bincount(found.reshape(-1), weights=costs.reshape(-1), minlength=count + 1)
        for place in np.argsort(-worth)[:_COMPONENTS].tolist():
            if place and worth[place] > 0:
                where = found == place
                inside = np.argwhere(where)
                i, j, k = inside[np.argmin(((inside - inside.mean(axis=0)) ** 2).sum(axis=1))].tolist()
                yield (i, j, k), where, float(worth[place])

    def _dabs(self, worth: float) -> Iterator[Act]:
        """One press of the adaptive brush as a ball."""
        reader, grid = self._reader, self._case.grid
        expert = self._case.expert.reshape(-1)
        for value in reader.values[1:]:
            for seed, _, most in self._places(value):
                if most <= worth:
                    continue
                for diameter in DIAMETERS_MM[3:]:
                    for volume in self._case.images.values():
                        for tolerance in (1.5, 2.5, 4.0):
                            brush, chooser = Brush(diameter), LikeCentre(volume.data, tolerance)
                            voxels = chooser(np.array([seed]), brush, grid)
                            now, truth = reader.mask.reshape(-1)[voxels], expert[voxels]
                            gain = float((reader.weights[now, truth] - reader.weights[value, truth]).sum())
                            if gain > worth:
                                worth = gain
                                paint = Paint(brush, value, chooser=chooser)
                                yield reader.act("adaptive brush", 1, gain, self._presser(paint, seed))

    def _presser(self, paint: Paint, seed: tuple[int, int, int]) -> Callable[[], None]:
        return lambda: self._reader.stroke(paint, np.array([seed]))

    def _grown(self, worth: float) -> Iterator[Act]:
        """Region growing, as its preview would show it; a click and Return."""
        reader = self._reader
        for value in reader.values[1:]:
            for seed, where, most in self._places(value):
                for name, volume in self._case.images.items():
                    for spread in (1.0, 2.0):
                        if most / 2 <= worth:
                            continue
                        tolerance = float(spread * volume.data[where].std()) + 1e-3
                        after = self._run(GrowRegion(seed, value, name, tolerance, 30.0, None, True), reader.mask)
                        gain = reader.gain_of(after) if after is not None else 0.0
                        if after is not None and gain / 2 > worth:
                            worth = gain / 2
                            yield reader.act("region growing", 2, gain, self._applier("Grow", after))

    # what takes longer to work out

    def _planned(self, worth: float) -> Iterator[Act]:
        """The best plan that is worth more than `worth`; what was worth less when last looked at is not looked at."""
        kept = []
        best: Act | None = None
        while self._plans and -self._plans[0].minus_worth > worth:
            plan = heapq.heappop(self._plans)
            outcome = plan.outcome()
            plan.minus_worth = 0.0
            if outcome is not None:
                after, cost = outcome
                gain = self._reader.gain_of(after)
                plan.minus_worth = -gain / cost
                if gain / cost > worth:
                    worth = gain / cost
                    best = self._reader.act(plan.tool, cost, gain, self._applier(plan.tool, after))
            kept.append(plan)
        for plan in kept:
            heapq.heappush(self._plans, plan)
        if best is not None:
            yield best

    def _whole_mask(self) -> Iterator[tuple[str, Callable[[], tuple[LabelArray, int] | None]]]:
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

    def _setter(self, tool: Operation) -> Callable[[], tuple[LabelArray, int] | None]:
        def outcome() -> tuple[LabelArray, int] | None:
            after = self._run(tool, self._reader.mask)
            return None if after is None else (after, 2)

        return outcome

    def _between_slices(self) -> Iterator[tuple[str, Callable[[], tuple[LabelArray, int] | None]]]:
        """A label cleared, painted anew in every so many axial slices, and interpolated."""
        for value in self._reader.values[1:]:
            for every in _EVERY:
                yield "interpolate", self._interpolator(value, every)

    def _interpolator(self, value: int, every: int) -> Callable[[], tuple[LabelArray, int] | None]:
        def outcome() -> tuple[LabelArray, int] | None:
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

    def _from_seeds(self) -> Iterator[tuple[str, Callable[[], tuple[LabelArray, int] | None]]]:
        """Everything cleared, a stroke of every label in one or three slices, a box around, and Return."""
        names = tuple(self._case.images)
        for sequences in (names, *((name,) for name in names)):
            for slices in _SEED_SLICES:
                yield "grow from seeds", self._seeder(sequences, slices)

    def _seeder(self, sequences: tuple[str, ...], slices: int) -> Callable[[], tuple[LabelArray, int] | None]:
        def outcome() -> tuple[LabelArray, int] | None:
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
