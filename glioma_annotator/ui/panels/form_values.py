"""What stands in the fields of a form, whatever they are."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QLineEdit, QSpinBox, QWidget


def put_value(field: QWidget, value: Any) -> None:
    """Show a value in a field of the form; None empties it."""
    if isinstance(field, QLineEdit):
        field.setText(str(value or ""))
        field.setCursorPosition(0)  # of a long text the beginning is seen
    elif isinstance(field, QSpinBox):
        field.setValue(field.minimum() if value is None else int(value))
    elif isinstance(field, QDoubleSpinBox):
        field.setValue(field.minimum() if value is None else float(value))
    elif isinstance(field, QComboBox):
        field.setCurrentIndex(0 if value is None else field.findText(str(value)))


def value_of(field: QWidget) -> object:
    """What stands in a field, as `put_value` takes it; None for an empty one and for what stands there unasked."""
    if isinstance(field, QLineEdit):
        return field.text() or None
    if isinstance(field, QSpinBox | QDoubleSpinBox):
        return field.value() if field.value() > field.minimum() else None
    if isinstance(field, QComboBox) and field.currentIndex() > 0:
        return field.currentText()
    return None
