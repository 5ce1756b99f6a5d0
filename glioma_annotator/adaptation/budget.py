"""The time an adaptation may take: a token that the computations ask, and what judging a candidate takes of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from statistics import median

from glioma_annotator.domain.adaptation import AdaptationMethod
from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.progress import CancelToken

#: Seconds kept for choosing the picture and saving the candidate.
_CLOSING_S = 2.0


class TimeUp(Exception):
    """The time is used up; what is being computed is given up, for the candidate at hand where there is one."""


class TooSlow(EnvironmentFailure):
    """The time allowed ended before there was a candidate; about `needed_s` would do."""

    def __init__(self, doing: str, needed_s: float) -> None:
        super().__init__(
            f"The time allowed was used up before there was an adapted model, while: {doing}.",
            f"Allow about {_words(needed_s)}, choose fewer visits, or wait until the computer has less other work.",
        )
        self.needed_s = needed_s


def _words(seconds: float) -> str:
    """A time to allow: tens of seconds, then minutes, rounded up."""
    return f"{math.ceil(seconds / 10) * 10} s" if seconds < 90 else f"{math.ceil(seconds / 60)} min"


class Budget(CancelToken):
    """The time of one adaptation. As a token it passes on a request to stop; while it is `binding`, its end stops, too.

    A network asks it before every layer, so that a machine that is slow, or becomes it, stretches no pass, training or
    judgement beyond what was allowed.

    Parameters
    ----------
    seconds: that the adaptation may take from now on.
    cancel: the reader's token.
    now: a clock in seconds.

    Attributes
    ----------
    binding: whether a computation stops with `TimeUp` when the time is used up. Not while a candidate is saved.
    passes_s: what the passes over the held-out visits took in seconds.
    steps_s: what a step of a method's training took in seconds, for the methods trained so far.
    judgings_s: what judging one candidate of a whole network takes in seconds: first from the passes, then as measured.
    """

    def __init__(self, seconds: float, cancel: CancelToken, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._cancel = cancel
        self.now = now
        self.began = now()
        self.deadline = self.began + seconds
        self.binding = True
        self.passes_s = 0.0
        self.steps_s: dict[AdaptationMethod, float] = {}
        self.judgings_s: list[float] = []

    def cancel(self) -> None:
        self._cancel.cancel()

    @property
    def cancelled(self) -> bool:
        return self._cancel.cancelled

    def raise_if_cancelled(self) -> None:
        """Raise `Cancelled` on request; `TimeUp` when the time binds and only that for saving is left."""
        self._cancel.raise_if_cancelled()
        if self.binding and self.left() < 0:
            raise TimeUp

    @property
    def judging_s(self) -> float:
        """About what the next judgement takes: the median so far, 0 before the first estimate."""
        return median(self.judgings_s) if self.judgings_s else 0.0

    def elapsed(self) -> float:
        return self.now() - self.began

    def left(self) -> float:
        """Seconds that methods may still use."""
        return self.deadline - _CLOSING_S - self.now()
