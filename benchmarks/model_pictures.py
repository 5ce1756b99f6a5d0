"""Pictures of the Model panel on the demo study, for `docs/adaptation.md`: the plan, the training, the result.

Works in a copy of a workspace that holds the demo study (`glioma-annotator demo --headless` leaves one in
`demo-output/workspace`). The known masks stand for a reader's corrections; the model is adapted with a click.

    xvfb-run -a -s "-screen 0 1920x1200x24" python benchmarks/model_pictures.py demo-output/workspace docs/images
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from PySide6.QtWidgets import QDockWidget
from tool_pictures import ET, PATIENT, Hands, opened

from glioma_annotator import app, paths
from glioma_annotator.imaging.nifti import read_labels
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.ui.panels.adapting import AdaptPanel

SIZE = (1280, 760)
#: Of the whole adaptation: where its picture is taken.
SHARE = 0.5


def correct(workspace: Path) -> None:
    """Save the known mask of every visit, as a reader who corrected the proposal would."""
    truths = [read_labels(path).labels for path in sorted(paths.demo_cache().rglob("truth/**/*.nii.gz"))]
    session = app.make_session(workspace)
    try:
        session.select_patient(PATIENT)
        for visit, truth in zip(session.timepoints(), truths, strict=True):
            opened = session.show(session.load(visit, ignore_progress, CancelToken()))
            opened.editor.apply("Corrected", truth)
            opened.save("Dr Demo")
    finally:
        session.store.close()


def photograph(h: Hands) -> None:
    window = h.window
    labels = h.editor.labels
    k = int(np.count_nonzero(labels == ET, axis=(0, 1)).argmax())
    i, j = (round(float(axis.mean())) for axis in np.nonzero(labels[:, :, k] == ET))
    window.view.crosshair_index = (i, j, k)
    dock = window.findChild(QDockWidget, "model-dock")
    assert isinstance(dock, QDockWidget)
    panel = dock.widget()
    assert isinstance(panel, AdaptPanel)
    h.act(window.commands["model.adapt"].trigger)
    h.settle()
    h.keep(window.grab().toImage(), "model-plan")
    h.act(panel.adapt.click)
    h.wait(lambda: panel.progress.value() >= 100 * SHARE or panel.verdict.isVisible())
    h.keep(window.grab().toImage(), "model-training")
    h.wait(panel.verdict.isVisible)
    h.settle()
    h.keep(window.grab().toImage(), "model-result")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path, nargs="?", help="a workspace with the demo study; it is not changed")
    parser.add_argument("out", type=Path, nargs="?", help="folder for the pictures")
    args = parser.parse_args()
    if args.workspace is None or args.out is None:  # as one of all benchmarks: there is nothing to measure here
        print("No workspace and folder were named; see --help.")
        return
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "workspace"
        shutil.copytree(args.workspace, copy, ignore=shutil.ignore_patterns("lock", "backups", "journal"))
        correct(copy)
        with opened(copy, args.out, SIZE) as h:
            photograph(h)


if __name__ == "__main__":
    sys.exit(main())
