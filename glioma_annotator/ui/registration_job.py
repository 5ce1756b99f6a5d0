"""The job that registers two visits: one at a time, whichever visits are on the screen meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.workflow.jobs import Job

Pair = tuple[Timepoint, Timepoint]
R = TypeVar("R")


class RegistrationJob:
    """Computes about two visits, the fixed and the moving one, on a worker.

    Parameters
    ----------
    stopped: hears of a refusal, or of None when the reader cancelled.
    changed: called whenever a job began or ended.
    """

    def __init__(
        self, study: StudyController, stopped: Callable[[Pair, UserError | None], None], changed: Callable[[], None]
    ) -> None:
        self._study = study
        self._stopped, self._changed = stopped, changed
        self._job: Job | None = None
        self.visits: Pair | None = None  # what the last one was about

    @property
    def running(self) -> bool:
        return self._job is not None and self._job.active

    def submit(
        self, title: str, work: Callable[[Report, CancelToken], R], visits: Pair, take: Callable[[Pair, R], None]
    ) -> None:
        """Begin; `take` gets the result unless another workspace is open by then."""
        session = self._study.session

        def done(result: R) -> None:
            self._job = None
            if self._study.session is session:
                take(visits, result)
            self._changed()

        def fail(error: BaseException) -> None:
            self._job = None
            if isinstance(error, UserError):
                self._stopped(visits, error)
            else:
                self._study.failed.emit(error)
            self._changed()

        def cancelled() -> None:
            self._job = None
            self._stopped(visits, None)
            self._changed()

        self.visits = visits
        self._job = self._study.workers.computing.submit(title, work, done, fail, cancelled)
        self._changed()
