"""Answers to questions across patients, full-text search, and what is measured for them."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from glioma_annotator.db.workspace import Workspace, open_workspace
from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind, ExtentOfResection
from glioma_annotator.domain.cohort_vocabulary import QuestionError
from glioma_annotator.domain.finding import Finding, FindingStatus, Side
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.histology import (
    HistologySample,
    IntegratedDiagnosis,
    Marker,
    MarkerResult,
    MarkerStatus,
    SampleKind,
    TumourType,
)
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.note import Note, NoteKind
from glioma_annotator.domain.patient import Timepoint, TreatmentPhase
from glioma_annotator.domain.response import ResponseAssessment, ResponseCategory, ResponseMethod
from glioma_annotator.domain.revision import RevisionOrigin, RevisionStatus
from glioma_annotator.domain.sequences import Sequence, SequenceRole
from glioma_annotator.domain.vasari import VasariEntry
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError

GRID = Grid((20, 4, 4), np.diag([10.0, 10.0, 10.0, 1.0]))  # 1 mL per voxel
TEST = MarkerStatus.RESULT
IMAGE = {"T1Gd": Volume(np.zeros(GRID.shape, np.float32), GRID)}


def add_visit(
    store: Workspace,
    patient_id: int,
    month: int,
    et_ml: int,
    phase: TreatmentPhase,
    role: SequenceRole = SequenceRole.T1GD,
) -> Timepoint:
    date, name = dt.date(2026, month, 1), role.value
    sequences = (Sequence(name, role, ""),)
    visit = Timepoint(patient_id, f"m{month}", month, GRID, name, date=date, phase=phase, sequences=sequences)
    stored = store.add_timepoint(visit, {name: IMAGE["T1Gd"]})
    labels = np.zeros(GRID.shape, np.uint8)
    labels[:et_ml, 1, 1] = 3
    labels[0, 3, 3] = 2
    store.add_revision(stored, labels, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="reader")
    return stored


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A: wildtype, methylated, ET 10, 4, 6 mL. B: mutant, ET 5, 5, 5 mL. C: nothing known but one visit."""
    with open_workspace(tmp_path_factory.mktemp("cohort") / "w") as opened:
        phases = (TreatmentPhase.PRE_OPERATIVE, TreatmentPhase.POST_RT_BASELINE, TreatmentPhase.FOLLOW_UP)
        for key, volumes in (("A", (10, 4, 6)), ("B", (5, 5, 5)), ("C", (2,))):
            patient = opened.add_patient(key)
            for month, (et_ml, phase) in enumerate(zip(volumes, phases, strict=False), start=1):
                add_visit(opened, patient.id or 0, month, et_ml, phase)
        known = (MarkerResult(Marker.MGMT, TEST, True), MarkerResult(Marker.KI67, TEST, percent=30.0))
        a = (MarkerResult(Marker.IDH1, TEST, False), *known, MarkerResult(Marker.ATRX, MarkerStatus.INDETERMINATE))
        b = (MarkerResult(Marker.IDH1, TEST, False), MarkerResult(Marker.IDH2, TEST, True))
        diagnosis = IntegratedDiagnosis(TumourType.GLIOBLASTOMA, 4)
        opened.histology.add(
            HistologySample("A", SampleKind.RESECTION, markers=a, diagnosis=diagnosis, microscopy="palisading cells"),
            HistologySample("B", SampleKind.BIOPSY, markers=b, grade=2),
        )
        opened.events.add(
            ClinicalEvent("A", EventKind.SURGERY, dt.date(2026, 1, 9), extent=ExtentOfResection.GROSS_TOTAL),
            ClinicalEvent("A", EventKind.KPS, dt.date(2026, 3, 1), score=60),
            ClinicalEvent("B", EventKind.STEROIDS, dt.date(2026, 2, 1), dose_mg=8.0),
        )
        small = Finding("A", "m3", "satellite", (1.0, 2.0, 3.0), "ET", Side.LEFT, "temporal lobe", volume_ml=0.5)
        large = Finding(
            "A", "m3", "new-enhancement", (9.0, 9.0, 9.0), side=Side.RIGHT, text="Rím lesion", volume_ml=3.0
        )
        old = Finding("B", "m1", "satellite", (0.0, 0.0, 0.0), status=FindingStatus.ARTEFACT, text="100 % artefact_x")
        opened.findings.add(small, large, old)
        opened.notes.add(
            Note("B", "Leptomeningeal spread is suspected.", NoteKind.REPORT, "MRI", "m2"),
            Note("C", "Lost to follow-up in Langstrasse, then at Straße 5."),
        )
        opened.vasari.add(VasariEntry("A", "m1", "F5", "3"), VasariEntry("A", "m1", "F5", "4"))
        opened.responses.add(
            ResponseAssessment(
                "A", "m3", ResponseMethod.VOLUMETRIC, ResponseCategory.PD, decided=ResponseCategory.SD, reader="r",
                decided_utc=dt.datetime(2026, 3, 2, tzinfo=dt.UTC),
            )
        )  # fmt: skip
        yield opened


