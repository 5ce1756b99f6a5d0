"""Findings, VASARI sheets, histology, clinical events, responses, notes, measures, identities, audit and search.

Records carry a `uid` that is the same in every workspace which holds them; numbers in `id` belong to this database
alone. A record is deleted by giving it a `deleted_utc` and can be restored; only live ones are found by search and
shown by the views. Coordinates are world RAS millimetres at the record's visit.
"""

from __future__ import annotations

_RECORD = """
    id INTEGER PRIMARY KEY,
    uid TEXT NOT NULL UNIQUE CHECK (uid <> ''),
    patient_id INTEGER NOT NULL REFERENCES patients (id) ON DELETE RESTRICT"""
_OF_VISIT = """
    timepoint_id INTEGER NOT NULL REFERENCES timepoints (id) ON DELETE RESTRICT"""
_OF_SOME_VISIT = """
    timepoint_id INTEGER REFERENCES timepoints (id) ON DELETE RESTRICT"""
_MADE = """
    author TEXT NOT NULL,
    created_utc TEXT NOT NULL,
    deleted_utc TEXT"""

_IDENTITIES = """
-- The same in every workspace; older rows get theirs from when they were made, so that copies of a workspace agree.
ALTER TABLE patients ADD COLUMN uid TEXT NOT NULL DEFAULT '';
UPDATE patients SET uid = created_utc || ' ' || key;
CREATE UNIQUE INDEX patients_by_uid ON patients (uid);
ALTER TABLE timepoints ADD COLUMN uid TEXT NOT NULL DEFAULT '';
UPDATE timepoints SET uid =
    (SELECT uid FROM patients WHERE patients.id = patient_id) || ' ' || created_utc || ' ' || key;
CREATE UNIQUE INDEX timepoints_by_uid ON timepoints (uid);

CREATE TABLE patient_identities ( -- who a patient is; the newest row counts; left out of exports unless asked for
    id INTEGER PRIMARY KEY,
    patient_id INTEGER NOT NULL REFERENCES patients (id) ON DELETE RESTRICT,
    name TEXT NOT NULL,
    birth_date TEXT,
    record_number TEXT NOT NULL, -- of the hospital
    remark TEXT NOT NULL,
    salt TEXT NOT NULL, -- hashed with the row for the audit table, which holds no name
    created_utc TEXT NOT NULL
) STRICT;
CREATE INDEX patient_identities_by_patient ON patient_identities (patient_id, id);
"""

