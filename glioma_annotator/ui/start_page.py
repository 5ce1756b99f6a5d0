"""The first page: what to do, the patients of the workspace, and what is in progress."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.ui import theme
from glioma_annotator.ui.command_ui import CommandActions
from glioma_annotator.ui.job_bar import ElidedLabel
from glioma_annotator.ui.overview import PatientOverview, VisitOverview
from glioma_annotator.ui.panels.parts import (
    IconButton,
    SmallButton,
    follow_action,
    heading,
    plain_tip,
    push_button,
    quiet,
    without_keys,
)

_KEY = Qt.ItemDataRole.UserRole
_MOST_IN_PROGRESS = 4


class StartPage(QWidget):
    """Recent patients, what is in progress, and the ways in.

    Signals
    -------
    visit_chosen(patient key, visit key): the visit key is empty for the visit last looked at.
    workspace_chosen(Path): another workspace.
    """

    visit_chosen = Signal(str, str)
    workspace_chosen = Signal(object)

    def __init__(self, actions: CommandActions) -> None:
        super().__init__()
        self._overview: tuple[PatientOverview, ...] = ()
        self.setObjectName("start-page")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        row = QHBoxLayout(self)
        row.setContentsMargins(40, 40, 40, 24)
        row.setSpacing(40)
        row.addStretch(1)
        row.addWidget(self._ways_in(actions))
        row.addWidget(self._patients_part(), 20)
        row.addStretch(1)

    def _ways_in(self, actions: CommandActions) -> QWidget:
        side = QWidget()
        side.setFixedWidth(280)
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        title = QLabel("glioma-annotator")
        title.setProperty("role", "title")
        column.addWidget(title)
        column.addWidget(quiet("Follow a patient's tumour from visit to visit."))
        column.addSpacing(16)
        self.open_folder = _way("Open folder…", actions, "file.open_folder", "folder-open-outline", main=True)
        self.demo = _way("Demo study", actions, "file.demo", "school-outline")
        self.workspace_button = _way("Open workspace…", actions, "file.workspace", "briefcase-outline")
        for button in (self.open_folder, self.demo, self.workspace_button):
            column.addWidget(button)
        column.addSpacing(8)
        column.addWidget(quiet("Or drop a folder or NIfTI files anywhere in this window."))
        column.addStretch(1)
        column.addWidget(heading("Workspace"))
        self.workspace = ElidedLabel(Qt.TextElideMode.ElideMiddle)
        self.workspace.setMinimumHeight(20)
        self.recent = SmallButton("history", "Workspaces opened before")
        self.recent.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._recent_menu = QMenu(self.recent)
        self.recent.setMenu(self._recent_menu)
        place = QHBoxLayout()
        place.addWidget(self.workspace, 1)
        place.addWidget(self.recent)
        column.addLayout(place)
        return side

    def _patients_part(self) -> QWidget:
        part = QWidget()
        part.setMaximumWidth(900)
        part.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        column = QVBoxLayout(part)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        self.progress_heading = heading("In progress")
        self.progress_box = QFrame()
        self.progress_box.setProperty("role", "card")
        self._progress_column = QVBoxLayout(self.progress_box)
        self._progress_column.setContentsMargins(8, 4, 8, 4)
        self._progress_column.setSpacing(0)
        column.addWidget(self.progress_heading)
        column.addWidget(self.progress_box)
        head = QHBoxLayout()
        head.addWidget(heading("Patients"), 1)
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Find a patient")
        self.filter.setAccessibleName("Find a patient")
        self.filter.setClearButtonEnabled(True)
        self.filter.setMaximumWidth(220)
        self.filter.textChanged.connect(self._fill)
        head.addWidget(self.filter)
        column.addLayout(head)
        self.patients = QTreeWidget()
        self.patients.setAccessibleName("Patients of this workspace with their visits")
        self.patients.setHeaderLabels(["Patient and visits", "Sequences", "Mask", "Last opened"])
        self.patients.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.patients.header().setStretchLastSection(False)
        self.patients.setToolTip("Double click or Return opens")
        self.patients.itemActivated.connect(self._on_activated)
        self.empty = quiet()
        self.empty.setAlignment(Qt.AlignmentFlag.AlignTop)
        column.addWidget(self.patients, 1)
        column.addWidget(self.empty, 1)
        return part

    def show_opening(self) -> None:
        """The workspace is being opened."""
        self._overview = ()
        self.workspace.setText("")
        self._fill()
        self.empty.setText("Opening the workspace…")

    def show_closed(self) -> None:
        """No workspace could be opened."""
        self.empty.setText("No workspace is open. Choose one with Open workspace.")

    def show_recent(self, paths: Sequence[str]) -> None:
        """Workspaces opened before, newest first."""
        self._recent_menu.clear()
        for path in paths:
            self._recent_menu.addAction(without_keys(path)).triggered.connect(
                lambda _on=False, chosen=path: self.workspace_chosen.emit(Path(chosen))
            )
        self.recent.setVisible(len(paths) > 1)

    def show_workspace(self, path: Path, overview: Sequence[PatientOverview]) -> None:
        self.workspace.setText(str(path))
        self.workspace.setToolTip(plain_tip(str(path)))
        self._overview = tuple(overview)
        self._fill()

    def _fill(self) -> None:
        words = self.filter.text().lower().split()
        self.patients.clear()
        for patient in self._overview:
            if all(word in patient.patient.key.lower() for word in words):
                self._add_patient(patient)
        for column, width in ((1, 120), (2, 195), (3, 150)):
            self.patients.setColumnWidth(column, width)
        found = self.patients.topLevelItemCount() > 0
        if found and self.patients.topLevelItemCount() <= 4:
            self.patients.expandAll()
        self.patients.setVisible(found)
        self.filter.setVisible(bool(self._overview))
        self.empty.setVisible(not found)
        self.empty.setText(
            "No patient matches."
            if self._overview
            else "This workspace is empty. Open a folder with a patient's visits, drop it here, or try the demo study."
        )
        self._fill_progress()

    def _add_patient(self, patient: PatientOverview) -> None:
        count = len(patient.visits)
        opened = f"{patient.opened.astimezone():%Y-%m-%d %H:%M}" if patient.opened else ""
        item = QTreeWidgetItem(
            [patient.patient.key, f"{count} visit{'' if count == 1 else 's'}", patient.masks, opened]
        )
        font = item.font(0)
        font.setBold(True)
        item.setFont(0, font)
        item.setData(0, _KEY, (patient.patient.key, ""))
        item.setToolTip(0, plain_tip(f"{patient.patient.key}: {patient.period}"))
        item.setToolTip(2, patient.masks)
        for shown in patient.visits:
            sequences = ", ".join(s.name for s in shown.visit.sequences)
            state = shown.mask or "no mask"
            child = QTreeWidgetItem(
                [shown.visit.title, sequences, state + (", unsaved steps" if shown.unsaved else "")]
            )
            child.setIcon(0, theme.icon("circle" if shown.mask == "approved" else "circle-outline"))
            child.setData(0, _KEY, (patient.patient.key, shown.visit.key))
            child.setToolTip(1, plain_tip(sequences))
            child.setToolTip(2, child.text(2))
            item.addChild(child)
        self.patients.addTopLevelItem(item)

    def _fill_progress(self) -> None:
        while self._progress_column.count():
            taken = self._progress_column.takeAt(0)
            widget = taken.widget() if taken is not None else None
            if widget is not None:
                widget.deleteLater()
        waiting = [(p.patient.key, v) for p in self._overview for v in p.visits if v.unsaved]
        for key, shown in waiting[:_MOST_IN_PROGRESS]:
            self._progress_column.addWidget(self._progress_row(key, shown))
        if len(waiting) > _MOST_IN_PROGRESS:
            self._progress_column.addWidget(quiet(f"and {len(waiting) - _MOST_IN_PROGRESS} more visits below"))
        self.progress_heading.setVisible(bool(waiting))
        self.progress_box.setVisible(bool(waiting))

    def _progress_row(self, key: str, shown: VisitOverview) -> QWidget:
        row = QWidget()
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 4, 0, 4)
        steps = f"{shown.unsaved} unsaved step{'' if shown.unsaved == 1 else 's'}"
        told = ElidedLabel(Qt.TextElideMode.ElideMiddle)
        told.setText(f"{key}, {shown.visit.title}: {steps} kept, not yet a revision")
        told.setToolTip(plain_tip(told.text()))
        line.addWidget(told, 1)
        choose = partial(self.visit_chosen.emit, key, shown.visit.key)
        line.addWidget(push_button("Continue", plain_tip(f"Open {shown.visit.title} of {key}"), choose))
        return row

    def changeEvent(self, event: QEvent) -> None:
        if event.type() is QEvent.Type.PaletteChange and self._overview:
            self._fill()  # with icons in the palette's colours
        super().changeEvent(event)

    def _on_activated(self, item: QTreeWidgetItem) -> None:
        patient, visit = item.data(0, _KEY)
        self.visit_chosen.emit(patient, visit)


def _way(text: str, actions: CommandActions, command: str, icon: str, *, main: bool = False) -> QPushButton:
    button = IconButton(text, icon, main=main)
    button.setIconSize(QSize(18, 18))
    button.setMinimumHeight(36)
    follow_action(button, actions[command])
    return button
