"""How many clicks and strokes turn a model's proposal into the expert's mask, with the assistant tools and without.

A scripted reader who knows the expert's mask repairs the proposal in the program's own editor until the mean Dice of
the regions that the expert drew (ET, TC, WT) reaches 0.95. It is greedy: of everything its tools could do next it does
what corrects most voxels per interaction. An interaction is a click, a stroke (press, drag, release), or Return that
applies a preview; choosing tool, label or size by key or wheel is free for all. Hands are steady: a stroke never leaves
the region that it paints, so the counts are a lower bound, and only their comparison says something.

Readers:
  by hand      an empty mask; brush and eraser, discs in axial slices
  plain        the proposal accepted whole; brush and eraser, discs in axial slices
  assisted     the proposal accepted whole or by label; the same, and 3D brush, fill (replace or delete a component
               with a click), margin, smooth, region growing with its preview

    python benchmarks/correction_effort.py CASE... [--model NAME] [--target 0.95] [--json FILE]

CASE is a folder in BraTS naming with an expert's mask.
"""

from __future__ import annotations

import argparse
import heapq
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT as SCHEME
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.brush import Brush, footprint_offsets
from glioma_annotator.imaging.components import components
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow.editing import Editor
from glioma_annotator.workflow.operations import Margin, Operation, Smooth, Snapshot, show_nothing
from glioma_annotator.workflow.ports import JournalEntry
from glioma_annotator.workflow.proposal import merged
from glioma_annotator.workflow.seeded_operations import GrowRegion

DIAMETERS_MM = (1.0, 3.0, 5.0, 9.0, 15.0, 25.0)
REGIONS = ("ET", "TC", "WT")
AXIAL = 2
_RIM = 6  # voxels around expert and proposal that are kept
_GROWN_FROM = 2  # components of a label's error that region growing is tried in
MOST = 5000  # interactions after which a reader gives up

Voxels = NDArray[np.int64]


class NoJournal:
    """A mask that nobody will save."""

    parent_revision_id = None

    def append(self, entry: JournalEntry) -> None:
        pass

    def entries(self) -> tuple[JournalEntry, ...]:
        return ()

    def restart(self, parent_revision_id: int | None, past: object = ()) -> None:
        pass


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


@dataclass(order=True)
class Act:
    """Something the reader could do next; `gain` was true when it was looked up, at `age` of the mask."""

    worth: float
    number: int
    tool: str = field(compare=False)
    cost: int = field(compare=False)
    gain: int = field(compare=False)
    do: Callable[[], None] = field(compare=False)


