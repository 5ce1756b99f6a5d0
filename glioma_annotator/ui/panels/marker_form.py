"""The markers of a histology sample as rows of a form: a result, not tested or indeterminate, the detail."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QLineEdit, QToolButton, QWidget

from glioma_annotator.domain.histology import HistologySample, Marker, MarkerResult, MarkerStatus
from glioma_annotator.ui.panels.entry_fields import Choice, Figure
from glioma_annotator.workflow.histology_entry import MarkerChoice, marker_choices, marker_title

_SHORT = {Marker.MICROVASCULAR_PROLIFERATION: "Microvasc. prolif."}


class MarkerRow(QObject):
    """One marker.

    Parameters
    ----------
    keep: told of another result.
    """

    def __init__(self, form: QFormLayout, marker: Marker, keep: Callable[[MarkerResult], None]) -> None:
        super().__init__(form)
        self._form, self._marker, self._keep = form, marker, keep
        title = marker_title(marker)
        self.choice = Choice(title)
        for choice in marker_choices(marker):
            self.choice.add(choice.text, choice)
        self.choice.chosen.connect(self._on_choice)
        label = QLabel(_SHORT.get(marker, title))
        label.setToolTip(title)
        label.setBuddy(self.choice)
        self.more = QToolButton()
        self.more.setText("…")
        self.more.setCheckable(True)
        self.more.setToolTip("Variant or method, as reported")
        self.more.setAccessibleName(f"Detail of {title}")
        self.more.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.more.toggled.connect(self._show_parts)
        line = QHBoxLayout()
        line.setSpacing(2)
        line.addWidget(self.choice, 1)
        line.addWidget(self.more)
        form.addRow(label, line)
        self.percent: Figure | None = None
        if marker is Marker.KI67:
            self.percent = self._build_percent(title)
            form.addRow("", self.percent)
        self.detail = QLineEdit()
        self.detail.setPlaceholderText("Variant, method")
        self.detail.setAccessibleName(f"{title}, detail")
        self.detail.editingFinished.connect(self.flush)
        form.addRow("", self.detail)

    def _build_percent(self, title: str) -> Figure:
        field = Figure()
        field.setRange(-1.0, 100.0)  # below zero stands for none given
        field.setSpecialValueText("percentage …")
        field.setDecimals(1)
        field.setSuffix(" %")
        field.setKeyboardTracking(False)
        field.setAccessibleName(f"{title}, percentage")
        field.valueChanged.connect(lambda _v: self.flush())
        return field

    def show_result(self, result: MarkerResult, *, other: bool) -> None:
        """Show what is recorded; unless for another sample, a percentage and a detail still being typed stay."""
        if other or self.typed() is not None:
            self.choice.show_index(next(i for i in range(self.choice.count()) if _is(self.choice.itemData(i), result)))
            if self.percent is not None:
                self.percent.blockSignals(True)
                self.percent.setValue(-1.0 if result.percent is None else result.percent)
                self.percent.blockSignals(False)
        if other or not self.detail.hasFocus():
            self.detail.setText(result.detail)
        if other:
            self.more.setChecked(False)
        self._show_parts()

    def flush(self) -> None:
        """Keep what was typed."""
        result = self.typed()
        if result is not None:
            self._keep(result)

    def typed(self) -> MarkerResult | None:
        """The result as the row has it; None for a percentage that was not given yet."""
        chosen = self._chosen
        percent = self.percent.value() if self.percent is not None and chosen.status is MarkerStatus.RESULT else None
        if percent is not None and percent < 0:
            return None
        return MarkerResult(self._marker, chosen.status, chosen.altered, percent, self.detail.text().strip())

    def set_enabled(self, enabled: bool) -> None:
        for field in (self.choice, self.percent, self.detail):
            if field is not None:
                field.setEnabled(enabled)

    @property
    def _chosen(self) -> MarkerChoice:
        chosen: MarkerChoice = self.choice.currentData()
        return chosen

    def _on_choice(self) -> None:
        self._show_parts()
        if self.percent is not None and self._chosen.status is MarkerStatus.RESULT:
            self.percent.setFocus(Qt.FocusReason.OtherFocusReason)
            self.percent.selectAll()
        self.flush()

    def _show_parts(self) -> None:
        """The detail where there is one, or where the reader asked for it."""
        tested = self._chosen.status is not MarkerStatus.NOT_TESTED
        written = bool(self.detail.text())
        self.more.setVisible(tested and not written)
        self._form.setRowVisible(self.detail, written or (tested and self.more.isChecked()))
        if self.percent is not None:
            self._form.setRowVisible(self.percent, self._chosen.status is MarkerStatus.RESULT)


class MarkerForm(QWidget):
    """Every marker of WHO CNS5.

    Parameters
    ----------
    keep: told of another result of a marker.
    """

    def __init__(self, keep: Callable[[MarkerResult], None]) -> None:
        super().__init__()
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(4)
        self.rows = {marker: MarkerRow(form, marker, keep) for marker in Marker}

    def show_sample(self, sample: HistologySample, *, editable: bool, other: bool) -> None:
        """Show every result; `other` says that another sample was in the form before."""
        for marker, row in self.rows.items():
            row.show_result(sample.marker(marker), other=other)
            row.set_enabled(editable)

    def typed(self) -> tuple[MarkerResult, ...]:
        """Every result as the form has it."""
        return tuple(result for row in self.rows.values() if (result := row.typed()) is not None)


def _is(choice: MarkerChoice, result: MarkerResult) -> bool:
    return (choice.status, choice.altered) == (result.status, result.altered)
