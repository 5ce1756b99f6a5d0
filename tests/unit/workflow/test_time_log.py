"""Active minutes per tool."""

from __future__ import annotations

import pytest

from glioma_annotator.workflow.time_log import TimeLog


def at_work(*acts: tuple[float, str], on: bool = True) -> TimeLog:
    now = [0.0]
    log = TimeLog(lambda: now[0])
    log.turn_to(1)
    log.on = on
    for seconds, tool in acts:
        now[0] = seconds
        log.acted(tool)
    return log


def test_time_between_acts_counts_for_the_tool_in_hand() -> None:
    log = at_work((0, "brush"), (20, "brush"), (44, "lasso"), (60, "brush"))
    assert log.minutes(1) == pytest.approx({"brush": 0.6, "lasso": 0.4})
    assert log.kept(1) == log.minutes(1) and list(log.kept(1)) == ["brush", "lasso"]  # most first


def test_a_long_pause_does_not_count() -> None:
    assert at_work((0, "brush"), (20, "brush"), (400, "brush"), (410, "brush")).minutes(1) == pytest.approx(
        {"brush": 0.5}
    )


def test_nothing_is_counted_while_it_is_off_or_after_it_was_cleared() -> None:
    assert at_work((0, "brush"), (20, "brush"), on=False).kept(1) == {}
    log = at_work((0, "brush"), (20, "brush"))
    log.clear(1)
    assert log.kept(1) == log.minutes(1) == {}


def test_a_moment_is_no_work() -> None:
    assert at_work((0, "brush"), (3, "brush")).kept(1) == {}


def test_what_was_counted_for_a_visit_is_there_after_a_look_at_another_one() -> None:
    now = [0.0]
    log = TimeLog(lambda: now[0])
    for visit, begin, tool in ((1, 0.0, "brush"), (2, 30.0, "crosshair"), (1, 60.0, "brush")):
        log.turn_to(visit)
        for seconds in (0, 12, 24):
            now[0] = begin + seconds
            log.acted(tool)
    assert log.kept(1) == pytest.approx({"brush": 0.8}) and log.kept(2) == pytest.approx({"crosshair": 0.4})
    log.clear(1)
    assert log.kept(1) == {} and log.kept(2)
    log.turn_to(None)
    for seconds in (100, 112):
        now[0] = seconds
        log.acted("brush")
    assert log.kept(1) == {} and log.kept(2) == pytest.approx({"crosshair": 0.4})
