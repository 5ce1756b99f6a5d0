"""What is unknown fulfils neither a condition of a question nor its opposite."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import numpy as np
import pytest

from glioma_annotator.db.workspace import Workspace, open_workspace
from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind, ExtentOfResection
from glioma_annotator.domain.finding import Finding, LesionChange, Side
from glioma_annotator.domain.geometry import Grid
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
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.patient import Timepoint, TreatmentPhase
from glioma_annotator.domain.response import ResponseAssessment, ResponseCategory, ResponseMethod
from glioma_annotator.domain.revision import RevisionOrigin
from glioma_annotator.domain.sequences import Sequence, SequenceRole
from glioma_annotator.domain.vasari import VasariEntry
from glioma_annotator.domain.volume import Volume

GRID = Grid((20, 4, 4), np.diag([10.0, 10.0, 10.0, 1.0]))  # 1 mL per voxel
TEST = MarkerStatus.RESULT
DAY = dt.date(2026, 3, 1)
UTC = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)


def add_visit(
    store: Workspace, patient: str, number: int, et_ml: int | None, phase: TreatmentPhase, *, dated: bool = True
) -> None:
    """A visit with so much enhancing tumour; None for one without a mask."""
    found = store.patient(patient) or store.add_patient(patient)
    date = dt.date(2026, number, 1) if dated else None
    sequences = (Sequence("T1Gd", SequenceRole.T1GD, ""),)
    patient_id = found.id or 0
    visit = Timepoint(patient_id, f"v{number}", number, GRID, "T1Gd", date=date, phase=phase, sequences=sequences)
    stored = store.add_timepoint(visit, {"T1Gd": Volume(np.zeros(GRID.shape, np.float32), GRID)})
    if et_ml is not None:
        labels = np.zeros(GRID.shape, np.uint8)
        labels[:et_ml, 1, 1] = 3
        store.add_revision(stored, labels, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="reader")


def add_records(store: Workspace) -> None:
    yes = (
        MarkerResult(Marker.MGMT, TEST, True), MarkerResult(Marker.KI67, TEST, percent=30.0),
        MarkerResult(Marker.IDH1, TEST, True), MarkerResult(Marker.ATRX, MarkerStatus.INDETERMINATE),
    )  # fmt: skip
    no = (MarkerResult(Marker.MGMT, TEST, False), MarkerResult(Marker.KI67, TEST, percent=5.0))
    store.histology.add(
        HistologySample(
            "Y", SampleKind.RESECTION, DAY, site=TumourSite.MIDLINE, location="thalamus", microscopy="necrosis",
            markers=yes, diagnosis=IntegratedDiagnosis(TumourType.GLIOBLASTOMA, 4),
        ),
        HistologySample(
            "N", SampleKind.BIOPSY, DAY, site=TumourSite.HEMISPHERIC, location="frontal", microscopy="calm",
            markers=(*no, MarkerResult(Marker.IDH2, TEST, False), MarkerResult(Marker.ATRX, TEST, False)),
            diagnosis=IntegratedDiagnosis(TumourType.ASTROCYTOMA, 2),
        ),
        HistologySample("S", SampleKind.BIOPSY, markers=(MarkerResult(Marker.MGMT),)),
    )  # fmt: skip
    store.events.add(
        ClinicalEvent("Y", EventKind.SURGERY, DAY, extent=ExtentOfResection.GROSS_TOTAL),
        ClinicalEvent("Y", EventKind.KPS, DAY, score=60),
        ClinicalEvent("Y", EventKind.STEROIDS, DAY, dose_mg=8.0, drug="dexamethasone"),
        ClinicalEvent("Y", EventKind.RADIOTHERAPY, DAY, dose_gy=60.0),
        ClinicalEvent("N", EventKind.SURGERY, DAY, extent=ExtentOfResection.SUBTOTAL),
        ClinicalEvent("N", EventKind.KPS, DAY, score=90),
        ClinicalEvent("N", EventKind.STEROIDS, DAY, dose_mg=2.0, drug="prednisolone"),
        ClinicalEvent("N", EventKind.RADIOTHERAPY, DAY, dose_gy=40.0),
        ClinicalEvent("S", EventKind.SURGERY, day=3, extent=ExtentOfResection.UNKNOWN),
        ClinicalEvent("S", EventKind.STEROIDS, day=3, dose_mg=3.0),
        ClinicalEvent("S", EventKind.RADIOTHERAPY, day=3),
    )
    grown, shrunk = LesionChange.GROWN, LesionChange.SHRUNK
    at = (0.0, 0.0, 0.0)
    store.findings.add(
        Finding("Y", "v1", "satellite", at, side=Side.LEFT, location="insula", volume_ml=3.0, change=grown),
        Finding("N", "v1", "satellite", at, side=Side.RIGHT, location="frontal", volume_ml=0.5, change=shrunk),
        Finding("S", "v1", "satellite", at, text="a word"),
    )
    for key, category in (("Y", ResponseCategory.PD), ("N", ResponseCategory.SD)):
        store.vasari.add(VasariEntry(key, "v1", "F5", "4" if key == "Y" else "2"))
        store.responses.add(
            ResponseAssessment(
                key, "v1", ResponseMethod.VOLUMETRIC, category, decided=category, reader="r", decided_utc=UTC
            )
        )  # fmt: skip
    store.responses.add(ResponseAssessment("S", "v1", ResponseMethod.VOLUMETRIC, ResponseCategory.PD))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Y fulfils the conditions, N does not; S has records that do not tell, U none, and neither has a mask."""
    with open_workspace(tmp_path_factory.mktemp("unknown") / "w") as opened:
        unknown = TreatmentPhase.UNKNOWN
        for number, y, n in ((1, 10, 4), (2, 15, 2)):
            add_visit(opened, "Y", number, y, TreatmentPhase.FOLLOW_UP)
            add_visit(opened, "N", number, n, TreatmentPhase.PROGRESSION)
        for key in ("S", "U"):
            add_visit(opened, key, 1, None, unknown, dated=False)
        add_records(opened)
        yield opened


