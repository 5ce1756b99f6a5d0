"""The Clinical panel: the patient's events as a list, and a quick form that shows the fields of their kind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QSpinBox,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.domain.clinical_event import (
    SCORE_RANGES,
    ClinicalEvent,
    ClinicalState,
    EventKind,
    ExtentOfResection,
)
from glioma_annotator.domain.course import CourseClock
from glioma_annotator.errors import UserError
from glioma_annotator.ui.command_ui import CommandActions
from glioma_annotator.ui.panels.entry_fields import Choice, Figure, Number
from glioma_annotator.ui.panels.form_values import put_value, value_of
from glioma_annotator.ui.panels.parts import follow_action, line, list_table, plain_tip, push_button, quiet
from glioma_annotator.ui.panels.record_rows import filling, fit_rows, keep_rows_fitted
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.workflow.event_entry import (
    check_order,
    details_text,
    fields_of,
    on_the_calendar,
    parse_when,
    when_text,
)
from glioma_annotator.workflow.ports import Store

_ID = Qt.ItemDataRole.UserRole
_DECIMALS = 3  # of a dose: tablets of 0.75 mg, 1.8 Gy times 33 and a boost
_LABELS = {
    "end": "End",
    "extent": "Extent",
    "dose_gy": "Dose",
    "fractions": "Fractions",
    "cycle": "Cycle",
    "drug": "Drug",
    "dose_mg": "Daily dose",
    "score": "Score",
    "state": "State",
    "text": "Text",
}


#: What stands in the form: when, and each field that the kind has; None for one left empty.
Entered = Mapping[str, object]


class ClinicalPanel(QWidget):
    """Events of the open patient.

    An event that is half typed is put aside when another one is opened, and comes back with it.

    Signals
    -------
    changed: an event was added, changed or removed.
    """

    changed = Signal()

    def __init__(self, study: StudyController, actions: CommandActions) -> None:
        super().__init__()
        self._study = study
        self._editing: ClinicalEvent | None = None
        self._shown: Entered = {}  # the form before anything was typed
        self._aside: dict[tuple[str, str], tuple[EventKind, Entered]] = {}  # by patient and event, "" for a new one
        self._place: tuple[Store, str] | None = None  # store and patient's key
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(6)
        self.table = list_table(("When", "What"), "Clinical events")
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        keep_rows_fitted(self.table, lambda: fit_rows(self.table))
        self.table.itemSelectionChanged.connect(self._on_row)
        self.empty = quiet("No events yet: surgery, radiotherapy, steroids, KPS … Fill in the form and press Return.")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.course = push_button("Course and response…", "", lambda: None)
        follow_action(self.course, actions["study.course"])
        column.addWidget(self.course)
        column.addWidget(self.empty)
        column.addWidget(self.table, 1)
        column.addWidget(line())
        column.addLayout(self._build_form())
        self._show_fields()  # not before they are in the panel: each would come up as a window of its own
        column.addStretch(0)
        study.patient_changed.connect(self._on_patient)
        self._on_patient()

    def _build_form(self) -> QFormLayout:
        self._form = form = QFormLayout()
        form.setSpacing(6)
        self.kind = Choice.of("Kind of event", EventKind)
        self.kind.currentIndexChanged.connect(self._show_fields)
        self.start = QLineEdit()
        self.start.setPlaceholderText("2019-04-02 or day 45")
        self.start.setAccessibleName("When")
        form.addRow("What", self.kind)
        form.addRow("When", self.start)
        end, drug, text = QLineEdit(), QLineEdit(), QLineEdit()
        end.setPlaceholderText("empty while it goes on")
        drug.setPlaceholderText("e.g. dexamethasone")
        extent, state = Choice("Extent"), Choice("State")
        # What stands first is what is recorded when nothing is chosen.
        for value in sorted(ExtentOfResection, key=lambda e: e is not ExtentOfResection.UNKNOWN):
            extent.add(value.value, value)
        for change in sorted(ClinicalState, key=lambda s: s is not ClinicalState.STABLE):
            state.add(change.value, change)
        dose_gy, dose_mg = Figure(), Figure()
        for spin, top, suffix in ((dose_gy, 200.0, " Gy"), (dose_mg, 5000.0, " mg")):
            spin.setRange(-1.0, top)
            spin.setSpecialValueText("unknown")
            spin.setDecimals(_DECIMALS)
            spin.setSuffix(suffix)
            spin.setValue(-1.0)
        fractions, cycle, score = Number(), Number(), Number()
        score.setSpecialValueText("–")
        for count, top in ((fractions, 100), (cycle, 99)):
            count.setRange(-1, top)
            count.setSpecialValueText("unknown")
            count.setValue(-1)
        self.fields: dict[str, QWidget] = {
            "end": end, "extent": extent, "dose_gy": dose_gy, "fractions": fractions, "cycle": cycle, "drug": drug,
            "dose_mg": dose_mg, "score": score, "state": state, "text": text,
        }  # fmt: skip
        for name, field in self.fields.items():
            field.setAccessibleName(_LABELS[name])
            form.addRow(_LABELS[name], field)
        for edit in (self.start, end, drug, text, *(s.lineEdit() for s in (dose_gy, dose_mg, fractions, cycle, score))):
            edit.returnPressed.connect(self._save)
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        self.save = push_button("Add", "Keep the event (Return)", self._save)
        self.new = push_button("New", "Empty the form for another event", self._start_new)
        self.delete = push_button("Delete", "Take the event out of the course", self._delete)
        for button in (self.save, self.new, self.delete):
            button.setProperty("role", "narrow")
            buttons.addWidget(button, 1)
        form.addRow(buttons)
        return form

    # the list

    def events(self) -> tuple[ClinicalEvent, ...]:
        """Of the open patient, in order of time."""
        session = self._study.session
        if session is None or not self._study.patient_key:
            return ()
        clock = CourseClock.of(self._study.timepoints())
        events = session.store.events.of_patient(self._study.patient_key)

        def place(event: ClinicalEvent) -> tuple[float, str]:
            day = clock.start(event)
            return (math.inf if day is None else day), event.kind.value

        return tuple(sorted(events, key=place))

    def _on_patient(self) -> None:
        """Another patient, or the same with other records: then what is being typed stays."""
        session, key = self._study.session, self._study.patient_key
        place = (session.store, key) if session is not None and key else None
        shown, same = self._editing, place == self._place
        if not same:
            if place is not None and self._place is not None and place[0] is self._place[0]:
                self._put_aside()
            else:
                self._aside.clear()
            self._place = place
        found = next((event for event in self.events() if shown is not None and event.id == shown.id), None)
        if not same or (shown is not None and found is None):
            self._clear()
            self._bring_back()
        elif found is not None and found != shown:
            self._edit(found)
        self._refresh()

    def _refresh(self) -> None:
        events = self.events()
        self.table.blockSignals(True)
        self.table.setRowCount(len(events))
        with filling(self.table):
            for row, event in enumerate(events):
                what = ", ".join(filter(None, (event.kind.value, details_text(event))))
                for place, text in enumerate((when_text(event), what)):
                    item = QTableWidgetItem(text)
                    item.setToolTip(plain_tip(text))
                    item.setData(_ID, event.id)
                    self.table.setItem(row, place, item)
        fit_rows(self.table)
        shown = self._editing.id if self._editing is not None else ""
        for row, event in enumerate(events):
            if event.id == shown:
                self.table.selectRow(row)
        self.table.blockSignals(False)
        self.empty.setVisible(not events)
        self.table.setVisible(bool(events))
        editable = bool(self._study.patient_key) and not self._study.read_only
        for widget in (self.kind, self.start, *self.fields.values(), self.save, self.new):
            widget.setEnabled(editable)
        self.delete.setEnabled(editable and self._editing is not None)
        self.save.setText("Change" if self._editing is not None else "Add")

    def _on_row(self) -> None:
        items = self.table.selectedItems()
        if items:
            self.show_event(str(items[0].data(_ID)))

    def show_event(self, event_id: str) -> None:
        """Show an event of the open patient in the form."""
        found = next((event for event in self.events() if event.id == event_id), None)
        if found is not None:
            self._put_aside()
            self._edit(found)
            self._bring_back()

    def _start_new(self) -> None:
        another = self._editing is not None
        if another:
            self._put_aside()
        self._clear()
        if another:
            self._bring_back()

    # what is half typed

    def _entered(self) -> Entered:
        fields = (("when", self.start), *((name, self.fields[name]) for name in fields_of(self._chosen_kind())))
        return {name: value_of(field) for name, field in fields}

    @property
    def _key(self) -> tuple[str, str]:
        return (self._place[1] if self._place else "", self._editing.id if self._editing is not None else "")

    def _put_aside(self) -> None:
        """Keep what is typed and not recorded, for when its event is opened again."""
        kind, entered = self._chosen_kind(), self._entered()
        typed = {name for name, value in entered.items() if value != self._shown.get(name)}
        if self._editing is not None and kind is not self._editing.kind:
            typed.add("kind")
        if not typed:
            return
        self._aside[self._key] = kind, entered
        self._study.notice.emit("What you typed is not recorded: it is kept with its event, a new one under New.")

    def _bring_back(self) -> None:
        kept = self._aside.pop(self._key, None)
        if kept is None:
            return
        kind, entered = kept
        self.kind.setCurrentIndex(self.kind.findText(kind.value))
        for name, value in entered.items():
            put_value(self.start if name == "when" else self.fields[name], value)

    # the form

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return in a list to choose from, which leaves the key to the panel, keeps the event as everywhere else."""
        chosen_in = (self.kind, self.fields["extent"], self.fields["state"])
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and any(box.hasFocus() for box in chosen_in):
            self._save()
            return
        super().keyPressEvent(event)

    def _chosen_kind(self) -> EventKind:
        return EventKind(self.kind.currentData())

    def _show_fields(self) -> None:
        kind = self._chosen_kind()
        wanted = fields_of(kind)
        for name, field in self.fields.items():
            self._form.setRowVisible(field, name in wanted)
        if kind in SCORE_RANGES:
            low, high = SCORE_RANGES[kind]
            score = self._spin("score")
            entered = score.value()
            score.setRange(low - 1, high)  # one below stands for none yet: no score is recorded unasked
            if entered > high:
                score.setValue(low - 1)

    def _spin(self, name: str) -> QSpinBox:
        field = self.fields[name]
        assert isinstance(field, QSpinBox)
        return field

    def _clear(self) -> None:
        self._editing = None
        self.start.clear()
        for field in self.fields.values():
            put_value(field, None)
        self._shown = {}
        self.table.clearSelection()
        self._refresh()

    def _edit(self, event: ClinicalEvent) -> None:
        self._editing = event
        self.kind.setCurrentIndex(self.kind.findText(event.kind.value))
        self.start.setText(event.date.isoformat() if event.date is not None else f"day {event.day}")
        end = event.end_date.isoformat() if event.end_date is not None else ""
        values: dict[str, Any] = {name: getattr(event, name) for name in self.fields if name != "end"} | {
            "end": end or (f"day {event.end_day}" if event.end_day is not None else "")
        }
        for name, value in values.items():
            put_value(self.fields[name], value)
        self._shown = self._entered()
        self._refresh()

    def _typed(self) -> ClinicalEvent:
        """The event in the form. Raises `UserError` for what cannot be."""
        kind = self._chosen_kind()
        date, day = parse_when(self.start.text())
        values: dict[str, Any] = {}
        for name in fields_of(kind):
            field = self.fields[name]
            if name == "end" and isinstance(field, QLineEdit):
                values["end_date"], values["end_day"] = parse_when(field.text())
            elif isinstance(field, QLineEdit):
                values[name] = field.text().strip()
            elif isinstance(field, QSpinBox | QDoubleSpinBox):
                values[name] = field.value() if field.value() >= 0 else None
            elif isinstance(field, QComboBox):
                values[name] = field.currentData()
        if kind is EventKind.SURGERY:
            values["extent"] = ExtentOfResection(values["extent"])
        elif kind is EventKind.CLINICAL_STATE:
            values["state"] = ClinicalState(values["state"])
        if self._editing is not None:
            # The form shows the date alone of an event that has a day too.
            day = self._editing.day if date is not None and date == self._editing.date else day
            if values.get("end_date") is not None and values["end_date"] == self._editing.end_date:
                values["end_day"] = self._editing.end_day
            values |= {"id": self._editing.id, "created_utc": self._editing.created_utc, "author": self._editing.author,
                       "timepoint": self._editing.timepoint}  # fmt: skip
        else:
            values["author"] = self._study.require_session().author
        try:
            event = ClinicalEvent(self._study.patient_key, kind, date, day, **values)
        except ValueError as error:
            raise UserError(f"The event cannot be kept: {error}.", "Correct the form.") from error
        clock = CourseClock.of(self._study.timepoints())
        check_order(event, clock)
        return on_the_calendar(event, clock, self._editing)

    def _save(self) -> None:
        session = self._study.require_session()
        try:
            event = self._typed()
        except UserError as error:
            self._study.failed.emit(error)
            return
        if self._editing is None:
            session.store.events.add(event, by=session.author)
        else:
            session.store.events.change(event, by=session.author)
        self._clear()
        self._bring_back()
        self.changed.emit()
        placed = CourseClock.of(self._study.timepoints()).start(event) is not None
        told = "" if placed else " Dates of the visits are not known: give it a day, such as day 45, to place it there."
        self._study.notice.emit(f"Kept: {event.kind.value}, {when_text(event)}.{told}")

    def _delete(self) -> None:
        if self._editing is None:
            return
        session = self._study.require_session()
        session.store.events.delete(self._editing.id, by=session.author)
        self._clear()
        self._bring_back()
        self.changed.emit()
