"""What the CNS5 rules say to the sample in the form; stays in sight while the form scrolls."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from glioma_annotator.domain.histology import IntegratedDiagnosis
from glioma_annotator.ui.panels.parts import push_button, quiet
from glioma_annotator.workflow.histology_entry import Advice

_TALLEST = 170


class AdviceBox(QFrame):
    """Headline, contradictions, what is missing, and a button that takes the proposed diagnosis over.

    Parameters
    ----------
    use: told that the reader takes the proposal over.
    """

    def __init__(self, use: Callable[[IntegratedDiagnosis], None]) -> None:
        super().__init__()
        self._proposal: IntegratedDiagnosis | None = None
        self._use = use
        self.setProperty("role", "card")
        self.setAccessibleName("What the CNS5 rules say")
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 6)
        column.setSpacing(4)
        self._text = QWidget()
        lines = QVBoxLayout(self._text)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.setSpacing(4)
        self.headline, self.contradictions, self.details = QLabel(), QLabel(), quiet()
        self.headline.setProperty("role", "strong")
        self.contradictions.setProperty("role", "warning")
        for label in (self.headline, self.contradictions, self.details):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            lines.addWidget(label)
        lines.addStretch(1)
        self.scroller = QScrollArea()
        self.scroller.setWidgetResizable(True)
        self.scroller.setFrameShape(QFrame.Shape.NoFrame)
        self.scroller.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.scroller.setWidget(self._text)
        column.addWidget(self.scroller)
        self.use = push_button("Use this diagnosis", "Put the proposed type and grade into the form", self._on_use)
        self.use.setProperty("role", "narrow")
        column.addWidget(self.use)

    def show_advice(self, advice: Advice, stated: IntegratedDiagnosis | None, *, editable: bool) -> None:
        """Show what the rules say to a sample whose diagnosis is `stated`."""
        self._proposal = advice.proposal
        self.headline.setText(advice.headline)
        self.contradictions.setText("\n".join(f"Contradiction: {text}" for text in advice.contradictions))
        self.contradictions.setVisible(bool(advice.contradictions))
        self.details.setText("\n".join(advice.details))
        self.details.setVisible(bool(advice.details))
        other = advice.proposal is not None and (
            stated is None
            or (stated.type, stated.grade, stated.suffix)
            != (advice.proposal.type, advice.proposal.grade, advice.proposal.suffix)
        )
        self.use.setVisible(other and editable)
        self._fit()

    def _on_use(self) -> None:
        if self._proposal is not None:
            self._use(self._proposal)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._fit()  # only now do the labels have their fonts

    def _fit(self) -> None:
        """As tall as its text, up to a limit beyond which it scrolls."""
        layout = self.layout()
        assert layout is not None
        margins = self.contentsMargins() + layout.contentsMargins()
        width = max(self.width() - margins.left() - margins.right(), 100)
        shown = [label for label in (self.headline, self.contradictions, self.details) if not label.isHidden()]
        needed = sum(label.heightForWidth(width) for label in shown) + 4 * len(shown)
        scrolls = needed > _TALLEST
        policy = Qt.ScrollBarPolicy
        self.scroller.setVerticalScrollBarPolicy(policy.ScrollBarAsNeeded if scrolls else policy.ScrollBarAlwaysOff)
        self.scroller.setFixedHeight(_TALLEST if scrolls else needed)

    def sizeHint(self) -> QSize:
        return QSize(280, super().sizeHint().height())
