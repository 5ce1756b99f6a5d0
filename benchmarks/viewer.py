"""Viewer speed beside plain `napari.Viewer()`: start, brush, slice scroll.

Both show the same phantom, 240 x 240 x 155 voxels in four sequences with a mask, in a window of the same size, one
after the other in one run, each in its own process. The brush of napari is called directly (`Labels.paint`), ours gets
mouse events; a figure is the time from the event until every pane that shows the voxels has been drawn.

    xvfb-run -a -s "-screen 0 1920x1200x24" python benchmarks/viewer.py [--rounds 2] [--json FILE]
    ... --strokes 2000            what so many strokes leave in memory
    ... --during-job numpy            the same while a worker thread computes
    ... --during-job package.module:function     with that function, called again and again without arguments

The program's own job thread calls it, at the priority of the program's jobs. Beside other busy processes, give the
session a larger share (`echo -20 > /proc/self/autogroup` in a shell of its own session): ahead of the others by `chrt`
the priorities within the program would mean nothing.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from parts.machine import others_s

from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.workflow.jobs import JobRunner

SHAPE = (240, 240, 155)
WINDOW = (1600, 1000)
SEQUENCES = ("T1", "T1Gd", "T2", "FLAIR")
BRUSH_MM = 10.0
DABS, SCROLLS = 60, 40
PATIENCE_S = 20.0
UNDONE, UNDONE_MM, UNDOS = 10_000, 34.0, 30
FREE_PX = 80.0  # below the middle of a pane nothing is painted yet
STEP_PX = 6.0  # so far apart that every dab changes voxels


def phantom() -> tuple[dict[str, NDArray[np.float32]], NDArray[np.uint8]]:
    """A head-like ellipsoid with noise in four contrasts and a mask of three shells."""
    i, j, k = np.ogrid[:240, :240, :155]
    head = ((i - 120) / 80) ** 2 + ((j - 120) / 100) ** 2 + ((k - 78) / 65) ** 2 < 1
    distance = np.sqrt((i - 90) ** 2 + (j - 130) ** 2 + (k - 80) ** 2)
    noise = np.random.default_rng(0).standard_normal(SHAPE, dtype=np.float32)
    images = {
        name: np.where(head, 100 * (n + 1) + 40 * (distance < 25) + 5 * noise, 0).astype(np.float32)
        for n, name in enumerate(SEQUENCES)
    }
    labels = np.zeros(SHAPE, dtype=np.uint8)
    for value, radius in ((2, 35), (3, 22), (1, 14)):
        labels[distance < radius] = value
    return images, labels


def numpy_job() -> None:
    """A second or so of work that holds the processor, in numpy."""
    a = np.random.default_rng(0).standard_normal((900, 900))
    for _ in range(10):
        a = np.tanh(a @ a / 900)


class Job:
    """Calls a function again and again on the program's own job thread until it is stopped."""

    def __init__(self, function: Callable[[], object] | None) -> None:
        self._function = function
        self._ended, self._warm = threading.Event(), threading.Event()
        self._runner = JobRunner(lambda callback: callback())

    def _work(self, _report: Report, cancel: CancelToken) -> None:
        assert self._function is not None
        while not cancel.cancelled:
            self._function()
            self._warm.set()  # imports and first-call costs are not the measurement's

    def __enter__(self) -> Job:
        if self._function is not None:
            self._runner.submit("Benchmark", self._work, self._end, self._end, self._ended.set)
            self._warm.wait()
        return self

    def _end(self, _result: object) -> None:
        self._warm.set()
        self._ended.set()

    def __exit__(self, *_: object) -> None:
        for job in self._runner.active:
            job.cancel()
            self._ended.wait()
        self._runner.close()


def named_job(name: str) -> Callable[[], object] | None:
    if not name:
        return None
    if name == "numpy":
        return numpy_job
    module, _, function = name.partition(":")
    job: Callable[[], object] = getattr(importlib.import_module(module), function)
    return job


