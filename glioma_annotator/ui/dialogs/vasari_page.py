"""The VASARI sheet of a visit."""

from __future__ import annotations

from PySide6.QtWidgets import QDialog, QWidget

from glioma_annotator.ui.study_controller import StudyController


class VasariPage(QDialog):
    """The sheet."""

    def __init__(self, study: StudyController, parent: QWidget) -> None:
        super().__init__(parent)
        self._study = study
