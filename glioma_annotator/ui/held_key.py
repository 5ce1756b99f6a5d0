"""A key that switches when tapped and works only while held when held down."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QAction, QGuiApplication, QKeyEvent

#: A key held longer than this is taken as held, not tapped.
HELD_SECONDS = 0.35


class HeldKey(QObject):
    """Takes a switch back when its key is released after having been held, whatever the mouse does meanwhile.

    Parameters
    ----------
    key: the key of the command.
    action: the command; run from a menu or with the mouse, it only switches.
    take_back: called on release, when the key was held, and when the keyboard goes to another program meanwhile.
    """

    def __init__(
        self,
        key: Qt.Key,
        action: QAction,
        take_back: Callable[[], None],
        parent: QObject,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(parent)
        self._key = key
        self._action = action
        self._take_back = take_back
        self._clock = clock
        self._since: float | None = None  # while the key is down
        action.installEventFilter(self)
        _application().applicationStateChanged.connect(self._on_state)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._action:
            if event.type() is QEvent.Type.Shortcut:
                self._start()
        elif event.type() is QEvent.Type.KeyRelease and isinstance(event, QKeyEvent):
            self._on_release(event)
        return False

    def _start(self) -> None:
        """The key runs the command now. Listens to every event until the key is released."""
        self._since = self._clock()
        _application().installEventFilter(self)

    def _on_release(self, event: QKeyEvent) -> None:
        # Keyboards of other scripts run the command by their own letter.
        other_script = 0x7F < event.key() < Qt.Key.Key_Escape
        if (event.key() != self._key and not other_script) or event.isAutoRepeat():
            return
        since = self._stop()
        if since is not None and self._clock() - since > HELD_SECONDS:
            self._take_back()

    def _on_state(self, state: Qt.ApplicationState) -> None:
        """Another program hears of the release instead of this one."""
        if state is not Qt.ApplicationState.ApplicationActive and self._stop() is not None:
            self._take_back()

    def _stop(self) -> float | None:
        since, self._since = self._since, None
        _application().removeEventFilter(self)
        return since


def _application() -> QGuiApplication:
    app = QGuiApplication.instance()
    assert isinstance(app, QGuiApplication), "a key was pressed without an application"
    return app
