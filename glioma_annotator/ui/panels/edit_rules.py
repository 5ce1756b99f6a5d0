"""What may be edited: the labels that may be painted over, and the area."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QComboBox, QFormLayout, QMenu, QToolButton, QWidget

from glioma_annotator.domain.edit_rules import EditArea
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.imaging.normalisation import brain_mask
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.ui.reading_state import ReadingState, ToolName
from glioma_annotator.ui.study_controller import StudyController

_EVERYWHERE, _BRAIN, _TUMOUR, _BOX = "everywhere", "brain", "tumour", "box"


class EditRulesForm(QWidget):
    """Paint over and Edit inside: held to by every tool and every accepted proposal, until they are changed."""

    def __init__(self, scheme: LabelScheme, reading: ReadingState, study: StudyController) -> None:
        super().__init__()
        self._scheme = scheme
        self._reading = reading
        self._study = study
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setHorizontalSpacing(8)
        form.setVerticalSpacing(4)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.over = QToolButton()
        self.over.setProperty("boxed", True)
        self.over.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.over.setToolTip("Which voxels a label may replace; erasing is not held to it")
        self.over.setAccessibleName("Paint over")
        self.over.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.values: dict[int, QAction] = {}
        self._menu = QMenu(self.over)
        self.all = QAction("Everything", self)
        self.all.triggered.connect(lambda: self._choose(frozenset(self.values)))
        self.only_background = QAction("Background only", self)
        self.only_background.triggered.connect(lambda: self._choose(frozenset({0})))
        self._fill_menu()
        self.over.setMenu(self._menu)
        self.inside = QComboBox()
        self.inside.setToolTip("Nothing outside this area is changed by any tool or proposal")
        self.inside.setAccessibleName("Edit inside")
        self.inside.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        for key, text in (
            (_EVERYWHERE, "Everywhere"),
            (_BRAIN, "Brain"),
            (_TUMOUR, "Whole tumour as it is now"),
            (_BOX, "Box…"),
        ):
            self.inside.addItem(text, key)
        self.inside.activated.connect(self._on_inside)
        form.addRow("Paint over", self.over)
        form.addRow("Edit inside", self.inside)
        study.scheme_changed.connect(self._on_scheme)
        study.visit_changed.connect(self._refresh)
        study.edit_state_changed.connect(self._refresh)
        self._refresh()

    def _fill_menu(self) -> None:
        self._menu.clear()
        self.values.clear()
        for value, name in ((0, "Background"), *((label.value, label.name) for label in self._scheme.labels)):
            action = self._menu.addAction(name)
            action.setCheckable(True)
            action.setChecked(True)
            action.toggled.connect(self._on_over)
            self.values[value] = action
        self._menu.addSeparator()
        self._menu.addAction(self.all)
        self._menu.addAction(self.only_background)

    def _on_scheme(self) -> None:
        if self._scheme != self._study.scheme:
            self._scheme = self._study.scheme
            self._fill_menu()
            self._refresh()

    def _choose(self, values: frozenset[int]) -> None:
        for value, action in self.values.items():
            action.blockSignals(True)
            action.setChecked(value in values)
            action.blockSignals(False)
        self._on_over()

    def _on_over(self) -> None:
        if self._study.visit is not None:
            chosen = frozenset(value for value, action in self.values.items() if action.isChecked())
            everything = chosen == frozenset(self.values)
            self._study.visit.editor.set_paint_over(None if everything else chosen)

    def _on_inside(self, place: int) -> None:
        visit, key = self._study.visit, self.inside.itemData(place)
        if visit is None:
            return
        if key == _EVERYWHERE:
            visit.editor.set_inside(None)
        elif key == _TUMOUR:
            whole = max(self._scheme.regions, key=lambda region: len(region.values))
            visit.editor.set_inside(EditArea("the whole tumour", whole.mask(visit.editor.labels)))
        elif key == _BOX:
            self._reading.set_tool(ToolName.BOX)
            self._study.notice.emit("Drag a box in a slice: nothing outside it can be edited then.")
        else:
            self._find_brain()
        self._refresh()

    def _find_brain(self) -> None:
        visit = self._study.require_visit()
        images = [volume.data for volume in visit.images.values()]

        def work(_report: Report, _cancel: CancelToken) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
            return brain_mask(images)

        def done(mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> None:
            visit.editor.set_inside(EditArea("the brain", mask))
            self._study.notice.emit("Only the brain can be edited now.")

        self._study.workers.editing.submit("Finding the brain", work, done, self._study.failed.emit)

    def _refresh(self) -> None:
        visit = self._study.visit
        self.setEnabled(self._study.editable)
        rules = visit.editor.rules if visit is not None else None
        over = rules.paint_over if rules is not None else None
        shown = frozenset(self.values) if over is None else over
        for value, action in self.values.items():
            action.blockSignals(True)
            action.setChecked(value in shown)
            action.blockSignals(False)
        if over is None:
            text = "Everything"
        else:
            text = ", ".join(action.text() for value, action in self.values.items() if value in over) or "Nothing"
        self.over.setText(text)
        area = rules.inside if rules is not None else None
        keys = {"the brain": _BRAIN, "the whole tumour": _TUMOUR, "the box": _BOX}
        key = keys[area.name] if area is not None else _EVERYWHERE
        self.inside.setCurrentIndex(self.inside.findData(key))
