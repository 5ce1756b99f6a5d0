"""Jobs: work that takes over a moment, run on a worker thread one at a time.

A job is a plain callable `(report, cancel) -> result` on immutable inputs. Its callbacks arrive through `post`, which
the window sets to something that runs them on its own thread; a command line runs jobs directly and needs none of this.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from psygnal import Signal

from glioma_annotator.errors import Cancelled
from glioma_annotator.progress import CancelToken, Progress, Report

T = TypeVar("T")
Post = Callable[[Callable[[], None]], None]

_log = logging.getLogger(__name__)

#: Progress is passed on at most this often, so that a quick job cannot flood the window.
_MIN_SECONDS_BETWEEN_REPORTS = 0.05

#: Of the worker, on the scale from 0 (normal) to 19 (only when nothing else runs).
_NICENESS = 10


class JobState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(eq=False)
class Job:
    """A submitted job and where it stands; read it from the window's thread only."""

    title: str
    cancel_token: CancelToken
    state: JobState = JobState.WAITING
    progress: Progress = Progress(0.0)  # noqa: RUF009 - frozen, so a shared default is safe
    reported: float = 0.0

    def show(self, progress: Progress) -> None:
        """It runs, and has come so far."""
        self.progress, self.reported, self.state = progress, time.monotonic(), JobState.RUNNING

    @property
    def seconds_left(self) -> float | None:
        """Estimate of the remaining time in seconds, which goes on between two reports; None while unknown."""
        left = self.progress.seconds_left
        return None if left is None else max(left - (time.monotonic() - self.reported), 0.0)

    def cancel(self) -> None:
        self.cancel_token.cancel()

    @property
    def active(self) -> bool:
        return self.state in (JobState.WAITING, JobState.RUNNING)


class JobRunner:
    """Runs jobs one after another on one worker thread.

    Parameters
    ----------
    post: runs a callback on the thread that owns the jobs (the window's).
    yields: whether the worker has a lower priority than the window. Not for short work that holds the interpreter: on a
        busy machine the window would wait for it the longer.
    """

    changed = Signal(object)
    """A job's state or progress changed; emitted on the owner's thread."""

    def __init__(self, post: Post, *, yields: bool = True) -> None:
        self._post = post
        self._yields = yields
        self._queue: list[Callable[[], None]] = []
        self._wake = threading.Condition()
        self._closed = False
        self._busy = False
        self._thread: threading.Thread | None = None
        self.jobs: list[Job] = []

    def submit(
        self,
        title: str,
        work: Callable[[Report, CancelToken], T],
        on_done: Callable[[T], None],
        on_error: Callable[[BaseException], None],
        on_cancelled: Callable[[], None] | None = None,
    ) -> Job:
        """Queue `work`; exactly one of the callbacks runs on the owner's thread when it ends."""
        job = Job(title, CancelToken())
        self.jobs.append(job)
        with self._wake:
            self._queue.append(lambda: self._run(job, work, on_done, on_error, on_cancelled))
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="jobs", daemon=True)
                self._thread.start()
            self._wake.notify_all()
        self.changed.emit(job)
        return job

    def wait(self, timeout: float | None = None) -> bool:
        """Wait on another thread until nothing runs or waits here; whether it came to that within `timeout` s."""
        with self._wake:
            return self._wake.wait_for(lambda: not self._queue and not self._busy, timeout)

    @property
    def active(self) -> tuple[Job, ...]:
        return tuple(job for job in self.jobs if job.active)

    def close(self, timeout: float = 5.0) -> None:
        """Cancel everything and wait for the worker to end."""
        for job in self.active:
            job.cancel()
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)

    def _loop(self) -> None:
        if self._yields:
            _yield_to_the_window()
        while True:
            with self._wake:
                while not self._queue and not self._closed:
                    self._wake.wait()
                if self._closed:
                    return
                task = self._queue.pop(0)
                self._busy = True
            task()
            with self._wake:
                self._busy = False
                self._wake.notify_all()

    def _run(
        self,
        job: Job,
        work: Callable[[Report, CancelToken], T],
        on_done: Callable[[T], None],
        on_error: Callable[[BaseException], None],
        on_cancelled: Callable[[], None] | None,
    ) -> None:
        def show(progress: Progress) -> None:
            job.show(progress)
            self.changed.emit(job)

        reports = _Reports(lambda progress: self._post(lambda: show(progress)))
        report = reports.take

        def finish(state: JobState, callback: Callable[[], Any] | None) -> None:
            reports.close()

            def ended() -> None:
                job.state = state
                self.jobs.remove(job)
                self.changed.emit(job)
                if callback is not None:
                    callback()

            self._post(ended)

        try:
            job.cancel_token.raise_if_cancelled()
            report(Progress(0.0, "Starting"))
            result = work(report, job.cancel_token)
            job.cancel_token.raise_if_cancelled()
        except Cancelled:
            finish(JobState.CANCELLED, on_cancelled)
        except BaseException as error:  # noqa: BLE001 - a worker must hand every failure to the one error dialog
            failure = error
            _log.info("job failed: %s", type(failure).__name__)
            finish(JobState.FAILED, lambda: on_error(failure))
        else:
            finish(JobState.DONE, lambda: on_done(result))


class _Reports:
    """Passes on what a job reports, no more often than the window needs, and always the newest: a stage that says
    nothing after its beginning must not be shown as the one before it.
    """

    def __init__(self, pass_on: Report) -> None:
        self._pass_on = pass_on
        self._lock = threading.Lock()
        self._last = 0.0
        self._held: Progress | None = None
        self._closed = False

    def take(self, progress: Progress) -> None:
        with self._lock:
            wait = self._last + _MIN_SECONDS_BETWEEN_REPORTS - time.monotonic()
            if self._closed:
                return
            if wait <= 0 or progress.fraction >= 1:
                self._held = None
                self._last = time.monotonic()
                self._pass_on(progress)
                return
            waiting, self._held = self._held is not None, progress
        if not waiting:
            timer = threading.Timer(wait, self._release)
            timer.daemon = True
            timer.start()

    def close(self) -> None:
        """Nothing is passed on from here on."""
        with self._lock:
            self._closed, self._held = True, None

    def _release(self) -> None:
        with self._lock:
            progress, self._held = self._held, None
            if progress is not None and not self._closed:
                self._last = time.monotonic()
                self._pass_on(progress)


def _yield_to_the_window() -> None:
    """Lower this thread's priority, so that a job that takes every core leaves the window responsive.

    On Linux niceness belongs to a thread, and the threads that a library starts from this one inherit it.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
