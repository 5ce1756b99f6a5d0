"""The preferences page, generated from the tree of settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.settings import SettingInfo, Settings, iter_settings, value_of, with_value
from glioma_annotator.ui.panels.parts import DecimalField, heading

_Button = QDialogButtonBox.StandardButton


class PreferencesDialog(QDialog):
    """One row per setting: its description and a control of its type.

    Signals
    -------
    changed(Settings): the reader confirmed other values.
    """

    changed = Signal(object)

    def __init__(self, settings: Settings, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Preferences")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(True)
        self.setMinimumWidth(560)
        self._settings = settings
        self._infos = [info for info in iter_settings() if info.shown]
        self.controls: dict[str, QWidget] = {}
        self._read: dict[str, Callable[[], Any]] = {}
        self._show: dict[str, Callable[[Any], None]] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 16, 24, 16)
        column.setSpacing(8)
        form = QFormLayout()
        form.setHorizontalSpacing(24)
        form.setVerticalSpacing(8)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        section = ""
        for info in self._infos:
            group = info.path.rpartition(".")[0]
            if group != section:
                section = group
                form.addRow(heading(group.capitalize()))
            form.addRow(info.description, self._control(info))
        column.addLayout(form)
        column.addStretch(1)
        buttons = QDialogButtonBox(_Button.Ok | _Button.Cancel | _Button.RestoreDefaults)
        self._ok = buttons.button(_Button.Ok)
        for control in self.controls.values():
            if isinstance(control, QLineEdit):
                control.textChanged.connect(self._refresh)
        self._refresh()
        buttons.accepted.connect(self._accept)
        buttons.rejected.connect(self.reject)
        buttons.button(_Button.RestoreDefaults).setText("Restore defaults")
        buttons.button(_Button.RestoreDefaults).clicked.connect(self._show_defaults)
        column.addWidget(buttons)

    def _control(self, info: SettingInfo) -> QWidget:
        widget = _make_control(info)
        widget.setAccessibleName(info.description)
        widget.setToolTip(f"{info.description} (default: {info.default})")
        self.controls[info.path] = widget
        self._read[info.path], self._show[info.path] = _access(widget)
        self._show[info.path](value_of(self._settings, info.path))
        return widget

    def _show_defaults(self) -> None:
        for info in self._infos:
            self._show[info.path](info.default)

    def _refresh(self) -> None:
        faults = [f"{info.description}: it {info.fault(self._read[info.path]())}" for info in self._infos
                  if info.fault(self._read[info.path]())]  # fmt: skip
        self._ok.setEnabled(not faults)
        self._ok.setToolTip("\n".join(faults))

    def _accept(self) -> None:
        settings = self._settings
        for info in self._infos:
            value = self._read[info.path]()
            if not info.fault(value):
                settings = with_value(settings, info.path, value)
        if settings != self._settings:
            self.changed.emit(settings)
        self.accept()


def _make_control(info: SettingInfo) -> QWidget:
    if info.choices:
        combo = QComboBox()
        combo.addItems(list(info.choices))
        return combo
    if info.type is bool:
        return QCheckBox()
    if info.type in (int, float):
        spin = QSpinBox() if info.type is int else DecimalField()
        low, high = info.minimum, info.maximum
        if isinstance(spin, QSpinBox):
            spin.setRange(0 if low is None else int(low), 2**31 - 1 if high is None else int(high))
        else:
            spin.setRange(0.0 if low is None else low, 1e6 if high is None else high)
            spin.setDecimals(2 if (high or 0) <= 1 else 1)
            spin.setSingleStep(0.05 if (high or 0) <= 1 else 0.5)
        spin.setSuffix(f" {info.unit}" if info.unit else "")
        if info.unit == "days":
            spin.valueChanged.connect(lambda value: spin.setSuffix(" day" if value == 1 else " days"))
        return spin
    return QLineEdit()


def _access(widget: QWidget) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    """How to read a control's value and how to show one."""
    if isinstance(widget, QComboBox):
        return widget.currentText, widget.setCurrentText
    if isinstance(widget, QCheckBox):
        return widget.isChecked, widget.setChecked
    if isinstance(widget, QSpinBox | QDoubleSpinBox):
        return widget.value, widget.setValue
    if isinstance(widget, QLineEdit):
        return lambda: widget.text().strip(), widget.setText
    raise TypeError(f"no setting is shown as a {type(widget).__name__}")
