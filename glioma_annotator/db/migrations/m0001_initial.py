"""Patients, visits, sequences, segmentation revisions and what the window last showed.

Times are ISO 8601 in UTC. Paths are relative to the workspace folder, in POSIX form.
"""

SQL = """
CREATE TABLE patients (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE CHECK (key <> ''),
    folder TEXT NOT NULL COLLATE NOCASE UNIQUE,
    created_utc TEXT NOT NULL
) STRICT;

CREATE TABLE timepoints (
    id INTEGER PRIMARY KEY,
    patient_id INTEGER NOT NULL REFERENCES patients (id) ON DELETE RESTRICT,
    key TEXT NOT NULL CHECK (key <> ''),
    folder TEXT NOT NULL COLLATE NOCASE,
    course_order INTEGER NOT NULL, -- as given at import; decides where neither dates nor days do
    date TEXT,
    day INTEGER,
    phase TEXT NOT NULL,
    reference TEXT NOT NULL,
    source_axes TEXT NOT NULL,
    shape TEXT NOT NULL, -- JSON, voxels along (i, j, k)
    affine TEXT NOT NULL, -- JSON, 4 x 4 by rows, index to RAS millimetres
    created_utc TEXT NOT NULL,
    UNIQUE (patient_id, key),
    UNIQUE (patient_id, folder)
) STRICT;

CREATE TABLE sequences (
    id INTEGER PRIMARY KEY,
    timepoint_id INTEGER NOT NULL REFERENCES timepoints (id) ON DELETE RESTRICT,
    name TEXT NOT NULL CHECK (name <> ''),
    role TEXT NOT NULL,
    path TEXT NOT NULL COLLATE NOCASE UNIQUE,
    file_sha256 TEXT NOT NULL,
    source_name TEXT NOT NULL,
    resampled INTEGER NOT NULL CHECK (resampled IN (0, 1)),
    window_low REAL,
    window_high REAL,
    UNIQUE (timepoint_id, name),
    CHECK ((window_low IS NULL) = (window_high IS NULL))
) STRICT;

CREATE TABLE revisions (
    id INTEGER PRIMARY KEY,
    timepoint_id INTEGER NOT NULL REFERENCES timepoints (id) ON DELETE RESTRICT,
    number INTEGER NOT NULL CHECK (number >= 1),
    parent_id INTEGER REFERENCES revisions (id) ON DELETE RESTRICT,
    origin TEXT NOT NULL,
    author TEXT NOT NULL,
    created_utc TEXT NOT NULL,
    path TEXT NOT NULL COLLATE NOCASE UNIQUE,
    file_sha256 TEXT NOT NULL,
    content_sha256 TEXT NOT NULL,
    scheme TEXT NOT NULL,
    model TEXT NOT NULL,
    note TEXT NOT NULL,
    UNIQUE (timepoint_id, number)
) STRICT;
CREATE INDEX revisions_by_parent ON revisions (parent_id);

CREATE TABLE revision_volumes (
    revision_id INTEGER NOT NULL REFERENCES revisions (id) ON DELETE RESTRICT,
    label TEXT NOT NULL,
    volume_ml REAL NOT NULL CHECK (volume_ml >= 0),
    PRIMARY KEY (revision_id, label)
) STRICT;

CREATE TABLE revision_status ( -- the newest row of a revision is its status
    id INTEGER PRIMARY KEY,
    revision_id INTEGER NOT NULL REFERENCES revisions (id) ON DELETE RESTRICT,
    status TEXT NOT NULL,
    changed_utc TEXT NOT NULL
) STRICT;
CREATE INDEX revision_status_by_revision ON revision_status (revision_id, id);

CREATE TABLE view_states (
    patient_id INTEGER PRIMARY KEY REFERENCES patients (id) ON DELETE RESTRICT,
    state TEXT NOT NULL, -- JSON object
    changed_utc TEXT NOT NULL
) STRICT;

-- Append-only. The triggers before INSERT stop INSERT OR REPLACE, which deletes without asking the others.
CREATE TRIGGER revisions_no_update BEFORE UPDATE ON revisions
BEGIN SELECT RAISE(ABORT, 'segmentation revisions are immutable'); END;
CREATE TRIGGER revisions_no_delete BEFORE DELETE ON revisions
BEGIN SELECT RAISE(ABORT, 'segmentation revisions are immutable'); END;
CREATE TRIGGER revisions_no_replace BEFORE INSERT ON revisions
WHEN EXISTS (
    SELECT 1 FROM revisions WHERE id = NEW.id OR path = NEW.path
    OR (timepoint_id = NEW.timepoint_id AND number = NEW.number)
)
BEGIN SELECT RAISE(ABORT, 'segmentation revisions are immutable'); END;

CREATE TRIGGER revision_volumes_no_update BEFORE UPDATE ON revision_volumes
BEGIN SELECT RAISE(ABORT, 'segmentation revisions are immutable'); END;
CREATE TRIGGER revision_volumes_no_delete BEFORE DELETE ON revision_volumes
BEGIN SELECT RAISE(ABORT, 'segmentation revisions are immutable'); END;
CREATE TRIGGER revision_volumes_no_replace BEFORE INSERT ON revision_volumes
WHEN EXISTS (SELECT 1 FROM revision_volumes WHERE revision_id = NEW.revision_id AND label = NEW.label)
BEGIN SELECT RAISE(ABORT, 'segmentation revisions are immutable'); END;

CREATE TRIGGER revision_status_no_update BEFORE UPDATE ON revision_status
BEGIN SELECT RAISE(ABORT, 'status changes are append-only'); END;
CREATE TRIGGER revision_status_no_delete BEFORE DELETE ON revision_status
BEGIN SELECT RAISE(ABORT, 'status changes are append-only'); END;
CREATE TRIGGER revision_status_no_replace BEFORE INSERT ON revision_status
WHEN EXISTS (SELECT 1 FROM revision_status WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'status changes are append-only'); END;
"""
