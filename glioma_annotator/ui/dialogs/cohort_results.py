"""The visits that a question selects, as a table that sorts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt

from glioma_annotator.domain.cohort import CohortHit
from glioma_annotator.ui.panels.parts import ml_text

_HEADS = ("Patient", "Visit", "Date", "Day", "Phase")
_DAY = 3
_Index = QModelIndex | QPersistentModelIndex
_NOWHERE = QModelIndex()


class HitModel(QAbstractTableModel):
    """Hits in rows; a column of mL for each label in the question, and where there is a place to look at."""

    def __init__(self) -> None:
        super().__init__()
        self.hits: list[CohortHit] = []
        self._labels: list[str] = []

    def show_hits(self, hits: Sequence[CohortHit]) -> None:
        self.beginResetModel()
        self.hits = list(hits)
        self._labels = list(dict.fromkeys(name for hit in hits for name in hit.volumes_ml))
        self.endResetModel()

    def rowCount(self, _parent: _Index = _NOWHERE) -> int:
        return len(self.hits)

    def columnCount(self, _parent: _Index = _NOWHERE) -> int:
        return len(_HEADS) + len(self._labels) + 1

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role != Qt.ItemDataRole.DisplayRole or orientation is not Qt.Orientation.Horizontal:
            return None
        heads = (*_HEADS, *(f"{name} mL" for name in self._labels), "Place")
        return heads[section]

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(self.hits[index.row()], index.column())
        if role == Qt.ItemDataRole.TextAlignmentRole:
            column = index.column()
            if column == _DAY or len(_HEADS) <= column < self.columnCount() - 1:
                return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ToolTipRole:
            return "Double click or Return opens the image here"
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """What is unknown comes last in either order; without a column all stays as found."""
        if column < 0:
            return
        self.layoutAboutToBeChanged.emit()
        before, indexes = self.hits, self.persistentIndexList()
        descending = order == Qt.SortOrder.DescendingOrder
        known = [hit for hit in before if self._key(hit, column) is not None]
        unknown = [hit for hit in before if self._key(hit, column) is None]
        self.hits = sorted(known, key=lambda hit: self._key(hit, column), reverse=descending) + unknown
        rows = {id(hit): row for row, hit in enumerate(self.hits)}
        moved = [self.index(rows[id(before[old.row()])], old.column()) for old in indexes]
        self.changePersistentIndexList(indexes, moved)  # the chosen visit stays chosen
        self.layoutChanged.emit()

    def _key(self, hit: CohortHit, column: int) -> Any:
        if column < len(_HEADS):
            return (hit.patient, hit.timepoint, hit.date, hit.day, hit.phase.value)[column]
        if column < self.columnCount() - 1:
            return hit.volumes_ml.get(self._labels[column - len(_HEADS)])
        return _place(hit) or None

    def _text(self, hit: CohortHit, column: int) -> str:
        if column < len(_HEADS):
            value = (hit.patient, hit.timepoint, hit.date, hit.day, hit.phase.value)[column]
            return "" if value is None else str(value)
        if column < self.columnCount() - 1:
            return ml_text(hit.volumes_ml.get(self._labels[column - len(_HEADS)]))
        return _place(hit)


def _place(hit: CohortHit) -> str:
    if hit.point_mm is None:
        return ""
    return "finding" if hit.finding else "mask"
