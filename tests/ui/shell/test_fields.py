"""Fields of the Mask panel: decimals as people type them, the wheel, names that are long or look like markup."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QLocale, QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QWheelEvent
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QSlider, QWidget
from pytestqt.qtbot import QtBot

from glioma_annotator.domain.colours import OFFERED
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, Label, LabelScheme
from glioma_annotator.settings import with_value
from glioma_annotator.ui.banner import Banner
from glioma_annotator.ui.dialogs.label_dialog import LabelDialog
from glioma_annotator.ui.job_bar import ElidedLabel
from glioma_annotator.ui.panels.parts import DecimalField, SmallButton, plain_tip
from glioma_annotator.ui.panels.revisions import RevisionList
from glioma_annotator.ui.reading_state import ToolName


@pytest.mark.parametrize("language", ["C", "en_US", "de_DE", "fr_FR", "tr_TR"])
@pytest.mark.parametrize("typed", ["8.5", "8,5"])
def test_a_point_and_a_comma_both_begin_the_decimals(qtbot: QtBot, language: str, typed: str) -> None:
    field = DecimalField()
    qtbot.addWidget(field)
    field.setLocale(QLocale(language))
    field.setSuffix(" mm")
    field.selectAll()
    qtbot.keyClicks(field, typed)
    assert field.value() == 8.5


def _turn(field: QWidget) -> None:
    at = QPointF(field.rect().center())
    turn = QWheelEvent(
        at, QPointF(field.mapToGlobal(at.toPoint())), QPoint(), QPoint(0, -120),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(field, turn)
    assert not turn.isAccepted()  # it scrolls the panel


@pytest.mark.parametrize("tool", [ToolName.BRUSH, ToolName.REGION, ToolName.MARGIN])
def test_scrolling_the_mask_panel_changes_none_of_its_fields(qtbot: QtBot, bench: Any, tool: ToolName) -> None:
    window = bench.open_patient(qtbot)
    window.reading.set_tool(tool)

    def held() -> list[object]:
        return [field.currentText() if isinstance(field, QComboBox) else field.value() for field in fields]

    fields: list[Any] = []
    for kind in (QAbstractSpinBox, QComboBox, QSlider):
        fields += [field for field in window.mask_panel.findChildren(kind) if field.isVisible()]
    assert len(fields) >= 6
    before = held()
    for field in fields:
        _turn(field)
    assert held() == before


def _with_labels(names: list[str]) -> LabelScheme:
    scheme = GLIOMA_POST_TREATMENT
    for place, name in enumerate(names):
        scheme = scheme.with_label(Label(5 + place, name, f"<b>{name}</b>", OFFERED[place % len(OFFERED)]))
    return scheme


def test_long_names_of_labels_leave_their_switches_in_sight(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    labels = window.mask_panel.labels
    window.study.session.use_scheme(_with_labels(["W" * 16, *(f"Haemorrhage {n}" for n in range(12))]))
    inside, port = window.mask_panel.widget(), window.mask_panel.viewport()
    qtbot.waitUntil(lambda: inside.height() > port.height())  # laid out
    assert inside.width() <= port.width()
    for switch in (labels.locks[5], labels.menus[5]):
        assert switch.mapTo(port, switch.rect().bottomRight()).x() < port.width()
    assert "…" in labels.names[5].text()
    assert "W" * 16 in labels.names[5].toolTip()


def test_names_are_shown_as_they_are_written(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    window.study.session.use_scheme(_with_labels(["A&B"]))
    assert window.mask_panel.labels.names[5].text() == " A&&B"  # one & with nothing underlined
    assert "&lt;b&gt;A&amp;B" in window.mask_panel.labels.names[5].toolTip()
    window.timeline.show_patient("P&Q", ["P&Q", "<i>R</i>"], [])
    assert window.timeline.patient.text().startswith("P&&Q")
    assert [action.text() for action in window.timeline.patient.menu().actions()] == ["P&&Q", "<i>R</i>"]
    banner = Banner()
    qtbot.addWidget(banner)
    banner.tell("<b>P</b>")
    assert banner.text.textFormat() is Qt.TextFormat.PlainText


def test_long_names_squeeze_neither_the_panels_nor_what_is_in_progress(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    wide = window.mask_panel.width()
    window.banner.tell(f"The file {'x' * 260}.nii.gz was left out.", [("Do", "Do it", lambda: None)])
    qtbot.waitUntil(lambda: window.banner.buttons[0].width() < 200 and window.banner.isVisible())
    assert window.banner.minimumSizeHint().width() < 500
    assert window.mask_panel.width() == wide
    window.commands["file.start"].trigger()
    qtbot.waitUntil(lambda: bool(window.start_page._overview))
    (known, *_) = window.start_page._overview
    unsaved = tuple(replace(visit, unsaved=2) for visit in known.visits)
    opened = dt.datetime(2026, 10, 28, 20, 48, tzinfo=dt.UTC)
    long = replace(known, patient=replace(known.patient, key="P" * 200), visits=unsaved, opened=opened)
    window.start_page.show_workspace(Path("/w"), (long,))
    told = window.start_page.progress_box.findChild(ElidedLabel)
    assert told.toolTip().endswith("2 unsaved steps kept, not yet a revision")
    assert window.start_page.minimumSizeHint().width() < 1280
    rows = window.start_page.patients
    assert rows.columnWidth(3) >= rows.sizeHintForColumn(3), "when it was opened last is cut"
    assert rows.topLevelItem(0).toolTip(2) == "1 approved, 1 draft, 1 no mask"
    assert rows.topLevelItem(0).child(0).toolTip(2) == "approved, unsaved steps"


def test_a_tooltip_without_markup_is_left_alone() -> None:
    assert plain_tip("5 < 7 & more\nlines") == "5 < 7 & more\nlines"
    assert plain_tip("<b>x</b>\ny") == "<qt>&lt;b&gt;x&lt;/b&gt;<br>y</qt>"


def test_a_colour_is_offered_also_when_all_that_are_easy_to_tell_apart_are_taken(qtbot: QtBot, bench: Any) -> None:
    scheme = _with_labels([f"Label {n}" for n in range(len(OFFERED))])
    window = bench.open_patient(qtbot)
    dialog = LabelDialog(scheme, None, window)
    qtbot.addWidget(dialog)
    dialog.name.setText("Another")
    assert scheme.fault(dialog.label) == ""
    assert dialog.colour not in {label.colour for label in scheme.labels}


def test_no_colour_is_called_easy_to_tell_that_is_not(qtbot: QtBot, bench: Any) -> None:
    scheme = GLIOMA_POST_TREATMENT.with_label(Label(5, "Blood", "Blood", "#D55E01"))  # nearly that of NETC
    dialog = LabelDialog(scheme, scheme.label(5), bench.open_patient(qtbot))
    qtbot.addWidget(dialog)
    tips = {button.accessibleName(): button.toolTip() for button in dialog._colours.buttons()}
    assert tips["Colour #D55E01"] == "#D55E01"
    assert "easy to tell" in tips[f"Colour {OFFERED[0]}"]
    assert "NETC" in dialog.note.text()


def test_small_icons_follow_the_palette(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    window.study.session.use_scheme(_with_labels(["Blood"]))
    window.commands["study.save"].trigger()
    revisions = window.findChild(RevisionList).list
    qtbot.waitUntil(lambda: revisions.count() > 0)
    buttons = window.findChildren(SmallButton)
    assert len(buttons) >= 3  # of the banner, the start page, the label

    def brightness(shown: Any) -> int:
        image = shown.icon().pixmap(16, 16).toImage().convertToFormat(QImage.Format.Format_ARGB32)
        opaque = [image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height())]
        return max(colour.lightness() for colour in opaque if colour.alpha() > 200)

    assert all(brightness(shown) > 128 for shown in (*buttons, revisions.item(0)))
    window.change_settings(with_value(window.settings, "display.theme", "light"))
    assert all(brightness(shown) < 128 for shown in (*buttons, revisions.item(0)))
