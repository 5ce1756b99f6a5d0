"""What may not lie on the way to the first window."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "napari", "vispy", "torch", "monai", "torchio", "matplotlib", "openvino",
    "scipy", "skimage", "nibabel", "pydicom", "SimpleITK", "pandas",
)  # fmt: skip


def imported(script: str) -> list[str]:
    """Which heavy packages a script imports."""
    tell = f"import sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", f"{script}\n{tell}"], capture_output=True, text=True, check=True, timeout=60
    )
    found: list[str] = eval(answer.stdout.strip().splitlines()[-1])
    return found


def test_the_command_and_the_window_are_imported_without_anything_heavy() -> None:
    script = "import glioma_annotator.cli.main, glioma_annotator.app, glioma_annotator.ui.application"
    assert imported(script) == []


def test_the_shown_window_with_its_open_workspace_has_imported_no_engine_and_no_renderer() -> None:
    script = """
import os, sys, tempfile
from pathlib import Path
os.environ["QT_QPA_PLATFORM"] = "offscreen"
from PySide6.QtCore import QEventLoop, QTimer
from glioma_annotator import app
from glioma_annotator.ui.application import make_application
from glioma_annotator.ui.viewer.study_view import StudyView
from glioma_annotator.ui.window import MainWindow
qt = make_application([], "dark")
asked = []
StudyView.preload = lambda view: asked.append(view)  # comes once the start page can be used
with tempfile.TemporaryDirectory() as folder:
    window = MainWindow(app.make_services(Path(folder) / "workspace"))
    window.show()
    while not asked:
        loop = QEventLoop()
        QTimer.singleShot(5, loop.quit)
        loop.exec()
    assert window.study.session is not None
    assert window.start_page.isVisible() and not window.workers.jobs
    window.close()
"""
    assert imported(script) == []


def test_importing_leaves_other_threads_alone() -> None:
    """PySide's own `__import__` looks into half-imported modules of other threads; the program does without it."""
    script = """
import builtins
from glioma_annotator.ui.application import make_application
import os
os.environ["QT_QPA_PLATFORM"] = "offscreen"
make_application([], "dark")
assert builtins.__import__ is builtins.__orig_import__
"""
    assert imported(script) == []
