"""Every step of the undo stack by name; a click goes there."""

from __future__ import annotations

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from glioma_annotator.ui.panels.parts import quiet
from glioma_annotator.ui.study_controller import StudyController


class HistoryPanel(QWidget):
    """Oldest first, below the mask as it was opened; undone steps are grey and can be gone to as well."""

    def __init__(self, study: StudyController) -> None:
        super().__init__()
        self._study = study
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(6)
        self.summary = quiet("")
        self.list = QListWidget()
        self.list.setAccessibleName("Steps that can be undone, oldest first")
        self.list.itemClicked.connect(self._go)
        self.list.itemActivated.connect(self._go)
        column.addWidget(self.summary)
        column.addWidget(self.list, 1)
        study.edit_state_changed.connect(self._refresh)
        study.visit_changed.connect(self._refresh)
        self._refresh()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._refresh()

    def _refresh(self) -> None:
        visit = self._study.visit
        if not self.isVisible():
            return
        names = visit.editor.history if visit is not None else ()
        depth = visit.editor.depth if visit is not None else 0
        self.list.blockSignals(True)
        self.list.clear()
        for number, name in enumerate(("As opened, or before the first step", *names)):
            item = QListWidgetItem(f"{number}   {name}" if number else name)
            if number > depth:
                item.setForeground(self.palette().placeholderText())
                item.setToolTip("Undone; click to do it again")
            self.list.addItem(item)
        self.list.setCurrentRow(depth)
        self.list.blockSignals(False)
        megabytes = visit.editor.undo_bytes / 2**20 if visit is not None else 0.0
        steps = "1 step" if len(names) == 1 else f"{len(names)} steps"
        self.summary.setText(f"{steps}, {megabytes:.1f} MB. A click goes back or forward to a step.")

    def _go(self, item: QListWidgetItem) -> None:
        visit = self._study.visit
        if visit is not None and self._study.editable:
            visit.editor.go_to(self.list.row(item))
