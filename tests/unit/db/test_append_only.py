"""Revisions cannot be changed, not even by SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest

from glioma_annotator.db.workspace import Workspace
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import SegmentationRevision
from glioma_annotator.domain.volume import LabelArray


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE revisions SET note = 'changed'",
        "UPDATE revisions SET content_sha256 = ''",
        "DELETE FROM revisions",
        "REPLACE INTO revisions SELECT * FROM revisions",
        "INSERT OR REPLACE INTO revisions SELECT 99, timepoint_id, number, NULL, origin, author, created_utc, 'p', '',"
        " '', scheme, model, 'changed' FROM revisions",
        "UPDATE OR REPLACE revisions SET number = 2",
        "UPDATE revision_volumes SET volume_ml = 0",
        "DELETE FROM revision_volumes",
        "REPLACE INTO revision_volumes SELECT revision_id, label, 0 FROM revision_volumes",
        "UPDATE revision_status SET status = 'approved'",
        "DELETE FROM revision_status",
        "REPLACE INTO revision_status SELECT id, revision_id, 'approved', changed_utc FROM revision_status",
    ],
)
def test_statements_that_change_revisions_are_refused(
    workspace: Workspace,
    visit: Timepoint,
    labels: LabelArray,
    save: Callable[..., SegmentationRevision],
    statement: str,
) -> None:
    revision = save(visit, labels)
    other = sqlite3.connect(workspace.path / "glioma.db")  # another program, with its own settings
    with pytest.raises(sqlite3.IntegrityError, match=r"immutable|append-only"):
        other.execute(statement)
    other.rollback()
    other.close()
    assert workspace.revisions(visit.id or 0) == (revision,)


def test_a_visit_with_revisions_cannot_be_deleted(
    workspace: Workspace, visit: Timepoint, labels: LabelArray, save: Callable[..., SegmentationRevision]
) -> None:
    save(visit, labels)
    other = sqlite3.connect(workspace.path / "glioma.db")
    other.execute("PRAGMA foreign_keys = ON")
    with pytest.raises(sqlite3.IntegrityError):
        other.execute("DELETE FROM timepoints")
    other.close()


def test_only_migrations_make_tables(
    workspace: Workspace, visit: Timepoint, labels: LabelArray, save: Callable[..., SegmentationRevision]
) -> None:
    other = sqlite3.connect(workspace.path / "glioma.db")
    tables = {name for (name,) in other.execute("SELECT name FROM sqlite_master")}
    save(visit, labels)
    workspace.set_view_state(visit.patient_id, {})
    assert {name for (name,) in other.execute("SELECT name FROM sqlite_master")} == tables
    other.close()
