"""The comparison of two masks of a visit while other dialogs come and go."""

from __future__ import annotations

from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from shiboken6 import isValid

from glioma_annotator.imaging.brush import Brush
from glioma_annotator.ui.dialogs.compare_revisions import CompareDialog

RC = 4


@pytest.fixture
def compared(qtbot: QtBot, bench: Any) -> CompareDialog:
    """The only revision against the mask, to which some RC was added."""
    window = bench.open_patient(qtbot, 1)
    editor = window.study.visit.editor
    editor.begin_stroke(Brush(20.0), RC)
    editor.stroke_to((15, 15, 15))
    editor.end_stroke()
    window.commands["study.compare"].trigger()
    dialog = window.dialogs.open
    assert isinstance(dialog, CompareDialog)
    qtbot.waitUntil(lambda: bool(dialog.cells))
    return dialog


def choose_before(dialog: CompareDialog, place: int) -> None:
    dialog.before.setCurrentIndex(place)
    dialog.before.activated.emit(place)


def test_the_table_follows_the_choice_after_another_dialog_was_opened_and_closed(
    qtbot: QtBot, compared: CompareDialog
) -> None:
    window: Any = compared.parentWidget()
    window.commands["help.shortcuts"].trigger()
    other = window.dialogs.open
    choose_before(compared, 0)
    assert not compared.cells  # at once: the figures of another pair must not stand under this one
    qtbot.waitUntil(lambda: compared.same.text() == "Both masks are the same.")
    other.close()
    qtbot.waitUntil(lambda: not isValid(other))
    choose_before(compared, 1)
    qtbot.waitUntil(lambda: compared.cells.get(("RC", 1)) == "0.000")


def test_of_two_quick_choices_only_the_last_is_shown(
    compared: CompareDialog, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    window: Any = compared.parentWidget()
    shown: list[object] = []
    monkeypatch.setattr(compared, "_show", shown.append)
    choose_before(compared, 0)
    choose_before(compared, 1)
    qtbot.waitUntil(lambda: not window.workers.jobs)
    assert len(shown) == 1


def test_a_dialog_that_ends_leaves_the_one_opened_after_it(qtbot: QtBot, compared: CompareDialog) -> None:
    window: Any = compared.parentWidget()
    window.commands["help.shortcuts"].trigger()
    other = window.dialogs.open
    compared.close()
    qtbot.waitUntil(lambda: not isValid(compared))
    assert window.dialogs.open is other
    other.close()
    qtbot.waitUntil(lambda: window.dialogs.open is None)


def test_a_result_for_a_closed_comparison_is_dropped(qtbot: QtBot, compared: CompareDialog) -> None:
    window: Any = compared.parentWidget()
    choose_before(compared, 0)
    compared.close()
    qtbot.waitUntil(lambda: not isValid(compared) and not window.workers.jobs)


def test_leaving_the_visit_closes_the_comparison(qtbot: QtBot, compared: CompareDialog) -> None:
    window: Any = compared.parentWidget()
    window.study.step_visit(1)
    qtbot.waitUntil(lambda: not isValid(compared))
    assert window.dialogs.open is None