_RECORDS = f"""
CREATE TABLE findings ( -- one sighting at one visit
{_RECORD},
{_OF_VISIT},
    kind TEXT NOT NULL, -- code of a term of the task profile
    label TEXT NOT NULL, -- mask label or region it is a component of
    side TEXT NOT NULL,
    location TEXT NOT NULL,
    text TEXT NOT NULL,
    confidence TEXT NOT NULL,
    status TEXT NOT NULL,
    source TEXT NOT NULL,
    x_mm REAL NOT NULL,
    y_mm REAL NOT NULL,
    z_mm REAL NOT NULL,
    revision INTEGER, -- number of the mask within the visit
    box TEXT, -- JSON, [first voxel, voxel behind the last]
    volume_ml REAL,
    lesion TEXT NOT NULL, -- shared by the sightings of one lesion at several visits: uid of the first
    change TEXT, -- against the visit before
{_MADE}
) STRICT;
CREATE INDEX findings_by_timepoint ON findings (timepoint_id, deleted_utc, kind, status, volume_ml, side, location);
CREATE INDEX findings_by_patient ON findings (patient_id);
CREATE INDEX findings_by_lesion ON findings (lesion);

CREATE TABLE finding_previous ( -- the sightings at the visit before that a finding continues
    finding_id INTEGER NOT NULL REFERENCES findings (id) ON DELETE RESTRICT,
    position INTEGER NOT NULL,
    previous TEXT NOT NULL REFERENCES findings (uid) ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (finding_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX finding_previous_by_previous ON finding_previous (previous);

CREATE TABLE finding_samples ( -- the histology samples taken from a finding
    finding_id INTEGER NOT NULL REFERENCES findings (id) ON DELETE RESTRICT,
    position INTEGER NOT NULL,
    sample TEXT NOT NULL REFERENCES histology_samples (uid) ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (finding_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX finding_samples_by_sample ON finding_samples (sample);

CREATE TABLE vasari_entries ( -- one feature of a visit's VASARI sheet; the newest live row of a feature counts
{_RECORD},
{_OF_VISIT},
    feature TEXT NOT NULL, -- F1 to F30
    value TEXT NOT NULL, -- code of an option, figure or text
    computed INTEGER NOT NULL CHECK (computed IN (0, 1)),
    reason TEXT NOT NULL,
    confirmed INTEGER NOT NULL CHECK (confirmed IN (0, 1)),
    revision INTEGER,
{_MADE}
) STRICT;
CREATE INDEX vasari_entries_by_timepoint ON vasari_entries (timepoint_id, feature);
CREATE INDEX vasari_entries_by_patient ON vasari_entries (patient_id);

CREATE TABLE histology_samples ( -- a biopsy or resection specimen
{_RECORD},
{_OF_SOME_VISIT}, -- the visit whose image its sites refer to
    kind TEXT NOT NULL,
    date TEXT,
    day INTEGER, -- since the first visit
    site TEXT NOT NULL,
    location TEXT NOT NULL,
    microscopy TEXT NOT NULL,
    grade INTEGER, -- histological, before integration
    diagnosis TEXT, -- integrated: tumour type
    diagnosis_grade INTEGER, -- CNS WHO grade
    diagnosis_suffix TEXT,
    diagnosis_text TEXT,
{_MADE}
) STRICT;
CREATE INDEX histology_samples_by_patient ON histology_samples (patient_id);
CREATE INDEX histology_samples_by_timepoint ON histology_samples (timepoint_id);

CREATE TABLE histology_sites ( -- where a sample was taken
    sample_id INTEGER NOT NULL REFERENCES histology_samples (id) ON DELETE RESTRICT,
    position INTEGER NOT NULL,
    x_mm REAL NOT NULL,
    y_mm REAL NOT NULL,
    z_mm REAL NOT NULL,
    PRIMARY KEY (sample_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE histology_markers ( -- what is known of a marker; one that is absent was not tested
    sample_id INTEGER NOT NULL REFERENCES histology_samples (id) ON DELETE RESTRICT,
    position INTEGER NOT NULL,
    marker TEXT NOT NULL,
    status TEXT NOT NULL, -- result, not tested, indeterminate
    altered INTEGER CHECK (altered IN (0, 1)),
    percent REAL,
    detail TEXT NOT NULL,
    PRIMARY KEY (sample_id, position),
    UNIQUE (sample_id, marker)
) STRICT, WITHOUT ROWID;
CREATE INDEX histology_markers_by_marker ON histology_markers (marker, altered);

CREATE TABLE clinical_events (
{_RECORD},
{_OF_SOME_VISIT},
    kind TEXT NOT NULL,
    date TEXT,
    day INTEGER,
    end_date TEXT,
    end_day INTEGER,
    extent TEXT, -- of resection
    dose_gy REAL,
    fractions INTEGER,
    cycle INTEGER,
    dose_mg REAL, -- daily
    drug TEXT NOT NULL,
    score INTEGER,
    state TEXT,
    text TEXT NOT NULL,
{_MADE}
) STRICT;
CREATE INDEX clinical_events_by_patient ON clinical_events (patient_id);
CREATE INDEX clinical_events_by_timepoint ON clinical_events (timepoint_id);
CREATE INDEX clinical_events_by_kind ON clinical_events (kind);

CREATE TABLE lesion_measurements ( -- two perpendicular diameters and the volume of a lesion at a visit
{_RECORD},
{_OF_VISIT},
    lesion TEXT NOT NULL, -- as in findings, or of a component without a finding
    longest_mm REAL NOT NULL,
    perpendicular_mm REAL NOT NULL,
    longest TEXT, -- JSON, the line's two ends
    perpendicular TEXT, -- JSON, the line's two ends
    volume_ml REAL,
    target INTEGER NOT NULL CHECK (target IN (0, 1)),
    adjusted INTEGER NOT NULL CHECK (adjusted IN (0, 1)),
    revision INTEGER,
{_MADE}
) STRICT;
CREATE INDEX lesion_measurements_by_timepoint ON lesion_measurements (timepoint_id);
CREATE INDEX lesion_measurements_by_patient ON lesion_measurements (patient_id);

CREATE TABLE response_assessments (
{_RECORD},
{_OF_VISIT},
    method TEXT NOT NULL,
    proposed TEXT NOT NULL,
    reasons TEXT NOT NULL, -- JSON list of sentences
    inputs TEXT NOT NULL, -- JSON object, every value that entered the rules
    baseline TEXT NOT NULL, -- key of the visit
    nadir TEXT NOT NULL, -- key of the visit
    rule TEXT NOT NULL,
    decided TEXT, -- by the reader
    author TEXT NOT NULL, -- the reader
    decided_utc TEXT,
    comment TEXT NOT NULL,
    created_utc TEXT NOT NULL,
    deleted_utc TEXT
) STRICT;
CREATE INDEX response_assessments_by_timepoint ON response_assessments (timepoint_id);
CREATE INDEX response_assessments_by_patient ON response_assessments (patient_id);

CREATE TABLE notes ( -- notes of the reader and texts of reports
{_RECORD},
{_OF_SOME_VISIT},
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
{_MADE}
) STRICT;
CREATE INDEX notes_by_patient ON notes (patient_id);
CREATE INDEX notes_by_timepoint ON notes (timepoint_id);

CREATE TABLE saved_questions ( -- to the cohort
    id INTEGER PRIMARY KEY,
    uid TEXT NOT NULL UNIQUE CHECK (uid <> ''),
    name TEXT NOT NULL,
    text TEXT NOT NULL,
{_MADE}
) STRICT;
CREATE UNIQUE INDEX saved_questions_by_name ON saved_questions (name) WHERE deleted_utc IS NULL;

-- Volumes of the mask that counts at each visit (the newest approved one, else the newest), and what they are compared
-- with. Derived from revision_volumes; written anew for the whole patient whenever a mask or a visit is added.
CREATE TABLE measures (
    timepoint_id INTEGER NOT NULL REFERENCES timepoints (id) ON DELETE RESTRICT,
    name TEXT NOT NULL, -- label or region
    revision_id INTEGER NOT NULL REFERENCES revisions (id) ON DELETE RESTRICT,
    volume_ml REAL NOT NULL,
    baseline_ml REAL, -- at the baseline visit; empty at it and before it
    nadir_ml REAL, -- smallest from the baseline on and before this visit; empty likewise
    previous_ml REAL, -- at the measured visit before
    PRIMARY KEY (timepoint_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX measures_by_name ON measures (name, volume_ml);
CREATE INDEX measures_by_revision ON measures (revision_id);

CREATE TABLE mask_places ( -- a voxel in the middle of each label and region of a mask
    revision_id INTEGER NOT NULL REFERENCES revisions (id) ON DELETE RESTRICT,
    name TEXT NOT NULL, -- label or region
    x_mm REAL NOT NULL,
    y_mm REAL NOT NULL,
    z_mm REAL NOT NULL,
    PRIMARY KEY (revision_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE label_schemes ( -- what the values of masks mean, by the scheme's name in revisions
    name TEXT PRIMARY KEY,
    definition TEXT NOT NULL -- JSON: labels and regions
) STRICT;
"""

