"""Histology as a reader enters it: choices, advice, points and words."""

import datetime as dt
from dataclasses import replace

import pytest

from glioma_annotator.domain.course import CourseClock
from glioma_annotator.domain.finding import Finding
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
from glioma_annotator.errors import UserError
from glioma_annotator.workflow.histology_entry import (
    SAMPLE_COLUMNS,
    advise,
    diagnosis_text,
    in_order,
    marker_choices,
    marker_title,
    result_text,
    sample_of,
    sample_rows,
    sample_title,
    with_marker,
    with_point,
    without_point,
)

RESULT, INDETERMINATE = MarkerStatus.RESULT, MarkerStatus.INDETERMINATE
EMPTY = HistologySample("P", SampleKind.BIOPSY)


def sample(**altered: bool) -> HistologySample:
    made = EMPTY
    for name, value in altered.items():
        made = with_marker(made, MarkerResult(Marker[name], RESULT, value))
    return made


#: Enough to prove a glioblastoma by its TERT promoter mutation.
GLIOBLASTOMA = {"IDH1": False, "IDH2": False, "H3_K27": False, "H3_G34": False, "CODELETION_1P19Q": False, "TERT": True}


@pytest.mark.parametrize("marker", list(Marker))
def test_every_marker_can_be_a_result_not_tested_or_indeterminate(marker: Marker) -> None:
    choices = marker_choices(marker)
    assert choices[0].status is MarkerStatus.NOT_TESTED
    assert {c.status for c in choices} == set(MarkerStatus)
    assert len({c.text for c in choices}) == len(choices)
    for choice in choices:
        percent = 20.0 if marker is Marker.KI67 and choice.status is RESULT else None
        MarkerResult(marker, choice.status, choice.altered, percent)  # raises for what cannot be recorded


def test_titles_keep_the_markers_own_spelling() -> None:
    titles = [marker_title(m) for m in (Marker.P53, Marker.NECROSIS, Marker.MICROVASCULAR_PROLIFERATION, Marker.TERT)]
    assert titles == ["p53", "Necrosis", "Microvascular proliferation", "TERT promoter"]


def test_markers_keep_their_order_and_not_tested_ones_are_left_out() -> None:
    made = sample(TERT=True, IDH1=False)
    assert [m.marker for m in made.markers] == [Marker.IDH1, Marker.TERT]
    assert with_marker(made, MarkerResult(Marker.IDH1)).markers == made.markers[1:]
    noted = MarkerResult(Marker.IDH1, detail="material used up")
    assert noted in with_marker(made, noted).markers


def test_a_decided_diagnosis_is_proposed_with_its_grade_and_changes_nothing() -> None:
    made = sample(**GLIOBLASTOMA)
    advice = advise(made)
    assert advice.proposal == IntegratedDiagnosis(TumourType.GLIOBLASTOMA, 4)
    assert "glioblastoma, IDH-wildtype, CNS WHO grade 4" in advice.headline
    assert made.diagnosis is None
    agreed = advise(replace(made, diagnosis=advice.proposal))
    assert agreed.details == ("The stated diagnosis agrees with the markers.",)
    assert agreed.contradictions == ()


def test_a_stated_diagnosis_against_the_markers_is_explained_and_left_as_it_is() -> None:
    stated = IntegratedDiagnosis(TumourType.ASTROCYTOMA, 3)
    made = replace(sample(**GLIOBLASTOMA), diagnosis=stated)
    advice = advise(made)
    assert "astrocytoma, IDH-mutant, CNS WHO grade 3" in advice.contradictions[0]
    assert advice.proposal == IntegratedDiagnosis(TumourType.GLIOBLASTOMA, 4)
    assert made.diagnosis == stated


def test_contradicting_markers_lead_to_no_diagnosis_and_are_explained() -> None:
    advice = advise(sample(CODELETION_1P19Q=True, ATRX=True))
    assert advice.proposal is None
    assert "contradict" in advice.headline
    assert any("ATRX is lost" in text for text in advice.contradictions)


def test_a_midline_alteration_outside_the_midline_is_contradicted() -> None:
    found = sample(IDH1=False, IDH2=False, H3_K27=True, H3_G34=False)
    assert advise(replace(found, site=TumourSite.MIDLINE)).contradictions == ()
    assert "hemispheric" in advise(replace(found, site=TumourSite.HEMISPHERIC)).contradictions[0]


def test_what_would_decide_is_named_once_in_one_sentence() -> None:
    made = with_marker(sample(IDH1=True, CODELETION_1P19Q=False, H3_K27=False, H3_G34=False),
                       MarkerResult(Marker.CDKN2A, INDETERMINATE))  # fmt: skip
    advice = advise(made)
    assert advice.proposal == IntegratedDiagnosis(TumourType.ASTROCYTOMA)
    assert advice.headline == "Markers lead to: astrocytoma, IDH-mutant, CNS WHO grade 2, 3 or 4."
    assert advice.details == (
        "Not tested, and would decide: microvascular proliferation, necrosis.",
        "Indeterminate, and would decide: CDKN2A/B.",
    )


