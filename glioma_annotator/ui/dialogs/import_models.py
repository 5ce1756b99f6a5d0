"""The import plan as two tables: files and visits. Every edit makes a new plan."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor

from glioma_annotator.domain.import_plan import ImportItem, ImportKind, ImportPlan, ImportVisit, Preparation
from glioma_annotator.domain.patient import TreatmentPhase
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.errors import GliomaError, UserError
from glioma_annotator.imaging.nifti_header import composed
from glioma_annotator.ui import theme
from glioma_annotator.workflow.import_study import (
    as_mask,
    rename_patient,
    rename_visit,
    with_include,
    with_patient,
    with_preparation,
    with_role,
    with_time,
    with_visit,
)
from glioma_annotator.workflow.recognition.moments import find_moment

Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole
MASK = "mask"
ROLES = (*(role.value for role in SequenceRole), MASK)
PREPARATIONS = tuple(preparation.value for preparation in Preparation)
PHASES = tuple(phase.value for phase in TreatmentPhase)
_INVALID = QModelIndex()

FILE_HEADS = ("Import", "Patient", "Visit", "File", "Is", "Name", "Guessed from", "Warnings")
VISIT_HEADS = ("Patient", "Visit", "Date", "Day", "Phase", "Images", "Holds")


class PlanHolder(QObject):
    """The plan as corrected so far.

    Signals
    -------
    changed: after every correction. failed(BaseException): a correction was refused; the plan stays.
    """

    changed = Signal()
    failed = Signal(object)

    def __init__(self, plan: ImportPlan, parent: QObject) -> None:
        super().__init__(parent)
        self.plan = plan

    def use(self, plan: ImportPlan) -> None:
        self.plan = plan
        self.changed.emit()


class _Table(QAbstractTableModel):
    heads: tuple[str, ...] = ()

    def __init__(self, holder: PlanHolder) -> None:
        super().__init__(holder)
        self.holder = holder
        self._rows = self._count()
        holder.changed.connect(self._on_changed)

    @property
    def plan(self) -> ImportPlan:
        return self.holder.plan

    def _count(self) -> int:
        raise NotImplementedError

    def _on_changed(self) -> None:
        if self._count() != self._rows:
            self.beginResetModel()
            self._rows = self._count()
            self.endResetModel()
        elif self._rows:
            self.dataChanged.emit(self.index(0, 0), self.index(self._rows - 1, len(self.heads) - 1))

    def rowCount(self, parent: Index = _INVALID) -> int:
        return 0 if parent.isValid() else self._rows

    def columnCount(self, parent: Index = _INVALID) -> int:
        return 0 if parent.isValid() else len(self.heads)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole) -> Any:
        if orientation is Qt.Orientation.Horizontal and role == Role.DisplayRole:
            return self.heads[section]
        return None


class FileModel(_Table):
    """One row per volume found."""

    heads = FILE_HEADS
    INCLUDE, PATIENT, VISIT, FILE, ROLE, NAME, WHY, WARNINGS = range(8)

    def _count(self) -> int:
        return len(self.plan.items)

    def flags(self, index: Index) -> Qt.ItemFlag:
        flags = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
        if index.column() == self.INCLUDE:
            return flags | Qt.ItemFlag.ItemIsUserCheckable
        editable = {self.PATIENT, self.VISIT, self.ROLE}
        item = self.plan.items[index.row()]
        if item.kind is ImportKind.IMAGE and item.role is SequenceRole.OTHER:
            editable.add(self.NAME)
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() in editable else flags

    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        item, column = self.plan.items[index.row()], index.column()
        if role == Role.CheckStateRole and column == self.INCLUDE:
            return Qt.CheckState.Checked if item.include else Qt.CheckState.Unchecked
        if role in (Role.DisplayRole, Role.EditRole):
            return self._text(item, column)
        if role == Role.ToolTipRole:
            return self._tip(item, column)
        if role == Role.ForegroundRole:
            if column == self.WARNINGS:
                return QColor(theme.current().warning)
            return None if item.include else QColor(theme.current().quiet)
        if role == Role.DecorationRole and column == self.WARNINGS and item.warnings:
            return theme.icon("alert-outline", theme.current().warning)
        if role == Role.AccessibleTextRole and column == self.INCLUDE:
            return f"Import {item.path.name}"
        return None

    def _text(self, item: ImportItem, column: int) -> str:
        channel = "" if item.channel is None else f"  [{item.channel + 1}]"
        return {
            self.INCLUDE: "",
            self.PATIENT: item.patient,
            self.VISIT: item.visit,
            self.FILE: composed(item.path.name) + channel,
            self.ROLE: MASK if item.kind is ImportKind.MASK else item.role.value,
            self.NAME: item.name,
            self.WHY: item.why,
            self.WARNINGS: " ".join(item.warnings),
        }[column]

    def _tip(self, item: ImportItem, column: int) -> str | None:
        if column == self.WARNINGS:
            return "\n".join(item.warnings)
        if column == self.FILE:
            return str(item.path)
        if column == self.INCLUDE:
            return "Untick to leave this file out"
        return self._text(item, column)

    def setData(self, index: Index, value: Any, role: int = Role.EditRole) -> bool:
        row, column, plan = index.row(), index.column(), self.plan
        item = plan.items[row]
        text = str(value).strip()
        if role == Role.CheckStateRole and column == self.INCLUDE:
            self.holder.use(with_include(plan, row, Qt.CheckState(value) is Qt.CheckState.Checked))
            return True
        if role != Role.EditRole or text == self._text(item, column) or not text:
            return False
        if column == self.ROLE:
            return self._set_role(row, text)
        if column == self.PATIENT:
            self.holder.use(with_patient(plan, row, text))
        elif column == self.VISIT:
            self.holder.use(with_visit(plan, row, text))
        elif column == self.NAME:
            self.holder.use(with_role(plan, row, SequenceRole.OTHER, text))
        return True

    def _set_role(self, row: int, text: str) -> bool:
        try:
            changed = as_mask(self.plan, row) if text == MASK else with_role(self.plan, row, SequenceRole(text))
        except GliomaError as error:  # a file that cannot be a mask stays what it is
            self.holder.failed.emit(error)
            return False
        self.holder.use(changed)
        return True


_PREPARATION_TIPS = {
    Preparation.NONE: "Stored as they are, on the voxels of the reference sequence",
    Preparation.REGISTER: "Every sequence is registered to the reference sequence",
    Preparation.STRIP: "The skull shows: every sequence is registered to the reference sequence, "
    "then all but the brain is set to zero, as the models expect",
}


class VisitModel(_Table):
    """One row per visit; names, date, day, phase and preparation can be corrected."""

    heads = VISIT_HEADS
    PATIENT, KEY, DATE, DAY, PHASE, PREPARATION, HOLDS = range(7)

    def _count(self) -> int:
        return len(self.plan.visits)

    def flags(self, index: Index) -> Qt.ItemFlag:
        flags = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
        return flags if index.column() == self.HOLDS else flags | Qt.ItemFlag.ItemIsEditable

    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        visit, column = self.plan.visits[index.row()], index.column()
        if role in (Role.DisplayRole, Role.EditRole):
            text = self._text(visit, column)
            if not text and role == Role.DisplayRole and column == self.DATE:
                return "unknown"
            return text
        if role == Role.ForegroundRole and column == self.DATE and visit.date is None:
            return QColor(theme.current().quiet)
        if role == Role.ToolTipRole:
            return {
                self.PATIENT: "Another name here renames the patient",
                self.KEY: "Another name here renames the visit",
                self.DATE: "Date as YYYY-MM-DD; empty when unknown",
                self.DAY: "Days since the first visit; empty when unknown",
                self.PHASE: "Where the visit stands in the treatment",
                self.PREPARATION: _PREPARATION_TIPS[visit.preparation],
            }.get(column, self._text(visit, column))
        return None

    def _text(self, visit: ImportVisit, column: int) -> str:
        items = [i for i in self.plan.items if i.include and (i.patient, i.visit) == (visit.patient, visit.key)]
        return {
            self.PATIENT: visit.patient,
            self.KEY: visit.key,
            self.DATE: visit.date.isoformat() if visit.date else "",
            self.DAY: "" if visit.day is None else str(visit.day),
            self.PHASE: visit.phase.value,
            self.PREPARATION: visit.preparation.value,
            self.HOLDS: ", ".join(MASK if i.kind is ImportKind.MASK else i.name for i in items) or "nothing",
        }[column]

    def setData(self, index: Index, value: Any, role: int = Role.EditRole) -> bool:
        visit, column, text = self.plan.visits[index.row()], index.column(), str(value).strip()
        if role != Role.EditRole or text == self._text(visit, column):
            return False
        if column == self.PATIENT:
            if text:
                self.holder.use(rename_patient(self.plan, visit.patient, text))
            return bool(text)
        if column == self.KEY:
            if text:
                self.holder.use(rename_visit(self.plan, visit.patient, visit.key, text))
            return bool(text)
        if column == self.PREPARATION:
            if text not in PREPARATIONS:
                return False
            self.holder.use(with_preparation(self.plan, visit.patient, visit.key, Preparation(text)))
            return True
        changed = _with_cell(visit, column, text)
        if changed is None:
            self.holder.failed.emit(UserError(f"“{text}” is no {_MEANT[column]}.", _WRITTEN[column]))
            return False
        plan = with_time(self.plan, visit.patient, visit.key, date=changed.date, day=changed.day, phase=changed.phase)
        self.holder.use(plan)
        return True


def moved_visit(plan: ImportPlan, row: int, step: int) -> ImportPlan:
    """The plan with a visit earlier (-1) or later (+1) in its patient's course; the same plan where it cannot move."""
    other = row + step
    if not (0 <= row < len(plan.visits) and 0 <= other < len(plan.visits)):
        return plan
    one, two = plan.visits[row], plan.visits[other]
    if one.patient != two.patient:
        return plan
    visits = list(plan.visits)
    visits[row], visits[other] = replace(two, order=one.order), replace(one, order=two.order)
    return replace(plan, visits=tuple(visits))


def _with_cell(visit: ImportVisit, column: int, text: str) -> ImportVisit | None:
    """The visit with a cell's new text; None when the text is no date, day or phase."""
    try:
        if column == VisitModel.DATE:
            return replace(visit, date=_date(text) if text else None)
        if column == VisitModel.DAY:
            return replace(visit, day=int(text) if text else None)
        if column == VisitModel.PHASE:
            return replace(visit, phase=TreatmentPhase(text))
    except ValueError:
        return None
    return None


def _date(text: str) -> dt.date:
    """A date as YYYY-MM-DD or as names write it, such as 14.01.2019; ValueError where it is none or may be two."""
    told = find_moment(text)
    return told.date if told is not None and told.date is not None else dt.date.fromisoformat(text)


_MEANT = {VisitModel.DATE: "date", VisitModel.DAY: "whole number of days", VisitModel.PHASE: "phase"}
_WRITTEN = {
    VisitModel.DATE: "Write it as YYYY-MM-DD, or leave it empty when it is unknown.",
    VisitModel.DAY: "Write the days since the first visit as a number, or leave it empty when they are unknown.",
    VisitModel.PHASE: "Choose one of the list.",
}
