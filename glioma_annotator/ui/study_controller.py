"""Workspace, patient and visit in the window: opens them on a worker, hands them over, says what changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, Signal

from glioma_annotator.domain.edit_rules import EditRules
from glioma_annotator.domain.editing import differing
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, LabelScheme
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import SegmentationRevision
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.errors import UserError, WorkspaceBusy
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.ui.saving import RevisionSaving, restored_text
from glioma_annotator.ui.services import Services
from glioma_annotator.ui.visit_beside import VisitBeside
from glioma_annotator.ui.visit_signals import VisitSignals
from glioma_annotator.ui.workers import Workers
from glioma_annotator.ui.writing import Writing
from glioma_annotator.workflow.jobs import Job
from glioma_annotator.workflow.ports import Store
from glioma_annotator.workflow.study import OpenTimepoint, StudySession
from glioma_annotator.workflow.time_log import TimeLog
from glioma_annotator.workflow.visit_records import LoadedTimepoint

_AS_SAVED = "The mask is as it was last saved; undo takes that back."


class StudyController(QObject):
    """The window's side of a `StudySession`.

    Signals
    -------
    workspace_changed: another workspace is open. workspace_busy(Path, WorkspaceBusy): it is open elsewhere.
    patient_changed: another patient, or its visits or their revisions changed.
    visit_changed: another visit is open, or none (`visit` is None).
    mask_changed(Box): voxels changed. edit_state_changed: undo names, locks or the unsaved state changed.
    proposal_changed, revisions_changed: of the open visit. scheme_changed: labels were added, changed or deleted.
    recovered(int): the visit came with so many steps that an earlier run of the program left unsaved.
    notice(str): a sentence for the status bar. failed(BaseException): for the error dialog.
    """

    workspace_changed = Signal()
    workspace_busy = Signal(object, object)
    patient_changed = Signal()
    visit_changed = Signal()
    leaving_visit = Signal()
    leaving_workspace = Signal()
    mask_changed = Signal(object)
    edit_state_changed = Signal()
    proposal_changed = Signal()
    revisions_changed = Signal()
    scheme_changed = Signal()
    recovered = Signal(int)
    notice = Signal(str)
    failed = Signal(object)

    def __init__(self, services: Services, workers: Workers, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.services = services
        self.workers = workers
        self.writing = Writing(workers.writing, self.failed.emit)
        self.session: StudySession | None = None
        self.opening: Timepoint | None = None
        self._opening_job: Job | None = None
        self._seen: set[int] = set()
        self._names: set[str] = set()
        self.time_log = TimeLog()
        self.saving = RevisionSaving(workers.writing, self.time_log, self._on_saved, self.failed.emit, self.notice.emit)
        self._signals = VisitSignals(
            self.mask_changed.emit, self.edit_state_changed.emit, self.proposal_changed.emit,
            self.revisions_changed.emit, self._flush_steps,
        )  # fmt: skip
        self._visit_count = 0
        self._rules: dict[int, EditRules] = {}
        self.beside = VisitBeside(self)
        self.patient_changed.connect(self._on_patient)

    # what is open

    @property
    def scheme(self) -> LabelScheme:
        return self.session.scheme if self.session else GLIOMA_POST_TREATMENT

    @property
    def visit(self) -> OpenTimepoint | None:
        return self.session.open if self.session else None

    @property
    def read_only(self) -> bool:
        return self.session is not None and self.session.store.read_only

    @property
    def names(self) -> frozenset[str]:
        """Patient keys and the workspace's folder as last seen: what the details of an error must not show."""
        return frozenset(self._names)

    @property
    def several_visits(self) -> bool:
        """Whether the open patient has more than one visit; known without asking the database, as commands need it."""
        return self._visit_count > 1

    def _on_patient(self) -> None:
        self._visit_count = len(self.timepoints())
        if self.session is not None:
            self._names.add(str(self.session.store.path))
            self._names.update(patient.key for patient in self.session.patients())

    @property
    def editable(self) -> bool:
        return self.visit is not None and not self.read_only

    @property
    def patient_key(self) -> str:
        return self.session.patient.key if self.session and self.session.patient else ""

    def timepoints(self) -> tuple[Timepoint, ...]:
        return self.session.timepoints() if self.session else ()

    def require_session(self) -> StudySession:
        """The session. Raises `UserError` while no workspace is open."""
        if self.session is None:
            raise UserError("No workspace is open yet.", "Wait for it, or choose one with File, Open workspace.")
        return self.session

    def require_visit(self) -> OpenTimepoint:
        """The open visit. Raises `UserError` when there is none."""
        if self.visit is None:
            raise UserError("No visit is open.", "Open one on the timeline first.")
        return self.visit

    # workspace

    def open_workspace(self, path: Path, *, read_only: bool = False) -> None:
        """Open a workspace on a worker; the present one closes when that succeeded."""
        session = self.session
        if session is not None and session.store.path == path and session.store.read_only == read_only:
            self.close_patient()
            return
        if self.workers.computing.active:
            raise UserError("A job is still running in this workspace.", "Let it finish or cancel it first.")

        def work(_report: Report, _cancel: CancelToken) -> Store:
            return self.services.open_store(path, read_only=read_only)

        def fail(error: BaseException) -> None:
            if isinstance(error, WorkspaceBusy):
                self.workspace_busy.emit(path, error)
            else:
                self.failed.emit(error)

        self.workers.reading.submit("Opening the workspace", work, self._use_store, fail)

    def _use_store(self, store: Store) -> None:
        self.close_workspace()
        settings = self.services.settings
        self.session = StudySession(
            store, self.services.make_segmenter(store.path), settings.author, settings.editing.undo_mb * 2**20
        )
        if store.needs_check:
            self.workers.computing.submit(
                "Checking the database", store.check_database, lambda _none: None, self.failed.emit
            )
        self.session.scheme_changed.connect(self._tell_scheme)
        self._back_up_when_due(store)
        self._seen.clear()
        self.scheme_changed.emit()
        self.workspace_changed.emit()
        self.patient_changed.emit()
        self.visit_changed.emit()

    def _back_up_when_due(self, store: Store) -> None:
        settings = self.services.settings.backup
        if store.backup_due(settings.every_days):
            self.workers.computing.submit(
                "Backing up the database",
                lambda report, cancel: store.back_up(settings.kept, report, cancel),
                lambda _path: None,
                self.failed.emit,
            )

    def close_workspace(self) -> None:
        """Let go of the workspace; every finished stroke is in the journal already."""
        if self.session is None:
            return
        self._stop_opening()
        self._leave_visit()
        self._rules.clear()
        self.time_log.forget()
        self.leaving_workspace.emit()
        session, self.session = self.session, None
        self.writing.wait()
        session.store.close()

    def leave_workspace(self) -> None:
        """Close the workspace and say so, before its files are changed; `open_workspace` opens it again."""
        self.close_workspace()
        self.workspace_changed.emit()
        self.patient_changed.emit()
        self.visit_changed.emit()

    # patient and visit

    def open_patient(self, key: str, visit_key: str = "") -> None:
        """Show a patient at the visit `visit_key`, by default the one last looked at, else the last one."""
        session = self.require_session()
        if key != self.patient_key:
            if session.store.patient(key) is not None:
                self._stop_opening()
                self._leave_visit()
                self._rules.clear()
            patient = session.select_patient(key)
            self.visit_changed.emit()  # at once: one patient's pictures must not stand under another's name
        else:
            patient = session.select_patient(key)
        self.patient_changed.emit()
        visits = session.timepoints()
        if not visits:
            return
        wanted = visit_key or str(self.writing.view_state(session.store, patient.id or 0).get("visit", ""))
        chosen = next((v for v in visits if v.key == wanted), visits[-1])
        self.open_visit(chosen)

    def close_patient(self) -> None:
        """Back to the start page."""
        if self.session is None:
            return
        self._stop_opening()
        self._leave_visit()
        self._rules.clear()
        self.session.open = None
        self.session.patient = None
        self.patient_changed.emit()
        self.visit_changed.emit()

    def open_visit(self, timepoint: Timepoint) -> None:
        """Read a visit on a worker and show it; a visit asked for meanwhile takes its place."""
        session = self.require_session()
        if self.visit is not None and self.visit.id == timepoint.id and self.opening is None:
            return
        self._stop_opening()
        if self.visit is not None and self.visit.id == timepoint.id:  # back to the visit that is still shown
            return
        self.opening = timepoint

        def work(report: Report, cancel: CancelToken) -> LoadedTimepoint:
            return session.load(self.fresh(session, timepoint), report, cancel)

        def done(loaded: LoadedTimepoint) -> None:
            if self.opening is not timepoint or self.session is not session:
                return
            self.opening = self._opening_job = None
            self._show(session, loaded)

        def fail(error: BaseException) -> None:
            if self.opening is timepoint:
                self.opening = self._opening_job = None
            self.failed.emit(error)

        def cancelled() -> None:
            if self.opening is timepoint:
                self.opening = self._opening_job = None

        self._opening_job = self.workers.reading.submit(f"Opening {timepoint.title}", work, done, fail, cancelled)

    def _stop_opening(self) -> None:
        """A visit that is still being read is not wanted any more."""
        if self._opening_job is not None:
            self._opening_job.cancel()
        self.opening = self._opening_job = None

    def step_visit(self, direction: int) -> None:
        """The next (+1) or previous (-1) visit of the patient."""
        visits = self.timepoints()
        present = self.opening.id if self.opening else self.visit.id if self.visit else None
        keys = [v.id for v in visits]
        if present in keys:
            position = keys.index(present) + direction
            if 0 <= position < len(visits):
                self.open_visit(visits[position])

    def _show(self, session: StudySession, loaded: LoadedTimepoint) -> None:
        self._leave_visit()
        visit = session.show(loaded)
        if visit.id in self._rules:
            visit.editor.use_rules(self._rules[visit.id])
        self._signals.attach(visit)
        self.time_log.turn_to(visit.id)
        self.visit_changed.emit()
        unsaved = max(len(visit.editor.unsaved_edits), 1) if visit.editor.unsaved else 0
        if unsaved and visit.id not in self._seen:
            self.recovered.emit(unsaved)
        self._seen.add(visit.id)

    def _leave_visit(self) -> None:
        visit = self.visit
        if visit is None:
            return
        visit.editor.end_stroke()
        self._rules[visit.id] = visit.editor.rules
        self.beside.forget_mask()
        self.time_log.turn_to(None)
        self.leaving_visit.emit()
        if visit.editor.unsaved and not self.saving.saving(visit):
            self.notice.emit(f"Changes to {visit.timepoint.title} are kept, not yet a revision.")
        self._signals.detach(visit)
        if self.session is not None and not self.read_only:
            self.writing.close_steps(self.session.store.journal(visit.id))

    def _flush_steps(self) -> None:
        self.writing.flush_steps(self.require_visit().editor)

    def _tell_scheme(self) -> None:  # a psygnal cannot hold the `emit` of a Qt signal
        self.scheme_changed.emit()

    def fresh(self, session: StudySession, timepoint: Timepoint) -> Timepoint:
        """The visit as it is stored now, for a worker: its display windows may have changed since it was listed."""
        self.writing.wait()
        return session.store.timepoint(timepoint.id) if timepoint.id is not None else timepoint

    # the mask

    def undo(self) -> None:
        edit = self.require_visit().editor.undo()
        if edit is not None:
            self.notice.emit(f"Undone: {edit.name}")

    def redo(self) -> None:
        edit = self.require_visit().editor.redo()
        if edit is not None:
            self.notice.emit(f"Redone: {edit.name}")

    def discard_unsaved(self) -> None:
        """Bring the last revision's mask back, by undo or redo where that leads to it; it can be taken back."""
        visit = self.require_visit()
        editor, depth = visit.editor, visit.editor.depth
        editor.go_to_saved()
        if editor.unsaved:  # a step was undone that the revision holds, and another one made since
            editor.go_to(depth)
            self._read_saved(visit)
        elif editor.depth == depth:
            self.notice.emit("No step is unsaved.")
        else:
            undone = "The unsaved steps are undone. Redo brings them back."
            self.notice.emit(undone if editor.depth < depth else _AS_SAVED)

    def _read_saved(self, visit: OpenTimepoint) -> None:
        """Bring the last revision's mask back as one undoable edit, once a worker has read it."""
        parent, parent_id = visit.parent, visit.parent_id

        def work(_report: Report, _cancel: CancelToken) -> LabelArray:
            return visit.labels_of(parent) if parent is not None else np.zeros_like(visit.editor.labels)

        def done(labels: LabelArray) -> None:
            if self.visit is visit and visit.parent_id == parent_id:
                visit.editor.take_saved("Discard unsaved steps", labels)
                self.notice.emit(_AS_SAVED)

        self.workers.reading.submit("Reading the last revision", work, done, self.failed.emit)

    def save(self) -> None:
        """Make a revision of the mask as it stands, on the writing worker, unless the last one holds it."""
        visit = self.require_visit()
        parent, editor = visit.parent, visit.editor
        if parent is not None and not (editor.unsaved or editor.stroke_active or self.saving.saving(visit)):
            self.notice.emit(f"Nothing has changed since revision {parent.number}.")
        else:
            self.saving.save(visit)

    def _on_saved(self, visit: OpenTimepoint, revision: SegmentationRevision) -> None:
        if visit is self.visit:
            self.notice.emit(f"Saved as revision {revision.number}.")
        if self.session is not None:
            self.patient_changed.emit()

    def approve(self, revision: SegmentationRevision) -> None:
        self.require_visit().approve(revision)
        self.notice.emit(f"Revision {revision.number} is approved.")
        self.patient_changed.emit()

    def restore(self, revision: SegmentationRevision) -> None:
        """Bring a revision's mask back as one undoable edit, once a worker has read it."""
        visit = self.require_visit()

        def work(_report: Report, _cancel: CancelToken) -> LabelArray:
            return visit.labels_of(revision)

        def done(labels: LabelArray) -> None:
            if self.visit is visit:
                changed = visit.restore(revision, labels)
                kept = differing(visit.editor.labels, labels).size * visit.timepoint.grid.voxel_volume_ml
                self.notice.emit(restored_text(revision.number, changed, kept))

        self.workers.reading.submit(f"Reading revision {revision.number}", work, done, self.failed.emit)
