"""Rows of lists of records: as high as their words need, within bounds, also when their columns change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QTableWidget

_MOST_LINES = 4
_PADDING_PX = 8


@contextmanager
def filling(table: QTableWidget) -> Iterator[None]:
    """While cells are set: a column as wide as its contents would be measured anew for every one of them."""
    model = table.model()
    model.blockSignals(True)
    try:
        yield
    finally:
        model.blockSignals(False)
        model.layoutChanged.emit()


def fit_rows(table: QTableWidget) -> None:
    """Make every row as high as its words need, four lines at most: a tooltip has the rest."""
    table.resizeRowsToContents()
    most = _MOST_LINES * table.fontMetrics().lineSpacing() + _PADDING_PX
    for row in range(table.rowCount()):
        if table.rowHeight(row) > most:
            table.setRowHeight(row, most)


def keep_rows_fitted(table: QTableWidget, fit: Callable[[], None]) -> None:
    """Call `fit` soon after a column became wider or narrower: words wrap elsewhere then."""
    soon = QTimer(table)
    soon.setSingleShot(True)
    soon.setInterval(0)
    soon.timeout.connect(fit)
    table.horizontalHeader().sectionResized.connect(lambda *_: soon.start())
