"""The Model panel: adapt to this patient, watch it, decide."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.domain.adaptation import AdaptationMethod
from glioma_annotator.errors import UserError
from glioma_annotator.ui.adapting import Adapting
from glioma_annotator.ui.job_bar import seconds_text
from glioma_annotator.ui.panels.curves import TrainingCurve
from glioma_annotator.ui.panels.mask_rows import mask_key, mask_text, mask_tip
from glioma_annotator.ui.panels.parts import heading, line, push_button, quiet
from glioma_annotator.ui.panels.verdict import CarryAdvice, VerdictView
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.workflow.adapt import UsableRevision
from glioma_annotator.workflow.models import ModelRow, titles_of
from glioma_annotator.workflow.reviewed_slices import SliceRange, read_slices, slices_text

_METHODS = {
    AdaptationMethod.AUTO: "Automatic",
    AdaptationMethod.LAST_LAYER: "Last layer",
    AdaptationMethod.NORM: "Normalisation",
    AdaptationMethod.DECODER: "Last decoder stage",
    AdaptationMethod.FULL: "Whole network",
}
_BUDGETS = {60.0: "1 min", 180.0: "3 min", 300.0: "5 min", 900.0: "15 min", 3600.0: "1 h"}
_DATA = Qt.ItemDataRole.UserRole


class AdaptPanel(QScrollArea):
    """Choices, the button, the running training, and its result.

    Signals
    -------
    carry_wanted: the reader wants to carry the mask of the visit before over.
    """

    carry_wanted = Signal()

    def __init__(self, adapting: Adapting, study: StudyController) -> None:
        super().__init__()
        self._adapting = adapting
        self._study = study
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(280)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        inside = QWidget()
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(8, 8, 8, 8)
        self._column.setSpacing(8)
        self._build_current()
        self._build_choices()
        self._build_running()
        self._build_result()
        self._column.addStretch(1)
        self.setWidget(inside)
        adapting.choices_changed.connect(self._show_choices)
        adapting.changed.connect(self._refresh)
        adapting.point.connect(self.curve.add)
        study.workers.changed.connect(self._show_progress)
        study.workspace_changed.connect(self._forget)
        study.edit_state_changed.connect(self._show_unsaved)
        study.visit_changed.connect(self._show_unsaved)
        self._refresh()

    def sizeHint(self) -> QSize:
        return QSize(304, 600)

    # building

    def _build_current(self) -> None:
        self._column.addWidget(heading("Current model"))
        self.current = QLabel()
        self.current.setWordWrap(True)
        self.problem = _warning()
        self._column.addWidget(self.current)
        self.carry = CarryAdvice(self.carry_wanted.emit)
        self._column.addWidget(self.problem)
        self._column.addWidget(self.carry)
        self.manage = push_button("Manage models…", "Compare, rename, archive, export and import models", lambda: None)
        self._column.addWidget(self.manage)
        self._column.addWidget(line())

    def _build_choices(self) -> None:
        self._column.addWidget(heading("Adapt"))
        self.choices = QWidget()
        column = QVBoxLayout(self.choices)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        self.whom = QComboBox()
        self.whom.addItem("This patient", False)
        self.whom.addItem("All with approved masks", True)
        self.model = QComboBox()
        self.method = QComboBox()
        for method, text in _METHODS.items():
            self.method.addItem(text, method)
        self.budget = QComboBox()
        for seconds, text in _BUDGETS.items():
            self.budget.addItem(text, seconds)
        self.budget.setCurrentIndex(list(_BUDGETS).index(300.0))
        form = QFormLayout()
        form.setHorizontalSpacing(8)
        form.setVerticalSpacing(6)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows = (("For", self.whom), ("Start from", self.model), ("Method", self.method), ("At most", self.budget))
        for text, combo in rows:
            combo.setAccessibleName(f"Adapt: {text.lower()}")
            combo.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(12)
            form.addRow(text, combo)
            combo.activated.connect(self._show_plan)
        self._starts: dict[tuple[str, str], str] = {}  # chosen ones, by whom it is for and what is current there
        self.model.activated.connect(self._note_start)
        self.whom.activated.connect(lambda place: self._adapting.set_everyone(bool(self.whom.itemData(place))))
        column.addWidget(quiet("Learn from these masks:", wrap=False))
        self.visits = QListWidget()
        self.visits.setAccessibleName("Masks to learn from")
        self.visits.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.visits.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.visits.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.visits.itemChanged.connect(self._note_tick)
        self.visits.currentItemChanged.connect(self._show_slices)
        self._slices: dict[int, tuple[SliceRange, ...]] = {}
        self._ticks: dict[tuple[int, int, str], bool] = {}  # of masks, where they are not as suggested
        self.slices = QLineEdit()
        self.slices.setAccessibleName("Reviewed slices of the selected mask")
        self.slices.setPlaceholderText("all")
        self.slices.setToolTip(
            "Axial slices of the selected mask that you have gone through, such as 30-80, 95.\n"
            "Only they teach the model and judge it; all of them when this is empty."
        )
        self.slices.editingFinished.connect(self._take_slices)
        self.fault = _warning()
        self.empty = quiet("No mask with tumour yet. Correct a visit, save and approve it; then it can be learnt from.")
        column.addWidget(self.visits)
        column.addWidget(self.empty)
        form.insertRow(0, "Slices", self.slices)
        form.insertRow(1, self.fault)
        column.addLayout(form)
        self.plan = quiet()
        column.addWidget(self.plan)
        self.lack, self.unsaved = _warning(), _warning()
        column.addWidget(self.lack)
        column.addWidget(self.unsaved)
        self.adapt = push_button("Adapt to this patient", "Make the model this patient's own", self._start)
        self.adapt.setProperty("main", True)
        self.adapt.setMinimumHeight(38)
        column.addWidget(self.adapt)
        self._column.addWidget(self.choices)

    def _build_running(self) -> None:
        self.running = QWidget()
        column = QVBoxLayout(self.running)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        self.stage = QLabel()
        self.stage.setWordWrap(True)
        self.progress = QProgressBar()
        self.progress.setRange(0, 100)
        self.progress.setAccessibleName("Progress of the adaptation")
        self.left = quiet(wrap=False)
        self.cancel = push_button("Cancel", "Stop; the current model stays as it is", self._adapting.cancel)
        row = QHBoxLayout()
        row.addWidget(self.left, 1)
        row.addWidget(self.cancel)
        column.addWidget(self.stage)
        column.addWidget(self.progress)
        column.addLayout(row)
        self.curve = TrainingCurve()
        self._column.addWidget(self.running)
        self._column.addWidget(self.curve)

    def _build_result(self) -> None:
        self.result = QWidget()
        column = QVBoxLayout(self.result)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        self.use = push_button("Use for this patient", "Make the adapted model current", self._adapting.use_new)
        self.use.setProperty("main", True)
        self.use.setMinimumHeight(34)
        self.keep = push_button("Keep the old one", "Drop the adapted model", self._adapting.keep_old)
        self.keep.setMinimumHeight(34)
        decision = QWidget()
        buttons = QVBoxLayout(decision)
        buttons.setContentsMargins(0, 2, 0, 2)
        buttons.setSpacing(6)
        buttons.addWidget(self.use)
        buttons.addWidget(self.keep)
        self.verdict = VerdictView(self._study.scheme, decision)
        self.verdict.carry_wanted.connect(self.carry_wanted)
        column.addWidget(self.verdict)
        self._column.addWidget(self.result)

    # choices

    @property
    def _current(self) -> ModelRow | None:
        state = self._adapting.models
        return next((r for r in state.rows if r.model.card.name == state.current.model), None)

    def _show_choices(self) -> None:
        state = self._adapting.models
        title = self._current.model.card.title if self._current is not None else ""
        whose = "this patient's own" if state.current.own else "the workspace's default"
        self.current.setText(
            f"{title or state.current.model}\n{whose}"
            if state.current.model
            else ("No model installed" if self._study.patient_key else "")
        )
        self.problem.setText("\n".join(state.problems))
        self.problem.setVisible(bool(state.problems))
        self.model.clear()
        cards = [row.model.card for row in state.rows if row.model.usable]
        for title, card in zip(titles_of(cards), cards, strict=True):
            self.model.addItem(title, card.name)
        chosen = self.model.findData(self._starts.get((state.current.patient, state.current.model)))
        self.model.setCurrentIndex(chosen if chosen >= 0 else max(self.model.findData(state.current.model), 0))
        self._show_visits()
        self._refresh()

    def _show_visits(self) -> None:
        self._take_slices()
        self.visits.blockSignals(True)
        self.visits.clear()
        several = len(self._adapting.usable) > 1
        for patient, found in self._adapting.usable.items():
            for usable in found:
                usable = replace(usable, slices=self._slices.get(usable.timepoint.id or 0, ()))
                item = QListWidgetItem(mask_text(patient if several else "", usable))
                item.setData(_DATA, (patient, usable))
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                ticked = self._ticks.get(mask_key(usable), usable.suggested)
                item.setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)
                item.setToolTip(mask_tip(usable))
                self.visits.addItem(item)
        self.visits.blockSignals(False)
        rows = self.visits.count()
        self.slices.setEnabled(rows > 0)
        self.visits.setCurrentRow(rows - 1)
        self.visits.setVisible(rows > 0)
        self.empty.setVisible(rows == 0)
        height = self.visits.sizeHintForRow(0) if rows else 0
        self.visits.setFixedHeight(min(max(rows, 1), 5) * max(height, 20) + 6)

    def _forget(self) -> None:
        """What was set belongs to the masks of a workspace."""
        self._slices.clear()
        self._ticks.clear()
        self._starts.clear()
        self.slices.clear()
        self._show_visits()

    def _note_start(self) -> None:
        current = self._adapting.models.current
        self._starts[current.patient, current.model] = str(self.model.currentData() or "")

    def _note_tick(self, item: QListWidgetItem) -> None:
        _, usable = item.data(_DATA)
        ticked = item.checkState() is Qt.CheckState.Checked
        self._ticks.pop(mask_key(usable), None)
        if ticked is not usable.suggested:
            self._ticks[mask_key(usable)] = ticked
        self._show_plan()

    def _show_slices(self, item: QListWidgetItem | None, before: QListWidgetItem | None) -> None:
        """Those of the mask that is selected now; what was written for the one before counts."""
        taken = before is None or self._take_slices(before)
        self.fault.setVisible(not taken)
        self.slices.setText(slices_text(item.data(_DATA)[1].slices) if item is not None else "")

    def _take_slices(self, item: QListWidgetItem | None = None) -> bool:
        """What was written counts for the selected mask; what cannot be read is said, and the slices stay.

        A click on a list or a button leaves the keyboard in the field: it asks for this itself.
        """
        item = item or self.visits.currentItem()
        if item is None:
            return True
        patient, usable = item.data(_DATA)
        try:
            slices = read_slices(self.slices.text(), usable.timepoint.grid.shape[2])
        except UserError as error:
            self.fault.setText(f"{error.what} {error.todo}")
            self.fault.show()
            return False
        self.fault.hide()
        self._slices[usable.timepoint.id or 0] = slices
        usable = replace(usable, slices=slices)
        item.setData(_DATA, (patient, usable))
        item.setText(mask_text(patient if len(self._adapting.usable) > 1 else "", usable))
        item.setToolTip(mask_tip(usable))
        return True

    def chosen(self) -> dict[str, list[UsableRevision]]:
        """The ticked masks by patient."""
        found: dict[str, list[UsableRevision]] = {}
        for place in range(self.visits.count()):
            item = self.visits.item(place)
            if item.checkState() is Qt.CheckState.Checked:
                patient, usable = item.data(_DATA)
                found.setdefault(patient, []).append(usable)
        return found

    def _start(self) -> None:
        if not self._take_slices():
            return
        self.curve.show_points([])
        self._adapting.start(
            self.chosen(), str(self.model.currentData() or ""), AdaptationMethod(self.method.currentData()),
            self.budget.currentData(),
        )  # fmt: skip

    def _show_plan(self) -> None:
        chosen, model = self.chosen(), str(self.model.currentData() or "")
        method, budget_s = AdaptationMethod(self.method.currentData()), self.budget.currentData()
        found = self._adapting.plan(chosen, model, method, budget_s)
        lack = self._adapting.lacking(chosen, model)
        self.lack.setText(lack)
        self.lack.setVisible(bool(lack))
        self._show_unsaved()
        self.plan.setText(f"Plan: {found.words}." if found else "Tick at least one mask to learn from.")
        self.model.setToolTip(self.model.currentText())  # titles are longer than the box
        self.adapt.setText("Adapt to these patients" if self._adapting.everyone else "Adapt to this patient")
        free = self._adapting.available and not self._adapting.running
        self.adapt.setEnabled(free and found is not None and not lack)

    def _show_unsaved(self) -> None:
        """What the open visit's chosen mask does not hold yet."""
        visit = self._study.visit
        chosen = [usable.timepoint.id for found in self.chosen().values() for usable in found]
        unsaved = visit is not None and visit.editor.unsaved and visit.id in chosen
        if visit is not None and unsaved:
            self.unsaved.setText(
                f"{visit.timepoint.title} has unsaved steps. Nothing is learnt from them: save a revision first."
            )
        self.unsaved.setVisible(unsaved)

    # the running job and its result

    def _show_progress(self) -> None:
        job = self._adapting.job
        if job is None:
            return
        self.stage.setText("Stopping…" if job.cancel_token.cancelled else job.progress.message or job.title)
        self.progress.setValue(round(100 * job.progress.fraction))
        self.left.setText(seconds_text(job.seconds_left))
        self.cancel.setEnabled(not job.cancel_token.cancelled)

    def _refresh(self) -> None:
        running, result = self._adapting.running, self._adapting.result
        self.choices.setVisible(not running and result is None)
        self.running.setVisible(running)
        self.curve.setVisible(running or result is not None)
        self.curve.set_low(result is not None)
        self.result.setVisible(result is not None)
        self.verdict.show_outcome(result.outcome if result else None)
        if result is not None:
            self.curve.show_points(result.outcome.curve)
            self.use.setText(f"Use for {result.patient}" if result.patient else "Use for the workspace")
            self.use.setEnabled(result.outcome.verdict.accepted)
            self.use.setVisible(result.outcome.verdict.accepted)  # what was refused is not offered
        own = self._current if self._adapting.models.current.own else None
        self.carry.tell(own.advice if own is not None and result is None else "")  # a result has its own
        self._show_plan()
        self._show_progress()


def _warning() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setProperty("role", "warning")
    label.hide()
    return label
