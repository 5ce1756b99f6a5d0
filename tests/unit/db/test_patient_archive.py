"""One patient from workspace to workspace, without duplicates."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glioma_annotator.db.workspace import Workspace, open_workspace
from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind
from glioma_annotator.domain.finding import Finding, FindingStatus
from glioma_annotator.domain.histology import HistologySample, SampleKind
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.note import Note
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.patient_identity import PatientIdentity
from glioma_annotator.domain.revision import RevisionOrigin, RevisionStatus, SegmentationRevision
from glioma_annotator.domain.visit_registration import AcceptedRegistration
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, ignore_progress

KEY = "PAT-0042"
KINDS = ("findings", "vasari", "histology", "events", "measurements", "responses", "notes")


def export(workspace: Workspace, file: Path, *, identities: bool = False) -> Path:
    workspace.export_patient(KEY, file, ignore_progress, CancelToken(), identities=identities)
    return file


def take_in(workspace: Workspace, file: Path, key: str = "") -> tuple[int, int, int, int, int]:
    made = workspace.import_patient(file, ignore_progress, CancelToken(), key=key)
    return made.visits, made.masks, made.records, made.changed, made.known


def with_facts(file: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    """The archive with other facts of the patient, its manifest in step."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    facts, manifest = json.loads(members["patient.json"]), json.loads(members["manifest.json"])
    edit(facts)
    members["patient.json"] = content = json.dumps(facts).encode()
    manifest["members"]["patient.json"] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    members["manifest.json"] = json.dumps(manifest).encode()
    made = file.with_name("edited.zip")
    with zipfile.ZipFile(made, "w") as edited:
        for name, content in members.items():
            edited.writestr(name, content)
    return made


@pytest.fixture
def filled(
    workspace: Workspace, visit: Timepoint, labels: LabelArray, save: Callable[..., SegmentationRevision]
) -> Workspace:
    first = save(visit, labels)
    second = save(visit, labels[::-1].copy(), parent_id=first.id, model="m@1")
    workspace.set_status(second.id or 0, RevisionStatus.APPROVED)
    sample = HistologySample(KEY, SampleKind.BIOPSY, timepoint=visit.key, sites_mm=((1.0, 2.0, 3.0),))
    workspace.histology.add(sample)
    finding = Finding(KEY, visit.key, "satellite", (1.0, 2.0, 3.0), revision=2, samples=(sample.id,))
    workspace.findings.add(finding, Finding(KEY, visit.key, "cyst", (0.0, 0.0, 0.0), previous=(finding.id,)))
    workspace.events.add(ClinicalEvent(KEY, EventKind.SURGERY, dt.date(2020, 2, 1)))
    workspace.notes.add(Note(KEY, "kept"), Note(KEY, "deleted"))
    workspace.notes.delete(workspace.notes.of_patient(KEY)[1].id)
    workspace.identities.set(KEY, PatientIdentity("Jane Doe"))
    return workspace


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Workspace]:
    with open_workspace(tmp_path / "other") as opened:
        yield opened


def test_a_patient_comes_out_as_it_went_in(
    filled: Workspace, other: Workspace, visit: Timepoint, tmp_path: Path
) -> None:
    assert take_in(other, export(filled, tmp_path / "p.zip")) == (1, 2, 5, 0, 0)
    patient = other.patient(KEY)
    assert patient is not None
    (arrived,) = other.timepoints(patient.id or 0)
    assert (arrived.key, arrived.date, arrived.source_axes) == (visit.key, visit.date, visit.source_axes)
    assert arrived.grid.matches(visit.grid)
    for sequence in visit.sequences:
        np.testing.assert_array_equal(
            other.load_image(arrived, sequence.name).data, filled.load_image(visit, sequence.name).data
        )
    ours, theirs = filled.revisions(visit.id or 0), other.revisions(arrived.id or 0)
    for a, b in zip(ours, theirs, strict=True):
        same = ("number", "origin", "author", "created_utc", "content_sha256", "volumes_ml", "status", "model")
        assert [getattr(a, name) for name in same] == [getattr(b, name) for name in same]
        assert (filled.load_labels(a) == other.load_labels(b)).all()
    assert theirs[1].parent_id == theirs[0].id
    for kind in KINDS:
        assert getattr(other, kind).of_patient(KEY) == getattr(filled, kind).of_patient(KEY)
    assert other.measures.of_patient(KEY) == filled.measures.of_patient(KEY)
    assert other.check() == []
    assert other.verify() == []


