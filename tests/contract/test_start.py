"""What may not lie on the way to the first window."""

from __future__ import annotations

import subprocess
import sys


def test_the_window_is_imported_without_napari_and_without_an_engine() -> None:
    heavy = ("napari", "vispy", "torch", "monai", "torchio", "matplotlib")
    script = (
        "import sys, glioma_annotator.app, glioma_annotator.ui.window\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "[]"
