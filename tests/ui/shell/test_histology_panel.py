"""Histology in the window, by keys and clicks: samples, points, markers, advice, links, bin."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from glioma_annotator.domain.finding import FindingSource
from glioma_annotator.domain.histology import HistologySample, Marker, MarkerStatus, SampleKind, TumourType
from glioma_annotator.ui.panels.entry_fields import Choice
from glioma_annotator.ui.panels.histology import HistologyPanel
from glioma_annotator.ui.reading_state import ToolName
from glioma_annotator.ui.timeline import SAMPLE_SIGN, event_marks
from glioma_annotator.ui.viewer.types import CrosshairPlace
from glioma_annotator.ui.window import MainWindow

PATIENT = "PAT-0042"
CTRL_SHIFT = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def window(bench, qtbot: QtBot) -> Iterator[MainWindow]:  # type: ignore[no-untyped-def]
    yield bench.open_patient(qtbot, 1)


def add_here(window: MainWindow, qtbot: QtBot, index: tuple[int, int, int]) -> HistologySample:
    window.view.crosshair_index = index
    before = len(window.histology.all())
    qtbot.keyClick(window, Qt.Key.Key_B, CTRL_SHIFT)
    assert len(window.histology.all()) == before + 1
    found = window.histology.get(window.histology.current)
    assert found is not None
    return found


def now(window: MainWindow) -> HistologySample:
    found = window.histology.get(window.histology.current)
    assert found is not None
    return found


def pick(qtbot: QtBot, choice: Choice, letter: str) -> None:
    """Choose in a list by its first letter, as quick hands do."""
    choice.setFocus()
    qtbot.keyClick(choice, letter)


def menu_of(panel: HistologyPanel) -> QMenu:
    found = [w for w in QApplication.topLevelWidgets() if isinstance(w, QMenu) and w.isVisible()]
    assert len(found) == 1
    return found[0]


def test_a_report_is_typed_in_and_the_rules_follow_every_entry(window: MainWindow, qtbot: QtBot) -> None:
    panel = window.histology_panel
    assert panel.empty.isVisibleTo(panel)
    assert not panel.scroller.isVisibleTo(panel)
    add_here(window, qtbot, (12, 12, 12))
    assert panel.isVisible()  # the key brings the panel up
    assert not panel.empty.isVisibleTo(panel)
    form = panel.form
    pick(qtbot, form.kind, "r")
    form.date.setFocus()
    qtbot.keyClicks(form.date, "soon")
    qtbot.keyClick(form.date, Qt.Key.Key_Return)
    assert "no date and no day" in form.date_fault.text()
    assert form.date.text() == "soon"
    form.date.clear()
    qtbot.keyClicks(form.date, "2019-01-16")
    qtbot.keyClick(form.date, Qt.Key.Key_Return)
    assert not form.date_fault.isVisibleTo(form)
    assert (now(window).kind, now(window).date) == (SampleKind.RESECTION, dt.date(2019, 1, 16))

    rows = form.markers.rows
    assert set(rows) == set(Marker)
    assert not panel.advice.use.isVisibleTo(panel)
    pick(qtbot, rows[Marker.CODELETION_1P19Q].choice, "c")
    pick(qtbot, rows[Marker.ATRX].choice, "l")
    assert "ATRX is lost" in panel.advice.contradictions.text()
    assert panel.advice.contradictions.isVisibleTo(panel)
    assert now(window).marker(Marker.ATRX).altered is True  # said, not corrected
    qtbot.keyClick(rows[Marker.CODELETION_1P19Q].choice, Qt.Key.Key_Down)  # not codeleted
    results = {Marker.ATRX: "r", Marker.TERT: "m", Marker.EGFR: "i"}
    wildtype = (Marker.IDH1, Marker.IDH2, Marker.H3_K27, Marker.H3_G34)
    for marker, letter in (results | dict.fromkeys(wildtype, "w")).items():
        pick(qtbot, rows[marker].choice, letter)
    assert not panel.advice.contradictions.isVisibleTo(panel)
    assert now(window).marker(Marker.EGFR).status is MarkerStatus.INDETERMINATE
    assert "glioblastoma, IDH-wildtype, CNS WHO grade 4" in panel.advice.headline.text()
    assert now(window).diagnosis is None
    qtbot.mouseClick(panel.advice.use, Qt.MouseButton.LeftButton)
    stated = now(window).diagnosis
    assert stated is not None
    assert (stated.type, stated.grade) == (TumourType.GLIOBLASTOMA, 4)
    assert "agrees" in panel.advice.details.text()
    assert "glioblastoma" in panel.table.item(0, 2).text()
    assert window.reading.tool is ToolName.CROSSHAIR  # the letters took no tool in hand


def test_ki67_is_a_percentage_and_half_an_entry_is_not_recorded(window: MainWindow, qtbot: QtBot) -> None:
    add_here(window, qtbot, (12, 12, 12))
    row = window.histology_panel.form.markers.rows[Marker.KI67]
    pick(qtbot, row.choice, "p")
    assert row.percent is not None and row.percent.isVisibleTo(window.histology_panel.form)
    assert now(window).marker(Marker.KI67).status is MarkerStatus.NOT_TESTED
    row.percent.setFocus()
    row.percent.selectAll()
    qtbot.keyClicks(row.percent, "25")
    qtbot.keyClick(row.percent, Qt.Key.Key_Return)
    assert now(window).marker(Marker.KI67).percent == 25.0
    qtbot.mouseClick(row.more, Qt.MouseButton.LeftButton)
    row.detail.setFocus()
    qtbot.keyClicks(row.detail, "MIB-1")
    qtbot.keyClick(row.detail, Qt.Key.Key_Return)
    assert now(window).marker(Marker.KI67).detail == "MIB-1"


def test_points_are_taken_at_the_crosshair_marked_and_gone_to(window: MainWindow, qtbot: QtBot) -> None:
    sample = add_here(window, qtbot, (12, 12, 12))
    panel = window.histology_panel
    window.view.crosshair_index = (18, 20, 9)
    qtbot.mouseClick(panel.form.add_point, Qt.MouseButton.LeftButton)
    assert panel.form.points.count() == 2
    marks = [m for m in window.view.markers if m.sample]
    assert [(m.text, m.current) for m in marks] == [("B1a", True), ("B1b", True)]
    assert np.allclose(marks[1].index, (18, 20, 9))
    item = panel.form.points.item(0)
    at = panel.form.points.visualItemRect(item).center()
    qtbot.mouseClick(panel.form.points.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert window.view.crosshair_index == (12, 12, 12)

    window.histology.select("")
    world = window.study.require_visit().timepoint.grid.index_to_world((18, 20, 9))
    window.view.crosshair_moved.emit(CrosshairPlace((18, 20, 9), tuple(float(v) for v in world)))
    assert window.histology.current == sample.id  # a click on a marker selects its sample

    other = window.study.timepoints()[0]
    window.study.open_visit(other)
    qtbot.waitUntil(lambda: window.study.require_visit().id == other.id and not window.workers.jobs)
    assert not [m for m in window.view.markers if m.sample]
    panel.table.clearSelection()
    panel.table.selectRow(0)
    qtbot.waitUntil(lambda: window.study.require_visit().timepoint.key == sample.timepoint)
    assert window.view.crosshair_index == (12, 12, 12)


def test_a_finding_links_to_its_samples_and_back(window: MainWindow, qtbot: QtBot) -> None:
    window.view.crosshair_index = (12, 12, 12)
    qtbot.keyClick(window, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: len(window.findings.all()) == 1)
    findings, panel = window.findings_panel, window.histology_panel
    qtbot.mouseClick(findings.samples.choose, Qt.MouseButton.LeftButton)
    menu = menu_of(panel)
    menu.actions()[-1].trigger()
    menu.close()
    finding = window.findings.all()[0]
    assert finding.samples == (window.histology.current,)
    assert panel.isVisible()
    assert now(window).sites_mm == (finding.point_mm,)
    assert finding.id in panel.form.from_findings.text()
    window.histology.select("")
    window.commands["study.findings"].trigger()
    assert now_text(window) == "\N{BLACK DIAMOND}"
    findings.samples.links.linkActivated.emit(finding.samples[0])
    assert window.histology.current == finding.samples[0]
    assert panel.isVisible()
    panel.form.from_findings.linkActivated.emit(finding.id)
    assert findings.isVisible()
    qtbot.mouseClick(findings.samples.choose, Qt.MouseButton.LeftButton)
    menu = menu_of(panel)
    assert menu.actions()[0].isChecked()
    menu.actions()[0].trigger()
    menu.close()
    assert window.findings.all()[0].samples == ()
    assert len(window.histology.all()) == 1  # unlinked, not deleted


def now_text(window: MainWindow) -> str:
    table = window.findings_panel.table
    column = 4
    assert not table.isColumnHidden(column)
    return table.item(0, column).text()


def test_a_deleted_sample_comes_back_with_its_links(window: MainWindow, qtbot: QtBot) -> None:
    add_here(window, qtbot, (12, 12, 12))
    panel = window.histology_panel
    window.histology.change(now(window), microscopy="mitoses")
    qtbot.mouseClick(panel.delete, Qt.MouseButton.LeftButton)
    assert window.histology.all() == ()
    assert not [m for m in window.view.markers if m.sample]
    qtbot.mouseClick(panel.bin, Qt.MouseButton.LeftButton)
    menu = menu_of(panel)
    menu.actions()[0].trigger()
    menu.close()
    assert now(window).microscopy == "mitoses"
    assert panel.table.rowCount() == 1
    assert not panel.bin.isVisibleTo(panel)


def test_what_is_being_typed_is_kept_when_another_sample_is_shown(window: MainWindow, qtbot: QtBot) -> None:
    first = add_here(window, qtbot, (12, 12, 12))
    form = window.histology_panel.form
    form.microscopy.setFocus()
    qtbot.keyClicks(form.microscopy, "vascular prolif")
    second = add_here(window, qtbot, (20, 12, 12))
    assert window.histology.get(first.id).microscopy == "vascular prolif"  # type: ignore[union-attr]
    assert window.histology.get(second.id).microscopy == ""  # type: ignore[union-attr]
    assert form.microscopy.words == ""


def test_the_wheel_scrolls_the_form_and_changes_nothing(window: MainWindow, qtbot: QtBot) -> None:
    sample = add_here(window, qtbot, (12, 12, 12))
    choice = window.histology_panel.form.kind
    choice.setFocus()
    at = QPointF(choice.rect().center())
    turned = QWheelEvent(at, choice.mapToGlobal(at), QPoint(), QPoint(0, -120), Qt.MouseButton.NoButton,
                         Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False)  # fmt: skip
    QApplication.sendEvent(choice, turned)
    assert choice.currentData() == SampleKind.BIOPSY
    assert now(window) == sample


def test_samples_stand_on_the_timeline(window: MainWindow) -> None:
    visits = window.study.timepoints()
    first, last = visits[0].date, visits[-1].date
    assert first is not None and last is not None
    dated = HistologySample(PATIENT, SampleKind.BIOPSY, date=first + (last - first) / 2)
    undated = HistologySample(PATIENT, SampleKind.BIOPSY)
    (mark,) = event_marks(visits, (), (dated, undated))
    assert (mark.letters, mark.start) == (SAMPLE_SIGN, pytest.approx(0.5, abs=0.01))
    assert "biopsy" in mark.tip


def test_a_finding_is_drawn_in_one_stroke(window: MainWindow, qtbot: QtBot) -> None:
    window.commands["study.findings"].trigger()
    qtbot.mouseClick(window.findings_panel.add_region, Qt.MouseButton.LeftButton)
    assert window.view.tool is not None
    outline = np.array([[10.0, 10, 12], [14, 10, 12], [14, 14, 12], [10, 14, 12]])
    window.toolbox.region_drawn.emit(outline, 2, 12)
    (finding,) = window.findings.all()
    assert (finding.source, finding.kind) == (FindingSource.REGION, "enhancing-tumour")
    assert finding.volume_ml == pytest.approx(25 * 0.216)
    assert window.findings.current == finding.id
    qtbot.waitUntil(lambda: window.view.tool is None)