def found(store: Workspace, question: str) -> str:
    return " ".join(f"{hit.patient}{hit.timepoint[1:]}" for hit in store.cohort.ask(question).hits)


@pytest.mark.parametrize(
    ("question", "fulfilled", "opposite"),
    [
        ("mgmt = methylated", "Y2", "N2"),
        ("mgmt = unmethylated", "N2", "Y2"),
        ("idh = mutant", "Y2", "N2"),
        ("idh = wildtype", "N2", "Y2"),
        ("atrx = indeterminate", "Y2", "N2"),
        ("mgmt = not tested", "S1 U1", "N2 Y2"),
        ("ki-67 > 20 %", "Y2", "N2"),
        ("grade = 4", "Y2", "N2"),
        ("diagnosis = glioblastoma", "Y2", "N2"),
        ("sample site = midline", "Y2", "N2"),
        ("sample location = thalamus", "Y2", "N2"),
        ("sample microscopy = necrosis", "Y2", "N2"),
        ("sample where (kind = resection and grade = 4)", "Y2", ""),
        ("sample where (kind = biopsy and grade = 4)", "", "N2"),
        ("sample where (grade = 4 or diagnosis = glioblastoma)", "Y2", "N2"),
        ("kps <= 70", "Y2", "N2"),
        ("steroids > 4 mg", "Y2", "N2 S1"),
        ("radiotherapy >= 60 gy", "Y2", "N2"),
        ("extent = gross total", "Y2", "N2"),
        ("event where (kind = KPS and score <= 70 and date >= 2026-01-01)", "Y2", "N2"),
        ("event where (kind = KPS and score <= 70 and date >= 2026-05-01)", "", ""),
        ("event where (kind = KPS and not score > 70)", "Y2", "N2"),
        ("event where ((kind = KPS and score <= 70) or (kind = steroids and daily dose > 4))", "Y2", "N2"),
        ("event where (kind = surgery and date >= 2026-01-01)", "N2 Y2", "U1"),
        ("event where (kind = steroids and drug = dexamethasone)", "Y2", "N2 U1"),
        ("ET volume > 5 ml", "Y1 Y2", "N1 N2"),
        ("ET volume up 40 %", "Y2", "N2"),
        ("ET volume down 40 %", "N2", "Y2"),
        ("vasari F5 >= 3", "Y1", "N1"),
        ("vasari F5 = 4", "Y1", "N1"),
        ("response = PD", "Y1", "N1"),
        ("phase = follow-up", "Y1 Y2", "N1 N2"),
        ("phase = unknown", "S1 U1", "N1 N2 Y1 Y2"),
        ("date >= 2026-02-01", "N2 Y2", "N1 Y1"),
        ("day > 3", "", ""),
        ("patient = Y", "Y2", "N2 S1 U1"),
        ("finding volume > 1 ml", "Y1", "N1 N2 U1 Y2"),
        ("finding change = grown", "Y1", "N1 N2 U1 Y2"),
        ("finding side = left", "Y1", "N1 N2 U1 Y2"),
        ("finding where (kind = satellite and volume > 1 ml and side = left)", "Y1", "N1 N2 U1 Y2"),
        ("finding where (kind = satellite and not volume <= 1 ml)", "Y1", "N1 N2 U1 Y2"),
        ("finding where (kind = cyst and volume > 1 ml)", "", "N1 N2 S1 U1 Y1 Y2"),
        ("kps <= 70 and grade = 4", "Y2", "N2"),
        ("kps <= 70 or ET volume > 5 ml", "Y1 Y2", "N1 N2"),
        ("not kps <= 70", "N2", "Y2"),
        ("not (kps <= 70 and not ET volume > 50 ml)", "N1 N2", "Y1 Y2"),
    ],
)
def test_neither_a_condition_nor_its_opposite_finds_what_is_unknown(
    store: Workspace, question: str, fulfilled: str, opposite: str
) -> None:
    assert found(store, question) == fulfilled
    assert found(store, f"not ({question})") == opposite
    assert found(store, f"not (not ({question}))") == fulfilled


