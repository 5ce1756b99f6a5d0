"""Colours that colour-blind readers can tell apart."""

from __future__ import annotations

import pytest

from glioma_annotator.domain.colours import OFFERED, difference, is_colour, suggested
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT

BUILT_IN = [label.colour for label in GLIOMA_POST_TREATMENT.labels]


def test_red_and_green_of_one_brightness_are_alike_to_some_readers() -> None:
    assert difference("#D04040", "#7F7F20") < difference("#000000", "#FFFFFF")
    assert difference("#123456", "#123456") == 0
    assert difference("#000000", "#FFFFFF") == pytest.approx(100, abs=0.5)  # L* from 0 to 100, to everyone


def test_the_first_suggestions_differ_from_the_built_in_labels_to_every_reader() -> None:
    taken = list(BUILT_IN)
    for _ in range(4):  # one after the other, as a reader would take them
        first = suggested(taken)[0]
        assert min(difference(first, colour) for colour in taken) > 18, first
        taken.append(first)


def test_a_taken_colour_is_not_suggested() -> None:
    assert set(suggested([])) == set(OFFERED)
    assert OFFERED[0] not in suggested([OFFERED[0].lower()])


@pytest.mark.parametrize(("text", "fits"), [("#12aBcD", True), ("12abcd", False), ("#12abc", False), ("red", False)])
def test_a_colour_is_written_in_six_digits(text: str, fits: bool) -> None:
    assert is_colour(text) is fits
