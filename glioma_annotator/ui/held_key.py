"""A key that switches when tapped and works only while held when held down."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent

#: A key held longer than this is taken as held, not tapped.
HELD_SECONDS = 0.35

_POINTER = (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonRelease)


class HeldKey(QObject):
    """Takes a switch back when its key is released after having been held.

    Parameters
    ----------
    key: the key of the command.
    take_back: called on release, when the key was held.
    """

    def __init__(
        self, key: Qt.Key, take_back: Callable[[], None], parent: QObject, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(parent)
        self._key = key
        self._take_back = take_back
        self._clock = clock
        self._since = 0.0

    def switched(self) -> None:
        """The command has just run. Listens to every event from now until the key or the mouse tells how it came."""
        self._since = self._clock()
        _application().installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if event.type() in _POINTER:
            self._stop()
        elif event.type() is QEvent.Type.KeyRelease and isinstance(event, QKeyEvent):
            self._on_release(event)
        return False

    def _on_release(self, event: QKeyEvent) -> None:
        if event.key() != self._key or event.isAutoRepeat():
            return
        self._stop()
        if self._clock() - self._since > HELD_SECONDS:
            self._take_back()

    def _stop(self) -> None:
        _application().removeEventFilter(self)


def _application() -> QCoreApplication:
    app = QCoreApplication.instance()
    assert app is not None, "a key was pressed without an application"
    return app
