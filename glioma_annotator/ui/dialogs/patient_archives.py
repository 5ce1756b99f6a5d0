"""One patient as one archive: out of this workspace, or into it."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import chain, count
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.ui.dialogs.small import ask_first
from glioma_annotator.ui.panels.parts import push_button, quiet

_ZIP = "Patient archives (*.zip)"
_MOST_LETTERS = 60  # of a file's name from the patient's; a name takes 255 bytes


def _surely(asked: Callable[[], bool]) -> bool:
    """What a path is asked; no for one that is too long or lies where this user may not look."""
    try:
        return asked()
    except OSError:
        return False


class _ArchiveDialog(QDialog):
    """A file, what else must be known, and a button that starts."""

    def __init__(self, title: str, said: str, start: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setModal(True)
        self.setMinimumWidth(600)
        self.file = QLineEdit()
        self.file.setAccessibleName("Archive")
        self.file.textChanged.connect(lambda _t: self._enable())
        browse = push_button("Browse…", "Choose the file", self._browse)
        self.start = push_button(start, said, self._start)
        self.start.setProperty("main", True)
        cancel = push_button("Cancel", "Close without doing anything (Esc)", self.reject)
        for button in (browse, cancel):
            button.setAutoDefault(False)
        self.start.setDefault(True)
        row = QHBoxLayout()
        row.addWidget(self.file, 1)
        row.addWidget(browse)
        self.form = QFormLayout()
        self.form.setHorizontalSpacing(16)
        self.form.addRow("Archive", row)
        foot = QHBoxLayout()
        foot.addStretch(1)
        foot.addWidget(cancel)
        foot.addWidget(self.start)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 16, 24, 16)
        column.setSpacing(12)
        column.addWidget(quiet(said))
        column.addLayout(self.form)
        column.addLayout(foot)

    @property
    def path(self) -> Path:
        """What is written, in the user's home folder unless a folder is named."""
        return Path.home() / os.path.expanduser(self.file.text().strip())  # noqa: PTH111 - knows every `~name`

    def _enable(self) -> None:
        raise NotImplementedError

    def _start(self) -> None:
        raise NotImplementedError

    def _browse(self) -> None:
        raise NotImplementedError

    def _open(self, dialog: QFileDialog) -> None:
        dialog.setNameFilter(_ZIP)
        dialog.setDefaultSuffix("zip")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.file.setText)
        dialog.open()


class ExportArchiveDialog(_ArchiveDialog):
    """Where the patient's archive goes, and whether it says who the patient is.

    Signals
    -------
    chosen(Path, bool): write it, with identities or without.
    """

    chosen = Signal(object, bool)

    def __init__(self, patient: str, parent: QWidget) -> None:
        said = (
            "Visits, images, masks with their history, and every live record of the patient in one file, for another"
            " workspace of this program. It is readable by you alone."
        )
        super().__init__(f"Export {patient} as an archive", said, "Export", parent)
        self.identities = QCheckBox("With name, birth date and record number")
        self.identities.setToolTip("Without it, the archive knows the patient by the pseudonymous key alone")
        self.form.addRow("", self.identities)
        stem = "".join(c if c.isalnum() or c in "-_." else "-" for c in patient)[:_MOST_LETTERS]
        names = chain((stem,), (f"{stem}-{number}" for number in count(2)))
        offered = (Path.home() / f"{name}.zip" for name in names)
        self.file.setText(str(next(path for path in offered if not path.exists())))

    def _enable(self) -> None:
        path = self.path
        self.start.setEnabled(
            bool(self.file.text().strip()) and _surely(path.parent.is_dir) and not _surely(path.is_dir)
        )

    def _browse(self) -> None:
        dialog = QFileDialog(self, "Write the archive to", self.file.text())
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setOption(QFileDialog.Option.DontConfirmOverwrite)  # asked before anything is written
        self._open(dialog)

    def _start(self) -> None:
        path = self.path if self.path.suffix.lower() == ".zip" else self.path.with_name(f"{self.path.name}.zip")
        if not _surely(path.exists):
            self._export(path)
            return
        text = f"There is a file {path.name} already. Replace it?"
        ask_first(self, self.windowTitle(), text, "", "Replace", lambda: self._export(path))

    def _export(self, path: Path) -> None:
        self.accept()
        self.chosen.emit(path, self.identities.isChecked())


class ImportArchiveDialog(_ArchiveDialog):
    """Which archive to take in, and the key of a patient that is new here.

    Signals
    -------
    chosen(Path, str): take it in; an empty key for the archive's own.
    """

    chosen = Signal(object, str)

    def __init__(self, parent: QWidget) -> None:
        said = (
            "Adds the patient of an archive, or merges it with the same patient here: what is known already is not"
            " added again, and of two states of a record the later stays. A damaged or altered archive is refused, and"
            " nothing is changed."
        )
        super().__init__("Import a patient archive", said, "Import", parent)
        self.key = QLineEdit()
        self.key.setAccessibleName("Key for a new patient")
        self.key.setPlaceholderText("as in the archive")
        self.form.addRow("Key for a new patient", self.key)
        self._enable()

    def _enable(self) -> None:
        self.start.setEnabled(bool(self.file.text().strip()) and _surely(self.path.is_file))

    def _browse(self) -> None:
        dialog = QFileDialog(self, "Archive of a patient")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        self._open(dialog)

    def _start(self) -> None:
        self.accept()
        self.chosen.emit(self.path, self.key.text().strip())
