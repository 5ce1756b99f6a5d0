"""Questions across patients as SQL over visits (`t`); every value is a parameter, never part of the text.

What is unknown fulfils neither a condition nor its opposite. Of the fields of a record that is so in SQL itself, where
unknown is NULL; a condition on a visit is a search for visits, and so is its opposite (`_opposite`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from glioma_annotator.db.search import TABLES, match_words
from glioma_annotator.domain.clinical_event import EventKind
from glioma_annotator.domain.cohort import (
    FIELDS,
    All,
    AnyOf,
    Compare,
    Condition,
    Direction,
    FieldType,
    Having,
    MarkerIs,
    MarkerPercent,
    MarkerState,
    Not,
    Operator,
    Reference,
    Scope,
    TextFound,
    VasariIs,
    VolumeChange,
    VolumeIs,
    parts_of,
)


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL and the parameters of its question marks."""

    text: str
    parameters: tuple[Any, ...] = ()


#: What each field is in SQL; `r` is the record asked about, `t` the visit. NULL is unknown.
_COLUMNS = {
    (Scope.VISIT, "patient"): "(SELECT key FROM patients WHERE patients.id = t.patient_id)",
    (Scope.VISIT, "visit"): "t.key",
    (Scope.VISIT, "phase"): "t.phase",
    (Scope.VISIT, "date"): "t.date",
    (Scope.VISIT, "day"): "t.day",
    (Scope.FINDING, "volume"): "r.volume_ml",
    (Scope.FINDING, "location"): "nullif(r.location, '')",
    (Scope.SAMPLE, "location"): "nullif(r.location, '')",
    (Scope.SAMPLE, "microscopy"): "nullif(r.microscopy, '')",
    (Scope.SAMPLE, "diagnosis"): "nullif(coalesce(r.diagnosis, '') || ' ' || coalesce(r.diagnosis_text, ''), ' ')",
    (Scope.SAMPLE, "grade"): "coalesce(r.diagnosis_grade, r.grade)",
    (Scope.EVENT, "dose"): "r.dose_gy",
    (Scope.EVENT, "daily dose"): "r.dose_mg",
    (Scope.EVENT, "drug"): (
        f"CASE WHEN r.drug = '' AND r.kind IN ('{EventKind.STEROIDS.value}', '{EventKind.OTHER_THERAPY.value}')"
        " THEN NULL ELSE r.drug END"
    ),
    (Scope.RESPONSE, "category"): "r.decided",
}
_LONGEST_CHAIN = 100
#: A choice that says no more than NULL.
_UNKNOWN = "unknown"
#: What a record tells of the patient or the visit: where no record tells it, it is unknown. All other fields say which
#: record is meant, and without a record there is none.
_FACTS = {
    Scope.SAMPLE: frozenset({"diagnosis", "grade", "site", "location", "microscopy"}),
    Scope.EVENT: frozenset({"extent", "state", "dose", "daily dose", "fractions", "cycle", "score"}),
    Scope.RESPONSE: frozenset({"category"}),
}
#: Other fields that may be unknown in a record.
_GAPS = {
    Scope.FINDING: frozenset({"side", "location", "volume", "change"}),
    Scope.SAMPLE: frozenset({"date"}),
    Scope.EVENT: frozenset({"date", "day", "drug"}),
}
_TABLES = {
    Scope.FINDING: "findings",
    Scope.SAMPLE: "histology_samples",
    Scope.EVENT: "clinical_events",
    Scope.RESPONSE: "response_assessments",
}
_OF_VISITS = (Scope.FINDING, Scope.RESPONSE)
_REFERENCES = {Reference.NADIR: "nadir_ml", Reference.BASELINE: "baseline_ml", Reference.PREVIOUS: "previous_ml"}

