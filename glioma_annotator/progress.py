"""Progress reports and cancellation, shared by every job in the program."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from glioma_annotator.errors import Cancelled


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of a running job.

    Attributes
    ----------
    fraction: share of the work done, 0 to 1.
    message: what is being done now, for a reader.
    seconds_left: estimate of the remaining time in seconds; None while unknown.
    """

    fraction: float
    message: str = ""
    seconds_left: float | None = None


Report = Callable[[Progress], None]


def ignore_progress(_progress: Progress) -> None:
    """A `Report` for callers that do not show progress."""


class CancelToken:
    """Set from one thread, checked from another."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        self._event.set()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    def raise_if_cancelled(self) -> None:
        """Raise `Cancelled` once `cancel` has been called."""
        if self._event.is_set():
            raise Cancelled


class StepProgress:
    """Reports equal steps of a job with the time left, estimated from the steps done so far.

    Parameters
    ----------
    report: where reports go.
    total: number of steps, at least 1.
    message: text of every report.
    start, end: the part of the whole job's 0..1 that these steps make up.
    """

    def __init__(
        self,
        report: Report,
        total: int,
        message: str,
        start: float = 0.0,
        end: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._report = report
        self._total = max(total, 1)
        self._message = message
        self._start, self._end = start, end
        self._clock = clock
        self._began = clock()
        self._done = 0

    def step(self, message: str | None = None) -> None:
        """Count one step as done and report."""
        self._done += 1
        elapsed = self._clock() - self._began
        left = elapsed / self._done * (self._total - self._done)
        share = min(self._done / self._total, 1.0)
        fraction = self._start + share * (self._end - self._start)
        self._report(Progress(fraction, message or self._message, left))


def part(report: Report, start: float, end: float) -> Report:
    """A `Report` whose 0..1 is mapped onto `start`..`end` of the whole job."""

    def scaled(progress: Progress) -> None:
        fraction = start + progress.fraction * (end - start)
        report(Progress(fraction, progress.message, progress.seconds_left))

    return scaled
