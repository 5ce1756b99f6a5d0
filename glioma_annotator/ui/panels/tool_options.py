"""Options of brush and eraser, and how the mask is drawn."""

from __future__ import annotations

import math

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QComboBox, QGridLayout, QLabel, QSlider, QToolButton, QWidget

from glioma_annotator.ui.panels.parts import DecimalField
from glioma_annotator.ui.reading_state import ReadingState
from glioma_annotator.ui.tools.brush import LARGEST_MM, SMALLEST_MM
from glioma_annotator.ui.viewer.types import MaskStyle

_STYLES = {MaskStyle.BOTH: "Both", MaskStyle.FILL: "Fill", MaskStyle.OUTLINE: "Outline"}
_SLIDER_STEPS = 100


def slider_place(diameter_mm: float) -> int:
    """Position 0..100 on a logarithmic scale, so that small brushes can be set as finely as large ones."""
    share = math.log(diameter_mm / SMALLEST_MM) / math.log(LARGEST_MM / SMALLEST_MM)
    return round(_SLIDER_STEPS * share)


def slider_diameter(place: int) -> float:
    """The diameter in mm at a slider position, to half a millimetre."""
    diameter = float(SMALLEST_MM * (LARGEST_MM / SMALLEST_MM) ** (place / _SLIDER_STEPS))
    return max(round(diameter * 2) / 2, SMALLEST_MM)


class ToolOptions(QWidget):
    """Brush diameter in mm, 2D or 3D; mask opacity and style.

    Signals
    -------
    done: a number was entered with Return; the keyboard belongs to the panes again.
    """

    done = Signal()

    def __init__(self, reading: ReadingState, brush_size_keys: str, ball: QAction) -> None:
        super().__init__()
        self._reading = reading
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        tip = f"Diameter of brush and eraser in mm ({brush_size_keys}, or Shift and the wheel)"
        self.slider = _slider(tip, "Brush diameter slider")
        self.diameter = DecimalField()
        self.diameter.setRange(SMALLEST_MM, LARGEST_MM)
        self.diameter.setDecimals(1)
        self.diameter.setSingleStep(0.5)
        self.diameter.setSuffix(" mm")
        self.diameter.setKeyboardTracking(False)
        self.diameter.setToolTip(tip)
        self.diameter.setFixedWidth(84)
        self.diameter.setAccessibleName("Brush diameter in millimetres")
        ball.setIconText("3D")
        self.ball = QToolButton()
        self.ball.setProperty("boxed", True)  # words alone would not look like something to press
        self.ball.setDefaultAction(ball)
        self.ball.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self.ball.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.ball.setAccessibleName(ball.text())
        self.opacity = _slider("Opacity of the mask's fill", "Mask opacity")
        self.opacity_text = QLabel()
        self.style_choice = _combo(tuple(_STYLES.values()), "How the mask is drawn (O: outline)", "Mask style")
        rows = (
            ("Brush", self.slider, self.diameter, self.ball),
            ("Mask", self.opacity, self.opacity_text, self.style_choice),
        )
        for row, (text, *widgets) in enumerate(rows):
            label = QLabel(text)
            label.setBuddy(widgets[0])
            grid.addWidget(label, row, 0)
            for column, widget in enumerate(widgets, start=1):
                grid.addWidget(widget, row, column)
        self.slider.valueChanged.connect(self._on_slider)
        self.diameter.valueChanged.connect(self._on_diameter)
        self.diameter.lineEdit().returnPressed.connect(self.done)
        self.opacity.valueChanged.connect(lambda percent: reading.set_opacity(percent / 100))
        self.style_choice.activated.connect(lambda place: reading.set_style(tuple(_STYLES)[place]))
        reading.tool_changed.connect(self._refresh)
        reading.mask_display_changed.connect(self._refresh)
        self._refresh()

    def _on_slider(self, place: int) -> None:
        if place != slider_place(self._reading.brush.diameter_mm):
            self._reading.set_diameter(slider_diameter(place))

    def _on_diameter(self, diameter_mm: float) -> None:
        if abs(diameter_mm - self._reading.brush.diameter_mm) > 0.01:
            self._reading.set_diameter(diameter_mm)

    def _refresh(self) -> None:
        reading = self._reading
        self.slider.setValue(slider_place(reading.brush.diameter_mm))
        self.diameter.setValue(reading.brush.diameter_mm)
        percent = round(100 * reading.opacity)
        self.opacity.setValue(percent)
        self.opacity_text.setText(f"{percent} %")
        self.style_choice.setCurrentIndex(tuple(_STYLES).index(reading.style))


def _slider(tip: str, name: str) -> QSlider:
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(0, 100)
    slider.setToolTip(tip)
    slider.setAccessibleName(name)
    slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return slider


def _combo(items: tuple[str, ...], tip: str, name: str) -> QComboBox:
    combo = QComboBox()
    combo.addItems(list(items))
    combo.setToolTip(tip)
    combo.setAccessibleName(name)
    combo.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return combo
