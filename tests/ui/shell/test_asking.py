"""Of questions asked in quick succession only the newest is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from glioma_annotator.ui.asking import NewestOnly


class Runner:
    """Stands in for `JobRunner`: runs what was submitted when told to."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def submit(self, _title: str, work: Any, done: Any, failed: Any, _cancelled: Any) -> None:
        def run() -> None:
            try:
                result = work(None, None)
            except ValueError as error:
                failed(error)
            else:
                done(result)

        self.waiting.append(run)


def test_what_is_typed_meanwhile_takes_the_place_of_what_waits() -> None:
    runner, told, worked = Runner(), [], []
    asking: NewestOnly[str] = NewestOnly(runner)  # type: ignore[arg-type]
    for word in ("r", "ri", "rin", "ring"):
        asking.ask(lambda word=word: worked.append(word) or word, told.append, told.append)  # type: ignore[misc]
    assert len(runner.waiting) == 1
    while runner.waiting:
        runner.waiting.pop(0)()
    assert worked == ["r", "ring"]
    assert told == ["ring"]
    assert not asking.busy


def test_a_dropped_question_is_not_answered_and_the_next_one_is() -> None:
    runner, told = Runner(), []
    asking: NewestOnly[str] = NewestOnly(runner)  # type: ignore[arg-type]
    asking.ask(lambda: "old", told.append, told.append)
    asking.drop()
    runner.waiting.pop(0)()
    assert told == []
    asking.ask(lambda: "new", told.append, told.append)
    runner.waiting.pop(0)()
    assert told == ["new"]


def test_a_failure_is_told_unless_something_else_was_asked() -> None:
    runner, told = Runner(), []
    asking: NewestOnly[str] = NewestOnly(runner)  # type: ignore[arg-type]

    def fail() -> str:
        raise ValueError("no")

    asking.ask(fail, told.append, told.append)
    runner.waiting.pop(0)()
    assert [str(error) for error in told] == ["no"]
