"""The Mask panel: labels, tool options, segmenting, revisions."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.ui.command_ui import CommandActions
from glioma_annotator.ui.panels.edit_rules import EditRulesForm
from glioma_annotator.ui.panels.labels import LabelList
from glioma_annotator.ui.panels.parts import CalmFields, heading, line
from glioma_annotator.ui.panels.revisions import RevisionList
from glioma_annotator.ui.panels.segmenting import ProposalBox, SegmentBox
from glioma_annotator.ui.panels.tool_options import ToolOptions
from glioma_annotator.ui.panels.tool_panel import ToolPanel
from glioma_annotator.ui.proposing import Proposing
from glioma_annotator.ui.reading_state import ReadingState
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.ui.tools.toolbox import Toolbox

#: Volumes are counted this long after the last change, so that a stroke is never held up by counting.
_VOLUME_DELAY_MS = 150
_LAID_OUT_MS = 50


class MaskPanel(QScrollArea):
    """Everything about the mask of the open visit.

    Parameters
    ----------
    revisions: made beforehand, because the commands ask it for the selected revision.
    """

    def __init__(
        self,
        scheme: LabelScheme,
        reading: ReadingState,
        study: StudyController,
        proposing: Proposing,
        revisions: RevisionList,
        toolbox: Toolbox,
        actions: CommandActions,
    ) -> None:
        super().__init__()
        self._study = study
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(280)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(5)  # so that a line more, such as a hint, fits 720 pixels
        self.labels = LabelList(scheme, reading, study, actions["edit.new_label"])
        self.options = ToolOptions(reading, "[ and ]", actions["edit.ball"])
        self.rules = EditRulesForm(scheme, reading, study)
        self.tool = ToolPanel(reading, study, toolbox, actions)
        self.tool.done.connect(self.options.done)
        self.segment = SegmentBox(proposing, actions)
        decisions = ("segment.accept", "segment.reject", "edit.accept_brush", "edit.accept_piece")
        self.proposal = ProposalBox(scheme, study, proposing, *(actions[name] for name in decisions))
        self.revisions = revisions
        revisions.add_buttons(actions)
        column.addWidget(heading("Labels"))
        column.addWidget(self.labels)
        column.addWidget(self.rules)
        column.addWidget(line())
        column.addWidget(self.tool)
        column.addWidget(self.options)
        column.addWidget(line())
        column.addWidget(self.proposal)
        column.addWidget(self.segment)
        column.addWidget(line())
        column.addWidget(heading("Revisions"))
        column.addWidget(revisions, 1)
        self.setWidget(inside)
        CalmFields(self).calm(inside)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_VOLUME_DELAY_MS)
        self._timer.timeout.connect(self._count)
        study.mask_changed.connect(lambda _box: self._timer.start())
        study.visit_changed.connect(self._on_visit)
        study.proposal_changed.connect(self._on_proposal)
        self._on_visit()

    def sizeHint(self) -> QSize:
        return QSize(304, 600)

    def _on_visit(self) -> None:
        self.labels.show_volumes(None)
        self._on_proposal()
        self._count()

    def _on_proposal(self) -> None:
        visit = self._study.visit
        pending = visit is not None and visit.proposal is not None
        self.segment.setVisible(not pending)
        if pending:  # with its buttons, once it has its place
            QTimer.singleShot(_LAID_OUT_MS, self, lambda: self.ensureWidgetVisible(self.proposal, 0, 8))

    def _count(self) -> None:
        visit = self._study.visit
        if visit is None:
            return

        def show(volumes_ml: Mapping[str, float]) -> None:
            if self._study.visit is visit:
                self.labels.show_volumes(volumes_ml)
                self.proposal.show_present(volumes_ml)

        self._study.workers.draw(visit.volumes_ml, show)
