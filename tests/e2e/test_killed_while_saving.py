"""A process that is killed while a revision is written on its worker loses no finished step."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from glioma_annotator import app
from glioma_annotator.db.check import Problem
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.sequences import Sequence, SequenceRole
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow.study import OpenTimepoint, StudySession

GRID = Grid((24, 20, 16), np.eye(4))

#: Works without end: strokes, undo and redo, with a revision being written on another thread all the time.
READER = """
import hashlib, sys, threading
from pathlib import Path
import numpy as np
sys.path[:0] = [{tests!r}]
from test_killed_while_saving import opened
visit = opened(Path({workspace!r}))
editor, random = visit.editor, np.random.default_rng({seed})
while True:
    saving, written = visit.begin_save(), []
    worker = threading.Thread(target=lambda: written.append(visit.write(saving)))
    worker.start()
    while worker.is_alive() or random.random() < 0.5:
        what = random.integers(0, 4)
        if what < 2:
            voxels = np.unique(random.integers(0, editor.labels.size, 50))
            editor.set_voxels("Brush", voxels, int(random.integers(0, 5)))
        else:
            editor.undo() if what == 2 else editor.redo()
        print(hashlib.sha256(editor.labels).hexdigest(), flush=True)
    visit.end_save(saving, written[0])
"""


def opened(workspace: Path) -> OpenTimepoint:
    session = StudySession(app.open_store(workspace), None, "Reader", 2**20)  # type: ignore[arg-type]
    session.select_patient("P")
    (visit,) = session.timepoints()
    return session.show(session.load(visit, ignore_progress, CancelToken()))


def digest(labels: LabelArray) -> str:
    return hashlib.sha256(np.ascontiguousarray(labels)).hexdigest()


@pytest.mark.parametrize("steps", [1, 40, 150])
def test_a_process_killed_while_saving_opens_with_its_last_step(tmp_path: Path, steps: int) -> None:
    workspace = tmp_path / "workspace"
    store = app.open_store(workspace)
    patient = store.add_patient("P")
    sequences = (Sequence("T1Gd", SequenceRole.T1GD, ""),)
    image = Volume(np.ones(GRID.shape, np.float32), GRID)
    store.add_timepoint(Timepoint(patient.id or 0, "v", 0, GRID, "T1Gd", sequences=sequences), {"T1Gd": image})
    store.close()
    code = READER.format(tests=str(Path(__file__).parent), workspace=str(workspace), seed=steps)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = [process.stdout.readline().strip() for _ in range(steps)]
    process.kill()
    told += process.stdout.read().split()
    process.wait(20)
    process.stdout.close()
    assert len(told) >= steps and all(len(line) == 64 for line in told[:-1])
    visit = opened(workspace)
    found = digest(visit.editor.labels)
    if found != told[-1]:  # one more step was in the journal before it could be told
        visit.editor.undo()
        without = digest(visit.editor.labels)
        visit.editor.redo()
        visit.editor.redo()
        assert told[-1] in (without, digest(visit.editor.labels))
    # An interruption may leave a file that belongs to nothing, and nothing else.
    assert {issue.problem for issue in visit._store.check()} <= {Problem.LEFT_BEHIND}  # type: ignore[attr-defined]
    visit._store.close()  # type: ignore[attr-defined]
