"""WHO CNS5: every worked case of the table, with its source."""

import csv
import re
from pathlib import Path

import pytest

from glioma_annotator.domain.cns5 import WORDS, Candidate, check_sample
from glioma_annotator.domain.histology import (
    HistologySample,
    IntegratedDiagnosis,
    Marker,
    MarkerResult,
    MarkerStatus,
    SampleKind,
    TumourSite,
    TumourType,
)

TABLE = Path(__file__).parent / "worked_cases" / "cns5.csv"
CASES = list(csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines()))
SHORT = {
    "1P19Q": Marker.CODELETION_1P19Q,
    "7/10": Marker.GAIN7_LOSS10,
    "K27": Marker.H3_K27,
    "G34": Marker.H3_G34,
    "MVP": Marker.MICROVASCULAR_PROLIFERATION,
    "NEC": Marker.NECROSIS,
}


def marker(name: str) -> Marker:
    return SHORT.get(name) or Marker[name]


def result(token: str) -> MarkerResult:
    name, sign = marker(token[:-1]), token[-1]
    if sign == "?":
        return MarkerResult(name, MarkerStatus.INDETERMINATE)
    return MarkerResult(name, MarkerStatus.RESULT, altered=sign == "+")


def stated(text: str) -> IntegratedDiagnosis | None:
    if not text:
        return None
    kind, grade, *suffix = text.split()
    return IntegratedDiagnosis(TumourType[kind], int(grade), "".join(suffix))


def candidate(text: str) -> Candidate:
    kind, *grades = text.split()
    return Candidate(TumourType[kind], tuple(int(g) for g in "".join(grades).split("/") if g))


def test_the_table_has_thirty_cases_and_every_case_a_source() -> None:
    assert len(CASES) >= 30
    assert len({case["case"] for case in CASES}) == len(CASES)
    assert all(case["source"].startswith("Louis 2021") for case in CASES)


def test_what_was_read_for_a_case_is_listed_and_covers_most_of_them() -> None:
    listed = set(re.findall(r"`(\w+)` \|", (TABLE.parent / "SOURCES.md").read_text(encoding="utf-8"))) | {"ours"}
    assert all(set(case["read"].split()) <= listed for case in CASES)
    assert sum(bool(set(case["read"].split()) - {"ours"}) for case in CASES) >= 0.7 * len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[c["case"] for c in CASES])
def test_rules_agree_with_the_worked_case(case: dict[str, str]) -> None:
    sample = HistologySample(
        patient="P",
        kind=SampleKind.RESECTION,
        site=TumourSite(case["site"]),
        markers=tuple(result(token) for token in case["markers"].split()),
        diagnosis=stated(case["stated"]),
    )
    opinion = check_sample(sample)
    allowed = {candidate(text.strip()) for text in case["allowed"].split(";") if text.strip()}
    assert set(opinion.candidates) == allowed
    assert (opinion.decided is not None) == (case["decided"] == "yes")
    said = " ".join(c.what for c in opinion.contradictions)
    assert (case["contradiction"] in said) if case["contradiction"] else not said
    missing = {WORDS[marker(name)][0] for name in case["missing"].split()}
    assert {
        name for name in (w[0] for w in WORDS.values()) if any(m.startswith(name) for m in opinion.missing)
    } == missing


@pytest.mark.parametrize("h3", [Marker.H3_K27, Marker.H3_G34])
@pytest.mark.parametrize("known", [(), (Marker.IDH1,)])
def test_a_codeletion_beside_an_h3_alteration_is_told_while_idh_is_open(h3: Marker, known: tuple[Marker, ...]) -> None:
    results = {Marker.CODELETION_1P19Q: True, h3: True} | dict.fromkeys(known, False)
    markers = tuple(MarkerResult(m, MarkerStatus.RESULT, altered) for m, altered in results.items())
    opinion = check_sample(HistologySample("P", SampleKind.BIOPSY, markers=markers))
    assert opinion.candidates == ()
    (told,) = opinion.contradictions
    assert told.markers == (Marker.CODELETION_1P19Q, h3)
