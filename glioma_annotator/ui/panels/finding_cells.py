"""Cells of the list of findings, and the signs that stand in them where there is no room for words."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QTableWidgetItem

from glioma_annotator.domain.finding import LesionChange

ID = Qt.ItemDataRole.UserRole
_SORT = Qt.ItemDataRole.UserRole + 1
#: Stands for histology where the column is too narrow for words; samples are marked with it in the images too.
SAMPLE_SIGN = "\N{BLACK DIAMOND}"
#: Stand for the change since the visit before where there is no room for the word.
CHANGE_SIGNS = {
    LesionChange.UNCHANGED: "=",
    LesionChange.GROWN: "\N{BLACK UP-POINTING SMALL TRIANGLE}",
    LesionChange.SHRUNK: "\N{BLACK DOWN-POINTING SMALL TRIANGLE}",
    LesionChange.NEW: "new",
    LesionChange.GONE: "gone",
    LesionChange.MERGED: "\N{RIGHTWARDS ARROW}\N{LEFTWARDS ARROW}",
    LesionChange.SPLIT: "\N{LEFTWARDS ARROW}\N{RIGHTWARDS ARROW}",
}


class Cell(QTableWidgetItem):
    """Sorts by a key of its own."""

    def __init__(self, text: str, key: float | str, finding_id: str) -> None:
        super().__init__(text)
        self.setData(_SORT, key)
        self.setData(ID, finding_id)

    def __lt__(self, other: QTableWidgetItem) -> bool:
        return bool(self.data(_SORT) < other.data(_SORT))
