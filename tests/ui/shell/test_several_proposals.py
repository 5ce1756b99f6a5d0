"""More than one proposal for a visit: none is lost before the reader has decided on it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from fake_models import FakeAdapter, FakeShelf
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from glioma_annotator.domain.model_shelf import ModelPlace, ShelvedModel
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Progress, Report
from glioma_annotator.ui.dialogs.models_page import ModelsPage
from glioma_annotator.workflow.proposal import Proposal

NETC, SNFH, ET = 1, 2, 3


def click(qtbot: QtBot, button: Any) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def proposal_of(visit: Any, value: int, source: str) -> Proposal:
    labels = np.zeros(visit.timepoint.grid.shape, np.uint8)
    labels[4:8, 4:8, value : value + 4] = value
    return Proposal(visit.id, labels, source, f"{source}@1", visit.volumes_ml())


def test_a_new_proposal_leaves_the_undecided_one_a_click_away(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    visit, box = window.study.require_visit(), window.mask_panel.proposal
    first, second = proposal_of(visit, ET, "first"), proposal_of(visit, SNFH, "second")
    visit.show_proposal(first)
    assert not box.other.isVisible()
    visit.show_proposal(second)
    assert box.source.text() == "second" and box.other.isVisible() and "first" in box.other.toolTip()
    click(qtbot, box.other)
    assert visit.proposal is first and box.source.text() == "first"
    click(qtbot, box.other)
    assert visit.proposal is second
    click(qtbot, box.reject)
    assert visit.proposal is first and not box.other.isVisible()
    assert "first" in window.status.notice.text()
    click(qtbot, box.accept_all)
    assert visit.proposal is None and np.array_equal(visit.editor.labels, first.labels)


def test_accepting_one_proposal_leaves_the_other_to_be_decided_on(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    visit, box = window.study.require_visit(), window.mask_panel.proposal
    first, second = proposal_of(visit, ET, "first"), proposal_of(visit, SNFH, "second")
    visit.show_proposal(first)
    visit.show_proposal(second)
    for value, tick in box.ticks.items():
        tick.setChecked(value == SNFH)
    click(qtbot, box.accept_some)
    assert np.array_equal(visit.editor.labels, second.labels)
    assert visit.proposal is first and all(tick.isChecked() for tick in box.ticks.values())
    assert "first" in window.status.notice.text()


def test_the_same_proposal_again_is_no_other_one(qtbot: QtBot, bench: Any) -> None:
    bench.segmenter.gate.set()
    window = bench.open_patient(qtbot)
    for _ in range(2):
        window.commands["segment.run"].trigger()
        qtbot.waitUntil(lambda: window.study.visit.proposal is not None and not window.workers.jobs)
    assert not window.mask_panel.proposal.other.isVisible()
    click(qtbot, window.mask_panel.proposal.reject)
    assert window.study.visit.proposal is None


def test_every_undecided_proposal_waits_at_its_visit(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    visit = window.study.require_visit()
    first = proposal_of(visit, ET, "first")
    visit.show_proposal(first)
    window.commands["segment.run"].trigger()
    window.study.open_visit(window.study.timepoints()[0])
    qtbot.waitUntil(lambda: window.study.visit.id != visit.id)
    bench.segmenter.gate.set()
    qtbot.waitUntil(lambda: "is ready" in window.status.notice.text())
    window.study.open_visit(window.study.timepoints()[-1])
    qtbot.waitUntil(lambda: window.study.visit.id == visit.id)
    box = window.mask_panel.proposal
    assert "Base model" in box.source.text()
    click(qtbot, box.other)
    assert window.study.visit.proposal is first


def test_a_new_proposal_is_told_and_no_older_sentence_comes_back_in_its_place(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    window.commands["segment.run"].trigger()
    qtbot.waitUntil(lambda: window.status.job_bar.progress.value() == 50)
    click(qtbot, window.status.job_bar.cancel)
    qtbot.waitUntil(lambda: "cancelled" in window.status.notice.text() and not window.workers.jobs)
    bench.segmenter.gate.set()
    window.commands["segment.run"].trigger()
    qtbot.waitUntil(lambda: window.study.visit.proposal is not None)
    assert window.status.notice.text() == "The proposal for 2019-10-21 follow-up is there: accept or reject it."


def test_what_is_told_while_a_job_runs_is_seen(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    window.resize(1280, 720)
    status = window.status
    window.commands["segment.run"].trigger()
    qtbot.waitUntil(lambda: status.job_bar.progress.value() == 50)
    assert status.job_bar.isVisible() and not status.notice.isVisible()
    window.study.notice.emit("Saved as revision 3.")
    qtbot.waitUntil(lambda: status.notice.isVisible() and status.notice.width() > 100)
    assert status.job_bar.isVisible() and status.job_bar.cancel.isVisible()
    assert status.job_bar.message.width() > 100, "what the job is can be read beside it"
    status._notice_timer.timeout.emit()
    assert not status.notice.isVisible()


def test_a_model_whose_proposal_waits_or_may_come_is_not_deleted(qtbot: QtBot, bench: Any) -> None:
    shelf = FakeShelf()
    window = bench.open_window(make_shelf=lambda _store: shelf, make_adapter=lambda _shelf: FakeAdapter(shelf))
    shelf.models["own"] = ShelvedModel(bench.segmenter.card, Path("own"), ModelPlace.WORKSPACE, 1000)
    window.study.open_patient("PAT-0042", "2019-10-21")
    qtbot.waitUntil(lambda: window.study.visit is not None and not window.workers.jobs)
    page = ModelsPage(window.adapting, window.study, window)
    refused: list[UserError] = []
    page.failed.connect(refused.append)

    def delete() -> None:
        page._carefully(lambda: page._delete_now(bench.segmenter.card))

    window.commands["segment.run"].trigger()
    qtbot.waitUntil(lambda: window.status.job_bar.progress.value() == 50)
    delete()
    bench.segmenter.gate.set()
    qtbot.waitUntil(lambda: window.study.visit.proposal is not None)
    delete()
    assert [error.what for error in refused] == [
        "A job is still running that may need the model.",
        "A proposal by this model waits for a decision at PAT-0042, 2019-10-21 follow-up.",
    ]
    assert "own" in shelf.models
    page.close()


def test_the_time_left_goes_on_though_a_job_says_nothing(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    told, gate = threading.Event(), threading.Event()

    def work(report: Report, _cancel: CancelToken) -> None:
        report(Progress(0.2, "Passing", 50.0))
        told.set()
        gate.wait(20)

    window.workers.computing.submit("Adapting", work, lambda _none: None, window.study.failed.emit)
    left = window.status.job_bar.time_left
    qtbot.waitUntil(lambda: told.is_set() and left.text().endswith("s left"))
    first = int(left.text().split()[0])
    qtbot.waitUntil(lambda: int(left.text().split()[0]) < first)
    gate.set()
    qtbot.waitUntil(lambda: not window.workers.jobs)
