"""Active minutes per tool."""

from __future__ import annotations

import pytest

from glioma_annotator.workflow.time_log import TimeLog


def at_work(*acts: tuple[float, str], on: bool = True) -> TimeLog:
    now = [0.0]
    log = TimeLog(lambda: now[0])
    log.on = on
    for seconds, tool in acts:
        now[0] = seconds
        log.acted(tool)
    return log


def test_time_between_acts_counts_for_the_tool_in_hand() -> None:
    log = at_work((0, "brush"), (20, "brush"), (44, "lasso"), (60, "brush"))
    assert log.minutes == pytest.approx({"brush": 0.6, "lasso": 0.4})
    assert log.kept() == log.minutes and list(log.kept()) == ["brush", "lasso"]  # most first


def test_a_long_pause_does_not_count() -> None:
    assert at_work((0, "brush"), (20, "brush"), (400, "brush"), (410, "brush")).minutes == pytest.approx({"brush": 0.5})


def test_nothing_is_counted_while_it_is_off_or_after_it_was_cleared() -> None:
    assert at_work((0, "brush"), (20, "brush"), on=False).kept() == {}
    log = at_work((0, "brush"), (20, "brush"))
    log.clear()
    assert log.kept() == log.minutes == {}


def test_a_moment_is_no_work() -> None:
    assert at_work((0, "brush"), (3, "brush")).kept() == {}