_AUDIT = """
-- Every change of a record. Append-only and without gaps; each row's hash covers the hash of the row before.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at_utc TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('add', 'change', 'delete', 'restore')),
    kind TEXT NOT NULL, -- the record's table
    record TEXT NOT NULL, -- the record's uid
    before TEXT, -- JSON; empty for a new record
    after TEXT, -- JSON; empty for a deleted one
    sha256 TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_record ON audit (record);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit table is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit table is append-only'); END;
CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit
WHEN NEW.id IS NOT (SELECT coalesce(max(id), 0) + 1 FROM audit)
BEGIN SELECT RAISE(ABORT, 'the audit table is append-only'); END;

CREATE TRIGGER patient_identities_no_update BEFORE UPDATE ON patient_identities
BEGIN SELECT RAISE(ABORT, 'identities are append-only'); END;
CREATE TRIGGER patient_identities_no_delete BEFORE DELETE ON patient_identities
BEGIN SELECT RAISE(ABORT, 'identities are append-only'); END;
CREATE TRIGGER patient_identities_no_replace BEFORE INSERT ON patient_identities
WHEN EXISTS (SELECT 1 FROM patient_identities WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'identities are append-only'); END;
"""

#: Tables whose text is searched: columns of terms and of free text. A row of the n-th with id i is the search table's
#: row 4 i + n.
SEARCHED = {
    "findings": (("kind", "label", "side", "location"), ("text",)),
    "notes": (("title",), ("text",)),
    "clinical_events": (("kind", "drug"), ("text",)),
    "histology_samples": (("kind", "location", "diagnosis", "diagnosis_text"), ("microscopy",)),
}


