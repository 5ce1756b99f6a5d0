"""The Findings panel: a table that sorts, filters and jumps, and the fields of the one selected."""

from __future__ import annotations

from enum import StrEnum

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QMenu,
    QSizePolicy,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.domain.finding import Confidence, Finding, FindingStatus, Side
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.ui.command_ui import CommandActions
from glioma_annotator.ui.findings import FindingsController
from glioma_annotator.ui.histology import HistologyController
from glioma_annotator.ui.panels.entry_fields import Choice, Line, Words
from glioma_annotator.ui.panels.finding_cells import CHANGE_SIGNS, ID, SAMPLE_SIGN, Cell
from glioma_annotator.ui.panels.finding_samples import FindingSamples
from glioma_annotator.ui.panels.parts import (
    count_text,
    follow_action,
    line,
    list_table,
    ml_text,
    plain_tip,
    push_button,
    quiet,
)
from glioma_annotator.ui.panels.record_rows import filling, fit_rows, keep_rows_fitted
from glioma_annotator.workflow.histology_entry import diagnosis_text, sample_title

_COLUMNS = ("Finding", "Change", "mL", "Visit", "Histology", "Status", "Side")
_NAME, _CHANGE, _ML, _VISIT, _HISTOLOGY, *_WIDE = range(len(_COLUMNS))
#: Narrower than this the panel leaves the last columns out and shows signs for words; the rest is in the tooltips.
_WIDE_PX = 480


def _beside(one: QWidget, other: QWidget, more: int = 1) -> QHBoxLayout:
    """Two fields in a row, the second `more` times as wide."""
    row = QHBoxLayout()
    row.setSpacing(4)
    for part, stretch in ((one, 1), (other, more)):
        part.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        row.addWidget(part, stretch)
    return row


