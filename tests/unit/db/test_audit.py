"""Nothing is changed past the audit table without being noticed."""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
from collections.abc import Callable
from dataclasses import replace

import pytest

from glioma_annotator.db.workspace import Workspace, open_workspace
from glioma_annotator.domain.audit import AuditAction
from glioma_annotator.domain.finding import Finding
from glioma_annotator.domain.histology import HistologySample, Marker, MarkerResult, MarkerStatus, SampleKind
from glioma_annotator.domain.note import Note
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.patient_identity import PatientIdentity
from glioma_annotator.domain.plain import to_plain
from glioma_annotator.domain.revision import RevisionStatus, SegmentationRevision
from glioma_annotator.domain.volume import LabelArray

KEY = "PAT-0042"


@pytest.fixture
def filled(workspace: Workspace, visit: Timepoint) -> Workspace:
    workspace.findings.add(Finding(KEY, visit.key, "satellite", (1.0, 2.0, 3.0), text="small"), by="Dr A")
    workspace.histology.add(
        HistologySample(KEY, SampleKind.BIOPSY, markers=(MarkerResult(Marker.MGMT, MarkerStatus.RESULT, True),))
    )
    workspace.notes.add(Note(KEY, "one"), Note(KEY, "two"))
    workspace.notes.delete(workspace.notes.of_patient(KEY)[1].id)
    workspace.identities.set(KEY, PatientIdentity("Jane Doe", dt.date(1960, 1, 2)))
    return workspace


def tampered(workspace: Workspace, *statements: str) -> list[str]:
    """What is noticed after another program ran the statements."""
    other = sqlite3.connect(workspace.path / "glioma.db")
    for (name,) in other.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        other.execute(f"DROP TRIGGER {name}")  # somebody determined
    for statement in statements:
        other.execute(statement)
    other.commit()
    other.close()
    return workspace.verify()


def test_an_untouched_workspace_passes(filled: Workspace) -> None:
    assert filled.verify() == []
    with open_workspace(filled.path, read_only=True) as reader:
        assert reader.verify() == []


def test_who_did_what_when_is_recorded(
    filled: Workspace, visit: Timepoint, labels: LabelArray, save: Callable[..., SegmentationRevision]
) -> None:
    filled.set_status(save(visit, labels).id or 0, RevisionStatus.APPROVED, by="Dr B")
    entries = filled.audit.newest()
    kinds = [entry.kind for entry in reversed(entries)]
    assert kinds == [
        "patients", "timepoints", "findings", "histology_samples", "notes", "notes", "notes", "patient_identities",
        "revisions", "revision_status",
    ]  # fmt: skip
    assert entries[0].actor == "Dr B"
    assert entries[0].before == {"status": "draft"}
    assert entries[0].after == {"status": "approved"}
    finding = filled.audit.of(filled.findings.of_patient(KEY)[0].id)[0]
    assert (finding.actor, finding.after and finding.after["text"]) == ("Dr A", "small")
    assert abs(finding.at_utc - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)


def test_who_changes_a_record_without_a_name_is_not_taken_for_its_author(
    workspace: Workspace, visit: Timepoint
) -> None:
    workspace.findings.add(Finding(KEY, visit.key, "satellite", (1.0, 2.0, 3.0), author="Dr Old"))
    workspace.close()
    with open_workspace(workspace.path, actor="computer user") as opened:
        finding = opened.findings.of_patient(KEY)[0]
        opened.findings.change(replace(finding, text="larger"))
        opened.findings.change(replace(finding, text="smaller", author="Dr New"))
        opened.findings.delete(finding.id)
        opened.findings.restore(finding.id)
        actors = [entry.actor for entry in opened.audit.of(finding.id)]
    assert actors == ["Dr Old", "computer user", "Dr New", "computer user", "computer user"]


def test_the_actor_is_the_one_who_opened_the_workspace_when_nobody_is_named(filled: Workspace) -> None:
    filled.close()
    with open_workspace(filled.path, actor="Dr C") as opened:
        opened.add_patient("Q")
        assert opened.audit.newest(1)[0].actor == "Dr C"


