"""The language of questions across patients, and what is said of what cannot be read."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glioma_annotator.domain.clinical_event import EventKind
from glioma_annotator.domain.cohort import (
    All,
    AnyOf,
    Compare,
    Direction,
    Having,
    MarkerIs,
    MarkerPercent,
    MarkerState,
    Not,
    Operator,
    Reference,
    Scope,
    TextFound,
    VasariIs,
    VolumeChange,
    VolumeIs,
    asks_about_visits,
)
from glioma_annotator.domain.cohort_question import parse_question
from glioma_annotator.domain.cohort_vocabulary import QuestionError
from glioma_annotator.domain.histology import Marker

IDH_WILDTYPE = MarkerIs((Marker.IDH1, Marker.IDH2), MarkerState.UNALTERED)
MGMT = MarkerIs((Marker.MGMT,), MarkerState.ALTERED)
GROWN = VolumeChange("ET", Direction.UP, 40.0, True, Reference.NADIR)


def one(field: str, value: object, operator: Operator = Operator.IS) -> Compare:
    return Compare(field, operator, (value,))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "question",
    [
        "idh = wildtype and mgmt = methylated and ET volume up 40 % from nadir",
        "IDH-wildtype, MGMT methylated, ET volume up 40 % from nadir",
        "idh is unaltered AND mgmt promoter: methylated and et up 40% ",
    ],
)
def test_the_same_question_can_be_asked_in_several_ways(question: str) -> None:
    assert parse_question(question) == All((IDH_WILDTYPE, MGMT, GROWN))


@pytest.mark.parametrize(
    ("question", "condition"),
    [
        ("1p/19q codeleted", MarkerIs((Marker.CODELETION_1P19Q,), MarkerState.ALTERED)),
        ("+7/-10 = present", MarkerIs((Marker.GAIN7_LOSS10,), MarkerState.ALTERED)),
        ("atrx not tested", MarkerIs((Marker.ATRX,), MarkerState.NOT_TESTED)),
        ("H3 K27-altered", MarkerIs((Marker.H3_K27,), MarkerState.ALTERED)),
        ("cdkn2a/b != deleted", Not(MarkerIs((Marker.CDKN2A,), MarkerState.ALTERED))),
        ("ki-67 > 20 %", MarkerPercent(Marker.KI67, Operator.MORE, 20.0)),
        ("wt volume down 65 %", VolumeChange("WT", Direction.DOWN, 65.0, True, Reference.BASELINE)),
        ("RC volume up by 2.5 ml from previous", VolumeChange("RC", Direction.UP, 2.5, False, Reference.PREVIOUS)),
        ("ET > 5ml", VolumeIs("ET", Operator.MORE, 5.0)),
        ("snfh volume at least 3", VolumeIs("SNFH", Operator.AT_LEAST, 3.0)),
        ("phase = post-radiotherapy baseline", one("phase", "post-radiotherapy baseline")),
        ("date >= 2020-01-31", one("date", dt.date(2020, 1, 31), Operator.AT_LEAST)),
        ("day < -3", one("day", -3.0, Operator.LESS)),
        ("patient = PAT-004*", one("patient", "PAT-004*")),
        ("finding", Having(Scope.FINDING)),
        ("finding kind = new enhancement", Having(Scope.FINDING, one("kind", "new-enhancement"))),
        ("finding = new-enhancement", Having(Scope.FINDING, one("kind", "new-enhancement"))),
        ("finding location = left temporal", Having(Scope.FINDING, one("location", "left temporal"))),
        (
            "finding status in (open, confirmed)",
            Having(Scope.FINDING, Compare("status", Operator.IS, ("open", "confirmed"))),
        ),
        (
            "finding where (side = left and not volume > 2 ml)",
            Having(Scope.FINDING, All((one("side", "left"), Not(one("volume", 2.0, Operator.MORE))))),
        ),
        ("had tumour-treating fields", Having(Scope.EVENT, one("kind", EventKind.TTFIELDS))),
        (
            "steroids over 4 mg",
            Having(Scope.EVENT, All((one("kind", "steroids"), one("daily dose", 4.0, Operator.MORE)))),
        ),
        ("extent = gross total", Having(Scope.EVENT, one("extent", "gross total"))),
        ("diagnosis = glioblastoma", Having(Scope.SAMPLE, one("diagnosis", "glioblastoma"))),
        ("grade = 4", Having(Scope.SAMPLE, one("grade", 4.0))),
        ("response = PD to be confirmed", Having(Scope.RESPONSE, one("category", "PD to be confirmed"))),
        ("vasari F5 >= 3", VasariIs("F5", Operator.AT_LEAST, 3.0)),
        ('"ring lesion" or mgmt methylated', AnyOf((TextFound("ring lesion"), MGMT))),
        ("not (idh wildtype or mgmt methylated)", Not(AnyOf((IDH_WILDTYPE, MGMT)))),
        ("idh wildtype or mgmt methylated and ET up 40 %", AnyOf((IDH_WILDTYPE, All((MGMT, GROWN))))),
    ],
)
def test_conditions_are_read(question: str, condition: object) -> None:
    assert parse_question(question) == condition


@pytest.mark.parametrize(
    ("question", "place", "reason"),
    [
        ("", "", "nothing is asked"),
        ("idh", "", "a result was expected"),
        ("idh = blue", "blue", "a result was expected"),
        ("idh > 3", ">", "can only be = or !="),
        ("ki-67 = methylated", "methylated", "a number was expected"),
        ("ET volume up 40 parsecs", "parsecs", "% or mL"),
        ("ET volume up 40 % from Monday", "Monday", "nadir, baseline or previous"),
        ("ET > 5 mg", "mg", "the unit is ml"),
        ("XY volume > 5", "XY", "masks have ET, TC, WT"),
        ("ET volume ~ 3", "~", "a number contains nothing"),
        ("ki-67 ~ 3", "~", "a number contains nothing"),
        ("foo = 3", "foo", "a condition was expected"),
        ("kps <= high", "high", "a number was expected"),
        ("(idh mutant", "", "“)” was expected"),
        ("idh mutant)", ")", "“and”, “or” or the end"),
        ("idh mutant mgmt methylated", "mgmt", "“and”, “or” or the end"),
        ('text "abc', '"', "quotation mark is not closed"),
        ("date > 2020-13-45", "2020-13-45", "no such date"),
        ("phase = lunch", "lunch", "phase is one of pre-operative"),
        ("had lunch", "lunch", "an event was expected: surgery"),
        ("finding where kind = x", "kind", "“(” was expected"),
        ("finding where (colour = red)", "colour", "a finding has kind"),
        ("finding status > open", ">", "status has no order"),
        ("vasari X = 2", "X", "F1 to F30"),
        ("patient = ", "", "a word"),
        ("idh mutant; drop table patients", ";", "no meaning"),
        ("(" * 60 + "idh mutant" + ")" * 60, "(", "too many brackets"),
        ("patient = 'P\udcff'", "\udcff", "no letter of UTF-8"),
    ],
)
def test_what_cannot_be_read_is_pointed_at(question: str, place: str, reason: str) -> None:
    with pytest.raises(QuestionError) as caught:
        parse_question(question)
    error = caught.value
    assert question[error.position : error.position + error.length] == place
    assert reason in error.reason
    assert error.todo.endswith(" " * error.position + "^")


def test_of_a_long_question_the_place_is_shown_with_what_lies_around() -> None:
    question = "idh = wildtype and " * 2000 + "colour\n= red, " + "a" * 30000
    with pytest.raises(QuestionError) as caught:
        parse_question(question)
    text, mark = caught.value.todo.splitlines()
    assert text[mark.index("^") - 2 :].startswith("colour = red")
    assert text.startswith("…") and text.endswith("aaa…")
    with pytest.raises(QuestionError, match=r"at “a{40}…” \(character 1\)"):
        parse_question("a" * 60000)


def test_labels_of_the_workspace_can_be_asked_about() -> None:
    labels = ("ET", "Cyst", "Cyst wall", "ET+")
    assert parse_question("cyst > 1", labels) == VolumeIs("Cyst", Operator.MORE, 1.0)
    for question in ("cyst wall > 1", "Cyst Wall volume > 1 ml", '"cyst wall" volume > 1 ml'):
        assert parse_question(question, labels) == VolumeIs("Cyst wall", Operator.MORE, 1.0)
    assert parse_question('"ET+" volume > 1', labels) == VolumeIs("ET+", Operator.MORE, 1.0)
    assert parse_question('"cyst wall"', labels) == TextFound("cyst wall")


@pytest.mark.parametrize(
    ("question", "of_visits"),
    [("idh mutant and had surgery", False), ("patient = P1", False), ("ET > 1", True), ("phase = follow-up", True)],
)
def test_questions_about_patients_are_told_from_those_about_visits(question: str, of_visits: bool) -> None:
    assert asks_about_visits(parse_question(question)) is of_visits


def test_a_comma_for_a_point_is_pointed_out() -> None:
    for question in ("ET volume > 2,5 ml", "ET up 12,5 %", "finding where (volume > 0,5 ml)", "vasari F29 > 2,5"):
        with pytest.raises(QuestionError, match="decimals have a point") as caught:
            parse_question(question)
        assert question[caught.value.position] == ","
    assert parse_question("grade = 4,1p/19q codeleted") == parse_question("grade = 4 and 1p/19q codeleted")
    assert parse_question("grade in (2,3)") == Having(Scope.SAMPLE, Compare("grade", Operator.IS, (2.0, 3.0)))


def test_any_of_several_values_is_asked_for_wherever_one_is() -> None:
    scores = All((one("kind", "KPS"), Compare("score", Operator.IS, (60.0, 70.0))))
    assert parse_question("kps in (60, 70)") == Having(Scope.EVENT, scores)
    assert parse_question("response in (PD, SD)") == Having(
        Scope.RESPONSE, Compare("category", Operator.IS, ("PD", "SD"))
    )


@pytest.mark.parametrize("feature", ["F0", "F05", "F31", "F99"])
def test_a_feature_that_the_lexicon_lacks_is_refused(feature: str) -> None:
    with pytest.raises(QuestionError, match="F1 to F30"):
        parse_question(f"vasari {feature} = 1")


PIECES = ["idh", "wildtype", "=", "and", "or", "not", "(", ")", "ET", "volume", "up", "40", "%", "from", "finding", "x"]


@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join)))
def test_any_text_is_read_or_refused_in_words(question: str) -> None:
    try:
        parse_question(question)
    except QuestionError as error:
        assert 0 <= error.position <= len(question)
