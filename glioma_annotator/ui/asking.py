"""Runs the newest of many questions on a worker: what is typed meanwhile takes the place of what waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.workflow.jobs import JobRunner

T = TypeVar("T")


class NewestOnly(Generic[T]):
    """Answers the question asked last; answers to earlier ones are dropped.

    Parameters
    ----------
    runner: where the work is done.
    """

    def __init__(self, runner: JobRunner) -> None:
        self._runner = runner
        self._next: Callable[[], None] | None = None
        self._running = False
        self._asked = 0

    @property
    def busy(self) -> bool:
        return self._running

    def drop(self) -> None:
        """No answer is wanted any more."""
        self._asked += 1
        self._next = None

    def ask(self, work: Callable[[], T], done: Callable[[T], None], failed: Callable[[BaseException], None]) -> None:
        """Do `work` next, in place of what was to be done next; one of the callbacks follows unless asked again."""
        self._asked += 1
        number = self._asked

        def ended(callback: Callable[[], None]) -> None:
            self._running = False
            if number == self._asked:
                callback()
            waiting, self._next = self._next, None
            if waiting is not None:
                waiting()

        def start() -> None:
            self._running = True

            def run(_report: Report, _cancel: CancelToken) -> T:
                return work()

            self._runner.submit(
                "Searching", run, lambda result: ended(lambda: done(result)),
                lambda error: ended(lambda: failed(error)), lambda: ended(lambda: None),
            )  # fmt: skip

        if self._running:
            self._next = start
        else:
            start()