def timed(events: list[Callable[[], None]], drawn: Callable[[], bool], process: Callable[[], None]) -> dict[str, float]:
    """Median and 95th percentile in ms from each event until `drawn` says so."""
    times = []
    for event in events:
        began = time.perf_counter()
        event()
        while not drawn():
            process()
            if time.perf_counter() - began > PATIENCE_S:
                raise TimeoutError("an event was not followed by a drawn pane")
        times.append(1000 * (time.perf_counter() - began))
    return {"median_ms": float(np.median(times)), "p95_ms": float(np.percentile(times, 95))}


def since_start() -> float:
    return time.time() - float(os.environ["BENCHMARK_STARTED"])


def measure_napari(job: Callable[[], object] | None) -> dict[str, Any]:
    """Plain napari: the four sequences and the mask as layers of one viewer, one axial pane."""
    began = time.time()
    images, labels = phantom()
    spent = time.time() - began
    import napari
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer(show=False)
    for name, image in images.items():
        viewer.add_image(image, name=name)
    layer = viewer.add_labels(labels, name="mask")
    viewer.dims.order = (2, 0, 1)
    # Plain users know only the viewer; size and end of drawing are asked of its widgets, for want of a public name.
    window = viewer.window._qt_window
    canvas = viewer.window._qt_viewer.canvas.native
    window.resize(*WINDOW)
    viewer.show()
    frames = [0]
    canvas.frameSwapped.connect(lambda: frames.__setitem__(0, frames[0] + 1))
    process = QApplication.processEvents
    while frames[0] == 0:
        process()
    start = since_start() - spent
    for _ in range(50):
        process()

    def drawn() -> bool:
        return frames[0] > 0

    def dab(n: int) -> Callable[[], None]:
        def event() -> None:
            frames[0] = 0
            layer.paint((60 + n, 100 + n // 2, 77), 1 + n % 3)

        return event

    def scroll(n: int) -> Callable[[], None]:
        def event() -> None:
            frames[0] = 0
            viewer.dims.set_point(2, 40 + n)

        return event

    def measure() -> dict[str, Any]:
        viewer.dims.set_point(2, 77)
        for _ in range(50):
            process()
        return {
            "canvas_px": [canvas.width(), canvas.height()],
            "brush": timed([dab(n) for n in range(DABS)], drawn, process),
            "scroll": timed([scroll(n) for n in range(SCROLLS)], drawn, process),
        }

    layer.brush_size = BRUSH_MM
    layer.mode = "paint"
    with Job(job):
        result = {"start_s": start, "all": measure()}
        for name in SEQUENCES[:-1]:
            viewer.layers[name].visible = False
        result["one"] = measure()
    viewer.close()
    return result


def measure_ours(job: Callable[[], object] | None, strokes: int = 0) -> dict[str, Any]:
    """Our view with brush and editor: the *sequences* layout (four panes redrawn), then the *planes* layout."""
    began = time.time()
    images, labels = phantom()
    spent = time.time() - began
    from parts.unsaved import NoJournal
    from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt
    from PySide6.QtGui import QMouseEvent, QPaintEvent, QWheelEvent
    from PySide6.QtWidgets import QApplication, QMainWindow

    app = QApplication([])

    from glioma_annotator.domain.geometry import Grid
    from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
    from glioma_annotator.domain.sequences import Window
    from glioma_annotator.domain.volume import Volume
    from glioma_annotator.imaging.brush import Brush
    from glioma_annotator.ui.tools.brush import BrushSettings, BrushTool
    from glioma_annotator.ui.viewer.overlay import Overlay
    from glioma_annotator.ui.viewer.study_view import StudyView
    from glioma_annotator.ui.viewer.surface_pane import SurfacePane
    from glioma_annotator.ui.workers import Workers
    from glioma_annotator.workflow.editing import Editor

    class Paints(QObject):
        """Counts the repaints of widgets."""

        def __init__(self, widgets: list[Any]) -> None:
            super().__init__()
            self.waiting: set[int] = set()
            for widget in widgets:
                widget.installEventFilter(self)

        def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
            if event.type() == QEvent.Type.Paint:
                self.waiting.discard(id(watched))
            return False

    painting = [0.0]  # processor time of this thread spent in painting overlays, in seconds
    paint_event = Overlay.paintEvent

    def paint(overlay: Overlay, event: QPaintEvent) -> None:
        began = time.thread_time()
        paint_event(overlay, event)
        painting[0] += time.thread_time() - began

    Overlay.paintEvent = paint  # type: ignore[method-assign]
    grid = Grid(SHAPE, np.eye(4))
    editor = Editor(labels, grid, GLIOMA_POST_TREATMENT, NoJournal())
    workers = Workers()
    view = StudyView(workers.draw)
    editor.changed.connect(view.labels_changed)
    window = QMainWindow()
    window.setCentralWidget(view)
    window.resize(*WINDOW)
    windows = {name: Window(0.0, 100.0 * (n + 2)) for n, name in enumerate(SEQUENCES)}
    view.set_layout("sequences")
    volumes = {name: Volume(image, grid) for name, image in images.items()}
    view.show_images(volumes, editor.labels, GLIOMA_POST_TREATMENT, windows, "phantom")
    window.show()
    process = app.processEvents

    def settle() -> None:
        """Let the canvases of the layout be made."""
        while not (view.ready and view.panes):
            process()

    settle()
    panes = [pane for pane in view.panes if pane.isVisible()]
    paints = Paints([pane.overlay for pane in panes])
    paints.waiting = {id(pane.overlay) for pane in panes}
    while paints.waiting:
        process()
    start = since_start() - spent
    settings = BrushSettings(BRUSH_MM, ball=False, value=4)  # a label the phantom lacks
    view.set_tool(BrushTool(editor, settings))

    def mouse(kind: QEvent.Type, at: QPointF, button: Qt.MouseButton, held: Qt.MouseButton) -> None:
        surface = panes[0].surface
        where = QPointF(surface.mapToGlobal(at.toPoint()))
        app.sendEvent(surface, QMouseEvent(kind, at, where, button, held, Qt.KeyboardModifier.NoModifier))

    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton

    def measure(layout: str) -> dict[str, Any]:
        nonlocal panes, paints
        surfaces: list[None] = []
        view.set_layout(layout)
        settle()
        view.crosshair_index = (100, 120, 77)
        if isinstance(view.panes[-1], SurfacePane):
            view.panes[-1].surfaces_shown.connect(lambda: surfaces.append(None))
            while not surfaces:
                process()
        for _ in range(50):
            process()
        panes = [pane for pane in view.panes if pane.isVisible()]
        surface = panes[0].surface
        middle = QPointF(surface.width() / 2, surface.height() / 2)
        paints = Paints([pane.overlay for pane in panes])
        slices = panes if layout == "sequences" else panes[:3]

        def dab(n: int, below: float = 0.0) -> Callable[[], None]:
            def event() -> None:
                # The other planes show the voxels only where the stroke crosses them: wait for the pane painted in.
                paints.waiting = {id(pane.overlay) for pane in (slices if layout == "sequences" else slices[:1])}
                mouse(QEvent.Type.MouseMove, middle + QPointF(STEP_PX * (n - DABS / 2), n + below), none, left)

            return event

        def scroll() -> Callable[[], None]:
            def event() -> None:
                paints.waiting = {id(pane.overlay) for pane in slices}
                at = QPointF(surface.mapToGlobal(middle.toPoint()))
                wheel = QWheelEvent(
                    middle, at, QPoint(), QPoint(0, 120), none, Qt.KeyboardModifier.NoModifier,
                    Qt.ScrollPhase.NoScrollPhase, False,
                )  # fmt: skip
                app.sendEvent(surface, wheel)

            return event

        def drawn() -> bool:
            return not paints.waiting

        mouse(QEvent.Type.MouseButtonPress, middle - QPointF(STEP_PX * DABS / 2, 0), left, left)
        process()
        brush = timed([dab(n) for n in range(1, DABS)], drawn, process)
        mouse(QEvent.Type.MouseButtonRelease, middle, left, none)
        for _ in range(50):
            process()
        result = {
            "canvas_px": [surface.width(), surface.height()],
            "brush": brush,
            "scroll": timed([scroll()] * SCROLLS, drawn, process),
        }
        if layout == "sequences":
            result["undo"] = undo(slices, dab, drawn)
        return result

    def undo(
        slices: list[Any], dab: Callable[[int, float], Callable[[], None]], drawn: Callable[[], bool]
    ) -> dict[str, Any]:
        """Undo of a stroke of at least `UNDONE` voxels, until every pane is drawn, in turns with a brush event."""
        strokes = []
        for n in range(UNDOS):
            editor.begin_stroke(Brush(UNDONE_MM), 4 if n % 2 else 3)
            editor.stroke_to((100 + n, 120, 77))
            stroke = editor.end_stroke()
            assert stroke is not None and stroke.index.size >= UNDONE, "the stroke is smaller than it should be"
            strokes.append(stroke)
        view.crosshair_index = (100, 120, 77)
        for _ in range(50):
            process()

        def undone() -> None:
            paints.waiting = {id(pane.overlay) for pane in slices}
            editor.undo()

        def own(event: Callable[[], None]) -> tuple[float, float]:
            """Time in ms of an event until drawn, and of that our own work: not putting the window together."""
            acting = [0.0]

            def act() -> None:
                began = time.thread_time()
                event()
                acting[0] = time.thread_time() - began

            painting[0] = 0.0
            whole = timed([act], drawn, process)["median_ms"]
            return whole, 1000 * (acting[0] + painting[0])

        surface, times = panes[0].surface, []
        middle = QPointF(surface.width() / 2, surface.height() / 2)
        for n in range(UNDOS):
            before = middle + QPointF(STEP_PX * (n - DABS / 2), n + FREE_PX)  # one step from the dab
            mouse(QEvent.Type.MouseButtonPress, before, left, left)
            process()
            brushed = own(dab(1 + n, FREE_PX))
            mouse(QEvent.Type.MouseButtonRelease, before, left, none)
            process()
            editor.undo()
            for _ in range(5):
                process()
            times.append((*own(undone), *brushed))
        undos, undo_work, brushes, brush_work = np.array(times).T
        return {
            "median_ms": float(np.median(undos)),
            "p95_ms": float(np.percentile(undos, 95)),
            "work_ms": float(np.median(undo_work)),
            "brush_median_ms": float(np.median(brushes)),
            "brush_p95_ms": float(np.percentile(brushes, 95)),
            "brush_work_ms": float(np.median(brush_work)),
        }

    def leak() -> dict[str, Any]:
        """Memory of undo after 100 strokes, and what `strokes` strokes leave behind: in the process, and of objects."""
        rng = np.random.default_rng(0)
        stages = []
        for number in range(strokes + 1):
            if number and (number == 100 or number % (strokes // 4) == 0):
                gc.collect()
                rss = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20
                stages.append([number, round(rss, 1), len(gc.get_objects()), round(editor.undo_bytes / 2**20, 2)])
            i, j = rng.uniform(70, 150, 2)
            editor.begin_stroke(Brush(BRUSH_MM, 2), int(rng.integers(0, 5)))
            for _ in range(4):
                i, j = i + rng.uniform(-15, 15), j + rng.uniform(-15, 15)
                editor.stroke_to((float(i), float(j), 77.0))
                process()
            editor.end_stroke()
            if rng.random() < 0.2:
                editor.undo()
        return {"strokes, RSS MB, objects, undo MB": stages}

    with Job(job):
        before = others_s()
        result = {"start_s": start, "sequences": measure("sequences"), "planes": measure("planes")}
        result["others_s"] = others_s() - before
        if strokes:
            result["leak"] = leak()
    view.close()
    window.close()
    workers.close()
    process()
    return result


def run(subject: str, job: str, strokes: int = 0) -> dict[str, Any]:
    """Measure a subject in a process of its own."""
    command = [sys.executable, __file__, "--subject", subject, "--during-job", job, "--strokes", str(strokes)]
    environment = {**os.environ, "BENCHMARK_STARTED": repr(time.time())}
    root = str(Path(__file__).resolve().parents[1])
    environment["PYTHONPATH"] = os.pathsep.join(p for p in (root, environment.get("PYTHONPATH", "")) if p)
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def median(runs: list[dict[str, Any]], *keys: str) -> float:
    values = []
    for figures in runs:
        value: Any = figures
        for key in keys:
            value = value[key]
        values.append(float(value))
    return float(np.median(values))


def table(plain: list[dict[str, Any]], ours: list[dict[str, Any]]) -> str:
    """Plain napari with all four sequences visible, and with one; ours; ours as a share of the first."""
    rows = [("", "napari, 4 layers", "napari, 1 layer", "ours, 4 panes", "ours / napari, 4 layers")]
    a, b = median(plain, "start_s"), median(ours, "start_s")
    rows.append(("start to drawn window", f"{a:.2f} s", "", f"{b:.2f} s", f"{b / a:.2f}"))
    for layout in ("sequences", "planes"):
        for what in ("brush", "scroll"):
            for figure in ("median_ms", "p95_ms"):
                a, one = median(plain, "all", what, figure), median(plain, "one", what, figure)
                b = median(ours, layout, what, figure)
                name = f"{what}, {layout}, {figure.removesuffix('_ms')}"
                rows.append((name, f"{a:.1f} ms", f"{one:.1f} ms", f"{b:.1f} ms", f"{b / a:.2f}"))
    for figure in ("median_ms", "p95_ms", "work_ms"):
        undo, brush = median(ours, "sequences", "undo", figure), median(ours, "sequences", "undo", f"brush_{figure}")
        text = f"undo of {UNDONE} voxels, {figure.removesuffix('_ms')}"  # work: of this program's code alone
        rows.append((text, "", "", f"{undo:.1f} ms", f"{undo / brush:.2f} of a brush event"))
    rows.append(("processor time of other programs", "", "", f"{median(ours, 'others_s'):.1f} s", ""))
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def slowing(idle: list[dict[str, Any]], busy: list[dict[str, Any]]) -> str:
    """Our brush and scroll during the job against the same without it, in this run."""
    lines = ["ours during the job / ours idle"]
    for layout in ("sequences", "planes"):
        for what in ("brush", "scroll"):
            for figure in ("median_ms", "p95_ms"):
                a, b = median(idle, layout, what, figure), median(busy, layout, what, figure)
                lines.append(f"{what}, {layout}, {figure.removesuffix('_ms')}: {a:.1f} ms, {b:.1f} ms, {b / a:.2f}")
    a, b = median(idle, "others_s"), median(busy, "others_s")
    lines.append(f"processor time of other programs: {a:.1f} s, {b:.1f} s")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2, help="runs of each, taken in turns; medians are reported")
    parser.add_argument("--json", type=Path, help="write every figure here")
    parser.add_argument("--during-job", default="", metavar="JOB", help="numpy, or module:function")
    parser.add_argument("--strokes", type=int, default=0, help="only paint so many strokes and report what they leave")
    parser.add_argument("--subject", choices=("napari", "ours"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.subject:
        job = named_job(arguments.during_job)
        print(
            json.dumps(measure_napari(job) if arguments.subject == "napari" else measure_ours(job, arguments.strokes))
        )
        return
    if arguments.strokes:
        print(json.dumps(run("ours", arguments.during_job, arguments.strokes)["leak"], indent=1))
        return
    plain: list[dict[str, Any]] = []
    ours: list[dict[str, Any]] = []
    idle: list[dict[str, Any]] = []
    for _ in range(arguments.rounds):
        if arguments.during_job:
            idle.append(run("ours", ""))
        plain.append(run("napari", arguments.during_job))
        ours.append(run("ours", arguments.during_job))
    print(table(plain, ours))
    if idle:
        print(slowing(idle, ours))
    if arguments.json:
        about = {"machine": platform.platform(), "processors": os.cpu_count(), "job": arguments.during_job}
        arguments.json.write_text(
            json.dumps({"about": about, "napari": plain, "ours": ours, "idle": idle}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
