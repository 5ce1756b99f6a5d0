"""The manual's page of each tool: which commands it is about, and the tables on it that are drawn from the program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glioma_annotator.ui.reading_state import ToolName
from glioma_annotator.ui.tools.options import OptionInfo, describe
from glioma_annotator.workflow.commands import CommandRegistry

#: The generated tables of a page stand between these.
BEGIN, END = "<!-- from the program -->", "<!-- end -->"


@dataclass(frozen=True, slots=True)
class ToolPage:
    """A page `docs/tools/<name>.md`.

    Attributes
    ----------
    name: of the file.
    commands: ids that the page is about.
    tool: whose options it lists; None for none.
    """

    name: str
    commands: tuple[str, ...]
    tool: ToolName | None = None


PAGES = (
    ToolPage("brush", ("edit.brush", "edit.smaller", "edit.larger")),
    ToolPage("eraser", ("edit.eraser",)),
    ToolPage("3d-brush", ("edit.ball",)),
    ToolPage("threshold-brush", ("edit.threshold",), ToolName.BRUSH),
    ToolPage("adaptive-brush", ("edit.adaptive",), ToolName.BRUSH),
    ToolPage("lasso", ("edit.lasso", "edit.apply"), ToolName.LASSO),
    ToolPage("polygon", ("edit.polygon", "edit.apply", "edit.take_back"), ToolName.POLYGON),
    ToolPage("fill", ("edit.fill",), ToolName.FILL),
    ToolPage("pick", ("edit.pick",)),
    ToolPage("region-growing", ("edit.region", "edit.apply"), ToolName.REGION),
    ToolPage("snake", ("edit.snake", "edit.apply"), ToolName.SNAKE),
    ToolPage("grow-from-seeds", ("edit.seeds", "edit.apply"), ToolName.SEEDS),
    ToolPage("interpolate", ("edit.interpolate", "edit.apply"), ToolName.INTERPOLATE),
    ToolPage("margin", ("edit.margin", "edit.apply"), ToolName.MARGIN),
    ToolPage("smooth", ("edit.smooth", "edit.apply"), ToolName.SMOOTH),
    ToolPage("logic", ("edit.logic", "edit.apply"), ToolName.LOGIC),
    ToolPage("copy-from", ("edit.copy", "edit.apply"), ToolName.COPY),
    ToolPage("islands", ("view.islands",)),
    ToolPage("history", ("edit.undo", "edit.redo", "view.history")),
    ToolPage(
        "rules",
        ("edit.lock", "edit.only_background", "edit.box", "edit.in_brain", "edit.in_tumour", "edit.everywhere"),
        ToolName.BOX,
    ),
    ToolPage("accept-proposal", ("segment.accept", "segment.reject", "edit.accept_brush", "edit.accept_piece")),
    ToolPage("uncertainty", ("view.uncertainty", "view.places", "view.next_place")),
    ToolPage("compare", ("study.compare", "study.approve")),
    ToolPage("new-label", ("edit.new_label",)),
    ToolPage("mirror-check", ("view.mirror",)),
    ToolPage("ruler", ("view.ruler", "view.remove_measure", "view.clear_measures")),
    ToolPage("diameters", ("view.diameters", "view.propose_diameters")),
    ToolPage("blend", ("view.blend", "view.blend_less", "view.blend_more")),
    ToolPage("subtraction", ("view.subtraction",)),
    ToolPage("cine", ("view.cine",)),
    ToolPage("magnifier", ("view.magnifier",)),
    ToolPage(
        "surfaces",
        ("view.3d", "view.head", "view.crosshair", "view.turn_left", "view.turn_right", "view.turn_up",
         "view.turn_down", "view.reset"),
    ),
    ToolPage("picture", ("view.picture",)),
)  # fmt: skip


def tables(page: ToolPage, registry: CommandRegistry, options: Mapping[ToolName, Any]) -> str:
    """Markdown: keys and help of the page's commands, and the options of its tool with units and ranges."""
    lines = [BEGIN, "", "| command | keys | menu | what it does |", "|---|---|---|---|"]
    for command in (registry[name] for name in page.commands):
        keys = " or ".join(f"`{key}`" for key in command.shortcuts)
        lines.append(f"| {command.title} | {keys} | {command.group} | {command.help} |")
    if page.tool is not None:
        lines += ["", "| option | unit | values | what it does |", "|---|---|---|---|"]
        for info in describe(options[page.tool]):
            lines.append(f"| {info.title} | {info.unit} | {_values(info)} | {info.help} |")
    return "\n".join([*lines, "", END])


def _values(info: OptionInfo) -> str:
    if info.kind is bool:
        return "on, off"
    if isinstance(info.choices, str):
        return "what the study holds"
    if info.choices is not None:
        return ", ".join(info.choices.values())
    if max(abs(info.minimum), abs(info.maximum)) >= 1e5:
        return "any" if info.minimum < 0 else "0 and more"
    return f"{info.minimum:g} to {info.maximum:g}"


def with_tables(text: str, made: str) -> str:
    """A page's text with its generated tables in place of the old ones. Raises `ValueError` for one without a place."""
    start, stop = text.index(BEGIN), text.index(END) + len(END)
    return text[:start] + made + text[stop:]
