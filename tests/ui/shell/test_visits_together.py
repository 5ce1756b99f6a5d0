"""The bar of two visits: register on a worker, check, nudge, accept, carry the mask over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QTextDocumentFragment
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot
from registrar import SHIFT, Registrar

from glioma_annotator.errors import UserError
from glioma_annotator.ui import registration as registration_module
from glioma_annotator.ui.viewer.comparing import Picture
from glioma_annotator.ui.window import MainWindow
from glioma_annotator.workflow.record_history import deleted_items, restore_item
from glioma_annotator.workflow.timepoints_together import kept_registration

FIRST, THIRD = "2019-01-14", "2019-10-21"


def shown(bench: Any, qtbot: QtBot, visit: int = 1) -> MainWindow:
    window: MainWindow = bench.open_patient(qtbot, visit)
    window.commands["view.timepoints"].trigger()
    settle(qtbot, window)
    return window


def comparing(window: MainWindow) -> Any:
    """The view's stand-in, which remembers what it was told."""
    return window.view.comparing


def settle(qtbot: QtBot, window: MainWindow) -> None:
    """Wait until no job runs."""
    qtbot.waitUntil(lambda: not window.workers.jobs and not window.workers.drawing.active, timeout=60_000)


def press(qtbot: QtBot, widget: QWidget) -> None:
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)


def test_the_bar_stands_only_over_two_visits_and_chooses_the_one_beside(bench: Any, qtbot: QtBot) -> None:
    window = bench.open_patient(qtbot, 1)
    bar = window.visits_bar
    assert bar.isHidden()
    window.commands["view.timepoints"].trigger()
    settle(qtbot, window)
    assert bar.isVisible()
    assert bar.other.currentText().startswith(FIRST)  # the visit before
    assert [bar.other.itemText(n)[:10] for n in range(bar.other.count())] == [
        FIRST,
        THIRD,
    ]
    bar.other.setFocus()
    qtbot.keyClick(bar.other, Qt.Key.Key_Down)
    bar.other.activated.emit(1)
    settle(qtbot, window)
    assert window.study.beside.visit is not None
    assert window.study.beside.visit.key == THIRD
    assert window.view.other.startswith(THIRD)  # type: ignore[attr-defined]
    assert "headers" in bar.told.text()
    window.commands["view.planes"].trigger()
    assert bar.isHidden()


def test_the_visits_to_choose_from_are_those_of_the_patient_even_when_another_ones_read_alike(
    bench: Any, qtbot: QtBot
) -> None:
    store = bench.store
    twin, like = store.add_patient("PAT-0044"), store.timepoints(store.patient("PAT-0042").id)
    for visit in like:
        images = {sequence.name: store.load_image(visit, sequence.name) for sequence in visit.sequences}
        store.add_timepoint(replace(visit, id=None, patient_id=twin.id), images)
    window = shown(bench, qtbot, 1)
    window.study.open_patient("PAT-0044", like[1].key)
    settle(qtbot, window)
    bar = window.visits_bar
    bar.other.setCurrentIndex(1)
    bar.other.activated.emit(1)
    settle(qtbot, window)
    beside = window.study.beside.visit
    assert beside is not None and (beside.patient_id, beside.key) == (twin.id, THIRD)
    assert bar.other.currentText().startswith(THIRD)


def test_registering_places_the_visit_beside_and_says_how_well(bench: Any, qtbot: QtBot, registrar: Registrar) -> None:
    window = shown(bench, qtbot)
    press(qtbot, window.visits_bar.register)
    settle(qtbot, window)
    placement = comparing(window).placement
    assert placement is not None
    assert placement.matrix[0, 3] == 12
    assert comparing(window).picture is Picture.REGISTERED
    told = window.visits_bar.told.text()
    assert "0.42 of 1, 0.10 by the headers: better" in told
    assert "moved 12.0 mm" in told
    assert "Not accepted" in told


def test_a_registration_can_be_cancelled_and_a_refusal_is_told_in_the_bar(
    bench: Any, qtbot: QtBot, registrar: Registrar
) -> None:
    window = shown(bench, qtbot)
    registrar.waits = True
    press(qtbot, window.visits_bar.register)
    qtbot.waitUntil(lambda: window.together.running)
    assert not window.visits_bar.register.isEnabled()
    (job,) = window.workers.computing.active
    job.cancel()
    settle(qtbot, window)
    assert "Cancelled" in window.visits_bar.told.text()
    assert window.together.found is None
    registrar.waits = False
    registrar.refusal = UserError("The two scans could not be registered.", "Check them.")
    press(qtbot, window.visits_bar.register)
    settle(qtbot, window)
    assert "could not be registered" in window.visits_bar.told.text()
    assert window.visits_bar.register.isEnabled()


