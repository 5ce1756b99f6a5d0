"""Saves the open visit's mask as a revision on the writing worker, while the reader goes on."""

from __future__ import annotations

from collections.abc import Callable

from glioma_annotator.domain.revision import SegmentationRevision
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.workflow.jobs import JobRunner
from glioma_annotator.workflow.study import OpenTimepoint, Written
from glioma_annotator.workflow.time_log import TimeLog


class RevisionSaving:
    """Takes the mask at once, writes it in its turn.

    Parameters
    ----------
    runner: the worker that writes.
    current: the visit under the reader's hands.
    time_log: what goes with the revision.
    saved: told of a visit and its new revision, on the window's thread.
    failed: told of what could not be written.
    """

    def __init__(
        self,
        runner: JobRunner,
        current: Callable[[], OpenTimepoint | None],
        time_log: TimeLog,
        saved: Callable[[OpenTimepoint, SegmentationRevision], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._runner = runner
        self._current = current
        self._time_log = time_log
        self._saved = saved
        self._failed = failed
        self._visit: OpenTimepoint | None = None
        self._again = False

    def saving(self, visit: OpenTimepoint) -> bool:
        """Whether a revision of a visit is being written."""
        return self._visit is visit

    def save(self, visit: OpenTimepoint) -> None:
        """Make a revision of the mask as it stands; while one is being written, of what it is then."""
        if self._visit is visit:
            self._again = True
            return
        minutes = self._time_log.kept()
        self._visit, self._again = visit, False
        try:
            saving = visit.begin_save(minutes=minutes)
        except UserError:
            self._visit = None
            raise
        self._time_log.clear()

        def work(_report: Report, _cancel: CancelToken) -> Written:
            return visit.write(saving)

        def done(written: Written) -> None:
            again = self._end(visit)
            visit.end_save(saving, written)
            self._saved(visit, written.revision)
            if written.failure is not None:
                self._failed(written.failure)
            elif again and visit.editor.unsaved:
                self.save(visit)

        def fail(error: BaseException) -> None:
            self._end(visit)
            visit.editor.drop_save(saving.point)
            if self._current() is visit:
                self._time_log.put_back(minutes)
            self._failed(error)

        self._runner.submit("Saving the revision", work, done, fail)

    def _end(self, visit: OpenTimepoint) -> bool:
        """Nothing of the visit is being written any more; whether the reader asked for a revision meanwhile."""
        if self._visit is not visit:
            return False
        self._visit = None
        return self._again