def test_identities_stay_behind_unless_asked_for(filled: Workspace, other: Workspace, tmp_path: Path) -> None:
    plain = export(filled, tmp_path / "plain.zip")
    with zipfile.ZipFile(plain) as archive:
        assert all(b"Doe" not in archive.read(name) for name in archive.namelist())
    take_in(other, plain)
    assert other.identities.get(KEY) is None
    take_in(other, export(filled, tmp_path / "named.zip", identities=True))
    assert other.identities.get(KEY) == PatientIdentity("Jane Doe")


def test_merging_again_adds_nothing(filled: Workspace, other: Workspace, tmp_path: Path) -> None:
    file = export(filled, tmp_path / "p.zip")
    take_in(other, file)
    files = sorted(p for p in other.path.rglob("*.nii.gz"))
    assert take_in(other, file) == (0, 0, 0, 0, 8)
    assert take_in(filled, file) == (0, 0, 0, 0, 8)
    assert sorted(p for p in other.path.rglob("*.nii.gz")) == files


def test_work_done_elsewhere_comes_home(filled: Workspace, other: Workspace, visit: Timepoint, tmp_path: Path) -> None:
    take_in(other, export(filled, tmp_path / "out.zip"))
    arrived = other.timepoints((other.patient(KEY) or pytest.fail()).id or 0)[0]
    mask = np.full(arrived.grid.shape, 2, np.uint8)
    other.add_revision(arrived, mask, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="Dr B")
    finding = other.findings.of_patient(KEY)[0]
    other.findings.change(dataclasses.replace(finding, status=FindingStatus.RESOLVED), by="Dr B")
    other.findings.add(Finding(KEY, arrived.key, "necrosis", (0.0, 0.0, 0.0), revision=3))
    filled.add_revision(
        visit, np.full(visit.grid.shape, 1, np.uint8), GLIOMA_POST_TREATMENT,
        origin=RevisionOrigin.MANUAL, author="Dr A",
    )  # fmt: skip
    assert take_in(filled, export(other, tmp_path / "back.zip")) == (0, 1, 1, 1, 7)
    revisions = filled.revisions(visit.id or 0)
    assert [(r.number, r.author) for r in revisions[2:]] == [(3, "Dr A"), (4, "Dr B")]
    found = filled.findings.of_patient(KEY)
    assert found[0].status is FindingStatus.RESOLVED
    assert found[2].revision == 4  # the mask's number here
    assert filled.verify() == []


def test_the_older_state_and_what_was_deleted_here_do_not_come_back(
    filled: Workspace, other: Workspace, tmp_path: Path
) -> None:
    file = export(filled, tmp_path / "p.zip")
    first, second = filled.findings.of_patient(KEY)
    newer = dataclasses.replace(first, text="newer")
    filled.findings.change(newer)
    filled.findings.delete(second.id)
    assert take_in(filled, file) == (0, 0, 0, 0, 8)
    assert filled.findings.of_patient(KEY) == (newer,)


def test_the_later_decision_on_a_mask_stays(
    filled: Workspace, other: Workspace, visit: Timepoint, tmp_path: Path
) -> None:
    take_in(other, export(filled, tmp_path / "out.zip"))
    arrived = other.timepoints((other.patient(KEY) or pytest.fail()).id or 0)[0]
    first, second = other.revisions(arrived.id or 0)
    other.set_status(first.id or 0, RevisionStatus.APPROVED, by="Dr B")
    other.set_status(second.id or 0, RevisionStatus.DRAFT, by="Dr B")
    back = export(other, tmp_path / "back.zip")
    assert take_in(filled, back) == (0, 0, 0, 2, 6)
    ours = filled.revisions(visit.id or 0)
    assert [r.status for r in ours] == [RevisionStatus.APPROVED, RevisionStatus.DRAFT]
    assert {m.revision for m in filled.measures.of_patient(KEY)} == {1}
    decided = [entry.actor for entry in filled.audit.of_patient(KEY) if entry.kind == "revision_status"]
    assert decided[:2] == ["Dr B", "Dr B"]
    filled.set_status(ours[0].id or 0, RevisionStatus.DRAFT, by="Dr A")
    assert take_in(filled, back) == (0, 0, 0, 0, 8)
    assert take_in(other, export(filled, tmp_path / "again.zip")) == (0, 0, 0, 1, 7)
    assert other.revisions(arrived.id or 0)[0].status is RevisionStatus.DRAFT
    assert filled.verify() == other.verify() == []