class Reader:
    """One reader with an editor.

    Parameters
    ----------
    assisted: whether the assistant tools are at hand.
    start: the mask to begin with; `cost` is what that took.
    """

    def __init__(self, case: Case, assisted: bool, start: LabelArray, cost: int) -> None:
        self.case = case
        self.editor = Editor(start.copy(), case.grid, SCHEME, NoJournal())
        self.assisted = assisted
        self.used: Counter[str] = Counter({"accept": cost} if cost else {})
        self._values = sorted({0, *np.unique(case.expert).tolist()})
        self._slices: dict[int, Act | None] = {}
        self._room = {value: self._rooms(value) for value in self._values}
        self._whole: list[tuple[float, int, Operation]] = []
        self._number = 0

    @property
    def interactions(self) -> int:
        return sum(self.used.values())

    @property
    def dice(self) -> float:
        return float(np.mean(list(regional_dice(self.editor.labels, self.case.expert).values())))

    def _rooms(self, value: int) -> NDArray[np.float32]:
        """Distance in mm of every voxel of the expert's label to the nearest other voxel, in space (for balls)."""
        distance = ndimage.distance_transform_edt(self.case.expert == value, sampling=self.case.grid.spacing_mm)
        return np.asarray(distance, dtype=np.float32)

    # what could be done

    def work(self, target: float) -> Iterator[float]:
        """Work until the Dice is reached; yields it after every act."""
        for number in range(self.case.grid.shape[AXIAL]):
            self._look(number)
        if self.assisted:
            self._look_at_the_whole()
        while self.dice < target and self.interactions < MOST:
            act = self._best()
            if act is None:
                return
            before = self.editor.labels.copy()
            act.do()
            self.used[act.tool] += act.cost
            for number in np.flatnonzero((before != self.editor.labels).any(axis=(0, 1))):
                self._look(int(number))
            yield self.dice

    def _best(self) -> Act | None:
        acts = [act for act in self._slices.values() if act is not None]
        if self.assisted:
            acts += self._clicks()
            acts += self._balls(max(acts, default=None))
            acts += self._operations(max((act.worth for act in acts), default=0.0))
        return max(acts, default=None)

    def _act(self, tool: str, cost: int, gain: int, do: Callable[[], None]) -> Act:
        self._number += 1
        return Act(gain / cost, self._number, tool, cost, gain, do)

    # strokes

    def _look(self, number: int) -> None:
        """Find the best stroke in an axial slice."""
        mask, expert = self.editor.labels[:, :, number], self.case.expert[:, :, number]
        self._slices[number] = None
        if np.array_equal(mask, expert):
            return
        spacing = self.case.grid.spacing_mm[:2]
        best: tuple[int, float, int, NDArray[np.intp]] | None = None
        for value in np.unique(expert[mask != expert]).tolist():
            own = expert == value
            wrong = own & (mask != expert)
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
                gains = np.bincount(of_path, minlength=count + 1)
                path = int(gains[1:].argmax()) + 1
                if best is None or gains[path] > best[0]:
                    best = int(gains[path]), diameter, value, np.argwhere(paths == path)
        if best is not None:
            gain, diameter, value, path_voxels = best
            tool = "eraser" if value == 0 else "brush"
            centres_3d = np.column_stack([path_voxels, np.full(len(path_voxels), number)])
            brush = Brush(diameter, AXIAL)
            self._slices[number] = self._act(tool, 1, gain, lambda: self._stroke(brush, value, centres_3d))

    def _balls(self, best: Act | None) -> list[Act]:
        """3D strokes in the axial slices with most to correct."""
        mask, expert = self.editor.labels, self.case.expert
        wrong = mask != expert
        acts = []
        counts = np.count_nonzero(wrong, axis=(0, 1))
        worth = best.worth if best is not None else 0.0
        for number in np.argsort(-counts)[:4].tolist():
            for value in np.unique(expert[:, :, number][wrong[:, :, number]]).tolist():
                for diameter in DIAMETERS_MM[1:]:
                    centres = (self._room[value][:, :, number] > diameter / 2) & (expert[:, :, number] == value)
                    brush = Brush(diameter)
                    reach = footprint_offsets(brush, self.case.grid)
                    near = ndimage.distance_transform_edt(
                        ~(wrong[:, :, number] & (expert[:, :, number] == value)), sampling=self.case.grid.spacing_mm[:2]
                    )
                    paths, count = ndimage.label(centres & (near <= diameter / 2), np.ones((3, 3)))
                    if not count:
                        continue
                    sizes = np.bincount(paths.reshape(-1))
                    path = np.argwhere(paths == int(sizes[1:].argmax()) + 1)
                    voxels = np.column_stack([path, np.full(len(path), number)])
                    touched = np.zeros(mask.shape, dtype=np.bool_)
                    for offset in reach:
                        there = voxels + offset
                        inside = ((there >= 0) & (there < mask.shape)).all(axis=1)
                        touched[tuple(there[inside].T)] = True
                    gain = int(np.count_nonzero(touched & wrong))
                    if gain > worth:
                        acts.append(self._act("3D brush", 1, gain, self._stroker(brush, value, voxels)))
        return acts

    def _stroker(self, brush: Brush, value: int, centres: NDArray[np.intp]) -> Callable[[], None]:
        return lambda: self._stroke(brush, value, centres)

    def _stroke(self, brush: Brush, value: int, centres: NDArray[np.intp]) -> None:
        """Drag from voxel to neighbouring voxel over connected centres (n, 3), back where the way ends."""
        left = {(int(i), int(j), int(k)) for i, j, k in centres}
        start = min(left)
        self.editor.begin_stroke(brush, value)
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

    # a click on a component

    def _clicks(self) -> list[Act]:
        """Fill: a component of the mask, in 3D or in its slice, becomes another label or background."""
        mask, expert = self.editor.labels, self.case.expert
        acts = []
        best: tuple[int, Voxels, int] | None = None
        for value in np.unique(mask).tolist():
            for flat in (False, True):
                structure = np.ones((3, 3, 3), dtype=np.bool_) if value else ndimage.generate_binary_structure(3, 1)
                if flat:
                    structure = structure.copy()
                    structure[:, :, (0, 2)] = False
                found, count = ndimage.label(mask == value, structure)
                if not count:
                    continue
                pairs = np.bincount(
                    found.reshape(-1).astype(np.int64) * 256 + expert.reshape(-1), minlength=(count + 1) * 256
                ).reshape(count + 1, 256)
                pairs[0] = 0
                gains = pairs - pairs[:, [value]]
                place, label = np.unravel_index(int(gains.argmax()), gains.shape)
                gain = int(gains[place, label])
                if gain > 0 and (best is None or gain > best[0]):
                    best = gain, np.flatnonzero(found == place).astype(np.int64), int(label)
        if best is not None:
            gain, voxels, label = best

            def fill() -> None:
                self.editor.set_voxels("Fill", voxels, label)

            acts.append(self._act("fill", 1, gain, fill))
        return acts

    # tools on the whole mask

    def _look_at_the_whole(self) -> None:
        """Whole-mask tools, each with what it may be worth; looked at again only when that is the most."""
        tools: list[Operation] = []
        for value in self._values[1:]:
            tools += [Margin(value, mm, over) for mm in (-2.0, -1.0, 1.0, 2.0) for over in (False, True)]
            tools += [
                Smooth(value, method, mm, over)
                for method in ("median", "closing", "opening")
                for mm in (1.0, 2.0, 3.0)
                for over in (False, True)
            ]
        tools += [Smooth(1, "joint", mm) for mm in (1.0, 2.0, 3.0)]
        self._whole = [(-float("inf"), n, tool) for n, tool in enumerate(tools)]

    def _operations(self, worth: float) -> list[Act]:
        """The best of margin and smooth, if better than `worth`; and region growing when little else is."""
        acts = []
        kept = []
        while self._whole and -self._whole[0][0] > worth:
            _, n, tool = heapq.heappop(self._whole)
            gain, after = self._gain_of(tool)
            kept.append((-gain / 2, n, tool))
            if after is not None and gain / 2 > worth:
                acts.append(self._act(type(tool).__name__.lower(), 2, gain, self._applier(tool, after)))
                worth = gain / 2
        for item in kept:
            heapq.heappush(self._whole, item)
        return acts + self._grown(worth)

    def _grown(self, worth: float) -> list[Act]:
        """Region growing from the middles of the largest errors, as the preview of each would show it."""
        mask, expert = self.editor.labels, self.case.expert
        acts = []
        for value in self._values[1:]:
            missing = (expert == value) & (mask != expert)
            found, count = components(missing)
            sizes = np.bincount(found.reshape(-1), minlength=count + 1)
            sizes[0] = 0
            for place in np.argsort(-sizes)[:_GROWN_FROM].tolist():
                if sizes[place] / 2 <= worth:
                    break
                inside = np.argwhere(found == place)
                i, j, k = inside[np.argmin(((inside - inside.mean(axis=0)) ** 2).sum(axis=1))].tolist()
                for name, volume in self.case.images.items():
                    near = volume.data[found == place]
                    for spread in (1.0, 2.0):
                        tool = GrowRegion((i, j, k), value, name, float(spread * near.std()) + 1e-3, 30.0, None, True)
                        gain, after = self._gain_of(tool)
                        if after is not None and gain / 2 > worth:
                            acts.append(self._act("region growing", 2, gain, self._applier(tool, after)))
                            worth = gain / 2
        return acts

    def _gain_of(self, tool: Operation) -> tuple[int, LabelArray | None]:
        mask, expert = self.editor.labels, self.case.expert
        try:
            after = tool.run(
                Snapshot(mask, self.case.grid, SCHEME, self.case.images), ignore_progress, CancelToken(), show_nothing
            ).labels
        except UserError:  # the mask holds none of the label, or the margin is less than a voxel
            return 0, None
        return int(np.count_nonzero(mask != expert) - np.count_nonzero(after != expert)), after

    def _applier(self, tool: Operation, after: LabelArray) -> Callable[[], None]:
        return lambda: (self.editor.apply(tool.title(SCHEME), after), None)[1]


