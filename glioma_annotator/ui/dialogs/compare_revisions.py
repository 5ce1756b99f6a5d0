"""Two masks of a visit against each other: Dice, and what one adds to and takes from the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QGridLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.ui.panels.parts import line, ml_text, quiet
from glioma_annotator.workflow.difference import LabelChange

_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_HEADS = ("Label", "Dice", "Before mL", "After mL", "Added mL", "Removed mL")


@dataclass(frozen=True, slots=True)
class ComparedMask:
    """A mask that can be compared: `key` names it to `compare`, `title` to the reader."""

    key: int | None
    title: str


class CompareDialog(QDialog):
    """Choose two masks; the table follows.

    Parameters
    ----------
    masks: what can be compared, the mask as it stands first.
    before, after: keys of the two chosen first.
    compare: computes the rows of two keys and hands them to a callback on this thread.
    side_by_side: shows the mask of a key beside the open visit.
    """

    def __init__(
        self,
        masks: Sequence[ComparedMask],
        before: int | None,
        after: int | None,
        compare: Callable[[int | None, int | None, Callable[[Sequence[LabelChange]], None]], None],
        side_by_side: Callable[[int | None], None],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Compare masks")
        self._compare = compare
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 24, 24, 16)
        column.setSpacing(12)
        form = QFormLayout()
        form.setHorizontalSpacing(12)
        self.before, self.after = QComboBox(), QComboBox()
        for combo, chosen, name in ((self.before, before, "Before"), (self.after, after, "After")):
            for mask in masks:
                combo.addItem(mask.title, mask.key)
            combo.setCurrentIndex(next((n for n, mask in enumerate(masks) if mask.key == chosen), 0))
            combo.setAccessibleName(name)
            combo.activated.connect(self._refresh)
            form.addRow(name, combo)
        column.addLayout(form)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(24)
        self._grid.setVerticalSpacing(4)
        for place, text in enumerate(_HEADS):
            head = quiet(text, wrap=False)
            head.setAlignment(_RIGHT if place else _LEFT)
            self._grid.addWidget(head, 0, place)
        self._grid.addWidget(line(), 1, 0, 1, len(_HEADS))
        column.addLayout(self._grid)
        self.same = quiet("")
        column.addWidget(self.same)
        self.cells: dict[tuple[str, int], str] = {}
        self._labels: list[QLabel] = []
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.beside = buttons.addButton("Show side by side", QDialogButtonBox.ButtonRole.ActionRole)
        self.beside.setToolTip("The mask chosen under Before, beside the open visit")
        self.beside.clicked.connect(lambda: side_by_side(self.before.currentData()))
        buttons.rejected.connect(self.reject)
        column.addWidget(buttons)
        self._refresh()

    @property
    def _chosen(self) -> tuple[int | None, int | None]:
        return self.before.currentData(), self.after.currentData()

    def _refresh(self) -> None:
        chosen = self._chosen

        def show(rows: Sequence[LabelChange]) -> None:
            if self._chosen == chosen:
                self._show(rows)

        self._clear()
        self._compare(*chosen, show)

    def _clear(self) -> None:
        for label in self._labels:
            self._grid.removeWidget(label)
            label.deleteLater()
        self._labels, self.cells = [], {}
        self.same.clear()

    def _show(self, rows: Sequence[LabelChange]) -> None:
        self._clear()
        for row, change in enumerate(rows, start=2):
            figures = (change.before_ml, change.after_ml, change.added_ml, change.removed_ml)
            texts = (change.name, f"{change.dice:.3f}", *(ml_text(ml) for ml in figures))
            for place, text in enumerate(texts):
                cell = QLabel(text)
                cell.setAlignment(_RIGHT if place else _LEFT)
                self._grid.addWidget(cell, row, place)
                self._labels.append(cell)
                self.cells[change.name, place] = text
        same = not any(change.added_ml or change.removed_ml for change in rows)
        self.same.setText("Both masks are the same." if same else "")
