"""What is measurable, what is the baseline, which lesions are targets."""

import pytest

from glioma_annotator.domain.patient import TreatmentPhase
from glioma_annotator.domain.rano_visit import RanoVisit, find_baseline, is_measurable, select_targets
from glioma_annotator.domain.response import LesionMeasurement

UNKNOWN, BEFORE, AFTER = TreatmentPhase.UNKNOWN, TreatmentPhase.PRE_OPERATIVE, TreatmentPhase.EARLY_POST_OPERATIVE


@pytest.mark.parametrize(
    ("longest", "perpendicular", "slices", "distance", "expected"),
    [
        (10, 10, 2, 1, True),
        (30, 9.9, 5, 1, False),
        (10, 10, 1, 1, False),
        (10, 10, 2, 5, True),
        (10, 10, 2, 5.5, False),
        (11, 11, 2, 5.5, True),
    ],
)
def test_both_diameters_and_two_slices_make_a_lesion_measurable(
    longest: float, perpendicular: float, slices: int, distance: float, expected: bool
) -> None:
    assert is_measurable(longest, perpendicular, slices, distance) is expected


@pytest.mark.parametrize(
    ("phases", "days", "expected"),
    [
        ([BEFORE, UNKNOWN, TreatmentPhase.POST_RT_BASELINE], [None, 3, 40], 2),
        ([BEFORE, AFTER, UNKNOWN], [None, None, 30], 2),
        ([BEFORE, AFTER, UNKNOWN], [3000, 3020, 30], 1),
        ([UNKNOWN, BEFORE, AFTER], [28, 300, 310], 0),
        ([BEFORE], [3000], 0),
        ([BEFORE, AFTER, UNKNOWN], [None, None, None], 1),
        ([BEFORE, UNKNOWN], [None, None], 0),
    ],
)
def test_the_scan_after_radiotherapy_is_the_baseline_else_after_surgery_else_the_first(
    phases: list[TreatmentPhase], days: list[int | None], expected: int
) -> None:
    index, why = find_baseline(phases, days)
    assert index == expected
    assert why.endswith(".")


@pytest.mark.parametrize(
    ("phases", "expected"),
    [([BEFORE, AFTER], "the first scan after surgery."), ([BEFORE, UNKNOWN], "the first scan, as no phase says more.")],
)
def test_radiotherapy_without_an_end_is_said_to_lack_it(phases: list[TreatmentPhase], expected: str) -> None:
    days: list[int | None] = [None, None]
    index, why = find_baseline(phases, days, without_end=True)
    assert index == find_baseline(phases, days)[0]
    assert (
        why == f"The end of radiotherapy is not recorded and should be entered; until then the baseline is {expected}"
    )
    assert find_baseline(phases, days)[1].startswith("No radiotherapy is recorded")
    assert find_baseline(phases, [None, 12], without_end=True) == find_baseline(phases, [None, 12])


def test_there_is_no_baseline_without_visits() -> None:
    with pytest.raises(ValueError):
        find_baseline([], [])


def test_targets_are_the_largest_measurable_lesions_parts_added_up() -> None:
    sizes = {"A": [(20, 10), (20, 10)], "B": [(30, 12)], "C": [(50, 40)], "D": [(12, 10)]}
    lesions = tuple(LesionMeasurement("P", "V", key, *map(float, s)) for key, parts in sizes.items() for s in parts)
    visit = RanoVisit("V", "V", 0, lesions, measurable=frozenset("ABD"))
    assert select_targets(visit) == ("A", "B")
    assert select_targets(visit, 3) == ("A", "B", "D")