def accepted(case: Case, assisted: bool) -> tuple[LabelArray, int]:
    """The mask after accepting the proposal, whole or (assisted) by the labels that are best, and what that took."""
    empty = np.zeros_like(case.proposal)
    whole = merged(empty, case.proposal, None), 1
    if not assisted:
        return whole
    present = [v for v in np.unique(case.proposal).tolist() if v]
    choices = [whole]
    for count in range(1, len(present)):
        for values in combinations(present, count):
            unticked = len(present) - count
            choices.append((merged(empty, case.proposal, values), 1 + unticked))
    return min(choices, key=lambda choice: (int(np.count_nonzero(choice[0] != case.expert)), choice[1]))


def measure(case: Case, target: float) -> dict[str, Any]:
    """Interactions of every reader, by tool, with the Dice at the start and at the end."""
    case = case.cropped()
    found: dict[str, Any] = {"case": case.name, "target": target}
    for name, assisted, proposed in (("by hand", False, False), ("plain", False, True), ("assisted", True, True)):
        start, cost = accepted(case, assisted) if proposed else (np.zeros_like(case.proposal), 0)
        reader = Reader(case, assisted, start, cost)
        before, began = reader.dice, time.perf_counter()
        for _ in reader.work(target):
            pass
        found[name] = {
            "interactions": reader.interactions,
            "by_tool": dict(reader.used.most_common()),
            "dice_at_start": round(before, 3),
            "dice": round(reader.dice, 3),
            "regions": {n: round(d, 3) for n, d in regional_dice(reader.editor.labels, case.expert).items()},
            "reached": reader.dice >= target,
            "seconds": round(time.perf_counter() - began, 1),
        }
    return found


