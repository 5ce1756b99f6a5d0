"""Proposals in the window: by a model, or from a prior mask; shown, then accepted or rejected."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.imaging.label_codec import count_values, propose_mapping
from glioma_annotator.imaging.nifti import read_labels
from glioma_annotator.progress import CancelToken, Progress, Report
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.workflow.jobs import Job
from glioma_annotator.workflow.proposal import Proposal, propose_from_file

DEVICES = {"auto": "Automatic", "cpu": "Processor (CPU)", "cuda": "Graphics card (CUDA)"}


@dataclass(frozen=True, slots=True)
class PriorMask:
    """What a mask file holds: voxels by value, mL per voxel, and whether this program wrote it."""

    path: Path
    counts: Mapping[int, int]
    voxel_ml: float
    by_program: bool


class Proposing(QObject):
    """Runs models and reads prior masks for the open visit.

    Signals
    -------
    models_changed: `models` has been read. changed: a segmentation began or ended.
    mapping_needed(PriorMask): a prior mask holds values that the reader must give a meaning.
    """

    models_changed = Signal()
    changed = Signal()
    mapping_needed = Signal(object)

    def __init__(self, study: StudyController, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._study = study
        self.models: tuple[ModelCard, ...] = ()
        self.model = ""
        self._chosen = ("", "")
        self.device = "auto"
        self._running: dict[int, Job] = {}
        self._waiting: dict[int, tuple[Proposal, ...]] = {}
        study.workspace_changed.connect(self._on_workspace)
        study.leaving_visit.connect(self._keep_pending)
        study.visit_changed.connect(self._show_waiting)

    def _on_workspace(self) -> None:
        self._waiting.clear()
        self._chosen = ("", "")
        self.read_models()

    def read_models(self) -> None:
        """Read the models' cards on a worker."""
        session = self._study.session
        if session is None:
            return

        def work(_report: Report, _cancel: CancelToken) -> tuple[ModelCard, ...]:
            return session.segmenter.models()

        def done(models: tuple[ModelCard, ...]) -> None:
            self.models = models
            if self.model not in [card.name for card in models]:
                self.model = models[0].name if models else ""
            self.models_changed.emit()

        self._study.workers.reading.submit("Reading the models", work, done, self._study.failed.emit)

    def choose(self, model: str, patient: str) -> None:
        """Take a patient's current model for the next segmentation; what the reader chose since then stays."""
        if self._chosen == (patient, model) or model not in [card.name for card in self.models]:
            return
        self._chosen = (patient, model)
        self.model = model
        self.models_changed.emit()

    def set_device(self, device: str) -> None:
        self.device = device
        self.models_changed.emit()

    @property
    def engine_text(self) -> str:
        """What computes a segmentation on the chosen device, for the reader; empty when unknown."""
        describe = self._study.services.describe_engine
        return f"By {describe(self.device)}" if describe is not None else ""

    @property
    def running_here(self) -> bool:
        """Whether the open visit is being segmented."""
        visit = self._study.visit
        return visit is not None and visit.id in self._running

    def segment(self) -> None:
        """Let the chosen model propose a mask for the open visit."""
        study = self._study
        session, visit = study.require_session(), study.require_visit()
        if visit.id in self._running:
            return
        timepoint, images, model, device = visit.timepoint, visit.images, self.model, self.device
        patient = study.patient_key

        def work(report: Report, cancel: CancelToken) -> Proposal:
            report(Progress(0.0, f"Segmenting {timepoint.title}"))
            return session.propose(timepoint, images, model, device, report, cancel)

        def ended() -> None:
            self._running.pop(visit.id, None)
            self.changed.emit()

        def done(proposal: Proposal) -> None:
            ended()
            if study.session is not session:
                study.notice.emit(f"The proposal for {timepoint.title} was dropped: its workspace is closed.")
            elif study.visit is not None and study.visit.id == proposal.timepoint_id:
                study.visit.show_proposal(proposal)
                study.notice.emit(f"The proposal for {timepoint.title} is there: accept or reject it.")
            else:
                self._waiting[proposal.timepoint_id] = (*self._waiting.get(proposal.timepoint_id, ()), proposal)
                whose = "" if study.patient_key == patient else f"{patient}, "
                study.notice.emit(f"The proposal for {whose}{timepoint.title} is ready: open that visit to see it.")

        def fail(error: BaseException) -> None:
            ended()
            study.failed.emit(error)

        def cancelled() -> None:
            ended()
            study.notice.emit(f"Segmenting {timepoint.title} was cancelled; the mask is unchanged.")

        title = f"Segmenting {timepoint.title}"
        self._running[visit.id] = study.workers.computing.submit(title, work, done, fail, cancelled)
        self.changed.emit()

    def undecided(self, model: str) -> str:
        """The visit at which a proposal by a model, given by its identity, waits for a decision; empty for none."""
        session, visit = self._study.session, self._study.visit
        shown = visit.proposals if visit is not None else ()
        proposals = (p for each in (shown, *self._waiting.values()) for p in each)
        found = next((p.timepoint_id for p in proposals if p.model == model), None)
        if session is None or found is None:
            return ""
        timepoint = session.store.timepoint(found)
        key = next((p.key for p in session.patients() if p.id == timepoint.patient_id), "")
        return f"{key}, {timepoint.title}"

    def _keep_pending(self) -> None:
        """Proposals that are neither accepted nor rejected wait for the reader to come back to their visit."""
        visit = self._study.visit
        if visit is not None and visit.proposals:
            self._waiting[visit.id] = visit.proposals

    def _show_waiting(self) -> None:
        visit = self._study.visit
        if visit is not None:
            for proposal in self._waiting.pop(visit.id, ()):
                visit.show_proposal(proposal)

    def open_prior_mask(self, path: Path) -> None:
        """Read a mask file for the open visit; ask for the meaning of its values where that is not plain."""
        study = self._study
        study.require_visit()

        def work(_report: Report, _cancel: CancelToken) -> PriorMask:
            loaded = read_labels(path)
            return PriorMask(path, count_values(loaded.labels), loaded.grid.voxel_volume_ml, loaded.by_program)

        def done(mask: PriorMask) -> None:
            mapping, doubts = propose_mapping(mask.counts)
            if mask.by_program:
                self.propose_prior_mask(path, {value: value for value in study.scheme.values})
            elif doubts:
                self.mapping_needed.emit(mask)
            else:
                self.propose_prior_mask(path, mapping)

        study.workers.reading.submit(f"Reading {path.name}", work, done, study.failed.emit)

    def propose_prior_mask(self, path: Path, mapping: Mapping[int, int]) -> None:
        """Show a mask file as a proposal for the open visit, its values mapped."""
        study = self._study
        visit, scheme = study.require_visit(), study.scheme
        timepoint = visit.timepoint

        def work(_report: Report, _cancel: CancelToken) -> Proposal:
            return propose_from_file(path, timepoint, scheme, mapping)

        def done(proposal: Proposal) -> None:
            if study.visit is not None and study.visit.id == proposal.timepoint_id:
                study.visit.show_proposal(proposal)
            else:
                study.notice.emit(f"{path.name} was dropped: another visit is open now.")

        study.workers.reading.submit(f"Reading {path.name}", work, done, study.failed.emit)

    def accept(self, values: Collection[int] | None = None) -> None:
        """Write the proposal, all labels or only `values`, into the mask as one undoable edit."""
        visit = self._study.require_visit()
        proposal = visit.proposal
        changed = visit.accept_proposal(values)
        stays = visit.proposal is proposal
        kept_ml = visit.still_proposed_ml(values) if stays else 0.0
        if kept_ml:
            self._study.notice.emit(f"Locks or edit rules kept {kept_ml:.2f} mL as they were; they stay proposed.")
            return
        done = "The proposal is in the mask; undo takes it back."
        if stays:
            done = "The ticked labels are in the mask; the others are still proposed."
        done = done if changed else "The proposal changes nothing in the mask."
        self._study.notice.emit(done if stays else f"{done}{self._next_text()}")

    def reject(self) -> None:
        self._study.require_visit().reject_proposal()
        self._study.notice.emit(f"The proposal was rejected; the mask is unchanged.{self._next_text()}")

    def _next_text(self) -> str:
        """What is shown now that one was decided on."""
        proposal = self._study.require_visit().proposal
        return f" The one by {proposal.source} is shown now." if proposal is not None else ""