#: Volumes this close are equal, in mL: far below a voxel, far above rounding.
_TOLERANCE_ML = 1e-9
_VOLUME_TESTS = {
    Operator.IS: f"abs(volume_ml - ?) <= {_TOLERANCE_ML}",
    Operator.IS_NOT: f"abs(volume_ml - ?) > {_TOLERANCE_ML}",
    Operator.LESS: f"volume_ml < ? - {_TOLERANCE_ML}",
    Operator.AT_MOST: f"volume_ml <= ? + {_TOLERANCE_ML}",
    Operator.MORE: f"volume_ml > ? + {_TOLERANCE_ML}",
    Operator.AT_LEAST: f"volume_ml >= ? - {_TOLERANCE_ML}",
}


def where(condition: Condition, scope: Scope = Scope.VISIT, visits: Sequence[int] = ()) -> Sql:
    """What a visit `t`, or a record `r` of another scope, has to fulfil.

    `visits` are the numbers of the only visits looked at, if that is known: findings are searched in them alone.
    """
    match condition:
        case All(parts):
            return _joined(" AND ", [where(part, scope, visits) for part in parts])
        case AnyOf(parts):
            return _joined(" OR ", [where(part, scope, visits) for part in parts])
        case Not(part):
            return _opposite(part, visits) if scope is Scope.VISIT else _negated(where(part, scope, visits))
        case Compare():
            return _comparison(condition, scope, visits)
        case Having():
            return _having(condition)
        case MarkerIs():
            return _marker(condition)
        case MarkerPercent(marker, operator, percent):
            return _with_marker(f"m.marker = ? AND m.percent {_sign(operator)} ?", (marker.value, percent))
        case VolumeIs(name, operator, volume_ml):
            return _measured(Sql(_VOLUME_TESTS[operator], (volume_ml,)), name)
        case VolumeChange(name):
            return _measured(_change(condition), name)
        case VasariIs():
            return _vasari(condition)
        case TextFound(words):
            return _text_found(words)


def _opposite(condition: Condition, visits: Sequence[int]) -> Sql:
    """What a visit `t` has to fulfil of which it is known that it does not fulfil the condition."""
    match condition:
        case All(parts):
            return _joined(" OR ", [_opposite(part, visits) for part in parts])
        case AnyOf(parts):
            return _joined(" AND ", [_opposite(part, visits) for part in parts])
        case Not(part):
            return where(part, Scope.VISIT, visits)
        case Having(scope, AnyOf(parts)):
            return _joined(" AND ", [_opposite(Having(scope, part), visits) for part in parts])
        case Having():
            return _not_having(condition)
        case MarkerIs(markers, state) if state is not MarkerState.NOT_TESTED:
            result = "m.status <> 'not tested'" if state is MarkerState.INDETERMINATE else "m.altered IS NOT NULL"
            names = tuple(marker.value for marker in markers)
            known = _with_marker(f"{_among(names)} AND {result}", names)
            return _joined(" AND ", [known, _negated(where(condition))])
        case MarkerPercent(marker):
            known = _with_marker("m.marker = ? AND m.percent IS NOT NULL", (marker.value,))
            return _joined(" AND ", [known, _negated(where(condition))])
        case VolumeIs(name, operator, volume_ml):
            return _measured(_negated(Sql(_VOLUME_TESTS[operator], (volume_ml,))), name)
        case VolumeChange(name):
            return _measured(_negated(_change(condition)), name)
    return _negated(where(condition, Scope.VISIT, visits))  # NULL where unknown, or never unknown


def record_of(condition: Condition, visits: Sequence[int]) -> Sql | None:
    """What the finding `r` at the place to look at fulfils, where the question asks for findings or words.

    `visits` are the numbers of those looked at: words are searched for in them alone.
    """
    match condition:
        case Having(Scope.FINDING, inner):
            return Sql("1") if inner is None else where(inner, Scope.FINDING, visits)
        case TextFound(words):
            return Sql(f"r.id IN ({_FOUND['findings']})", (match_words(words, visits=visits),))
        case All(parts) | AnyOf(parts):
            found = [sql for part in parts if (sql := record_of(part, visits)) is not None]
            return None if not found else found[0] if isinstance(condition, All) else _joined(" OR ", found)
    return None


