"""Keys as the design lists them; names and tooltips of every control."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QHeaderView,
    QLineEdit,
    QScrollBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from glioma_annotator.ui.command_layout import ICONS, TOOL_BAR

KEYS = {
    "edit.brush": "B", "edit.eraser": "E", "edit.label1": "1", "edit.label2": "2", "edit.label3": "3",
    "edit.label4": "4", "edit.smaller": "[", "edit.larger": "]", "view.mask": "H", "view.outline": "O",
    "view.crosshair": "X", "view.next_slice": "N", "view.previous_slice": "Shift+N", "view.slice_up": "Up",
    "view.slice_down": "Down", "study.previous": ",", "study.next": ".", "view.next_pane": "Tab",
    "edit.undo": "Ctrl+Z", "edit.redo": "Ctrl+Shift+Z", "study.save": "Ctrl+S", "segment.run": "Ctrl+Return",
    "view.planes": "F1", "view.sequences": "F2", "view.timepoints": "F3", "view.3d": "F4",
    "file.open_folder": "Ctrl+O", "help.palette": "Ctrl+K", "help.shortcuts": "?", "file.quit": "Ctrl+Q",
    "find.search": "Ctrl+F",
}  # fmt: skip


def test_the_keys_are_those_of_the_design(qtbot: QtBot, bench: Any) -> None:
    registry = bench.open_window().registry
    assert {name: registry[name].shortcuts[0] for name in KEYS} == KEYS


def test_no_two_commands_share_a_key(qtbot: QtBot, bench: Any) -> None:
    registry = bench.open_window().registry
    keys = [key for command in registry for key in command.shortcuts]
    assert len(keys) == len(set(keys))
    # Windows takes AltGr, with which ę, ó and € are typed, for Ctrl and Alt.
    assert not [key for key in keys if key.startswith("Ctrl+Alt+")]


def test_every_command_stands_in_a_menu_with_its_help(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_window()
    listed = {action.objectName() for menu in window.menus.values() for action in menu.actions()}
    assert {command.id for command in window.registry} <= listed
    assert all(command.help for command in window.registry)


def test_every_tool_has_an_icon_of_its_own() -> None:
    of_tools = [ICONS[name] for name in TOOL_BAR if name]
    assert len(set(of_tools)) == len(of_tools)
    assert len(set(ICONS.values())) == len(ICONS)


def test_a_tooltip_names_the_key(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_window()
    assert window.commands["edit.brush"].toolTip() == "Paint the active label (B)"


def test_every_control_has_a_name_and_a_tooltip(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    kinds = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, QAbstractItemView)
    checked = 0
    for part in (window.mask_panel, window.timeline, window.tool_bar, window.start_page, window.status):
        for control in part.findChildren(QWidget):
            if not isinstance(control, kinds) or isinstance(control, QScrollBar) or _is_part_of_another(control):
                continue
            checked += 1
            named = control.accessibleName() or (isinstance(control, QAbstractButton) and control.text())
            assert named, (part, control)
            assert control.toolTip() or isinstance(control, QLineEdit | QAbstractItemView), (part, control)
    assert checked > 40


def _is_part_of_another(control: QWidget) -> bool:
    """Whether Qt made it itself: an editor in a spin box, the list of a combo box, a tool bar's extension."""
    parent = control.parentWidget()
    if control.objectName().startswith("qt_") or isinstance(control, QHeaderView):
        return True
    if isinstance(parent, QAbstractSpinBox | QComboBox | QLineEdit):
        return True
    return parent is not None and isinstance(parent.parentWidget(), QComboBox)


def test_everything_fits_a_small_screen(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    window.resize(1280, 720)
    assert (window.width(), window.height()) == (1280, 720)
    inside = window.mask_panel.widget()
    assert inside.height() <= window.mask_panel.viewport().height()
    assert inside.width() <= window.mask_panel.viewport().width()
    last = window.tool_grid.buttons["view.crosshair"]
    assert last.isVisible() and last.geometry().bottom() < window.tool_grid.height() <= window.tool_bar.height()


def test_putting_the_review_away_brings_back_the_panel_that_stood_in_its_place(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    qtbot.waitUntil(lambda: not window.mask_dock.visibleRegion().isEmpty())
    for put_away in (window.commands["view.islands"].trigger, window.review_dock.close):
        window.commands["view.islands"].trigger()
        qtbot.waitUntil(lambda: not window.review_dock.tabs.visibleRegion().isEmpty())
        assert window.mask_dock.visibleRegion().isEmpty()
        put_away()
        qtbot.waitUntil(lambda: not window.mask_dock.visibleRegion().isEmpty())
        assert window.review_dock.isHidden()
