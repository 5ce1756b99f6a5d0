"""Questions as rows of a filter builder: what a row is about, an operator, a value; joined by *and* or *or*.

Rows express less than the language: a question with brackets of its own or a negated group has no rows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

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
)
from glioma_annotator.domain.cohort_subjects import Subject, SubjectKind, subjects
from glioma_annotator.domain.cohort_text import MARKER_WORDS, number_text
from glioma_annotator.domain.histology import Marker
from glioma_annotator.domain.task_profile import TaskProfile

RowValue = str | float | dt.date


@dataclass(frozen=True, slots=True)
class FilterRow:
    """A row of the builder.

    Attributes
    ----------
    subject: key of what it is about.
    operator: for a change of volume MORE is up, LESS is down, by at least `value`.
    value: of the subject's type; ignored where there is none.
    percent, reference: of a change of volume.
    same: it holds for the same finding, sample, event or response as the row before, which is of that scope too.
    """

    subject: str
    operator: Operator
    value: RowValue = ""
    percent: bool = True
    reference: Reference = Reference.NADIR
    same: bool = False


class CohortSubjects:
    """Everything that rows can be about in a workspace, and rows as conditions and back.

    Parameters
    ----------
    labels: labels and regions of the workspace's masks.
    profile: the vocabulary of findings and VASARI.
    """

    def __init__(self, labels: Sequence[str], profile: TaskProfile | None = None) -> None:
        self._subjects = subjects(labels, profile)

    def __iter__(self) -> Iterator[Subject]:
        return iter(self._subjects.values())

    def __getitem__(self, key: str) -> Subject:
        return self._subjects[key]

    def new_row(self, key: str) -> FilterRow:
        """A row about a subject as it stands before the reader changes it."""
        subject = self[key]
        value: RowValue = next(iter(subject.choices), "")
        if subject.type is FieldType.NUMBER:
            value = 40.0 if subject.kind is SubjectKind.CHANGE else 0.0
        elif subject.type is FieldType.DATE:
            value = dt.date(2020, 1, 1)
        operator = next(iter(subject.operators))
        if subject.type is FieldType.NUMBER and Operator.AT_LEAST in subject.operators:
            operator = Operator.AT_LEAST
        return FilterRow(key, operator, value)

    def scope_of(self, row: FilterRow) -> Scope | None:
        """The scope whose records rows can share; None where each row stands alone."""
        subject = self[row.subject]
        if subject.kind is SubjectKind.HAD:
            return Scope.EVENT if row.operator is Operator.IS else None
        return subject.scope if subject.kind is SubjectKind.FIELD and subject.scope is not Scope.VISIT else None

    # rows to conditions

    def condition_of(self, rows: Sequence[FilterRow], any_of: bool = False) -> Condition | None:
        """What the rows ask; rows without a value that they need are left out. None when nothing is left."""
        groups: list[list[FilterRow]] = []
        for row in rows:
            if not self._complete(row):
                continue
            joins = row.same and groups and self.scope_of(row) is not None
            if joins and self.scope_of(groups[-1][-1]) is self.scope_of(row):
                groups[-1].append(row)
            else:
                groups.append([row])
        parts = tuple(self._group(group) for group in groups)
        if len(parts) < 2:
            return parts[0] if parts else None
        return AnyOf(parts) if any_of else All(parts)

    def _complete(self, row: FilterRow) -> bool:
        kind = self[row.subject].type
        return kind in (None, FieldType.NUMBER, FieldType.DATE) or bool(str(row.value).strip())

    def _group(self, rows: Sequence[FilterRow]) -> Condition:
        if len(rows) == 1:
            return self._single(rows[0])
        inner = [single.condition for row in rows if isinstance(single := self._single(row), Having)]
        scope = self.scope_of(rows[0])
        assert scope is not None, "only rows of a scope are joined"
        return Having(scope, All(tuple(part for part in inner if part is not None)))

    def _single(self, row: FilterRow) -> Condition:
        subject, value = self[row.subject], row.value
        number = float(value) if isinstance(value, int | float) else 0.0
        match subject.kind:
            case SubjectKind.MARKER:
                marker = MarkerIs(subject.markers, MarkerState(str(value)))
                return Not(marker) if row.operator is Operator.IS_NOT else marker
            case SubjectKind.PERCENT:
                return MarkerPercent(Marker.KI67, row.operator, number)
            case SubjectKind.VOLUME:
                return VolumeIs(subject.name, row.operator, number)
            case SubjectKind.CHANGE:
                direction = Direction.DOWN if row.operator is Operator.LESS else Direction.UP
                return VolumeChange(subject.name, direction, number, row.percent, row.reference)
            case SubjectKind.ANY:
                any_record = Having(subject.scope or Scope.FINDING)
                return Not(any_record) if row.operator is Operator.IS_NOT else any_record
            case SubjectKind.HAD:
                had = Having(Scope.EVENT, Compare("kind", Operator.IS, (str(value),)))
                return Not(had) if row.operator is Operator.IS_NOT else had
            case SubjectKind.FIGURE:
                is_kind = Compare("kind", Operator.IS, (subject.event.value if subject.event else "",))
                return Having(Scope.EVENT, All((is_kind, Compare(subject.name, row.operator, (number,)))))
            case SubjectKind.VASARI:
                words = subject.type is FieldType.WORDS
                return VasariIs(subject.name, row.operator, str(value) if words else float(str(value)))
            case SubjectKind.WORDS:
                return TextFound(str(value))
            case SubjectKind.FIELD:
                given = number if subject.type is FieldType.NUMBER else value
                compare = Compare(subject.name, row.operator, (given,))
                own = subject.scope in (None, Scope.VISIT)
                return compare if own else Having(subject.scope or Scope.FINDING, compare)

    # conditions to rows

    def rows_of(self, condition: Condition) -> tuple[tuple[FilterRow, ...], bool] | None:
        """Rows that ask the same, and whether any of them suffices; None for what rows cannot express."""
        any_of = isinstance(condition, AnyOf)
        parts = condition.parts if isinstance(condition, All | AnyOf) else (condition,)
        rows: list[FilterRow] = []
        for part in parts:
            found = self._rows_of_part(part)
            if found is None:
                return None
            rows += found
        return tuple(rows), any_of

    def _rows_of_part(self, part: Condition) -> list[FilterRow] | None:
        if (
            isinstance(part, Having)
            and isinstance(part.condition, All)
            and all(isinstance(inner, Compare) for inner in part.condition.parts)
            and self._row_of(part) is None
        ):
            rows = [self._row_of(Having(part.scope, inner)) for inner in part.condition.parts]
            found = [replace(row, same=n > 0) for n, row in enumerate(rows) if row is not None]
            return found if len(found) == len(rows) else None
        row = self._row_of(part)
        return None if row is None else [row]

    def _row_of(self, part: Condition) -> FilterRow | None:
        match part:
            case Not(Having() as inner) if (row := self._row_of(inner)) is not None:
                kinds = (SubjectKind.ANY, SubjectKind.HAD)
                return replace(row, operator=Operator.IS_NOT) if self[row.subject].kind in kinds else None
            case Not(MarkerIs() as inner) if (row := self._row_of(inner)) is not None:
                return replace(row, operator=Operator.IS_NOT)
            case MarkerIs(markers, state) if markers in MARKER_WORDS:
                return FilterRow(f"marker {MARKER_WORDS[markers][0]}", Operator.IS, state.value)
            case MarkerPercent(Marker.KI67, operator, percent):
                return FilterRow("ki67", operator, percent)
            case VolumeIs(name, operator, volume_ml):
                return self._known(FilterRow(f"volume {name}", operator, volume_ml))
            case VolumeChange(name, direction, amount, percent, reference):
                operator = Operator.MORE if direction is Direction.UP else Operator.LESS
                return self._known(FilterRow(f"change {name}", operator, amount, percent, reference))
            case Having(scope, None):
                return self._known(FilterRow(f"any {scope.value}", Operator.IS))
            case Having(Scope.EVENT, Compare("kind", Operator.IS, (kind,))):
                return FilterRow("had", Operator.IS, kind)
            case Having(Scope.EVENT, All((Compare("kind", Operator.IS, (kind,)), Compare(field, operator, (value,))))):
                row = self._known(FilterRow(f"figure {kind}", operator, value))
                return row if row is not None and self[row.subject].name == field else None
            case VasariIs(feature, operator, value):
                return self._vasari_row(FilterRow(f"vasari {feature}", operator, value))
            case TextFound(words):
                return FilterRow("words", Operator.CONTAINS, words)
            case Having(scope, Compare() as compare):
                return self._row_of_field(scope, compare)
            case Compare():
                return self._row_of_field(Scope.VISIT, part)
        return None

    def _row_of_field(self, scope: Scope, compare: Compare) -> FilterRow | None:
        if len(compare.values) != 1:
            return None
        words = FIELDS[scope][compare.field].type is FieldType.WORDS
        operator = Operator.IS if words and compare.operator is Operator.CONTAINS else compare.operator
        return self._known(FilterRow(f"{scope.value}.{compare.field}", operator, compare.values[0]))

    def _vasari_row(self, row: FilterRow) -> FilterRow | None:
        subject = self._subjects.get(row.subject)
        if subject is None or isinstance(row.value, str) is not (subject.type is FieldType.WORDS):
            return None
        if subject.type is FieldType.CHOICE and isinstance(row.value, float):
            row = replace(row, value=number_text(row.value))
            return self._known(row) if row.value in subject.choices else None
        return self._known(row)

    def _known(self, row: FilterRow) -> FilterRow | None:
        subject = self._subjects.get(row.subject)
        return row if subject is not None and row.operator in subject.operators else None
