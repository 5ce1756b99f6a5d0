"""What may be edited: the labels that may be painted over, and the area."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QComboBox, QFormLayout, QMenu, QSizePolicy, QToolButton, QWidget

from glioma_annotator.domain.labels import BACKGROUND, LabelScheme
from glioma_annotator.ui.edit_areas import BOX, BRAIN, TUMOUR, EditAreas
from glioma_annotator.ui.panels.parts import plain_tip, without_keys
from glioma_annotator.ui.reading_state import ReadingState
from glioma_annotator.ui.study_controller import StudyController

_EVERYWHERE, _BRAIN, _TUMOUR, _BOX = "everywhere", "brain", "tumour", "box"
_OVER_TIP = "Which voxels a label may replace; erasing is not held to it"
_AROUND_PX = 24  # the button around its words


class _OverButton(QToolButton):
    """Names the labels that may be painted over, shortened to the room that the panel leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.names = ""
        self.setProperty("boxed", True)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Paint over")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def show_names(self, names: str) -> None:
        self.names = names
        room = self.width() - _AROUND_PX
        self.setText(without_keys(self.fontMetrics().elidedText(names, Qt.TextElideMode.ElideRight, room)))
        self.setToolTip(plain_tip(f"{names}. {_OVER_TIP}"))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.show_names(self.names)


class EditRulesForm(QWidget):
    """Paint over and Edit inside: held to by every tool and every accepted proposal, until they are changed."""

    def __init__(self, scheme: LabelScheme, reading: ReadingState, study: StudyController) -> None:
        super().__init__()
        self._scheme = scheme
        self._study = study
        self._areas = EditAreas(study, reading)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setHorizontalSpacing(8)
        form.setVerticalSpacing(4)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.over = _OverButton()
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
        self.inside.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
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

    @property
    def _names(self) -> dict[int, str]:
        """Of what can be painted over, by value."""
        return {BACKGROUND: "Background"} | {label.value: label.name for label in self._scheme.labels}

    def _fill_menu(self) -> None:
        self._menu.clear()
        self.values.clear()
        for value, name in self._names.items():
            action = self._menu.addAction(without_keys(name))
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
        {
            _EVERYWHERE: self._areas.everywhere,
            _BRAIN: self._areas.brain,
            _TUMOUR: self._areas.whole_tumour,
            _BOX: self._areas.drag_box,
        }[self.inside.itemData(place)]()
        self._refresh()

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
        allowed = [name for value, name in self._names.items() if value in shown]
        refused = [name for value, name in self._names.items() if value not in shown]
        text = ", ".join(allowed) or "Nothing"
        if len(refused) < len(allowed):
            text = f"Everything but {', '.join(refused)}" if refused else "Everything"
        self.over.show_names(text)
        key = {BRAIN: _BRAIN, TUMOUR: _TUMOUR, BOX: _BOX}.get(self._areas.name, _EVERYWHERE)
        self.inside.setCurrentIndex(self.inside.findData(key))