def _search() -> str:
    """Full text of live records. `scope` holds the words p<patient> and t<visit>, so that a search can be narrowed."""

    def values(row: str, table: str, number: int) -> str:
        scope = f"'p' || {row}.patient_id || coalesce(' t' || {row}.timepoint_id, '')"
        parts = (" || ' ' || ".join(f"coalesce({row}.{column}, '')" for column in group) for group in SEARCHED[table])
        return f"4 * {row}.id + {number}, {scope}, {', '.join(parts)}"

    parts = [f"SELECT {values(t, t, n)} FROM {t} WHERE deleted_utc IS NULL" for n, t in enumerate(SEARCHED)]
    union = "\nUNION ALL\n".join(parts)
    statements = [
        f"CREATE VIEW search_texts (id, scope, terms, text) AS\n{union};",
        "CREATE VIRTUAL TABLE search USING fts5 (scope, terms, text, content = 'search_texts', content_rowid = 'id',"
        " tokenize = 'unicode61 remove_diacritics 2');",
    ]
    for number, table in enumerate(SEARCHED):
        add = f"INSERT INTO search (rowid, scope, terms, text) SELECT {values('NEW', table, number)}"
        remove = (
            f"INSERT INTO search (search, rowid, scope, terms, text) SELECT 'delete', {values('OLD', table, number)}"
        )
        statements += [
            f"CREATE TRIGGER {table}_found AFTER INSERT ON {table}\nBEGIN {add} WHERE NEW.deleted_utc IS NULL; END;",
            f"CREATE TRIGGER {table}_found_changed AFTER UPDATE ON {table}\nBEGIN\n"
            f"{remove} WHERE OLD.deleted_utc IS NULL;\n{add} WHERE NEW.deleted_utc IS NULL;\nEND;",
            f"CREATE TRIGGER {table}_lost AFTER DELETE ON {table}\nBEGIN {remove} WHERE OLD.deleted_utc IS NULL; END;",
        ]
    return "\n".join(statements)


