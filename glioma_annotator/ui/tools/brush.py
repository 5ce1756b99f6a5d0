"""Brush and eraser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt

from glioma_annotator.imaging.brush import Brush, footprint_offsets
from glioma_annotator.ui.tools.base import PointerEvent
from glioma_annotator.workflow.editing import Editor
from glioma_annotator.workflow.strokes import Paint

SMALLEST_MM = 0.5
LARGEST_MM = 100.0
#: Share of the set diameter that the lightest touch of a pen paints with.
LIGHTEST_TOUCH = 0.2
#: Diameters under a pen come in steps of this, so that a stroke needs few shapes.
_PEN_STEP_MM = 0.5


@dataclass(slots=True)
class BrushSettings:
    """What brush and eraser share; changed in place by the tool options.

    Attributes
    ----------
    diameter_mm: diameter in mm.
    ball: paints a ball through the slices instead of a disc in one slice.
    value: label the brush paints.
    pen_sizes: whether the pressure of a pen sets the size, up to `diameter_mm`.
    """

    diameter_mm: float = 8.0
    ball: bool = False
    value: int = 1
    pen_sizes: bool = True

    def pressed_mm(self, pressure: float) -> float:
        """Diameter in mm under a pen's pressure of 0..1; a mouse presses with 1."""
        if not self.pen_sizes or pressure >= 1:
            return self.diameter_mm
        share = LIGHTEST_TOUCH + (1 - LIGHTEST_TOUCH) * max(pressure, 0.0)
        return max(round(self.diameter_mm * share / _PEN_STEP_MM) * _PEN_STEP_MM, SMALLEST_MM)

    def resize(self, steps: int) -> None:
        """Grow (steps > 0) or shrink by about a tenth a step, at least half a millimetre, within the limits."""
        for _ in range(abs(steps)):
            change = max(0.5, round(self.diameter_mm * 0.1 * 2) / 2)
            self.diameter_mm += change if steps > 0 else -change
        self.diameter_mm = min(max(self.diameter_mm, SMALLEST_MM), LARGEST_MM)


class BrushTool:
    """Paints with the left button while it is down.

    Parameters
    ----------
    editor: what the strokes change.
    settings: size, shape and label.
    erases: paints background instead of the label.
    paint: what a stroke of a brush and a value does; None for plain painting.
    sample: takes the voxels (n, 3) passed over with Ctrl held, as an example of what to paint; None for no such thing.
    """

    def __init__(
        self,
        editor: Editor,
        settings: BrushSettings,
        erases: bool = False,
        paint: Callable[[Brush, int], Paint] = Paint,
        sample: Callable[[NDArray[np.intp]], None] | None = None,
    ) -> None:
        self._editor = editor
        self.settings = settings
        self.erases = erases
        self._paint = paint
        self._sample = sample
        self._example: list[NDArray[np.intp]] | None = None

    def press(self, event: PointerEvent) -> None:
        if self._sample is not None and event.modifiers & Qt.KeyboardModifier.ControlModifier:
            self._example = []
            self.move(event)
            return
        self._editor.begin(self._paint(self._brush(event), 0 if self.erases else self.settings.value))
        self._editor.stroke_to(event.index)

    def move(self, event: PointerEvent) -> None:
        if self._example is not None:
            self._example.append(self._footprint(event))
        else:
            self._editor.stroke_to(event.index, self.settings.pressed_mm(event.pressure))

    def release(self, event: PointerEvent) -> None:  # noqa: ARG002 - the protocol's
        example, self._example = self._example, None
        if example is None:
            self._editor.end_stroke()
        elif self._sample is not None:
            self._sample(np.unique(np.concatenate(example), axis=0))

    def hover(self, event: PointerEvent) -> None:
        pass

    def outline(self, event: PointerEvent) -> NDArray[np.intp] | None:
        return self._footprint(event)

    def _footprint(self, event: PointerEvent) -> NDArray[np.intp]:
        disc = Brush(self.settings.pressed_mm(event.pressure), event.axis)  # as a ball is cut by the slice, too
        offsets = footprint_offsets(disc, self._editor.grid)
        voxels: NDArray[np.intp] = np.rint(event.index).astype(np.intp) + offsets
        return voxels

    def _brush(self, event: PointerEvent) -> Brush:
        return Brush(self.settings.pressed_mm(event.pressure), None if self.settings.ball else event.axis)
