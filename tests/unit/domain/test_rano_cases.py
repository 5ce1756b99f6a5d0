"""RANO 2.0: every worked case of the table, with its source."""

import csv
import re
from pathlib import Path

import pytest

from glioma_annotator.domain.clinical_event import ClinicalState
from glioma_annotator.domain.rano import assess_course
from glioma_annotator.domain.rano_visit import RanoVisit, is_measurable
from glioma_annotator.domain.response import LesionMeasurement, ResponseCategory, ResponseMethod

TABLE = Path(__file__).parent / "worked_cases" / "rano.csv"
CASES = list(csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines()))
LESION = re.compile(r"([A-Z])(!?)([\d.]+)x([\d.]+)(?:/(\d+))?$")
NUMBER = re.compile(r"(d|ml|s|kps|ecog|rt)([\d.]+)$")


def read_visit(text: str, index: int) -> tuple[RanoVisit, ResponseCategory | None]:
    """A visit and the reader's decision on it, from tokens such as `d60 A30x20 B!12x10/1 ml4 s2 kps80 worse =SD`."""
    lesions, measurable, new = [], set(), set()
    numbers: dict[str, float] = {}
    words = set()
    decided = None
    for token in text.split():
        if found := LESION.match(token):
            name, fresh, long, short, slices = found.groups()
            lesions.append(LesionMeasurement("P", f"V{index}", name, float(long), float(short)))
            if is_measurable(float(long), float(short), int(slices or 5), 1.0):
                measurable.add(name)
            if fresh:
                new.add(name)
        elif found := NUMBER.match(token):
            numbers[found[1]] = float(found[2])
        elif token.startswith("="):
            decided = ResponseCategory(token[1:])
        else:
            words.add(token)
    state = next((s for s in ClinicalState if s.value in words), None)
    assert words <= {"worse", "stable", "improved", "nontarget", "nomask"}

    def whole(key: str) -> int | None:
        return int(numbers[key]) if key in numbers else None

    visit = RanoVisit(
        timepoint=f"V{index}",
        title=f"visit {index}",
        day=whole("d"),
        lesions=tuple(lesions),
        measurable=frozenset(measurable),
        new=frozenset(new),
        total_ml=None if "nomask" in words else numbers.get("ml", float(bool(lesions))),
        steroid_mg=numbers.get("s"),
        state=state,
        kps=whole("kps"),
        ecog=whole("ecog"),
        days_since_rt=whole("rt"),
        non_target_worse="nontarget" in words,
    )
    return visit, decided


def test_the_table_has_thirty_cases_and_every_case_a_source() -> None:
    assert len(CASES) >= 30
    assert len({case["case"] for case in CASES}) == len(CASES)
    assert all(re.match(r"RANO( 2\.0)? \(Wen 20(10|23)\)", case["source"]) for case in CASES)


def test_what_was_read_for_a_case_is_listed_and_covers_most_of_them() -> None:
    listed = set(re.findall(r"`(\w+)` \|", (TABLE.parent / "SOURCES.md").read_text(encoding="utf-8"))) | {"ours"}
    assert all(set(case["read"].split()) <= listed for case in CASES)
    assert sum(bool(set(case["read"].split()) - {"ours"}) for case in CASES) >= 0.7 * len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[c["case"] for c in CASES])
def test_rules_agree_with_the_worked_case(case: dict[str, str]) -> None:
    read = [read_visit(text, index) for index, text in enumerate(case["visits"].split("|"))]
    decided = {visit.timepoint: category for visit, category in read if category is not None}
    proposals = assess_course([v for v, _ in read], 0, ResponseMethod(case["method"]), decided=decided)
    last = proposals[-1]
    assert last.category.value == case["expected"], last.reasons
    assert case["because"] in " ".join(last.reasons)
    assert proposals[0].category is ResponseCategory.BASELINE


@pytest.mark.parametrize("method", list(ResponseMethod))
def test_a_new_lesion_is_not_said_to_be_back(method: ResponseMethod) -> None:
    visits = [read_visit(text, n)[0] for n, text in enumerate(("d0", "d60 A!15x12 ml2", "d120 A15x12 ml2"))]
    for proposal in assess_course(visits, 0, method)[1:]:
        assert proposal.category is ResponseCategory.PD
        assert "is back" not in " ".join(proposal.reasons)


@pytest.mark.parametrize(
    ("visits", "expected", "because"),
    [
        ("d0 A30x20 s0 | d30 s0 | d60 nomask | d90 s0", "CR", "Confirmed: visit 1 showed it 60 days before."),
        ("d0 A40x30 | d30 A20x20 | d40 nomask | d50 nomask | d90 A20x20", "PR", "Confirmed: visit 1"),
        ("d0 A40x30 | d30 A20x20 | d60 nomask | d90 A20x20", "PR", "Confirmed: visit 1"),
        ("d0 A40x30 | d30 A20x20 | d60 nomask =PD | d90 A20x20", "PR", "To be confirmed"),
        ("d0 A40x30 s2 | d30 A20x20 s2 | d60 A20x20 s8 | d90 A20x20 s2", "PR", "To be confirmed"),
        ("d0 A20x20 rt5 | d10 A30x30 rt15 | d25 nomask | d60 A31x30 rt65", "PD", "seen at visit 1, 50 days before"),
        ("d0 A20x20 rt5 | d10 A30x30 rt15 | d25 nomask =SD | d60 A31x30 rt65", "PD to be confirmed", "Only 65 days"),
        ("d30 A30x20 rt28 | d50 A40x20 rt48 | d70 nomask | d100 A31x20 rt98", "SD", "is not confirmed"),
    ],
)
def test_a_visit_without_a_mask_is_passed_over_unless_the_reader_decided_on_it(
    visits: str, expected: str, because: str
) -> None:
    read = [read_visit(text, index) for index, text in enumerate(visits.split("|"))]
    decided = {visit.timepoint: category for visit, category in read if category is not None}
    last = assess_course([v for v, _ in read], decided=decided)[-1]
    assert last.category.value == expected, last.reasons
    assert because in " ".join(last.reasons)
