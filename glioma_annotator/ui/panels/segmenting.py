"""Segment the open visit, and decide about what is proposed."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.ui.command_ui import CommandActions
from glioma_annotator.ui.panels.parts import follow_action, ml_text, push_button, quiet, swatch
from glioma_annotator.ui.proposing import DEVICES, Proposing
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.workflow.models import titles_of
from glioma_annotator.workflow.proposal import Proposal
from glioma_annotator.workflow.study_labels import BUILT_IN


class SegmentBox(QWidget):
    """Model, device and the button that segments the visit."""

    def __init__(self, proposing: Proposing, actions: CommandActions) -> None:
        super().__init__()
        self._proposing = proposing
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        self.model = QComboBox()
        self.model.setAccessibleName("Segmentation model")
        self.model.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.model.setMinimumContentsLength(12)
        self.device = QComboBox()
        self.device.setAccessibleName("Device the model runs on")
        self.device.setToolTip("Where the model runs; Automatic takes a graphics card when there is one")
        for key, text in DEVICES.items():
            self.device.addItem(text, key)
        for combo in (self.model, self.device):
            combo.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        form = QFormLayout()
        form.setHorizontalSpacing(8)
        form.setVerticalSpacing(6)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Model", self.model)
        form.addRow("Runs on", self.device)
        column.addLayout(form)
        self.engine = quiet("")
        self.engine.setAccessibleName("What computes the segmentation")
        column.addWidget(self.engine)
        self.hint = quiet("No model is installed: put a model folder into the workspace's models folder.")
        column.addWidget(self.hint)
        self.segment = QPushButton("Segment visit")
        self.segment.setProperty("main", True)
        self.segment.setMinimumHeight(34)
        self.segment.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.segment.setAccessibleName("Segment visit")
        follow_action(self.segment, actions["segment.run"])
        self.prior = QPushButton("Prior mask…")
        self.prior.setAccessibleName("Open a prior mask")
        self.prior.setMinimumHeight(34)
        self.prior.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        follow_action(self.prior, actions["segment.prior"])
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.segment, 1)
        row.addWidget(self.prior)
        column.addLayout(row)
        self.model.activated.connect(self._on_model)
        self.device.activated.connect(self._on_device)
        proposing.models_changed.connect(self._show_models)
        proposing.changed.connect(self._refresh)
        self._show_models()

    def _on_model(self, place: int) -> None:
        self._proposing.model = str(self.model.itemData(place))
        self._describe()

    def _on_device(self, place: int) -> None:
        self._proposing.device = str(self.device.itemData(place))
        self._show_engine()

    def _show_models(self) -> None:
        self.model.clear()
        models = self._proposing.models
        for title, card in zip(titles_of(models), models, strict=True):
            self.model.addItem(title, card.name)
        if not self._proposing.models:
            self.model.addItem("No model found")
        self.model.setEnabled(bool(self._proposing.models))
        self.hint.setVisible(not self._proposing.models)
        self.model.setCurrentIndex(max(self.model.findData(self._proposing.model), 0))
        self.device.setCurrentIndex(max(self.device.findData(self._proposing.device), 0))
        self._show_engine()
        self._describe()
        self._refresh()

    def _show_engine(self) -> None:
        """What the program would choose to compute with, as the device and the settings stand."""
        text = self._proposing.engine_text
        self.engine.setText(text)
        self.engine.setVisible(bool(text))

    def _describe(self) -> None:
        """What the chosen model needs and is known to do badly."""
        card = next((c for c in self._proposing.models if c.name == self._proposing.model), None)
        if card is None:
            self.model.setToolTip("Models are folders in the workspace's models folder")
            return
        needs = f"Needs {', '.join(card.channels)}; gives {', '.join(label.name for label in card.scheme.labels)}"
        self.model.setToolTip("\n".join((card.title or card.name, needs, *card.limits)))

    def _refresh(self) -> None:
        self.segment.setText("Segmenting…" if self._proposing.running_here else "Segment visit")


#: Notes on a proposal that are shown at once; of more than one beyond, the rest is a click away, or its volumes and
#: buttons would be out of sight.
_NOTES_SHOWN = 3
_FEWER = "Show the first ones alone"


class ProposalBox(QFrame):
    """What is proposed, beside what is there; accept all, accept some labels, or reject."""

    def __init__(
        self,
        scheme: LabelScheme,
        study: StudyController,
        proposing: Proposing,
        accept: QAction,
        reject: QAction,
        brush: QAction,
        piece: QAction,
    ) -> None:
        super().__init__()
        self.setProperty("role", "proposal")
        self._scheme = scheme
        self._study = study
        self._proposing = proposing
        self._present_ml: Mapping[str, float] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(6)
        title = QLabel("Proposal")
        title.setProperty("role", "strong")
        self.source = quiet()
        self.messages = QLabel()
        self.messages.setProperty("role", "warning")
        self.messages.setWordWrap(True)
        self.more = push_button("Fewer notes", _FEWER, self._show_more)
        self.more.setProperty("role", "narrow")
        self._unfolded = False
        self._noted: Proposal | None = None  # whose notes are shown
        self.other = push_button("Show the other", "Another proposal waits for a decision", self._show_other)
        head = QHBoxLayout()
        head.addWidget(title, 1)
        head.addWidget(self.other)
        column.addLayout(head)
        column.addWidget(self.source)
        column.addWidget(self.messages)
        column.addWidget(self.more, 0, Qt.AlignmentFlag.AlignLeft)
        self.ticks: dict[int, QCheckBox] = {}
        self._figures: dict[int, tuple[QLabel, QLabel]] = {}
        self._rows: QWidget | None = None
        self._place = QVBoxLayout()
        column.addLayout(self._place)
        self.accept_all = QPushButton("Accept all")
        self.accept_all.setProperty("main", True)
        self.accept_all.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        follow_action(self.accept_all, accept)
        self.accept_some = push_button(
            "Accept selected", "Replace only the ticked labels; the others stay proposed", self._accept_some
        )
        self.reject = QPushButton("Reject")
        self.reject.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        follow_action(self.reject, reject)
        row_box = QHBoxLayout()
        row_box.setSpacing(6)
        row_box.addWidget(self.accept_some, 1)
        row_box.addWidget(self.reject)
        parts = QHBoxLayout()
        parts.setSpacing(6)
        self.accept_brush, self.accept_piece = QPushButton("Accept with brush"), QPushButton("Accept a component")
        for button, action in ((self.accept_brush, brush), (self.accept_piece, piece)):
            button.setProperty("role", "narrow")
            button.setAccessibleName(button.text())
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            follow_action(button, action)
            parts.addWidget(button, 1)
        column.addWidget(self.accept_all)
        column.addLayout(row_box)
        column.addLayout(parts)
        self._build()
        study.scheme_changed.connect(self._on_scheme)
        study.proposal_changed.connect(self._refresh)
        study.visit_changed.connect(self._refresh)
        self._refresh()

    def _on_scheme(self) -> None:
        if self._scheme != self._study.scheme:
            self._scheme = self._study.scheme
            self._build()
            self.show_present(self._present_ml)
            self._refresh()

    def _build(self) -> None:
        """Make the rows anew: one for every label of the study."""
        if self._rows is not None:
            self._place.removeWidget(self._rows)
            self._rows.hide()
            self._rows.deleteLater()
        self.ticks.clear()
        self._figures.clear()
        self._rows = QWidget()
        grid = QGridLayout(self._rows)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(0, 1)
        for place, text in enumerate(("Label", "Now mL", "Proposed mL")):
            head = quiet(text, wrap=False)
            head.setAlignment(Qt.AlignmentFlag.AlignLeft if place == 0 else Qt.AlignmentFlag.AlignRight)
            grid.addWidget(head, 0, place)
        for row, label in enumerate(self._scheme.labels, start=1):
            tick = QCheckBox(label.name)
            tick.setIcon(swatch(label.colour, 12))
            tick.setChecked(True)
            tick.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            tick.setToolTip(f"Include {label.title} when the selected labels are accepted")
            tick.toggled.connect(self._refresh_buttons)
            figures = (QLabel(), QLabel())
            grid.addWidget(tick, row, 0)
            for place, figure in enumerate(figures, start=1):
                figure.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                grid.addWidget(figure, row, place)
            self.ticks[label.value] = tick
            self._figures[label.value] = figures
        self._place.addWidget(self._rows)

    def show_present(self, volumes_ml: Mapping[str, float]) -> None:
        """Volumes in mL by label name of the mask as it stands, beside the proposed ones."""
        self._present_ml = volumes_ml
        for label in self._scheme.labels:
            self._figures[label.value][0].setText(ml_text(volumes_ml.get(label.name, 0.0)))

    def _accept_some(self) -> None:
        """Take the ticked labels over; the others stay proposed, until they are taken or rejected."""
        listed = {value: tick for value, tick in self.ticks.items() if not tick.isHidden()}
        ticked = [value for value, tick in listed.items() if tick.isChecked()]
        visit = self._study.require_visit()
        proposal = visit.proposal
        self._proposing.accept(None if len(ticked) == len(listed) else ticked)
        if visit.proposal is proposal:  # else it is another one's turn
            for value in ticked:
                self.ticks[value].setChecked(False)

    def _show_other(self) -> None:
        self._study.require_visit().show_other_proposal()

    def _show_more(self) -> None:
        self._unfolded = not self._unfolded
        self._refresh_notes()

    def _refresh_notes(self) -> None:
        """The notes on the proposal: all of them, or the first ones and how many there are besides."""
        notes = self._noted.messages if self._noted is not None else ()
        beyond = len(notes) - _NOTES_SHOWN
        folded = beyond > 1 and not self._unfolded
        self.messages.setText("\n".join(notes[:_NOTES_SHOWN] if folded else notes))
        self.messages.setVisible(bool(notes))
        self.more.setText(f"{beyond} more notes" if folded else "Fewer notes")
        self.more.setAccessibleName(self.more.text())
        self.more.setToolTip("What else was changed in the network's mask" if folded else _FEWER)
        self.more.setVisible(beyond > 1)

    def _refresh_buttons(self) -> None:
        some = any(tick.isChecked() and not tick.isHidden() for tick in self.ticks.values())
        self.accept_some.setEnabled(some and self._study.editable)

    def _refresh(self) -> None:
        visit = self._study.visit
        proposal = visit.proposal if visit is not None else None
        self.setVisible(proposal is not None)
        if proposal is not self._noted:
            self._noted, self._unfolded = proposal, False
        if visit is None or proposal is None:
            return
        self.source.setText(proposal.source)
        others = visit.proposals[:-1]
        self.other.setVisible(bool(others))
        if others:
            self.other.setText("Show the other" if len(others) == 1 else f"Show the next of {len(others) + 1}")
            self.other.setToolTip(f"Another proposal waits for a decision: {others[0].source}")
        self._refresh_notes()
        for label in self._scheme.labels:
            figures, tick = self._figures[label.value], self.ticks[label.value]
            figures[1].setText(ml_text(proposal.volumes_ml.get(label.name, 0.0)))
            tick.setChecked(True)
            for widget in (tick, *figures):  # an added label of which the proposal knows nothing stays as it is
                widget.setVisible(label.value in BUILT_IN or label.value not in visit.spared)
        self._refresh_buttons()
