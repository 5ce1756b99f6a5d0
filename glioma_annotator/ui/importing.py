"""Import and demo study in the window: look, let the reader confirm, carry out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from glioma_annotator.domain.import_plan import ImportPlan, ImportSummary
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.progress import CancelToken, Report, part
from glioma_annotator.ui.panels.parts import count_text
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.workflow.import_study import known_visits, plan_conflicts, propose_import, run_import


class Importing(QObject):
    """Runs the steps of an import as jobs.

    Signals
    -------
    plan_ready(ImportPlan): what was found; the reader has to confirm it. imported(ImportSummary): it is in the
    workspace, and the first visit of it shows.
    """

    plan_ready = Signal(object)
    imported = Signal(object)

    def __init__(self, study: StudyController, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._study = study
        self._untold: ImportSummary | None = None
        study.visit_changed.connect(self._on_visit)

    def look(self, paths: Sequence[Path], patient: str | None = None) -> None:
        """Look through files and folders on a worker; `patient` is whose visits they are, where that is known."""
        study = self._study
        study.require_session()
        chosen = tuple(paths)

        def work(report: Report, cancel: CancelToken) -> ImportPlan:
            return propose_import(chosen, report, cancel, patient=patient)

        study.workers.computing.submit("Looking through the folder", work, self.plan_ready.emit, study.failed.emit)

    def run(self, plan: ImportPlan) -> None:
        """Carry a confirmed plan out, then show the first visit of it."""
        study = self._study
        session = study.require_session()
        before = len(known_visits(plan, session.store))

        def work(report: Report, cancel: CancelToken) -> ImportSummary:
            return run_import(plan, session.store, session.author, report, cancel, study.services.find_brain)

        def cancelled() -> None:
            if study.session is session:
                self._on_cancelled(len(known_visits(plan, session.store)) - before)

        study.workers.computing.submit("Importing", work, self._on_imported, self._on_failed, cancelled)

    def open_demo(self) -> None:
        """Build the demo study where needed, import it once, and show it."""
        study = self._study
        session = study.require_session()
        build = study.services.build_demo
        if build is None:
            return

        def work(report: Report, cancel: CancelToken) -> ImportSummary:
            paths = tuple(build(part(report, 0.0, 0.7), cancel))
            plan = propose_import(paths, part(report, 0.7, 0.8), cancel)
            if plan_conflicts(plan, session.store):
                return ImportSummary(plan.patients, (), 0, 0)
            return run_import(plan, session.store, session.author, part(report, 0.8, 1.0), cancel)

        study.workers.computing.submit(
            "Building the demo study", work, self._on_imported, study.failed.emit, self._on_cancelled
        )

    def _on_cancelled(self, stored: int = 0) -> None:
        stay = f" {count_text(stored, 'visit')} imported before that {'stay' if stored > 1 else 'stays'}."
        self._study.notice.emit("The import was cancelled." + (stay if stored else ""))
        self._study.patient_changed.emit()

    def _on_failed(self, error: BaseException) -> None:
        self._study.patient_changed.emit()  # visits stored before the failure stay
        self._study.failed.emit(error)

    def _on_imported(self, summary: ImportSummary) -> None:
        study = self._study
        visits = len(summary.timepoint_ids)
        if visits:
            masks = f", {count_text(summary.masks, 'mask')}" if summary.masks else ""
            what = f"{count_text(visits, 'visit')}: {count_text(summary.images, 'sequence')}{masks}"
            study.notice.emit(f"Imported {what}.")
        self._tell()
        self._untold = summary
        if study.session is None or not summary.patients:
            self._tell()
            return
        first = next((v.key for v in self._new_visits(summary)), "")
        study.open_patient(summary.patients[0], first)
        if study.opening is None:
            self._tell()

    def _on_visit(self) -> None:
        """A visit that comes up clears what was said before: the import is told of after that."""
        if self._study.visit is not None and self._study.opening is None:
            QTimer.singleShot(0, self, self._tell)

    def _tell(self) -> None:
        summary, self._untold = self._untold, None
        if summary is not None:
            self.imported.emit(summary)

    def _new_visits(self, summary: ImportSummary) -> tuple[Timepoint, ...]:
        session = self._study.require_session()
        visits = [session.store.timepoint(key) for key in summary.timepoint_ids]
        patient = session.store.patient(summary.patients[0])
        return tuple(v for v in visits if patient is not None and v.patient_id == patient.id)
