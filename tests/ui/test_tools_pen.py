"""The pressure of a pen and the size of the brush, with a tablet's events on the canvas."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QPointingDevice, QTabletEvent
from PySide6.QtWidgets import QApplication
from stage import Stage

from glioma_annotator.imaging.brush import Brush, footprint_offsets
from glioma_annotator.ui.tools.brush import SMALLEST_MM, BrushSettings, BrushTool

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
MOUSE = {
    QEvent.Type.TabletPress: QEvent.Type.MouseButtonPress,
    QEvent.Type.TabletMove: QEvent.Type.MouseMove,
    QEvent.Type.TabletRelease: QEvent.Type.MouseButtonRelease,
}


def pen(stage: Stage, kind: QEvent.Type, at: QPointF, pressure: float) -> None:
    """A tablet's event, and that of the mouse which Qt makes of one that nobody takes."""
    surface = stage.view.panes[0].surface
    everywhere = QPointF(surface.mapToGlobal(at.toPoint()))
    button = NONE if kind is QEvent.Type.TabletMove else LEFT
    held = NONE if kind is QEvent.Type.TabletRelease else LEFT
    device = QPointingDevice.primaryPointingDevice()
    plain = Qt.KeyboardModifier.NoModifier
    event = QTabletEvent(kind, device, at, everywhere, pressure, 0, 0, 0, 0, 0, plain, button, held)
    QApplication.sendEvent(surface, event)
    assert not event.isAccepted()
    stage.mouse(MOUSE[kind], 0, at, button, held)


def dab(stage: Stage, pressure: float) -> int:
    """Voxels painted by one touch."""
    stage.labels[:] = 0
    at = stage.pixel(0, (20, 24, 8))
    pen(stage, QEvent.Type.TabletPress, at, pressure)
    pen(stage, QEvent.Type.TabletRelease, at, 0.0)
    stage.settle()
    return int(np.count_nonzero(stage.editor.labels))


def footprint(stage: Stage, diameter_mm: float) -> int:
    return len(footprint_offsets(Brush(diameter_mm, 2), stage.editor.grid))


def test_a_pen_paints_as_wide_as_it_is_pressed(stage: Stage) -> None:
    settings = BrushSettings(15.0, value=3)
    stage.view.set_tool(BrushTool(stage.editor, settings))
    full, half, light = (dab(stage, pressure) for pressure in (1.0, 0.5, 0.05))
    assert full == footprint(stage, 15.0)
    assert half == footprint(stage, settings.pressed_mm(0.5))
    assert full > half > light >= 1


def test_the_pressure_changes_within_a_stroke_and_leaves_no_gap(stage: Stage) -> None:
    stage.view.set_tool(BrushTool(stage.editor, BrushSettings(15.0, value=3)))
    a, b = stage.pixel(0, (10, 24, 8)), stage.pixel(0, (34, 24, 8))
    pen(stage, QEvent.Type.TabletPress, a, 0.1)
    pen(stage, QEvent.Type.TabletMove, (a + b) / 2, 0.1)
    pen(stage, QEvent.Type.TabletMove, b, 1.0)
    pen(stage, QEvent.Type.TabletRelease, b, 0.0)
    stage.settle()
    widths = np.count_nonzero(stage.editor.labels[10:35, :, 8], axis=1)
    assert widths.min() >= 1
    assert widths[2] < widths[-3]
    assert stage.editor.undo_names == ("Brush ET",)


def test_a_mouse_paints_the_whole_diameter_after_a_pen(stage: Stage) -> None:
    stage.view.set_tool(BrushTool(stage.editor, BrushSettings(15.0, value=3)))
    dab(stage, 0.2)
    stage.labels[:] = 0
    stage.click(0, stage.pixel(0, (20, 24, 8)))
    assert np.count_nonzero(stage.editor.labels) == footprint(stage, 15.0)


def test_pressure_can_be_switched_off(stage: Stage) -> None:
    stage.view.set_tool(BrushTool(stage.editor, BrushSettings(15.0, value=3, pen_sizes=False)))
    assert dab(stage, 0.2) == footprint(stage, 15.0)


@pytest.mark.parametrize("pressure", [0.0, -1.0, 0.01])
def test_no_pressure_paints_less_than_the_smallest_brush(pressure: float) -> None:
    assert BrushSettings(0.5).pressed_mm(pressure) == SMALLEST_MM
    assert BrushSettings(100.0).pressed_mm(pressure) >= 20.0
