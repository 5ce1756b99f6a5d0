"""What the use cases rely on in the store's clinical records: workspace and fake keep the same promises."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeStore

from glioma_annotator.db.workspace import open_workspace
from glioma_annotator.domain.audit import AuditAction
from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind, ExtentOfResection
from glioma_annotator.domain.cohort_vocabulary import QuestionError
from glioma_annotator.domain.finding import Confidence, Finding, FindingSource, FindingStatus, LesionChange, Side
from glioma_annotator.domain.geometry import Box, Grid
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
from glioma_annotator.domain.note import Note, NoteKind
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.patient_identity import PatientIdentity
from glioma_annotator.domain.response import (
    DiameterLine,
    LesionMeasurement,
    ResponseAssessment,
    ResponseCategory,
    ResponseMethod,
)
from glioma_annotator.domain.revision import RevisionOrigin
from glioma_annotator.domain.sequences import Sequence, SequenceRole
from glioma_annotator.domain.vasari import VasariEntry
from glioma_annotator.domain.visit_registration import AcceptedRegistration
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.workflow.ports import Store

GRID = Grid((4, 3, 2), np.diag([2.0, 2.0, 5.0, 1.0]))
NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


@pytest.fixture(params=["fake", "workspace"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    make: Callable[[], Store] = FakeStore if request.param == "fake" else lambda: open_workspace(tmp_path / "w")
    opened = make()
    patient = opened.add_patient("P")
    for order, key in enumerate(("day0", "day90")):
        sequences = (Sequence("T1Gd", SequenceRole.T1GD, ""),)
        visit = Timepoint(patient.id or 0, key, order, GRID, "T1Gd", day=90 * order, sequences=sequences)
        opened.add_timepoint(visit, {"T1Gd": Volume(np.zeros(GRID.shape, np.float32), GRID)})
    yield opened
    opened.close()


def sample() -> HistologySample:
    markers = (
        MarkerResult(Marker.MGMT, MarkerStatus.RESULT, True, detail="pyrosequencing"),
        MarkerResult(Marker.IDH1, MarkerStatus.RESULT, False),
        MarkerResult(Marker.KI67, MarkerStatus.RESULT, percent=22.5),
        MarkerResult(Marker.ATRX, MarkerStatus.INDETERMINATE),
    )
    diagnosis = IntegratedDiagnosis(TumourType.GLIOBLASTOMA, 4, "NOS", "as reported")
    return HistologySample(
        "P", SampleKind.RESECTION, dt.date(2026, 1, 2), None, "day0", ((1.0, 2.5, -3.0), (4.0, 5.0, 6.0)),
        TumourSite.HEMISPHERIC, "left temporal", "necrosis", markers, 4, diagnosis, "Dr A",
    )  # fmt: skip


RECORDS: dict[str, Any] = {
    "findings": Finding(
        "P", "day0", "satellite", (1.5, -2.0, 30.25), "ET", Side.LEFT, "temporal", "small ring", Confidence.CERTAIN,
        FindingStatus.CONFIRMED, FindingSource.COMPONENT, 2, Box((0, 1, 0), (2, 3, 1)), 0.75, "", LesionChange.GROWN,
        author="Dr A",
    ),
    "vasari": VasariEntry("P", "day0", "F5", "3", True, "31 % of the tumour", False, 2, "Dr A"),
    "histology": sample(),
    "events": ClinicalEvent("P", EventKind.SURGERY, dt.date(2026, 1, 2), extent=ExtentOfResection.GROSS_TOTAL),
    "measurements": LesionMeasurement(
        "P", "day90", "L", 31.5, 20.0, DiameterLine((0.0, 0.0, 0.0), (31.5, 0.0, 0.0)), None, 9.5, False, True, 1
    ),
    "responses": ResponseAssessment(
        "P", "day90", ResponseMethod.VOLUMETRIC, ResponseCategory.PD, ("ET grew.",), {"et_ml": 3.5, "new": [1, None]},
        "day0", "day0", decided=ResponseCategory.SD, reader="Dr B", decided_utc=NOW, comment="pseudoprogression",
    ),
    "notes": Note("P", "Stable disease.", NoteKind.RADIOLOGY, "MRI", "day90", "Dr A", dt.date(2026, 1, 2)),
    "registrations": AcceptedRegistration(
        "P", "day90", "day0", (1.0, 0.0, 0.0, 2.5, *(0.0, 1.0, 0.0, 0.0), *(0.0, 0.0, 1.0, -3.0), 0.0, 0.0, 0.0, 1.0),
        "rigid", "T1Gd", 0.8, 0.4, 0.35, 0.1, (1.0, 2.0, 3.0), (0.5, 0.0, 0.0), (0.0, 0.0, 2.0), "Dr A", NOW,
    ),
}  # fmt: skip

CHANGES: dict[str, dict[str, Any]] = {
    "findings": {"status": FindingStatus.RESOLVED, "timepoint": "day90", "box": None},
    "vasari": {"confirmed": True, "value": "4"},
    "histology": {"sites_mm": (), "markers": (), "diagnosis": None, "timepoint": ""},
    "events": {"day": 3, "text": "awake"},
    "measurements": {"target": True, "longest": None},
    "responses": {"comment": "", "reasons": ()},
    "notes": {"text": "Changed.", "timepoint": "", "date": None, "day": 12},
    "registrations": {"shift_mm": (0.0, 1.0, 0.0), "timepoint": "day0", "other": "day90"},
}

every_kind = pytest.mark.parametrize("kind", RECORDS)


@every_kind
def test_a_record_comes_back_as_it_was_added(store: Store, kind: str) -> None:
    records, record = getattr(store, kind), RECORDS[kind]
    records.add(record)
    assert records.get(record.id) == record
    assert records.of_patient("P") == (record,)
    assert records.of_timepoint("P", record.timepoint or "day0") == ((record,) if record.timepoint else ())
    assert records.of_patient("nobody") == ()


@every_kind
def test_a_record_can_be_changed_and_the_change_is_audited(store: Store, kind: str) -> None:
    records, record = getattr(store, kind), RECORDS[kind]
    records.add(record)
    changed = dataclasses.replace(record, **CHANGES[kind])
    records.change(changed, by="Dr C")
    assert records.get(record.id) == changed
    added, then = store.audit.of(record.id)
    assert (added.action, then.action, then.actor) == (AuditAction.ADD, AuditAction.CHANGE, "Dr C")
    assert added.before is None
    assert added.after == then.before
    assert then.after != then.before


@every_kind
def test_a_deleted_record_can_be_restored(store: Store, kind: str) -> None:
    records, record = getattr(store, kind), RECORDS[kind]
    records.add(record)
    records.delete(record.id)
    assert records.get(record.id) is None
    assert records.of_patient("P") == ()
    assert records.deleted("P") == (record,)
    with pytest.raises(KeyError):
        records.change(record)
    records.restore(record.id)
    assert records.of_patient("P") == (record,)
    assert records.deleted("P") == ()
    assert [e.action.value for e in store.audit.of(record.id)] == ["add", "delete", "restore"]


@every_kind
def test_what_does_not_exist_is_a_key_error(store: Store, kind: str) -> None:
    records, record = getattr(store, kind), RECORDS[kind]
    for unknown in (dataclasses.replace(record, patient="Q"), dataclasses.replace(record, timepoint="day1")):
        with pytest.raises(KeyError):
            records.add(unknown)
    for method in (records.delete, records.restore):
        with pytest.raises(KeyError):
            method(record.id)
    with pytest.raises(KeyError):
        records.change(record)
    assert records.of_patient("P") == ()
    assert store.audit.of(record.id) == ()


def test_a_change_that_changes_nothing_is_not_recorded(store: Store) -> None:
    note = RECORDS["notes"]
    store.notes.add(note)
    store.notes.change(note)
    assert len(store.audit.of(note.id)) == 1


def test_records_are_added_all_or_none(store: Store) -> None:
    first, second = Note("P", "one"), Note("nobody", "two")
    with pytest.raises(KeyError):
        store.notes.add(first, second)
    assert store.notes.of_patient("P") == ()
    store.notes.add(first, Note("P", "three"))
    assert [note.text for note in store.notes.of_patient("P")] == ["one", "three"]


def test_a_record_stays_with_its_patient(store: Store) -> None:
    store.add_patient("Q")
    note = Note("P", "one")
    store.notes.add(note)
    with pytest.raises(ValueError, match="stays with its patient"):
        store.notes.change(dataclasses.replace(note, patient="Q"))


def test_a_lesion_is_followed_over_the_visits_and_to_its_samples(store: Store) -> None:
    taken = sample()
    store.histology.add(taken)
    first = Finding("P", "day0", "lesion", (0.0, 0.0, 0.0), samples=(taken.id,))
    second = Finding("P", "day90", "lesion", (1.0, 0.0, 0.0), lesion=first.lesion, previous=(first.id,))
    store.findings.add(first, second)
    assert store.findings.of_lesion(first.id) == (first, second)
    assert store.findings.of_sample(taken.id) == (first,)
    assert store.findings.of_timepoint("P", "day90") == (second,)


def test_a_finding_continues_only_findings_that_exist(store: Store) -> None:
    lost = Finding("P", "day90", "lesion", (0.0, 0.0, 0.0), previous=("nothing",))
    with pytest.raises(KeyError):
        store.findings.add(lost)
    assert store.findings.of_patient("P") == ()


def test_the_registration_of_two_visits_is_found_either_way_round(store: Store) -> None:
    kept: AcceptedRegistration = RECORDS["registrations"]
    patient = store.patient("P")
    assert patient is not None
    store.registrations.add(kept)
    later = dataclasses.replace(kept, id="later", created_utc=NOW + dt.timedelta(days=1), author="Dr B")
    store.registrations.add(later)
    assert store.registrations.between(patient.id or 0, "day0", "day90") == later
    assert store.registrations.between(patient.id or 0, "day90", "day0") == later
    assert store.registrations.between((patient.id or 0) + 1, "day90", "day0") is None
    with pytest.raises(KeyError):
        store.registrations.add(dataclasses.replace(kept, id="third", other="day7"))


def test_identities_are_kept_apart_from_the_audit(store: Store) -> None:
    assert store.identities.get("P") is None
    someone = PatientIdentity("Jane Doe", dt.date(1960, 2, 3), "H-123", "ward 7")
    store.identities.set("P", someone, by="Dr A")
    store.identities.set("P", dataclasses.replace(someone, remark=""), by="Dr A")
    assert store.identities.get("P") == dataclasses.replace(someone, remark="")
    assert "Doe" not in str(store.audit.newest())
    with pytest.raises(KeyError):
        store.identities.set("nobody", someone)


def test_saving_a_mask_measures_the_visit(store: Store) -> None:
    patient = store.patient("P")
    assert patient is not None
    visit = store.timepoints(patient.id or 0)[1]
    labels = np.zeros(GRID.shape, np.uint8)
    labels[1:3, 1, :] = 3
    store.add_revision(visit, labels, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="Dr A")
    measured = {m.name: m for m in store.measures.of_patient("P")}
    assert measured["ET"].volume_ml == pytest.approx(4 * 0.02, abs=1e-9)
    assert (measured["ET"].timepoint, measured["ET"].revision) == ("day90", 1)


def test_words_are_found_until_their_record_is_deleted(store: Store) -> None:
    note = Note("P", "Leptomeningeal spread", NoteKind.REPORT, "MRI", "day90")
    store.notes.add(note)
    (hit,) = store.search.find("leptomen")
    assert (hit.kind, hit.record, hit.patient, hit.timepoint) == ("report", note.id, "P", "day90")
    assert store.search.find("leptomen", "Q") == ()
    assert store.search.find(" ") == ()
    store.notes.delete(note.id)
    assert store.search.find("leptomen") == ()


def test_questions_are_answered_saved_and_refused(store: Store) -> None:
    assert store.cohort.ask("idh mutant").hits == ()
    assert "ET" in store.cohort.labels()
    store.cohort.save("mutants", "idh mutant", by="Dr A")
    assert [(question.name, question.text) for question in store.cohort.saved()] == [("mutants", "idh mutant")]
    for refused in (lambda: store.cohort.ask("idh"), lambda: store.cohort.save("x", "idh")):
        with pytest.raises(QuestionError):
            refused()
    store.cohort.forget("mutants")
    assert store.cohort.saved() == ()
    with pytest.raises(KeyError):
        store.cohort.forget("mutants")


def test_no_backup_is_due_when_none_is_wanted(store: Store) -> None:
    assert not store.backup_due(0)


def test_a_saved_question_is_renamed_unless_the_name_is_taken(store: Store) -> None:
    store.cohort.save("mutants", "idh mutant", by="Dr A")
    store.cohort.save("resected", "had surgery", by="Dr A")
    store.cohort.rename("mutants", "IDH mutants", by="Dr B")
    assert [question.name for question in store.cohort.saved()] == ["IDH mutants", "resected"]
    for name in ("resected", " "):
        with pytest.raises(UserError):
            store.cohort.rename("IDH mutants", name)
    with pytest.raises(KeyError):
        store.cohort.rename("mutants", "other")


def test_the_changes_of_a_patient_are_told_from_those_of_others(store: Store) -> None:
    store.add_patient("Q")
    note = Note("P", "first")
    store.notes.add(note, Note("Q", "of another"), by="Dr A")
    store.notes.change(dataclasses.replace(note, text="second"), by="Dr B")
    store.notes.delete(note.id, by="Dr B")
    done = [(e.action, e.actor) for e in store.audit.of_patient("P") if e.kind == "notes"]
    assert done == [(AuditAction.DELETE, "Dr B"), (AuditAction.CHANGE, "Dr B"), (AuditAction.ADD, "Dr A")]
    assert store.audit.of_patient("nobody") == ()
