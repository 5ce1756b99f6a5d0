PRAGMA application_id = 1196181839;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE patients (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE CHECK (key <> ''),
    folder TEXT NOT NULL COLLATE NOCASE UNIQUE,
    created_utc TEXT NOT NULL
) STRICT;
INSERT INTO "patients" VALUES(1,'PAT-0042','PAT-0042','2026-11-20T11:53:56.602620+00:00');
CREATE TABLE revision_status ( -- the newest row of a revision is its status
    id INTEGER PRIMARY KEY,
    revision_id INTEGER NOT NULL REFERENCES revisions (id) ON DELETE RESTRICT,
    status TEXT NOT NULL,
    changed_utc TEXT NOT NULL
) STRICT;
INSERT INTO "revision_status" VALUES(1,1,'draft','2026-11-20T11:53:56.658025+00:00');
INSERT INTO "revision_status" VALUES(2,2,'draft','2026-11-20T11:53:56.669973+00:00');
INSERT INTO "revision_status" VALUES(3,2,'approved','2026-11-20T11:53:56.673837+00:00');
CREATE TABLE revision_volumes (
    revision_id INTEGER NOT NULL REFERENCES revisions (id) ON DELETE RESTRICT,
    label TEXT NOT NULL,
    volume_ml REAL NOT NULL CHECK (volume_ml >= 0),
    PRIMARY KEY (revision_id, label)
) STRICT;
INSERT INTO "revision_volumes" VALUES(1,'NETC',0.0);
INSERT INTO "revision_volumes" VALUES(1,'SNFH',0.0);
INSERT INTO "revision_volumes" VALUES(1,'ET',1.00000000000000019428e-02);
INSERT INTO "revision_volumes" VALUES(1,'RC',0.0);
INSERT INTO "revision_volumes" VALUES(2,'NETC',0.0);
INSERT INTO "revision_volumes" VALUES(2,'SNFH',0.0);
INSERT INTO "revision_volumes" VALUES(2,'ET',1.00000000000000019428e-02);
INSERT INTO "revision_volumes" VALUES(2,'RC',0.0);
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
INSERT INTO "revisions" VALUES(1,1,1,NULL,'automatic','Reader','2026-11-20T11:53:56.657608+00:00','patients/PAT-0042/2020-01-31/segmentations/0001.nii.gz','7e4b99b53e509d4edc7e9c74b337bd425d6a8a4a27bd107777fe3eb0ed47440d','1c5f64684060cfa2b1b33cacdcb7a22f9189367d306a56b2acc43ec2232ed41b','glioma-post-treatment','base@0123456789ab','');
INSERT INTO "revisions" VALUES(2,1,2,1,'semi-automatic','Reader','2026-11-20T11:53:56.669643+00:00','patients/PAT-0042/2020-01-31/segmentations/0002.nii.gz','7e4b99b53e509d4edc7e9c74b337bd425d6a8a4a27bd107777fe3eb0ed47440d','1c5f64684060cfa2b1b33cacdcb7a22f9189367d306a56b2acc43ec2232ed41b','glioma-post-treatment','','corrected');
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
INSERT INTO "sequences" VALUES(1,1,'T1Gd','T1Gd','patients/PAT-0042/2020-01-31/T1Gd.nii.gz','b53e42910da8cd475481d777bbd4f792374406fefe1230240fb7990b455868d3','t1ce.nii.gz',0,1.5,9.0);
INSERT INTO "sequences" VALUES(2,1,'ADC','other','patients/PAT-0042/2020-01-31/ADC.nii.gz','b53e42910da8cd475481d777bbd4f792374406fefe1230240fb7990b455868d3','',1,NULL,NULL);
INSERT INTO "sequences" VALUES(3,2,'T1Gd','T1Gd','patients/PAT-0042/2020-10-19/T1Gd.nii.gz','b53e42910da8cd475481d777bbd4f792374406fefe1230240fb7990b455868d3','t1ce.nii.gz',0,NULL,NULL);
INSERT INTO "sequences" VALUES(4,2,'ADC','other','patients/PAT-0042/2020-10-19/ADC.nii.gz','b53e42910da8cd475481d777bbd4f792374406fefe1230240fb7990b455868d3','',1,NULL,NULL);
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
INSERT INTO "timepoints" VALUES(1,1,'2020-01-31','2020-01-31',0,'2020-01-31',NULL,'pre-operative','T1Gd','LPS','[3, 2, 2]','[[0.9, 0.1, 0.0, -70.0], [-0.1, 1.1, 0.0, -80.0], [0.0, 0.0, 2.5, -40.0], [0.0, 0.0, 0.0, 1.0]]','2026-11-20T11:53:56.625845+00:00');
INSERT INTO "timepoints" VALUES(2,1,'2020-10-19','2020-10-19',0,'2020-10-19',NULL,'follow-up','T1Gd','LPS','[3, 2, 2]','[[0.9, 0.1, 0.0, -70.0], [-0.1, 1.1, 0.0, -80.0], [0.0, 0.0, 2.5, -40.0], [0.0, 0.0, 0.0, 1.0]]','2026-11-20T11:53:56.641727+00:00');
CREATE TABLE view_states (
    patient_id INTEGER PRIMARY KEY REFERENCES patients (id) ON DELETE RESTRICT,
    state TEXT NOT NULL, -- JSON object
    changed_utc TEXT NOT NULL
) STRICT;
INSERT INTO "view_states" VALUES(1,'{"layout": "planes"}','2026-11-20T11:53:56.677582+00:00');
CREATE INDEX revisions_by_parent ON revisions (parent_id);
CREATE INDEX revision_status_by_revision ON revision_status (revision_id, id);
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
COMMIT;
