"""What the bar of two visits says after refusals, nudges, changes of visit and of what is accepted."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PySide6.QtGui import QTextDocumentFragment
from pytestqt.qtbot import QtBot
from registrar import SHIFT, Registrar

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.reslicing import Deformation
from glioma_annotator.ui import registration as registration_module
from glioma_annotator.ui.window import MainWindow
from glioma_annotator.workflow.timepoints_together import keep_registration, kept_registration

FIRST, THIRD = "2019-01-14", "2019-10-21"
SHAPE = (4, 4, 4)
GRID = Grid(SHAPE, np.diag([60.0, 60.0, 60.0, 1.0]))


def settle(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: not window.together.settling, timeout=60_000)
    qtbot.waitUntil(lambda: not window.workers.jobs and not window.workers.drawing.active, timeout=60_000)


@pytest.fixture
def window(bench: Any, qtbot: QtBot, registrar: Registrar) -> MainWindow:
    made: MainWindow = bench.open_patient(qtbot, 1)
    made.commands["view.timepoints"].trigger()
    settle(qtbot, made)
    return made


def register(window: MainWindow, qtbot: QtBot) -> None:
    window.visits_bar.register.click()
    settle(qtbot, window)


def told(window: MainWindow) -> str:
    return QTextDocumentFragment.fromHtml(window.visits_bar.told.text()).toPlainText()


def pair(window: MainWindow) -> tuple[Timepoint, Timepoint]:
    return window.together.require_both()


def test_a_refusal_gives_way_to_what_the_reader_does_next(
    window: MainWindow, registrar: Registrar, qtbot: QtBot
) -> None:
    registrar.refusal = UserError("The two scans could not be registered.", "Check them.")
    register(window, qtbot)
    assert "could not be registered" in told(window)
    window.together.set_nudge((5.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    settle(qtbot, window)
    assert told(window).startswith("Placed by the headers, nudged by hand")
    window.visits_bar.accept.click()
    assert "Accepted by Dr New" in told(window)


def test_the_legend_waits_for_no_map_while_no_other_visit_is_beside(window: MainWindow, qtbot: QtBot) -> None:
    window.together.show_changes(True)
    settle(qtbot, window)
    assert "mL" in window.visits_bar.legend.text()
    labels = window.study.require_visit().editor.labels
    window.study.beside.show_mask(np.zeros_like(labels), "Revision 1")
    settle(qtbot, window)
    assert window.visits_bar.legend.text() == ""
    window.study.open_patient("PAT-0043")
    settle(qtbot, window)
    assert window.visits_bar.legend.text() == ""


def test_an_acceptance_that_was_withdrawn_elsewhere_is_no_longer_shown(
    bench: Any, window: MainWindow, qtbot: QtBot
) -> None:
    register(window, qtbot)
    window.visits_bar.accept.click()
    (kept,) = bench.store.registrations.of_patient("PAT-0042")
    bench.store.registrations.delete(kept.id, "Dr Other")  # as an archive does that is taken over
    window.study.patient_changed.emit()
    assert "Not accepted yet" in told(window)
    assert window.visits_bar.accept.text() == "Accept"
    window.visits_bar.accept.click()
    assert kept_registration(bench.store, *pair(window)) is not None


def test_an_acceptance_that_was_changed_elsewhere_is_shown_as_it_is_kept(
    bench: Any, window: MainWindow, qtbot: QtBot
) -> None:
    register(window, qtbot)
    window.visits_bar.accept.click()
    found = window.together.found
    assert found is not None
    other = replace(found.nudged((0.0, 9.0, 0.0), (0.0, 0.0, 0.0)), accepted_by="Dr Other", accepted="2026-01-01")
    keep_registration(bench.store, "PAT-0042", other)
    window.study.patient_changed.emit()
    assert "Accepted by Dr Other" in told(window)
    assert window.together.found is not None
    assert window.together.found.shift_mm == (0.0, 9.0, 0.0)
    assert window.view.comparing.placement.matrix[1, 3] == -9.0  # type: ignore[attr-defined]


def test_what_could_not_be_kept_is_not_called_accepted(
    bench: Any, window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise UserError("The disk is full.", "Free some room.")

    register(window, qtbot)
    monkeypatch.setattr(bench.store.registrations, "add", refuse)
    with pytest.raises(UserError):
        window.together.accept()
    window.visits_bar.refresh()
    assert "Not accepted yet." in told(window)
    assert window.visits_bar.accept.text() == "Accept"


def test_a_nudge_after_acceptance_says_that_the_accepted_place_still_counts(
    bench: Any, window: MainWindow, qtbot: QtBot
) -> None:
    register(window, qtbot)
    window.visits_bar.accept.click()
    window.together.set_nudge((5.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    settle(qtbot, window)
    kept = kept_registration(bench.store, *pair(window))
    assert kept is not None and not kept.by_hand
    assert "lesions are followed by the registration that was accepted before" in told(window)
    window.visits_bar.accept.click()
    assert "accepted before" not in told(window)
    assert "Accepted by Dr New" in told(window)


def test_a_refusal_is_told_of_the_visits_it_is_about(window: MainWindow, registrar: Registrar, qtbot: QtBot) -> None:
    notices: list[str] = []
    window.study.notice.connect(notices.append)
    registrar.waits = True
    registrar.refusal = UserError("The two scans could not be registered.", "Check them.")
    window.visits_bar.register.click()
    qtbot.waitUntil(lambda: window.together.running)
    assert told(window).startswith("Registering")
    window.together.choose_other(window.study.timepoints()[2])
    qtbot.waitUntil(lambda: window.together.other is not None and window.together.other.key == THIRD)
    assert told(window).startswith("Not registered")
    assert told(window).endswith("Other visits are being registered.")
    assert not window.visits_bar.register.isEnabled()
    registrar.waits = False
    settle(qtbot, window)
    assert told(window) == "Not registered: both visits lie where their headers say."
    assert window.visits_bar.register.isEnabled()
    assert any(FIRST in notice and "could not be registered" in notice for notice in notices)


def test_a_registration_that_ends_when_the_other_of_the_two_is_read_is_shown_from_there(
    window: MainWindow, registrar: Registrar, qtbot: QtBot
) -> None:
    here, there = pair(window)
    registrar.waits = True
    window.visits_bar.register.click()
    qtbot.waitUntil(lambda: window.together.running)
    window.study.open_visit(there)
    qtbot.waitUntil(lambda: window.study.visit is not None and window.study.visit.id == there.id)
    window.together.choose_other(here)
    qtbot.waitUntil(lambda: window.together.other is not None and window.together.other.id == here.id)
    assert told(window).startswith("Registering")
    registrar.waits = False
    settle(qtbot, window)
    assert "Not accepted yet" in told(window) and window.together.found is not None
    assert window.together.found.placed.matrix == pytest.approx(np.linalg.inv(SHIFT))


def test_what_was_nudged_and_accepted_from_the_other_visit_is_seen_from_this_one(
    bench: Any, window: MainWindow, qtbot: QtBot
) -> None:
    register(window, qtbot)
    here, there = pair(window)
    window.study.open_visit(there)
    qtbot.waitUntil(lambda: window.study.visit is not None and window.study.visit.id == there.id)
    settle(qtbot, window)
    window.together.choose_other(here)
    settle(qtbot, window)
    window.together.set_nudge((0.0, 7.0, 0.0), (0.0, 0.0, 0.0))
    window.visits_bar.accept.click()
    settle(qtbot, window)
    window.study.open_visit(here)
    qtbot.waitUntil(lambda: window.study.visit is not None and window.study.visit.id == here.id)
    window.together.choose_other(there)
    settle(qtbot, window)
    kept = kept_registration(bench.store, here, there)
    assert kept is not None and window.together.found is not None
    assert window.together.found.placed.matrix == pytest.approx(kept.placed.matrix)
    assert abs(window.together.found.placed.matrix[1, 3]) == 7.0
    assert "Accepted by Dr New" in told(window)


def test_a_field_of_the_nudge_leaves_the_others_as_exact_as_they_are(window: MainWindow, qtbot: QtBot) -> None:
    register(window, qtbot)
    window.together.set_nudge((0.4924, 0.0868, 61.5), (0.0, 0.0, 0.0))  # half a millimetre in an oblique plane
    window.visits_bar.spins[3].setValue(2.0)
    found = window.together.found
    assert found is not None
    assert (found.shift_mm, found.rotation_deg) == ((0.4924, 0.0868, 61.5), (2.0, 0.0, 0.0))
    settle(qtbot, window)


def test_what_was_accepted_while_it_was_bent_stays_accepted_and_what_was_nudged_stays_nudged(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = Deformation(GRID, np.zeros((*SHAPE, 3), np.float32))
    gate = threading.Event()

    def bent(*_args: object) -> Deformation:
        gate.wait(30)
        return field

    monkeypatch.setattr(registration_module, "bend", bent)
    register(window, qtbot)
    window.together.deform()
    window.visits_bar.accept.click()
    gate.set()
    settle(qtbot, window)
    assert "Accepted by Dr New" in told(window)
    assert window.view.comparing.placement.deformation is field  # type: ignore[attr-defined]
    gate.clear()
    window.together.deform()
    window.together.set_nudge((0.0, 3.0, 0.0), (0.0, 0.0, 0.0))
    gate.set()
    settle(qtbot, window)
    assert window.together.found is not None
    assert window.together.found.shift_mm == (0.0, 3.0, 0.0)
    assert window.view.comparing.placement.deformation is None  # type: ignore[attr-defined]


def test_changes_against_a_visit_without_a_mask_say_so(window: MainWindow, qtbot: QtBot) -> None:
    window.together.choose_other(window.study.timepoints()[2])
    qtbot.waitUntil(lambda: window.together.other is not None and window.together.other.key == THIRD)
    window.together.show_changes(True)
    settle(qtbot, window)
    legend = QTextDocumentFragment.fromHtml(window.visits_bar.legend.text()).toPlainText().replace("\xa0", " ")
    assert "only here 13.8 mL" in legend
    assert legend.endswith("nothing is marked beside")
    changes = window.together.changes
    assert changes is not None
    window.together.changes = replace(changes, outside_ml=3.25)
    window.visits_bar.refresh()
    legend = QTextDocumentFragment.fromHtml(window.visits_bar.legend.text()).toPlainText().replace("\xa0", " ")
    assert legend.endswith("nothing beside lies here   beside, beyond these images 3.2 mL")
    label = window.visits_bar.legend
    assert label.heightForWidth(300) > label.heightForWidth(3000), "what a narrow window has no room for is wrapped"
