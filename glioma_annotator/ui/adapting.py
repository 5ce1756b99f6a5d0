"""Adaptation in the window: what can be learnt from, the running job, its curve, its result, and the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import QObject, Signal

from glioma_annotator.domain.adaptation import AdaptationMethod, AdaptationPlan, CurvePoint
from glioma_annotator.domain.model_shelf import EVERYONE, CurrentModel, ModelPlace
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Progress, Report
from glioma_annotator.ui.proposing import Proposing
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.workflow.adapt import (
    PatientAdaptation,
    UsableRevision,
    adapt_patients,
    decide,
    divide,
    lacking,
    usable_revisions,
)
from glioma_annotator.workflow.jobs import Job
from glioma_annotator.workflow.model_ports import Adapter, Shelf
from glioma_annotator.workflow.models import ModelRow, model_rows


@dataclass(frozen=True, slots=True, eq=False)
class ModelState:
    """What the panel shows of the models: those that can be a start, the current one of whom is adapted to (`current`)
    and of the open patient (`here`), which differ while a model is made for all patients.
    """

    rows: tuple[ModelRow, ...] = ()
    current: CurrentModel = field(default_factory=lambda: CurrentModel(EVERYONE, "", False))
    here: CurrentModel = field(default_factory=lambda: CurrentModel(EVERYONE, "", False))
    problems: tuple[str, ...] = ()


#: Masks by patient, and the models.
_Found = tuple[dict[str, tuple[UsableRevision, ...]], ModelState]


class Adapting(QObject):
    """Runs adaptations and decides about their candidates.

    Signals
    -------
    choices_changed: `usable` or `models` has been read.
    changed: a job began or ended, or a candidate was decided about.
    point(CurvePoint): a step of the running training.
    """

    choices_changed = Signal()
    changed = Signal()
    point = Signal(object)

    def __init__(self, study: StudyController, proposing: Proposing, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._study = study
        self._proposing = proposing
        self.shelf: Shelf | None = None
        self._adapter: Adapter | None = None
        self.everyone = False
        self.usable: Mapping[str, tuple[UsableRevision, ...]] = {}
        self.models = ModelState()
        self.job: Job | None = None
        self.curve: list[CurvePoint] = []
        self.result: PatientAdaptation | None = None
        study.workspace_changed.connect(self._on_workspace)
        study.patient_changed.connect(self.read)
        study.revisions_changed.connect(self.read)

    @property
    def available(self) -> bool:
        return self._adapter is not None and not self._study.read_only

    def undecided(self, model: str) -> str:
        """The visit at which a proposal by a model, given by its identity, waits for a decision; empty for none."""
        return self._proposing.undecided(model)

    @property
    def running(self) -> bool:
        return self.job is not None

    def _on_workspace(self) -> None:
        services, session = self._study.services, self._study.session
        self.result, self.curve = None, []
        self.usable, self.models = {}, ModelState()
        self.shelf = self._adapter = None
        if session is not None and services.make_shelf is not None and services.make_adapter is not None:
            self.shelf = services.make_shelf(session.store)
            self._adapter = services.make_adapter(self.shelf)
        self.choices_changed.emit()
        self.changed.emit()

    def set_everyone(self, everyone: bool) -> None:
        """Whether the model is for every patient with approved masks, or for the open one."""
        self.everyone = everyone
        self.read()

    def read(self) -> None:
        """Read the masks that can be learnt from, and the models, on a worker."""
        session, shelf, patient, everyone = self._study.session, self.shelf, self._study.patient_key, self.everyone
        if session is None or shelf is None or not patient:
            return

        def work(_report: Report, _cancel: CancelToken) -> _Found:
            keys = [p.key for p in session.store.patients()] if everyone else [patient]
            usable = {key: usable_revisions(session.store, key) for key in keys}
            if everyone:
                usable = {key: tuple(u for u in found if u.approved) for key, found in usable.items()}
            current = shelf.current(EVERYONE if everyone else patient)
            here = shelf.current(patient)
            return usable, ModelState(model_rows(shelf, session.store), current, here, shelf.problems())

        def done(found: _Found) -> None:
            if self._study.patient_key != patient or self._study.session is not session:
                return
            self.usable, self.models = found
            self._proposing.choose(self.models.here.model, patient)
            self.choices_changed.emit()

        self._study.workers.reading.submit("Reading the models", work, done, self._study.failed.emit)

    def plan(
        self, chosen: Mapping[str, Sequence[UsableRevision]], model: str, method: AdaptationMethod, budget_s: float
    ) -> AdaptationPlan | None:
        """What an adaptation to the chosen masks would do; None while that cannot be said."""
        learnt, judging = divide(chosen)
        if self._adapter is None or not learnt:
            return None
        try:
            return self._adapter.plan(model, len(learnt) + len(judging), method, budget_s, len(judging))
        except UserError as error:
            return AdaptationPlan(error.what, 0.0)

    def lacking(self, chosen: Mapping[str, Sequence[UsableRevision]], model: str) -> str:
        """Which of the chosen visits the model cannot read for want of a sequence, and what to do; empty for none."""
        card = next((row.model.card for row in self.models.rows if row.model.card.name == model), None)
        return lacking(card, chosen) if card is not None else ""

    def start(
        self, chosen: Mapping[str, Sequence[UsableRevision]], model: str, method: AdaptationMethod, budget_s: float
    ) -> None:
        """Adapt a model to the chosen masks as a job. Raises `UserError` while one runs or waits for a decision."""
        session = self._study.require_session()
        shelf, adapter = self.shelf, self._adapter
        if self.job is not None or shelf is None or adapter is None:
            return
        if self.result is not None:
            self.keep_old()
        self.curve = []
        gui, device = self._study.workers.gui, self._proposing.device
        made: list[PatientAdaptation] = []

        def watch(point: CurvePoint) -> None:
            gui.post(lambda: self._add(job, point))

        def work(report: Report, cancel: CancelToken) -> PatientAdaptation:
            report(Progress(0.0, "Reading the visits"))
            made.append(
                adapt_patients(
                    session.store, adapter, shelf, chosen, model=model, method=method, budget_s=budget_s,
                    device=device, report=report, watch=watch, cancel=cancel,
                )
            )  # fmt: skip
            return made[0]

        def ended() -> None:
            if self.job is job:
                self.job = None
                self.changed.emit()

        def done(result: PatientAdaptation) -> None:
            if job.cancel_token.cancelled:
                cancelled()
                return
            if self._study.session is session:
                self.result = result
                words = result.outcome.verdict.words
                self._study.notice.emit(f"The adapted model is {words}: see the Model panel.")
            ended()

        def fail(error: BaseException) -> None:
            if job.cancel_token.cancelled:
                cancelled()
                return
            ended()
            self._study.failed.emit(error)

        def cancelled() -> None:
            self._tell_cancelled(job)
            for result in made:  # it was saved in the very moment
                decide(shelf, result, use=False)

        who = "several patients" if self.everyone else self._study.patient_key
        title = f"Adapting to {who}"
        job = self._study.workers.computing.submit(title, work, done, fail, cancelled)
        self.job = job
        self.changed.emit()

    def _add(self, job: Job, point: CurvePoint) -> None:
        if self.job is job:
            self.curve.append(point)
            self.point.emit(point)

    def cancel(self) -> None:
        """Stop the adaptation. The choices are there at once; what is being computed ends on its worker meanwhile."""
        if self.job is not None:
            self.job.cancel()
            self._tell_cancelled(self.job)

    def _tell_cancelled(self, job: Job) -> None:
        """Say, once, that an adaptation was cancelled: here, or by the bar of jobs."""
        if self.job is job:
            self.job, self.curve = None, []
            self.changed.emit()
            self._study.notice.emit("The adaptation was cancelled; the current model is unchanged.")

    def use_new(self) -> None:
        """Make the candidate current for whom it was made."""
        if self.result is None or self.shelf is None:
            return
        result = self.result
        if all(model.card.name != result.name for model in self.shelf.all()):  # deleted on the models page
            self.result = None
            self._study.notice.emit("The adapted model was deleted meanwhile; the current one stays.")
            self._models_changed()
            return
        decide(self.shelf, result, use=True)
        self.result = None
        whom = result.patient or "the whole workspace"
        self._study.notice.emit(f"“{result.outcome.card.title}” is now the model of {whom}.")
        self._models_changed()

    def keep_old(self) -> None:
        """Drop the candidate; the current model stays."""
        if self.result is None or self.shelf is None:
            return
        result, self.result = self.result, None
        self.changed.emit()  # whatever becomes of its files
        waiting = (model for model in self.shelf.all() if model.place is ModelPlace.CANDIDATE)
        if any(model.card.name == result.name for model in waiting):  # else the models page decided about it
            decide(self.shelf, result, use=False)
        self._study.notice.emit("The adapted model was dropped; the current one stays.")
        self._models_changed()

    def _models_changed(self) -> None:
        self.changed.emit()
        self.models_changed()

    def models_changed(self) -> None:
        """Models were added, removed or chosen elsewhere."""
        self._proposing.read_models()
        self.read()
