"""The window without a mouse: keys that are held, keys without a visit, Tab and the key from area to area."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDockWidget, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from glioma_annotator.ui.dialogs.command_palette import CommandPalette
from glioma_annotator.ui.held_key import HELD_SECONDS

H = Qt.Key.Key_H
INACTIVE = Qt.ApplicationState.ApplicationInactive


@pytest.fixture
def window(qtbot: QtBot, bench: Any) -> Any:
    return bench.open_patient(qtbot)


@pytest.fixture
def now(window: Any) -> list[float]:
    """A clock that the test turns."""
    now = [100.0]
    window._held_mask._clock = lambda: now[0]
    return now


def test_a_click_while_h_is_held_leaves_the_mask_to_come_back(qtbot: QtBot, window: Any, now: list[float]) -> None:
    qtbot.keyPress(window.view, H)
    assert not window.reading.mask_visible
    now[0] += HELD_SECONDS * 2
    qtbot.mouseClick(window.view, Qt.MouseButton.LeftButton)
    qtbot.keyRelease(window.view, H)
    assert window.reading.mask_visible


def test_a_dialog_that_opens_while_h_is_held_leaves_the_mask_to_come_back(
    qtbot: QtBot, window: Any, now: list[float]
) -> None:
    qtbot.keyPress(window.view, H)
    now[0] += HELD_SECONDS * 2
    window.commands["help.about"].trigger()
    qtbot.keyRelease(window.dialogs.open, H)
    assert window.reading.mask_visible
    window.dialogs.open.close()


def test_the_mask_comes_back_when_the_keyboard_goes_to_another_program(qtbot: QtBot, window: Any) -> None:
    app = QApplication.instance()
    qtbot.keyPress(window.view, H)
    app.applicationStateChanged.emit(INACTIVE)  # which hears of the release
    assert window.reading.mask_visible
    qtbot.keyClick(window.view, H)
    app.applicationStateChanged.emit(INACTIVE)
    assert not window.reading.mask_visible  # a tap stays


def test_a_mask_switched_from_the_menu_stays_as_it_is_when_h_is_typed_elsewhere(
    qtbot: QtBot, window: Any, now: list[float]
) -> None:
    window.commands["view.mask"].trigger()
    now[0] += HELD_SECONDS * 2
    qtbot.keyClick(window.search_box, H)
    assert not window.reading.mask_visible


def test_h_of_a_keyboard_of_another_script_can_be_held(qtbot: QtBot, window: Any, now: list[float]) -> None:
    qtbot.keyPress(window.view, H)
    now[0] += HELD_SECONDS * 2
    release = QTest.KeyAction.Release
    QTest.sendKeyEvent(release, window.view, Qt.Key(0x420), "\N{CYRILLIC SMALL LETTER ER}", Qt.KeyboardModifier(0))
    assert window.reading.mask_visible


def test_letters_typed_in_the_list_of_patients_change_nothing_of_the_next_visit(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_window()
    diameter, label = window.reading.brush.diameter_mm, window.reading.brush.value
    qtbot.keyClicks(window.start_page.patients, "ho2x4[")
    assert window.reading.mask_visible and window.reading.crosshair_visible
    assert (window.reading.brush.diameter_mm, window.reading.brush.value) == (diameter, label)


def test_f6_goes_to_the_panel_that_is_in_sight_and_on(qtbot: QtBot, window: Any) -> None:
    window.findings_dock.raise_()
    qtbot.waitUntil(lambda: window.mask_dock.visibleRegion().isEmpty())
    window.view.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    window.view.setFocus()
    seen = []
    for _ in range(3):
        qtbot.keyClick(window, Qt.Key.Key_F6)
        seen.append(_area(window))
    assert seen == ["Findings", "timeline", "panes"]


def _area(window: Any) -> str:
    focus = QApplication.focusWidget()
    if focus is window.view:
        return "panes"
    if window.timeline.isAncestorOf(focus):
        return "timeline"
    part: QWidget | None = focus
    while part is not None and not isinstance(part, QDockWidget):
        part = part.parentWidget()
    return part.windowTitle() if part is not None else ""


def test_f6_takes_the_keyboard_to_the_start_page(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_window()
    window.search_box.setFocus()
    qtbot.keyClick(window, Qt.Key.Key_F6)
    assert window.start_page.isAncestorOf(QApplication.focusWidget())


def test_tab_goes_through_the_whole_window_and_only_through_what_is_in_sight(qtbot: QtBot, window: Any) -> None:
    qtbot.waitUntil(lambda: window.findings_dock.visibleRegion().isEmpty())  # behind the Mask panel's tab
    start = window.timeline.patient
    start.setFocus()
    seen = []
    for _ in range(200):
        seen.append(QApplication.focusWidget())
        qtbot.keyClick(seen[-1], Qt.Key.Key_Tab)
        if QApplication.focusWidget() is start:
            break
    assert QApplication.focusWidget() is start
    assert len(seen) == len(set(seen)) > 50
    docks = {part for part in window.findChildren(QDockWidget) if part.visibleRegion().isEmpty()}
    assert docks and not [part for part in seen for dock in docks if dock.isAncestorOf(part)]
    assert window.search_box in seen
    qtbot.keyClick(seen[0], Qt.Key.Key_Tab, Qt.KeyboardModifier.ShiftModifier)
    assert QApplication.focusWidget() is seen[-1]


def test_space_presses_the_button_beside_the_search(qtbot: QtBot, window: Any) -> None:
    button = next(b for b in window.menuBar().findChildren(QToolButton) if b.text().startswith("Commands"))
    button.setFocus()
    qtbot.keyClick(button, Qt.Key.Key_Space)
    assert isinstance(window.dialogs.open, CommandPalette)
    window.dialogs.open.close()


def test_tab_leaves_a_list_of_islands_and_of_records(qtbot: QtBot, window: Any) -> None:
    window.study.visit.editor.apply("Two islands", proposed())
    window.commands["view.islands"].trigger()
    panel = window.review_dock.islands
    qtbot.waitUntil(lambda: panel.table.rowCount() == 2)
    for table in (panel.table, window.findings_panel.table):
        assert not table.tabKeyNavigation()
    panel.table.setFocus()
    panel.table.setCurrentCell(0, 0)
    qtbot.keyClick(panel.table, Qt.Key.Key_Tab)
    assert QApplication.focusWidget() is panel.delete


def proposed() -> Any:
    labels = np.zeros((30, 34, 28), np.uint8)
    labels[4:8, 4:8, 4:8] = 1
    labels[14:18, 14:18, 14:18] = 3
    return labels
