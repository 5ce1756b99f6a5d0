"""The VASARI sheet of a visit: features in the lexicon's order, computed or chosen, beside those of another visit."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.domain.task_profile import TaskProfile
from glioma_annotator.domain.vasari import VasariEntry
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.ui.dialogs.vasari_row import VasariRow
from glioma_annotator.ui.panels.entry_fields import Choice
from glioma_annotator.ui.panels.parts import count_text, heading, push_button, quiet, roomy
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.workflow.export_study import best_revision
from glioma_annotator.workflow.jobs import Job
from glioma_annotator.workflow.profiles import load_profile
from glioma_annotator.workflow.vasari_entry import (
    Sheet,
    choose,
    compare,
    confirm,
    current_sheet,
    offer,
    wants_computing,
    write_sheets,
)


class VasariPage(QDialog):
    """Fills in the sheets of the open patient's visits; the window stays usable beside it."""

    def __init__(self, study: StudyController, parent: QWidget) -> None:
        super().__init__(parent)
        self._study = study
        self._patient = study.patient_key
        self._profile: TaskProfile = load_profile()
        self._jobs: dict[str, Job] = {}  # by visit
        self._closed = False
        self._shown = ""  # key of the visit whose values stand in the rows
        self._visits = {t.key: t for t in study.timepoints()}
        self.setWindowTitle(f"VASARI sheet of {self._patient}")
        self.resize(roomy(parent, 1120, 660))
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 12, 16, 12)
        column.setSpacing(8)
        column.addLayout(self._build_head())
        self.told = quiet()
        column.addWidget(self.told)
        column.addWidget(self._build_sheet(), 1)
        column.addLayout(self._build_foot())
        self.finished.connect(self._end)
        study.workspace_changed.connect(self.close)
        study.patient_changed.connect(self._on_patient)
        study.revisions_changed.connect(self._refresh)
        open_visit = study.visit.timepoint.key if study.visit is not None else next(iter(self._visits), "")
        self.visit.show_value(open_visit)
        self._on_visit()

    # building

    def _build_head(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.visit, self.other = Choice("Visit of the sheet"), Choice("Visit compared with")
        for timepoint in self._visits.values():
            self.visit.add(timepoint.title, timepoint.key)
        self.visit.chosen.connect(self._on_visit)
        self.other.chosen.connect(self._refresh)
        self.only_changed = QCheckBox("Only what changed")
        self.only_changed.setToolTip("Hide the features that are alike at both visits")
        self.only_changed.toggled.connect(self._refresh)
        for text, choice in (("Visit", self.visit), ("Compare with", self.other)):
            label = QLabel(text)
            label.setBuddy(choice)
            choice.setMinimumContentsLength(32)  # a date and the longest phase
            row.addWidget(label)
            row.addWidget(choice)
        row.addWidget(self.only_changed)
        row.addStretch(1)
        return row

    def _build_sheet(self) -> QScrollArea:
        inside = QWidget()
        self._grid = QGridLayout(inside)
        self._grid.setContentsMargins(0, 0, 8, 0)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(4)
        for place, (title, share) in enumerate((("Feature", 5), ("Value", 3), ("Status", 8), ("", 0), ("Before", 3))):
            label = heading(title)
            label.setWordWrap(True)
            self._grid.addWidget(label, 0, place)
            self._grid.setColumnStretch(place, share)
            if title == "Before":
                self._before_head = label
        self.rows = {
            feature.number: VasariRow(self._grid, number, feature, self._choose, self._confirm)
            for number, feature in enumerate(self._profile.vasari, start=1)
        }
        self._grid.setRowStretch(len(self.rows) + 1, 1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inside)
        return scroll

    def _build_foot(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.compute = push_button("Compute from the mask", "Offer what the visit's mask gives, anew", self.start)
        self.confirm_all = push_button(
            "Confirm all computed", "Agree with every computed value of this visit", self._confirm_all
        )
        self.export = push_button("Export CSV…", "Write the sheets of every visit as one table", self._ask_path)
        close = push_button("Close", "Close this sheet (Esc); every entry is kept already", self.reject)
        for button in (self.compute, self.confirm_all):
            row.addWidget(button)
        row.addStretch(1)
        for button in (self.export, close):
            row.addWidget(button)
        for button in (self.compute, self.confirm_all, self.export, close):
            button.setAutoDefault(False)
        return row

    def _end(self) -> None:
        """Closed: what is still computed is not wanted any more."""
        self._closed = True
        for job in self._jobs.values():
            job.cancel()

    # what is shown

    @property
    def _key(self) -> str:
        return str(self.visit.currentData() or "")

    def _sheet(self, key: str) -> Sheet:
        return current_sheet(self._study.require_session().store, self._patient, key) if key else {}

    def _revision(self, key: str) -> int | None:
        """Number of the mask that counts at a visit."""
        timepoint = self._visits.get(key)
        if timepoint is None or timepoint.id is None:
            return None
        found = best_revision(self._study.require_session().store.revisions(timepoint.id))
        return found.number if found is not None else None

    def _on_patient(self) -> None:
        if self._study.patient_key != self._patient:
            self.close()
            return
        self._refresh()  # a mask may have been saved or approved

    def _on_visit(self) -> None:
        """Another visit: compare with the one before it, and compute what its mask gives unless that was done."""
        keys = list(self._visits)
        place = keys.index(self._key) if self._key in keys else 0
        others = {timepoint.title: key for key, timepoint in self._visits.items() if key != self._key}
        self.other.show_choices({"no other visit": "", **others})
        self.other.show_value(keys[place - 1] if place else "")
        self._refresh()
        if not self._study.read_only and wants_computing(self._sheet(self._key), self._revision(self._key)):
            self.start()

    def _refresh(self) -> None:
        if self._closed or self._study.session is None or self._study.patient_key != self._patient:
            return
        sheet, revision = self._sheet(self._key), self._revision(self._key)
        other = str(self.other.currentData() or "")
        changes = compare(self._profile, self._sheet(other), sheet)
        only = self.only_changed.isChecked() and bool(other)
        editable = not self._study.read_only
        for number, row in self.rows.items():
            change = changes[number] if other else None
            row.show_entry(sheet.get(number), revision, change, editable=editable, other=self._key != self._shown)
            row.set_visible(not only or changes[number].changed)
        self._shown = self._key
        self.only_changed.setEnabled(bool(other))
        self._before_head.setText(self.other.currentText() if other else "")
        open_ones = [e for e in sheet.values() if not e.confirmed]
        self.confirm_all.setEnabled(editable and bool(open_ones))
        self.compute.setEnabled(editable and revision is not None and self._key not in self._jobs)
        self._tell(sheet, open_ones, revision)

    def _tell(self, sheet: Sheet, open_ones: list[VasariEntry], revision: int | None) -> None:
        if self._key in self._jobs:
            text = "Computing what the mask gives; the bar below the images shows how far, and cancels."
        elif revision is None:
            text = "This visit has no mask: nothing can be computed. Choose the values, or segment the visit first."
        else:
            text = f"Computed from revision {revision}, the newest approved mask, else the newest."
        filled = f"{len(sheet)} of {len(self.rows)} features have a value"
        waiting = f", {len(open_ones)} of them computed and to be confirmed" if open_ones else ""
        self.told.setText(f"{filled}{waiting}. {text}")

    # what the reader does

    def _choose(self, feature: str, value: str) -> None:
        session = self._study.require_session()
        try:
            choose(session.store, self._profile, self._patient, self._key, feature, value, session.author)
        except UserError as error:
            self.rows[feature].refuse(f"{error.what} {error.todo}")
            return
        self._refresh()

    def _confirm(self, entry: VasariEntry) -> None:
        session = self._study.require_session()
        confirm(session.store, [entry], session.author)
        self._refresh()

    def _confirm_all(self) -> None:
        session = self._study.require_session()
        count = confirm(session.store, self._sheet(self._key).values(), session.author)
        self._study.notice.emit(f"{count_text(count, 'value')} confirmed.")
        self._refresh()

    def start(self) -> None:
        """Compute on a worker what the visit's mask gives, and offer it."""
        session, patient, key, profile = self._study.require_session(), self._patient, self._key, self._profile
        timepoint = self._visits[key]
        if key in self._jobs:
            return

        def work(report: Report, cancel: CancelToken) -> tuple[VasariEntry, ...]:
            from glioma_annotator.workflow.patient_course import load_course
            from glioma_annotator.workflow.vasari_sheet import propose_sheet  # scipy: not when the window opens

            course = load_course(session.store, patient)
            index = next(i for i, visit in enumerate(course.visits) if visit.timepoint.key == key)
            return propose_sheet(session.store, course, index, profile, cancel, report)

        def done(proposed: tuple[VasariEntry, ...]) -> None:
            if self._closed:
                return
            if self._study.session is session:
                offer(session.store, patient, key, proposed)
                self._study.notice.emit(
                    f"{count_text(len(proposed), 'feature')} computed for {timepoint.title}; confirm or change them."
                )
            ended()

        def fail(error: BaseException) -> None:
            if self._closed:
                return
            ended()
            self._study.failed.emit(error)

        def ended() -> None:
            self._jobs.pop(key, None)
            self._refresh()

        title = f"VASARI features of {timepoint.title}"
        self._jobs[key] = self._study.workers.computing.submit(title, work, done, fail, ended)
        self._refresh()

    def _ask_path(self) -> None:
        dialog = QFileDialog(self, "Table of the VASARI sheets")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilter("Tables (*.csv)")
        dialog.setDefaultSuffix("csv")
        dialog.selectFile("vasari.csv")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.write)
        dialog.open()

    def write(self, path: str) -> None:
        """Write the sheets of every visit to a file, on a worker."""
        store, visits = self._study.require_session().store, tuple(self._visits.values())
        profile, patient = self._profile, self._patient

        def work(_report: Report, _cancel: CancelToken) -> int:
            return write_sheets(store, profile, patient, visits, Path(path))

        def done(count: int) -> None:
            self._study.notice.emit(f"{count_text(count, 'value')} written to {Path(path).name}.")

        self._study.workers.reading.submit("Writing the VASARI table", work, done, self._study.failed.emit)
