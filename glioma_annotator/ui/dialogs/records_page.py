"""What was deleted and can come back, and every change of the patient's records with what stood before and after."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QSplitter,
    QTableWidget,
    QTableWidgetItem,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.domain.audit import AuditEntry
from glioma_annotator.ui.asking import NewestOnly
from glioma_annotator.ui.panels.parts import count_text, list_table, plain_tip, push_button, quiet
from glioma_annotator.ui.panels.record_rows import filling
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.workflow.record_history import (
    DeletedItem,
    action_text,
    deleted_items,
    differences,
    kind_text,
    record_title,
    restore_item,
)

_MOST, _MOST_OF_PATIENT = 500, 5000
_DATA = Qt.ItemDataRole.UserRole

_Change = tuple[AuditEntry, tuple[str, ...]]  # with its words in the list


class RecordsPage(QDialog):
    """Two tabs: deleted items of the open patient, and changes of it or of the whole workspace."""

    def __init__(self, study: StudyController, parent: QWidget, *, changes: bool = False, record: str = "") -> None:
        super().__init__(parent)
        self._study, self._patient = study, study.patient_key
        self._store = study.require_session().store
        self._record = record
        self._asking: NewestOnly[Sequence[_Change]] = NewestOnly(study.workers.searching)
        self._entries: Sequence[_Change] = ()
        self._most = _MOST  # changes that were read at most
        self.setWindowTitle(f"Records of {self._patient}" if self._patient else "Changes of the workspace")
        self.resize(1040, 620)
        self.tabs = QTabWidget()
        self.tabs.addTab(self._make_deleted(), "Deleted items")
        self.tabs.addTab(self._make_changes(), "Changes")
        self.tabs.setTabEnabled(0, bool(self._patient))
        self.tabs.setCurrentIndex(int(changes or not self._patient))
        close = push_button("Close", "Close this page (Esc)", self.reject)
        close.setAutoDefault(False)
        foot = QHBoxLayout()
        foot.addStretch(1)
        foot.addWidget(close)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(8)
        column.addWidget(self.tabs, 1)
        column.addLayout(foot)
        study.workspace_changed.connect(self.close)
        self.finished.connect(self._asking.drop)
        self._show_deleted()
        self._ask()

    # deleted items

    def _make_deleted(self) -> QWidget:
        self.deleted = list_table(("Kind", "What", "Visit", "Deleted", "By"), "Deleted items")
        self.deleted.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.deleted.itemSelectionChanged.connect(self._enable)
        self.deleted.itemDoubleClicked.connect(lambda _item: self.restore())
        self.no_deleted = quiet("Nothing is deleted. What you delete in a list comes here and can be brought back.")
        self.restore_button = push_button("Restore", "Bring the selected record back", self.restore)
        self.restore_button.setAutoDefault(False)
        page = QWidget()
        column = QVBoxLayout(page)
        column.addWidget(self.no_deleted)
        column.addWidget(self.deleted, 1)
        row = QHBoxLayout()
        row.addWidget(self.restore_button)
        row.addStretch(1)
        column.addLayout(row)
        column.addStretch(0)
        return page

    def _show_deleted(self) -> None:
        items = deleted_items(self._store, self._patient) if self._patient else ()
        self.deleted.setRowCount(len(items))
        with filling(self.deleted):
            for row, item in enumerate(items):
                cells = (item.kind, item.title, item.timepoint, _when(item.deleted_utc), item.by)
                _fill_row(self.deleted, row, cells, item)
        self.deleted.setVisible(bool(items))
        self.no_deleted.setVisible(not items)
        if items:
            self.deleted.selectRow(0)
        self._enable()

    def _enable(self) -> None:
        self.restore_button.setEnabled(bool(self.deleted.selectedItems()) and not self._study.read_only)

    def restore(self) -> None:
        """Bring the selected record back."""
        chosen = self.deleted.selectedItems()
        if not chosen or self._study.read_only:
            return
        item: DeletedItem = chosen[0].data(_DATA)
        try:
            restore_item(self._store, item, self._study.require_session().author)
            self._study.notice.emit(f"Restored: {item.title}.")
        except KeyError:  # the page stays open beside the window
            self._study.notice.emit(f"Restored already: {item.title}.")
        self._study.patient_changed.emit()  # every list of the patient reads its records anew
        self._show_deleted()
        self._ask()

    # changes

    def _make_changes(self) -> QWidget:
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Filter: who, what, when")
        self.filter.setAccessibleName("Filter the changes")
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(lambda _t: self._show_changes())
        self.everyone = QCheckBox("All patients")
        self.everyone.setVisible(bool(self._patient) and not self._record)
        self.everyone.toggled.connect(lambda _on: self._ask())
        self.changes = list_table(("When", "Who", "Done", "Kind", "What"), "Changes")
        self.changes.horizontalHeader().setSectionResizeMode(4, QHeaderView.ResizeMode.Stretch)
        self.changes.itemSelectionChanged.connect(self._show_fields)
        self.fields = list_table(("Field", "Before", "After"), "What the change did")
        for column in (1, 2):
            self.fields.horizontalHeader().setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        self.fields.setWordWrap(True)
        self.told = quiet()
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(self.changes)
        split.addWidget(self.fields)
        split.setSizes([340, 180])
        head = QHBoxLayout()
        head.addWidget(self.filter, 1)
        head.addWidget(self.everyone)
        page = QWidget()
        body = QVBoxLayout(page)
        body.addLayout(head)
        body.addWidget(split, 1)
        body.addWidget(self.told)
        return page

    def _ask(self) -> None:
        audit, patient, record = self._store.audit, self._patient, self._record
        alone = bool(patient) and not self.everyone.isChecked()
        self._most = _MOST_OF_PATIENT if alone else _MOST

        def read() -> list[_Change]:
            if record:
                entries = audit.of(record)[::-1]
            else:
                entries = audit.of_patient(patient, _MOST_OF_PATIENT) if alone else audit.newest(_MOST)
            return [(entry, _cells(entry)) for entry in entries]

        self._asking.ask(read, self._take, self._study.failed.emit)

    def _take(self, entries: Sequence[_Change]) -> None:
        self._entries = entries
        self._show_changes()

    def _show_changes(self) -> None:
        words = self.filter.text().casefold().split()
        found = [
            (entry, cells) for entry, cells in self._entries if all(w in " ".join(cells).casefold() for w in words)
        ]
        rows = found[:_MOST]
        self.changes.setRowCount(len(rows))
        with filling(self.changes):
            for row, (entry, cells) in enumerate(rows):
                _fill_row(self.changes, row, cells, entry)
        among = f" of the newest {self._most}" if len(self._entries) == self._most and not self._record else ""
        shown = f", the newest {_MOST} are listed" if len(found) > _MOST else ""
        self.told.setText(
            f"{count_text(len(found), 'change')}{among}{shown}. Times are UTC. Each row is sealed with the one before;"
            " “doctor --verify” notices alterations."
        )
        if rows:
            self.changes.selectRow(0)
        self._show_fields()

    def _show_fields(self) -> None:
        chosen = self.changes.selectedItems()
        rows = differences(chosen[0].data(_DATA)) if chosen else ()
        self.fields.setRowCount(len(rows))
        for row, change in enumerate(rows):
            for column, text in enumerate((change.field, change.before, change.after)):
                cell = QTableWidgetItem(text)
                cell.setToolTip(plain_tip(text))
                self.fields.setItem(row, column, cell)
        self.fields.resizeRowsToContents()


def _fill_row(table: QTableWidget, row: int, texts: Sequence[str], record: object) -> None:
    """Cells with these words, each of which knows the record."""
    for column, text in enumerate(texts):
        cell = QTableWidgetItem(text)
        cell.setData(_DATA, record)
        table.setItem(row, column, cell)


def _when(moment: dt.datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment is not None else ""


def _cells(entry: AuditEntry) -> tuple[str, ...]:
    return _when(entry.at_utc), entry.actor, action_text(entry), kind_text(entry), record_title(entry)
