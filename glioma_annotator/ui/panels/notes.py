"""The page *Notes and reports*: the patient's texts as a list, and the form of the one that is read or written."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QHideEvent, QTextCharFormat
from PySide6.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPlainTextEdit,
    QTableWidgetItem,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.domain.note import Note, NoteKind
from glioma_annotator.errors import UserError
from glioma_annotator.ui import theme
from glioma_annotator.ui.panels.entry_fields import Choice
from glioma_annotator.ui.panels.parts import line, list_table, plain_tip, push_button, quiet
from glioma_annotator.ui.panels.record_rows import filling, fit_rows, keep_rows_fitted
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.workflow.cohort_words import word_places
from glioma_annotator.workflow.event_entry import parse_when
from glioma_annotator.workflow.note_entry import in_order, note_title, note_when
from glioma_annotator.workflow.ports import Store

_ID = Qt.ItemDataRole.UserRole
_ROW_PX, _MOST_ROWS_PX = 24, 104  # a line; what the list takes at most
_WHOLE = "the patient as a whole"

When = tuple[dt.date | None, int | None]
Entered = tuple[NoteKind, str, str, str, str, str]
"""Kind, when, visit's key, title, author and text as they stand in the form."""


class NotesPanel(QWidget):
    """Notes and reports of the open patient.

    What is being written is never lost: it is kept when another text, visit list, patient or workspace takes its place
    and when the panel is hidden.

    Signals
    -------
    changed: a text was added, changed or removed.
    """

    changed = Signal()

    def __init__(self, study: StudyController) -> None:
        super().__init__()
        self._study = study
        self._shown: Note | None = None
        self._place: tuple[Store, str] | None = None  # where the form's text belongs: store and patient's key
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(6)
        self.empty = quiet("No notes or reports yet. Write one, or paste a report, and press Add; Ctrl+F finds it.")
        self.table = list_table(("When", "What"), "Notes and reports")
        self.table.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        keep_rows_fitted(self.table, self._fit_rows)
        self.table.itemSelectionChanged.connect(self._on_row)
        column.addWidget(self.empty)
        column.addWidget(self.table)
        column.addWidget(line())
        column.addLayout(self._build_form())
        column.addWidget(self.text, 1)
        column.addLayout(self._build_buttons())
        self._start = self._entered()
        study.workspace_changed.connect(self._on_patient)
        study.patient_changed.connect(self._on_patient)
        study.visit_changed.connect(self._on_visit)
        study.leaving_visit.connect(self.flush)
        study.leaving_workspace.connect(self.flush)  # no visit may be open
        self._on_patient()

    def _build_form(self) -> QFormLayout:
        form = QFormLayout()
        form.setSpacing(6)
        self.kind = Choice.of("What kind of text", NoteKind)
        self.when, self.title, self.author = QLineEdit(), QLineEdit(), QLineEdit()
        self.visit = Choice("Visit that it belongs to")
        self.when.setPlaceholderText("2019-04-02 or day 45")
        self.title.setPlaceholderText("one line; may stay empty")
        self.author.setPlaceholderText("who wrote it")
        self.text = QPlainTextEdit()
        self.text.setPlaceholderText(
            "Write, or paste the report’s text. Leave names and birth dates out: archives carry it as it stands."
        )
        self.text.setTabChangesFocus(True)
        self.text.setAccessibleName("Text")
        self.text.setMinimumHeight(80)
        for label, field in (
            ("What", self.kind),
            ("When", self.when),
            ("Visit", self.visit),
            ("Title", self.title),
            ("Author", self.author),
        ):
            if isinstance(field, QLineEdit):
                field.setAccessibleName(label)
            form.addRow(label, field)
        self.text.textChanged.connect(self._enable)
        return form

    def _build_buttons(self) -> QHBoxLayout:
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        self.save = push_button("Add", "Keep the text", self.keep)
        self.new = push_button("New", "Empty the form for another text; this one is kept", self.start_new)
        self.delete = push_button("Delete", "Take the text out of the list; it can be brought back", self._delete)
        for button in (self.save, self.new, self.delete):
            button.setProperty("role", "narrow")
            buttons.addWidget(button, 1)
        return buttons

    # the list

    def notes(self) -> tuple[Note, ...]:
        """Of the open patient, in order of time."""
        session, key = self._study.session, self._study.patient_key
        return in_order(session.store.notes.of_patient(key), self._study.timepoints()) if session and key else ()

    def _refresh(self) -> None:
        notes = self.notes()
        self.table.blockSignals(True)
        self.table.clearSelection()
        self.table.setRowCount(len(notes))
        with filling(self.table):
            for row, note in enumerate(notes):
                for place, text in enumerate((note_when(note) or note.timepoint, note_title(note))):
                    item = QTableWidgetItem(text)
                    item.setToolTip(plain_tip(f"{note_title(note)}\n{note.author}".strip()))
                    item.setData(_ID, note.id)
                    self.table.setItem(row, place, item)
        for row, note in enumerate(notes):
            if self._shown is not None and note.id == self._shown.id:
                self.table.selectRow(row)
        self.table.blockSignals(False)
        self._fit_rows()
        self.empty.setVisible(not notes)
        self.table.setVisible(bool(notes))
        self._enable()

    def _fit_rows(self) -> None:
        """As high as the rows need, within bounds."""
        fit_rows(self.table)
        rows = sum(self.table.rowHeight(row) for row in range(self.table.rowCount()))
        head = self.table.horizontalHeader().sizeHint().height() + 4
        self.table.setFixedHeight(head + min(max(rows, _ROW_PX), _MOST_ROWS_PX))

    def _enable(self) -> None:
        editable = bool(self._study.patient_key) and not self._study.read_only
        for field in (self.kind, self.visit, self.new):
            field.setEnabled(editable)
        for words in (self.when, self.title, self.author, self.text):
            words.setReadOnly(not editable)
        self.save.setEnabled(editable and bool(self.text.toPlainText().strip()))
        self.save.setText("Add" if self._shown is None else "Change")
        self.delete.setEnabled(editable and self._shown is not None)

    def _on_row(self) -> None:
        items = self.table.selectedItems()
        if items:
            self.show_note(str(items[0].data(_ID)))

    def _on_patient(self) -> None:
        """Another patient, or the same with other records: what is being written stays where it belongs."""
        session, key = self._study.session, self._study.patient_key
        place = (session.store, key) if session is not None and key else None
        if place == self._place:
            known = session.store.notes.get(self._shown.id) if session and self._shown is not None else None
            if self._shown is not None and known != self._shown and not self.unsaved:
                self._fill(known)
            self._list_visits(self.visit.currentData())
            self._refresh()
            return
        self.flush()
        self._place = place
        self._fill(None)
        self._refresh()

    def _on_visit(self) -> None:
        if self._shown is None and not self.unsaved:
            self._fill(None)  # a new text belongs to the visit that is looked at

    # the form

    def _entered(self) -> Entered:
        kind, visit = self.kind.currentData() or NoteKind.NOTE, self.visit.currentData() or ""
        fields = (self.when.text(), visit, self.title.text(), self.author.text(), self.text.toPlainText())
        when, visit, title, author, text = (field.strip() for field in fields)
        return NoteKind(kind), when, visit, title, author, text

    @property
    def unsaved(self) -> bool:
        """Whether the form says other than what is recorded; an empty text says nothing."""
        entered = self._entered()
        return entered != self._start and bool(entered[-1])

    def _list_visits(self, chosen: str) -> None:
        self.visit.show_choices({_WHOLE: ""} | {visit.title: visit.key for visit in self._study.timepoints()})
        self.visit.show_value(chosen)

    def _fill(self, note: Note | None) -> None:
        """Show a text, or an empty form of the open visit."""
        self._shown = note
        visit, session = self._study.visit, self._study.session
        if note is None:
            open_visit = visit.timepoint if visit is not None else None
            author = session.author if session is not None else ""
            note = Note(
                "",
                "",
                timepoint=open_visit.key if open_visit else "",
                author=author,
                date=open_visit.date if open_visit else None,
                day=open_visit.day if open_visit and open_visit.date is None else None,
            )
        self.kind.show_value(note.kind)
        self.when.setText(note_when(note))
        self._list_visits(note.timepoint)
        self.title.setText(note.title)
        self.author.setText(note.author)
        self.text.setPlainText(note.text)
        self.text.setExtraSelections([])
        self._start = self._entered()
        self._enable()

    def show_note(self, note_id: str, words: str = "") -> None:
        """Show a text of the open patient, with the words of a search marked in it."""
        session = self._study.session
        note = session.store.notes.get(note_id) if session is not None else None
        if note is None:
            return
        if self._shown is None or self._shown.id != note_id:
            self.flush()
            self._fill(note)
        self._refresh()
        self._mark(words)

    def _mark(self, words: str) -> None:
        marked, look = [], QTextCharFormat()
        look.setBackground(QColor(theme.current().warning))
        look.setForeground(QColor(theme.current().field))
        for start, end in word_places(self.text.toPlainText(), words):
            cursor = self.text.textCursor()
            cursor.setPosition(start)
            cursor.setPosition(end, cursor.MoveMode.KeepAnchor)
            selection = QTextEdit.ExtraSelection()
            selection.cursor, selection.format = cursor, look
            marked.append(selection)
        if marked:
            first = self.text.textCursor()
            first.setPosition(min(m.cursor.selectionStart() for m in marked))
            self.text.setTextCursor(first)
            self.text.centerCursor()
        self.text.setExtraSelections(marked)

    # keeping

    def start_new(self) -> None:
        """An empty form for another text; what stands in it is kept."""
        self.flush()
        self._fill(None)
        self._refresh()
        self.text.setFocus()

    def keep(self) -> None:
        """Keep what stands in the form; says what is wrong where it cannot be."""
        try:
            kept = self._keep(parse_when(self.when.text()))
        except UserError as error:
            self._study.failed.emit(error)
            return
        self._fill(None)
        self._refresh()
        self._study.notice.emit(f"Kept: {note_title(kept).rstrip('.')}.")

    def flush(self) -> None:
        """Keep what was written, if anything was; without its date where that cannot be read."""
        if self._place is None or not self.unsaved or self._place[0].read_only:
            return
        try:
            when: When = parse_when(self.when.text())
        except UserError:
            when = (None, None) if self._shown is None else (self._shown.date, self._shown.day)
        kept = self._keep(when)
        self._shown, self._start = kept, self._entered()
        self._study.notice.emit(f"Kept: {note_title(kept).rstrip('.')}.")

    def _keep(self, when: When) -> Note:
        assert self._place is not None, "a patient is open while something is written"
        store, patient = self._place
        kind, _, visit, title, author, text = self._entered()
        if not text:
            raise UserError("There is no text to keep.", "Write or paste it first.")
        made = Note(patient, text, kind, title, visit, author, *when)
        by = self._study.session.author if self._study.session is not None else author
        if self._shown is None:
            store.notes.add(made, by=by)
        else:
            made = replace(made, id=self._shown.id, created_utc=self._shown.created_utc)
            store.notes.change(made, by=by)
        self.changed.emit()
        return made

    def _delete(self) -> None:
        session, shown = self._study.require_session(), self._shown
        if shown is None:
            return
        session.store.notes.delete(shown.id, by=session.author)
        self._fill(None)
        self._refresh()
        self.changed.emit()
        self._study.notice.emit(f"Deleted: {note_title(shown)}. Records, Deleted items… brings it back.")

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.flush()
