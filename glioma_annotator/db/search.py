"""Full-text search over findings, notes, reports, clinical events and histology samples."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from glioma_annotator.db.connection import Connections, Row, fetch
from glioma_annotator.db.migrations.m0002_findings import SEARCHED
from glioma_annotator.domain.cohort import SearchHit

#: In the order that tells a row of the search table to which of them it belongs.
TABLES = tuple(SEARCHED)

_QUOTES = re.compile("[“”„«»]")
_SHARP_S, _DOUBLE_S = re.compile("[ßẞ]"), re.compile("ss", re.IGNORECASE)

#: Records of a kind by their numbers; `%s` stands for question marks.
_RECORDS = {
    "findings": """
        SELECT r.id, r.uid, 'finding' AS kind, patients.key AS patient, timepoints.key AS visit,
            replace(replace(r.kind, '_', ' '), '-', ' ') AS title,
            trim(r.label || ' ' || r.side || ' ' || r.location || ' ' || r.text) AS text, r.x_mm, r.y_mm, r.z_mm
        FROM findings AS r""",
    "notes": """
        SELECT r.id, r.uid, r.kind, patients.key AS patient, timepoints.key AS visit, r.title, r.text,
            NULL AS x_mm, NULL AS y_mm, NULL AS z_mm FROM notes AS r""",
    "clinical_events": """
        SELECT r.id, r.uid, 'event' AS kind, patients.key AS patient, timepoints.key AS visit, r.kind AS title,
            trim(r.drug || ' ' || r.text) AS text, NULL AS x_mm, NULL AS y_mm, NULL AS z_mm
        FROM clinical_events AS r""",
    "histology_samples": """
        SELECT r.id, r.uid, 'sample' AS kind, patients.key AS patient, timepoints.key AS visit,
            coalesce(r.diagnosis, r.kind) AS title, trim(r.location || ' ' || r.microscopy) AS text,
            s.x_mm, s.y_mm, s.z_mm
        FROM histology_samples AS r LEFT JOIN histology_sites AS s ON s.sample_id = r.id AND s.position = (
            SELECT min(position) FROM histology_sites WHERE sample_id = r.id
        )""",
}


def match_words(words: str, columns: str = "terms text", visits: Sequence[int] = ()) -> str:
    """An FTS5 expression that finds `words` next to each other; a `*` at the end stands for any ending.

    Given the numbers of `visits`, in their records alone: the index then skips what lies between.
    """
    found = f"{{{columns}}} : {_phrase(_words(words), unfinished=words.rstrip().endswith('*'))}"
    among = " OR ".join(f"t{number}" for number in visits)
    return f"({found}) AND ({{scope}} : ({among}))" if among else found


def match_all(query: str) -> str:
    """An FTS5 expression for a search box: every word must occur, the last may be unfinished; "..." is a phrase."""
    query = _QUOTES.sub('"', query)
    found = [_words(quoted or loose) for quoted, loose in re.findall(r'"([^"]*)"?|([^\s"]+)', query)]
    phrases = [words for words in found if words]
    unfinished = len(phrases) - 1 if not query.rstrip().endswith('"') else -1
    every = " AND ".join(_phrase(words, unfinished=at == unfinished) for at, words in enumerate(phrases))
    return f"{{terms text}} : ({every})" if phrases else ""


def _phrase(words: Sequence[str], *, unfinished: bool) -> str:
    """Words next to each other, the last perhaps unfinished; with ß as with ss, which the index tells apart."""
    plain = " ".join(words)
    spellings = dict.fromkeys((plain, _SHARP_S.sub("ss", plain), _DOUBLE_S.sub("ß", plain)))
    ending = "*" if unfinished and plain else ""
    alternatives = " OR ".join(f'"{spelling}"{ending}' for spelling in spellings)
    return f"({alternatives})"


def _words(text: str) -> list[str]:
    """The words of a text; accents may be letters of their own in it, as macOS writes them."""
    return re.findall(r"\w+", unicodedata.normalize("NFC", text))


class SearchRepository:
    """Fulfils `workflow.record_ports.Search`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def find(self, query: str, patient: str = "", limit: int = 100) -> tuple[SearchHit, ...]:
        """Records that hold every word of the query, newest of each kind first; only one patient's when given its key.

        The last word may be unfinished; words in quotation marks stand next to each other. Case and accents do not
        matter. Nothing for a query without words.
        """
        expression = match_all(query)
        if not expression:
            return ()
        with self._connections.reading("The workspace could not be searched") as database:
            if patient:
                known = database.execute("SELECT id FROM patients WHERE key = ?", [patient]).fetchone()
                if known is None:
                    return ()
                expression = f'{{scope}} : "p{known[0]}" AND {expression}'
            found = database.execute(
                "SELECT rowid FROM search WHERE search MATCH ? ORDER BY rowid DESC LIMIT ?", [expression, limit]
            ).fetchall()
            hits: dict[int, SearchHit] = {}
            for number, table in enumerate(TABLES):
                wanted = [rowid // 4 for (rowid,) in found if rowid % 4 == number]
                for row in fetch(database, _select(table, len(wanted)), wanted) if wanted else ():
                    hits[4 * row["id"] + number] = _hit(row)
        return tuple(hits[rowid] for (rowid,) in found)


def _select(table: str, count: int) -> str:
    return f"""{_RECORDS[table]} JOIN patients ON patients.id = r.patient_id
        LEFT JOIN timepoints ON timepoints.id = r.timepoint_id WHERE r.id IN ({", ".join("?" * count)})"""


def _hit(row: Row) -> SearchHit:
    return SearchHit(
        kind=row["kind"],
        record=row["uid"],
        patient=row["patient"],
        timepoint=row["visit"] or "",
        title=row["title"],
        text=row["text"],
        point_mm=None if row["x_mm"] is None else (row["x_mm"], row["y_mm"], row["z_mm"]),
    )