@pytest.mark.parametrize(
    ("question", "visits"),
    [
        ("mgmt != methylated", "N2"),
        ("atrx != indeterminate", "N2"),
        ("ki-67 != 30 %", "N2"),
        ("grade != 4", "N2"),
        ("diagnosis != glioblastoma", "N2"),
        ("sample site != midline", "N2"),
        ("kps != 60", "N2"),
        ("extent != gross total", "N2"),
        ("extent != unknown", "N2 Y2"),
        ("event where (kind = steroids and drug != dexamethasone)", "N2"),
        ("ET volume != 10 ml", "N1 N2 Y2"),
        ("vasari F5 != 4", "N1"),
        ("response != PD", "N1"),
        ("phase != follow-up", "N1 N2"),
        ("date != 2026-01-01", "N2 Y2"),
        ("finding side != left", "N1"),
        ("finding change != grown", "N1"),
        ("finding location != insula", "N1"),
        ("finding where (not volume > 1 ml)", "N1"),
    ],
)
def test_another_value_is_a_known_value(store: Workspace, question: str, visits: str) -> None:
    assert found(store, question) == visits


@pytest.mark.parametrize(
    ("question", "visits"),
    [
        ("not had surgery", "U1"),
        ("not sample", "U1"),
        ("not finding", "N2 U1 Y2"),
        ("not finding kind = satellite", "N2 U1 Y2"),
        ("not finding text ~ word", "N1 N2 U1 Y1 Y2"),
        ('not "word"', "N1 N2 U1 Y1 Y2"),
        ("not response", "N2 S1 U1 Y2"),
    ],
)
def test_what_no_record_tells_of_is_not_there(store: Workspace, question: str, visits: str) -> None:
    assert found(store, question) == visits


def test_a_response_that_was_only_proposed_is_not_found(store: Workspace) -> None:
    assert found(store, "response") == "N1 Y1"
    assert found(store, "response = PD and patient = S") == ""
