"""The list of places to check, while they are looked for and after."""

from __future__ import annotations

import weakref
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


def test_what_was_found_stays_with_its_visit_and_the_class_shares_go(bench: Any, qtbot: QtBot) -> None:
    window = bench.open_patient(qtbot, 1)
    visit, found = window.study.require_visit(), window.uncertainty
    labels = np.zeros_like(visit.editor.labels)
    labels[8, 8, 8] = 3
    shares = softmax(115)
    values = weakref.ref(shares.values)
    visit.show_proposal(Proposal(visit.id, labels, "Model", "base@1", {}, softmax=shares))
    del shares
    qtbot.waitUntil(lambda: not found.searching)
    places, heat = found.places, found._heat
    window.commands["segment.accept"].trigger()
    window.study.open_visit(window.study.timepoints()[0])
    qtbot.waitUntil(lambda: window.study.visit.id != visit.id and not window.workers.jobs)
    assert not found.available and values() is None
    window.study.open_visit(visit.timepoint)
    qtbot.waitUntil(lambda: window.study.visit.id == visit.id and found.available and not found.searching)
    assert found.places == places and np.array_equal(found._heat, heat)
