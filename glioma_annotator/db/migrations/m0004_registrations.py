"""Registrations that readers accepted, as records; when a note or report was written.

Registrations were kept with what the window last showed; `db.registrations` takes those over once.
"""

SQL = """
CREATE TABLE visit_registrations ( -- where two visits lie in one another, as a reader accepted it
    id INTEGER PRIMARY KEY,
    uid TEXT NOT NULL UNIQUE CHECK (uid <> ''),
    patient_id INTEGER NOT NULL REFERENCES patients (id) ON DELETE RESTRICT,
    timepoint_id INTEGER NOT NULL REFERENCES timepoints (id) ON DELETE RESTRICT, -- the fixed visit
    other TEXT NOT NULL, -- key of the visit that was registered to it
    sequence TEXT NOT NULL, -- of both, that was registered; empty where the headers put them
    method TEXT NOT NULL,
    matrix TEXT NOT NULL, -- JSON, 4 x 4 by rows, RAS mm of the fixed visit to those of the other; as found
    metric REAL NOT NULL, -- that the optimiser reached
    quality REAL NOT NULL, -- shared information, with the nudge
    quality_found REAL NOT NULL, -- as found
    quality_before REAL NOT NULL, -- by the headers
    centre_mm TEXT NOT NULL, -- JSON, what the nudge turns about
    shift_mm TEXT NOT NULL, -- JSON, nudge by hand
    rotation_deg TEXT NOT NULL, -- JSON, nudge by hand
    author TEXT NOT NULL, -- who accepted it
    created_utc TEXT NOT NULL, -- when
    deleted_utc TEXT
) STRICT;
CREATE INDEX visit_registrations_by_patient ON visit_registrations (patient_id);
CREATE INDEX visit_registrations_by_timepoint ON visit_registrations (timepoint_id);

ALTER TABLE notes ADD COLUMN date TEXT; -- of the text; for reports
ALTER TABLE notes ADD COLUMN day INTEGER; -- since the first visit, where the date is unknown

DROP VIEW notes_overview;
CREATE VIEW notes_overview AS -- notes and reports with the keys of patient and visit
SELECT patients.key AS patient, timepoints.key AS visit, notes.kind, notes.date, notes.day, notes.title, notes.text,
    notes.author, notes.created_utc, notes.uid
FROM notes JOIN patients ON patients.id = notes.patient_id
LEFT JOIN timepoints ON timepoints.id = notes.timepoint_id WHERE notes.deleted_utc IS NULL;

CREATE VIEW registrations_overview AS -- accepted registrations with the keys of patient and visits
SELECT patients.key AS patient, timepoints.key AS visit, visit_registrations.other, visit_registrations.sequence,
    visit_registrations.method, visit_registrations.quality, visit_registrations.quality_before,
    visit_registrations.shift_mm, visit_registrations.rotation_deg, visit_registrations.author,
    visit_registrations.created_utc, visit_registrations.uid
FROM visit_registrations JOIN timepoints ON timepoints.id = visit_registrations.timepoint_id
JOIN patients ON patients.id = visit_registrations.patient_id WHERE visit_registrations.deleted_utc IS NULL;
"""
