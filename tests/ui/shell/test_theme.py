"""Colours that can be read."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QListWidget, QListWidgetItem

from glioma_annotator.ui import theme
from glioma_annotator.ui.theme import PALETTES, contrast


@pytest.mark.parametrize("name", sorted(PALETTES))
def test_text_has_a_contrast_of_at_least_4_5(name: str) -> None:
    p = PALETTES[name]
    for behind in (p.window, p.panel, p.field):
        for text in (p.text, p.quiet, p.warning, p.danger_text):
            assert contrast(text, behind) >= 4.5, (text, behind)
    assert contrast(p.on_accent, p.accent) >= 4.5


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21.0)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", sorted(PALETTES))
def test_ticks_in_lists_can_be_seen(qapp: QApplication, name: str) -> None:
    theme.apply(qapp, name)
    shown = QListWidget()
    for state in (Qt.CheckState.Unchecked, Qt.CheckState.Checked):
        item = QListWidgetItem("x")
        item.setCheckState(state)
        shown.addItem(item)
    shown.resize(200, 80)
    shown.show()
    picture, palette = shown.grab().toImage(), PALETTES[name]

    def colours(row: int) -> set[str]:
        box = shown.visualItemRect(shown.item(row))
        return {picture.pixelColor(x, y).name().upper() for x in range(2, 24) for y in range(box.top(), box.bottom())}

    try:
        assert palette.quiet in colours(0)  # an outline that stands out
        assert palette.accent not in colours(0)
        assert {palette.accent, palette.on_accent} <= colours(1)  # a tick, not only a colour
    finally:
        shown.close()
        theme.apply(qapp, "dark")


def test_icons_come_from_the_bundled_font(qapp: QApplication) -> None:
    theme.apply(qapp, "light")
    assert not theme.icon("brush").pixmap(16, 16).isNull()
    assert theme.current() is PALETTES["light"]
    theme.apply(qapp, "dark")
