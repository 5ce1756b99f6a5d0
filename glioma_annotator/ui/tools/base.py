"""Pointer events over a pane and the protocol of the tools that receive them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt

IndexPoint = tuple[float, float, float]
VoxelOutline = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class PointerEvent:
    """The pointer over a pane.

    Attributes
    ----------
    axis: array axis normal to the pane's plane: 0 sagittal, 1 coronal, 2 axial.
    index: fractional array index (i, j, k); an integer is a voxel's centre. May lie outside the grid.
    modifiers: keys held.
    buttons: mouse buttons held.
    pixel_mm: size of a screen pixel in the pane, in mm.
    pressure: of the pen that draws, 0..1; 1 for a mouse.
    """

    axis: int
    index: IndexPoint
    modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
    buttons: Qt.MouseButton = Qt.MouseButton.NoButton
    pixel_mm: float = 1.0
    pressure: float = 1.0

    @property
    def number(self) -> int:
        """The slice under the pointer, along `axis`."""
        return round(self.index[self.axis])

    @property
    def voxel(self) -> tuple[int, int, int]:
        """The voxel nearest to the pointer; may lie outside the grid."""
        i, j, k = (round(v) for v in self.index)
        return i, j, k


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """What a tool has drawn so far, over the picture, without changing the mask.

    Attributes
    ----------
    axis, number: the slice it lies in.
    points: fractional array indices (n, 3).
    closed: whether the last point is joined to the first.
    handles: whether the points are shown as vertices that can be dragged.
    """

    axis: int
    number: int
    points: NDArray[np.float64]
    closed: bool = False
    handles: bool = False


class Tool(Protocol):
    """What the left button does; the view calls it with the pointer in array indices.

    A tool acts on the workflow's editor, never on the picture: the view redraws when the editor says what changed.
    """

    def press(self, event: PointerEvent) -> None:
        """The left button went down."""
        ...

    def move(self, event: PointerEvent) -> None:
        """The pointer moved, or the slice under it changed, while the left button is down."""
        ...

    def release(self, event: PointerEvent) -> None:
        """The left button came up."""
        ...

    def hover(self, event: PointerEvent) -> None:
        """The pointer moved with no button down."""
        ...

    def outline(self, event: PointerEvent) -> VoxelOutline | None:
        """Voxels (n, 3) in the plane under the pointer that a press would touch; None for a plain cursor."""
        ...


@runtime_checkable
class SketchingTool(Protocol):
    """A tool that draws an outline before it acts."""

    def sketch(self) -> Sketch | None: ...


@runtime_checkable
class InterruptibleTool(Protocol):
    """A tool that acts when the button comes up, and not at all when something else ends the gesture before that."""

    def interrupt(self) -> None: ...
