"""Volumes of every visit with what they are compared with, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem

from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.ui.panels.parts import list_table, ml_text, swatch
from glioma_annotator.ui.panels.record_rows import filling

if TYPE_CHECKING:
    from glioma_annotator.workflow.measure import Change, MeasuredVisit

_HEADS = ("Visit", "Day", "Revision", "Of", "Volume, mL", "Baseline, mL", "Since baseline", "Nadir, mL", "Since nadir",
          "Doubling time")  # fmt: skip
_FIRST_FIGURE = 4


def volume_table() -> QTableWidget:
    """An empty table, to be filled by `fill_volumes`."""
    table = list_table(_HEADS, "Volumes of every visit")
    table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    return table


def fill_volumes(table: QTableWidget, visits: Sequence[MeasuredVisit], scheme: LabelScheme) -> None:
    """Regions and labels of every visit; a visit without a mask has one row that says so."""
    icons = {label.name: swatch(label.colour) for label in scheme.labels}
    rows: list[tuple[tuple[str, ...], QIcon]] = []
    for seen in visits:
        day = "" if seen.visit.day is None else str(seen.visit.day)
        title, revision = seen.visit.timepoint.title, seen.visit.revision
        if revision is None:
            rows.append(((title, day, "no mask", *[""] * (len(_HEADS) - 3)), QIcon()))
            continue
        mask = f"{revision.number}, {revision.status.value}"
        regions = {name: change for name, change in seen.regions.items() if name not in seen.labels}
        for name, change in (*seen.labels.items(), *regions.items()):
            rows.append(((title, day, mask, name, *_figures(change)), icons.get(name, QIcon())))
            title = day = mask = ""  # said once
    table.setRowCount(len(rows))
    with filling(table):
        for row, (texts, icon) in enumerate(rows):
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                if column >= _FIRST_FIGURE:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                if column == _FIRST_FIGURE - 1:
                    item.setIcon(icon)
                table.setItem(row, column, item)


def _figures(change: Change) -> tuple[str, ...]:
    def percent(share: float | None) -> str:
        return "–" if share is None else f"{share:+.0%}"

    doubling = "–" if change.doubling_days is None else f"{change.doubling_days:.0f} days"
    return (ml_text(change.volume_ml), ml_text(change.baseline_ml), percent(change.from_baseline),
            ml_text(change.nadir_ml), percent(change.from_nadir), doubling)  # fmt: skip