def read_case(folder: Path, model: str) -> Case:
    """A case in BraTS naming with the shipped model's proposal."""
    from glioma_annotator import paths
    from glioma_annotator.imaging.case_files import find_cases
    from glioma_annotator.imaging.label_conventions import read_mask
    from glioma_annotator.imaging.nifti import read_volume
    from glioma_annotator.inference.segmenter import ModelSegmenter

    (files,) = find_cases([folder])
    if files.mask is None:
        raise UserError(f"The case {files.name} has no expert's mask.", "Choose another case.")
    images = {role: read_volume(path).volume for role, path in files.images.items()}
    expert, _ = read_mask(files.mask, SCHEME)
    segmenter = ModelSegmenter([paths.resources() / "models"])
    outcome = segmenter.segment(images, model, "cpu", ignore_progress, CancelToken())
    by_name = {role.value: volume for role, volume in images.items()}
    return Case(f"{files.name} ({outcome.card.name})", by_name, expert.data, outcome.labels, expert.grid)


def table(results: list[dict[str, Any]]) -> str:
    readers = ("by hand", "plain", "assisted")
    rows = [
        "| case | Dice of the proposal | by hand | plain | assisted | assisted / plain |",
        "|---|---|---|---|---|---|",
    ]
    for result in results:
        counts = [result[name]["interactions"] for name in readers]
        shown = [
            f"{count}" if result[name]["reached"] else f"{count}, not reached"
            for count, name in zip(counts, readers, strict=True)
        ]
        ratio = counts[2] / max(counts[1], 1)
        rows.append(f"| {result['case']} | {result['plain']['dice_at_start']} | {' | '.join(shown)} | {ratio:.2f} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path, nargs="*", metavar="CASE")
    parser.add_argument("--model", default="", help="name of the model; the one offered first by default")
    parser.add_argument("--target", type=float, default=0.95)
    parser.add_argument("--json", type=Path, help="write every figure here")
    args = parser.parse_args()
    if not args.cases:
        print("No case was named; see --help.")
        return
    results = []
    for folder in args.cases:
        results.append(measure(read_case(folder, args.model), args.target))
        print(json.dumps(results[-1]), flush=True)
    print(table(results))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
