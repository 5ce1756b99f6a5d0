"""Who a patient is: kept apart from everything else and shown only where the reader asks for it."""

from __future__ import annotations

import datetime as dt

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QFormLayout, QHBoxLayout, QLabel, QLineEdit, QPlainTextEdit, QVBoxLayout, QWidget

from glioma_annotator.domain.patient_identity import PatientIdentity
from glioma_annotator.errors import UserError
from glioma_annotator.ui.panels.parts import push_button, quiet
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.workflow.event_entry import parse_when


class IdentityDialog(QDialog):
    """The identifying fields of the open patient, read when the reader shows them."""

    def __init__(self, study: StudyController, parent: QWidget) -> None:
        super().__init__(parent)
        self._study, self._patient = study, study.patient_key
        self._store = study.require_session().store
        self.setWindowTitle(f"Who {self._patient} is")
        self.setModal(True)
        self.setMinimumWidth(520)
        self.name, self.birth_date, self.record_number = QLineEdit(), QLineEdit(), QLineEdit()
        self.remark = QPlainTextEdit()
        self.remark.setMaximumHeight(80)
        self.remark.setTabChangesFocus(True)
        self.birth_date.setPlaceholderText("1958-07-31")
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        for title, field in (
            ("Name", self.name),
            ("Birth date", self.birth_date),
            ("Record number (MRN)", self.record_number),
            ("Remark", self.remark),
        ):
            field.setAccessibleName(title)
            form.addRow(title, field)
        self.fields: tuple[QWidget, ...] = (self.name, self.birth_date, self.record_number, self.remark)
        self.wrong = QLabel()
        self.wrong.setProperty("role", "warning")
        self.wrong.setWordWrap(True)
        self.wrong.hide()
        self.show_button = push_button("Show", "Read the identifying fields from the workspace", self.reveal)
        self.save = push_button("Save", "Record who the patient is; earlier states are kept", self._save)
        self.save.setProperty("main", True)
        close = push_button("Close", "Close without recording anything (Esc)", self.reject)
        row = QHBoxLayout()
        row.addWidget(self.show_button)
        row.addStretch(1)
        for button in (close, self.save):
            row.addWidget(button)
        for button in (self.show_button, close, self.save):
            button.setAutoDefault(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 16, 24, 16)
        column.setSpacing(12)
        column.addWidget(
            quiet(
                "These fields lie in a table of their own. No list, picture, search or export shows them; an archive of"
                " the patient holds them only where you ask for it. The audit table notes that they changed, not what"
                " they say."
            )
        )
        column.addLayout(form)
        column.addWidget(self.wrong)
        column.addLayout(row)
        self._known: PatientIdentity | None = None
        for field in self.fields:
            field.setEnabled(False)
        self.save.setEnabled(False)
        study.patient_changed.connect(self._on_patient)

    def reveal(self) -> None:
        """Show what is recorded; empty fields where nothing is."""
        self._known = self._store.identities.get(self._patient)
        known = self._known or PatientIdentity()
        self.name.setText(known.name)
        self.birth_date.setText(known.birth_date.isoformat() if known.birth_date else "")
        self.record_number.setText(known.record_number)
        self.remark.setPlainText(known.remark)
        writable = not self._study.read_only
        for field in (self.name, self.birth_date, self.record_number):
            field.setEnabled(True)
            field.setReadOnly(not writable)
        self.remark.setEnabled(True)
        self.remark.setReadOnly(not writable)
        self.save.setEnabled(writable)
        self.show_button.setEnabled(False)
        self.name.setFocus(Qt.FocusReason.OtherFocusReason)

    def _save(self) -> None:
        try:
            date, day = parse_when(self.birth_date.text())
        except UserError:
            date, day = None, 0
        if day is not None or (date is not None and date > dt.date.today()):
            self.wrong.setText(f"“{self.birth_date.text().strip()}” is no birth date. Write 1958-07-31.")
            self.wrong.show()
            self.birth_date.setFocus()
            return
        identity = PatientIdentity(
            self.name.text().strip(), date, self.record_number.text().strip(), self.remark.toPlainText().strip()
        )
        if identity != (self._known or PatientIdentity()):
            self._store.identities.set(self._patient, identity, self._study.require_session().author)
            self._study.notice.emit("The identity is recorded.")
        self.accept()

    def _on_patient(self) -> None:
        if self._study.patient_key != self._patient:
            self.reject()
