"""What an import found, to be corrected and confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QPersistentModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QScrollArea,
    QSplitter,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.domain.import_plan import ImportKind, ImportPlan, Preparation
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.errors import GliomaError
from glioma_annotator.imaging.nifti_header import read_header
from glioma_annotator.ui import theme
from glioma_annotator.ui.dialogs.import_models import (
    PHASES,
    PREPARATIONS,
    ROLES,
    FileModel,
    PlanHolder,
    VisitModel,
    moved_visit,
)
from glioma_annotator.ui.dialogs.mapping import MappingTable
from glioma_annotator.ui.job_bar import ElidedLabel
from glioma_annotator.ui.panels.parts import count_text, heading, push_button, quiet
from glioma_annotator.workflow.import_study import known_visits, plan_conflicts, stay_as_they_are, with_mapping
from glioma_annotator.workflow.ports import Store

_Index = QModelIndex | QPersistentModelIndex
_Button = QDialogButtonBox.StandardButton
_FILE_WIDTHS = (64, 150, 110, 220, 76, 90, 190)
_VISIT_WIDTHS = (120, 100, 104, 46, 110, 140)


class _TickDelegate(QStyledItemDelegate):
    """Draws a tick box that can be seen when it is empty; clicks and keys are Qt's own."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        drawn = QStyleOptionViewItem(option)
        self.initStyleOption(drawn, index)
        feature = QStyleOptionViewItem.ViewItemFeature
        ticked = drawn.checkState is Qt.CheckState.Checked
        drawn.features = (drawn.features & ~feature.HasCheckIndicator) | feature.HasDecoration
        drawn.icon = theme.icon("checkbox-marked" if ticked else "checkbox-blank-outline")
        drawn.decorationSize = QSize(16, 16)
        drawn.widget.style().drawControl(QStyle.ControlElement.CE_ItemViewItem, drawn, painter, drawn.widget)


