"""How long the reader was at work on a mask, tool by tool."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

#: A pause longer than this is not work: the reader was called away, or reads elsewhere.
LONGEST_PAUSE_S = 30.0


class TimeLog:
    """Counts active time since the last save. Nothing is counted while it is switched off.

    Parameters
    ----------
    clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: float | None = None
        self._seconds: dict[str, float] = {}
        self.on = True

    def acted(self, tool: str) -> None:
        """The reader did something with a tool in hand; the time since the act before counts for that tool."""
        now = self._clock()
        if self.on and self._last is not None and now - self._last <= LONGEST_PAUSE_S:
            self._seconds[tool] = self._seconds.get(tool, 0.0) + now - self._last
        self._last = now

    def clear(self) -> None:
        """Begin anew: another visit, or the time is written down."""
        self._seconds.clear()
        self._last = None

    def put_back(self, minutes: Mapping[str, float]) -> None:
        """Minutes by tool that were taken to be written down and were not."""
        for tool, amount in minutes.items():
            self._seconds[tool] = self._seconds.get(tool, 0.0) + 60 * amount

    @property
    def minutes(self) -> dict[str, float]:
        """Active minutes by tool, most first."""
        return {tool: s / 60 for tool, s in sorted(self._seconds.items(), key=lambda item: -item[1])}

    def kept(self) -> dict[str, float]:
        """What goes with a revision: active minutes by tool, most first; empty while off, and below six seconds."""
        minutes = self.minutes
        return minutes if self.on and sum(minutes.values()) >= 0.1 else {}
