"""Running through the slices of the active pane, to and fro."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal

SLICES_PER_SECOND = 12


class Cine(QObject):
    """Steps while it runs, and turns round where there is no further slice.

    Parameters
    ----------
    step: moves by so many slices; whether anything moved.

    Signals
    -------
    running_changed(bool)
    """

    running_changed = Signal(bool)

    def __init__(self, step: Callable[[int], bool], parent: QObject) -> None:
        super().__init__(parent)
        self._step = step
        self._direction = 1
        self._timer = QTimer(self)
        self._timer.setInterval(1000 // SLICES_PER_SECOND)
        self._timer.timeout.connect(self._next)

    @property
    def running(self) -> bool:
        return self._timer.isActive()

    def toggle(self) -> None:
        if self.running:
            self.stop()
        else:
            self._timer.start()
            self.running_changed.emit(True)

    def stop(self) -> None:
        if self.running:
            self._timer.stop()
            self.running_changed.emit(False)

    def _next(self) -> None:
        if not self._step(self._direction):
            self._direction = -self._direction
            if not self._step(self._direction):
                self.stop()