def test_the_histological_grade_decides_between_the_grades_that_are_left() -> None:
    oligodendroglioma = sample(IDH1=True, CODELETION_1P19Q=True, ATRX=False, H3_K27=False, H3_G34=False)
    assert advise(oligodendroglioma).proposal == IntegratedDiagnosis(TumourType.OLIGODENDROGLIOMA)
    graded = replace(oligodendroglioma, grade=3)
    assert advise(graded).proposal == IntegratedDiagnosis(TumourType.OLIGODENDROGLIOMA, 3)
    impossible = advise(replace(oligodendroglioma, grade=4)).proposal
    assert impossible == IntegratedDiagnosis(TumourType.OLIGODENDROGLIOMA)


def test_markers_that_fit_no_type_are_proposed_as_not_elsewhere_classified() -> None:
    names = "IDH1 IDH2 H3_K27 H3_G34 CODELETION_1P19Q TERT EGFR GAIN7_LOSS10 MICROVASCULAR_PROLIFERATION NECROSIS"
    none = dict.fromkeys(names.split(), False)
    proposal = advise(sample(**none)).proposal
    assert proposal is not None
    assert (proposal.type, proposal.suffix) == (TumourType.OTHER, "NEC")


def test_a_sample_without_results_is_asked_for_them() -> None:
    advice = advise(EMPTY)
    assert (advice.headline, advice.proposal, advice.contradictions) == ("No marker has a result yet.", None, ())
    only_open = advise(with_marker(EMPTY, MarkerResult(Marker.IDH1, INDETERMINATE)))
    assert only_open.proposal is None


def test_points_belong_to_one_visit() -> None:
    made = with_point(EMPTY, "V0", "Visit 0", (1.0, 2.0, 3.0))
    made = with_point(made, "V0", "Visit 0", (4.0, 5.0, 6.0))
    assert (made.timepoint, made.sites_mm) == ("V0", ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)))
    with pytest.raises(UserError, match="another visit"):
        with_point(made, "V1", "Visit 1", (0.0, 0.0, 0.0))
    assert without_point(made, 0).sites_mm == ((4.0, 5.0, 6.0),)
    bare = without_point(without_point(made, 0), 0)
    assert with_point(bare, "V1", "Visit 1", (0.0, 0.0, 0.0)).timepoint == "V1"


def test_a_sample_taken_from_a_finding_has_its_place() -> None:
    finding = Finding("P", "V1", "satellite", (1.0, 2.0, 3.0), location="insula")
    made = sample_of(finding, "Dr A")
    assert (made.timepoint, made.sites_mm, made.location, made.author) == ("V1", ((1, 2, 3),), "insula", "Dr A")


def test_samples_are_listed_by_time_and_undated_ones_last() -> None:
    early = replace(EMPTY, id="a", date=dt.date(2020, 1, 5))
    late = replace(EMPTY, id="b", day=30)
    clock = CourseClock(dt.date(2020, 1, 1))
    assert [s.id for s in in_order((replace(EMPTY, id="c"), late, early), clock)] == ["a", "b", "c"]
    assert (sample_title(early), sample_title(late), sample_title(EMPTY)) == (
        "biopsy 2020-01-05", "biopsy day 30", "biopsy no date",
    )  # fmt: skip
    assert diagnosis_text(replace(EMPTY, grade=3)) == "histological grade 3"


def test_the_table_names_every_marker_and_every_contradiction() -> None:
    made = with_marker(sample(IDH1=False), MarkerResult(Marker.KI67, RESULT, None, 25.0, "MIB-1"))
    made = replace(
        made, date=dt.date(2020, 1, 5), sites_mm=((1.0, 2.0, 3.25),),
        diagnosis=IntegratedDiagnosis(TumourType.GLIOBLASTOMA, 3),
    )  # fmt: skip
    (row,) = sample_rows([made])
    cells = dict(zip(SAMPLE_COLUMNS, row, strict=True))
    assert set(SAMPLE_COLUMNS) >= {m.value for m in Marker}
    assert (cells["ki67"], cells["idh1"], cells["idh2"]) == ("25 % (MIB-1)", "wildtype", "")
    assert (cells["sites_mm"], cells["date"], cells["diagnosis_grade"]) == ("1.0 2.0 3.2", "2020-01-05", 3)
    assert "grade 4 only" in str(cells["contradictions"])
    assert result_text(MarkerResult(Marker.ATRX, INDETERMINATE)) == "indeterminate"


def test_a_percentage_alone_is_a_result_that_decides_nothing() -> None:
    advice = advise(with_marker(EMPTY, MarkerResult(Marker.KI67, MarkerStatus.RESULT, percent=12.5)))
    assert advice.headline == "No marker that the rules ask for has a result yet."
