"""The list of places to check, while they are looked for and after."""

from __future__ import annotations

from typing import Any

import numpy as np
from pytestqt.qtbot import QtBot

from glioma_annotator.domain.geometry import Box
from glioma_annotator.domain.segmentation import Softmax
from glioma_annotator.workflow.proposal import Proposal


def softmax(doubt: int) -> Softmax:
    box = Box((5, 5, 5), (20, 20, 20))
    values = np.zeros((5, *box.shape), np.uint8)
    values[0] = 255
    values[0, 3:8, 3:8, 3:8], values[3, 3:8, 3:8, 3:8] = 255 - doubt, doubt
    return Softmax(values, box)


def test_nothing_is_called_sure_before_it_was_looked_at(bench: Any, qtbot: QtBot) -> None:
    window = bench.open_patient(qtbot, 1)
    visit, panel = window.study.require_visit(), window.review_dock.places
    labels = np.zeros_like(visit.editor.labels)
    for doubt, said in ((115, " places, about "), (0, "sure of every voxel")):
        visit.show_proposal(Proposal(visit.id, labels, "Model", "base@1", {}, softmax=softmax(doubt)))
        assert panel.summary.text().startswith("Looking for")
        qtbot.waitUntil(lambda: not window.uncertainty.searching)
        assert said in panel.summary.text()
