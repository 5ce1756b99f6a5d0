"""Islands: the connected components of the mask, to look at, keep, delete or relabel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QItemSelectionModel, Qt, QTimer, Signal
from PySide6.QtGui import QIcon, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.domain.island import Island
from glioma_annotator.ui.panels.parts import DecimalField, count_text, push_button, quiet, swatch
from glioma_annotator.ui.panels.record_rows import filling
from glioma_annotator.ui.reading_state import ReadingState
from glioma_annotator.ui.study_controller import StudyController

#: The list follows the mask this long after the last change.
_DELAY_MS = 300
_MOST_ROWS = 500
_ISLAND = Qt.ItemDataRole.UserRole
_SORT = Qt.ItemDataRole.UserRole + 1


class _Figure(QTableWidgetItem):
    """A cell that sorts by a number, not by its text."""

    def __init__(self, text: str, value: float) -> None:
        super().__init__(text)
        self.setData(_SORT, value)
        self.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def __lt__(self, other: QTableWidgetItem) -> bool:
        return float(self.data(_SORT)) < float(other.data(_SORT))


class IslandsPanel(QWidget):
    """A row per island; the list is made only while it is seen.

    Parameters
    ----------
    jump: moves the crosshair to a voxel.

    Signals
    -------
    done: the volume was entered or used; the keyboard belongs to the panes again.
    """

    done = Signal()

    def __init__(
        self, study: StudyController, reading: ReadingState, jump: Callable[[tuple[int, int, int]], None]
    ) -> None:
        super().__init__()
        self._study = study
        self._reading = reading
        self._jump = jump
        self._stale = True
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(6)
        self.summary = quiet("")
        self.table = QTableWidget(0, 4)
        self.table.setHorizontalHeaderLabels(["Label", "mL", "RAS mm", "Slice"])
        centroid = QTableWidgetItem("RAS mm")
        centroid.setToolTip("Centroid in world coordinates: right, anterior, superior")
        self.table.setHorizontalHeaderItem(2, centroid)
        self.table.verticalHeader().hide()
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setAlternatingRowColors(True)
        self.table.setShowGrid(False)
        self.table.setTabKeyNavigation(False)  # Tab goes on to the buttons
        self.table.setAccessibleName("Islands of the mask")
        self.table.verticalHeader().setDefaultSectionSize(24)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
        self.table.itemSelectionChanged.connect(self._on_selection)
        self.delete = push_button("Delete", "Make background of the selected islands", self._delete)
        self.keep = push_button("Keep only", "Delete the other islands of the same labels", self._keep)
        self.relabel = push_button("Relabel", "Give the selected islands the active label", self._relabel)
        row = QHBoxLayout()
        row.setSpacing(4)
        for button in (self.delete, self.keep, self.relabel):
            button.setProperty("role", "narrow")
            row.addWidget(button, 1)
        self.under = DecimalField()
        self.under.setRange(0.0, 100.0)
        self.under.setDecimals(2)
        self.under.setSingleStep(0.05)
        self.under.setValue(0.1)
        self.under.setSuffix(" mL")
        self.under.setAccessibleName("Delete islands under this volume in mL")
        self.delete_small = push_button("Delete all under", "Delete every island smaller than this", self._delete_small)
        self.under.lineEdit().returnPressed.connect(self.done)
        small = QHBoxLayout()
        small.setSpacing(4)
        small.addWidget(self.delete_small, 1)
        small.addWidget(self.under)
        column.addWidget(self.summary)
        column.addWidget(self.table, 1)
        column.addLayout(row)
        column.addLayout(small)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY_MS)
        self._timer.timeout.connect(self._read)
        study.mask_changed.connect(lambda _box: self._invalidate())
        study.visit_changed.connect(self._invalidate)
        self._islands: tuple[Island, ...] = ()
        self._refresh_buttons()

    # the list

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._stale:
            self._timer.start(0)

    def _invalidate(self) -> None:
        self._stale = True
        if self.isVisible():
            self._timer.start(_DELAY_MS)

    def _read(self) -> None:
        visit = self._study.visit
        if visit is None:
            self._show(())
            return
        labels, grid, values = visit.editor.labels.copy(), visit.timepoint.grid, visit.scheme.values

        def work() -> tuple[Island, ...]:
            from glioma_annotator.imaging.label_ops.islands import islands  # scipy: not when the window opens

            return islands(labels, grid, values)

        def done(found: tuple[Island, ...]) -> None:
            if self._study.visit is visit:
                self._show(found)

        self._stale = False
        self._study.workers.draw(work, done)

    def _show(self, found: tuple[Island, ...]) -> None:
        visit = self._study.visit
        islands = self._islands = found
        table = self.table
        chosen = {(island.value, island.inside) for island in self._selected()}
        table.blockSignals(True)
        table.clearSelection()  # by rows, it would now hold other islands, which nobody chose
        table.setSortingEnabled(False)
        table.setRowCount(min(len(islands), _MOST_ROWS))
        labels = visit.scheme.labels if visit is not None else ()
        names = {label.value: (label.name, swatch(label.colour, 12)) for label in labels}
        with filling(table):
            for row, island in enumerate(islands[:_MOST_ROWS]):
                text, icon = names.get(island.value, (str(island.value), QIcon()))
                name = QTableWidgetItem(icon, text)
                name.setData(_ISLAND, island)
                x, y, z = island.centroid_mm
                cells = (
                    name,
                    _Figure(f"{island.ml:.2f}" if island.ml >= 0.01 else f"{island.ml:.3f}", island.ml),
                    _Figure(f"{x:.0f} {y:.0f} {z:.0f}", z),
                    _Figure(str(island.inside[2] + 1), island.inside[2]),
                )
                for place, cell in enumerate(cells):
                    table.setItem(row, place, cell)
        table.setSortingEnabled(True)
        select = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        for row in range(table.rowCount()):
            item = table.item(row, 0)
            held = item.data(_ISLAND) if item is not None else None
            if held is not None and (held.value, held.inside) in chosen:
                table.selectionModel().select(table.model().index(row, 0), select)
        table.blockSignals(False)
        shown = f", the largest {_MOST_ROWS} shown" if len(islands) > _MOST_ROWS else ""
        self.summary.setText(f"{count_text(len(islands), 'island')}{shown}. A click goes to it.")
        self._refresh_buttons()

    def _selected(self) -> list[Island]:
        rows = {index.row() for index in self.table.selectedIndexes()}
        items = [self.table.item(row, 0) for row in sorted(rows)]
        return [held for item in items if item is not None and isinstance(held := item.data(_ISLAND), Island)]

    def _on_selection(self) -> None:
        chosen = self._selected()
        if len(chosen) == 1:
            self._jump(chosen[0].inside)
        self._refresh_buttons()

    def _refresh_buttons(self) -> None:
        some = self._study.editable and bool(self.table.selectedIndexes())
        for button in (self.delete, self.keep, self.relabel):
            button.setEnabled(some)
        self.delete_small.setEnabled(self._study.editable and bool(self._islands))

    # what is done to them

    def _set(self, name: str, chosen: list[Island], value: int) -> None:
        """Change the voxels of islands that still have the island's label."""
        visit = self._study.visit
        if visit is None or not chosen:
            return
        flat = visit.editor.labels.reshape(-1)
        parts = [island.index[flat[island.index] == island.value] for island in chosen]
        ml = sum(len(part) for part in parts) * visit.timepoint.grid.voxel_volume_ml
        edit = visit.editor.set_voxels(name, np.sort(np.concatenate(parts)), value)
        changed = f"{name}: {count_text(len(chosen), 'island')}, {ml:.2f} mL"
        self._study.notice.emit(changed if edit is not None else "The edit rules leave these islands as they are.")

    def _delete(self) -> None:
        self._set("Delete islands", self._selected(), 0)

    def _relabel(self) -> None:
        self._set("Relabel islands", self._selected(), self._reading.brush.value)

    def _keep(self) -> None:
        kept = self._selected()
        values = {island.value for island in kept}
        others = [i for i in self._islands if i.value in values and i not in kept]
        self._set("Keep islands", others, 0)

    def _delete_small(self) -> None:
        small = [i for i in self._islands if i.ml < self.under.value()]
        if not small:
            self._study.notice.emit(f"No island is smaller than {self.under.value():g} mL.")
        self._set(f"Delete islands under {self.under.value():g} mL", small, 0)
        if self.window().focusWidget() is self.under:  # where Undo would undo the number
            self.done.emit()
