"""The cohort page: a question across patients as rows and as text, and the visits that it selects."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from PySide6.QtCore import QModelIndex, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.domain.cohort import CohortHit, CohortResult
from glioma_annotator.domain.cohort_question import parse_question
from glioma_annotator.domain.cohort_rows import CohortSubjects
from glioma_annotator.domain.cohort_text import question_text
from glioma_annotator.domain.cohort_vocabulary import QuestionError, shown_around
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.ui import theme
from glioma_annotator.ui.asking import NewestOnly
from glioma_annotator.ui.dialogs.cohort_results import HitModel
from glioma_annotator.ui.dialogs.cohort_rows import RowBuilder
from glioma_annotator.ui.dialogs.saved_questions import SavedQuestions
from glioma_annotator.ui.navigator import Place
from glioma_annotator.ui.panels.parts import count_text, line, push_button, roomy
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.workflow.profiles import load_profile

EXAMPLE = "IDH-wildtype, MGMT methylated, ET volume up 40 % from nadir"
_SHOWN = 500  # visits shown before the reader asks for all
_PAUSE_MS = 250
_WIDEST_PX = 320  # a longer name leaves room for the other columns
_FORMATS = {"CSV (*.csv)": "csv", "Parquet (*.parquet)": "parquet", "JSON (*.json)": "json"}


class CohortPage(QDialog):
    """Asks while the reader writes, on a worker; a hit opens the image at its place and leaves the page aside.

    Signals
    -------
    chosen(Place): open this.
    """

    chosen = Signal(object)

    def __init__(self, study: StudyController, parent: QWidget) -> None:
        super().__init__(parent)
        self._study = study
        self._store = study.require_session().store
        self._labels, self._patients = self._vocabulary()
        self._asking: NewestOnly[CohortResult] = NewestOnly(study.workers.searching)
        self._asked = ""
        self.setWindowTitle("Cohort")
        self.resize(roomy(parent, 1180, 660))
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(8)
        self.text = QLineEdit()
        self.saved = SavedQuestions(study, lambda: self.question)
        self.saved.taken.connect(self.ask)
        column.addWidget(self.saved)
        self.text.setPlaceholderText(f"Ask, for example: {EXAMPLE}")
        self.text.setAccessibleName("Question across patients")
        self.text.setClearButtonEnabled(True)
        column.addWidget(self.text)
        self.told = QLabel()
        self.told.setWordWrap(True)
        self.told.setTextFormat(Qt.TextFormat.RichText)
        column.addWidget(self.told)
        self._subjects = CohortSubjects(self._labels, load_profile())
        self.builder = RowBuilder(self._subjects, self._words)
        column.addWidget(self.builder)
        column.addWidget(line())
        column.addWidget(self._make_table(), 1)
        column.addLayout(self._make_foot())
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self._read_text)
        self.text.textEdited.connect(lambda _t: self._pause.start())
        self.text.textChanged.connect(lambda text: None if text else self._pause.start())
        self.text.returnPressed.connect(self._on_return)
        self.builder.changed.connect(self._read_rows)
        study.workspace_changed.connect(self._stop)
        self._say_empty()

    def _vocabulary(self) -> tuple[Sequence[str], Sequence[str]]:
        """Labels and patients of the workspace as they are now."""
        return self._store.cohort.labels(), [patient.key for patient in self._store.patients()]

    @property
    def _words(self) -> dict[str, Sequence[str]]:
        return {"visit.patient": self._patients, "finding.label": self._labels}

    def showEvent(self, event: QShowEvent) -> None:
        """Follow labels and patients that were added since the page was last seen."""
        super().showEvent(event)
        known = self._vocabulary()
        if known != (self._labels, self._patients):
            self._labels, self._patients = known
            self._subjects = CohortSubjects(self._labels, load_profile())
            self.builder.use(self._subjects, self._words)
            self._read_text()

    def _stop(self) -> None:
        """The workspace is closed: no answer is wanted any more."""
        self._pause.stop()
        self._asking.drop()

    def _make_table(self) -> QTableView:
        self.model = HitModel()
        self.model.setParent(self)
        self.table = QTableView()
        self.table.setModel(self.model)
        self.table.setAccessibleName("Visits that fulfil the question")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setAlternatingRowColors(True)
        self.table.setShowGrid(False)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(24)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setMaximumSectionSize(_WIDEST_PX)
        header.setStretchLastSection(True)
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.table.doubleClicked.connect(self._open_index)
        self.table.activated.connect(self._open_index)
        return self.table

    def _make_foot(self) -> QHBoxLayout:
        self.open_image = push_button("Open image", "Open the selected visit at the place (Return)", self.open_selected)
        self.all = push_button("Show all", "List every visit, not only the first ones", lambda: self._ask(None))
        self.export = push_button("Export…", "Write every visit found as CSV, Parquet or JSON", self._ask_file)
        close = push_button("Close", "Close this page (Esc)", self.reject)
        row = QHBoxLayout()
        row.addWidget(self.open_image)
        row.addStretch(1)
        for button in (self.all, self.export, close):
            row.addWidget(button)
        for button in (self.open_image, self.all, self.export, close):
            button.setAutoDefault(False)
        return row

    # the question

    @property
    def question(self) -> str:
        return self.text.text().strip()

    @property
    def asking(self) -> bool:
        """Whether an answer to the present question is still to come."""
        return self._pause.isActive() or self._asking.busy

    def ask(self, question: str) -> None:
        """Put a question in place of the present one."""
        self.text.setText(question)
        self._read_text()

    def _on_return(self) -> None:
        """Ask, and give the keyboard to the list: another Return opens the image."""
        if self._read_text():
            QTimer.singleShot(0, self.table.setFocus)  # this Return itself must not open anything

    def _read_text(self) -> bool:
        """Whether there is a question, and it could be read."""
        self._pause.stop()
        if not self.question:
            self.builder.show_rows(())
            self._say_empty()
            return False
        try:
            condition = parse_question(self.text.text(), self._labels)
        except QuestionError as error:
            self._asking.drop()
            self._explain(error)
            self.builder.say_stale()
            return False
        rows = self._subjects.rows_of(condition)
        self.builder.show_rows(*(rows or (None, False)))
        self._ask(_SHOWN)
        return True

    def _read_rows(self) -> None:
        condition = self._subjects.condition_of(self.builder.rows, self.builder.any_of)
        self.text.setText("" if condition is None else question_text(condition))
        self.builder.told.clear()
        if condition is None:
            self._pause.stop()
            self._say_empty()
        else:
            self._ask(_SHOWN)

    def _ask(self, limit: int | None) -> None:
        question = self.text.text()
        store = self._store
        self._asking.ask(lambda: store.cohort.ask(question, limit), lambda r: self._show(question, r), self._fail)

    # the answer

    def _show(self, question: str, result: CohortResult) -> None:
        self._asked = question
        self.model.show_hits(result.hits)
        header = self.table.horizontalHeader()
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.table.setSortingEnabled(True)
        if result.hits:
            self.table.selectRow(0)
            part = f"; the first {len(result.hits)} are shown" if len(result.hits) < result.visits else ""
            visits, patients = count_text(result.visits, "visit"), count_text(result.patients, "patient")
            self._tell(f"{visits} of {patients}{part}.")
        else:
            self._tell("No visit fulfils this. What is not recorded fulfils neither a condition nor its opposite.")
        self.all.setVisible(len(result.hits) < result.visits)
        self._enable(bool(result.hits))

    def _say_empty(self) -> None:
        self._asking.drop()
        self.model.show_hits(())
        self.all.hide()
        self._enable(False)
        self._tell("Write a question above, or add conditions; the visits that fulfil it are listed as you go.")

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, QuestionError):
            self._explain(error)
        else:
            self._study.failed.emit(error)

    def _explain(self, error: QuestionError) -> None:
        """The question again with the place that is not understood marked, and why."""
        before, rest = shown_around(error.question, error.position)
        place = escape(rest[: error.length]) or "&nbsp;&#8203;▲"
        colour = theme.current().danger_text
        after = escape(rest[error.length :])
        marked = f"{escape(before)}<span style='color:{colour}'><u>{place}</u></span>{after}"
        self.model.show_hits(())
        self.all.hide()
        self._enable(False)
        self._tell(f"{marked}<br>Not understood there: {escape(error.reason)}.", "warning")

    def _tell(self, text: str, role: str = "quiet") -> None:
        self.told.setProperty("role", role)
        self.told.style().unpolish(self.told)
        self.told.style().polish(self.told)
        self.told.setText(text)

    def _enable(self, any_hit: bool) -> None:
        self.open_image.setEnabled(any_hit)
        self.export.setEnabled(any_hit)
        self.saved.refresh()

    # going there

    @property
    def selected(self) -> CohortHit | None:
        rows = self.table.selectionModel().selectedRows()
        return self.model.hits[rows[0].row()] if rows else None

    def open_selected(self) -> None:
        """Open the image at the selected hit's place; the page steps aside and keeps what it shows."""
        hit = self.selected
        if hit is not None:
            self.hide()
            self.chosen.emit(Place(hit.patient, hit.timepoint, hit.point_mm, hit.finding))

    def step(self, direction: int) -> None:
        """Open the next (+1) or previous (-1) hit."""
        rows = self.table.selectionModel().selectedRows()
        row = (rows[0].row() if rows else -1) + direction
        if 0 <= row < len(self.model.hits):
            self.table.selectRow(row)
            self.open_selected()

    def _open_index(self, index: QModelIndex) -> None:
        if index.isValid() and self.isVisible():  # a double click also activates
            self.table.selectRow(index.row())
            self.open_selected()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self.table.hasFocus():
                self.open_selected()
            return  # Return in the question asks; it must not press a button
        super().keyPressEvent(event)

    # export

    def _ask_file(self) -> None:
        dialog = QFileDialog(self, "Export the visits found")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters(list(_FORMATS))
        dialog.setDefaultSuffix("csv")
        dialog.filterSelected.connect(lambda name: dialog.setDefaultSuffix(_FORMATS[name]))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda file: self.write(Path(file)))
        dialog.open()

    def write(self, file: Path) -> None:
        """Write every visit that fulfils the question, on a worker; the file's ending says as what."""
        kind = file.suffix.lstrip(".").lower()
        if kind not in _FORMATS.values():
            self._study.failed.emit(UserError(f"{file.name} names no format.", "End it in .csv, .parquet or .json."))
            return
        store, question = self._store, self._asked

        def work(_report: Report, cancel: CancelToken) -> int:
            from glioma_annotator.workflow.tables import cohort_rows, write_rows

            hits = store.cohort.ask(question).hits
            cancel.raise_if_cancelled()
            write_rows(file, cohort_rows(hits), kind)
            return len(hits)

        def done(count: int) -> None:
            self._study.notice.emit(f"{count_text(count, 'visit')} written to {file.name}.")

        self._study.workers.computing.submit("Exporting the cohort", work, done, self._study.failed.emit)