def test_a_mask_nobody_decided_on_takes_no_approval_back(
    workspace: Workspace,
    other: Workspace,
    visit: Timepoint,
    make_visit: Callable[..., Timepoint],
    images: dict[str, Volume],
    labels: LabelArray,
    tmp_path: Path,
) -> None:
    scheme, file = GLIOMA_POST_TREATMENT, RevisionOrigin.IMPORTED
    known = other.add_patient(KEY)
    arrived = other.add_timepoint(make_visit(known.id or 0), images)
    mask = other.add_revision(arrived, labels, scheme, origin=file, author="Dr B")
    other.set_status(mask.id or 0, RevisionStatus.APPROVED)
    workspace.add_revision(visit, labels, scheme, origin=file, author="Dr A")
    assert take_in(other, export(workspace, tmp_path / "p.zip")) == (0, 0, 0, 0, 2)
    assert [r.status for r in other.revisions(arrived.id or 0)] == [RevisionStatus.APPROVED]
    assert take_in(workspace, export(other, tmp_path / "q.zip")) == (0, 0, 0, 1, 1)
    assert [r.status for r in workspace.revisions(visit.id or 0)] == [RevisionStatus.APPROVED]


def test_what_was_corrected_before_the_import_of_an_earlier_state_arrives(
    filled: Workspace, other: Workspace, tmp_path: Path
) -> None:
    earlier = export(filled, tmp_path / "earlier.zip")
    (note,) = filled.notes.of_patient(KEY)
    filled.notes.change(dataclasses.replace(note, text="corrected"), by="Dr A")
    later = export(filled, tmp_path / "later.zip")
    take_in(other, earlier)
    assert take_in(other, later) == (0, 0, 0, 1, 7)
    assert [n.text for n in other.notes.of_patient(KEY)] == ["corrected"]
    assert take_in(other, later)[3] == take_in(other, earlier)[3] == 0
    assert other.audit.of(note.id)[-1].actor == "Dr A"
    other.notes.change(dataclasses.replace(note, text="corrected here"), by="Dr B")
    assert take_in(other, later) == (0, 0, 0, 0, 8)
    assert take_in(filled, export(other, tmp_path / "back.zip")) == (0, 0, 0, 1, 7)
    assert [n.text for n in filled.notes.of_patient(KEY)] == ["corrected here"]
    assert filled.verify() == other.verify() == []


def test_the_later_deletion_or_restoration_stays(filled: Workspace, other: Workspace, tmp_path: Path) -> None:
    (note,) = filled.notes.of_patient(KEY)
    states = [export(filled, tmp_path / "live.zip")]
    filled.notes.delete(note.id, by="Dr A")
    states.append(export(filled, tmp_path / "deleted.zip"))
    filled.notes.restore(note.id)
    filled.notes.change(dataclasses.replace(note, text="back"))
    states.append(export(filled, tmp_path / "back.zip"))
    with zipfile.ZipFile(states[1]) as archive:
        assert b"kept" not in archive.read("patient.json")
    take_in(other, states[0])
    assert take_in(other, states[1]) == (0, 0, 0, 1, 7)
    assert other.notes.of_patient(KEY) == ()
    assert other.audit.of(note.id)[-1].actor == "Dr A"
    assert take_in(other, states[2]) == (0, 0, 0, 1, 7)
    assert take_in(other, states[1])[3] == take_in(other, states[0])[3] == 0
    assert [n.text for n in other.notes.of_patient(KEY)] == ["back"]
    other.notes.delete(note.id)
    assert take_in(other, states[2])[3] == 0
    assert take_in(filled, export(other, tmp_path / "home.zip"))[3] == 1
    assert filled.notes.of_patient(KEY) == other.notes.of_patient(KEY) == ()
    assert filled.verify() == other.verify() == []


def test_a_deletion_is_kept_in_mind_before_the_record_is_known(
    filled: Workspace, other: Workspace, tmp_path: Path
) -> None:
    earlier = export(filled, tmp_path / "earlier.zip")
    filled.notes.delete(filled.notes.of_patient(KEY)[0].id)
    take_in(other, export(filled, tmp_path / "later.zip"))
    assert take_in(other, earlier) == (0, 0, 0, 0, 8)
    assert other.notes.of_patient(KEY) == ()


