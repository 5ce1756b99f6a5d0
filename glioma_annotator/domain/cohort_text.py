"""A question's conditions in the language of `cohort_question`: `parse_question(question_text(c)) == c`."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

from glioma_annotator.domain.cohort import (
    FIELDS,
    All,
    AnyOf,
    Compare,
    Condition,
    FieldType,
    Having,
    MarkerIs,
    MarkerPercent,
    MarkerState,
    Not,
    Operator,
    Scope,
    TextFound,
    Value,
    VasariIs,
    VolumeChange,
    VolumeIs,
)
from glioma_annotator.domain.cohort_vocabulary import FIGURES, JOINTS, MARKERS, SHORT, SHORT_SCOPE
from glioma_annotator.domain.histology import Marker

#: How a marker is written, and the words for its two results.
MARKER_WORDS: dict[tuple[Marker, ...], tuple[str, str, str]] = {
    (Marker.IDH1, Marker.IDH2): ("IDH", "mutant", "wildtype"),
    (Marker.IDH1,): ("IDH1", "mutant", "wildtype"),
    (Marker.IDH2,): ("IDH2", "mutant", "wildtype"),
    (Marker.CODELETION_1P19Q,): ("1p/19q", "codeleted", "not codeleted"),
    (Marker.MGMT,): ("MGMT", "methylated", "unmethylated"),
    (Marker.ATRX,): ("ATRX", "lost", "retained"),
    (Marker.TERT,): ("TERT", "mutant", "wildtype"),
    (Marker.EGFR,): ("EGFR", "amplified", "not amplified"),
    (Marker.GAIN7_LOSS10,): ("+7/-10", "present", "absent"),
    (Marker.CDKN2A,): ("CDKN2A/B", "deleted", "not deleted"),
    (Marker.H3_K27,): ("H3 K27", "altered", "unaltered"),
    (Marker.H3_G34,): ("H3 G34", "mutant", "wildtype"),
    (Marker.P53,): ("p53", "altered", "unaltered"),
    (Marker.BRAF_V600E,): ("BRAF V600E", "mutant", "wildtype"),
    (Marker.MICROVASCULAR_PROLIFERATION,): ("microvascular proliferation", "present", "absent"),
    (Marker.NECROSIS,): ("necrosis", "present", "absent"),
}
_FIGURE_NAMES: dict[str, tuple[str, str, str]] = {
    kind.value: (" ".join(words), field, unit) for words, (kind, field, unit) in reversed(FIGURES.items())
}
_SHORT_FIELDS = {(SHORT_SCOPE[field], field) for field in SHORT.values()}
_NO_LABELS = {*JOINTS, "text", "report", "note", "vasari", "finding", "findings", *(words[0] for words in MARKERS)}
_SCOPE_WORDS = {Scope.FINDING: "finding", Scope.SAMPLE: "sample", Scope.EVENT: "event", Scope.RESPONSE: "response"}


def question_text(condition: Condition, scope: Scope = Scope.VISIT) -> str:
    """The condition in words; `scope` is what its fields belong to."""
    match condition:
        case All(parts):
            return " and ".join(_within(part, scope, All | AnyOf) for part in parts)
        case AnyOf(parts):
            return " or ".join(_within(part, scope, AnyOf) for part in parts)
        case Not(MarkerIs(markers, state)):
            name, word = _marker_words(markers, state)
            return f"{name} != {word}"
        case Not(part):
            return f"not {_within(part, scope, All | AnyOf)}"
        case Compare():
            return _comparison(condition, scope)
        case Having():
            return _having(condition)
        case MarkerIs(markers, state):
            name, word = _marker_words(markers, state)
            return f"{name} = {word}"
        case MarkerPercent(_, operator, percent):
            return f"Ki-67 {operator.value} {number_text(percent)} %"
        case VolumeIs(name, operator, volume_ml):
            return f"{_label(name)} volume {operator.value} {number_text(volume_ml)} ml"
        case VolumeChange(name, direction, amount, percent, reference):
            unit = "%" if percent else "ml"
            return f"{_label(name)} volume {direction.value} {number_text(amount)} {unit} from {reference.value}"
        case VasariIs(feature, operator, value):
            return f"vasari {feature} {operator.value} {_plain(value)}"
        case TextFound(words):
            return quoted(words)


def number_text(value: float) -> str:
    """A number without an exponent, which the language does not have, and without a needless fraction."""
    text = f"{Decimal(repr(float(value))):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quoted(words: str) -> str:
    """Words in the first kind of quotation marks that they do not hold themselves."""
    for opening, closing in (('"', '"'), ("“", "”"), ("'", "'")):
        if closing not in words:
            return f"{opening}{words}{closing}"
    return f'"{words.replace(chr(34), " ")}"'


def _label(name: str) -> str:
    """A label, in quotation marks where it would be taken for something else."""
    return name if re.fullmatch(r"[^\W\d_][^\W_]*", name) and name.lower() not in _NO_LABELS else quoted(name)


def _within(part: Condition, scope: Scope, looser: object) -> str:
    """In brackets where the words around would otherwise take it apart."""
    text = question_text(part, scope)
    return f"({text})" if isinstance(part, looser) else text  # type: ignore[arg-type]  # a union of classes


def _marker_words(markers: tuple[Marker, ...], state: MarkerState) -> tuple[str, str]:
    name, altered, unaltered = MARKER_WORDS[markers]
    return name, {MarkerState.ALTERED: altered, MarkerState.UNALTERED: unaltered}.get(state, state.value)


def _having(having: Having) -> str:
    word, condition = _SCOPE_WORDS[having.scope], having.condition
    if condition is None:
        return word
    match having.scope, condition:
        case Scope.EVENT, Compare("kind", Operator.IS, (kind,)):
            return f"had {kind}"
        case Scope.EVENT, All((Compare("kind", Operator.IS, (kind,)), Compare(field, operator, (value,)))) if (
            isinstance(value, float)
            and operator is not Operator.CONTAINS
            and _FIGURE_NAMES.get(str(kind), ("", "", ""))[1] == field
        ):
            name, _, unit = _FIGURE_NAMES[str(kind)]
            return f"{name} {operator.value} {number_text(value)} {unit}".rstrip()
        case scope, Compare():
            text = _comparison(condition, scope)
            return text if (scope, condition.field) in _SHORT_FIELDS else f"{word} {text}"
    return f"{word} where ({question_text(condition, having.scope)})"


def _comparison(compare: Compare, scope: Scope) -> str:
    field = FIELDS[scope][compare.field]
    unit = f" {field.unit}" if field.unit else ""
    bare = field.type in (FieldType.CHOICE, FieldType.CODE)
    values = [str(value) if bare else f"{_plain(value)}{unit}" for value in compare.values]
    if len(values) > 1:
        return f"{compare.field} in ({', '.join(values)})"
    return f"{compare.field} {compare.operator.value} {values[0]}"


def _plain(value: Value) -> str:
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, float):
        return number_text(value)
    return value if re.fullmatch(r"[A-Za-z]+", value) and value.lower() not in JOINTS else quoted(value)
