"""The Histology panel: the patient's samples, the form of the one selected, and what the CNS5 rules say to it."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHeaderView,
    QMenu,
    QScrollArea,
    QSizePolicy,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.domain.histology import HistologySample, IntegratedDiagnosis
from glioma_annotator.ui.command_ui import CommandActions
from glioma_annotator.ui.findings import FindingsController
from glioma_annotator.ui.histology import HistologyController
from glioma_annotator.ui.panels.advice_box import AdviceBox
from glioma_annotator.ui.panels.histology_form import HistologyForm
from glioma_annotator.ui.panels.parts import count_text, follow_action, list_table, plain_tip, push_button, quiet
from glioma_annotator.ui.panels.record_rows import filling
from glioma_annotator.workflow.histology_entry import advise, diagnosis_text, sample_title, sample_when

_ID = Qt.ItemDataRole.UserRole
_ROWS_SHOWN = 4


class HistologyPanel(QWidget):
    """Samples of the open patient."""

    def __init__(self, histology: HistologyController, findings: FindingsController, actions: CommandActions) -> None:
        super().__init__()
        self._histology, self._findings = histology, findings
        self._filling = False
        self._shown = ""
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(6)
        self.add = push_button("New sample", "", lambda: None)
        follow_action(self.add, actions["histology.add"])
        self.add_here = push_button("New at the crosshair", "", lambda: None)
        follow_action(self.add_here, actions["histology.add_here"])
        buttons = QGridLayout()
        buttons.setSpacing(4)
        for place, button in enumerate((self.add, self.add_here)):
            button.setProperty("role", "narrow")
            buttons.addWidget(button, 0, place)
        self.empty = quiet(
            "No samples yet. Put the crosshair where tissue was taken and press “New at the crosshair”; without a known"
            " place, press “New sample”. Then enter the report's date, markers and diagnosis."
        )
        self.table = list_table(("When", "Sample", "Diagnosis"), "Histology samples")
        self.table.horizontalHeader().setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        self.table.itemSelectionChanged.connect(self._on_row)
        self.form = HistologyForm(
            self._selected, histology.keep, self._add_point, self._go, self._drop_point, self._open_finding
        )
        self.scroller = QScrollArea()
        self.scroller.setWidgetResizable(True)
        self.scroller.setFrameShape(QFrame.Shape.NoFrame)
        self.scroller.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.scroller.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.scroller.setMinimumHeight(150)
        self.scroller.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)  # what the rest leaves
        self.advice = AdviceBox(self._use)
        self.delete = push_button("Delete sample", "Take it out of the list; it can be brought back", self._delete)
        self.delete.setProperty("role", "narrow")
        self.bin = push_button("Deleted samples", "Bring a deleted sample back", self._show_deleted)
        self.bin.setProperty("role", "narrow")
        last = QGridLayout()
        last.setSpacing(4)
        last.addWidget(self.delete, 0, 0)
        last.addWidget(self.bin, 0, 1)
        column.addLayout(buttons)
        column.addWidget(self.empty)
        column.addWidget(self.table)
        column.addWidget(self.scroller, 1)
        self.scroller.setWidget(self.form)
        column.addWidget(self.advice)
        column.addLayout(last)
        self._space = quiet()
        column.addWidget(self._space, 1)
        histology.changed.connect(self._refresh)
        histology.selected.connect(self._show)
        histology.study.leaving_workspace.connect(self.form.flush)
        findings.changed.connect(self._refresh)
        self._refresh()

    # the list

    def _refresh(self) -> None:
        samples = self._histology.all()
        self._filling = True
        self.table.setRowCount(len(samples))
        with filling(self.table):
            for row, sample in enumerate(samples):
                for place, text in enumerate((sample_when(sample), sample.kind.value, diagnosis_text(sample))):
                    item = QTableWidgetItem(text)
                    item.setData(_ID, sample.id)
                    item.setToolTip(plain_tip(f"{sample_title(sample)}\n{diagnosis_text(sample)}"))
                    self.table.setItem(row, place, item)
        self._filling = False
        height = self.table.horizontalHeader().sizeHint().height() + 4
        self.table.setFixedHeight(height + 24 * min(max(len(samples), 1), _ROWS_SHOWN))
        self.empty.setVisible(not samples)
        self.table.setVisible(bool(samples))
        gone = len(self._histology.deleted())
        self.bin.setVisible(bool(gone) and self._histology.editable)
        self.bin.setText(f"{count_text(gone, 'deleted sample')}…")
        self._show(self._histology.current)

    def _on_row(self) -> None:
        items = self.table.selectedItems()
        if self._filling or not items:
            return
        sample = self._histology.get(str(items[0].data(_ID)))
        if sample is not None:
            self._histology.go_to(sample)

    # the selected one

    def _selected(self) -> HistologySample | None:
        return self._histology.get(self._shown)

    def _show(self, sample_id: str) -> None:
        other = sample_id != self._shown
        if other:
            self.form.flush()
            self._shown = sample_id
            self.scroller.verticalScrollBar().setValue(0)
        sample = self._selected()
        for part in (self.scroller, self.advice, self.delete):
            part.setVisible(sample is not None)
        self._space.setVisible(sample is None)
        self._mark_row(sample)
        if sample is None:
            return
        editable = self._histology.editable
        self.form.show_sample(
            sample,
            self._origins(sample),
            editable=editable,
            can_point=self._histology.study.visit is not None,
            other=other,
        )
        self.advice.show_advice(advise(sample), sample.diagnosis, editable=editable)
        self.delete.setEnabled(editable)

    def _mark_row(self, sample: HistologySample | None) -> None:
        self._filling = True
        self.table.clearSelection()
        for row in range(self.table.rowCount()):
            item = self.table.item(row, 0)
            if sample is not None and item is not None and item.data(_ID) == sample.id:
                self.table.selectRow(row)
        self._filling = False

    def _origins(self, sample: HistologySample) -> str:
        """The findings it was taken from, as links."""
        titles = {t.key: t.title for t in self._histology.study.timepoints()}
        links = [
            f'<a href="{f.id}">{escape(self._findings.title_of(f))}, {escape(titles.get(f.timepoint, f.timepoint))}</a>'
            for f in self._histology.findings_of(sample)
        ]
        return f"Taken from: {'; '.join(links)}" if links else ""

    def _use(self, proposal: IntegratedDiagnosis) -> None:
        sample = self._selected()
        if sample is not None:
            text = proposal.text or (sample.diagnosis.text if sample.diagnosis is not None else "")
            made = IntegratedDiagnosis(proposal.type, proposal.grade, proposal.suffix, text)
            self._histology.change(sample, diagnosis=made)

    def _add_point(self) -> None:
        sample = self._selected()
        if sample is not None:
            self._histology.add_point(sample)

    def _drop_point(self, place: int) -> None:
        sample = self._selected()
        if sample is not None:
            self._histology.remove_point(sample, place)

    def _go(self, place: int) -> None:
        sample = self._selected()
        if sample is not None:
            self._histology.go_to(sample, place)

    def _open_finding(self, finding_id: str) -> None:
        finding = self._findings.get(finding_id)
        if finding is not None:
            self._findings.go_to(finding)
            self._findings.panel_wanted.emit()

    def _delete(self) -> None:
        sample = self._selected()
        if sample is not None:
            self._histology.delete(sample)

    def _show_deleted(self) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for sample in self._histology.deleted():
            action = menu.addAction(f"Bring back {sample_title(sample)}: {diagnosis_text(sample)}")
            action.triggered.connect(lambda _on=False, chosen=sample.id: self._histology.restore(chosen))
        menu.popup(self.bin.mapToGlobal(self.bin.rect().bottomLeft()))
