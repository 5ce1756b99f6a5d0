"""Soak: thousands of random uses of the editing tools, with random undo, saves, kills and recoveries.

A small visit in a real workspace is edited by every tool in random order. From time to time the process is taken to be
killed (the workspace is dropped without being closed, the last journal entry torn in half at times) and the visit is
opened again: the mask must be as it was, or as it was before the stroke in flight. Locked labels never change, undo
then redo is identity, and memory does not grow.

    python benchmarks/soak.py [--uses 5000] [--seed 0] [--json FILE]
"""

from __future__ import annotations

import argparse
import gc
import json
import shutil
import tempfile
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioma_annotator import app
from glioma_annotator.domain.edit_rules import EditArea
from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.sequences import Sequence, SequenceRole
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.brush import Brush
from glioma_annotator.imaging.label_ops.lasso import enclosed
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow import seeded_operations as seeded
from glioma_annotator.workflow.difference import Difference
from glioma_annotator.workflow.operations import (
    CombineWith,
    CopyFrom,
    Interpolate,
    Margin,
    Operation,
    Smooth,
    Snapshot,
    show_nothing,
)
from glioma_annotator.workflow.proposal import merged
from glioma_annotator.workflow.strokes import LikeCentre, Paint, WithinRange
from glioma_annotator.workflow.study import OpenTimepoint, StudySession
from glioma_annotator.workflow.visit_records import Written

SHAPE = (40, 36, 28)
GRID = Grid(SHAPE, np.diag([1.0, 1.2, 2.0, 1.0]))


#: Uses that may change voxels of a locked label: what they bring back was changed before it was locked.
FREE = ("undo", "go to", "rules", "kill", "kill in a stroke", "save while working")


