"""Clinical records refuse what cannot be."""

import datetime as dt
from typing import Any

import pytest

from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind
from glioma_annotator.domain.finding import Finding
from glioma_annotator.domain.histology import (
    HistologySample,
    IntegratedDiagnosis,
    Marker,
    MarkerResult,
    MarkerStatus,
    SampleKind,
    TumourType,
)
from glioma_annotator.domain.identity import new_id, utc_now
from glioma_annotator.domain.response import LesionMeasurement, ResponseAssessment, ResponseCategory, ResponseMethod

RESULT, INDETERMINATE = MarkerStatus.RESULT, MarkerStatus.INDETERMINATE


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": EventKind.SURGERY},
        {"kind": EventKind.RADIOTHERAPY, "day": 10, "end_day": 9},
        {"kind": EventKind.RADIOTHERAPY, "date": dt.date(2024, 2, 1), "end_date": dt.date(2024, 1, 31)},
        {"kind": EventKind.RADIOTHERAPY, "day": 1, "dose_gy": -1.0},
        {"kind": EventKind.RADIOTHERAPY, "day": 1, "dose_gy": float("nan")},
        {"kind": EventKind.RADIOTHERAPY, "day": 1, "fractions": 0},
        {"kind": EventKind.TEMOZOLOMIDE, "day": 1, "cycle": -1},
        {"kind": EventKind.STEROIDS, "day": 1},
        {"kind": EventKind.KPS, "day": 1},
        {"kind": EventKind.KPS, "day": 1, "score": 101},
        {"kind": EventKind.ECOG, "day": 1, "score": 6},
        {"kind": EventKind.NANO, "day": 1, "score": 24},
        {"kind": EventKind.SEIZURE, "day": 1, "score": 1},
        {"kind": EventKind.CLINICAL_STATE, "day": 1},
    ],
)
def test_an_impossible_event_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        ClinicalEvent("P", **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": EventKind.RADIOTHERAPY, "day": 5, "end_day": 5, "dose_gy": 2.0, "fractions": 1},
        {"kind": EventKind.STEROIDS, "day": 1, "dose_mg": 0.0},
        {"kind": EventKind.TEMOZOLOMIDE, "day": 1, "cycle": 0},
        {"kind": EventKind.KPS, "day": -30, "score": 0},
    ],
)
def test_what_happens_is_accepted(fields: dict[str, Any]) -> None:
    assert ClinicalEvent("P", **fields).kind is fields["kind"]


@pytest.mark.parametrize(
    ("marker", "status", "altered", "percent"),
    [
        (Marker.IDH1, RESULT, None, None),
        (Marker.IDH1, RESULT, None, 5.0),
        (Marker.IDH1, INDETERMINATE, True, None),
        (Marker.IDH1, MarkerStatus.NOT_TESTED, False, None),
        (Marker.KI67, RESULT, True, None),
        (Marker.KI67, RESULT, None, 101.0),
        (Marker.KI67, RESULT, None, -1.0),
        (Marker.KI67, INDETERMINATE, None, 5.0),
    ],
)
def test_a_marker_s_status_and_value_go_together(
    marker: Marker, status: MarkerStatus, altered: bool | None, percent: float | None
) -> None:
    with pytest.raises(ValueError):
        MarkerResult(marker, status, altered, percent)


def test_a_sample_has_one_result_per_marker_and_the_rest_is_not_tested() -> None:
    mutated = MarkerResult(Marker.IDH1, RESULT, altered=True)
    sample = HistologySample("P", SampleKind.BIOPSY, markers=(mutated,))
    assert sample.marker(Marker.IDH1) is mutated
    assert sample.marker(Marker.KI67).status is MarkerStatus.NOT_TESTED
    with pytest.raises(ValueError):
        HistologySample("P", SampleKind.BIOPSY, markers=(mutated, MarkerResult(Marker.IDH1, INDETERMINATE)))


@pytest.mark.parametrize(("grade", "suffix"), [(0, ""), (5, ""), (2, "nos")])
def test_a_diagnosis_has_a_who_grade_and_a_known_suffix(grade: int, suffix: str) -> None:
    with pytest.raises(ValueError):
        IntegratedDiagnosis(TumourType.ASTROCYTOMA, grade, suffix)


def test_a_diagnosis_reads_as_one_says_it() -> None:
    assert IntegratedDiagnosis(TumourType.GLIOBLASTOMA, 4).title == "glioblastoma, IDH-wildtype, CNS WHO grade 4"
    assert IntegratedDiagnosis(TumourType.OTHER, None, "NEC", "diffuse glioma").title == "diffuse glioma, NEC"


def test_a_first_sighting_is_its_own_lesion() -> None:
    first = Finding("P", "V0", "satellite", (0, 0, 0))
    assert first.lesion == first.id
    assert Finding("P", "V1", "satellite", (0, 0, 0), lesion=first.lesion).lesion == first.id


def test_ids_are_version_4_uuids_in_hexadecimal() -> None:
    ids = {new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(i) == 32 and i[12] == "4" and int(i, 16) for i in ids)


def test_a_decision_has_a_category_a_reader_and_a_time() -> None:
    fields: dict[str, Any] = {"method": ResponseMethod.VOLUMETRIC, "proposed": ResponseCategory.SD}
    for incomplete in (
        {"decided": ResponseCategory.SD},
        {"decided": ResponseCategory.SD, "decided_utc": utc_now()},
        {"decided_utc": utc_now()},
    ):
        with pytest.raises(ValueError):
            ResponseAssessment("P", "V0", **fields, **incomplete)
    assert LesionMeasurement("P", "V0", "L1", 30.0, 20.0).product_mm2 == 600
