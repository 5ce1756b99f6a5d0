"""How long the reader was at work on a mask, tool by tool."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

#: A pause longer than this is not work: the reader was called away, or reads elsewhere.
LONGEST_PAUSE_S = 30.0


class TimeLog:
    """Counts active time on every visit's mask since it was last saved. Nothing is counted while it is switched off.

    Parameters
    ----------
    clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: float | None = None
        self._visit: int | None = None
        self._by_visit: dict[int, dict[str, float]] = {}
        self.on = True

    def turn_to(self, visit: int | None) -> None:
        """The reader goes on with another visit, by its id; None for none. What was counted for each stays."""
        self._visit, self._last = visit, None

    def acted(self, tool: str) -> None:
        """The reader did something with a tool in hand; the time since the act before counts for that tool."""
        now = self._clock()
        if self.on and self._last is not None and now - self._last <= LONGEST_PAUSE_S and self._visit is not None:
            self._count(self._visit, tool, now - self._last)
        self._last = now

    def clear(self, visit: int) -> None:
        """A visit's time is written down."""
        self._by_visit.pop(visit, None)
        if visit == self._visit:
            self._last = None

    def forget(self) -> None:
        """Another workspace."""
        self._by_visit.clear()
        self.turn_to(None)

    def put_back(self, minutes: Mapping[str, float], visit: int) -> None:
        """Minutes by tool that were taken to be written down for a visit and were not."""
        for tool, amount in minutes.items():
            self._count(visit, tool, 60 * amount)

    def _count(self, visit: int, tool: str, seconds: float) -> None:
        counted = self._by_visit.setdefault(visit, {})
        counted[tool] = counted.get(tool, 0.0) + seconds

    def minutes(self, visit: int) -> dict[str, float]:
        """Active minutes on a visit by tool, most first."""
        counted = self._by_visit.get(visit, {})
        return {tool: s / 60 for tool, s in sorted(counted.items(), key=lambda item: -item[1])}

    def kept(self, visit: int) -> dict[str, float]:
        """What goes with a revision: active minutes by tool, most first; empty while off, and below six seconds."""
        minutes = self.minutes(visit)
        return minutes if self.on and sum(minutes.values()) >= 0.1 else {}
