"""The course page: volumes over time with treatments, what became of each lesion, the RANO proposal to decide on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPixmap, QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QScrollArea,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.domain.response import ResponseCategory, ResponseMethod
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.ui.panels.parts import heading, push_button, quiet
from glioma_annotator.ui.study_controller import StudyController

if TYPE_CHECKING:
    from glioma_annotator.domain.rano import RanoProposal
    from glioma_annotator.domain.task_profile import TaskProfile
    from glioma_annotator.workflow.measure import MeasuredVisit
    from glioma_annotator.workflow.response import CourseResponse, MeasuredCourse


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """What a worker hands over: figures as PNG bytes, and what they were drawn from."""

    visits: tuple[MeasuredVisit, ...]
    lesions: MeasuredCourse
    response: CourseResponse
    profile: TaskProfile
    volumes_png: bytes
    lesions_png: bytes


class _Picture(QLabel):
    """A figure that keeps its proportions."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setMinimumSize(360, 240)
        self._full = QPixmap()

    def show_png(self, png: bytes) -> None:
        self._full.loadFromData(png)
        self._scale()

    def sizeHint(self) -> QSize:
        return QSize(860, 480)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._scale()

    def _scale(self) -> None:
        if not self._full.isNull():
            ratio = self.devicePixelRatioF()
            scaled = self._full.scaled(
                self.size() * ratio, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
            )
            scaled.setDevicePixelRatio(ratio)
            self.setPixmap(scaled)


