"""The window's worker threads: queues, so that a long computation never holds up opening a visit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.workflow.jobs import Job, JobRunner

T = TypeVar("T")
_log = logging.getLogger(__name__)

#: Two reports of a job may lie a minute apart; the time left goes on so often.
_CLOCK_MS = 1000


class GuiThread(QObject):
    """Runs callbacks on the thread this object was made on, in the order they were posted."""

    _posted = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._open = True
        self._posted.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def post(self, callback: Callable[[], None]) -> None:
        """Called from any thread; a callback posted after `close` is dropped."""
        if self._open:
            self._posted.emit(callback)

    def close(self) -> None:
        """Drop whatever has not run yet: the window is going away."""
        self._open = False

    @Slot(object)
    def _run(self, callback: Callable[[], None]) -> None:
        if self._open:
            callback()


class Workers(QObject):
    """Job queues of the window.

    Attributes
    ----------
    computing: segmenting, importing, building the demo study.
    reading: opening visits and files.
    editing: what editing tools compute; the reader waits for it, so it does not yield.
    searching: searches and questions while they are typed; not shown in the job bar.
    drawing: surfaces and imports for the viewer; not shown in the job bar.
    writing: what is written while the reader works; not shown in the job bar, and never cancelled.
    """

    changed = Signal(object)
    """A job of `computing`, `reading` or `editing` changed, or a second of its time passed."""
    closing = Signal()
    """The last moment for what must not be cancelled."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.gui = GuiThread(self)
        self.computing = JobRunner(self.gui.post)
        self.reading = JobRunner(self.gui.post)
        self.editing = JobRunner(self.gui.post, yields=False)
        self.searching = JobRunner(self.gui.post, yields=False)
        self.drawing = JobRunner(self.gui.post, yields=False)
        self.writing = JobRunner(self.gui.post, yields=False)
        for runner in (self.computing, self.reading, self.editing):
            runner.changed.connect(self._tell)
        self._clock = QTimer(self)
        self._clock.setInterval(_CLOCK_MS)
        self._clock.timeout.connect(self._tick)

    def _tell(self, job: Job) -> None:
        self.changed.emit(job)
        if not self._clock.isActive():
            self._clock.start()

    def _tick(self) -> None:
        if self.jobs:
            self.changed.emit(self.jobs[0])
        else:
            self._clock.stop()

    @property
    def jobs(self) -> tuple[Job, ...]:
        """What runs or waits, longest first in line first."""
        return self.computing.active + self.reading.active + self.editing.active

    def draw(self, work: Callable[[], T], done: Callable[[T], None]) -> None:
        """The viewer's `Submit`: run `work` on the drawing queue, then `done` on this thread."""

        def run(_report: Report, _cancel: CancelToken) -> T:
            return work()

        self.drawing.submit("Drawing", run, done, raise_on_gui_thread)

    def close(self) -> None:
        """Cancel every job and wait for the threads to end; `close_writing` ends the last one."""
        self.closing.emit()
        self._clock.stop()
        self.gui.close()
        for runner in (self.computing, self.reading, self.editing, self.searching, self.drawing):
            runner.close()

    def close_writing(self) -> None:
        """Wait until everything is written, and for the thread to end."""
        self.writing.wait()
        self.writing.close()


def raise_on_gui_thread(error: BaseException) -> Any:
    """An error callback for work that must not fail: hands the error to the one error hook."""
    raise error
