"""Every tool: name, icon, help, shortcut, options with units, a place in a menu, and a page with a picture."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from glioma_annotator.ui.command_layout import ICONS
from glioma_annotator.ui.command_ui import shortcut_text
from glioma_annotator.ui.reading_state import ToolName
from glioma_annotator.ui.tools.options import describe
from glioma_annotator.ui.tools.pages import PAGES, tables, with_tables

DOCS = Path(__file__).resolve().parents[3] / "docs"

#: What issue 6 calls a tool or a part of the viewer, by command.
TOOLS = (
    "edit.brush", "edit.eraser", "edit.ball", "edit.threshold", "edit.adaptive", "edit.lasso", "edit.polygon",
    "edit.fill", "edit.pick", "edit.interpolate", "edit.seeds", "edit.region", "edit.snake", "view.islands",
    "edit.margin", "edit.smooth", "edit.logic", "edit.copy", "view.mirror", "edit.lock", "edit.only_background",
    "edit.box", "edit.in_brain", "edit.in_tumour", "edit.accept_brush", "edit.accept_piece", "view.uncertainty",
    "view.places", "view.history", "edit.undo", "edit.redo", "study.compare", "study.approve", "view.blend",
    "view.subtraction", "view.cine", "view.magnifier", "view.ruler", "view.diameters", "view.propose_diameters",
    "view.picture", "view.3d", "view.head", "view.crosshair", "edit.new_label",
)  # fmt: skip

#: Parts of the viewer that are switched, with their keys, and need no page of their own.
REACHED = (
    "view.mask", "view.next_slice", "view.previous_slice", "view.sequence1", "view.same_sequence", "view.turn_left",
    "view.turn_right", "view.turn_up", "view.turn_down", "view.label1", "edit.label1", "segment.accept",
    "segment.reject", "view.next_place",
)  # fmt: skip

#: A pure number.
WITHOUT_UNIT = {"smoothness"}


@pytest.fixture
def window(qtbot: QtBot, bench: Any) -> Any:
    return bench.open_window()


def test_every_tool_has_name_icon_help_and_shortcut_and_stands_in_a_menu(window: Any) -> None:
    of_tools = {command.id for command in window.registry if command.group == "Tools"}
    listed = {action.objectName(): action for menu in window.menus.values() for action in menu.actions()}
    for name in sorted(of_tools | set(TOOLS) | set(REACHED)):
        command = window.registry[name]
        assert command.title and command.help, name
        assert command.shortcuts, f"{name} has no shortcut"
        action = listed[name]
        assert action.shortcut().toString(), name
        assert shortcut_text(command) in action.toolTip(), name
    for name in sorted(of_tools - {"edit.take_back"} | set(TOOLS)):
        assert name in ICONS, f"{name} has no icon"
        assert not listed[name].icon().isNull(), name


def test_every_tool_in_hand_has_a_command(window: Any) -> None:
    chosen = set()
    for command in window.registry:
        act = command.run
        chosen |= {value for value in getattr(act, "args", ()) if isinstance(value, ToolName)}
    by_act = {ToolName.CROSSHAIR, ToolName.BOX, ToolName.FINDING_REGION}  # put down, edit inside, a finding's region
    assert chosen | by_act == set(ToolName)


def test_every_option_has_a_title_a_help_and_a_unit(window: Any) -> None:
    for tool, options in window.toolbox.options.items():
        for info in describe(options):
            assert info.title and info.help, (tool, info.name)
            if info.kind is float and info.choices is None and info.name not in WITHOUT_UNIT:
                assert info.unit, f"{tool}: {info.name} has no unit"


def test_every_tool_has_a_page_with_a_picture(window: Any) -> None:
    on_pages = {name for page in PAGES for name in page.commands}
    assert set(TOOLS) <= on_pages
    with_options = {page.tool for page in PAGES}
    assert set(window.toolbox.options) - {ToolName.ERASER} <= with_options  # the eraser shares the brush's
    index = (DOCS / "tools.md").read_text(encoding="utf-8")
    for page in PAGES:
        text = (DOCS / "tools" / f"{page.name}.md").read_text(encoding="utf-8")
        assert f"](tools/{page.name}.md)" in index
        pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
        assert pictures, f"{page.name} has no picture"
        for picture in pictures:
            assert (DOCS / "tools" / picture).is_file(), picture


def test_the_tables_on_the_pages_are_those_of_the_program(window: Any) -> None:
    for page in PAGES:
        text = (DOCS / "tools" / f"{page.name}.md").read_text(encoding="utf-8")
        made = tables(page, window.registry, window.toolbox.options)
        assert with_tables(text, made) == text, f"make screenshots writes {page.name} anew"
