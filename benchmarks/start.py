"""Start of the whole program beside plain napari's: to a window that can be used, and to the first visit's pictures.

Every start is a process of its own, ours and napari's in alternation; ratios are taken pair by pair, by the clock and
by the processor time spent, which other processes on the machine disturb less.

*usable*: our window is on the screen, the workspace is open, the start page lists its patient and no job is left;
`napari.Viewer()` has been drawn. From then on the longest time in which our window could not have answered a click is
measured, while napari is imported behind it.
*pictures*: our program was started on a patient, and every pane with a slice of the visit has been drawn;
`napari.Viewer()` with the same four volumes read by nibabel and their mask added has been drawn.
*after a click*: a patient opened on the start page, once nothing is left to be imported, until those panes are drawn.

    xvfb-run -a -s "-screen 0 1920x1200x24" python benchmarks/start.py [--runs 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from opening import SHAPE, build

FORBIDDEN = ("torch", "monai", "torchio")

NAPARI = """
import sys, time
import napari
from qtpy.QtWidgets import QApplication
viewer = napari.Viewer()
canvas = viewer.window._qt_viewer.canvas.native
frames = [0]
canvas.frameSwapped.connect(lambda: frames.__setitem__(0, frames[0] + 1))
if len(sys.argv) > 1:
    import nibabel, numpy
    for path in sys.argv[1:-1]:
        viewer.add_image(nibabel.load(path).get_fdata(dtype=numpy.float32), name=path)
    viewer.add_labels(numpy.asarray(nibabel.load(sys.argv[-1]).dataobj), name="mask")
    frames[0] = 0
    canvas.update()
for _ in range(5):
    QApplication.processEvents()
while not frames[0]:
    QApplication.processEvents()
import json
print("READY", json.dumps({"ready": time.time(), "ready cpu": time.process_time()}), flush=True)
"""

# The real command, watched from a timer of its event loop.
OURS = f"""
import json, os, sys, time
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QMainWindow
qt = QApplication([])
what, workspace = sys.argv[1:]
marks = {{}}
state = {{"window": None, "last": time.perf_counter(), "gap": 0.0, "panes": None, "end": None}}

def mark(name):
    if name not in marks:
        marks[name], marks[name + " cpu"] = time.time(), time.process_time()

def slices(window):
    return [pane for pane in window.view.panes if hasattr(pane, "show_slice")]

def wait_for_pictures(window):
    panes = slices(window)
    if state["panes"] is None and panes and all(pane.visit is not None for pane in panes):
        state["panes"] = set(panes)
        for pane in panes:
            pane.surface.frameSwapped.connect(lambda pane=pane: state["panes"].discard(pane))
            pane.surface.update()
    return state["panes"] is not None and not state["panes"]

def end(window):
    timer.stop()
    marks["engines"] = [m for m in {FORBIDDEN!r} if m in sys.modules]
    print("READY", json.dumps(marks), flush=True)
    window.close()

def beat():
    now = time.perf_counter()
    if "usable" in marks:
        state["gap"] = max(state["gap"], now - state["last"])
    state["last"] = now
    if state["window"] is None:
        state["window"] = next((w for w in qt.topLevelWidgets() if isinstance(w, QMainWindow)), None)
    window = state["window"]
    if window is None or window.windowHandle() is None or not window.windowHandle().isExposed():
        return
    mark("shown")
    if window.errors.dialog is not None:
        print(window.errors.dialog.what.text(), window.errors.dialog.details.toPlainText(), file=sys.stderr, flush=True)
        os._exit(1)
    if what == "patient":
        if wait_for_pictures(window):
            mark("pictures")
            end(window)
        return
    if "usable" not in marks:
        if window.start_page.patients.topLevelItemCount() and not window.workers.jobs:
            mark("usable")
        return
    if "after_click" in state:
        if wait_for_pictures(window):
            marks["after_click"] = time.perf_counter() - state["after_click"]
            end(window)
        return
    if window.workers.drawing.active:
        state["end"] = None
    elif state["end"] is None:
        state["end"] = now + 1.5
    elif now > state["end"]:
        marks["longest_gap"] = state["gap"]
        state["after_click"] = time.perf_counter()
        item = window.start_page.patients.topLevelItem(0)
        window.start_page.patients.itemActivated.emit(item, 0)

timer = QTimer()
timer.timeout.connect(beat)
timer.start(2)
if what == "patient":
    from glioma_annotator import app
    from glioma_annotator.ui.application import run_window
    from pathlib import Path
    run_window(app.make_services(Path(workspace), patient="BENCH"), [])
else:
    from glioma_annotator.cli.main import main
    main([workspace])
"""


def start(script: str, home: Path, *arguments: str) -> dict[str, Any]:
    """What a process said of itself, its times in seconds since it was started."""
    environment = {**os.environ, "GLIOMA_HOME": str(home)}
    command = [sys.executable, "-c", script, *arguments]
    began = time.time()
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=180)
    line = next((line for line in answer.stdout.splitlines() if line.startswith("READY")), None)
    if line is None:
        raise SystemExit(answer.stderr)
    said: dict[str, Any] = json.loads(line.removeprefix("READY"))
    return {key: value - began if isinstance(value, float) and value > began else value for key, value in said.items()}


def compare(ours: list[dict[str, Any]], mark: str, plain: list[dict[str, Any]]) -> dict[str, Any]:
    """A moment of ours beside napari's readiness, by the clock and by the processor time spent until then."""
    figures: dict[str, Any] = {}
    for what, suffix in (("clock", ""), ("processor", " cpu")):
        a, b = [one[mark + suffix] for one in ours], [one["ready" + suffix] for one in plain]
        ratios = [x / y for x, y in zip(a, b, strict=True)]
        figures[what] = {
            "ours s": round(statistics.median(a), 2),
            "napari s": round(statistics.median(b), 2),
            "ratio, median of pairs": round(statistics.median(ratios), 2),
            "ratio, every pair": [round(ratio, 2) for ratio in ratios],
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write every figure here")
    args = parser.parse_args()
    page, patient, plain, loaded = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        workspace = home / "workspace"
        session = build(workspace)
        files = [str(workspace / sequence.path) for sequence in session.timepoints()[0].sequences]
        session.store.close()
        mask = np.zeros(SHAPE, np.uint8)
        mask[90:140, 80:140, 60:100] = 2
        files.append(str(home / "mask.nii.gz"))
        nibabel.save(nibabel.Nifti1Image(mask, np.eye(4)), files[-1])
        for _ in range(args.runs + 1):
            page.append(start(OURS, home, "page", str(workspace)))
            plain.append(start(NAPARI, home))
            patient.append(start(OURS, home, "patient", str(workspace)))
            loaded.append(start(NAPARI, home, *files))
    page, patient, plain, loaded = page[1:], patient[1:], plain[1:], loaded[1:]  # the first ones warm up
    gaps = sorted(1000 * one["longest_gap"] for one in page)
    figures = {
        "window shown": compare(page, "shown", plain),
        "usable": compare(page, "usable", plain),
        "pictures": compare(patient, "pictures", loaded),
        "longest time without an answer on the start page, ms": {
            "median": round(statistics.median(gaps)),
            "every run": [round(gap) for gap in gaps],
        },
        "pictures after a click s": round(statistics.median(one["after_click"] for one in page), 2),
        "engines imported": sorted({engine for one in page + patient for engine in one["engines"]}),
        "runs": args.runs,
    }
    print(json.dumps(figures, indent=2))
    if args.json:
        every = {"page": page, "patient": patient, "napari": plain, "napari with data": loaded}
        args.json.write_text(json.dumps({"figures": figures, "every": every}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
