"""The language of questions across patients.

    idh = wildtype and mgmt = methylated and ET volume up 40 % from nadir
    finding where (kind = satellite and volume > 0.5 ml) and not had bevacizumab
    (kps <= 70 or steroids > 4 mg) and phase = follow-up
    "leptomeningeal" and response = PD

Conditions are joined by `and` (or a comma), `or`, `not` and brackets; words in quotation marks alone are searched for
in findings, notes and reports. docs/workspace.md describes all of it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from glioma_annotator.domain.clinical_event import EventKind
from glioma_annotator.domain.cohort import (
    FIELDS,
    MAIN_FIELD,
    All,
    AnyOf,
    CohortField,
    Compare,
    Condition,
    FieldType,
    Having,
    MarkerIs,
    MarkerPercent,
    Not,
    Operator,
    Scope,
    TextFound,
    Value,
    VasariIs,
    VolumeChange,
    VolumeIs,
)
from glioma_annotator.domain.cohort_vocabulary import (
    DIRECTIONS,
    EVENT_KINDS,
    FIGURES,
    FIRST_WORDS,
    HAD,
    JOINTS,
    MARKERS,
    OPERATORS,
    REFERENCES,
    SCOPES,
    SHORT,
    SHORT_SCOPE,
    STATES,
    UNITS,
    USUAL_LABELS,
    USUAL_REFERENCE,
    VISIT_FIELDS,
    QuestionError,
    Token,
    Words,
    phrases_of,
    phrases_of_labels,
    tokens_of,
    words_of,
)
from glioma_annotator.domain.histology import Marker

T = TypeVar("T")

#: Brackets and negations within each other; no reader writes as many.
_DEEPEST = 40


def parse_question(question: str, labels: Collection[str] = USUAL_LABELS) -> Condition:
    """The conditions of a question about masks with these labels and regions.

    Raises `QuestionError`, which names the place, for what cannot be read.
    """
    return _Parser(question, labels).whole()


class _Parser:
    def __init__(self, question: str, labels: Collection[str]) -> None:
        self._question = question
        self._labels = {label.lower(): label for label in labels}
        self._phrases = phrases_of_labels(labels)
        self._depth = 0
        self._tokens = tokens_of(question)
        self._at = 0

    def whole(self) -> Condition:
        if self._token.kind == "end":
            raise self._error("nothing is asked")
        condition = self._any_of(Scope.VISIT)
        if self._token.kind != "end":
            raise self._error("“and”, “or” or the end was expected")
        return condition

    # and, or, not

    def _any_of(self, scope: Scope) -> Condition:
        parts = [self._all(scope)]
        while self._take_word("or"):
            parts.append(self._all(scope))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _all(self, scope: Scope) -> Condition:
        parts = [self._one(scope)]
        while self._take_word("and", ","):
            parts.append(self._one(scope))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one(self, scope: Scope) -> Condition:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error("too many brackets within each other")
        condition = self._one_within(scope)
        self._depth -= 1
        return condition

    def _one_within(self, scope: Scope) -> Condition:
        if self._take_word("not"):
            return Not(self._one(scope))
        if self._take_word("("):
            inner = self._any_of(scope)
            self._need(")")
            return inner
        return self._on_visit() if scope is Scope.VISIT else self._on_field(scope)

    # single conditions

    def _on_visit(self) -> Condition:
        if self._token.kind == "text":
            return self._volume() if self._is_volume() else TextFound(self._next().text)
        if self._take_word("text", "report", "note"):
            self._take(OPERATORS)
            if self._token.kind != "text":
                raise self._error("words in quotation marks were expected")
            return TextFound(self._next().text)
        if self._take_word("vasari"):
            return self._vasari()
        markers = self._take(MARKERS)
        if markers:
            return self._marker(markers)
        if self._is_volume():
            return self._volume()
        scope = self._take(SCOPES)
        if scope:
            return self._in_scope(scope)
        short = self._take(SHORT)
        if short:
            return Having(SHORT_SCOPE[short], self._comparison(short, FIELDS[SHORT_SCOPE[short]][short]))
        if self._take_any(HAD):
            return self._event()
        figure = self._take(FIGURES)
        if figure:
            return self._figure(*figure)
        name = self._take(VISIT_FIELDS)
        if name:
            return self._comparison(name, FIELDS[Scope.VISIT][name])
        raise self._error(
            "a condition was expected, such as a marker (idh = mutant), a volume (ET volume > 5 ml), a finding (finding"
            " status = open), an event (had surgery) or a field of the visit (phase = follow-up)"
        )

    def _in_scope(self, scope: Scope) -> Condition:
        if self._take_word("where", "with"):
            self._need("(")
            condition = self._any_of(scope)
            self._need(")")
            return Having(scope, condition)
        if self._token.text == "in" or self._peek(OPERATORS):
            main = MAIN_FIELD[scope]
            return Having(scope, self._comparison(main, FIELDS[scope][main]))
        name = self._take(phrases_of({field: field for field in FIELDS[scope]}))
        return Having(scope, self._comparison(name, FIELDS[scope][name]) if name else None)

    def _on_field(self, scope: Scope) -> Condition:
        name = self._take(phrases_of({field: field for field in FIELDS[scope]}))
        if not name:
            raise self._error(f"a {scope.value} has {', '.join(FIELDS[scope])}")
        return self._comparison(name, FIELDS[scope][name])

    def _event(self) -> Condition:
        kind = self._take(EVENT_KINDS)
        if not kind:
            raise self._error(f"an event was expected: {', '.join(EventKind)}")
        return Having(Scope.EVENT, Compare("kind", Operator.IS, (kind.value,)))

    def _figure(self, kind: EventKind, name: str, unit: str) -> Condition:
        is_kind = Compare("kind", Operator.IS, (kind.value,))
        if self._token.text != "in" and not self._peek(OPERATORS):
            return Having(Scope.EVENT, is_kind)
        figure = self._comparison(name, CohortField(FieldType.NUMBER, unit=unit))
        return Having(Scope.EVENT, All((is_kind, figure)))

    def _marker(self, markers: tuple[Marker, ...]) -> Condition:
        if markers == (Marker.KI67,):
            operator = self._ordering()
            return MarkerPercent(Marker.KI67, operator, self._number("%"))
        negated = self._take(OPERATORS)
        if negated not in (None, Operator.IS, Operator.IS_NOT):
            self._at -= 1
            raise self._error("a marker can only be = or != a result")
        state = self._take(STATES)
        if not state:
            known = "altered, unaltered (or mutant, wildtype, methylated, codeleted, ...), indeterminate, not tested"
            raise self._error(f"a result was expected: {known}")
        condition = MarkerIs(markers, state)
        return Not(condition) if negated is Operator.IS_NOT else condition

    def _is_volume(self) -> bool:
        at, first = self._at, self._token
        label = self._take_label()
        if label is None and first.kind == "word":
            self._next()
        asked, self._at = self._token.text == "volume" and self._at > at, at
        if first.kind != "text" and first.text in ("finding", "findings"):
            return False
        return asked or (label is not None and first.kind != "text" and (first.text,) not in FIRST_WORDS)

    def _take_label(self) -> str | None:
        """A label or region, which may stand in quotation marks."""
        if self._token.kind != "text":
            return self._take(self._phrases)
        label = self._labels.get(self._token.text.lower())
        self._at += label is not None
        return label

    def _volume(self) -> Condition:
        name = self._take_label()
        if name is None:
            raise self._error(f"masks have {', '.join(self._labels.values())}")
        self._take_word("volume")
        direction = self._take(DIRECTIONS)
        if not direction:
            operator = self._ordering("an operator such as >, or “up 40 % from nadir”, was expected")
            return VolumeIs(name, operator, self._number("ml"))
        self._take_word("at")
        self._take_word("least")
        amount = self._bare_number()
        percent = self._take_word("%", "percent")
        if not percent and not self._take_word("ml"):
            raise self._error("% or mL was expected")
        reference = USUAL_REFERENCE[direction]
        if self._take_word("from", "since", "against"):
            named = self._take(REFERENCES)
            if not named:
                raise self._error("nadir, baseline or previous was expected")
            reference = named
        return VolumeChange(name, direction, amount, percent, reference)

    def _vasari(self) -> Condition:
        feature = self._next()
        if not re.fullmatch(r"f([1-9]|[12]\d|30)", feature.text):
            self._at -= 1
            raise self._error("the number of a feature was expected, F1 to F30")
        operator = self._operator()
        if self._token.kind == "number":
            return VasariIs(feature.text.upper(), operator, self._bare_number())
        return VasariIs(feature.text.upper(), operator, self._free_text())

    # comparisons and values

    def _comparison(self, name: str, field: CohortField) -> Compare:
        listed = self._take_word("in")
        operator = Operator.IS if listed else self._operator(f"an operator was expected after {name}, such as =")
        ordered = field.type in (FieldType.NUMBER, FieldType.DATE)
        if operator is Operator.CONTAINS and ordered:
            self._at -= 1
            raise self._error(f"{name} is a {field.type.value} and contains nothing")
        if operator not in (Operator.IS, Operator.IS_NOT, Operator.CONTAINS) and not ordered:
            self._at -= 1
            raise self._error(f"{name} has no order: =, != or ~ were expected")
        if not listed:
            return Compare(name, operator, (self._value(field, name),))
        self._need("(")
        values = [self._value(field, name, listed=True)]
        while self._take_word(",", "or"):
            values.append(self._value(field, name, listed=True))
        self._need(")")
        return Compare(name, operator, tuple(values))

    def _value(self, field: CohortField, name: str, *, listed: bool = False) -> Value:
        if field.type is FieldType.NUMBER:
            return self._number(field.unit, listed=listed)
        if field.type is FieldType.DATE:
            return self._date()
        if field.type is FieldType.CHOICE:
            chosen = self._choice(field.choices)
            if chosen is None:
                raise self._error(f"{name} is one of {', '.join(field.choices)}")
            return chosen
        text = self._free_text()
        return "-".join(words_of(text)) if field.type is FieldType.CODE else text

    def _choice(self, choices: Iterable[str]) -> str | None:
        if self._token.kind == "text":
            wanted = self._token.text.casefold()
            chosen = next((choice for choice in choices if choice.casefold() == wanted), None)
            self._at += chosen is not None
            return chosen
        return self._take(phrases_of({choice: choice for choice in choices}))

    def _date(self) -> dt.date:
        if self._token.kind == "date":
            try:
                date = dt.date.fromisoformat(self._token.text)
            except ValueError as error:
                raise self._error("there is no such date") from error
            self._at += 1
            return date
        raise self._error("a date was expected, as 2026-11-20")

    def _number(self, unit: str, *, listed: bool = False) -> float:
        number = self._bare_number(listed=listed)
        if self._token.text in UNITS and not self._take_word(*((unit, "percent") if unit == "%" else (unit,))):
            raise self._error(f"the unit is {unit}" if unit else "no unit was expected")
        return number

    def _bare_number(self, *, listed: bool = False) -> float:
        if self._token.kind != "number":
            raise self._error("a number was expected")
        behind = self._tokens[min(self._at + 2, len(self._tokens) - 1)]
        if not listed and behind.kind == "number" and self._question[self._token.end : behind.start] == ",":
            self._at += 1
            raise self._error("a comma joins conditions; decimals have a point, as in 2.5")
        return float(self._next().text)

    def _free_text(self) -> str:
        """Words in quotation marks, or all words up to the next joint, sign or the end."""
        if self._token.kind == "text":
            return self._next().text
        first = last = self._token
        while self._token.kind in ("word", "number", "date") and self._token.text not in JOINTS:
            last = self._next()
        if last is first and self._token is first:
            raise self._error("a word, or words in quotation marks, was expected")
        return self._question[first.start : last.end]

    # tokens

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._token
        if token.kind != "end":
            self._at += 1
        return token

    def _ordering(self, otherwise: str = "an operator was expected, such as = or >=") -> Operator:
        """An operator between numbers."""
        operator = self._operator(otherwise)
        if operator is Operator.CONTAINS:
            self._at -= 1
            raise self._error("a number contains nothing")
        return operator

    def _operator(self, otherwise: str = "an operator was expected, such as = or >=") -> Operator:
        operator = self._take(OPERATORS)
        if operator is None:
            raise self._error(otherwise)
        return operator

    def _peek(self, table: Mapping[Words, T]) -> bool:
        at = self._at
        found = self._take_any(table)
        self._at = at
        return found

    def _take(self, table: Mapping[Words, T]) -> T | None:
        """The value of the longest phrase of `table` that comes next."""
        following = tuple(t.text for t in self._tokens[self._at : self._at + 6] if t.kind in ("word", "number", "sign"))
        for length in range(len(following), 0, -1):
            if following[:length] in table:
                self._at += length
                return table[following[:length]]
        return None

    def _take_any(self, table: Mapping[Words, T]) -> bool:
        at = self._at
        self._take(table)
        return self._at > at

    def _take_word(self, *words: str) -> bool:
        if self._token.kind in ("word", "sign") and self._token.text in words:
            self._at += 1
            return True
        return False

    def _need(self, sign: str) -> None:
        if not self._take_word(sign):
            raise self._error(f"“{sign}” was expected")

    def _error(self, reason: str) -> QuestionError:
        token = self._token
        return QuestionError(self._question, token.start, token.end - token.start, reason)
