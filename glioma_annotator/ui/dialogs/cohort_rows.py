"""The filter builder: one row per condition, its vocabulary in combo boxes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from PySide6.QtCore import QDate, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QCompleter,
    QDateEdit,
    QDoubleSpinBox,
    QHBoxLayout,
    QLineEdit,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.domain.cohort import FieldType, Operator, Reference
from glioma_annotator.domain.cohort_rows import CohortSubjects, FilterRow, RowValue
from glioma_annotator.domain.cohort_subjects import Subject, SubjectKind
from glioma_annotator.domain.cohort_text import number_text
from glioma_annotator.ui.panels.parts import DecimalField, push_button, quiet

_LARGEST = 100_000.0
_FIRST = "marker IDH"


class _Number(DecimalField):
    """A number without needless zeros behind the point."""

    def __init__(self) -> None:
        super().__init__()
        self.setDecimals(3)

    def textFromValue(self, value: float) -> str:
        return number_text(round(value, self.decimals())).replace(".", self.locale().decimalPoint())


class RowEditor(QWidget):
    """One condition.

    Signals
    -------
    changed: it asks something else. removed: the reader took it away.
    """

    changed = Signal()
    removed = Signal()

    def __init__(self, subjects: CohortSubjects, row: FilterRow, words: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self._subjects, self._words = subjects, words
        self._filling = False
        self.group, self.subject, self.operator = QComboBox(), QComboBox(), QComboBox()
        self.reference, self.unit = QComboBox(), QComboBox()
        for box, name in (
            (self.group, "What the condition is about"),
            (self.subject, "Field"),
            (self.operator, "Operator"),
            (self.unit, "Unit"),
            (self.reference, "Compared with"),
        ):
            box.setAccessibleName(name)
        self.group.addItems(list(dict.fromkeys(s.group for s in subjects)))
        self.unit.addItems(["%", "mL"])
        for reference in Reference:
            self.reference.addItem(f"from {reference.value}", reference)
        self.operator.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.subject.setMinimumWidth(190)
        self.subject.setMaxVisibleItems(18)
        self.value: QWidget = QWidget()
        self.same = QCheckBox("same one")
        self.same.setToolTip("Must hold for the same finding, sample, event or response as the row above")
        self.remove = push_button("Remove", "Take this condition away", self.removed.emit)
        self.remove.setAccessibleName("Remove this condition")
        self.remove.setProperty("role", "small")
        self.remove.setAutoDefault(False)
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(6)
        for part in (self.group, self.subject, self.operator, self.value, self.unit, self.reference, self.same):
            self._layout.addWidget(part)
        self._layout.addStretch(1)
        self._layout.addWidget(self.remove)
        self.group.activated.connect(lambda _i: self._on_group())
        self.subject.activated.connect(lambda _i: self._on_subject())
        for box in (self.operator, self.unit, self.reference):
            box.activated.connect(lambda _i: self.changed.emit())
        self.same.toggled.connect(lambda _on: None if self._filling else self.changed.emit())
        self.show_row(row)

    @property
    def row(self) -> FilterRow:
        """What the controls say."""
        return FilterRow(
            str(self.subject.currentData()),
            Operator(self.operator.currentData()),
            self._value_now(),
            self.unit.currentText() == "%" or not self._is_change,
            Reference(self.reference.currentData()) if self._is_change else Reference.NADIR,
            self.same.isChecked() and not self.same.isHidden(),
        )

    @property
    def _is_change(self) -> bool:
        return self._subject.kind is SubjectKind.CHANGE

    @property
    def _subject(self) -> Subject:
        return self._subjects[str(self.subject.currentData())]

    def show_row(self, row: FilterRow) -> None:
        """Set the controls to a row."""
        self._filling = True
        subject = self._subjects[row.subject]
        self.group.setCurrentText(subject.group)
        self._fill_subjects(subject.group)
        self.subject.setCurrentIndex(self.subject.findData(row.subject))
        self._make_value(subject, row.value)
        self.operator.clear()
        for operator, words in subject.operators.items():
            self.operator.addItem(words, operator)
        self.operator.setCurrentIndex(max(self.operator.findData(row.operator), 0))
        self.unit.setVisible(self._is_change)
        self.reference.setVisible(self._is_change)
        self.unit.setCurrentText("%" if row.percent else "mL")
        self.reference.setCurrentIndex(max(self.reference.findData(row.reference), 0))
        self.same.setChecked(row.same)
        self._filling = False

    def offer_same(self, offered: bool) -> None:
        """Whether the row above is of the same scope."""
        self._filling = True
        self.same.setVisible(offered)
        if not offered:
            self.same.setChecked(False)
        self._filling = False

    def _fill_subjects(self, group: str) -> None:
        self.subject.clear()
        for subject in self._subjects:
            if subject.group == group:
                self.subject.addItem(subject.title.removeprefix(f"{group}: "), subject.key)

    def _on_group(self) -> None:
        first = next(s.key for s in self._subjects if s.group == self.group.currentText())
        self.show_row(self._subjects.new_row(first))
        self.changed.emit()

    def _on_subject(self) -> None:
        self.show_row(self._subjects.new_row(str(self.subject.currentData())))
        self.changed.emit()

    # the value

    def _make_value(self, subject: Subject, value: RowValue) -> None:
        made: QWidget
        if subject.type is None:
            made = QWidget()
        elif subject.choices:
            made = self._choice(subject, value)
        elif subject.type is FieldType.NUMBER:
            made = self._number(subject, value)
        elif subject.type is FieldType.DATE:
            made = self._date(value)
        else:
            made = self._text(subject, value)
        made.setAccessibleName("Value")
        self._layout.replaceWidget(self.value, made)
        self.value.deleteLater()
        self.value = made
        made.setVisible(subject.type is not None)

    def _choice(self, subject: Subject, value: RowValue) -> QWidget:
        box = QComboBox()
        for code, words in subject.choices.items():
            box.addItem(words, code)
        if subject.type is not FieldType.CHOICE:  # a controlled vocabulary that the reader may extend
            box.setEditable(True)
            box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        at = box.findData(value)
        box.setCurrentIndex(at)
        if at < 0:
            box.setEditText(str(value))
        box.activated.connect(lambda _i: self.changed.emit())
        line = box.lineEdit()
        if line is not None:
            line.editingFinished.connect(self.changed.emit)
        box.setMinimumWidth(170)
        return box

    def _number(self, subject: Subject, value: RowValue) -> QWidget:
        box = _Number()
        box.setRange(-_LARGEST, _LARGEST)
        box.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        box.setValue(float(value) if isinstance(value, int | float) else 0.0)
        box.setSuffix(f" {subject.unit}" if subject.unit and subject.kind is not SubjectKind.CHANGE else "")
        box.setKeyboardTracking(False)
        box.valueChanged.connect(lambda _v: self.changed.emit())
        box.setMinimumWidth(110)
        return box

    def _date(self, value: RowValue) -> QWidget:
        box = QDateEdit()
        box.setDisplayFormat("yyyy-MM-dd")
        box.setCalendarPopup(True)
        shown = value if isinstance(value, dt.date) else dt.date(2020, 1, 1)
        box.setDate(QDate(shown.year, shown.month, shown.day))
        box.setKeyboardTracking(False)
        box.dateChanged.connect(lambda _d: self.changed.emit())
        return box

    def _text(self, subject: Subject, value: RowValue) -> QWidget:
        line = QLineEdit(str(value))
        line.setMinimumWidth(170)
        if subject.key in self._words:
            completer = QCompleter(list(self._words[subject.key]), line)
            completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
            completer.setFilterMode(Qt.MatchFlag.MatchContains)
            line.setCompleter(completer)
        line.setPlaceholderText("word or words")
        line.textEdited.connect(lambda _t: self.changed.emit())
        return line

    def _value_now(self) -> RowValue:
        value = self.value
        if isinstance(value, QComboBox):
            typed = value.isEditable() and value.currentText() != value.itemText(value.currentIndex())
            return value.currentText() if typed else str(value.currentData())
        if isinstance(value, QDoubleSpinBox):
            return value.value()
        if isinstance(value, QDateEdit):
            date = value.date()
            return dt.date(date.year(), date.month(), date.day())
        return value.text() if isinstance(value, QLineEdit) else ""


class RowBuilder(QWidget):
    """The rows, and whether all or any of them must hold.

    Signals
    -------
    changed: the rows ask something else, by the reader's hand.

    Parameters
    ----------
    words: completions of what is typed, by the key of a subject.
    """

    changed = Signal()

    def __init__(self, subjects: CohortSubjects, words: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self._subjects, self._words = subjects, words
        self.editors: list[RowEditor] = []
        self.joint = QComboBox()
        self.joint.addItems(["All of these hold", "Any of these holds"])
        self.joint.setAccessibleName("How the conditions are joined")
        self.joint.activated.connect(lambda _i: self.changed.emit())
        self.add = push_button("Add condition", "Ask for one thing more", self._add)
        self.add.setAutoDefault(False)
        self.told = quiet()
        head = QHBoxLayout()
        head.addWidget(self.joint)
        head.addWidget(self.add)
        head.addWidget(self.told, 1)
        inside = QWidget()
        self._rows = QVBoxLayout(inside)
        self._rows.setContentsMargins(0, 0, 6, 0)
        self._rows.setSpacing(4)
        self._rows.addStretch(1)
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setWidget(inside)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(head)
        column.addWidget(self._scroll)
        self._fit()

    def use(self, subjects: CohortSubjects, words: Mapping[str, Sequence[str]]) -> None:
        """Offer other subjects and completions, in rows that are yet to be shown."""
        self._subjects, self._words = subjects, words
        for editor in list(self.editors):
            self._drop(editor)
        self._fit()

    @property
    def rows(self) -> tuple[FilterRow, ...]:
        return tuple(editor.row for editor in self.editors)

    @property
    def any_of(self) -> bool:
        return self.joint.currentIndex() == 1

    def show_rows(self, rows: Sequence[FilterRow] | None, any_of: bool = False) -> None:
        """Show a question's rows; None for a question that rows cannot say."""
        plain = rows is not None
        self.told.setText("" if plain else "This question has brackets or lists of its own: edit its text.")
        self.joint.setEnabled(plain)
        self.add.setEnabled(plain)
        wanted = list(rows or ())
        if wanted != list(self.rows):
            for editor in self.editors[len(wanted) :]:
                self._drop(editor)
            for editor, row in zip(self.editors, wanted, strict=False):
                if editor.row != row:
                    editor.show_row(row)
            for row in wanted[len(self.editors) :]:
                self._append(row)
        if len(wanted) > 1:
            self.joint.setCurrentIndex(int(any_of))
        self._fit()
        for editor, row in zip(self.editors, wanted, strict=False):
            editor.same.setChecked(row.same)

    def say_stale(self) -> None:
        """The question beside cannot be read: the rows are those of the one before."""
        self.told.setText("These rows are of the question before." if self.editors else "")

    def _append(self, row: FilterRow) -> RowEditor:
        editor = RowEditor(self._subjects, row, self._words)
        editor.changed.connect(self._on_change)
        editor.removed.connect(lambda: self._remove(editor))
        self.editors.append(editor)
        self._rows.insertWidget(self._rows.count() - 1, editor)
        return editor

    def _add(self) -> None:
        last = self.editors[-1].row.subject if self.editors else _FIRST
        editor = self._append(self._subjects.new_row(last))
        self._on_change()
        editor.group.setFocus()
        self._scroll.verticalScrollBar().setValue(self._scroll.verticalScrollBar().maximum())

    def _remove(self, editor: RowEditor) -> None:
        self._drop(editor)
        self._on_change()

    def _drop(self, editor: RowEditor) -> None:
        self.editors.remove(editor)
        self._rows.removeWidget(editor)
        editor.hide()
        editor.deleteLater()

    def _on_change(self) -> None:
        self._fit()
        self.changed.emit()

    def _fit(self) -> None:
        """Offer *same one* where it means something, and take as much height as up to four rows need."""
        above = None
        for editor in self.editors:
            scope = self._subjects.scope_of(editor.row)
            editor.offer_same(scope is not None and scope is above)
            above = scope
        height = max((editor.sizeHint().height() for editor in self.editors), default=0) + 4
        self._scroll.setFixedHeight(min(len(self.editors), 4) * height + (2 if self.editors else 0))
        self._scroll.setVisible(bool(self.editors))