@pytest.mark.parametrize(
    ("question", "visits"),
    [
        ("idh = wildtype and mgmt = methylated and ET volume up 40 % from nadir", "A3"),
        ("ET volume up 60 % from nadir", ""),
        ("ET volume up 50 % from nadir", "A3"),
        ("ET volume up 2 ml from nadir", "A3"),
        ("ET volume down 50 % from previous", "A2"),
        ("ET volume up 10 %", "A3"),
        ("WT volume >= 10 ml", "A1"),
        ("TC volume = 5", "B1 B2 B3"),
        ("idh wildtype", "A3"),
        ("idh mutant", "B3"),
        ("idh1 wildtype", "A3 B3"),
        ("idh not tested", "C1"),
        ("not idh mutant", "A3"),
        ("atrx indeterminate", "A3"),
        ("atrx not tested", "B3 C1"),
        ("ki-67 >= 30 %", "A3"),
        ("grade = 4 or grade = 2", "A3 B3"),
        ("diagnosis = glioblastoma", "A3"),
        ("had surgery", "A3"),
        ("not had surgery", "B3 C1"),
        ("extent = gross total", "A3"),
        ("kps <= 60 or steroids >= 8 mg", "A3 B3"),
        ("steroids > 8 mg", ""),
        ("finding", "A3 B1"),
        ("finding kind = new enhancement", "A3"),
        ("finding where (kind = satellite and volume > 1 ml)", ""),
        ("finding where (kind = satellite and volume < 1 ml)", "A3"),
        ("finding kind = satellite and finding volume > 1 ml", "A3"),
        ("finding location = temporal", "A3"),
        ("finding text ~ rim", "A3"),
        ("finding status in (open, artefact)", "A3 B1"),
        ("finding status != open", "B1"),
        ("phase = follow-up", "A3 B3"),
        ("phase != pre-operative and date < 2026-03-01", "A2 B2"),
        ("patient = a", "A3"),
        ("patient = * and day > 3", ""),
        ("visit = m2", "A2 B2"),
        ("response = SD", "A3"),
        ("response = PD", ""),
        ("vasari F5 = 4", "A1"),
        ("vasari F5 = 3", ""),
        ('"leptomeningeal spread"', "B2"),
        ('"spread leptomeningeal"', ""),
        ('"palisad*"', "A1 A2 A3"),
        ('"follow-up" and not had surgery', "C1"),
    ],
)
def test_questions_select_the_visits_they_mean(store: Workspace, question: str, visits: str) -> None:
    result = store.cohort.ask(question)
    assert " ".join(f"{hit.patient}{hit.timepoint[1:]}" for hit in result.hits) == visits
    assert result.visits == len(result.hits)
    assert result.patients == len({hit.patient for hit in result.hits})


@pytest.mark.parametrize("value", ["x' OR 1=1 --", "%", "_", "100 % artefact_x", "'; DROP TABLE findings; --"])
def test_values_are_values_whatever_they_look_like(store: Workspace, value: str) -> None:
    for field in ("patient", "visit", "finding label"):
        assert store.cohort.ask(f'{field} = "{value}"').hits == ()
    assert store.findings.of_patient("A")


def test_hits_name_the_place_that_was_asked_about(store: Workspace) -> None:
    (hit,) = store.cohort.ask("finding kind = satellite and patient = A").hits
    assert hit.point_mm == (1.0, 2.0, 3.0)
    assert store.findings.get(hit.finding) is not None
    (hit,) = store.cohort.ask("ET volume up 40 % from nadir").hits
    assert hit.finding == ""
    assert hit.point_mm in ((20.0, 10.0, 10.0), (30.0, 10.0, 10.0))  # the middle of six voxels in a row
    assert hit.volumes_ml == {"ET": pytest.approx(6.0, abs=1e-9)}
    (hit,) = store.cohort.ask('finding kind = cyst or finding kind = satellite and patient = A or "no such word"').hits
    assert hit.point_mm == (1.0, 2.0, 3.0)
    (hit,) = store.cohort.ask("phase = follow-up and patient = A").hits
    assert hit.point_mm == (9.0, 9.0, 9.0)  # the largest open finding