class CoursePage(QDialog):
    """Measures the open patient's course on a worker and shows it; the window stays usable beside it."""

    def __init__(self, study: StudyController, parent: QWidget) -> None:
        super().__init__(parent)
        self._study = study
        self._patient = study.patient_key
        self._measured: _Measured | None = None
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(f"Course and response of {self._patient}")
        self.resize(960, 640)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(8)
        self.told = quiet("Measuring the masks and following the lesions …")
        column.addWidget(self.told)
        self.tabs = QTabWidget()
        self.volumes, self.waterfall = _Picture("Volumes over time"), _Picture("Change of each lesion")
        self.response = QScrollArea()
        self.response.setWidgetResizable(True)
        self.response.setFrameShape(QFrame.Shape.NoFrame)
        self.tabs.addTab(self.volumes, "Volumes")
        self.tabs.addTab(self.waterfall, "Lesions")
        self.tabs.addTab(self.response, "Response (RANO 2.0)")
        column.addWidget(self.tabs, 1)
        row = QHBoxLayout()
        self.method = QComboBox()
        for method in ResponseMethod:
            self.method.addItem(method.value, method)
        self.method.setAccessibleName("Response measured by")
        self.method.activated.connect(lambda _i: self.measure())
        row.addWidget(quiet("Response by", wrap=False))
        row.addWidget(self.method)
        row.addStretch(1)
        self.export = push_button("Export plots and tables…", "Write SVG, PNG and CSV to a folder", self._export)
        close = push_button("Close", "Close this page (Esc)", self.reject)
        for button in (self.export, close):
            button.setAutoDefault(False)
            row.addWidget(button)
        column.addLayout(row)
        study.workspace_changed.connect(self.close)
        self.measure()

    def measure(self) -> None:
        """Measure anew, on a worker."""
        session, patient = self._study.require_session(), self._patient
        method = ResponseMethod(self.method.currentData())
        self.export.setEnabled(False)

        def work(report: Report, cancel: CancelToken) -> _Measured:
            from glioma_annotator.workflow.alignment import VisitAlignment
            from glioma_annotator.workflow.course_plots import rendered, volume_figure, waterfall_figure
            from glioma_annotator.workflow.measure import measure_course
            from glioma_annotator.workflow.patient_course import load_course
            from glioma_annotator.workflow.profiles import load_profile
            from glioma_annotator.workflow.response import assess_response, measure_lesions

            store, profile = session.store, load_profile()
            course = load_course(store, patient)
            visits = measure_course(store, course, profile, report, cancel)
            lesions = measure_lesions(store, course, profile, VisitAlignment(store, report, cancel), report, cancel)
            return _Measured(
                tuple(visits),
                lesions,
                assess_response(store, lesions, method),
                profile,
                rendered(volume_figure(course, visits, profile), "png"),
                rendered(waterfall_figure(lesions), "png"),
            )

        def fail(error: BaseException) -> None:
            self.told.setText("The course could not be measured.")
            self._study.failed.emit(error)

        self._study.workers.computing.submit(
            "Measuring the course", work, self._show, fail, lambda: self.told.setText("Cancelled.")
        )

    def _show(self, measured: _Measured) -> None:
        self._measured = measured
        self.export.setEnabled(True)
        self.told.setText(
            "Volumes are voxel counts on the native grid of the newest approved mask of a visit, else of the newest. "
            "The category is a proposal; the reader decides."
        )
        self.volumes.show_png(measured.volumes_png)
        self.waterfall.show_png(measured.lesions_png)
        self._show_response(measured.response)

    def _show_response(self, response: CourseResponse) -> None:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setSpacing(12)
        titles = {t.key: t.title for t in self._study.timepoints()}
        targets = _short_ids(", ".join(response.targets)) or "none measurable"
        column.addWidget(quiet(f"Target lesions: {targets}"))
        for proposal in response.proposals:
            column.addWidget(self._card(proposal, titles.get(proposal.timepoint, proposal.timepoint), response))
        column.addStretch(1)
        self.response.setWidget(inside)

    def _card(self, proposal: RanoProposal, title: str, response: CourseResponse) -> QWidget:
        card = QFrame()
        card.setFrameShape(QFrame.Shape.StyledPanel)
        form = QFormLayout(card)
        form.setContentsMargins(12, 8, 12, 8)
        form.addRow(heading(f"{title}: {proposal.category.value}"))
        reasons = QLabel(_short_ids("\n".join(f"• {reason}" for reason in proposal.reasons)))
        reasons.setWordWrap(True)
        reasons.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        form.addRow(reasons)
        if proposal.inputs:
            inputs = quiet("\n".join(f"{name.replace('_', ' ')}: {_plain(v)}" for name, v in proposal.inputs.items()))
            inputs.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            form.addRow("Inputs", inputs)
        decided = response.decisions.get(proposal.timepoint)
        choice, comment = QComboBox(), QLineEdit(decided.comment if decided is not None else "")
        for category in ResponseCategory:
            choice.addItem(category.value, category)
        shown = decided.decided if decided is not None and decided.decided is not None else proposal.category
        choice.setCurrentIndex(choice.findText(shown.value))
        choice.setAccessibleName(f"Decision for {title}")
        comment.setPlaceholderText("Why, where it differs")
        comment.setAccessibleName(f"Comment for {title}")
        said = (
            f"Decided by {decided.reader} on {decided.decided_utc:%Y-%m-%d}"
            if decided is not None and decided.decided_utc is not None
            else "Not decided yet"
        )
        row = QHBoxLayout()
        row.addWidget(choice)
        row.addWidget(comment, 1)
        record = push_button("Record", "Keep the decision with name and time", lambda: None)
        record.clicked.connect(partial(self._decide, proposal, choice, comment))
        record.setAutoDefault(False)
        record.setEnabled(not self._study.read_only)
        row.addWidget(record)
        form.addRow("Decision", row)
        form.addRow("", quiet(said))
        return card

    def _decide(self, proposal: RanoProposal, choice: QComboBox, comment: QLineEdit) -> None:
        from glioma_annotator.workflow.response import decide

        session = self._study.require_session()
        decide(
            session.store,
            self._patient,
            ResponseMethod(self.method.currentData()),
            proposal,
            ResponseCategory(choice.currentData()),
            session.author,
            comment.text().strip(),
        )
        self._study.notice.emit(f"Decision recorded: {choice.currentText()}.")
        self.measure()

    def _export(self) -> None:
        dialog = QFileDialog(self, "Folder for plots and tables")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.write)
        dialog.open()

    def write(self, folder: str) -> None:
        """Write plots and tables to a folder, on a worker."""
        measured = self._measured
        if measured is None:
            return

        def work(_report: Report, _cancel: CancelToken) -> int:
            from glioma_annotator.workflow.course_plots import write_plots

            return len(write_plots(Path(folder), measured.visits, measured.lesions, measured.profile))

        def done(count: int) -> None:
            self._study.notice.emit(f"{count} files written.")

        self._study.workers.reading.submit("Writing plots", work, done, self._study.failed.emit)


def _short_ids(text: str) -> str:
    """Identities of lesions, 32 hexadecimal digits, cut to what tells them apart."""
    return re.sub(r"\b([0-9a-f]{6})[0-9a-f]{26}\b", r"\1", text)


def _plain(value: object) -> str:
    """A value of the rules' inputs for a reader."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{str(key).replace('_', ' ')} {_plain(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, list | tuple):
        return "; ".join(_plain(inner) for inner in value) or "none"
    return "unknown" if value is None else _short_ids(str(value))
