"""Fields of forms in panels: how figures are typed, and texts that are only looked at."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QLocale, Qt
from PySide6.QtWidgets import QDoubleSpinBox, QTableWidget, QTableWidgetItem
from pytestqt.qtbot import QtBot

from glioma_annotator.domain.cohort import Operator
from glioma_annotator.domain.cohort_rows import CohortSubjects, FilterRow
from glioma_annotator.ui.dialogs.cohort_rows import RowEditor
from glioma_annotator.ui.panels.entry_fields import Figure, Line, Words
from glioma_annotator.ui.panels.record_rows import fit_rows
from glioma_annotator.workflow.profiles import load_profile


@pytest.mark.parametrize("language", [QLocale.Language.English, QLocale.Language.German, QLocale.Language.C])
@pytest.mark.parametrize("text", ["1,5", "1.5"])
def test_point_and_comma_both_begin_the_decimals(qtbot: QtBot, language: QLocale.Language, text: str) -> None:
    field = Figure()
    field.setLocale(QLocale(language))
    field.setRange(-1.0, 5000.0)
    field.setDecimals(3)
    field.setSuffix(" mg")
    qtbot.addWidget(field)
    field.show()
    field.selectAll()
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert field.value() == 1.5


@pytest.mark.parametrize("language", [QLocale.Language.English, QLocale.Language.German, QLocale.Language.C])
def test_a_figure_of_a_question_is_the_same_in_every_language(qtbot: QtBot, language: QLocale.Language) -> None:
    default = QLocale()
    QLocale.setDefault(QLocale(language))
    try:
        row = FilterRow("volume ET", Operator.MORE, 2.5)
        editor = RowEditor(CohortSubjects(("ET",), load_profile()), row, {})
    finally:
        QLocale.setDefault(default)
    qtbot.addWidget(editor)
    editor.show()
    field = editor.value
    assert isinstance(field, QDoubleSpinBox)
    field.setFocus()
    qtbot.keyClick(field, Qt.Key.Key_Return)  # looked at only
    assert editor.row.value == 2.5
    field.selectAll()
    qtbot.keyClicks(field, "1.5")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert editor.row.value == 1.5


def test_a_text_that_was_looked_at_only_is_not_typed(qtbot: QtBot) -> None:
    line, words = Line("Location", ""), Words("Text")
    kept: list[str] = []
    words.left = lambda: kept.append(words.words)
    for field in (line, words):
        qtbot.addWidget(field)
        field.show()
    line.show_words("left\nfrontal ", other=True)
    words.show_words("two\r\nlines \n", other=True)
    words.hide()
    assert (line.typed, words.typed, kept) == (False, False, [])
    words.show()
    words.setFocus()
    qtbot.keyClicks(words, "a")
    qtbot.keyClicks(line, "a")
    words.hide()
    assert line.typed
    assert kept == ["atwo\nlines"]
    line.show_words(line.words, other=False)  # as it is kept now
    assert not line.typed


def test_a_row_is_as_high_as_its_words_need_within_bounds(qtbot: QtBot) -> None:
    table = QTableWidget(3, 1)
    qtbot.addWidget(table)
    table.setColumnWidth(0, 100)
    for row, text in enumerate(("short", "one two three four five", "many words " * 60)):
        table.setItem(row, 0, QTableWidgetItem(text))
    fit_rows(table)
    line = table.fontMetrics().lineSpacing()
    assert table.rowHeight(0) < table.rowHeight(1) < table.rowHeight(2) < 6 * line