def test_as_many_hits_come_as_are_asked_for(store: Workspace) -> None:
    result = store.cohort.ask("ET volume > 0", limit=2)
    assert (len(result.hits), result.visits, result.patients) == (2, 7, 3)


def test_the_last_visit_is_that_of_the_course_though_it_has_no_date(tmp_path: Path) -> None:
    with open_workspace(tmp_path / "w") as opened:
        patient = opened.add_patient("P")
        for order, date in enumerate((dt.date(2020, 1, 1), None, None)):
            sequences = (Sequence("T1Gd", SequenceRole.T1GD, ""),)
            visit = Timepoint(patient.id or 0, f"v{order}", order, GRID, "T1Gd", date=date, sequences=sequences)
            opened.add_timepoint(visit, IMAGE)
        opened.events.add(ClinicalEvent("P", EventKind.SURGERY, date=dt.date(2020, 1, 2)))
        assert [hit.timepoint for hit in opened.cohort.ask("had surgery").hits] == ["v2"]
        assert [hit.timepoint for hit in opened.cohort.ask("phase = unknown").hits] == ["v0", "v1", "v2"]


def test_capitals_do_not_matter_beyond_ascii_either(tmp_path: Path) -> None:
    with open_workspace(tmp_path / "w") as store:
        patient = store.add_patient("Ä1")
        series = (Sequence("T1Gd", SequenceRole.T1GD, ""),)
        visit = Timepoint(patient.id or 0, "v1", 0, GRID, "T1Gd", sequences=series)
        store.add_timepoint(visit, {"T1Gd": Volume(np.zeros(GRID.shape, np.float32), GRID)})
        store.findings.add(Finding("Ä1", "v1", "satellite", (0.0, 0.0, 0.0), location="ÜBER der Größe é"))
        for text in ("über", "Über der größe É", "ÜBER"):
            assert store.cohort.ask(f'finding location = "{text}"').visits == 1
            assert store.cohort.ask(f'finding location != "{text}"').visits == 0
        assert store.cohort.ask("finding location = über or finding location = ueber").visits == 1
        assert store.cohort.ask('patient in ("Ö*", "ä*")').visits == 1
        assert store.cohort.ask("finding location = öber").visits == 0
        for text in ("GRÖSSE", "größe", "GRÖẞE"):
            assert store.cohort.ask(f'finding location = "{text}"').visits == 1


def test_volumes_that_differ_by_rounding_alone_have_not_changed(tmp_path: Path) -> None:
    with open_workspace(tmp_path / "w") as store:
        patient = store.add_patient("P")
        visits = [add_visit(store, patient.id or 0, month, 6, TreatmentPhase.UNKNOWN) for month in (1, 2, 3)]
        labels = np.zeros(GRID.shape, np.uint8)
        labels[:6, 1, 1] = (1, 3, 3, 3, 3, 3)  # TC as the sum of two labels, between visits with one
        store.add_revision(visits[1], labels, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="reader")
        assert store.cohort.ask("TC volume = 6 ml").visits == 3
        for direction in ("up", "down"):
            assert store.cohort.ask(f"TC volume {direction} 0 ml from previous").visits == 0


def test_a_long_list_of_patients_can_be_pasted(store: Workspace) -> None:
    others = [f"PAT-{number}" for number in range(2500)]
    assert store.cohort.ask(f"patient in ({', '.join([*others, 'B'])})").patients == 1
    assert store.cohort.ask(" and ".join(f"patient != {other}" for other in others)).patients == 3
    assert store.cohort.ask(" or ".join(f"ET volume = 10 ml and day = {day}" for day in range(1200))).visits == 0


def test_an_unknown_label_is_pointed_at(store: Workspace) -> None:
    with pytest.raises(QuestionError, match="masks have ET"):
        store.cohort.ask("XY volume > 3")