_VIEWS = """
CREATE VIEW visits_overview AS -- every visit with its patient's key
SELECT patients.key AS patient, timepoints.key AS visit, timepoints.date, timepoints.day, timepoints.phase,
    (SELECT count(*) FROM revisions WHERE timepoint_id = timepoints.id) AS masks,
    (SELECT count(*) FROM findings WHERE timepoint_id = timepoints.id AND deleted_utc IS NULL) AS findings
FROM timepoints JOIN patients ON patients.id = timepoints.patient_id;

CREATE VIEW volumes_overview AS -- volume in mL of every label and region at every visit, with change
SELECT patients.key AS patient, timepoints.key AS visit, timepoints.date, timepoints.day, measures.name AS label,
    measures.volume_ml, measures.baseline_ml, measures.nadir_ml, measures.previous_ml,
    100 * (measures.volume_ml / nullif(measures.baseline_ml, 0) - 1) AS percent_from_baseline,
    100 * (measures.volume_ml / nullif(measures.nadir_ml, 0) - 1) AS percent_from_nadir
FROM measures JOIN timepoints ON timepoints.id = measures.timepoint_id
JOIN patients ON patients.id = timepoints.patient_id;

CREATE VIEW findings_overview AS -- findings with the keys of patient and visit
SELECT patients.key AS patient, timepoints.key AS visit, timepoints.date, timepoints.day, findings.kind, findings.label,
    findings.side, findings.location, findings.text, findings.confidence, findings.status, findings.change,
    findings.volume_ml, findings.x_mm, findings.y_mm, findings.z_mm, findings.lesion, findings.author,
    findings.created_utc, findings.uid
FROM findings JOIN timepoints ON timepoints.id = findings.timepoint_id
JOIN patients ON patients.id = findings.patient_id WHERE findings.deleted_utc IS NULL;

CREATE VIEW events_overview AS -- clinical events with the patient's key
SELECT patients.key AS patient, clinical_events.kind, clinical_events.date, clinical_events.day,
    clinical_events.end_date, clinical_events.end_day, clinical_events.extent, clinical_events.dose_gy,
    clinical_events.fractions, clinical_events.cycle, clinical_events.dose_mg, clinical_events.drug,
    clinical_events.score, clinical_events.state, clinical_events.text, clinical_events.uid
FROM clinical_events JOIN patients ON patients.id = clinical_events.patient_id
WHERE clinical_events.deleted_utc IS NULL;

CREATE VIEW markers_overview AS -- every marker of every sample
SELECT patients.key AS patient, histology_samples.kind AS sample, histology_samples.date, histology_samples.day,
    histology_samples.diagnosis, histology_samples.diagnosis_grade, histology_markers.marker, histology_markers.status,
    histology_markers.altered, histology_markers.percent, histology_markers.detail, histology_samples.uid
FROM histology_samples JOIN patients ON patients.id = histology_samples.patient_id
LEFT JOIN histology_markers ON histology_markers.sample_id = histology_samples.id
WHERE histology_samples.deleted_utc IS NULL;

CREATE VIEW responses_overview AS -- response assessments with the keys of patient and visit
SELECT patients.key AS patient, timepoints.key AS visit, timepoints.date, timepoints.day, response_assessments.rule,
    response_assessments.method, response_assessments.proposed, response_assessments.decided,
    response_assessments.author AS reader, response_assessments.decided_utc, response_assessments.comment,
    response_assessments.uid
FROM response_assessments JOIN timepoints ON timepoints.id = response_assessments.timepoint_id
JOIN patients ON patients.id = response_assessments.patient_id WHERE response_assessments.deleted_utc IS NULL;

CREATE VIEW notes_overview AS -- notes and reports with the keys of patient and visit
SELECT patients.key AS patient, timepoints.key AS visit, notes.kind, notes.title, notes.text, notes.author,
    notes.created_utc, notes.uid
FROM notes JOIN patients ON patients.id = notes.patient_id
LEFT JOIN timepoints ON timepoints.id = notes.timepoint_id WHERE notes.deleted_utc IS NULL;
"""

SQL = _IDENTITIES + _RECORDS + _AUDIT + _search() + _VIEWS
