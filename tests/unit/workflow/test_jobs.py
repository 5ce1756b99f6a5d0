"""The job runner."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

import pytest

from glioma_annotator.progress import CancelToken, Progress, Report
from glioma_annotator.workflow import jobs
from glioma_annotator.workflow.jobs import Job, JobRunner, JobState


class Owner:
    """Stands for the window's thread: runs posted callbacks when asked."""

    def __init__(self) -> None:
        self.posted: queue.Queue[Callable[[], None]] = queue.Queue()
        self.runner = JobRunner(self.posted.put)
        self.outcomes: list[object] = []

    def submit(self, work: Callable[[Report, CancelToken], object], title: str = "work") -> Job:
        return self.runner.submit(
            title, work, self.outcomes.append, self.outcomes.append, lambda: self.outcomes.append("cancelled")
        )

    def run_until(self, count: int) -> None:
        while len(self.outcomes) < count:
            self.posted.get(timeout=10)()


@pytest.fixture
def owner() -> Iterator[Owner]:
    owner = Owner()
    yield owner
    owner.runner.close()


def test_the_result_arrives_on_the_owners_thread(owner: Owner) -> None:
    threads: list[str] = []

    def work(_report: Report, _cancel: CancelToken) -> int:
        threads.append(threading.current_thread().name)
        return 42

    job = owner.submit(work)
    owner.run_until(1)
    assert owner.outcomes == [42]
    assert threads == ["jobs"]
    assert job.state is JobState.DONE
    assert owner.runner.active == ()


def test_progress_is_shown_while_the_job_runs(owner: Owner) -> None:
    seen: list[Progress] = []
    owner.runner.changed.connect(lambda job: seen.append(job.progress))

    def work(report: Report, _cancel: CancelToken) -> None:
        report(Progress(1.0, "all done", 0.0))

    owner.submit(work)
    owner.run_until(1)
    assert Progress(1.0, "all done", 0.0) in seen


def test_the_last_of_many_quick_reports_is_shown_though_the_job_says_nothing_more(owner: Owner) -> None:
    shown: list[str] = []
    enough = threading.Event()
    owner.runner.changed.connect(lambda job: shown.append(job.progress.message))

    def work(report: Report, _cancel: CancelToken) -> bool:
        for step in range(50):
            report(Progress(0.2, f"Training, step {step}", None))
        report(Progress(0.5, "Judging", None))
        return enough.wait(10)

    owner.submit(work)
    while not shown or shown[-1] != "Judging":
        owner.posted.get(timeout=5)()
    assert len(shown) < 20  # and not every one of them
    enough.set()
    owner.run_until(1)
    assert owner.outcomes == [True]


def test_nothing_is_shown_of_a_job_that_has_ended(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    late: list[Callable[[], None]] = []

    class Never:
        """A timer whose time has not come when the job ends."""

        def __init__(self, _seconds: float, then: Callable[[], None]) -> None:
            late.append(then)

        def start(self) -> None: ...

    monkeypatch.setattr(threading, "Timer", Never)
    monkeypatch.setattr(jobs, "_MIN_SECONDS_BETWEEN_REPORTS", 3600.0)

    def work(report: Report, _cancel: CancelToken) -> None:
        report(Progress(0.5, "held back", None))

    job = owner.submit(work)
    owner.run_until(1)
    assert len(late) == 1
    late[0]()
    assert owner.posted.empty() and job.state is JobState.DONE


def test_a_failure_is_handed_over_whole(owner: Owner) -> None:
    def work(_report: Report, _cancel: CancelToken) -> None:
        raise ValueError("broken")

    job = owner.submit(work)
    owner.run_until(1)
    assert isinstance(owner.outcomes[0], ValueError)
    assert job.state is JobState.FAILED


def test_a_running_job_can_be_cancelled(owner: Owner) -> None:
    started = threading.Event()

    def work(_report: Report, cancel: CancelToken) -> None:
        started.set()
        while True:
            cancel.raise_if_cancelled()

    job = owner.submit(work)
    assert started.wait(10)
    job.cancel()
    owner.run_until(1)
    assert owner.outcomes == ["cancelled"]
    assert job.state is JobState.CANCELLED


def test_a_waiting_job_that_is_cancelled_never_runs(owner: Owner) -> None:
    gate = threading.Event()
    owner.submit(lambda _r, _c: gate.wait(10))
    second = owner.submit(lambda _r, _c: pytest.fail("ran"))
    second.cancel()
    gate.set()
    owner.run_until(2)
    assert owner.outcomes == [True, "cancelled"]


def test_jobs_run_one_after_another_in_order(owner: Owner) -> None:
    order: list[int] = []
    for number in range(5):
        owner.submit(lambda _r, _c, n=number: order.append(n))
    owner.run_until(5)
    assert order == [0, 1, 2, 3, 4]


def test_closing_cancels_and_ends_the_worker(owner: Owner) -> None:
    def work(_report: Report, cancel: CancelToken) -> None:
        while True:
            cancel.raise_if_cancelled()

    owner.submit(work)
    owner.runner.close()
    assert not [t for t in threading.enumerate() if t.name == "jobs"]


def test_the_time_left_goes_on_between_two_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("glioma_annotator.workflow.jobs.time.monotonic", lambda: now[0])
    job = Job("Adapting", CancelToken())
    assert job.seconds_left is None
    job.show(Progress(0.2, "Passing", 60.0))
    for passed, left in ((0, 60.0), (25, 35.0), (90, 0.0)):
        now[0] = 100.0 + passed
        assert job.seconds_left == left
    job.show(Progress(0.3, "Passing"))
    assert job.seconds_left is None
