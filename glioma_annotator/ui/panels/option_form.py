"""A form made from the description of a tool's options."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QFormLayout, QLabel, QWidget

from glioma_annotator.ui.panels.parts import CalmFields, DecimalField
from glioma_annotator.ui.tools.options import OptionInfo, describe

_Set = Callable[[str, object], None]

_NUMBER_PX = 24  # high as a list: a number's own height is cramped beside it


class OptionForm(QWidget):
    """One row per option; options that do not apply are hidden.

    Parameters
    ----------
    options: a dataclass of `ui.tools.options`.
    choices: texts by value of choices that depend on what is open, by their name.
    set_option: told the name and the new value of an option that the reader changed.

    Signals
    -------
    done: a number was entered with Return; the keyboard belongs to the panes again.
    """

    done = Signal()

    def __init__(self, options: object, choices: Callable[[str], Mapping[str, str]], set_option: _Set) -> None:
        super().__init__()
        self._options = options
        self._choices = choices
        self._set = set_option
        self.fields: dict[str, QWidget] = {}
        self._infos = tuple(describe(options))
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setHorizontalSpacing(8)
        form.setVerticalSpacing(4)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._form = form
        for info in self._infos:
            field = self._field(info)
            field.setToolTip(info.help)
            field.setAccessibleName(info.title)
            field.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            self.fields[info.name] = field
            if isinstance(field, QCheckBox):
                form.addRow(field)
            else:
                label = QLabel(info.title)
                label.setToolTip(info.help)
                form.addRow(label, field)
        CalmFields(self).calm(self)
        self.refresh()

    def _field(self, info: OptionInfo) -> QWidget:
        name = info.name
        if info.kind is bool:
            tick = QCheckBox(info.title)
            tick.toggled.connect(lambda on: self._change(name, on))
            return tick
        if info.choices is not None:
            combo = QComboBox()
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(10)
            combo.activated.connect(lambda place: self._change(name, str(combo.itemData(place))))
            return combo
        spin = DecimalField()
        spin.setMinimumHeight(_NUMBER_PX)
        spin.setDecimals(info.decimals)
        spin.setRange(info.minimum, info.maximum)
        spin.setSingleStep(info.step)
        spin.setKeyboardTracking(False)
        if info.unit:
            spin.setSuffix(f" {info.unit}")
        spin.valueChanged.connect(lambda value: self._change(name, value))
        spin.lineEdit().returnPressed.connect(self.done)
        return spin

    def _change(self, name: str, value: object) -> None:
        if getattr(self._options, name) != value:
            self._set(name, value)
            self._show_applicable()

    def refresh(self) -> None:
        """Show the options as they are."""
        for info in self._infos:
            field, value = self.fields[info.name], getattr(self._options, info.name)
            field.blockSignals(True)
            if isinstance(field, QCheckBox):
                field.setChecked(bool(value))
            elif isinstance(field, QComboBox):
                given = self._choices(info.choices) if isinstance(info.choices, str) else info.choices or {}
                field.clear()
                for key, text in given.items():
                    field.addItem(text, key)
                field.setCurrentIndex(field.findData(value))
                field.setEnabled(bool(given))
            elif isinstance(field, QDoubleSpinBox):
                field.setValue(float(value))
            field.blockSignals(False)
        self._show_applicable()

    def _show_applicable(self) -> None:
        for info in self._infos:
            if info.shown_for is not None:
                name, values = info.shown_for
                self._form.setRowVisible(self.fields[info.name], getattr(self._options, name) in values)
