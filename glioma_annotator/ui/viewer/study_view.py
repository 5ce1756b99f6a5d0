"""The view of one visit: panes, their layout, and everything the panes share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QWidget

from glioma_annotator.domain.geometry import Box
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.sequences import Window
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.ui.tools.base import Tool
from glioma_annotator.ui.viewer.types import Convention, Layout, MaskStyle, Submit


class StudyView(QWidget):
    """Linked panes on one visit's sequences and mask, with another visit beside it where asked.

    Parameters
    ----------
    submit: runs surface extraction off the GUI thread; the view starts no thread itself.

    Signals
    -------
    crosshair_moved(CrosshairPlace), hovered(HoverInfo | None when the pointer left), window_changed(str, Window) when
    the reader drags or resets a window, brush_size_step(int) for Shift+wheel, state_changed() when `state()` changed,
    layout_changed(str), active_pane_changed(int).
    """

    crosshair_moved = Signal(object)
    hovered = Signal(object)
    window_changed = Signal(str, object)
    brush_size_step = Signal(int)
    state_changed = Signal()
    layout_changed = Signal(str)
    active_pane_changed = Signal(int)

    def __init__(self, submit: Submit, parent: QWidget | None = None) -> None:
        super().__init__(parent)

    # --- contents -------------------------------------------------------------------------------------------------

    def show_images(
        self,
        images: Mapping[str, Volume],
        labels: LabelArray,
        scheme: LabelScheme,
        windows: Mapping[str, Window],
        title: str,
    ) -> None:
        """Show a visit: float32 images by sequence name on one grid; `labels` uint8 (i, j, k) is shared, not copied."""

    def show_other(
        self, images: Mapping[str, Volume] | None, labels: LabelArray | None = None, title: str = ""
    ) -> None:
        """The other visit of the *timepoints* layout, on its own grid, linked through RAS mm; None for none."""

    def clear(self) -> None:
        """Show nothing."""

    def labels_changed(self, box: Box) -> None:
        """Voxels in `box` of the shared labels changed: redraw them where they are shown."""

    def set_proposal(self, labels: LabelArray | None) -> None:
        """A proposed mask, uint8 (i, j, k), drawn hatched over the mask; None for none."""

    def set_window(self, sequence: str, window: Window) -> None:
        """Show a sequence in another window."""

    # --- mask -----------------------------------------------------------------------------------------------------

    def set_mask_style(self, style: MaskStyle | str, opacity: float) -> None:
        """`opacity` 0..1 of the fill."""

    def set_mask_visible(self, visible: bool) -> None: ...

    def set_label_visible(self, value: int, visible: bool) -> None: ...

    # --- panes ----------------------------------------------------------------------------------------------------

    def set_layout(self, layout: Layout | str) -> None: ...

    @property
    def layout_name(self) -> str:
        return Layout.PLANES.value

    def set_convention(self, convention: Convention | str) -> None: ...

    @property
    def active_pane(self) -> int:
        """Position of the active pane in the layout, counted from 0."""
        return 0

    def focus_next_pane(self) -> None: ...

    def set_pane_sequence(self, name: str) -> None:
        """Show another sequence in the active pane (in every pane of the *planes* and *timepoints* layouts)."""

    def toggle_maximised(self) -> None:
        """The active pane fills the view, or goes back to its place."""

    # --- place ----------------------------------------------------------------------------------------------------

    @property
    def crosshair_index(self) -> tuple[int, int, int]:
        return (0, 0, 0)

    @crosshair_index.setter
    def crosshair_index(self, index: tuple[int, int, int]) -> None: ...

    def set_crosshair_visible(self, visible: bool) -> None: ...

    def step_slice(self, delta: int) -> None:
        """Move the active pane by `delta` slices."""

    def next_slice_with_label(self, value: int | None, direction: int) -> None:
        """Move the active pane to the next slice (direction +1 or -1) with a label's voxels; None is any label."""

    def reset_view(self) -> None:
        """Whole image in every pane."""

    # --- tools ----------------------------------------------------------------------------------------------------

    def set_tool(self, tool: Tool | None) -> None:
        """What the left button does; None moves the crosshair."""

    def refresh_cursor(self) -> None:
        """Draw the tool's outline anew, after its size changed."""

    # --- state ----------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """JSON values: layout, crosshair, zoom, centre, maximised pane, what each pane shows."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to an earlier `state()`; entries that do not fit the visit shown are ignored."""

    def grab_picture(self) -> QImage:
        """What the view shows now."""
        return QImage()
