"""Databases of every released version open; those of the future do not."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from glioma_annotator.db.migrations.runner import APPLICATION_ID, MIGRATIONS
from glioma_annotator.db.workspace import Workspace, open_workspace
from glioma_annotator.errors import UserError

#: SHA-256 of every migration as released. Extend it with a new migration; a line never changes.
RELEASED = (
    "154bdb18af2691ef0cd26d8006ca1d2fe2cbe05efd7e31c49fc9dd514c0cac55",
    "046e7f4e7ace7592798266637bee03dc0d419d109ebeb9436f0a5628449c1c19",
    "eb8af028bf7e3c3bce2be53ba67715b0b06b98b49ac8da3f87208e745216085f",
    "4f90f02bb235e63dc82f5f889f766dea76b466e84a471477352e895c45d5e880",
)


HERE = Path(__file__).parent
ADD_SITES = (
    "ALTER TABLE patients ADD COLUMN site TEXT NOT NULL DEFAULT 'unknown';\nCREATE TABLE sites (name TEXT) STRICT;"
)


def _pragma(workspace: Path, name: str) -> int:
    database = sqlite3.connect(workspace / "glioma.db")
    value = database.execute(f"PRAGMA {name}").fetchone()[0]
    database.close()
    return int(value)


def _schema(workspace: Path) -> list[tuple[str, str]]:
    database = sqlite3.connect(workspace / "glioma.db")
    rows = database.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    database.close()
    return rows


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A closed workspace of the present version with one patient."""
    with open_workspace(tmp_path / "study") as made:
        made.add_patient("P")
    return tmp_path / "study"


def _backups(workspace: Path) -> list[Path]:
    return sorted((workspace / "backups").glob("before-migration-*"))


def test_released_migrations_are_never_edited() -> None:
    assert tuple(hashlib.sha256(sql.encode()).hexdigest() for sql in MIGRATIONS) == RELEASED


def test_a_new_workspace_carries_the_version_and_the_mark_of_the_program(old: Path) -> None:
    assert _pragma(old, "user_version") == len(MIGRATIONS)
    assert _pragma(old, "application_id") == APPLICATION_ID
    assert _backups(old) == []


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
def test_a_database_of_every_released_version_opens_with_its_content(version: int, tmp_path: Path) -> None:
    folder = _released(version, tmp_path / "study")
    with open_workspace(folder) as opened:
        (patient,) = opened.patients()
        first, second = opened.timepoints(patient.id or 0)
        assert patient.key == "PAT-0042"
        assert [first.title, second.title] == ["2020-01-31 pre-operative", "2020-10-19 follow-up"]
        assert [r.number for r in opened.revisions(first.id or 0)] == [1, 2]
        assert [r.status.value for r in opened.revisions(first.id or 0)] == ["draft", "approved"]
        assert opened.view_state(patient.id or 0) == {"layout": "planes"}
        assert {measure.timepoint for measure in opened.measures.of_patient("PAT-0042")} == {"2020-01-31"}
        assert opened.verify() == []
    fresh = tmp_path / "fresh"
    open_workspace(fresh).close()
    assert _schema(folder) == _schema(fresh)


def _released(version: int, folder: Path) -> Path:
    """A workspace's folder with a database as that version of the schema left it: SQL, or a file where SQL cannot say
    it (the full-text index)."""
    folder.mkdir()
    script = HERE / f"v{version:04d}.sql"
    if script.exists():
        database = sqlite3.connect(folder / "glioma.db")
        database.executescript(script.read_text())
        database.close()
    else:
        (folder / "glioma.db").write_bytes(gzip.decompress(script.with_suffix(".db.gz").read_bytes()))
    return folder


def test_the_clinical_records_of_version_2_are_all_there(tmp_path: Path) -> None:
    with open_workspace(_released(2, tmp_path / "study")) as opened:
        (finding,) = opened.findings.of_patient("PAT-0042")
        (sample,) = opened.histology.of_patient("PAT-0042")
        assert (finding.text, finding.samples, sample.sites_mm) == ("small ring", (sample.id,), ((1.0, 2.0, 3.0),))
        assert [note.text for note in opened.notes.deleted("PAT-0042")] == ["gone"]
        assert [hit.record for hit in opened.search.find("ring")] == [finding.id]
        assert [question.name for question in opened.cohort.saved()] == ["growing"]


