"""Where the model was unsure, the largest expected error first."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from glioma_annotator.ui.panels.parts import quiet
from glioma_annotator.ui.uncertainty import Uncertainty


class PlacesPanel(QWidget):
    """A row per place to check; a click goes there."""

    def __init__(self, uncertainty: Uncertainty) -> None:
        super().__init__()
        self._uncertainty = uncertainty
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(6)
        self.summary = quiet("")
        self.table = QTableWidget(0, 3)
        self.table.setHorizontalHeaderLabels(["Slice", "Error mL", "Region mL"])
        self.table.verticalHeader().setDefaultSectionSize(24)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setAlternatingRowColors(True)
        self.table.setShowGrid(False)
        self.table.setTabKeyNavigation(False)  # Tab goes on
        self.table.setAccessibleName("Places to check, the largest expected error first")
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.clicked.connect(self._go)
        self.table.activated.connect(self._go)
        column.addWidget(self.summary)
        column.addWidget(self.table, 1)
        uncertainty.changed.connect(self._refresh)
        self._refresh()

    def _refresh(self) -> None:
        places = self._uncertainty.places
        self.table.setRowCount(len(places))
        for row, place in enumerate(places):
            for column, text in enumerate((str(place.inside[2] + 1), _ml(place.error_ml), _ml(place.volume_ml))):
                item = QTableWidgetItem(text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(row, column, item)
        if 0 <= self._uncertainty.at < len(places):
            self.table.selectRow(self._uncertainty.at)
        if not self._uncertainty.available:
            self.summary.setText("Segment the visit: then the places the model is unsure of are listed here.")
        elif self._uncertainty.searching:
            self.summary.setText("Looking for the places to check …")
        elif places:
            total = sum(place.error_ml for place in places)
            count = f"{len(places)} place{'s' if len(places) > 1 else ''}"
            self.summary.setText(f"{count}, about {total:.1f} mL expected error. Shift+U goes to the next.")
        else:
            self.summary.setText("The model is sure of every voxel of this visit.")

    def _go(self, index: QModelIndex) -> None:
        self._uncertainty.go_to(index.row())


def _ml(volume_ml: float) -> str:
    return f"{volume_ml:.2f}" if volume_ml >= 0.01 else f"{volume_ml:.3f}"
