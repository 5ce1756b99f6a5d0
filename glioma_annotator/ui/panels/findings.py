"""The Findings panel: a table that sorts, filters and jumps, and the fields of the one selected."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFocusEvent, QResizeEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QGridLayout,
    QHeaderView,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.domain.finding import Confidence, Finding, FindingStatus, Side
from glioma_annotator.ui.command_ui import CommandActions
from glioma_annotator.ui.findings import FindingsController
from glioma_annotator.ui.panels.parts import count_text, follow_action, line, list_table, ml_text, push_button, quiet

_ID = Qt.ItemDataRole.UserRole
_SORT = Qt.ItemDataRole.UserRole + 1
_COLUMNS = ("Finding", "mL", "Visit", "Change", "Status", "Side")
_NAME, _ML, _VISIT, *_WIDE = range(len(_COLUMNS))
#: Narrower than this the panel shows the first three columns; the rest is in the tooltips.
_WIDE_PX = 480


class _Cell(QTableWidgetItem):
    """Sorts by a key of its own."""

    def __init__(self, text: str, key: float | str, finding_id: str) -> None:
        super().__init__(text)
        self.setData(_SORT, key)
        self.setData(_ID, finding_id)
        self.setToolTip(text)

    def __lt__(self, other: QTableWidgetItem) -> bool:
        return bool(self.data(_SORT) < other.data(_SORT))


class _Text(QPlainTextEdit):
    """Tells when the reader has left it."""

    def __init__(self) -> None:
        super().__init__()
        self.left: Callable[[], None] = lambda: None
        self.setTabChangesFocus(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.left()

    def sizeHint(self) -> QSize:
        return QSize(200, 56)


class FindingsPanel(QWidget):
    """Findings of the open patient."""

    def __init__(self, findings: FindingsController, actions: CommandActions) -> None:
        super().__init__()
        self._findings = findings
        self._filling = False
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(6)
        self.add = push_button("Add at the crosshair", "", lambda: None)
        follow_action(self.add, actions["finding.add"])
        self.propose = push_button("Propose from the visit before", "", lambda: None)
        follow_action(self.propose, actions["finding.propose"])
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Filter by any word")
        self.filter.setClearButtonEnabled(True)
        self.filter.setAccessibleName("Filter findings")
        self.filter.textChanged.connect(self._refresh)
        self.only_visit = QCheckBox("This visit only")
        self.only_visit.toggled.connect(self._refresh)
        self.table = list_table(_COLUMNS, "Findings")
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(_VISIT, Qt.SortOrder.DescendingOrder)
        self.table.itemSelectionChanged.connect(self._on_row)
        self.empty = quiet("No findings yet. Put the crosshair on something and press Ctrl+D.")
        self.form = QWidget()
        self._build_form()
        column.addWidget(self.add)
        column.addWidget(self.propose)
        column.addWidget(self.filter)
        column.addWidget(self.only_visit)
        column.addWidget(self.empty)
        column.addWidget(self.table, 1)
        column.addWidget(line())
        column.addWidget(self.form)
        self.bin = push_button("Deleted findings", "Bring a deleted finding back", self._show_deleted)
        self.bin.setProperty("role", "narrow")
        column.addWidget(self.bin)
        findings.changed.connect(self._refresh)
        findings.selected.connect(self._show)
        self._refresh()
        self._show("")

    def _build_form(self) -> None:
        form = QFormLayout(self.form)
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(6)
        self.kind = QComboBox()
        for kind in self._findings.profile.finding_kinds:
            self.kind.addItem(kind.title, kind.code)
            tip = f"{kind.group}: {kind.description}"
            self.kind.setItemData(self.kind.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.kind.activated.connect(lambda _i: self._keep(kind=self.kind.currentData()))
        self.side = self._choice(Side, "side")
        self.location = QLineEdit()
        self.location.setPlaceholderText("Lobe or structure")
        self.location.editingFinished.connect(lambda: self._keep(location=self.location.text().strip()))
        self.confidence = self._choice(Confidence, "confidence")
        self.status = self._choice(FindingStatus, "status")
        self.text = _Text()
        self.text.setPlaceholderText("What was seen")
        self.text.left = lambda: self._keep(text=self.text.toPlainText().strip())
        self.measure = quiet()
        form.addRow("Finding", self.kind)
        form.addRow("Side", self.side)
        form.addRow("Location", self.location)
        form.addRow("Confidence", self.confidence)
        form.addRow("Status", self.status)
        form.addRow("Text", self.text)
        form.addRow("", self.measure)
        buttons = QGridLayout()
        buttons.setSpacing(4)
        self.confirm = push_button("Confirm", "Agree with a finding that was proposed", self._confirm)
        self.go = push_button("Go to", "Open its visit and put the crosshair there", self._go)
        self.move_here = push_button("Move here", "Its place is where the crosshair is now", self._move)
        self.delete = push_button("Delete", "Take it out of the list; it can be brought back", self._delete)
        for place, button in enumerate((self.confirm, self.go, self.move_here, self.delete)):
            button.setProperty("role", "narrow")
            buttons.addWidget(button, *divmod(place, 2))
        form.addRow(buttons)
        for box in (self.kind, self.side, self.confidence, self.status):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(10)
        for name, field in (("Finding", self.kind), ("Location", self.location), ("Text of the finding", self.text)):
            field.setAccessibleName(name)

    def _choice(self, values: type[StrEnum], field: str) -> QComboBox:
        box = QComboBox()
        for value in values:
            box.addItem(value.value, value)
        box.setAccessibleName(field.capitalize())
        box.activated.connect(lambda _i: self._keep(**{field: values(box.currentData())}))
        return box

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        for column in _WIDE:
            self.table.setColumnHidden(column, self.width() < _WIDE_PX)

    # the table

    def _refresh(self) -> None:
        visit = self._findings.study.visit
        key = visit.timepoint.key if visit is not None else ""
        words = self.filter.text().casefold().split()
        order = {t.key: n for n, t in enumerate(self._findings.study.timepoints())}
        titles = {t.key: t.title for t in self._findings.study.timepoints()}
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
        for row, finding in enumerate(shown):
            self._fill(row, finding, order, titles)
        self.table.setSortingEnabled(True)
        self._filling = False
        self.empty.setVisible(not every)
        self.table.setVisible(bool(every))
        gone = len(self._findings.deleted())
        self.bin.setVisible(bool(gone) and self._findings.editable)
        self.bin.setText(f"{count_text(gone, 'deleted finding')}…")
        self._show(self._findings.current)

    def _haystack(self, finding: Finding, titles: dict[str, str]) -> str:
        parts = (
            self._findings.title_of(finding), finding.location, finding.text, finding.status.value, finding.label,
            titles.get(finding.timepoint, ""), finding.change.value if finding.change else "",
        )  # fmt: skip
        return " ".join(parts)

    def _fill(self, row: int, finding: Finding, order: dict[str, int], titles: dict[str, str]) -> None:
        kind = self._findings.profile.finding_kind(finding.kind)
        name = kind.title if kind else finding.kind
        if finding.location:
            name = f"{name}, {finding.location}"
        side = "" if finding.side is Side.UNKNOWN else finding.side.value
        when = titles.get(finding.timepoint, finding.timepoint).split()[0]
        change = finding.change.value if finding.change else ""
        cells: tuple[tuple[str, float | str], ...] = (
            (name, name.casefold()),
            (ml_text(finding.volume_ml), finding.volume_ml if finding.volume_ml is not None else -1.0),
            (when, float(order.get(finding.timepoint, -1))),
            (change, change),
            (finding.status.value, finding.status.value),
            (side, side),
        )
        said = ", ".join(filter(None, (name, side, change, finding.status.value, finding.text)))
        for place, (text, key) in enumerate(cells):
            cell = _Cell(text, key, finding.id)
            cell.setToolTip(titles.get(finding.timepoint, finding.timepoint) if place == _VISIT else said)
            if place == _ML:
                cell.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.table.setItem(row, place, cell)

    def _on_row(self) -> None:
        items = self.table.selectedItems()
        if self._filling or not items:
            return
        finding = self._findings.get(str(items[0].data(_ID)))
        if finding is not None:
            self._findings.go_to(finding)

    # the selected one

    def _selected(self) -> Finding | None:
        return self._findings.get(self._findings.current)

    def _show(self, finding_id: str) -> None:
        finding = self._findings.get(finding_id)
        self.form.setVisible(finding is not None)
        self._filling = True
        self.table.clearSelection()
        for row in range(self.table.rowCount()):
            item = self.table.item(row, 0)
            if finding is not None and item is not None and item.data(_ID) == finding.id:
                self.table.selectRow(row)
        self._filling = False
        if finding is None:
            return
        self.kind.setCurrentIndex(self.kind.findData(finding.kind))
        self.side.setCurrentIndex(self.side.findText(finding.side.value))
        self.confidence.setCurrentIndex(self.confidence.findText(finding.confidence.value))
        self.status.setCurrentIndex(self.status.findText(finding.status.value))
        self.location.setText(finding.location)
        if self.text.toPlainText() != finding.text:
            self.text.setPlainText(finding.text)
        x, y, z = finding.point_mm
        size = f"{ml_text(finding.volume_ml)} mL of {finding.label}. " if finding.volume_ml is not None else ""
        self.measure.setText(f"{size}At x {x:.0f} y {y:.0f} z {z:.0f} mm")
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