#: A registration as versions 1 to 3 kept it with the view's state.
EARLIER = {
    "later": "2020-10-19", "earlier": "2020-01-31", "sequence": "T1Gd",
    "matrix": [[1, 0, 0, 2.5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], "method": "rigid", "metric": 0.8,
    "quality": [0.3, 0.1, 0.35], "centre_mm": [1, 2, 3], "shift_mm": [0.5, 0, 0], "rotation_deg": [0, 0, 2],
    "accepted_by": "Dr Old", "accepted": "2020-10-20",
}  # fmt: skip


def test_registrations_kept_with_the_view_become_audited_records_and_none_is_lost(tmp_path: Path) -> None:
    unreadable = [{"later": "2020-10-19"}, 3, EARLIER | {"earlier": "1999-01-01"}]
    state = {"layout": "planes", "registrations": [EARLIER, *unreadable]}
    ids = []
    for name in ("one", "copy"):
        folder = _released(3, tmp_path / name)
        database = sqlite3.connect(folder / "glioma.db")
        database.execute("UPDATE view_states SET state = ?", [json.dumps(state)])
        database.commit()
        database.close()
        for _ in range(2):  # nothing is taken over twice
            with open_workspace(folder) as opened:
                (kept,) = opened.registrations.of_patient("PAT-0042")
                assert opened.view_state(1) == {"layout": "planes", "registrations": unreadable}
                assert [entry.actor for entry in opened.audit.of(kept.id)] == ["Dr Old"]
                assert opened.verify() == []
        assert (kept.timepoint, kept.other, kept.matrix[3], kept.quality) == ("2020-10-19", "2020-01-31", 2.5, 0.35)
        assert (kept.quality_found, kept.quality_before, kept.shift_mm) == (0.3, 0.1, (0.5, 0.0, 0.0))
        assert (kept.author, kept.created_utc.isoformat()) == ("Dr Old", "2020-10-20T00:00:00+00:00")
        ids.append(kept.id)
    assert ids[0] == ids[1]


def test_the_notes_and_registrations_of_version_4_are_all_there(tmp_path: Path) -> None:
    with open_workspace(_released(4, tmp_path / "study")) as opened:
        (note,) = opened.notes.of_patient("PAT-0042")
        assert (note.kind.value, note.date, note.author) == ("radiology report", dt.date(2020, 10, 19), "Dr Old")
        (kept,) = opened.registrations.of_patient("PAT-0042")
        assert (kept.timepoint, kept.other, kept.method) == ("2020-10-19", "2020-01-31", "rigid")


def test_copies_of_an_older_workspace_agree_on_who_is_who(tmp_path: Path) -> None:
    names = []
    for name in ("one", "two"):
        with open_workspace(_released(1, tmp_path / name)) as opened:
            database = opened._connections.bare()
            query = "SELECT uid FROM patients UNION ALL SELECT uid FROM timepoints"
            names.append([row[0] for row in database.execute(query)])
    assert names[0] == names[1]
    assert len(set(names[0])) == 3


def test_an_older_database_is_backed_up_and_then_migrated(old: Path) -> None:
    with open_workspace(old, migrations=(*MIGRATIONS, ADD_SITES)) as opened:
        assert [p.key for p in opened.patients()] == ["P"]
    assert _pragma(old, "user_version") == len(MIGRATIONS) + 1
    (backup,) = _backups(old)
    assert backup.name.startswith(f"before-migration-v{len(MIGRATIONS)}-")
    shutil.copy(backup, old / "glioma.db")
    with open_workspace(old) as restored:
        assert [p.key for p in restored.patients()] == ["P"]


def test_a_migration_that_fails_changes_nothing(old: Path) -> None:
    before = _schema(old)
    with pytest.raises(sqlite3.OperationalError):
        open_workspace(old, migrations=(*MIGRATIONS, ADD_SITES + "\nSELECT * FROM nowhere;"))
    assert _schema(old) == before
    assert _pragma(old, "user_version") == len(MIGRATIONS)
    with open_workspace(old) as opened:
        assert [p.key for p in opened.patients()] == ["P"]


def test_a_migration_that_would_break_references_changes_nothing(old: Path) -> None:
    broken = "INSERT INTO view_states VALUES (77, '{}', '');"
    with pytest.raises(AssertionError, match="broken references"):
        open_workspace(old, migrations=(*MIGRATIONS, broken))
    with open_workspace(old) as opened:
        assert opened.view_state(77) == {}


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_database_is_refused_and_left_alone(old: Path, read_only: bool) -> None:
    open_workspace(old, migrations=(*MIGRATIONS, ADD_SITES)).close()
    content = (old / "glioma.db").read_bytes()
    with pytest.raises(UserError, match=r"newer version of the program.*Install the newer version"):
        open_workspace(old, read_only=read_only)
    assert (old / "glioma.db").read_bytes() == content


def test_an_older_database_is_not_migrated_when_opened_for_reading(old: Path) -> None:
    with pytest.raises(UserError, match=r"older version.*Open it once for writing"):
        open_workspace(old, read_only=True, migrations=(*MIGRATIONS, ADD_SITES))
    assert _pragma(old, "user_version") == len(MIGRATIONS)


def test_a_refused_workspace_is_not_left_locked(old: Path) -> None:
    open_workspace(old, migrations=(*MIGRATIONS, ADD_SITES)).close()
    for _ in range(2):
        with pytest.raises(UserError, match="newer version"):
            open_workspace(old)
    reopened: Workspace = open_workspace(old, migrations=(*MIGRATIONS, ADD_SITES))
    reopened.close()
