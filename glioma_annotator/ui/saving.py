"""Saves the open visit's mask as a revision on the writing worker, while the reader goes on."""

from __future__ import annotations

from collections.abc import Callable

from glioma_annotator.domain.revision import SegmentationRevision
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.workflow.jobs import JobRunner
from glioma_annotator.workflow.study import OpenTimepoint
from glioma_annotator.workflow.time_log import TimeLog
from glioma_annotator.workflow.visit_records import Written


class RevisionSaving:
    """Takes the mask at once, writes it in its turn.

    Parameters
    ----------
    runner: the worker that writes.
    time_log: what goes with the revision.
    saved: told of a visit and its new revision, on the window's thread.
    failed: told of what could not be written.
    notice: told, in a sentence for the reader, what a revision waits for.
    """

    def __init__(
        self,
        runner: JobRunner,
        time_log: TimeLog,
        saved: Callable[[OpenTimepoint, SegmentationRevision], None],
        failed: Callable[[BaseException], None],
        notice: Callable[[str], None],
    ) -> None:
        self._runner = runner
        self._time_log = time_log
        self._saved = saved
        self._failed = failed
        self._notice = notice
        self._visit: OpenTimepoint | None = None
        self._again = False

    def saving(self, visit: OpenTimepoint) -> bool:
        """Whether a revision of a visit is being written."""
        return self._visit is visit

    def save(self, visit: OpenTimepoint) -> None:
        """Make a revision of the mask as it stands; while one is being written, of what it is then.

        A stroke in progress comes to its end first.
        """
        if visit.editor.stroke_active:
            visit.editor.after_stroke(lambda: self.save(visit))
            self._notice("The mask is saved with this stroke, when the button comes up.")
            return
        if self._visit is visit:
            self._again = True
            return
        minutes = self._time_log.kept(visit.id)
        self._visit, self._again = visit, False
        try:
            saving = visit.begin_save(minutes=minutes)
        except UserError:
            self._visit = None
            raise
        self._time_log.clear(visit.id)

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
            self._time_log.put_back(minutes, visit.id)
            self._failed(error)

        self._runner.submit("Saving the revision", work, done, fail)

    def _end(self, visit: OpenTimepoint) -> bool:
        """Nothing of the visit is being written any more; whether the reader asked for a revision meanwhile."""
        if self._visit is not visit:
            return False
        self._visit = None
        return self._again


def restored_text(number: int, changed: bool, kept_ml: float) -> str:
    """What became of restoring a revision when so many mL still differ from it."""
    kept = f"{kept_ml:.2f} mL that locks or edit rules keep"
    if not changed:
        same = f"The mask is the same as revision {number} already."
        return f"Revision {number} changes nothing: the mask differs by {kept}." if kept_ml else same
    return f"Restored revision {number}{f' except {kept}' if kept_ml else ''}; undo takes it back."
