"""A walk through the window that leaves pictures: what `make screenshots` and a headless demo show."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtGui import QGuiApplication

from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.settings import WindowSettings
from glioma_annotator.ui.application import make_application
from glioma_annotator.ui.dialogs.shortcuts import keys_page
from glioma_annotator.ui.services import Services
from glioma_annotator.ui.window import MainWindow

_SIZE = (1600, 960)
_LONGEST_WAIT_S = 120.0
_SETTLING_MS = 1500


def take_tour(services: Services, folder: Path) -> tuple[Path, ...]:
    """Open the patient named by `services`, show every layout, and write a PNG of each and the page of keys.

    Raises `EnvironmentFailure` when the window does not come up within two minutes.
    """
    make_application([], services.settings.display.theme)
    # The window as it first comes up, and the user's own stays as it is.
    fresh = replace(services.settings, window=WindowSettings())
    services = replace(services, settings=fresh, save_settings=lambda _settings: None)
    folder.mkdir(parents=True, exist_ok=True)
    window = MainWindow(services)
    window.resize(*_SIZE)
    window.show()
    try:
        _wait(lambda: window.study.visit is not None)
        _go_to_tumour(window)
        pictures = []
        for command, name in (
            ("view.planes", "window"),
            ("view.sequences", "sequences"),
            ("view.timepoints", "timepoints"),
            ("view.3d", "surface"),
        ):
            window.commands[command].trigger()
            _wait(lambda: window.view.ready and not any(job.active for job in window.workers.jobs))
            _pass_time(_SETTLING_MS)
            pictures.append(_photograph(window, folder / f"{name}.png"))
        window.commands["view.planes"].trigger()
        (folder / "keys.md").write_text(keys_page(window.registry), encoding="utf-8")
    finally:
        window.close()
    return tuple(pictures)


def _go_to_tumour(window: MainWindow) -> None:
    """Put the crosshair into the middle of the mask's largest slice, where there is a mask."""
    labels = window.study.require_visit().editor.labels
    if labels.any():
        k = int(np.count_nonzero(labels, axis=(0, 1)).argmax())
        i, j = (round(float(axis.mean())) for axis in np.nonzero(labels[:, :, k]))
        window.view.crosshair_index = (i, j, k)


def _photograph(window: MainWindow, path: Path) -> Path:
    screen = window.screen() or QGuiApplication.primaryScreen()
    picture = screen.grabWindow(window.winId())
    if not picture.save(str(path)):
        raise EnvironmentFailure(f"{path.name} could not be written.", "Check the folder and the free disk space.")
    return path


def _wait(done: Callable[[], bool]) -> None:
    until = time.monotonic() + _LONGEST_WAIT_S
    while not done():
        if time.monotonic() > until:
            raise EnvironmentFailure("The window did not come up in time.", "Run 'glioma-annotator doctor'.")
        _pass_time(20)


def _pass_time(milliseconds: int) -> None:
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()
