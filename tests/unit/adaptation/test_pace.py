"""What the plan expects of an adaptation's time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_models import tiny_card

from glioma_annotator.adaptation.pace import Pace, least_seconds, reference_seconds
from glioma_annotator.domain.adaptation import METHODS, AdaptationMethod

CARD = replace(tiny_card(), parameters={"filters": [24, 48, 96, 192], "branch_fraction": 0.5})


def test_more_visits_dearer_methods_and_wider_networks_take_longer() -> None:
    each = [reference_seconds(CARD, 1, method) for method in (*METHODS, AdaptationMethod.AUTO)]
    assert each[0] < each[1] <= each[2] < each[3] < each[4]
    assert reference_seconds(CARD, 3, AdaptationMethod.FULL) > each[3]
    wide = replace(CARD, parameters={"filters": [24, 48, 96, 192]})
    assert reference_seconds(wide, 1, AdaptationMethod.FULL) > each[3]
    assert reference_seconds(tiny_card(), 1, AdaptationMethod.FULL) > 0


@pytest.mark.parametrize(
    "parameters", [{"filters": ["x"]}, {"filters": [None, 2]}, {"branch_fraction": "y"}, {"branch_fraction": 1e308}]
)
def test_a_card_whose_parameters_make_no_sense_is_no_reason_to_fail(parameters: dict[str, object]) -> None:
    odd = replace(CARD, parameters=parameters)
    assert reference_seconds(odd, 1, AdaptationMethod.AUTO) == pytest.approx(
        reference_seconds(CARD, 1, AdaptationMethod.AUTO), rel=0.5
    )


@pytest.mark.parametrize("slower", [2.0, 20.0])
def test_what_an_adaptation_needs_is_told_from_the_passes_it_came_through(slower: float) -> None:
    needed = slower * reference_seconds(CARD, 1, AdaptationMethod.LAST_LAYER)
    after_passes = least_seconds(CARD, 1, AdaptationMethod.AUTO, slower * (8 + 7 + 6), True)
    assert after_passes == pytest.approx(needed, rel=0.1)
    in_passes = least_seconds(CARD, 1, AdaptationMethod.AUTO, slower * (8 + 3), False)
    assert 0.5 * needed < in_passes < 1.2 * needed


@pytest.mark.parametrize("slower", [0.2, 1.0, 4.0])
def test_after_a_few_adaptations_the_plan_is_right_within_a_half(slower: float, tmp_path: Path) -> None:
    for _ in range(3):  # each in a program of its own
        Pace(tmp_path / "pace.json").learn(60 * slower, 60, 1e6)
    assert slower / 1.5 < Pace(tmp_path / "pace.json").times < slower * 1.5


def test_an_adaptation_that_its_budget_cut_short_does_not_make_the_computer_quicker() -> None:
    pace = Pace(None)
    pace.learn(60, 240, 60)
    assert pace.times == 1.0
    pace.learn(290, 100, 300)
    assert pace.times > 1.5


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"times_the_reference": NaN}', '{"times_the_reference": "x"}', '{"times_the_reference": 1e9}'],
)
def test_a_damaged_file_is_as_good_as_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "pace.json").write_text(content)
    assert 1.0 <= Pace(tmp_path / "pace.json").times <= 10.0


def test_where_nothing_can_be_kept_the_plan_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    pace = Pace(tmp_path / "file" / "pace.json")
    pace.learn(120, 60, 1e6)
    assert pace.times > 1