def test_a_finding_comes_without_the_sample_that_was_deleted(
    filled: Workspace, other: Workspace, tmp_path: Path
) -> None:
    known = export(filled, tmp_path / "known.zip")
    filled.histology.delete(filled.histology.of_patient(KEY)[0].id)
    file = export(filled, tmp_path / "p.zip")
    assert take_in(other, file) == (1, 2, 4, 0, 0)
    assert [f.samples for f in other.findings.of_patient(KEY)] == [(), ()]
    assert take_in(filled, file)[3] == take_in(filled, known)[3] == 0
    assert len(filled.findings.of_patient(KEY)[0].samples) == 1
    assert other.verify() == []


def test_a_change_here_goes_before_the_state_of_a_clock_that_was_ahead(
    filled: Workspace, other: Workspace, tmp_path: Path
) -> None:
    def put_ahead(facts: dict[str, Any]) -> None:
        facts["records"]["notes"][0]["changed_utc"] = "2999-01-01T00:00:00+00:00"
        facts["records"]["notes"][0]["record"]["text"] = "from the future"

    ahead = with_facts(export(filled, tmp_path / "p.zip"), put_ahead)
    assert take_in(filled, ahead)[3] == take_in(other, ahead)[2] - 4 == 1
    (note,) = other.notes.of_patient(KEY)
    other.notes.change(dataclasses.replace(note, text="corrected"))
    assert take_in(other, ahead)[3] == 0
    assert take_in(filled, export(other, tmp_path / "back.zip"))[3] == 1
    assert [n.text for n in filled.notes.of_patient(KEY)] == ["corrected"]


def test_a_restored_mask_is_another_mask(
    filled: Workspace, other: Workspace, visit: Timepoint, labels: LabelArray, tmp_path: Path
) -> None:
    take_in(other, export(filled, tmp_path / "p.zip"))
    filled.add_revision(visit, labels, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="Dr A")
    restored = export(filled, tmp_path / "restored.zip")
    assert take_in(other, restored)[:2] == (0, 1)
    arrived = other.timepoints((other.patient(KEY) or pytest.fail()).id or 0)[0]
    ours, theirs = filled.revisions(visit.id or 0), other.revisions(arrived.id or 0)
    assert [(r.number, r.content_sha256) for r in theirs] == [(r.number, r.content_sha256) for r in ours]
    assert take_in(other, restored) == (0, 0, 0, 0, 9)
    assert other.verify() == other.check() == []


def test_the_same_images_imported_twice_are_one_visit(
    filled: Workspace,
    other: Workspace,
    make_visit: Callable[..., Timepoint],
    images: dict[str, Volume],
    tmp_path: Path,
) -> None:
    patient = other.add_patient(KEY)
    other.add_timepoint(make_visit(patient.id), images)
    assert take_in(other, export(filled, tmp_path / "p.zip"))[:3] == (0, 2, 5)
    assert len(other.timepoints(patient.id or 0)) == 1


def test_another_patient_of_that_key_is_not_mixed_up(filled: Workspace, other: Workspace, tmp_path: Path) -> None:
    other.add_patient(KEY)
    file = export(filled, tmp_path / "p.zip")
    with pytest.raises(UserError, match=r"another patient PAT-0042.*another key"):
        take_in(other, file)
    assert other.timepoints((other.patient(KEY) or pytest.fail()).id or 0) == ()
    assert take_in(other, file, key="PAT-0043")[0] == 1
    assert [p.key for p in other.patients()] == [KEY, "PAT-0043"]
    assert other.findings.of_patient("PAT-0043")[0].patient == "PAT-0043"
    assert other.verify() == []


def test_an_accepted_registration_follows_its_visits_to_their_keys_there(
    filled: Workspace,
    other: Workspace,
    make_visit: Callable[..., Timepoint],
    images: dict[str, Volume],
    visit: Timepoint,
    tmp_path: Path,
) -> None:
    patient_id = visit.patient_id
    moved = {name: Volume(volume.data + 1, volume.grid) for name, volume in images.items()}
    later = filled.add_timepoint(make_visit(patient_id, "later", order=1, date=dt.date(2020, 9, 1)), moved)
    matrix = tuple(float(value) for value in np.eye(4).reshape(-1))
    kept = AcceptedRegistration(KEY, later.key, visit.key, matrix, "rigid", "T1Gd", author="Dr A")
    filled.registrations.add(kept)
    known = other.add_patient(KEY)
    other.add_timepoint(make_visit(known.id or 0, "other name"), images)
    take_in(other, export(filled, tmp_path / "p.zip"))
    assert other.registrations.of_patient(KEY) == (dataclasses.replace(kept, other="other name"),)
    assert other.registrations.between(known.id or 0, "other name", "later") is not None
    assert other.verify() == []


