"""The course page: volumes over time with treatments, what became of each lesion, the RANO proposal to decide on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QComboBox, QDialog, QFileDialog, QHBoxLayout, QTabWidget, QVBoxLayout, QWidget

from glioma_annotator.domain.response import ResponseCategory, ResponseMethod
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.ui.dialogs.course_picture import CoursePicture
from glioma_annotator.ui.dialogs.diameter_editor import DiameterEditor, LesionPicture
from glioma_annotator.ui.dialogs.response_page import ResponsePage
from glioma_annotator.ui.dialogs.volume_table import fill_volumes, volume_table
from glioma_annotator.ui.panels.parts import push_button, quiet, roomy
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.ui.viewer.types import Convention
from glioma_annotator.workflow.export_study import best_revision
from glioma_annotator.workflow.lesion_names import readable

if TYPE_CHECKING:
    from glioma_annotator.domain.rano import RanoProposal
    from glioma_annotator.domain.response import DiameterLine, LesionMeasurement
    from glioma_annotator.domain.task_profile import TaskProfile
    from glioma_annotator.workflow.jobs import Job
    from glioma_annotator.workflow.measure import MeasuredVisit
    from glioma_annotator.workflow.response import CourseResponse, MeasuredCourse


#: Key of a visit and the revision that counts there.
Masks = tuple[tuple[str, int | None], ...]

#: Events, samples, findings and accepted registrations of the patient, which enter what is shown beside the masks.
Records = tuple[object, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """What a worker hands over: figures as PNG bytes, and what they were drawn from."""

    visits: tuple[MeasuredVisit, ...]
    lesions: MeasuredCourse
    response: CourseResponse
    profile: TaskProfile
    volumes_png: bytes
    lesions_png: bytes
    messages: tuple[str, ...]


class CoursePage(QDialog):
    """Measures the open patient's course on a worker and shows it; the window stays usable beside it."""

    def __init__(self, study: StudyController, parent: QWidget) -> None:
        super().__init__(parent)
        self._study = study
        self._patient = study.patient_key
        self._measured: _Measured | None = None
        self._worse: set[str] = set()
        self._job: Job | None = None
        self._masks: Masks = ()
        self._records: Records = ()
        self._closed = False
        self.editor: DiameterEditor | None = None
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(f"Course and response of {self._patient}")
        self.resize(roomy(parent, 1200, 670).boundedTo(self.screen().availableSize()))
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(8)
        self.told = quiet()
        column.addWidget(self.told)
        self.tabs = QTabWidget()
        self.volumes, self.waterfall = CoursePicture("Volumes over time"), CoursePicture("Change of each lesion")
        self.table = volume_table()
        self.response = ResponsePage()
        self.response.decided.connect(self._decide)
        self.response.targets_chosen.connect(self._choose_targets)
        self.response.judged.connect(self._judge)
        self.response.adjust.connect(self.adjust)
        self.response.again.connect(self._measure_lesion)
        self.tabs.addTab(self.volumes, "Volumes")
        self.tabs.addTab(self.table, "Table")
        self.tabs.addTab(self.waterfall, "Lesions")
        self.tabs.addTab(self.response, "Response (RANO 2.0)")
        column.addWidget(self.tabs, 1)
        row = QHBoxLayout()
        self.method = QComboBox()
        for method in ResponseMethod:
            self.method.addItem(method.value, method.value)
        self.method.setAccessibleName("Response measured by")
        self.method.activated.connect(lambda _i: self._assess())
        row.addWidget(quiet("Response by", wrap=False))
        row.addWidget(self.method)
        row.addStretch(1)
        self.export = push_button("Export plots and tables…", "Write SVG, PNG and CSV to a folder", self._export)
        close = push_button("Close", "Close this page (Esc)", self.reject)
        for button in (self.export, close):
            button.setAutoDefault(False)
            row.addWidget(button)
        column.addLayout(row)
        self.finished.connect(self._end)
        study.workspace_changed.connect(self.close)
        study.patient_changed.connect(self._on_masks)
        study.revisions_changed.connect(self._on_masks)
        self.measure()

    def _end(self) -> None:
        """Closed: what is still measured is not wanted any more."""
        self._closed = True
        if self._job is not None:
            self._job.cancel()
        self._job = None

    @property
    def _method(self) -> ResponseMethod:
        return ResponseMethod(self.method.currentData())

    def _counting(self) -> Masks:
        """The mask that counts at each visit."""
        store = self._study.require_session().store
        found = ((t.key, best_revision(store.revisions(t.id)) if t.id else None) for t in self._study.timepoints())
        return tuple((key, revision.id if revision is not None else None) for key, revision in found)

    def _recorded(self) -> Records:
        store = self._study.require_session().store
        kept = (store.events, store.histology, store.findings, store.registrations)
        return tuple(record for records in kept for record in records.of_patient(self._patient))

    def changeEvent(self, event: QEvent) -> None:
        """The reader comes back from the window, where the clinical course may have been written on."""
        super().changeEvent(event)
        back = event.type() is QEvent.Type.ActivationChange and self.isActiveWindow() and not self._closed
        same = self._study.session is not None and self._study.patient_key == self._patient
        if back and same and self._recorded() != self._records:
            self.measure()
            self.told.setText("The patient's records were changed: measuring anew …")

    def _on_masks(self) -> None:
        """Another patient, or a mask that was saved or approved."""
        if self._closed:
            return
        if self._study.session is None or self._study.patient_key != self._patient:
            self.close()
        elif self._counting() != self._masks:
            self.measure()
            self.told.setText("A mask was saved or approved: measuring anew …")

    def measure(self) -> None:
        """Measure anew, on a worker; until that is done nothing can be decided on what is shown."""
        if self._closed:
            return
        session, patient, method = self._study.require_session(), self._patient, self._method
        if self._job is not None:
            self._job.cancel()
        self._masks, self._records = self._counting(), self._recorded()
        self.export.setEnabled(False)
        self.response.setEnabled(False)
        self.told.setText("Measuring the masks and following the lesions …")

        def work(report: Report, cancel: CancelToken) -> _Measured:
            from glioma_annotator.workflow.alignment import VisitAlignment
            from glioma_annotator.workflow.course_plots import rendered, volume_figure, waterfall_figure
            from glioma_annotator.workflow.measure import measure_course, with_own_labels
            from glioma_annotator.workflow.patient_course import load_course
            from glioma_annotator.workflow.profiles import load_profile
            from glioma_annotator.workflow.response import assess_response, measure_lesions

            store = session.store
            profile = with_own_labels(store, load_profile())
            course = load_course(store, patient)
            visits = measure_course(store, course, profile, report, cancel)
            align = VisitAlignment(store, report, cancel)
            lesions = measure_lesions(store, course, profile, align, report, cancel)
            return _Measured(
                tuple(visits),
                lesions,
                assess_response(store, lesions, method),
                profile,
                rendered(volume_figure(course, visits, profile), "png"),
                rendered(waterfall_figure(lesions), "png"),
                tuple(align.messages),
            )

        def wanted() -> bool:
            """Whether the page is open and has not begun to measure again since."""
            if self._job is not job:
                return False
            self._job = None
            return True

        def done(measured: _Measured) -> None:
            if wanted():
                self._show(measured)

        def fail(error: BaseException) -> None:
            if not wanted():
                return
            reason = str(error) if isinstance(error, UserError) else "The course could not be measured."
            self.told.setText(reason)
            if not isinstance(error, UserError):
                self._study.failed.emit(error)

        def cancelled() -> None:
            if wanted():
                self.told.setText("Cancelled. Open this page again to measure and decide.")

        job = self._study.workers.computing.submit("Measuring the course", work, done, fail, cancelled)
        self._job = job

    def _show(self, measured: _Measured) -> None:
        self._measured = measured
        self.export.setEnabled(True)
        self.response.setEnabled(True)
        lines = (
            "Volumes are voxel counts on the native grid of the newest approved mask of a visit, else of the newest. "
            "The category is a proposal; the reader decides.",
            *measured.messages,
            *(doubt for visit in measured.lesions.visits for doubt in visit.doubts),
        )
        self.told.setText("\n".join(lines))
        self.volumes.show_png(measured.volumes_png)
        self.waterfall.show_png(measured.lesions_png)
        fill_volumes(self.table, measured.visits, measured.profile.scheme)
        self._assess()  # the reader may have chosen another method meanwhile

    def _show_response(self) -> None:
        measured = self._measured
        if measured is not None:
            self.response.show_response(measured.lesions, measured.response, not self._study.read_only)

    # deciding

    def _assess(self) -> None:
        """Propose anew from what is measured."""
        from glioma_annotator.workflow.response import assess_response

        measured, store = self._measured, self._study.require_session().store
        if measured is not None:
            response = assess_response(store, measured.lesions, self._method, non_target_worse=self._worse)
            self._measured = replace(measured, response=response)
            self._show_response()

    def _judge(self, visit: str, worse: bool) -> None:
        """The reader's judgement of non-target disease; it is recorded with the decision."""
        measured = self._measured
        if measured is None:
            return
        self._worse = self._worse | {visit} if worse else self._worse - {visit}
        if not worse:  # also where an earlier decision recorded it
            visits = tuple(
                replace(v, non_target_worse=False) if v.timepoint == visit else v for v in measured.lesions.visits
            )
            self._measured = replace(measured, lesions=replace(measured.lesions, visits=visits))
        self._assess()

    def _decide(self, proposal: RanoProposal, category: ResponseCategory, comment: str) -> None:
        from glioma_annotator.workflow.response import decide

        session = self._study.require_session()
        decide(session.store, self._patient, self._method, proposal, category, session.author, comment)
        self._study.notice.emit(f"Decision recorded: {category.value}.")
        self._assess()

    def _choose_targets(self, targets: tuple[str, ...]) -> None:
        from glioma_annotator.workflow.response import choose_targets

        measured, session = self._measured, self._study.require_session()
        if measured is None:
            return
        try:
            choose_targets(session.store, measured.lesions, measured.response, targets, session.author)
        except UserError as error:
            self.told.setText(str(error))
        self._assess()

    # diameters

    def adjust(self, visit: int, lesion: int) -> None:
        """Show the diameters of a lesion on its slice, to be moved."""
        measured, store = self._measured, self._study.require_session().store
        if measured is None:
            return
        seen, made = measured.lesions.course.visits[visit], measured.lesions.visits[visit].lesions[lesion]
        found = measured.lesions.maps[visit]
        assert found is not None, "a lesion was measured in a mask"
        numbers = [t.number for t in measured.lesions.lesions[visit] if t.number is not None]
        inside = found.numbered == numbers[lesion]
        timepoint = seen.timepoint

        def work(_report: Report, _cancel: CancelToken) -> LesionPicture:
            name = next((n for n in ("T1Gd", timepoint.reference) if timepoint.sequence(n)), timepoint.reference)
            title = f"{readable(made.lesion, measured.lesions.titles)}, {timepoint.title}, {name}"
            return LesionPicture(store.load_image(timepoint, name), inside, title)

        def show(picture: LesionPicture) -> None:
            if self._closed or self._measured is None or self._measured.visits is not measured.visits:
                return
            convention = Convention(self._study.services.settings.display.convention)
            outdated = measured.lesions.visits[visit].out_of_date(made)
            self.editor = DiameterEditor(picture, made, convention, not self._study.read_only, self, outdated=outdated)
            number = seen.revision.number if seen.revision is not None else None
            self.editor.recorded.connect(lambda one, other: self._record(made, one, other, number))
            self.editor.reset.connect(lambda: self._reset(made))
            self.editor.finished.connect(self._forget_editor)
            self.editor.open()

        self._study.workers.reading.submit(f"Opening {timepoint.title}", work, show, self._study.failed.emit)

    def _forget_editor(self) -> None:
        self.editor = None

    def _record(self, made: LesionMeasurement, one: DiameterLine, other: DiameterLine, revision: int | None) -> None:
        from glioma_annotator.workflow.diameters import adjust_diameters

        session = self._study.require_session()
        adjusted = adjust_diameters(session.store, made, one, other, session.author, revision)
        product = f"{adjusted.longest_mm:.1f} × {adjusted.perpendicular_mm:.1f} mm"
        self._study.notice.emit(f"Diameters recorded: {product}, adjusted by {session.author}.")
        self._measure_again()

    def _measure_lesion(self, visit: int, lesion: int) -> None:
        """Measure a lesion from the mask, in place of diameters that were set on an earlier one."""
        if self._measured is not None:
            self._reset(self._measured.lesions.visits[visit].lesions[lesion])

    def _reset(self, made: LesionMeasurement) -> None:
        from glioma_annotator.workflow.diameters import reset_diameters

        session = self._study.require_session()
        reset_diameters(session.store, made, session.author)
        self._study.notice.emit("The diameters are measured from the mask again.")
        self._measure_again()

    def _measure_again(self) -> None:
        """Take over the diameters that are recorded now, on a worker."""
        measured, store = self._measured, self._study.require_session().store
        if measured is None:
            return
        if self._job is not None:  # it may have read the earlier diameters
            self.measure()
            return

        def work(_report: Report, _cancel: CancelToken) -> MeasuredCourse:
            from glioma_annotator.workflow.response import measure_again

            return measure_again(store, measured.lesions)

        def done(lesions: MeasuredCourse) -> None:
            if self._closed or self._measured is None:
                return
            if self._measured.visits is measured.visits:  # else measured anew since
                self._measured = replace(self._measured, lesions=lesions)
                self._assess()

        self._study.workers.reading.submit("Measuring the lesions again", work, done, self._study.failed.emit)

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
