"""The options of the tools as the panel shows them."""

from __future__ import annotations

from typing import Any

import pytest
from desk import KEY, Desk
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox

from glioma_annotator.domain.sequences import Window
from glioma_annotator.ui.reading_state import ToolName
from glioma_annotator.ui.tools import options as opt


@pytest.mark.parametrize(
    ("window", "decimals", "step"),
    [
        ((0.0, 900.0), 0, 5.0),
        ((0.0, 40000.0), 0, 5.0),
        ((-2.5, 4.0), 2, 0.05),
        ((0.0, 0.8), 3, 0.005),
        ((2e8, 9e8), 0, 5.0),
    ],
)
def test_intensities_have_the_decimals_that_an_image_needs(
    window: tuple[float, float], decimals: int, step: float
) -> None:
    for options in (opt.BrushOptions(), opt.FillOptions(), opt.RegionOptions(), opt.SnakeOptions()):
        made: Any = options
        opt.start_from(made, "T1Gd", Window(*window))
        infos = [info for info in opt.describe(made) if info.unit == opt.INTENSITY]
        assert infos
        for info in infos:
            assert (info.decimals, info.step) == (decimals, pytest.approx(step))
            assert getattr(made, info.name) == pytest.approx(round(getattr(made, info.name), info.decimals), abs=1e-9)
            assert info.minimum <= getattr(made, info.name) <= info.maximum


def test_images_scaled_to_one_can_be_thresholded_and_grown_in(desk: Desk) -> None:
    toolbox, panel = desk.window.toolbox, desk.window.mask_panel.tool
    desk.key(KEY.Key_W)

    def tolerance() -> QDoubleSpinBox:
        assert panel.form is not None
        field = panel.form.fields["tolerance"]
        assert isinstance(field, QDoubleSpinBox)
        return field

    for window in (Window(0.0, 0.8), Window(0.0, 400.0)):
        for options in toolbox.options.values():
            opt.start_from(options, "T1Gd", window)
        toolbox.options_changed.emit()
        desk.settle()
        assert tolerance().value() == pytest.approx(0.12 * window.width)
        before = desk.options(ToolName.REGION).tolerance
        tolerance().stepUp()
        assert before < desk.options(ToolName.REGION).tolerance <= before + window.width / 10
    windows = desk.window.study.require_visit().windows
    windows["FLAIR"] = Window(0.0, 0.02)  # another sequence is measured in units of its own
    combo = panel.form.fields["sequence"] if panel.form is not None else None
    assert isinstance(combo, QComboBox)
    combo.setCurrentIndex(combo.findData("FLAIR"))
    combo.activated.emit(combo.currentIndex())
    assert desk.options(ToolName.REGION).sequence == "FLAIR"
    assert tolerance().value() == pytest.approx(0.0024)
    desk.options(ToolName.REGION).tolerance = 0.005
    combo.activated.emit(combo.currentIndex())  # the same again: what was chosen for it stays
    assert desk.options(ToolName.REGION).tolerance == 0.005