class _NameDelegate(QStyledItemDelegate):
    """Shortens a name in its middle: names of one study differ at their ends."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: _Index) -> None:
        super().initStyleOption(option, index)
        option.textElideMode = Qt.TextElideMode.ElideMiddle


class _ChoiceDelegate(QStyledItemDelegate):
    """Edits a cell with a list of choices."""

    def __init__(self, choices: Sequence[str], parent: QWidget) -> None:
        super().__init__(parent)
        self._choices = list(choices)

    def createEditor(self, parent: QWidget, _option: QStyleOptionViewItem, _index: _Index) -> QWidget:
        combo = QComboBox(parent)
        combo.addItems(self._choices)
        combo.activated.connect(lambda _row: self._done(combo))
        return combo

    def _done(self, combo: QComboBox) -> None:
        self.commitData.emit(combo)
        self.closeEditor.emit(combo)

    def setEditorData(self, editor: QWidget, index: _Index) -> None:
        if isinstance(editor, QComboBox):
            editor.setCurrentText(str(index.data(Qt.ItemDataRole.EditRole)))
            editor.showPopup()

    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: _Index) -> None:
        if isinstance(editor, QComboBox):
            model.setData(index, editor.currentText(), Qt.ItemDataRole.EditRole)


class ImportDialog(QDialog):
    """The plan as tables; OK only when nothing stands in the way.

    Parameters
    ----------
    plan: what was found.
    store: the workspace it goes to.
    scheme: the labels that mask values are mapped to.
    """

    failed = Signal(object)

    def __init__(self, plan: ImportPlan, store: Store, scheme: LabelScheme, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Import")
        self.setModal(True)
        self.resize(1280, 680)
        self._store = store
        self._scheme = scheme
        self._holder = PlanHolder(plan, self)
        self._holder.failed.connect(self.failed)
        self.files = _table("Files found", FileModel(self._holder), _FILE_WIDTHS)
        self.visits = _table("Visits", VisitModel(self._holder), _VISIT_WIDTHS)
        self.files.setItemDelegateForColumn(FileModel.INCLUDE, _TickDelegate(self.files))
        for table, column in (
            (self.files, FileModel.FILE),
            (self.files, FileModel.PATIENT),
            (self.visits, VisitModel.PATIENT),
        ):
            table.setItemDelegateForColumn(column, _NameDelegate(table))
        self.files.setItemDelegateForColumn(FileModel.ROLE, _ChoiceDelegate(ROLES, self.files))
        self.visits.setItemDelegateForColumn(VisitModel.PHASE, _ChoiceDelegate(PHASES, self.visits))
        self.visits.setItemDelegateForColumn(VisitModel.PREPARATION, _ChoiceDelegate(PREPARATIONS, self.visits))
        self._build()
        self.files.selectionModel().currentRowChanged.connect(lambda *_: self._show_details())
        self._holder.changed.connect(self._refresh)
        self._refresh()
        if plan.items:
            self.files.setCurrentIndex(self.files.model().index(0, FileModel.PATIENT))
        self.files.setFocus()

    @property
    def plan(self) -> ImportPlan:
        """The plan as corrected."""
        return self._holder.plan

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(8)
        self.summary = QLabel()
        self.summary.setProperty("role", "strong")
        column.addWidget(self.summary)
        column.addWidget(
            quiet("Check what each file is, then import. Double click or F2 edits a cell; Space ticks a file.")
        )
        split = QSplitter(Qt.Orientation.Vertical)
        split.setChildrenCollapsible(False)
        split.addWidget(self.files)
        lower = QWidget()
        row = QHBoxLayout(lower)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(16)
        left = QVBoxLayout()
        head = QHBoxLayout()
        head.addWidget(heading("Visits"), 1)
        self.earlier = push_button("Earlier", "Move the selected visit before the one above", lambda: self._move(-1))
        self.later = push_button("Later", "Move the selected visit after the one below", lambda: self._move(1))
        for button in (self.earlier, self.later):
            button.setProperty("role", "small")
            head.addWidget(button)
        left.addLayout(head)
        left.addWidget(self.visits)
        row.addLayout(left, 3)
        right = QVBoxLayout()
        title = heading("Selected file")
        title.setMinimumHeight(self.later.sizeHint().height())
        right.addWidget(title)
        self.details = QScrollArea()
        self.details.setWidgetResizable(True)
        self.details.setMinimumHeight(120)
        right.addWidget(self.details, 1)
        row.addLayout(right, 2)
        split.addWidget(lower)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        column.addWidget(split, 1)
        self.problems = _list_label("warning")
        self.conflicts = _list_label("danger")
        column.addWidget(self.problems)
        column.addWidget(self.conflicts)
        buttons = QDialogButtonBox(_Button.Ok | _Button.Cancel)
        self.ok = buttons.button(_Button.Ok)
        self.ok.setText("Import")
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column.addWidget(buttons)

    def _refresh(self) -> None:
        plan = self.plan
        there = known_visits(plan, self._store)
        known = {(v.patient, v.key) for v in there}
        included = [i for i in plan.items if i.include and (i.patient, i.visit) not in known]
        files = [i for i in included if i.kind is ImportKind.MASK]
        masks = len({(i.patient, i.visit, i.part_of or number) for number, i in enumerate(files)})
        visits = len({(i.patient, i.visit) for i in included})
        patients = len({i.patient for i in included})
        warnings = sum(bool(i.warnings) for i in included)
        new = [v.preparation for v in plan.visits if (v.patient, v.key) not in known]
        raw = sum(preparation is not Preparation.NONE for preparation in new)
        skulls = sum(preparation is Preparation.STRIP for preparation in new)
        counts = [
            count_text(patients, "patient"),
            count_text(visits, "visit"),
            count_text(len(included) - len(files), "sequence"),
            *([count_text(masks, "mask")] if masks else []),
            *([f"{count_text(raw, 'visit')} to be registered"] if raw else []),
            *([f"skull to be removed in {skulls}"] if skulls else []),
        ]
        self.summary.setText(
            ", ".join(counts) + (f"; {count_text(warnings, 'file')} with warnings" if warnings else "")
        )
        kept = (stay_as_they_are(there),) if there and included else ()
        _fill(self.problems, (*kept, *plan.problems))
        conflicts = plan_conflicts(plan, self._store)
        _fill(self.conflicts, conflicts)
        self.ok.setEnabled(not conflicts)
        self.ok.setToolTip("\n".join(conflicts))
        self._show_details()

    def _show_details(self) -> None:
        row = self.files.currentIndex().row()
        if not 0 <= row < len(self.plan.items):
            return
        item = self.plan.items[row]
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(6)
        path = ElidedLabel(Qt.TextElideMode.ElideMiddle)
        path.setText(str(item.path))
        path.setToolTip(str(item.path))
        column.addWidget(path)
        for text in item.warnings:
            warning = QLabel(text)
            warning.setProperty("role", "warning")
            warning.setWordWrap(True)
            column.addWidget(warning)
        if item.kind is ImportKind.MASK:
            table = MappingTable(item.voxel_counts, item.mapping, self._scheme, _voxel_ml(item.path))
            for choice in table.choices.values():
                choice.activated.connect(lambda _row: self._on_mapping(row, table))
            column.addWidget(table)
        column.addStretch(1)
        self.details.setWidget(inside)

    def _move(self, step: int) -> None:
        index = self.visits.currentIndex()
        plan = moved_visit(self.plan, index.row(), step)
        if plan is not self.plan:
            self._holder.use(plan)
            self.visits.setCurrentIndex(index.siblingAtRow(index.row() + step))

    def _on_mapping(self, row: int, table: MappingTable) -> None:
        self._holder.blockSignals(True)  # rebuilding the choices under the reader's hand would close them
        self._holder.use(with_mapping(self.plan, row, table.mapping))
        self._holder.blockSignals(False)


def _table(name: str, model: QAbstractItemModel, widths: Sequence[int]) -> QTableView:
    table = QTableView()
    table.setModel(model)
    table.setAccessibleName(name)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setAlternatingRowColors(True)
    table.setShowGrid(False)
    table.setTabKeyNavigation(False)
    table.setWordWrap(False)
    table.setTextElideMode(Qt.TextElideMode.ElideRight)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(28)
    trigger = QAbstractItemView.EditTrigger
    table.setEditTriggers(trigger.DoubleClicked | trigger.EditKeyPressed | trigger.SelectedClicked)
    for column, width in enumerate(widths):
        table.setColumnWidth(column, width)
    table.horizontalHeader().setStretchLastSection(True)
    table.horizontalHeader().setHighlightSections(False)
    table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
    table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
    return table


def _voxel_ml(path: Path) -> float | None:
    """None where the file can no longer be read; the import says so if it is tried."""
    try:
        return read_header(path).grid.voxel_volume_ml
    except GliomaError:
        return None


def _list_label(role: str) -> QLabel:
    label = QLabel()
    label.setProperty("role", role)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label


def _fill(label: QLabel, texts: Sequence[str]) -> None:
    shown = list(texts[:4])
    if len(texts) > 4:
        shown.append(f"and {len(texts) - 4} more")
    label.setText("\n".join(shown))
    label.setToolTip("\n".join(texts))
    label.setVisible(bool(texts))
