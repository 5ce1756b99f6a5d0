"""Start of the whole program beside plain napari's: from the new process to a window that can be used.

Ours counts until the workspace is open, its canvases are made and no job is left; napari's until `napari.Viewer()` has
drawn. Each start is a process of its own, the two in alternation; the ratio is taken pair by pair.

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

FORBIDDEN = ("torch", "monai", "torchio")

NAPARI = """
import time, napari
from qtpy.QtWidgets import QApplication
viewer = napari.Viewer()
for _ in range(5):
    QApplication.processEvents()
print("READY", time.time(), time.time(), "")
"""

OURS = f"""
import sys, time
from pathlib import Path
from PySide6.QtCore import QEventLoop, QTimer
from glioma_annotator import app
from glioma_annotator.ui.application import make_application
from glioma_annotator.ui.window import MainWindow
qt = make_application([], "dark")
window = MainWindow(app.make_services(Path(sys.argv[1])))
window.show()
qt.processEvents()
shown = time.time()
while window.study.session is None or window.workers.jobs:
    loop = QEventLoop()
    QTimer.singleShot(5, loop.quit)
    loop.exec()
print("READY", shown, time.time(), ",".join(m for m in {FORBIDDEN!r} if m in sys.modules), flush=True)
window.close()
"""


def start(script: str, folder: str) -> tuple[float, float, str]:
    """Seconds to the shown and to the ready window, and which engines were imported by then."""
    began = time.time()
    environment = {**os.environ, "GLIOMA_HOME": folder}
    command = [sys.executable, "-c", script, str(Path(folder) / "workspace")]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=120)
    line = next(line for line in answer.stdout.splitlines() if line.startswith("READY"))
    _, shown, ready, *engines = line.split(" ")
    return float(shown) - began, float(ready) - began, "".join(engines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write every figure here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pairs = [(start(OURS, folder), start(NAPARI, folder)) for _ in range(args.runs + 1)][1:]  # the first warms up
    figures = {
        "ours, window shown s": round(statistics.median(ours[0] for ours, _ in pairs), 2),
        "ours, ready s": round(statistics.median(ours[1] for ours, _ in pairs), 2),
        "napari.Viewer() s": round(statistics.median(plain[1] for _, plain in pairs), 2),
        "ratio ready, median of pairs": round(statistics.median(ours[1] / plain[1] for ours, plain in pairs), 2),
        "ratio ready, every pair": [round(ours[1] / plain[1], 2) for ours, plain in pairs],
        "engines imported": sorted({ours[2] for ours, _ in pairs} - {""}),
        "runs": args.runs,
    }
    print(json.dumps(figures, indent=2))
    if args.json:
        args.json.write_text(json.dumps({"figures": figures, "pairs": pairs}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
