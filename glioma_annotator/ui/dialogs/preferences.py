"""The preferences page."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDialog


class PreferencesDialog(QDialog):
    changed = Signal(object)

    def __init__(self, settings, parent):
        super().__init__(parent)
