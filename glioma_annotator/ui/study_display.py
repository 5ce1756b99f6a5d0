"""Keeps timeline, start page, status bar, banner and title in step with the study."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.ui.job_bar import saved_text
from glioma_annotator.ui.overview import PatientOverview, mask_state, read_overview
from glioma_annotator.ui.reading_state import ToolName
from glioma_annotator.ui.timeline import TimelineVisit, event_marks
from glioma_annotator.ui.viewer.types import HoverInfo, Layout

if TYPE_CHECKING:
    from glioma_annotator.ui.window import MainWindow


class StudyDisplay(QObject):
    """Redraws what the window shows of the study, whenever the study says that it changed."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._study = study = window.study
        study.notice.connect(window.status.show_notice)
        study.workspace_changed.connect(self._on_workspace)
        study.patient_changed.connect(self._on_patient)
        study.failed.connect(self._on_failed)
        study.visit_changed.connect(self._on_visit)
        study.recovered.connect(self._on_recovered)
        study.proposal_changed.connect(self._on_proposal)
        window.previewing.changed.connect(self._on_preview)
        study.edit_state_changed.connect(self._refresh_saved)
        study.revisions_changed.connect(self._refresh_saved)
        study.revisions_changed.connect(self._window.banner.withdraw_choices)  # saved another way
        window.timeline.visit_chosen.connect(self._on_visit_chosen)
        window.timeline.beside_chosen.connect(self._show_beside)
        window.timeline.add_visit.connect(lambda: window.dialogs.ask_folder(study.patient_key))
        window.timeline.patient_chosen.connect(study.open_patient)
        window.start_page.visit_chosen.connect(study.open_patient)
        window.view.crosshair_moved.connect(window.status.show_place)
        window.view.hovered.connect(self._on_hover)

    def _on_proposal(self) -> None:
        """What there is to decide on must not lie behind another panel."""
        visit = self._study.visit
        if visit is not None and visit.proposal is not None:
            self._window.mask_dock.raise_()

    def _on_preview(self) -> None:
        if self._window.previewing.ready and self._window.reading.tool is not ToolName.FILL:  # which applies at once
            self._window.mask_dock.raise_()

    def show_page(self, *, study: bool) -> None:
        """The open patient, or the start page."""
        window = self._window
        window.pages.setCurrentIndex(1 if study else 0)
        for part in (
            window.timeline_bar,
            window.tool_bar,
            window.mask_dock,
            window.findings_dock,
            window.histology_dock,
            window.clinical_dock,
            window.model_dock,
        ):
            part.setVisible(study)
        if not study:
            window.review_dock.hide()  # it has nothing to list
        elif window.review_was_open:  # when the program ended: its place in front is the mask's now
            window.review_was_open = False
            QTimer.singleShot(0, window, window.mask_dock.raise_)  # once the docks have their tabs
        window.status.show_figures(study)

    def _on_workspace(self) -> None:
        window = self._window
        window.status.read_only.setVisible(self._study.read_only)
        window.timeline.add.setEnabled(not self._study.read_only)
        if self._study.read_only:
            window.banner.tell("This workspace is open for reading only: you can look at everything, change nothing.")

    def _on_patient(self) -> None:
        session, key = self._study.session, self._study.patient_key
        self.show_page(study=bool(key))
        self._refresh_title()
        if session is None:
            return
        if not key:
            self._read_overview()
            return
        visits = [TimelineVisit(v, mask_state(session.store, v.id or 0)) for v in self._study.timepoints()]
        self._window.timeline.show_patient(key, [p.key for p in session.patients()], visits)
        self.show_events()
        self._mark_visit()

    def show_events(self) -> None:
        """Mark the patient's surgery and treatments on the timeline."""
        session, key = self._study.session, self._study.patient_key
        if session is not None and key:
            events = session.store.events.of_patient(key)
            samples = session.store.histology.of_patient(key)
            self._window.timeline.show_events(event_marks(self._study.timepoints(), events, samples))

    def _on_failed(self) -> None:
        if self._study.session is None:
            self._window.start_page.show_closed()

    def _read_overview(self) -> None:
        session = self._study.session
        if session is None:
            return

        def work(report: Report, cancel: CancelToken) -> tuple[PatientOverview, ...]:
            return read_overview(session.store, report, cancel)

        def done(overview: tuple[PatientOverview, ...]) -> None:
            if self._study.session is session:
                self._window.start_page.show_workspace(session.store.path, overview)
                QTimer.singleShot(0, self, self._window.view.preload)  # while the reader looks at the page

        self._window.workers.reading.submit("Looking at the workspace", work, done, self._study.failed.emit)

    def _on_visit(self) -> None:
        window, visit = self._window, self._study.visit
        if not self._study.read_only:
            window.banner.hide()
        self._mark_visit()
        self._refresh_saved()
        self._refresh_title()
        window.status.show_hover(None, self._study.scheme)
        if visit is None:
            window.status.show_place(None)
        else:
            window.view.setFocus()

    def _on_recovered(self, steps: int) -> None:
        visit = self._study.require_visit()
        many = "steps were" if steps > 1 else "step was"
        text = f"{steps} unsaved {many} recovered for {visit.timepoint.title}."
        save = ("Save", "Keep the mask as a new revision", self._window.study.save)
        discard = ("Discard", "Undo these steps; redo brings them back", self._window.study.discard_unsaved)
        self._window.banner.tell(text, (save, discard))

    def _on_visit_chosen(self, visit: Timepoint) -> None:
        self._mark_visit()  # a click has switched the button; it stays on the visit that is shown until this one is
        self._study.open_visit(visit)

    def _show_beside(self, visit: Timepoint) -> None:
        self._study.beside.choose(visit)
        self._window.view.set_layout(Layout.TIMEPOINTS)

    def _mark_visit(self) -> None:
        self._window.timeline.mark(self._study.visit.id if self._study.visit else None)

    def _on_hover(self, info: HoverInfo | None) -> None:
        self._window.status.show_hover(info, self._study.scheme)

    def _refresh_saved(self) -> None:
        visit, status = self._study.visit, self._window.status
        if visit is None:
            status.show_saved("")
            return
        revision = next((r for r in visit.revisions if r.id == visit.parent_id), None)
        editor = visit.editor
        steps = max(len(editor.unsaved_edits), 1) if editor.unsaved else 0
        status.show_saved(saved_text(steps, revision.created_utc if revision else None))
        self._window.setWindowModified(editor.unsaved)

    def _refresh_title(self) -> None:
        visit = self._study.visit
        parts = [self._study.patient_key, visit.timepoint.title if visit else ""]
        where = ", ".join(filter(None, parts))
        self._window.setWindowTitle(f"{where}[*] - glioma-annotator" if where else "glioma-annotator[*]")
