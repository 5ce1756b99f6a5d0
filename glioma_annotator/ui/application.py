"""Starts Qt, shows the window, runs until it closes."""

from __future__ import annotations

import builtins
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication

from glioma_annotator.ui import theme
from glioma_annotator.ui.services import Services
from glioma_annotator.ui.window import MainWindow


def make_application(argv: Sequence[str], theme_name: str) -> QApplication:
    """The Qt application with the program's look; the running one when there is one."""
    os.environ.setdefault("QT_API", "pyside6")
    _import_plainly()
    running = QApplication.instance()
    if isinstance(running, QApplication):
        app = running
    else:
        QApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)
        app = QApplication([sys.argv[0], *argv])
    app.setApplicationName("glioma-annotator")
    theme.apply(app, theme_name)
    return app


def _import_plainly() -> None:
    """Take PySide's hands off `import`: it reads the source of every module, for switches that nothing here uses.

    That is a seventh of the time of napari's import. It also asks half-imported modules for attributes, from whatever
    thread imports next, and some of them (pydantic's) then raise.
    """
    builtins.__import__ = getattr(builtins, "__orig_import__", builtins.__import__)


def run_window(services: Services, argv: Sequence[str]) -> int:
    """Show the window and run until it is closed; returns the exit code."""
    app = make_application(argv, services.settings.display.theme)
    window = MainWindow(services)
    window.errors.install()
    window.show()
    heartbeat = _close_on_interrupt(window)
    code = app.exec()
    heartbeat.stop()
    return code


def _close_on_interrupt(window: MainWindow) -> QTimer:
    """Close properly on Ctrl+C in the terminal; Python sees signals only when it runs, hence the timer."""

    def close(_number: int, _frame: FrameType | None) -> None:
        window.close()

    signal.signal(signal.SIGINT, close)
    signal.signal(signal.SIGTERM, close)
    timer = QTimer(window)
    timer.timeout.connect(lambda: None)
    timer.start(500)
    return timer