@pytest.mark.parametrize(
    ("statement", "sign"),
    [
        ("UPDATE audit SET actor = 'somebody else' WHERE id = 3", "changed at row 3"),
        ("UPDATE audit SET after = replace(after, 'small', 'large') WHERE id = 3", "changed at row 3"),
        ("DELETE FROM audit WHERE id = 4", "changed at row 5"),
        ("UPDATE findings SET text = 'large'", "is not what the audit table says"),
        ("UPDATE findings SET deleted_utc = 'now'", "is not what the audit table says"),
        ("UPDATE notes SET deleted_utc = NULL", "is not what the audit table says"),
        ("UPDATE histology_markers SET altered = 0", "In histology samples"),
        ("DELETE FROM notes WHERE text = 'one'", "was removed from the database"),
        ("UPDATE patient_identities SET name = 'John Doe'", "In patient identities"),
        (
            "INSERT INTO notes SELECT 99, 'u', patient_id, NULL, kind, title, text, author, created_utc, NULL, date,"
            " day FROM notes LIMIT 1",
            "added without an entry",
        ),
    ],
)
def test_changes_past_the_program_are_noticed(filled: Workspace, statement: str, sign: str) -> None:
    assert any(sign in sentence for sentence in tampered(filled, statement))


def test_a_record_older_than_one_of_its_fields_passes_until_it_is_given_one_past_the_program(filled: Workspace) -> None:
    note = to_plain(filled.notes.of_patient(KEY)[0]) | {"id": "old"}
    audited = {name: value for name, value in note.items() if name not in ("date", "day")}
    with filled._connections.writing("test") as database:
        filled.audit.write(database, AuditAction.ADD, "notes", "old", None, audited)
        database.execute(
            "INSERT INTO notes SELECT 99, 'old', patient_id, NULL, kind, title, text, author, created_utc, NULL, date,"
            " day FROM notes WHERE text = 'one'"
        )
    assert filled.verify() == []
    found = tampered(filled, "UPDATE notes SET date = '2020-01-01' WHERE uid = 'old'")
    assert found == ["In notes, old is not what the audit table says."]


def test_rows_cut_off_the_end_are_noticed_by_the_backups(filled: Workspace) -> None:
    filled.back_up(7)
    last = filled.audit.newest(1)[0].number
    signs = tampered(filled, f"DELETE FROM audit WHERE id = {last}", "DELETE FROM patient_identities")
    assert len(signs) == 1
    assert f"lacks row {last} of the backup daily-" in signs[0]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = ''",
        "DELETE FROM audit",
        "REPLACE INTO audit SELECT * FROM audit",
        "INSERT INTO audit SELECT 99, at_utc, actor, action, kind, record, before, after, sha256 FROM audit LIMIT 1",
        "UPDATE patient_identities SET name = ''",
        "DELETE FROM patient_identities",
    ],
)
def test_statements_that_change_the_audit_are_refused(filled: Workspace, statement: str) -> None:
    other = sqlite3.connect(filled.path / "glioma.db")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other.execute(statement)
    other.close()


def test_no_name_reaches_the_audit_or_the_search(filled: Workspace) -> None:
    other = sqlite3.connect(filled.path / "glioma.db")
    for table in ("audit", "search_texts", "visits_overview", "patients"):
        assert "Doe" not in str(other.execute(f"SELECT * FROM {table}").fetchall())
    other.close()


@pytest.mark.parametrize(
    ("statement", "sign"),
    [
        ("UPDATE timepoints SET date = '2019-01-01'", "The visit .* is not what the audit table says"),
        ("UPDATE patients SET key = 'PAT-0001'", "The patient .* is not what the audit table says"),
        ("UPDATE revisions SET author = 'somebody else'", "The mask .* is not what the audit table says"),
        ("UPDATE sequences SET file_sha256 = 'another'", "The visit .* is not what the audit table says"),
        ("DELETE FROM sequences WHERE name = 'FLAIR'", "The visit .* is not what the audit table says"),
        ("UPDATE revision_volumes SET volume_ml = volume_ml + 1", "The mask .* is not what the audit table says"),
        (
            "INSERT INTO revision_status (revision_id, status, changed_utc) VALUES (1, 'approved', '2020-01-31')",
            "The approval of the mask .* is not what the audit table says",
        ),
        ("UPDATE revision_status SET status = 'draft'", "The approval of the mask .* is not what the audit table says"),
        ("DELETE FROM revision_status", "The approval of the mask .* is not what the audit table says"),
    ],
)
def test_a_visit_patient_or_mask_changed_past_the_program_is_noticed(
    filled: Workspace,
    visit: Timepoint,
    labels: LabelArray,
    save: Callable[..., SegmentationRevision],
    statement: str,
    sign: str,
) -> None:
    revision = save(visit, labels)
    filled.set_status(revision.id or 0, RevisionStatus.APPROVED)
    assert filled.verify() == []
    found = tampered(filled, statement)
    assert any(re.search(sign, sentence) for sentence in found)