class FindingsPanel(QWidget):
    """Findings of the open patient."""

    def __init__(self, findings: FindingsController, histology: HistologyController, actions: CommandActions) -> None:
        super().__init__()
        self._findings, self._histology = findings, histology
        self._filling = False
        self._shown = ""
        self._wide = False
        self._numbers: dict[str, int] = {}
        self._when: dict[str, str] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(6)
        self.add = push_button("Add at the crosshair", "", lambda: None)
        follow_action(self.add, actions["finding.add"])
        self.add_region = push_button("Draw a region", "", lambda: None)
        follow_action(self.add_region, actions["finding.region"])
        self.propose = push_button("Propose from the visit before", "", lambda: None)
        follow_action(self.propose, actions["finding.propose"])
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Filter by any word")
        self.filter.setClearButtonEnabled(True)
        self.filter.setAccessibleName("Filter findings")
        self.filter.textChanged.connect(self._refresh)
        self.only_visit = QCheckBox("This visit")
        self.only_visit.setToolTip("List the findings of the open visit only")
        self.only_visit.toggled.connect(self._refresh)
        self.table = list_table(_COLUMNS, "Findings")
        self.table.verticalHeader().setMinimumSectionSize(24)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        self._name_columns()
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(_VISIT, Qt.SortOrder.DescendingOrder)
        keep_rows_fitted(self.table, lambda: fit_rows(self.table))
        self.table.itemSelectionChanged.connect(self._on_row)
        self.table.itemClicked.connect(self._on_cell)
        self.table.setMinimumHeight(104)
        self.table.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)  # what the form leaves
        self.empty = quiet(
            "No findings yet. Put the crosshair on something and press Ctrl+D; a component of the mask brings its mL"
            " along. Or draw around something that has no mask."
        )
        self.none_found = quiet("No finding has all these words; empty the filter to see every one.")
        self.form = QWidget()
        self._build_form()
        head = QGridLayout()
        head.setSpacing(4)
        for place, button in enumerate((self.add, self.add_region)):
            button.setProperty("role", "narrow")
            head.addWidget(button, 0, place)
        head.addWidget(self.propose, 1, 0, 1, 2)
        found = QHBoxLayout()
        found.addWidget(self.filter, 1)
        found.addWidget(self.only_visit)
        self._list = QWidget()
        inner = QVBoxLayout(self._list)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(6)
        inner.addLayout(found)
        inner.addWidget(self.none_found)
        inner.addWidget(self.table, 1)
        inner.addWidget(line())
        column.addLayout(head)
        column.addWidget(self.empty)
        column.addWidget(self._list, 1)
        column.addWidget(self.form)
        self.bin = push_button("Deleted findings", "Bring a deleted finding back", self._show_deleted)
        self.bin.setProperty("role", "narrow")
        column.addWidget(self.bin)
        column.addStretch()  # takes nothing while the table is there
        histology.changed.connect(self._refresh)
        findings.changed.connect(self._refresh)
        findings.proposed.connect(lambda: self.only_visit.setChecked(True))  # those to be confirmed
        findings.selected.connect(self._show)
        findings.study.leaving_workspace.connect(self._flush)
        self._refresh()
        self._show("")

    def _build_form(self) -> None:
        form = QFormLayout(self.form)
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(6)
        self.kind = Choice("Finding")
        for kind in self._findings.profile.finding_kinds:
            self.kind.add(kind.title, kind.code, f"{kind.group}: {kind.description}")
        self.kind.chosen.connect(lambda: self._keep(kind=self.kind.currentData()))
        self.side = self._choice(Side, "side")
        self.location = Line("Location", "Lobe or structure")
        self.location.editingFinished.connect(self._flush)
        self.confidence = self._choice(Confidence, "confidence")
        self.status = self._choice(FindingStatus, "status")
        self.text = Words("Text of the finding", 44)
        self.text.setPlaceholderText("What was seen")
        self.text.left = lambda: self._keep(text=self.text.words)
        self.samples = FindingSamples(self._histology)
        self.measure = quiet()
        form.addRow("Finding", self.kind)
        # Two to a row: on a low screen the list above gets what the form leaves.
        form.addRow("Location", _beside(self.side, self.location, 2))
        form.addRow("State", _beside(self.confidence, self.status))
        form.addRow("Text", self.text)
        form.addRow("Histology", self.samples)
        form.addRow("", self.measure)
        buttons = QGridLayout()
        buttons.setSpacing(4)
        self.confirm = push_button("Confirm", "Agree with a finding that was proposed", self._confirm)
        self.go = push_button("Go to", "Open its visit and put the crosshair there", self._go)
        self.move_here = push_button("Move here", "Its place is where the crosshair is now", self._move)
        self.delete = push_button("Delete", "Take it out of the list; it can be brought back", self._delete)
        for place, button in enumerate((self.confirm, self.go, self.move_here, self.delete)):
            button.setProperty("role", "narrow")
            buttons.addWidget(button, 0, place)
        form.addRow(buttons)

    def _choice(self, values: type[StrEnum], field: str) -> Choice:
        box = Choice.of(field.capitalize(), values)
        box.chosen.connect(lambda: self._keep(**{field: values(box.currentData())}))
        return box

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        wide = self.width() >= _WIDE_PX
        for column in _WIDE:
            self.table.setColumnHidden(column, not wide)
        if wide != self._wide:
            self._wide = wide
            self._name_columns()
            self._refresh()  # histology is a word or a sign, by the room there is
        else:
            fit_rows(self.table)

    def _name_columns(self) -> None:
        """Words, or signs where there is no room for them."""
        for column, sign, tip in (
            (_HISTOLOGY, SAMPLE_SIGN, "Histology samples taken from the finding; a click opens them"),
            (_CHANGE, "\N{GREEK CAPITAL LETTER DELTA}", "Change since the visit before"),
        ):
            head = QTableWidgetItem(_COLUMNS[column] if self._wide else sign)
            head.setToolTip(tip)
            self.table.setHorizontalHeaderItem(column, head)

    # the table

    def _refresh(self) -> None:
        visit = self._findings.study.visit
        key = visit.timepoint.key if visit is not None else ""
        words = self.filter.text().casefold().split()
        order = {t.key: n for n, t in enumerate(self._findings.study.timepoints())}
        titles = {t.key: t.title for t in self._findings.study.timepoints()}
        self._when = {t.key: self._when_text(t) for t in self._findings.study.timepoints()}
        self._numbers = {f.id: n for n, f in enumerate(self._findings.of_visit(), start=1)}
        every = self._findings.all()
        shown = [
            f
            for f in every
            if (not self.only_visit.isChecked() or f.timepoint == key)
            and all(word in self._haystack(f, titles).casefold() for word in words)
        ]
        self._filling = True
        self.table.setSortingEnabled(False)
        self.table.setRowCount(len(shown))
        with filling(self.table):
            for row, finding in enumerate(shown):
                self._fill(row, finding, order, titles)
        self.table.setSortingEnabled(True)
        self._filling = False
        self.empty.setVisible(not every)
        self._list.setVisible(bool(every))
        self.none_found.setVisible(bool(every) and not shown and bool(words))
        self.table.setColumnHidden(_HISTOLOGY, not any(f.samples for f in every))
        self.table.setColumnHidden(_CHANGE, not any(f.change for f in shown))
        self.table.setColumnHidden(
            _VISIT, self.only_visit.isChecked() and not self._wide
        )  # it would be one and the same
        gone = len(self._findings.deleted())
        self.bin.setVisible(bool(gone) and self._findings.editable)
        self.bin.setText(f"{count_text(gone, 'deleted finding')}…")
        fit_rows(self.table)
        self._show(self._findings.current)

    def _when_text(self, visit: Timepoint) -> str:
        """When a visit was: a date, in a narrow panel without the day, or a day of the course; else its title."""
        if visit.date is not None:
            return visit.date.isoformat() if self._wide else f"{visit.date:%Y-%m}"
        return f"day {visit.day}" if visit.day is not None else visit.title

    def _haystack(self, finding: Finding, titles: dict[str, str]) -> str:
        parts = (
            self._findings.title_of(finding), finding.location, finding.text, finding.status.value, finding.label,
            titles.get(finding.timepoint, ""), finding.change.value if finding.change else "",
            *(f"{sample_title(s)} {diagnosis_text(s)}" for s in self._histology.samples_of(finding)),
        )  # fmt: skip
        return " ".join(parts)

    def _fill(self, row: int, finding: Finding, order: dict[str, int], titles: dict[str, str]) -> None:
        kind = self._findings.profile.finding_kind(finding.kind)
        name = kind.title if kind else finding.kind
        if finding.location:
            name = f"{name}, {finding.location}"
        number = self._numbers.get(finding.id)  # as the rings in the panes have it
        side = "" if finding.side is Side.UNKNOWN else finding.side.value
        when = self._when.get(finding.timepoint, finding.timepoint)
        change = finding.change.value if finding.change else ""
        samples = self._histology.samples_of(finding)
        taken = ", ".join(sample_title(sample) for sample in samples)
        short = taken if self._wide else SAMPLE_SIGN * bool(samples)
        cells: tuple[tuple[str, float | str], ...] = (
            (f"{number}  {name}" if number else name, name.casefold()),
            (change if self._wide or finding.change is None else CHANGE_SIGNS[finding.change], change),
            (ml_text(finding.volume_ml), finding.volume_ml if finding.volume_ml is not None else -1.0),
            (when, float(order.get(finding.timepoint, -1))),
            (short, taken),
            (finding.status.value, finding.status.value),
            (side, side),
        )
        said = ", ".join(filter(None, (name, side, change, finding.status.value, finding.text)))
        for place, (text, key) in enumerate(cells):
            cell = Cell(text, key, finding.id)
            tips = {_VISIT: titles.get(finding.timepoint, finding.timepoint)} | ({_CHANGE: change} if change else {})
            if samples:
                tips[_HISTOLOGY] = "\n".join(f"{sample_title(s)}: {diagnosis_text(s)}" for s in samples)
            cell.setToolTip(plain_tip(tips.get(place, said)))
            if place == _ML:
                cell.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.table.setItem(row, place, cell)

    def _on_row(self) -> None:
        items = self.table.selectedItems()
        if self._filling or not items:
            return
        finding = self._findings.get(str(items[0].data(ID)))
        if finding is not None:
            self._findings.go_to(finding)

    def _on_cell(self, item: QTableWidgetItem) -> None:
        """A click on the sign of histology opens the sample."""
        finding = self._findings.get(str(item.data(ID)))
        samples = self._histology.samples_of(finding) if finding is not None else ()
        if item.column() == _HISTOLOGY and samples:
            self._histology.open(samples[0].id)

    # the selected one

    def _selected(self) -> Finding | None:
        return self._findings.get(self._shown)

    def _flush(self) -> None:
        """Keep what was typed and not left yet; a finding that was only looked at stays as it is."""
        finding = self._selected()
        if finding is not None and self._findings.editable:
            text = self.text.words if self.text.typed else finding.text
            location = self.location.words if self.location.typed else finding.location
            self._findings.change(finding, text=text, location=location)

    def _show(self, finding_id: str) -> None:
        other = finding_id != self._shown
        if other:
            self._flush()
            self._shown = finding_id
        finding = self._findings.get(finding_id)
        self.form.setVisible(finding is not None)
        self._filling = True
        self.table.clearSelection()
        for row in range(self.table.rowCount()):
            item = self.table.item(row, 0)
            if finding is not None and item is not None and item.data(ID) == finding.id:
                self.table.selectRow(row)
        self._filling = False
        if finding is None:
            return
        self.kind.show_value(finding.kind)
        self.side.show_value(finding.side)
        self.confidence.show_value(finding.confidence)
        self.status.show_value(finding.status)
        self.location.show_words(finding.location, other=other)
        self.text.show_words(finding.text, other=other)
        self.samples.show_finding(finding)
        x, y, z = finding.point_mm
        what = finding.label or "the drawn region"
        size = f"{ml_text(finding.volume_ml)} mL of {what}. " if finding.volume_ml is not None else ""
        became, old = self._findings.became(finding), self._findings.outdated(finding)
        self.measure.setText(f"{became or size}{old}At x {x:.0f} y {y:.0f} z {z:.0f} mm")
        for field in (self.kind, self.side, self.location, self.confidence, self.status, self.text):
            field.setEnabled(self._findings.editable)
        for button in (self.move_here, self.delete):
            button.setEnabled(self._findings.editable)
        self.confirm.setEnabled(self._findings.editable and finding.status is FindingStatus.OPEN)

    def _keep(self, **values: object) -> None:
        finding = self._selected()
        if finding is not None and self._findings.editable and not self._filling:
            self._findings.change(finding, **values)

    def _confirm(self) -> None:
        finding = self._selected()
        if finding is not None:
            self._findings.confirm(finding)

    def _go(self) -> None:
        finding = self._selected()
        if finding is not None:
            self._findings.go_to(finding)

    def _move(self) -> None:
        finding = self._selected()
        if finding is not None:
            self._findings.move_to_crosshair(finding)

    def _delete(self) -> None:
        finding = self._selected()
        if finding is not None:
            self._findings.delete(finding)

    def _show_deleted(self) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for finding in self._findings.deleted():
            action = menu.addAction(f"Bring back {self._findings.title_of(finding)}")
            action.triggered.connect(lambda _on=False, chosen=finding.id: self._findings.restore(chosen))
        menu.popup(self.bin.mapToGlobal(self.bin.rect().bottomLeft()))
