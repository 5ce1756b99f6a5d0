"""A key that switches when tapped and works only while held when held down."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent, QWindow

#: A key held longer than this is taken as held, not tapped.
HELD_SECONDS = 0.35


class HeldKey(QObject):
    """Takes a switch back when its key is released after having been held.

    Parameters
    ----------
    window: the top-level window, which hears every key.
    key: the key of the command.
    take_back: called on release, when the key was held.
    """

    def __init__(
        self,
        window: QWindow,
        key: Qt.Key,
        take_back: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(window)
        self._key = key
        self._take_back = take_back
        self._clock = clock
        self._since: float | None = None
        window.installEventFilter(self)

    def switched(self) -> None:
        """The command has just run."""
        self._since = self._clock()

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if not isinstance(event, QKeyEvent) or event.type() is not QEvent.Type.KeyRelease:
            return False
        if event.key() == self._key and not event.isAutoRepeat():
            since, self._since = self._since, None
            if since is not None and self._clock() - since > HELD_SECONDS:
                self._take_back()
        return False