class Soak:
    """A workspace, its open visit and a hand without a plan.

    Parameters
    ----------
    folder: where the workspace is made; killing copies it aside.
    seed: of everything random.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self._folder = folder
        self._generation = 0
        self.uses: Counter[str] = Counter()
        self.session = self._open(folder / "0")
        patient = self.session.store.add_patient("SOAK")
        noise = self.random.normal(100, 20, SHAPE).astype(np.float32)
        noise[10:30, 10:26, 8:20] += 80
        visit = Timepoint(
            patient.id or 0, "visit", 0, GRID, "T1Gd", sequences=(Sequence("T1Gd", SequenceRole.T1GD, ""),)
        )
        self.session.store.add_timepoint(visit, {"T1Gd": Volume(noise, GRID)})
        self.visit = self._show()

    @staticmethod
    def _open(path: Path) -> StudySession:
        # Undo is bounded tightly, so that old steps are forgotten as they are in a long day.
        return StudySession(app.open_store(path), app.make_segmenter(path), "soak", 2**21)

    def _show(self) -> OpenTimepoint:
        self.session.select_patient("SOAK")
        (timepoint,) = self.session.timepoints()
        return self.session.show(self.session.load(timepoint, ignore_progress, CancelToken()))

    def run(self, uses: int) -> None:
        """Raises `AssertionError` at the first use that breaks a promise."""
        acts: list[tuple[str, float, Callable[[], None]]] = [
            ("stroke", 0.30, self._stroke),
            ("stroke parted", 0.04, self._stroke_parted),
            ("lasso", 0.08, self._lasso),
            ("operation", 0.10, self._operation),
            ("proposal", 0.06, self._proposal),
            ("flush", 0.03, lambda: self.visit.editor.flush()),
            ("undo", 0.20, lambda: self._same_after_redo()),
            ("go to", 0.06, self._go_to),
            ("rules", 0.10, self._rules),
            ("save", 0.03, lambda: (self.visit.save(), None)[1]),
            ("save while working", 0.02, self._save_while_working),
            ("kill", 0.06, self._kill),
            ("kill in a stroke", 0.03, self._kill_in_a_stroke),
        ]
        weights = np.array([weight for _, weight, _ in acts])
        for _ in range(uses):
            name, _, act = acts[self.random.choice(len(acts), p=weights / weights.sum())]
            locked = self.visit.editor.locked if name not in FREE else ()
            before = {value: self.mask == value for value in locked}
            act()
            self.uses[name] += 1
            for value, where in before.items():
                assert np.array_equal(self.mask == value, where), f"{name} changed locked label {value}"

    @property
    def mask(self) -> LabelArray:
        return self.visit.editor.labels

    def _point(self) -> tuple[float, float, float]:
        i, j, k = self.random.uniform(-1, SHAPE)
        return float(i), float(j), float(k)

    def _voxel(self) -> tuple[int, int, int]:
        i, j, k = self.random.integers(0, SHAPE)
        return int(i), int(j), int(k)

    def _value(self) -> int:
        return int(self.random.integers(0, 5))

    # what a hand does

    def _paint(self) -> Paint:
        image = self.visit.images["T1Gd"].data
        choosers = (None, WithinRange(image, 90, 190, bool(self.random.integers(0, 2))), LikeCentre(image, 2.0))
        chooser = choosers[self.random.choice(3, p=[0.7, 0.15, 0.15])]
        axis = (None, 0, 1, 2)[self.random.integers(0, 4)]
        return Paint(Brush(float(self.random.uniform(1, 9)), axis), self._value(), chooser=chooser)

    def _stroke(self) -> None:
        self.visit.editor.begin(self._paint())
        for _ in range(self.random.integers(1, 5)):
            self.visit.editor.stroke_to(self._point())
        self.visit.editor.end_stroke()

    def _stroke_parted(self) -> None:
        """Something else changes the mask in the middle of a stroke, which goes on."""
        editor, before = self.visit.editor, self.mask.copy()
        depth, remembered = editor.depth, editor.undo_bytes
        editor.begin(self._paint())
        editor.stroke_to(self._point())
        self._lasso()
        assert editor.stroke_active, "a stroke was cut"
        editor.stroke_to(self._point())
        editor.end_stroke()
        if remembered < 2**19:  # else the oldest steps may be forgotten
            editor.go_to(depth)
            assert np.array_equal(self.mask, before), "undo does not take back a parted stroke"

    def _lasso(self) -> None:
        axis, number = int(self.random.integers(0, 3)), int(self.random.integers(0, 28))
        points = np.array([self._point() for _ in range(self.random.integers(3, 12))])
        index = enclosed(points, axis, number, SHAPE, int(self.random.integers(0, 3)))
        self.visit.editor.set_voxels("Lasso", index, self._value())

    def _operation(self) -> None:
        value, other = int(self.random.integers(1, 5)), self._other()
        seed, over = self._voxel(), bool(self.random.integers(0, 2))
        extent = str(self.random.choice(["slice", "volume", "everywhere"]))
        by = str(self.random.choice(["label", "intensity"]))
        box = Box((2, 2, 2), (30, 30, 20))
        operations: tuple[Operation, ...] = (
            seeded.Fill(seed, self._value(), by, extent, int(self.random.integers(0, 3)), "T1Gd", 30.0),
            seeded.GrowRegion(seed, value, "T1Gd", 30.0, 20.0, None, over),
            seeded.Snake(seed, value, "T1Gd", 60.0, 3.0, 0.5, 8.0, over),
            seeded.GrowFromSeeds(box, ("T1Gd",)),
            Interpolate(value, int(self.random.integers(0, 3)), over),
            Margin(value, float(self.random.choice([-2.5, -1.0, 1.5, 3.0])), over),
            Smooth(value, str(self.random.choice(["median", "closing", "opening", "joint"])), 2.0, over),
            CombineWith(value, other, int(self.random.integers(1, 5)), "add", "another", over),
            CopyFrom(other, (value,), "another", bool(self.random.integers(0, 2))),
        )
        operation = operations[self.random.integers(0, len(operations))]
        snapshot = Snapshot(self.mask.copy(), GRID, GLIOMA_POST_TREATMENT, self.visit.images)
        try:
            result = operation.run(snapshot, ignore_progress, CancelToken(), show_nothing)
        except UserError:  # the label is absent, or nothing lies between slices
            return
        self.visit.editor.apply(operation.title(GLIOMA_POST_TREATMENT), result.labels)

    def _other(self) -> LabelArray:
        other = np.zeros(SHAPE, dtype=np.uint8)
        low = self.random.integers(0, 20, 3)
        other[tuple(slice(a, a + 8) for a in low)] = int(self.random.integers(1, 5))
        return other

    def _proposal(self) -> None:
        """Accepted whole, by label, by component or with the brush; it has no name for one of the labels."""
        editor, proposed = self.visit.editor, self._other()
        nameless = int(self.random.integers(1, 5))
        before = self.mask == nameless
        way = self.random.integers(0, 4)
        if way == 0:
            editor.begin(Paint(Brush(6.0), 1, source=proposed, model="model@1", spared=frozenset({nameless})))
            for _ in range(3):
                editor.stroke_to(self._point())
            editor.end_stroke()
        elif way == 1:
            index = Difference(self.mask, proposed, {nameless}).component(self._voxel())
            editor.set_voxels("Accept", index, proposed.reshape(-1)[index], "model@1", {nameless})
        else:
            values = None if way == 2 else set(self.random.integers(1, 5, 2).tolist())
            editor.apply("Accept", merged(self.mask, proposed, values), "model@1", {nameless})
        assert (self.mask[before] == nameless).all(), "a proposal took a label that it has no name for"

    def _same_after_redo(self) -> None:
        before = self.mask.copy()
        if self.visit.editor.undo() is not None:
            self.visit.editor.redo()
            assert np.array_equal(self.mask, before), "undo then redo is not identity"
        for _ in range(self.random.integers(0, 4)):
            self.visit.editor.undo()

    def _go_to(self) -> None:
        self.visit.editor.go_to(int(self.random.integers(0, len(self.visit.editor.history) + 1)))

    def _rules(self) -> None:
        editor = self.visit.editor
        editor.set_locked(int(self.random.integers(1, 5)), bool(self.random.random() < 0.4))
        editor.set_paint_over(None if self.random.random() < 0.7 else {0, int(self.random.integers(1, 5))})
        area = EditArea.of_box(Box((4, 4, 4), (34, 30, 24)), SHAPE)
        editor.set_inside(area if self.random.random() < 0.2 else None)

    # the end of a process

    def _kill(self, expected: NDArray[np.uint8] | None = None) -> None:
        """What is on disk now is all that a new process finds."""
        kept = self.mask.copy() if expected is None else expected
        self._generation += 1
        old, new = self._folder / str(self._generation - 1), self._folder / str(self._generation)
        shutil.copytree(old, new, ignore=shutil.ignore_patterns("lock"))
        self.session.store.close()
        shutil.rmtree(old)
        if self.random.random() < 0.3:
            self._tear(new)
        self.session = self._open(new)
        self.visit = self._show()
        assert np.array_equal(self.mask, kept), "a recovered mask is not the one that was lost"

    @staticmethod
    def _tear(workspace: Path) -> None:
        """Half an entry at the end of the journal, as a process leaves it that dies while writing."""
        for journal in (workspace / "journal").glob("*.journal"):
            with journal.open("ab") as file:
                file.write(b"\x40\x00\x00\x00torn")

    def _kill_in_a_stroke(self) -> None:
        before = self.mask.copy()
        self.visit.editor.begin(self._paint())
        self.visit.editor.stroke_to(self._point())
        self._kill(before)  # the stroke in flight is lost, nothing else

    def _save_while_working(self) -> None:
        """A revision is written on another thread while the hand goes on; at times the program ends meanwhile."""
        kill_at = int(self.random.integers(0, 6))
        saved = self.mask.copy()
        saving = self.visit.begin_save()
        self._go_on()
        if kill_at == 0:
            self._kill()
            return
        written: list[Written] = []
        visit = self.visit
        worker = threading.Thread(target=lambda: written.append(visit.write(saving)))
        worker.start()
        self._go_on()
        worker.join()
        if kill_at == 1:
            self._kill()
            return
        self._go_on()
        if kill_at == 2:
            self._kill()
            return
        visit.end_save(saving, written[0])
        assert np.array_equal(visit.labels_of(written[0].revision), saved), "a revision is not the mask that was saved"

    def _go_on(self) -> None:
        for _ in range(self.random.integers(0, 4)):
            act = (self._stroke, self._undo, self._redo)[self.random.integers(0, 3)]
            act()

    def _undo(self) -> None:
        self.visit.editor.undo()

    def _redo(self) -> None:
        self.visit.editor.redo()

    def close(self) -> None:
        self.session.store.close()


def run(uses: int, seed: int, folder: Path) -> dict[str, Any]:
    """Uses by kind, seconds, and how much more memory Python holds at the end than after a first tenth."""
    soak = Soak(folder, seed)
    began = time.perf_counter()
    soak.run(max(uses // 10, 1))
    gc.collect()
    tracemalloc.start()
    first = tracemalloc.get_traced_memory()[0]
    soak.run(uses - max(uses // 10, 1))
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - first
    tracemalloc.stop()
    soak.close()
    return {
        "uses": dict(soak.uses),
        "seconds": round(time.perf_counter() - began, 1),
        "grown_mb": round(grown / 2**20, 2),
        "undo_mb": round(soak.visit.editor.undo_bytes / 2**20, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uses", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = run(args.uses, args.seed, Path(folder))
    print(json.dumps(figures, indent=2))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
