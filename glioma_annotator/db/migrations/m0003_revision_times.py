"""How long the reader was at work on a mask."""

SQL = """
CREATE TABLE revision_times ( -- active minutes on a mask since the revision before, by the tool in hand
    revision_id INTEGER NOT NULL REFERENCES revisions (id) ON DELETE RESTRICT,
    tool TEXT NOT NULL CHECK (tool <> ''),
    minutes REAL NOT NULL CHECK (minutes >= 0),
    PRIMARY KEY (revision_id, tool)
) STRICT;

CREATE TRIGGER revision_times_no_update BEFORE UPDATE ON revision_times
BEGIN SELECT RAISE(ABORT, 'segmentation revisions are immutable'); END;
CREATE TRIGGER revision_times_no_delete BEFORE DELETE ON revision_times
BEGIN SELECT RAISE(ABORT, 'segmentation revisions are immutable'); END;
CREATE TRIGGER revision_times_no_replace BEFORE INSERT ON revision_times
WHEN EXISTS (SELECT 1 FROM revision_times WHERE revision_id = NEW.revision_id AND tool = NEW.tool)
BEGIN SELECT RAISE(ABORT, 'segmentation revisions are immutable'); END;
"""
