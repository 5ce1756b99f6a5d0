"""What the reader has in hand: the tool, the active label, the brush, and how the mask is shown."""

from __future__ import annotations

from enum import StrEnum

from PySide6.QtCore import QObject, Signal

from glioma_annotator.settings import Settings, value_of
from glioma_annotator.ui.tools.brush import LARGEST_MM, SMALLEST_MM, BrushSettings
from glioma_annotator.ui.viewer.types import MaskStyle


class ToolName(StrEnum):
    """What the left mouse button does."""

    CROSSHAIR = "crosshair"
    BRUSH = "brush"
    ERASER = "eraser"
    LASSO = "lasso"
    POLYGON = "polygon"
    FILL = "fill"
    PICK = "pick"
    REGION = "region"
    SNAKE = "snake"
    SEEDS = "seeds"
    INTERPOLATE = "interpolate"
    MARGIN = "margin"
    SMOOTH = "smooth"
    LOGIC = "logic"
    COPY = "copy"
    BOX = "box"
    ACCEPT_BRUSH = "accept brush"
    ACCEPT_PIECE = "accept piece"
    FINDING_REGION = "finding region"


class ReadingState(QObject):
    """Tool and display choices; every control writes here and redraws from here.

    Attributes
    ----------
    tool: what the left button does.
    brush: size, shape and label, shared with the brush and the eraser.
    hidden: label values that are not shown.
    time_log: whether the active minutes per tool are counted.
    """

    tool_changed = Signal()
    mask_display_changed = Signal()

    def __init__(self, label: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.tool = ToolName.CROSSHAIR
        self.brush = BrushSettings(value=label)
        self.mask_visible = True
        self.style = MaskStyle.BOTH
        self.opacity = 0.45
        self.hidden: frozenset[int] = frozenset()
        self.crosshair_visible = True
        self.time_log = True

    def use(self, settings: Settings, before: Settings | None = None) -> None:
        """Start from the reader's settings; of later ones, take only what is other than it was `before`.

        A brush or a mask that was adjusted since stays as it is when something else is set.
        """
        display, editing = settings.display, settings.editing

        def new(path: str) -> bool:
            return before is None or value_of(settings, path) != value_of(before, path)

        if new("display.mask_style"):
            self.style = MaskStyle(display.mask_style)
        if new("display.mask_opacity"):
            self.opacity = display.mask_opacity
        if new("editing.brush_diameter_mm"):
            self.brush.diameter_mm = editing.brush_diameter_mm
        if new("editing.brush_3d"):
            self.brush.ball = editing.brush_3d
        self.brush.pen_sizes = editing.pen_pressure
        self.time_log = editing.time_log
        self.tool_changed.emit()
        self.mask_display_changed.emit()

    def set_tool(self, tool: ToolName) -> None:
        self.tool = tool
        self.tool_changed.emit()

    def set_label(self, value: int) -> None:
        """Paint with this label from now on."""
        self.brush.value = value
        self.tool_changed.emit()

    def set_diameter(self, diameter_mm: float) -> None:
        self.brush.diameter_mm = min(max(diameter_mm, SMALLEST_MM), LARGEST_MM)
        self.tool_changed.emit()

    def step_diameter(self, steps: int) -> None:
        self.brush.resize(steps)
        self.tool_changed.emit()

    def set_ball(self, ball: bool) -> None:
        self.brush.ball = ball
        self.tool_changed.emit()

    def set_mask_visible(self, visible: bool) -> None:
        self.mask_visible = visible
        self.mask_display_changed.emit()

    def flip_mask(self) -> None:
        self.set_mask_visible(not self.mask_visible)

    def set_style(self, style: MaskStyle) -> None:
        self.style = style
        self.mask_display_changed.emit()

    def set_opacity(self, opacity: float) -> None:
        self.opacity = min(max(opacity, 0.0), 1.0)
        self.mask_display_changed.emit()

    def set_label_visible(self, value: int, visible: bool) -> None:
        self.hidden = self.hidden - {value} if visible else self.hidden | {value}
        self.mask_display_changed.emit()

    def set_crosshair_visible(self, visible: bool) -> None:
        self.crosshair_visible = visible
        self.mask_display_changed.emit()