def test_visits_without_a_common_sequence_are_refused_in_words(
    bench: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> str:
        raise UserError("The visits have no sequence in common.", "Import T1Gd or FLAIR for both.")

    monkeypatch.setattr(registration_module, "common_sequence", refuse)
    window = shown(bench, qtbot)
    press(qtbot, window.visits_bar.register)
    assert "no sequence in common" in window.visits_bar.told.text()
    assert "Import T1Gd or FLAIR" in window.visits_bar.told.text()
    window.commands["visits.right"].trigger()
    assert window.together.found is None


def test_the_nudge_moves_by_spin_boxes_and_by_keys_and_goes_back(
    bench: Any, qtbot: QtBot, registrar: Registrar
) -> None:
    window = shown(bench, qtbot)
    bar = window.visits_bar
    press(qtbot, bar.register)
    settle(qtbot, window)
    press(qtbot, bar.nudge)
    assert bar.nudging.isVisible()
    bar.spins[1].setFocus()
    bar.spins[1].selectAll()
    qtbot.keyClicks(bar.spins[1], "2.5")
    qtbot.keyClick(bar.spins[1], Qt.Key.Key_Return)
    assert window.together.found is not None
    assert window.together.found.shift_mm == (0, 2.5, 0)
    window.view.setFocus()
    window.commands["visits.right"].trigger()
    window.commands["visits.up"].trigger()
    window.commands["visits.clockwise"].trigger()
    assert window.together.found.shift_mm == (-0.5, 3.0, 0)  # to the right of the screen is the patient's left
    assert window.together.found.rotation_deg == (0, 0, 0.5)
    assert bar.spins[0].value() == -0.5
    placement = comparing(window).placement
    assert placement is not None
    moved = np.linalg.inv(placement.matrix) @ SHIFT  # about the middle of the head, here the world's origin
    assert moved[:3, 3] == pytest.approx((-0.5, 3.0, 0))
    press(qtbot, bar.reset)
    assert not window.together.found.by_hand
    qtbot.waitUntil(lambda: not window.together.settling)
    settle(qtbot, window)


def test_a_name_with_an_address_is_shown_as_it_was_entered(bench: Any, qtbot: QtBot, registrar: Registrar) -> None:
    window = shown(bench, qtbot)
    press(qtbot, window.visits_bar.register)
    settle(qtbot, window)
    assert window.together.found is not None
    window.together.found = replace(window.together.found, accepted_by="Dr New <new@ward>", accepted="2026-01-02")
    window.visits_bar.refresh()
    shown_text = QTextDocumentFragment.fromHtml(window.visits_bar.told.text()).toPlainText()
    assert "Accepted by Dr New <new@ward> on 2026-01-02." in shown_text


def test_an_accepted_registration_is_there_again_the_next_time(bench: Any, qtbot: QtBot, registrar: Registrar) -> None:
    window = shown(bench, qtbot)
    assert not window.visits_bar.accept.isEnabled()
    press(qtbot, window.visits_bar.register)
    settle(qtbot, window)
    press(qtbot, window.visits_bar.accept)
    assert "Accepted by Dr New" in window.visits_bar.told.text()
    visit, other = window.study.require_visit().timepoint, window.together.other
    assert other is not None
    assert kept_registration(bench.store, visit, other) is not None
    window.link.write_state()  # the view's own state does not overwrite it
    assert kept_registration(bench.store, visit, other) is not None
    again = bench.open_window()
    again.study.open_patient("PAT-0042", visit.key)
    qtbot.waitUntil(lambda: again.study.visit is not None)
    again.commands["view.timepoints"].trigger()
    settle(qtbot, again)
    assert "Accepted by Dr New" in again.visits_bar.told.text()
    placement = comparing(again).placement
    assert placement is not None
    assert placement.matrix[0, 3] == 12


def test_a_nudge_accepted_before_it_is_measured_is_kept_with_its_own_quality(
    bench: Any, qtbot: QtBot, registrar: Registrar
) -> None:
    window = shown(bench, qtbot)
    press(qtbot, window.visits_bar.register)
    settle(qtbot, window)
    window.together.set_nudge((20.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    assert window.together.settling
    press(qtbot, window.visits_bar.accept)
    qtbot.waitUntil(lambda: not window.together.settling)
    settle(qtbot, window)
    visit, other = window.study.require_visit().timepoint, window.together.other
    assert other is not None
    kept = kept_registration(bench.store, visit, other)
    assert kept is not None
    assert kept.quality == window.together.found.quality != 0.42
    assert window.together.found.accepted_by


def test_an_accepted_registration_is_withdrawn_with_a_record_and_brought_back(
    bench: Any, qtbot: QtBot, registrar: Registrar
) -> None:
    window = shown(bench, qtbot)
    bar, together = window.visits_bar, window.together
    press(qtbot, bar.register)
    settle(qtbot, window)
    press(qtbot, bar.accept)
    visit, other = window.study.require_visit().timepoint, together.other
    assert other is not None
    assert bar.accept.text() == "Withdraw"
    press(qtbot, bar.accept)
    assert kept_registration(bench.store, visit, other) is None
    assert "Not accepted" in bar.told.text()
    assert bar.accept.text() == "Accept"
    assert comparing(window).placement.matrix[0, 3] == 12, "it stays to be looked at"
    (item,) = deleted_items(bench.store, "PAT-0042")
    restore_item(bench.store, item, "Dr New")
    window.study.patient_changed.emit()
    assert "Accepted by Dr New" in bar.told.text()
    window.commands["visits.withdraw"].trigger()
    press(qtbot, bar.accept)
    assert kept_registration(bench.store, visit, other) is not None, "accepted anew"


def test_the_carried_mask_is_a_proposal_where_the_registration_puts_it(
    bench: Any, qtbot: QtBot, registrar: Registrar
) -> None:
    window = shown(bench, qtbot, 2)
    press(qtbot, window.visits_bar.register)
    settle(qtbot, window)
    press(qtbot, window.visits_bar.carry)
    settle(qtbot, window)
    proposal = window.study.require_visit().proposal
    assert proposal is not None
    assert "carried over" in proposal.source
    # The mask of the visit before starts at voxel 10; its visit lies 12 mm, two voxels, to the right.
    assert np.argwhere(proposal.labels)[:, 0].min() == 8


def test_what_changed_between_the_masks_is_coloured_with_its_volumes(
    bench: Any, qtbot: QtBot, registrar: Registrar
) -> None:
    window = shown(bench, qtbot)
    bar = window.visits_bar
    qtbot.mouseClick(bar.changes, Qt.MouseButton.LeftButton, pos=QPoint(9, bar.changes.height() // 2))
    qtbot.waitUntil(lambda: window.together.changes is not None)
    assert comparing(window).picture is Picture.REGISTERED
    assert comparing(window).changes is not None
    assert "both&nbsp;13.8&nbsp;mL" in bar.legend.text()  # 64 voxels of 6 mm
    editor = window.study.require_visit().editor
    editor.set_voxels("Erase", np.flatnonzero(editor.labels), 0)
    qtbot.waitUntil(lambda: window.together.changes is not None and window.together.changes.volumes_ml["kept"] == 0)
    qtbot.mouseClick(bar.changes, Qt.MouseButton.LeftButton, pos=QPoint(9, bar.changes.height() // 2))
    assert comparing(window).changes is None
    settle(qtbot, window)


def test_a_key_shows_this_visit_in_the_others_place(bench: Any, qtbot: QtBot) -> None:
    window = shown(bench, qtbot)
    window.view.setFocus()
    window.commands["visits.swap"].trigger()
    assert comparing(window).swapped
    window.commands["visits.swap"].trigger()
    assert not comparing(window).swapped
    window.commands["visits.picture"].trigger()
    assert comparing(window).picture is Picture.REGISTERED


def test_a_patient_with_one_visit_is_told_what_to_do(bench: Any, qtbot: QtBot) -> None:
    window = bench.open_window()
    window.study.open_patient("PAT-0043")
    qtbot.waitUntil(lambda: window.study.visit is not None)
    window.commands["view.timepoints"].trigger()
    settle(qtbot, window)
    assert "one visit" in window.visits_bar.told.text()
    assert not window.visits_bar.register.isEnabled()
    assert not window.commands["visits.register"].isEnabled()


def test_every_control_has_a_name_and_is_reached_with_the_keyboard(bench: Any, qtbot: QtBot) -> None:
    window = shown(bench, qtbot)
    bar = window.visits_bar
    for widget in (bar.other, bar.picture, bar.changes, bar.method, bar.register, bar.nudge, bar.accept, bar.carry,
                   bar.reset, *bar.spins):  # fmt: skip
        assert widget.accessibleName()
        assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus
    assert window.width() == 1280
    assert bar.minimumSizeHint().width() <= bar.width()
