"""The models page: what there is, what is current for whom, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QInputDialog,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import isValid

from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.model_shelf import EVERYONE, OWN_PLACES, ModelPlace
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.ui.adapting import Adapting
from glioma_annotator.ui.dialogs.small import ask_first
from glioma_annotator.ui.panels.parts import ml_text, push_button, quiet
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.workflow.models import (
    ModelRow,
    RegionComparison,
    compare_models,
    delete_model,
    export_name,
    use_model,
)

_HEADS = ("Model", "Current for", "Made for", "Parent", "Method", "Learnt from", "Date", "Dice", "MB", "Place")
_ROW = Qt.ItemDataRole.UserRole


class ModelsPage(QDialog):
    """A table of models and the acts upon the selected ones.

    Signals
    -------
    failed(BaseException): for the error dialog.
    """

    failed = Signal(object)

    def __init__(self, adapting: Adapting, study: StudyController, parent: QWidget) -> None:
        super().__init__(parent)
        self._adapting, self._study, self._window = adapting, study, parent
        self.setWindowTitle("Models")
        self.resize(min(max(parent.window().width() - 160, 1040), 1480), 480)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(8)
        self.told = quiet()
        column.addWidget(self.told)
        self.problems = QLabel()
        self.problems.setWordWrap(True)
        self.problems.setProperty("role", "warning")
        column.addWidget(self.problems)
        self.table = QTableWidget(0, len(_HEADS))
        self.table.setHorizontalHeaderLabels(list(_HEADS))
        self.table.setAccessibleName("Models")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setAlternatingRowColors(True)
        self.table.setTabKeyNavigation(False)  # Tab goes on to the buttons
        self.table.verticalHeader().hide()
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(5, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(48)
        header.setHighlightSections(False)
        self.table.setColumnWidth(0, 320 if self.width() > 1300 else 280)  # of an adapted model: the whole title
        self.table.itemSelectionChanged.connect(self._refresh)
        column.addWidget(self.table, 1)
        self.buttons: dict[str, QPushButton] = {}
        column.addLayout(self._row(
            ("use", "Use for this patient", "Make it current for the open patient", self._use_here),
            ("everyone", "Use for the workspace", "Make it the default of every patient without a model of its own",
             self._use_everywhere),
            ("rollback", "Roll back", "Make the open patient's earlier model current again", self._roll_back),
            ("compare", "Compare two", "Let the two selected models segment the open visit", self._compare),
        ))  # fmt: skip
        column.addLayout(self._row(
            ("rename", "Rename…", "Give it another title; its name stays", self._rename),
            ("archive", "Archive", "Put it away; it stays on disk", self._archive),
            ("restore", "Take back", "Use an archived or undecided model again", self._restore),
            ("delete", "Delete…", "Remove it for good, unless masks were made with it", self._delete),
            ("export", "Export…", "Write it as one file", self._export),
            ("import", "Import…", "Bring a model from a file", self._import),
        ))  # fmt: skip
        close = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        close.rejected.connect(self.reject)
        column.addWidget(close)
        adapting.choices_changed.connect(self._show)
        self._show()

    def _row(self, *buttons: tuple[str, str, str, Callable[[], None]]) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(6)
        for name, text, tip, run in buttons:
            self.buttons[name] = push_button(text, tip, partial(self._carefully, run))
            self.buttons[name].setAutoDefault(False)  # Return must not do what no one chose
            row.addWidget(self.buttons[name])
        row.addStretch(1)
        return row

    def _carefully(self, run: Callable[[], None]) -> None:
        try:
            run()
        except (UserError, EnvironmentFailure) as error:
            self.failed.emit(error)

    # showing

    def _show(self) -> None:
        state = self._adapting.models
        patient = self._study.patient_key
        current = state.here
        whose = "its own model" if current.own else "the workspace's default"
        self.told.setText(f"{patient} uses “{current.model}”, {whose}." if patient and current.model else "")
        self.problems.setText("\n".join(state.problems))
        self.problems.setVisible(bool(state.problems))
        kept = {row.model.folder for row in self.selected}
        self.table.blockSignals(True)
        self.table.clearSelection()
        self.table.setRowCount(len(state.rows))
        for place, row in enumerate(state.rows):
            for column, text in enumerate(_cells(row)):
                item = QTableWidgetItem(text)
                item.setData(_ROW, row)
                item.setToolTip(
                    "\n".join((row.model.card.title, row.model.card.identity, row.data, *row.model.card.limits))
                )
                self.table.setItem(place, column, item)
        for column in range(1, len(_HEADS)):  # once: for every cell anew it takes seconds with sixty models
            self.table.resizeColumnToContents(column)
        mode = self.table.selectionMode()
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.MultiSelection)
        for place, row in enumerate(state.rows):
            if row.model.folder in kept:
                self.table.selectRow(place)
        self.table.setSelectionMode(mode)
        self.table.blockSignals(False)
        self._refresh()

    @property
    def selected(self) -> list[ModelRow]:
        places = sorted({index.row() for index in self.table.selectionModel().selectedRows()})
        items = [self.table.item(place, 0) for place in places]
        return [item.data(_ROW) for item in items if item is not None]

    def _refresh(self) -> None:
        rows = self.selected
        one = rows[0].model if len(rows) == 1 else None
        own = one is not None and one.place in OWN_PLACES and not self._study.read_only
        writable = not self._study.read_only
        put_away = one is not None and one.place in (ModelPlace.ARCHIVED, ModelPlace.CANDIDATE)
        enabled = {
            "use": one is not None and one.usable and bool(self._study.patient_key) and writable,
            "everyone": one is not None and one.usable and writable,
            "rollback": bool(self._study.patient_key) and self._adapting.models.here.own and writable,
            "compare": len(rows) == 2 and all(r.model.usable for r in rows) and self._study.visit is not None,
            "rename": own,
            "archive": own and one is not None and one.usable,
            "restore": own and put_away,
            "delete": own,
            "export": one is not None,
            "import": writable,
        }
        for name, button in self.buttons.items():
            button.setEnabled(enabled[name])

    # acts

    def _one(self) -> ModelRow:
        return self.selected[0]

    def _shelf_changed(self, notice: str) -> None:
        self._study.notice.emit(notice)
        self._adapting.models_changed()

    def _use_here(self) -> None:
        self._use(self._study.patient_key)

    def _use_everywhere(self) -> None:
        self._use(EVERYONE)

    def _use(self, patient: str) -> None:
        shelf, session = self._adapting.shelf, self._study.require_session()
        if shelf is None:
            return
        card = self._one().model.card
        use_model(shelf, session.store, card.name, patient)
        self._shelf_changed(f"“{card.title or card.name}” is now the model of {patient or 'the workspace'}.")

    def _roll_back(self) -> None:
        if self._adapting.shelf is None:
            return
        current = self._adapting.shelf.roll_back(self._study.patient_key)
        self._shelf_changed(f"{self._study.patient_key} uses “{current.model}” again.")

    def _rename(self) -> None:
        card = self._one().model.card
        dialog = QInputDialog(self)
        dialog.setWindowTitle("Rename a model")
        dialog.setLabelText("Title:")
        dialog.setTextValue(card.title)
        dialog.textValueSelected.connect(lambda title: self._carefully(lambda: self._set_title(card.name, title)))
        dialog.open()

    def _set_title(self, name: str, title: str) -> None:
        if self._adapting.shelf is not None:
            self._adapting.shelf.rename(name, title)
            self._shelf_changed(f"The model is called “{title.strip()}” now.")

    def _archive(self) -> None:
        if self._adapting.shelf is not None:
            self._adapting.shelf.archive(self._one().model.card.name)
            self._shelf_changed("The model is archived.")

    def _restore(self) -> None:
        if self._adapting.shelf is not None:
            self._adapting.shelf.keep(self._one().model.card.name)
            self._shelf_changed("The model can be used again.")

    def _delete(self) -> None:
        card = self._one().model.card
        ask_first(
            self, "Delete a model", f"Delete “{card.title or card.name}” for good?",
            "It cannot be brought back. A model that masks were made with is never deleted.",
            "Delete", lambda: self._carefully(lambda: self._delete_now(card)),
        )  # fmt: skip

    def _delete_now(self, card: ModelCard) -> None:
        shelf, session = self._adapting.shelf, self._study.require_session()
        if shelf is None:
            return
        if self._study.workers.computing.active:
            raise UserError("A job is still running that may need the model.", "Let it finish or cancel it first.")
        undecided = self._adapting.undecided(card.identity)
        if undecided:
            raise UserError(
                f"A proposal by this model waits for a decision at {undecided}.",
                "Accept and save it, or reject it first.",
            )
        store, name = session.store, card.name

        def work(_report: Report, _cancel: CancelToken) -> None:
            delete_model(shelf, store, name)

        def done(_nothing: None) -> None:
            self._shelf_changed("The model was deleted.")

        self._study.workers.reading.submit("Deleting a model", work, done, self._study.failed.emit)

    def _export(self) -> None:
        model = self._one().model
        dialog = QFileDialog(self, "Export a model")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilter("Model (*.zip)")
        dialog.selectFile(export_name(model, Path()).name)
        dialog.accepted.connect(lambda: self.export_to(model.card.name, Path(dialog.selectedFiles()[0])))
        dialog.open()

    def export_to(self, name: str, file: Path) -> None:
        """Write a model as a file, on a worker."""
        shelf = self._adapting.shelf
        if shelf is None:
            return

        def work(_report: Report, _cancel: CancelToken) -> None:
            shelf.export(name, file)

        def done(_nothing: None) -> None:
            self._study.notice.emit(f"Exported to {file}.")

        self._study.workers.reading.submit("Exporting a model", work, done, self._study.failed.emit)

    def _import(self) -> None:
        dialog = QFileDialog(self, "Import a model")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilter("Model or MONAI bundle (*.zip card.json metadata.json);;All files (*)")
        dialog.accepted.connect(lambda: self.import_from(Path(dialog.selectedFiles()[0])))
        dialog.open()

    def import_from(self, file: Path) -> None:
        """Bring a model from a file, on a worker: it is checked in full."""
        shelf = self._adapting.shelf
        if shelf is None:
            return

        def work(_report: Report, _cancel: CancelToken) -> str:
            return shelf.bring(file).card.title

        self._study.workers.computing.submit(
            "Importing a model",
            work,
            lambda title: self._shelf_changed(f"Imported “{title}”."),
            self._study.failed.emit,
            self._adapting.models_changed,  # it may be in its place already
        )

    def _compare(self) -> None:
        study = self._study
        session, visit = study.require_session(), study.require_visit()
        names = (self.selected[0].model.card.name, self.selected[1].model.card.name)
        timepoint, images, mask = visit.timepoint, visit.images, visit.editor.labels.copy()

        def work(report: Report, cancel: CancelToken) -> tuple[RegionComparison, ...]:
            return compare_models(session, timepoint, images, mask, names, "auto", report, cancel)

        def done(rows: tuple[RegionComparison, ...]) -> None:
            parent = self if isValid(self) else self._window  # the page may be closed by now
            dialog = ModelComparison(names, timepoint.title, rows, parent)
            dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            dialog.show()

        study.workers.computing.submit("Comparing two models", work, done, study.failed.emit)


class ModelComparison(QDialog):
    """Two models on one visit: mL, Dice with the present mask, and with each other."""

    def __init__(self, names: tuple[str, str], visit: str, rows: tuple[RegionComparison, ...], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Two models compared")
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 24, 24, 16)
        column.setSpacing(12)
        column.addWidget(quiet(f"{visit}: A is “{names[0]}”, B is “{names[1]}”. Dice is with the mask as it stands."))
        grid = QGridLayout()
        grid.setHorizontalSpacing(24)
        heads = ("Region", "A mL", "B mL", "A Dice", "B Dice", "A with B")
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        self.cells: dict[tuple[str, str], str] = {}
        for place, head in enumerate(heads):
            grid.addWidget(quiet(head, wrap=False), 0, place)
        for line, row in enumerate(rows, start=1):
            texts = (
                row.region,
                *map(ml_text, row.ml),
                *("–" if d is None else f"{d:.3f}" for d in (*row.dice_with_mask, row.dice)),
            )
            for place, text in enumerate(texts):
                cell = QLabel(text)
                if place:
                    cell.setAlignment(right)
                grid.addWidget(cell, line, place)
                self.cells[row.region, heads[place]] = text
        column.addLayout(grid)
        close = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        close.rejected.connect(self.reject)
        column.addWidget(close)


def _cells(row: ModelRow) -> tuple[str, ...]:
    card = row.model.card
    dice = "" if row.dice is None else f"{row.dice:.3f}"
    if row.dice is not None and row.before is not None:
        dice = f"{row.before:.3f} \N{RIGHTWARDS ARROW} {row.dice:.3f}"
    return (
        card.title or card.name,
        ", ".join(patient or "the workspace" for patient in row.current_for),
        row.made_for,
        card.parent,
        row.method,
        row.data,
        row.created[:10],
        dice,
        f"{row.model.size / 2**20:.1f}",
        row.model.place.value,
    )
