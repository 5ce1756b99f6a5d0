"""The commands of the editing tools."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from glioma_annotator.ui.reading_state import ReadingState, ToolName
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.ui.tools.toolbox import Toolbox
from glioma_annotator.workflow.commands import Command

#: id, tool, title, help, shortcut
_TOOLS = (
    ("edit.lasso", ToolName.LASSO, "Lasso", "Draw around a region; it is filled with the active label", "L"),
    ("edit.polygon", ToolName.POLYGON, "Polygon", "Click corners around a region; Return fills it", "P"),
    ("edit.fill", ToolName.FILL, "Fill and replace", "Fill a connected region, or replace a label", "F"),
    ("edit.pick", ToolName.PICK, "Pick label", "Make the label of a voxel the active one", "K"),
    ("edit.region", ToolName.REGION, "Region growing", "Grow from a voxel over similar intensities", "W"),
    ("edit.snake", ToolName.SNAKE, "Snake", "A contour grows from a voxel until the tissue changes", "S"),
    ("edit.seeds", ToolName.SEEDS, "Grow from seeds", "Let painted strokes grow within a box until they meet", "G"),
    ("edit.interpolate", ToolName.INTERPOLATE, "Interpolate", "Fill the slices between painted ones", "I"),
    ("edit.margin", ToolName.MARGIN, "Margin", "Grow or shrink the active label by millimetres", "M"),
    ("edit.smooth", ToolName.SMOOTH, "Smooth", "Smooth the outline of one label or of all", "Shift+M"),
    ("edit.logic", ToolName.LOGIC, "Logic", "Combine the active label with a label of another revision", "Shift+L"),
    ("edit.copy", ToolName.COPY, "Copy from", "Take labels over from another revision or visit", "Shift+C"),
)

TOOL_ICONS = {
    "edit.lasso": "lasso",
    "edit.polygon": "vector-polyline",
    "edit.fill": "format-color-fill",
    "edit.pick": "eyedropper",
    "edit.region": "bullseye",
    "edit.snake": "snake",
    "edit.seeds": "seed-outline",
    "edit.interpolate": "layers-triple-outline",
    "edit.margin": "arrow-expand-all",
    "edit.smooth": "blur",
    "edit.logic": "set-center",
    "edit.copy": "content-copy",
    "edit.threshold": "chart-bell-curve",
    "edit.adaptive": "brush-variant",
    "edit.accept_brush": "brush-outline",
    "edit.accept_piece": "check-circle-outline",
    "edit.apply": "check",
    "edit.box": "selection-drag",
    "edit.in_brain": "brain",
    "edit.in_tumour": "selection-ellipse",
    "edit.everywhere": "selection-off",
    "edit.only_background": "layers-minus",
}

#: Heard only while the panes have the keyboard.
TOOL_VIEW_ONLY = frozenset({"edit.apply", "edit.take_back"})


def tool_commands(study: StudyController, reading: ReadingState, toolbox: Toolbox) -> list[Command]:
    """Tools from lasso to copy, the brush's modes, and what becomes of a preview."""

    def editable() -> bool:
        return study.editable

    def is_tool(name: ToolName) -> Callable[[], bool]:
        return lambda: reading.tool is name

    def is_mode(mode: str) -> Callable[[], bool]:
        return lambda: toolbox.brush.mode == mode

    def proposed() -> bool:
        return study.editable and study.visit is not None and study.visit.proposal is not None

    commands = [
        Command("edit.threshold", "Threshold brush", "Brush and eraser touch only a range of intensity",
                partial(toolbox.flip_brush, "threshold"), "Tools", ("T",), editable, is_mode("threshold")),
        Command("edit.adaptive", "Adaptive brush", "Brush and eraser touch only voxels like those under their middle",
                partial(toolbox.flip_brush, "adaptive"), "Tools", ("Shift+T",), editable, is_mode("adaptive")),
    ]  # fmt: skip
    commands += [
        Command(name, title, text, partial(reading.set_tool, tool), "Tools", (keys,), editable, is_tool(tool))
        for name, tool, title, text, keys in _TOOLS
    ]
    commands += [
        Command("edit.accept_brush", "Accept proposal with the brush", "Only what is brushed over is accepted",
                partial(reading.set_tool, ToolName.ACCEPT_BRUSH), "Tools", ("A",), proposed,
                is_tool(ToolName.ACCEPT_BRUSH)),
        Command("edit.accept_piece", "Accept a component", "Accept the hatched region that is clicked",
                partial(reading.set_tool, ToolName.ACCEPT_PIECE), "Tools", ("Shift+A",), proposed,
                is_tool(ToolName.ACCEPT_PIECE)),
        Command("edit.apply", "Apply", "Write the preview, or fill the outline, as one undoable step", toolbox.apply,
                "Tools", ("Return", "Enter"), lambda: study.editable and toolbox.can_apply),
        Command("edit.take_back", "Take back a vertex", "Forget the last vertex of the polygon", toolbox.take_back,
                "Tools", ("Backspace",), lambda: toolbox.outline is not None),
    ]  # fmt: skip
    return commands