def test_an_archive_of_a_version_without_registrations_is_taken_in(
    filled: Workspace, other: Workspace, tmp_path: Path
) -> None:
    take_in(other, with_facts(export(filled, tmp_path / "p.zip"), lambda facts: facts["records"].pop("registrations")))
    assert [note.text for note in other.notes.of_patient(KEY)] == ["kept"]


def test_an_unknown_patient_is_explained(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no patient"):
        export(workspace, tmp_path / "p.zip")
    assert not (tmp_path / "p.zip").exists()


def test_a_damaged_volume_is_not_exported(filled: Workspace, visit: Timepoint, tmp_path: Path) -> None:
    (filled.path / visit.sequences[0].path).write_bytes(b"damaged")
    with pytest.raises(UserError, match="is missing or is not what was saved"):
        export(filled, tmp_path / "p.zip")
    assert not (tmp_path / "p.zip").exists()


@pytest.mark.parametrize(
    "edit",
    [
        lambda facts: facts.pop("visits"),
        lambda facts: facts["visits"][0].update(shape="[1]"),
        lambda facts: facts["visits"][0]["sequences"][0].update(path="../../x"),
        lambda facts: facts["visits"][0]["sequences"][0].update(file_sha256="0"),
        lambda facts: facts["visits"][0]["revisions"][0].update(origin="guessed"),
        lambda facts: facts["visits"][0]["revisions"][0].update(volumes_ml=[1]),
        lambda facts: facts["records"]["findings"][0]["record"].update(status=["open"]),
        lambda facts: facts["records"]["findings"][0]["record"].update(timepoint="elsewhere"),
        lambda facts: facts["records"]["findings"][0]["record"].update(surprise=1),
        lambda facts: facts["records"]["notes"][0].update(changed_utc="yesterday"),
        lambda facts: facts["records"]["notes"][0].update(changed_utc="0001-01-01T00:00:00+14:00"),
        lambda facts: facts["deleted"]["notes"][0].update(changed_utc="9999-12-31T23:59:59+00:00"),
        lambda facts: facts["schemes"].update(x="{}"),
    ],
)
def test_edited_facts_are_refused_and_leave_nothing(
    filled: Workspace, other: Workspace, tmp_path: Path, edit: Callable[[dict[str, Any]], object]
) -> None:
    edited = with_facts(export(filled, tmp_path / "p.zip"), edit)
    with pytest.raises(UserError, match="refused"):
        take_in(other, edited)
    assert other.patients() == ()
    assert other.check() == []


@pytest.mark.parametrize(
    "edit",
    [
        lambda facts: facts["records"].update(genomes=[{"record": {}}]),
        lambda facts: facts["records"]["notes"][0]["record"].update(urgent=True),
    ],
)
def test_what_a_newer_version_added_is_not_dropped_and_both_versions_are_named(
    filled: Workspace, other: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edit: Callable[[Any], object]
) -> None:
    monkeypatch.setattr("glioma_annotator.db.patient_export.__version__", "9.0")
    newer = with_facts(export(filled, tmp_path / "p.zip"), edit)
    with pytest.raises(UserError, match="refused") as caught:
        take_in(other, newer)
    assert "made by version 9.0 of the program" in caught.value.todo
    assert other.patients() == ()


def test_an_older_mask_that_becomes_the_newest_is_pointed_out(
    filled: Workspace, other: Workspace, visit: Timepoint, labels: LabelArray, tmp_path: Path
) -> None:
    def corrected(workspace: Workspace, voxel: int) -> None:
        mask = labels.copy()
        mask[0, 0, 0] = voxel
        workspace.add_revision(
            workspace.timepoint(1), mask, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="Reader"
        )

    take_in(other, export(filled, tmp_path / "a.zip"))
    corrected(other, 1)
    old = export(other, tmp_path / "old.zip")
    corrected(filled, 2)
    late = export(filled, tmp_path / "late.zip")
    merged = filled.import_patient(old, ignore_progress, CancelToken())
    (warning,) = merged.warnings
    assert "mask 4 came from the archive" in warning
    assert "before mask 3" in warning
    assert other.import_patient(late, ignore_progress, CancelToken()).warnings == []
    assert filled.import_patient(old, ignore_progress, CancelToken()).warnings == []