def test_questions_are_saved_by_name(store: Workspace) -> None:
    store.cohort.save("growing", "ET volume up 40 %", by="Dr A")
    store.cohort.save("growing", "ET volume up 25 %", by="Dr B")
    assert [(q.name, q.text, q.author) for q in store.cohort.saved()] == [("growing", "ET volume up 25 %", "Dr A")]
    with pytest.raises(QuestionError):
        store.cohort.save("broken", "ET volume up")
    with pytest.raises(UserError, match="needs a name"):
        store.cohort.save(" ", "ET > 1")
    store.cohort.forget("growing")
    assert store.cohort.saved() == ()
    with pytest.raises(KeyError):
        store.cohort.forget("growing")
    assert store.verify() == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("rim", "finding A m3"),
        ("RÍM les", "finding A m3"),
        ("RI\N{COMBINING ACUTE ACCENT}M les", "finding A m3"),
        ("temporal satellite", "finding A m3"),
        ("“rím lesion”", "finding A m3"),
        ("„lesion rim“", ""),
        ("STRASSE", "note C "),
        ("straß", "note C "),
        ("lost to“", "note C "),
        ('"satellite temporal"', ""),
        ("leptomeningeal", "report B m2"),
        ("lost to", "note C "),
        ("palisading", "sample A "),
        ("surgery", "event A "),
        ('"; DROP TABLE findings', ""),
        ("NEAR(", ""),
        ("", ""),
        ("***", ""),
    ],
)
def test_words_are_found_in_every_kind_of_record(store: Workspace, query: str, found: str) -> None:
    assert " ".join(f"{h.kind} {h.patient} {h.timepoint}" for h in store.search.find(query)) == found


def test_a_search_can_be_narrowed_to_a_patient(store: Workspace) -> None:
    assert {hit.patient for hit in store.search.find("satellite")} == {"A", "B"}
    assert {hit.patient for hit in store.search.find("satellite", "B")} == {"B"}
    assert store.search.find("satellite", "nobody") == ()
    assert len(store.search.find("satellite", limit=1)) == 1


def test_search_follows_changes_deletions_and_restorations(tmp_path: Path) -> None:
    with open_workspace(tmp_path / "w") as store:
        store.add_patient("P")
        note = Note("P", "first words")
        store.notes.add(note)
        store.notes.change(Note("P", "other words", id=note.id))
        assert store.search.find("first") == ()
        assert len(store.search.find("other")) == 1
        store.notes.delete(note.id)
        assert store.search.find("other") == ()
        store.notes.restore(note.id)
        assert len(store.search.find("other")) == 1


def test_measures_follow_a_baseline_that_comes_without_a_mask(tmp_path: Path) -> None:
    with open_workspace(tmp_path / "w") as store:
        patient = store.add_patient("P")
        first = add_visit(store, patient.id or 0, 1, 9, TreatmentPhase.UNKNOWN)
        add_visit(store, patient.id or 0, 3, 6, TreatmentPhase.UNKNOWN)

        def compared() -> list[float | None]:
            found = [m.baseline_ml for m in store.measures.of_patient("P") if m.name == "ET"]
            return [None if ml is None else round(ml, 9) for ml in found]

        assert compared() == [None, 9]
        bare = dataclasses.replace(
            first, id=None, key="m2", order=2, date=dt.date(2026, 2, 1), phase=TreatmentPhase.POST_RT_BASELINE
        )
        store.add_timepoint(bare, IMAGE)
        assert compared() == [None, None]


def test_measures_follow_approval_and_radiotherapy(tmp_path: Path) -> None:
    with open_workspace(tmp_path / "w") as store:
        patient = store.add_patient("P")
        unknown = TreatmentPhase.UNKNOWN
        visits = [add_visit(store, patient.id or 0, month, ml, unknown) for month, ml in ((1, 9), (2, 3), (3, 6))]

        def et() -> list[tuple[float | None, ...]]:
            measures = [m for m in store.measures.of_patient("P") if m.name == "ET"]
            compared = [(m.volume_ml, m.baseline_ml, m.nadir_ml, m.previous_ml) for m in measures]
            return [tuple(None if ml is None else round(ml, 9) for ml in row) for row in compared]

        assert et() == [(9, None, None, None), (3, 9, 9, 9), (6, 9, 3, 3)]
        radiotherapy = ClinicalEvent("P", EventKind.RADIOTHERAPY, dt.date(2026, 1, 5), end_date=dt.date(2026, 1, 30))
        store.events.add(radiotherapy)
        assert et() == [(9, None, None, None), (3, None, None, 9), (6, 3, 3, 3)]
        store.events.delete(radiotherapy.id)
        assert et()[1] == (3, 9, 9, 9)
        store.set_status(store.revisions(visits[2].id or 0)[0].id or 0, RevisionStatus.APPROVED)
        labels = np.zeros(GRID.shape, np.uint8)
        store.add_revision(visits[2], labels, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="reader")
        assert et()[2][0] == 6  # a draft does not displace an approved mask
        add_visit(store, patient.id or 0, 4, 0, unknown, SequenceRole.FLAIR)
        add_visit(store, patient.id or 0, 5, 6, unknown)
        assert et()[3:] == [(6, 9, 3, 6)]  # without T1Gd nobody sees that nothing enhances
