"""What is written beside the reader's work, in order and on a worker: the window never waits for the disk.

A finished step is in the journal's file when the next one begins (`Editor`); here the disk is made to have it, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from glioma_annotator.domain.sequences import Window
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.workflow.editing import Editor
from glioma_annotator.workflow.jobs import JobRunner
from glioma_annotator.workflow.ports import Journal, Store

State = Mapping[str, object]


class Writing:
    """Writes on one worker, one thing after the other.

    Parameters
    ----------
    runner: the worker.
    failed: told of what could not be written, on the window's thread.
    """

    def __init__(self, runner: JobRunner, failed: Callable[[BaseException], None]) -> None:
        self._runner = runner
        self._failed = failed
        self._flushing: set[int] = set()  # editors whose steps wait to be flushed
        self._views: dict[tuple[int, int], State] = {}  # by store and patient: what is not in the store yet

    def flush_steps(self, editor: Editor) -> None:
        """Make the disk have every step of an editor that is in its journal by now."""
        key = id(editor)
        if key in self._flushing:  # not begun: it will find the newest step
            return
        self._flushing.add(key)

        def work(_report: Report, _cancel: CancelToken) -> None:
            self._flushing.discard(key)
            editor.flush()

        self._runner.submit("Writing steps", work, lambda _none: None, self._failed)

    def close_steps(self, journal: Journal) -> None:
        """Let go of the file of a visit's steps: in a long session many visits are edited."""

        def work(_report: Report, _cancel: CancelToken) -> None:
            journal.close()

        self._runner.submit("Closing the steps", work, lambda _none: None, self._failed)

    def view_state(self, store: Store, patient_id: int) -> State:
        """What the window last looked like for a patient, also when that is not written yet."""
        waiting = self._views.get((id(store), patient_id))
        return store.view_state(patient_id) if waiting is None else waiting

    def keep_view(self, store: Store, patient_id: int, state: State, windows: Mapping[int, Window]) -> None:
        """Keep what the window looks like for a patient, and display windows by sequence id."""
        key = id(store), patient_id
        self._views[key] = state

        def work(_report: Report, _cancel: CancelToken) -> None:
            for sequence_id, window in windows.items():
                store.set_window(sequence_id, window)
            store.set_view_state(patient_id, state)

        def forget() -> None:
            if self._views.get(key) is state:
                del self._views[key]

        def fail(error: BaseException) -> None:
            forget()
            self._failed(error)

        self._runner.submit("Writing the view", work, lambda _none: forget(), fail)

    def wait(self) -> None:
        """Until everything is written, on any thread but the worker."""
        self._runner.wait()
