"""One hook and one dialog for every error, of the window's thread and of the workers."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

from psygnal import EmitLoopError
from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator import __version__
from glioma_annotator.errors import Cancelled, GliomaError
from glioma_annotator.ui import theme

_log = logging.getLogger(__name__)
_PACKAGE = Path(__file__).parents[1]
_FRAME = re.compile(r'File "([^"]+)"')
_PATH = re.compile(r"(?<![\w.<])(?:[A-Za-z]:)?[/\\](?:[^\s'\"<>|:*?]+[/\\])*[^\s'\"<>|:*?]+")
_IMAGE_FILE = re.compile(r"[^\s'\"]+\.(?:nii|nii\.gz|hdr|img|dcm|csv|json)\b")

_MOST_TOLD = 4  # in one dialog
BUG_TITLE = "This is a bug in the program"
BUG_TODO = (
    "Your work is safe: every finished stroke is on disk already. You can go on; if the program behaves "
    "oddly, close it and start it again. The details below help to find the fault."
)
BUG_LOGGED = "Your work is safe: every finished stroke is on disk already. The details are in the program's log."


def unwrap(error: BaseException) -> BaseException:
    """The error itself, out of the wrapping that a signal's emit loop puts around it."""
    while isinstance(error, EmitLoopError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def details(error: BaseException, hidden: Iterable[str] = ()) -> str:
    """The traceback without anything that could name a patient.

    Source files are given relative to the package; every other path, and every string of `hidden` (patient keys,
    folders), is blanked.
    """
    text = "".join(traceback.format_exception(error))
    text = _FRAME.sub(lambda found: f"File {_module(found[1])}", text)
    text = _IMAGE_FILE.sub("<file>", _PATH.sub("<path>", text))
    for word in sorted(filter(None, hidden), key=len, reverse=True):
        text = text.replace(word, "<hidden>")
    return f"glioma-annotator {__version__}, Python {sys.version.split()[0]}, {sys.platform}\n{text}"


def _module(path: str) -> str:
    file = Path(path)
    if file.is_relative_to(_PACKAGE):
        return ".".join(("glioma_annotator", *file.relative_to(_PACKAGE).with_suffix("").parts))
    parts = file.with_suffix("").parts
    return ".".join(parts[parts.index("site-packages") + 1 :]) if "site-packages" in parts else file.stem


class ErrorDialog(QDialog):
    """What happened, what to do, and for a bug the details to copy."""

    def __init__(self, what: str, todo: str, bug: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Program error" if bug else "glioma-annotator")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 24, 24, 16)
        layout.setSpacing(16)
        head = QHBoxLayout()
        head.setSpacing(16)
        sign = QLabel()
        palette = theme.current()
        name, colour = ("bug-outline", palette.danger) if bug else ("alert-circle-outline", palette.warning)
        sign.setPixmap(theme.icon(name, colour).pixmap(32, 32))
        head.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        words = QVBoxLayout()
        words.setSpacing(8)
        self.what = _wrapped(what, "strong")
        self.todo = _wrapped(todo)
        words.addWidget(self.what)
        words.addWidget(self.todo)
        self.todo.setVisible(bool(todo))
        self._words = words
        self._told = [what]
        head.addLayout(words, 1)
        layout.addLayout(head)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.close)
        if bug:
            self.details = QPlainTextEdit(bug)
            self.details.setReadOnly(True)
            self.details.setAccessibleName("Details of the program error")
            self.details.setMinimumHeight(160)
            layout.addWidget(self.details, 1)
            copy = QPushButton("Copy details")
            copy.setToolTip("Copy the details; they hold no patient names")
            copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(bug))
            buttons.addButton(copy, QDialogButtonBox.ButtonRole.ActionRole)
        layout.addWidget(buttons)
        buttons.button(QDialogButtonBox.StandardButton.Close).setDefault(True)
        self.setMinimumWidth(520 if bug else 440)

    def add(self, what: str, todo: str) -> None:
        """Tell of something else that went wrong while the dialog is open; the same is told once."""
        if what in self._told or len(self._told) == _MOST_TOLD:
            return
        self._told.append(what)
        self._words.addSpacing(8)
        for text, role in ((what, "strong"), (todo, "")):
            if text:
                told = _wrapped(text, role)
                self._words.addWidget(told)
                told.show()  # counted at once
        layout = self.layout()
        if layout is not None:
            layout.activate()
            self.resize(self.width(), max(self.height(), layout.totalHeightForWidth(self.width())))


def _wrapped(text: str, role: str = "") -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    if role:
        label.setProperty("role", role)
    return label


class ErrorReporter(QObject):
    """Shows errors, one dialog at a time.

    Parameters
    ----------
    parent: the window, over which dialogs open.
    hidden: strings that must not leave the program with the details: patient keys, folders.
    """

    def __init__(self, parent: QWidget, hidden: Callable[[], Iterable[str]] = tuple) -> None:
        super().__init__(parent)
        self._window = parent
        self._hidden = hidden
        self._previous_hook = sys.excepthook
        self.dialog: ErrorDialog | None = None

    def install(self) -> None:
        """Catch what no one catches on this thread; Qt hands exceptions of slots to the same hook."""
        self._previous_hook = sys.excepthook
        sys.excepthook = self._on_uncaught

    def uninstall(self) -> None:
        sys.excepthook = self._previous_hook

    def _on_uncaught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            self._previous_hook(kind, error, trace)
            return
        # Opening a dialog inside the event handler that failed could enter it again.
        QTimer.singleShot(0, self, lambda: self.show(error))

    def show(self, error: BaseException) -> None:
        """Show an error that was caught or handed over by a worker; a cancelled job is none."""
        error = unwrap(error)
        if isinstance(error, Cancelled):
            return
        if isinstance(error, GliomaError):
            self._open(error.what, error.todo)
            return
        text = details(error, self._hidden())
        _log.error("%s", text)
        self._open(BUG_TITLE, BUG_TODO, text)

    def _open(self, what: str, todo: str, bug: str = "") -> None:
        if self.dialog is not None:  # a fault in a mouse handler comes many times a second
            self.dialog.add(what, BUG_LOGGED if bug else todo)
            return
        self.dialog = ErrorDialog(what, todo, bug, self._window)
        self.dialog.destroyed.connect(self._forget)
        self.dialog.open()

    def _forget(self) -> None:
        self.dialog = None
