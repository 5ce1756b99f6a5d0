"""The fields of one histology sample; every entry is kept at once, and the rules follow every entry."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.domain.histology import (
    HistologySample,
    IntegratedDiagnosis,
    MarkerResult,
    SampleKind,
    TumourSite,
    TumourType,
)
from glioma_annotator.errors import UserError
from glioma_annotator.ui.panels.entry_fields import Choice, Line, Words
from glioma_annotator.ui.panels.marker_form import MarkerForm
from glioma_annotator.ui.panels.parts import heading, push_button, quiet
from glioma_annotator.workflow.event_entry import parse_when
from glioma_annotator.workflow.histology_entry import with_marker

_GRADES = (1, 2, 3, 4)


class HistologyForm(QWidget):
    """Shows a sample and hands over each changed state of it.

    Parameters
    ----------
    present: the sample in the form as it is recorded now; None when it is gone.
    keep: told of another state.
    point: told to take the crosshair as a site point; go, drop: told of a point to show or remove, by its place.
    open_finding: told of the id of a finding to show.
    """

    def __init__(
        self,
        present: Callable[[], HistologySample | None],
        keep: Callable[[HistologySample], None],
        point: Callable[[], None],
        go: Callable[[int], None],
        drop: Callable[[int], None],
        open_finding: Callable[[str], None],
    ) -> None:
        super().__init__()
        self._present, self._keep_sample, self._go = present, keep, go
        self._filling = False
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 6, 0)
        column.setSpacing(6)
        column.addLayout(self._build_head())
        column.addLayout(self._build_points(point, drop))
        self.from_findings = QLabel()
        self.from_findings.setWordWrap(True)
        self.from_findings.setAccessibleName("Findings the sample was taken from")
        self.from_findings.setTextInteractionFlags(
            Qt.TextInteractionFlag.LinksAccessibleByMouse | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
        )
        self.from_findings.linkActivated.connect(open_finding)
        column.addWidget(self.from_findings)
        column.addWidget(heading("Microscopy"))
        self.microscopy = Words("Microscopy", 72)
        self.microscopy.setPlaceholderText("The report's description")
        self.microscopy.left = lambda: self._keep(microscopy=self.microscopy.words)
        column.addWidget(self.microscopy)
        column.addWidget(heading("Markers"))
        self.markers = MarkerForm(self._keep_marker)
        column.addWidget(self.markers)
        column.addWidget(heading("Grade and integrated diagnosis"))
        column.addLayout(self._build_diagnosis())
        column.addStretch(1)

    # building

    def _build_head(self) -> QFormLayout:
        form = QFormLayout()
        form.setSpacing(4)
        self.kind = Choice.of("Kind of sample", SampleKind)
        self.kind.chosen.connect(lambda: self._keep(kind=SampleKind(self.kind.currentData())))
        self.date = QLineEdit()
        self.date.setPlaceholderText("2019-04-02 or day 45")
        self.date.setAccessibleName("Date of the sample")
        self.date.editingFinished.connect(self._keep_date)
        self.date_fault = QLabel()
        self.date_fault.setProperty("role", "danger")
        self.date_fault.setWordWrap(True)
        self.site = Choice.of("Where the tumour lies", TumourSite)
        self.site.setToolTip("As far as the diagnosis depends on it: H3 K27 needs the midline, H3 G34 a hemisphere")
        self.site.chosen.connect(lambda: self._keep(site=TumourSite(self.site.currentData())))
        self.location = Line("Location of the sample", "Lobe or structure")
        self.location.editingFinished.connect(self._keep_location)
        form.addRow("Sample", self.kind)
        form.addRow("When", self.date)
        form.addRow("", self.date_fault)
        form.addRow("Site", self.site)
        form.addRow("Location", self.location)
        self._head = form
        return form

    def _build_points(self, point: Callable[[], None], drop: Callable[[int], None]) -> QVBoxLayout:
        column = QVBoxLayout()
        column.setSpacing(4)
        self.points = QListWidget()
        self.points.setAccessibleName("Site points")
        self.points.setToolTip("A click puts the crosshair there")
        self.points.itemClicked.connect(lambda item: self._go(self.points.row(item)))
        self.points.itemActivated.connect(lambda item: self._go(self.points.row(item)))
        self.no_points = quiet("No site point: put the crosshair where the sample was taken, then add it.")
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        self.add_point = push_button("Add point", "Taken where the crosshair is now", point)
        self.add_point.setAccessibleName("Add site point at the crosshair")
        self.drop_point = push_button(
            "Remove point", "Take the chosen point out of the list", lambda: drop(self.points.currentRow())
        )
        for button in (self.add_point, self.drop_point):
            button.setProperty("role", "narrow")
            buttons.addWidget(button, 1)
        for widget in (self.no_points, self.points):
            column.addWidget(widget)
        column.addLayout(buttons)
        return column

    def _build_diagnosis(self) -> QFormLayout:
        form = QFormLayout()
        form.setSpacing(4)
        self.grade = _grades("Histological grade", "not given")
        self.grade.setToolTip("Histological grade as reported, before integration")
        self.grade.chosen.connect(lambda: self._keep(grade=self.grade.currentData()))
        self.type = Choice.of("Integrated diagnosis", TumourType, none="none yet")
        self.who_grade = _grades("CNS WHO grade", "not given")
        self.suffix = Choice("NOS or NEC")
        for text, value, tip in (
            ("–", "", "Neither"),
            ("NOS", "NOS", "Not otherwise specified: tests are missing"),
            ("NEC", "NEC", "Not elsewhere classified: the results fit no type"),
        ):
            self.suffix.add(text, value, tip)
        self.wording = Line("Wording of the integrated diagnosis", "The report's wording")
        for choice in (self.type, self.who_grade, self.suffix):
            choice.chosen.connect(self._keep_diagnosis)
        self.wording.editingFinished.connect(lambda: self._keep_diagnosis() if self.wording.typed else None)
        form.addRow("Histol. grade", self.grade)
        form.addRow("Diagnosis", self.type)
        form.addRow("WHO grade", self.who_grade)
        form.addRow("Suffix", self.suffix)
        form.addRow("Wording", self.wording)
        return form

    # showing

    def show_sample(
        self, sample: HistologySample, origins: str, *, editable: bool, can_point: bool, other: bool
    ) -> None:
        """Fill the form.

        `origins` links to the findings the sample was taken from, as rich text; `other` says that another sample was in
        the form before, else what is being typed stays.
        """
        self._filling = True
        if other:
            self.date_fault.clear()
        self.kind.show_value(sample.kind)
        if other or not (self.date.hasFocus() or self.date_fault.text()):
            self.date.setText(_date_text(sample))
        self._head.setRowVisible(self.date_fault, bool(self.date_fault.text()))
        self.site.show_value(sample.site)
        self.location.show_words(sample.location, other=other)
        self._show_points(sample)
        self.from_findings.setText(origins)
        self.from_findings.setVisible(bool(origins))
        self.microscopy.show_words(sample.microscopy, other=other)
        self.markers.show_sample(sample, editable=editable, other=other)
        self.grade.show_value(sample.grade)
        stated = sample.diagnosis
        self.type.show_value(stated.type if stated else None)
        self.who_grade.show_value(stated.grade if stated else None)
        self.suffix.show_value(stated.suffix if stated else "")
        self.wording.show_words(stated.text if stated else "", other=other)
        for field in (self.kind, self.date, self.site, self.location, self.microscopy, self.grade, self.type):
            field.setEnabled(editable)
        for field in (self.who_grade, self.suffix, self.wording):
            field.setEnabled(editable and stated is not None)
        self.add_point.setEnabled(editable and can_point)
        self.drop_point.setEnabled(editable and bool(sample.sites_mm))
        self._filling = False

    def _show_points(self, sample: HistologySample) -> None:
        row = self.points.currentRow()
        self.points.clear()
        for number, (x, y, z) in enumerate(sample.sites_mm, start=1):
            self.points.addItem(f"{number}   x {x:.0f}  y {y:.0f}  z {z:.0f} mm")
        self.points.setCurrentRow(min(max(row, 0), self.points.count() - 1))  # one is chosen: what is removed is seen
        rows = min(max(self.points.count(), 1), 4)
        self.points.setFixedHeight(rows * (self.points.fontMetrics().height() + 6) + 4)
        self.points.setVisible(bool(sample.sites_mm))
        self.no_points.setVisible(not sample.sites_mm)

    # keeping

    def flush(self) -> None:
        """Keep what was typed and not left yet; a sample that was only looked at stays as it is."""
        sample = self._present()
        if sample is None or self._filling:
            return
        made = sample
        if self.microscopy.typed:
            made = replace(made, microscopy=self.microscopy.words)
        if self.location.typed:
            made = replace(made, location=self.location.words)
        for result in self.markers.typed():
            made = _with_result(made, result)
        stated = made.diagnosis
        if stated is not None and self.wording.typed:
            made = replace(made, diagnosis=replace(stated, text=self.wording.words))
        with contextlib.suppress(UserError):  # what is no date stays in the field, where its fault is told
            made = self._dated(made)
        self._keep_sample(made)

    def _dated(self, sample: HistologySample) -> HistologySample:
        """The sample with the date in the form, which shows the date alone of one that has a day too.

        Raises `UserError` for what is no date.
        """
        date, day = parse_when(self.date.text())
        return replace(sample, date=date, day=sample.day if date is not None and date == sample.date else day)

    def _keep(self, **values: Any) -> None:
        sample = self._present()
        if sample is not None and not self._filling:
            self._keep_sample(replace(sample, **values))

    def _keep_marker(self, result: MarkerResult) -> None:
        sample = self._present()
        if sample is not None and not self._filling:
            self._keep_sample(_with_result(sample, result))

    def _keep_location(self) -> None:
        if self.location.typed:
            self._keep(location=self.location.words)

    def _keep_date(self) -> None:
        sample = self._present()
        if sample is None or self._filling:
            return
        try:
            made = self._dated(sample)
        except UserError as error:
            self.date_fault.setText(f"{error.what} {error.todo}")
            self._head.setRowVisible(self.date_fault, True)
            return
        self.date_fault.clear()
        self._head.setRowVisible(self.date_fault, False)
        self._keep_sample(made)

    def _keep_diagnosis(self) -> None:
        kind: TumourType | None = self.type.currentData()
        stated = None
        if kind is not None:
            stated = IntegratedDiagnosis(
                TumourType(kind), self.who_grade.currentData(), self.suffix.currentData(), self.wording.words
            )
        self._keep(diagnosis=stated)


def _with_result(sample: HistologySample, result: MarkerResult) -> HistologySample:
    """The sample with a marker's result; itself where that is what it says already."""
    return sample if result == sample.marker(result.marker) else with_marker(sample, result)


def _grades(name: str, none: str) -> Choice:
    made = Choice(name)
    made.add(none, None)
    for grade in _GRADES:
        made.add(str(grade), grade)
    return made


def _date_text(sample: HistologySample) -> str:
    if sample.date is not None:
        return sample.date.isoformat()
    return f"day {sample.day}" if sample.day is not None else ""