def _joined(word: str, parts: Sequence[Sql]) -> Sql:
    """In groups where there are many, as SQLite takes a chain of a thousand for too deep."""
    if len(parts) > _LONGEST_CHAIN:
        parts = [_joined(word, parts[at : at + _LONGEST_CHAIN]) for at in range(0, len(parts), _LONGEST_CHAIN)]
    text = word.join(f"({part.text})" for part in parts)
    return Sql(text, tuple(value for part in parts for value in part.parameters))


def _negated(sql: Sql) -> Sql:
    return Sql(f"NOT ({sql.text})", sql.parameters)


def _sign(operator: Operator) -> str:
    """SQL's spelling of a comparison of numbers; the only text that a question adds is one of these."""
    return {Operator.IS: "=", Operator.IS_NOT: "<>"}.get(operator, operator.value)


def _comparison(compare: Compare, scope: Scope, visits: Sequence[int]) -> Sql:
    if (scope, compare.field) == (Scope.FINDING, "text"):  # too many to look at one by one
        matches = [match_words(str(v), "text", visits) for v in compare.values]
        parts = [Sql(f"r.id IN ({_FOUND['findings']})", (match,)) for match in matches]
        found = _joined(" OR ", parts)
        return _negated(found) if compare.operator is Operator.IS_NOT else found
    column = _column(scope, compare.field)
    kind = FIELDS[scope][compare.field].type
    parts = []
    for value in compare.values:
        if kind in (FieldType.NUMBER, FieldType.DATE):
            given = value.isoformat() if isinstance(value, dt.date) else value
            parts.append(Sql(f"{column} {_sign(compare.operator)} ?", (given,)))
        elif kind is FieldType.CODE and compare.operator is not Operator.CONTAINS:
            spellings = (str(value), str(value).replace("-", "_"))  # not a function of the column: the index serves
            negation = "NOT " if compare.operator is Operator.IS_NOT else ""
            parts.append(Sql(f"{column} {negation}IN (?, ?)", spellings))
        elif kind is FieldType.CHOICE and compare.operator is not Operator.CONTAINS:
            asked = _column(scope, compare.field, unknown=value == _UNKNOWN)
            parts.append(Sql(f"{asked} {_sign(compare.operator)} ?", (str(value),)))
        else:
            around = "" if kind is FieldType.TEXT and compare.operator is not Operator.CONTAINS else "%"
            text, letters = _small(str(value))
            negation = "NOT " if compare.operator is Operator.IS_NOT else ""
            small = "replace(" * (len(letters) // 2) + column + ", ?, ?)" * (len(letters) // 2)
            parts.append(Sql(f"{small} {negation}LIKE ? ESCAPE '\\'", (*letters, f"{around}{_pattern(text)}{around}")))
    return _joined(" OR ", parts)


def _small(text: str) -> tuple[str, tuple[str, ...]]:
    """With small letters where LIKE tells case apart, beyond ASCII, and ss for ß; what to put for what in a column."""
    text = text.replace("ß", "ss").replace("ẞ", "ss")
    sharp = ("ß", "ss", "ẞ", "ss") if "ss" in text.lower() else ()
    letters = {c.lower() for c in text if not c.isascii() and len(c.upper()) == len(c.lower()) == 1}
    text = "".join(c.lower() if c.lower() in letters else c for c in text)
    return text, (*sharp, *(form for letter in sorted(letters) for form in (letter.upper(), letter)))


def _pattern(text: str) -> str:
    """Of LIKE: any case, `*` for any characters."""
    for special in "\\%_":
        text = text.replace(special, f"\\{special}")
    return text.replace("*", "%")


def _column(scope: Scope, field: str, unknown: bool = False) -> str:
    """A field in SQL, NULL where it is unknown; where that itself is asked for, as it is recorded."""
    column = _COLUMNS.get((scope, field), f"r.{field}")
    return f"nullif({column}, '{_UNKNOWN}')" if not unknown and _UNKNOWN in FIELDS[scope][field].choices else column


def _having(having: Having) -> Sql:
    inner = Sql("1") if having.condition is None else where(having.condition, having.scope)
    return _with_record(having.scope, inner)


def _with_record(scope: Scope, condition: Sql) -> Sql:
    """Visits that have, or whose patient has, a live record `r` that fulfils the condition; a response is decided."""
    live = "r.deleted_utc IS NULL AND r.decided IS NOT NULL" if scope is Scope.RESPONSE else "r.deleted_utc IS NULL"
    if scope in _OF_VISITS:
        found = f"SELECT 1 FROM {_TABLES[scope]} AS r WHERE r.timepoint_id = t.id AND {live}"
        return Sql(f"EXISTS ({found} AND ({condition.text}))", condition.parameters)
    found = f"SELECT r.patient_id FROM {_TABLES[scope]} AS r WHERE {live}"
    return Sql(f"t.patient_id IN ({found} AND ({condition.text}))", condition.parameters)


def _not_having(having: Having) -> Sql:
    """No record fulfils the condition or, as far as is known, might; what is asked of it, some record tells."""
    if having.condition is None:
        return _negated(_having(having))
    none = _negated(_with_record(having.scope, _possible(having.condition, having.scope)))
    if not _facts(having.condition, having.scope):
        return none
    return _joined(" AND ", [_with_record(having.scope, _denied(having.condition, having.scope)), none])


def _possible(condition: Condition, scope: Scope) -> Sql:
    """What a record `r` fulfils that fulfils the condition or might, its facts apart; the index serves what it can."""
    if isinstance(condition, All | AnyOf):
        word = " AND " if isinstance(condition, All) else " OR "
        return _joined(word, [_possible(part, scope) for part in condition.parts])
    inner = where(condition, scope)
    if _facts(condition, scope) or not _fields(condition) & _GAPS.get(scope, frozenset()):
        return inner
    return Sql(f"coalesce(({inner.text}), 1)", inner.parameters)


def _fields(condition: Condition) -> set[str]:
    return {part.field for part in parts_of(condition) if isinstance(part, Compare)}


def _facts(condition: Condition, scope: Scope) -> set[str]:
    return _fields(condition) & _FACTS.get(scope, frozenset())


def _denied(condition: Condition, scope: Scope) -> Sql:
    """What a record `r` fulfils that is among those asked about and tells that the condition's facts are not so."""
    if isinstance(condition, AnyOf):
        return _joined(" AND ", [_denied(part, scope) for part in condition.parts])
    if not isinstance(condition, All) or not _facts(condition, scope):
        return _negated(where(condition, scope))
    meant = [where(part, scope) for part in condition.parts if not _facts(part, scope)]
    told = [_denied(part, scope) for part in condition.parts if _facts(part, scope)]
    return _joined(" AND ", [*meant, _joined(" OR ", told)])


def _marker(condition: MarkerIs) -> Sql:
    names = tuple(marker.value for marker in condition.markers)
    among = _among(names)
    altered = _with_marker(f"{among} AND m.altered = 1", names)
    if condition.state is MarkerState.ALTERED:
        return altered
    if condition.state is MarkerState.INDETERMINATE:
        return _with_marker(f"{among} AND m.status = 'indeterminate'", names)
    if condition.state is MarkerState.NOT_TESTED:
        tested = _with_marker(f"{among} AND m.status <> 'not tested'", names)
        return _negated(tested)
    unaltered = _with_marker(f"{among} AND m.altered = 0", names)
    if len(names) == 1:
        return unaltered
    return Sql(f"{unaltered.text} AND NOT {altered.text}", unaltered.parameters + altered.parameters)


def _among(names: Sequence[str]) -> str:
    return f"m.marker IN ({', '.join('?' * len(names))})"


def _with_marker(condition: str, parameters: tuple[Any, ...]) -> Sql:
    """Visits of patients with a sample whose marker `m` fulfils the condition."""
    patients = (
        "SELECT s.patient_id FROM histology_markers AS m JOIN histology_samples AS s ON s.id = m.sample_id"
        f" WHERE s.deleted_utc IS NULL AND {condition}"
    )
    return Sql(f"t.patient_id IN ({patients})", parameters)


def _measured(test: Sql, name: str) -> Sql:
    """Visits whose measure of a label or region fulfils the test."""
    return Sql(f"t.id IN (SELECT timepoint_id FROM measures WHERE name = ? AND {test.text})", (name, *test.parameters))


def _change(change: VolumeChange) -> Sql:
    """The test of a measure."""
    column = _REFERENCES[change.reference]
    sign = 1 if change.direction is Direction.UP else -1
    limit = f"{column} * ?" if change.percent else f"{column} + ?"
    amount = 1 + sign * change.amount / 100 if change.percent else sign * change.amount
    if change.direction is Direction.UP:
        test = f"volume_ml >= {limit} - {_TOLERANCE_ML} AND volume_ml > {column} + {_TOLERANCE_ML}"
    else:
        test = f"volume_ml <= {limit} + {_TOLERANCE_ML} AND volume_ml < {column} - {_TOLERANCE_ML}"
    return Sql(test, (amount,))


def _vasari(condition: VasariIs) -> Sql:
    newest = (
        "SELECT value FROM vasari_entries WHERE timepoint_id = t.id AND feature = ? AND deleted_utc IS NULL"
        " ORDER BY id DESC LIMIT 1"
    )
    if isinstance(condition.value, float):
        return Sql(f"CAST(({newest}) AS REAL) {_sign(condition.operator)} ?", (condition.feature, condition.value))
    if condition.operator is Operator.CONTAINS:
        return Sql(f"({newest}) LIKE ? ESCAPE '\\'", (condition.feature, f"%{_pattern(condition.value)}%"))
    return Sql(f"({newest}) {_sign(condition.operator)} ?", (condition.feature, condition.value))


#: Numbers of the records of a table whose text matches.
_FOUND = {
    table: f"SELECT rowid / 4 FROM search WHERE search MATCH ? AND rowid & 3 = {number}"
    for number, table in enumerate(TABLES)
}


#: Up to so many records with a word, their visits are looked up; more are probed visit by visit.
_FEW = 20_000


def _text_found(words: str) -> Sql:
    """Words in a visit's findings or notes, or in other records of its patient.

    Notes, events and samples come first, from one pass over the index. Findings are many: those with a common word are
    probed visit by visit in an index until one fits, half the time of looking all of them up to learn their visits;
    for a rare word it is the other way round.
    """
    notes, events, samples = (TABLES.index(name) for name in ("notes", "clinical_events", "histology_samples"))
    of_patients = " UNION ALL ".join(
        f"SELECT patient_id FROM found JOIN {TABLES[number]} AS r ON r.id = found.n / 4"
        f" WHERE found.n & 3 = {number}{more}"
        for number, more in ((notes, " AND r.timepoint_id IS NULL"), (events, ""), (samples, ""))
    )
    others = (
        "WITH found (n) AS MATERIALIZED (SELECT rowid FROM search WHERE search MATCH ? AND rowid & 3 <> 0)"
        f" SELECT timepoint_id FROM found JOIN notes AS r ON r.id = found.n / 4 WHERE found.n & 3 = {notes}"
        " AND r.timepoint_id IS NOT NULL"
        f" UNION ALL SELECT v.id FROM timepoints AS v WHERE v.patient_id IN ({of_patients})"
    )
    few = f"(SELECT count(*) FROM (SELECT 1 FROM search WHERE search MATCH ? LIMIT {_FEW})) < {_FEW}"
    looked_up = f"t.id IN (SELECT timepoint_id FROM findings WHERE id IN ({_FOUND['findings']}))"
    probed = (
        "EXISTS (SELECT 1 FROM findings AS r WHERE r.timepoint_id = t.id AND r.deleted_utc IS NULL"
        f" AND r.id IN ({_FOUND['findings']}))"
    )
    text = f"t.id IN ({others}) OR CASE WHEN {few} THEN {looked_up} ELSE {probed} END"
    return Sql(text, (match_words(words),) * 4)
