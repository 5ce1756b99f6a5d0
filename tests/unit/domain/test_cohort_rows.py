"""Questions as text and as rows of the builder, and back."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glioma_annotator.domain.cohort import FieldType, Operator, Reference
from glioma_annotator.domain.cohort_question import parse_question
from glioma_annotator.domain.cohort_rows import CohortSubjects, FilterRow, RowValue
from glioma_annotator.domain.cohort_subjects import Subject, SubjectKind
from glioma_annotator.domain.cohort_text import question_text
from glioma_annotator.workflow.profiles import load_profile

SUBJECTS = CohortSubjects(("ET", "TC", "WT", "RC"), load_profile())
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\"“”'", exclude_categories=["C", "Z"]), min_size=1)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (
            "IDH-wildtype, MGMT methylated, ET volume up 40 % from nadir",
            "IDH = wildtype and MGMT = methylated and ET volume up 40 % from nadir",
        ),
        ("cdkn2a/b != deleted", "CDKN2A/B != deleted"),
        ("not (idh mutant or necrosis present)", "not (IDH = mutant or necrosis = present)"),
        ("(idh mutant or mgmt methylated) and rc < 2", "(IDH = mutant or MGMT = methylated) and RC volume < 2 ml"),
        ("idh mutant and mgmt methylated or rc < 2", "(IDH = mutant and MGMT = methylated) or RC volume < 2 ml"),
        (
            "finding where (kind = satellite and volume > 0.5 ml)",
            "finding where (kind = satellite and volume > 0.5 ml)",
        ),
        ("steroids over 4 mg", "steroids > 4 mg"),
        ("not had bevacizumab", "not had bevacizumab"),
        ("finding status in (open, confirmed)", "finding status in (open, confirmed)"),
        ("grade = 4 and diagnosis = glioblastoma", "grade = 4 and diagnosis = glioblastoma"),
        ("text ~ 'say \"no\"'", '“say "no"”'),
        ("ki-67 >= 20 %", "Ki-67 >= 20 %"),
        ("phase = follow-up and date >= 2020-01-31", "phase = follow-up and date >= 2020-01-31"),
    ],
)
def test_a_question_has_one_spelling_that_asks_the_same(question: str, text: str) -> None:
    condition = parse_question(question)
    assert parse_question(question_text(condition)) == condition
    if "(IDH = mutant and" not in text:  # brackets that the language does not need may stay away
        assert question_text(condition) == text


@pytest.mark.parametrize("value", [0.1 + 0.2, 1e-7, 1234567.0, 40.0])
def test_numbers_are_written_as_they_are_read(value: float) -> None:
    rows = (FilterRow("volume ET", Operator.MORE, value),)
    condition = SUBJECTS.condition_of(rows)
    assert condition is not None
    assert parse_question(question_text(condition)) == condition


@st.composite
def filter_rows(draw: st.DrawFn, subjects: tuple[Subject, ...] = tuple(SUBJECTS)) -> FilterRow:
    """A row as the builder could hold it."""
    subject = draw(st.sampled_from(subjects))
    operator = draw(st.sampled_from(tuple(subject.operators)))
    value: RowValue = ""
    if subject.type is FieldType.NUMBER:
        value = draw(st.floats(0, 1000, allow_subnormal=False).map(lambda v: round(v, 3)))
    elif subject.type is FieldType.DATE:
        value = draw(st.dates(dt.date(1990, 1, 1), dt.date(2030, 1, 1)))
    elif subject.choices:
        value = draw(st.sampled_from(tuple(subject.choices)))
    elif subject.type is not None:
        value = draw(WORDS)
    if subject.kind is SubjectKind.CHANGE:
        return FilterRow(subject.key, operator, value, draw(st.booleans()), draw(st.sampled_from(Reference)))
    return FilterRow(subject.key, operator, value)


@given(st.lists(filter_rows(), min_size=1, max_size=5), st.booleans())
def test_rows_become_a_question_that_becomes_the_same_rows(rows: list[FilterRow], any_of: bool) -> None:
    condition = SUBJECTS.condition_of(rows, any_of)
    assert condition is not None
    read = parse_question(question_text(condition), ("ET", "TC", "WT", "RC"))
    assert read == condition
    assert SUBJECTS.rows_of(read) == (tuple(rows), any_of and len(rows) > 1)


def test_rows_of_one_finding_stay_together() -> None:
    rows = (
        FilterRow("marker IDH", Operator.IS, "altered"),
        FilterRow("finding.kind", Operator.IS, "satellite"),
        FilterRow("finding.volume", Operator.MORE, 0.5, same=True),
        FilterRow("finding.side", Operator.IS, "left"),
    )
    condition = SUBJECTS.condition_of(rows)
    assert condition is not None
    assert question_text(condition) == (
        "IDH = mutant and finding where (kind = satellite and volume > 0.5 ml) and finding side = left"
    )
    assert SUBJECTS.rows_of(condition) == (rows, False)


@pytest.mark.parametrize(
    "question",
    [
        "event where (kind = bevacizumab and date >= 2021-03-01)",
        "ET volume > 1 ml or event where (date >= 2021-03-01 and kind = surgery and extent = biopsy only)",
    ],
)
def test_rows_of_one_event_stay_together(question: str) -> None:
    condition = parse_question(question)
    found = SUBJECTS.rows_of(condition)
    assert found is not None
    assert SUBJECTS.condition_of(*found) == condition
    assert SUBJECTS.scope_of(FilterRow("had", Operator.IS_NOT, "surgery")) is None  # of what never was there is no more


@pytest.mark.parametrize(
    "question",
    [
        "idh mutant and (mgmt methylated or rc < 2)",
        "not (idh mutant and mgmt methylated)",
        "finding where (kind = satellite or side = left)",
        "finding status in (open, confirmed)",
        "not finding kind = satellite",
        "SNFH > 2",  # not among the labels
    ],
)
def test_what_rows_cannot_say_has_none(question: str) -> None:
    assert SUBJECTS.rows_of(parse_question(question)) is None


def test_rows_without_a_value_do_not_count() -> None:
    assert SUBJECTS.condition_of([FilterRow("words", Operator.CONTAINS, "  ")]) is None
    assert SUBJECTS.condition_of([]) is None


def test_a_new_row_of_every_subject_that_needs_no_words_can_be_asked() -> None:
    for subject in SUBJECTS:
        condition = SUBJECTS.condition_of([SUBJECTS.new_row(subject.key)])
        if subject.choices or subject.type in (None, FieldType.NUMBER, FieldType.DATE):
            assert condition is not None, subject.key
            assert parse_question(question_text(condition)) == condition


@pytest.mark.parametrize(
    "label", ["not one word", "ET-core", "T2_lesion", "5", "ET+", 'the "rim"', "mgmt", "finding", "day", "grade", "and"]
)
def test_a_label_of_any_name_can_be_asked_about_beside_what_the_language_calls_so(label: str) -> None:
    labels = ("ET", label)
    every = CohortSubjects(labels)
    for key in (f"volume {label}", f"change {label}"):
        row = every.new_row(key)
        condition = every.condition_of([row, every.new_row("volume ET")])
        assert condition is not None
        assert parse_question(question_text(condition), labels) == condition
        assert every.rows_of(condition) == ((row, every.new_row("volume ET")), False)
    for question in ("day > 2", "grade = 4", "finding volume > 1 ml", "mgmt = methylated", "had surgery", '"rim"'):
        assert parse_question(question, labels) == parse_question(question)


def test_labels_that_the_language_cannot_name_are_left_out() -> None:
    every = CohortSubjects(("ET", "a \" ” ' b"))
    assert [s.key for s in every if s.kind is SubjectKind.VOLUME] == ["volume ET"]
