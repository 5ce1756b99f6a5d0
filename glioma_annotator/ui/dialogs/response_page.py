"""The response at every visit: category with reasons, lesions with their diameters, every input, the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QScrollArea,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.domain.response import LesionMeasurement, ResponseCategory, ResponseMethod
from glioma_annotator.ui import theme
from glioma_annotator.ui.panels.entry_fields import Choice
from glioma_annotator.ui.panels.parts import heading, list_table, ml_text, push_button, quiet
from glioma_annotator.workflow.lesion_names import readable

if TYPE_CHECKING:
    from glioma_annotator.domain.rano import RanoProposal
    from glioma_annotator.domain.rano_visit import RanoVisit
    from glioma_annotator.workflow.response import CourseResponse, MeasuredCourse

_HEADS = ("Target", "Lesion", "Longest", "Across", "Product", "Volume", "Measurable", "How measured", "", "")
_HOW, _ADJUST, _AGAIN = len(_HEADS) - 3, len(_HEADS) - 2, len(_HEADS) - 1
_ROW_PX, _BUTTON_PX, _AGAIN_PX = 32, 104, 124
#: Inputs that the table or the reasons show already.
_SHOWN = ("lesions", "targets", "method", "unit", "non_target_worse")
_WORDS = {
    "burden": "measured",
    "baseline": "baseline",
    "nadir": "nadir",
    "enhancing_ml": "all enhancing tumour, mL",
    "steroid_mg": "steroids, mg a day as dexamethasone",
    "steroid_mg_baseline": "steroids at baseline, mg a day as dexamethasone",
    "clinical_state": "clinical state",
    "kps": "KPS",
    "ecog": "ECOG",
    "days_since_radiotherapy": "days since radiotherapy",
    "thresholds": "thresholds",
}


Entered = tuple[ResponseCategory | None, str | None]
"""A category and a comment that are not recorded; None for either that the reader left alone."""


class ResponsePage(QScrollArea):
    """One card for the baseline and each later visit.

    A category that the reader chose and a comment typed stay when the cards are made anew, until they are recorded.

    Signals
    -------
    decided(RanoProposal, ResponseCategory, str comment), targets_chosen(tuple of lesions; empty for the rule's),
    adjust(int visit, int lesion), again(int visit, int lesion): move the diameters, or measure them from the mask;
    numbers in the measured course. judged(str visit, bool): non-target disease.
    """

    decided = Signal(object, object, str)
    targets_chosen = Signal(object)
    adjust = Signal(int, int)
    again = Signal(int, int)
    judged = Signal(str, bool)

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        inside = QWidget()
        self._column = QVBoxLayout(inside)
        self._column.setSpacing(12)
        self._told = quiet("")
        self._column.addWidget(self._told)
        self._column.addStretch(1)
        self.setWidget(inside)
        self.cards: list[ResponseCard] = []
        self._entered: dict[tuple[ResponseMethod, str], Entered] = {}  # not recorded yet, by method and visit
        self._method = ResponseMethod.BIDIMENSIONAL

    def show_response(self, measured: MeasuredCourse, response: CourseResponse, editable: bool) -> None:
        """Show the proposals, what they were made from, and what was decided; cards that say the same stay."""
        targets = (
            "; ".join(readable(lesion, measured.titles) for lesion in response.targets)
            or "none is measurable at the baseline"
        )
        how = (
            f"chosen by {response.chosen_by}"
            if response.chosen_by
            else "the largest measurable ones of the baseline; tick others there to choose"
        )
        self._told.setText(f"Target lesions: {targets} ({how})")
        for card in self.cards:
            self._entered[self._method, card.timepoint] = card.entered
        before, self.cards, self._method = self.cards, [], response.method
        numbers = {visit.timepoint: number for number, visit in enumerate(measured.visits)}
        for place, proposal in enumerate(response.proposals):
            number = numbers[proposal.timepoint]
            shown = _shown(proposal, measured, number, response, editable)
            if place < len(before) and before[place].shown == shown:
                before[place].show_targets(response.targets)  # a tick may have been refused
                self.cards.append(before[place])
                continue
            card = ResponseCard(self, proposal, measured, number, response, editable)
            card.shown = shown
            card.enter(self._entered.get((response.method, proposal.timepoint), (None, None)))
            self.cards.append(card)
            self._column.insertWidget(1 + place, card)  # below what is told
            if place < len(before):
                _remove(before[place])
        for card in before[len(self.cards) :]:
            _remove(card)


def _shown(
    proposal: RanoProposal, measured: MeasuredCourse, number: int, response: CourseResponse, editable: bool
) -> tuple[object, ...]:
    """Everything that a card shows, to be compared."""
    visit = measured.visits[number]
    lesions = tuple((lesion.author, lesion.longest is not None) for lesion in visit.lesions)
    decided, titles = response.decisions.get(proposal.timepoint), tuple(v.title for v in measured.visits)
    return proposal, number, lesions, decided, editable, titles, dict(measured.titles)


def _remove(card: ResponseCard) -> None:
    card.hide()
    card.setParent(None)
    card.deleteLater()


class ResponseCard(QFrame):
    """One visit; `shown` is what it was made from."""

    shown: tuple[object, ...] = ()

    def __init__(
        self,
        page: ResponsePage,
        proposal: RanoProposal,
        measured: MeasuredCourse,
        number: int,
        response: CourseResponse,
        editable: bool,
    ) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.timepoint = proposal.timepoint
        visit, self._titles = measured.visits[number], measured.titles
        self._page, self._visit, self._number, self._editable = page, visit, number, editable
        self._baseline = proposal.timepoint == proposal.baseline
        form = QFormLayout(self)
        form.setContentsMargins(12, 8, 12, 8)
        form.addRow(heading(f"{visit.title}: {proposal.category.value}"))
        reasons = QLabel(readable("\n".join(f"• {reason}" for reason in proposal.reasons), self._titles))
        reasons.setWordWrap(True)
        reasons.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        form.addRow(reasons)
        self.targets: list[QCheckBox] = []
        self.adjusting: list[QWidget] = []
        if visit.lesions:
            self.table = self._lesions(response)
            form.addRow(self.table)
        elif visit.total_ml is not None:
            form.addRow(quiet("No enhancing lesion in this visit's mask."))
        titles = {seen.timepoint: seen.title for seen in measured.visits}
        inputs = quiet(" · ".join(_inputs(proposal, titles)))
        inputs.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        inputs.setAccessibleName(f"Inputs of {visit.title}")
        form.addRow("Inputs", inputs)
        if not self._baseline:
            self.worse = QCheckBox("Clear progression of non-measurable or non-target disease")
            self.worse.setChecked(bool(proposal.inputs.get("non_target_worse")))
            self.worse.setEnabled(editable)
            self.worse.clicked.connect(lambda on: page.judged.emit(proposal.timepoint, on))
            form.addRow("Your reading", self.worse)
        self._decision(form, proposal, response)

    def _lesions(self, response: CourseResponse) -> QTableWidget:
        visit = self._visit
        table = list_table(_HEADS, f"Lesions of {visit.title}")
        table.setRowCount(len(visit.lesions))
        table.verticalHeader().setDefaultSectionSize(_ROW_PX)
        for row, lesion in enumerate(visit.lesions):
            is_target = visit.counts(lesion.lesion, response.targets)
            outdated = visit.out_of_date(lesion)
            how = how_measured(lesion, visit)
            measurable = "yes" if visit.measures(lesion) else "no"
            name = readable(lesion.lesion, self._titles) + (" (new)" if lesion.lesion in visit.new else "")
            cells = ("target" if is_target and not self._baseline else "", name, f"{lesion.longest_mm:.1f} mm",
                     f"{lesion.perpendicular_mm:.1f} mm", f"{lesion.product_mm2:.0f} mm²",
                     f"{ml_text(lesion.volume_ml)} mL", measurable, how)  # fmt: skip
            for column, text in enumerate(cells):
                item = QTableWidgetItem(text)
                if column == _HOW:
                    item.setToolTip(text)
                    if outdated:
                        item.setForeground(QColor(theme.current().warning))
                if 2 <= column <= 5:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                table.setItem(row, column, item)
            if self._baseline:
                table.setCellWidget(row, 0, self._target_box(lesion, is_target))
            adjust = push_button("Adjust…", "Move the ends of the two diameters on the slice",
                                 partial(self._page.adjust.emit, self._number, row))  # fmt: skip
            adjust.setAutoDefault(False)
            adjust.setAccessibleName(f"Adjust the diameters of {name} at {visit.title}")
            adjust.setEnabled(lesion.longest is not None)
            self.adjusting.append(adjust)
            table.setCellWidget(row, _ADJUST, adjust)
            if outdated:
                table.setCellWidget(row, _AGAIN, self._again(row, name))
        header = table.horizontalHeader()
        header.setSectionResizeMode(_HOW, QHeaderView.ResizeMode.Stretch)
        for column, width in ((_ADJUST, _BUTTON_PX), (_AGAIN, _AGAIN_PX)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            table.setColumnWidth(column, width)
        table.setColumnHidden(_AGAIN, not any(visit.out_of_date(lesion) for lesion in visit.lesions))
        table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.setFixedHeight(table.horizontalHeader().sizeHint().height() + _ROW_PX * len(visit.lesions) + 4)
        return table

    def _again(self, row: int, name: str) -> QWidget:
        button = push_button("Measure again", "Forget the reader's diameters; measure them from the mask",
                             partial(self._page.again.emit, self._number, row))  # fmt: skip
        button.setAutoDefault(False)
        button.setAccessibleName(f"Measure {name} at {self._visit.title} again")
        button.setEnabled(self._editable)
        return button

    def _target_box(self, lesion: LesionMeasurement, on: bool) -> QCheckBox:
        box = QCheckBox()
        box.setChecked(on)
        box.setEnabled(self._editable)
        box.setAccessibleName(f"{readable(lesion.lesion, self._titles)} is a target lesion")
        box.setToolTip("Follow this lesion; at most three. Ticks off again: the rule chooses")
        box.setProperty("lesion", lesion.lesion)
        box.clicked.connect(self._choose_targets)
        self.targets.append(box)
        return box

    def show_targets(self, targets: Sequence[str]) -> None:
        for box in self.targets:
            box.setChecked(box.property("lesion") in targets)

    def _choose_targets(self) -> None:
        chosen = dict.fromkeys(str(box.property("lesion")) for box in self.targets if box.isChecked())
        self._page.targets_chosen.emit(tuple(chosen))

    def _decision(self, form: QFormLayout, proposal: RanoProposal, response: CourseResponse) -> None:
        title, decided = self._visit.title, response.decisions.get(proposal.timepoint)
        shown = decided.decided if decided is not None and decided.decided is not None else proposal.category
        self._start = shown, decided.comment if decided is not None else ""
        self.choice, self.comment = Choice.of(f"Decision for {title}", ResponseCategory), QLineEdit(self._start[1])
        self.choice.setMinimumContentsLength(16)
        self.choice.show_value(shown)
        self.comment.setPlaceholderText("Why, where it differs")
        self.comment.setAccessibleName(f"Comment for {title}")
        self.record = push_button("Record", "Keep the decision with name and time", lambda: None)
        self.record.clicked.connect(
            lambda: self._page.decided.emit(
                proposal, ResponseCategory(self.choice.currentData()), self.comment.text().strip()
            )
        )
        self.record.setAutoDefault(False)
        for widget in (self.choice, self.comment, self.record):
            widget.setEnabled(self._editable)
        row = QHBoxLayout()
        row.addWidget(self.choice)
        row.addWidget(self.comment, 1)
        row.addWidget(self.record)
        form.addRow("Decision", row)
        self.said = quiet("Not decided yet")
        if decided is not None and decided.decided_utc is not None and decided.decided is not None:
            differs = "" if decided.proposed is proposal.category else f"; then proposed: {decided.proposed.value}"
            when = f"{decided.decided_utc:%Y-%m-%d %H:%M} UTC"
            self.said.setText(f"{decided.decided.value}, decided by {decided.reader} on {when}{differs}")
        form.addRow("", self.said)

    @property
    def entered(self) -> Entered:
        """What the reader chose and typed and has not recorded; None for what is as it was shown."""
        category, comment = ResponseCategory(self.choice.currentData()), self.comment.text()
        return category if category is not self._start[0] else None, comment if comment != self._start[1] else None

    def enter(self, entered: Entered) -> None:
        """Show what the reader had chosen and typed before."""
        category, comment = entered
        if category is not None:
            self.choice.show_value(category)
        if comment is not None:
            self.comment.setText(comment)


def _inputs(proposal: RanoProposal, titles: Mapping[str, str]) -> list[str]:
    """Every value that entered the rules and is not in the table, with its name."""
    words = []
    unit = str(proposal.inputs.get("unit", ""))
    for name, value in proposal.inputs.items():
        text = plain(value)
        if name == "burden" and value is not None:
            text = f"{text} {unit}"
        elif name in ("baseline", "nadir") and isinstance(value, dict):
            of = titles.get(str(value.get("timepoint")), str(value.get("timepoint")))
            text = f"{plain(value.get('burden'))} {unit} ({of})"
        elif name == "thresholds" and isinstance(value, dict):
            text = ", ".join(f"{float(share):.0%} {way}" for way, share in value.items())
        if name not in _SHOWN:
            words.append(f"{_WORDS.get(name, name.replace('_', ' '))}: {text}")
    return words


def how_measured(lesion: LesionMeasurement, visit: RanoVisit) -> str:
    """Who or what measured a lesion, and whether its diameters are of another mask than the one that counts."""
    if not lesion.adjusted:
        return "computed from the mask"
    if visit.out_of_date(lesion):
        return f"out of date: set by {lesion.author} on mask {lesion.revision}, now mask {visit.revision}"
    return f"adjusted by {lesion.author}"


def plain(value: object) -> str:
    """A value of the rules' inputs for a reader."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{str(key).replace('_', ' ')} {plain(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, list | tuple):
        return "; ".join(plain(inner) for inner in value) or "none"
    return "not recorded" if value is None else readable(str(value), {})
