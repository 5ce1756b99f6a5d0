"""What rows of a filter builder can be about: markers, volumes, fields of records, events, VASARI features, words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from glioma_annotator.domain.clinical_event import EventKind
from glioma_annotator.domain.cohort import FIELDS, FieldType, MarkerState, Operator, Scope
from glioma_annotator.domain.cohort_text import MARKER_WORDS, quoted
from glioma_annotator.domain.cohort_vocabulary import FIGURES
from glioma_annotator.domain.histology import Marker
from glioma_annotator.domain.task_profile import TaskProfile

_NUMBER = (Operator.IS, Operator.IS_NOT, Operator.LESS, Operator.AT_MOST, Operator.MORE, Operator.AT_LEAST)
_OPERATORS = {
    FieldType.CHOICE: (Operator.IS, Operator.IS_NOT),
    FieldType.CODE: (Operator.IS, Operator.IS_NOT, Operator.CONTAINS),
    FieldType.TEXT: (Operator.IS, Operator.IS_NOT, Operator.CONTAINS),
    FieldType.WORDS: (Operator.IS, Operator.IS_NOT),
    FieldType.NUMBER: _NUMBER,
    FieldType.DATE: _NUMBER,
}
_WORDED = {
    Operator.IS: "is",
    Operator.IS_NOT: "is not",
    Operator.LESS: "less than",
    Operator.AT_MOST: "at most",
    Operator.MORE: "more than",
    Operator.AT_LEAST: "at least",
    Operator.CONTAINS: "contains",
}
_WORDED_DATE = {Operator.LESS: "before", Operator.AT_MOST: "until", Operator.MORE: "after", Operator.AT_LEAST: "from"}
_WORDED_WORDS = {Operator.IS: "contains", Operator.IS_NOT: "does not contain"}
_FIGURE_TITLES = {
    EventKind.KPS: "KPS",
    EventKind.ECOG: "ECOG",
    EventKind.NANO: "NANO",
    EventKind.STEROIDS: "Steroids, daily dose",
    EventKind.RADIOTHERAPY: "Radiotherapy, dose",
}


class SubjectKind(Enum):
    MARKER = "marker"
    PERCENT = "labelling index"
    VOLUME = "volume"
    CHANGE = "change of volume"
    FIELD = "field"
    ANY = "any"
    HAD = "event"
    FIGURE = "figure of an event"
    VASARI = "VASARI"
    WORDS = "words"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a row can be about.

    Attributes
    ----------
    key: tells it from every other, e.g. "finding.kind", "volume ET".
    group, title: for a list, e.g. "Finding", "Kind".
    kind: how it is asked.
    type: of its value; None where there is none.
    operators: those that apply, with their words.
    choices: values to choose from, with their words; others may be typed unless `type` is CHOICE.
    unit: of a number.
    name: label, field, feature or figure that it stands for; empty where there is none.
    scope: of a field.
    event: of a figure.
    markers: of a marker.
    """

    key: str
    group: str
    title: str
    kind: SubjectKind
    type: FieldType | None
    operators: Mapping[Operator, str]
    choices: Mapping[str, str]
    unit: str = ""
    name: str = ""
    scope: Scope | None = None
    event: EventKind | None = None
    markers: tuple[Marker, ...] = ()


def subjects(labels: Sequence[str], profile: TaskProfile | None = None) -> dict[str, Subject]:
    """Everything that a row can be about, by key and in the order of a list.

    Parameters
    ----------
    labels: labels and regions of the workspace's masks.
    profile: the vocabulary of findings and VASARI.
    """
    made = [*_markers(), *_volumes(labels), *_of_records(profile), *_events(), *_vasari(profile)]
    contains = {Operator.CONTAINS: "contains"}
    words = Subject("words", "Text", "Findings, notes, reports", SubjectKind.WORDS, FieldType.WORDS, contains, {})
    return {subject.key: subject for subject in [*made, words]}


def _worded(kind: FieldType) -> dict[Operator, str]:
    words = _WORDED
    if kind is FieldType.DATE:
        words = words | _WORDED_DATE
    elif kind is FieldType.WORDS:
        words = words | _WORDED_WORDS
    return {operator: words[operator] for operator in _OPERATORS[kind]}


def _markers() -> list[Subject]:
    made = []
    is_or_not = {Operator.IS: "is", Operator.IS_NOT: "is not"}
    for markers, (name, altered, unaltered) in MARKER_WORDS.items():
        states = {
            MarkerState.ALTERED.value: altered,
            MarkerState.UNALTERED.value: unaltered,
            MarkerState.INDETERMINATE.value: "indeterminate",
            MarkerState.NOT_TESTED.value: "not tested",
        }
        title = name[0].upper() + name[1:] if name.islower() and name.isalpha() else name
        made.append(
            Subject(
                f"marker {name}", "Marker", title, SubjectKind.MARKER, FieldType.CHOICE, is_or_not, states,
                markers=markers,
            )
        )  # fmt: skip
    number = FieldType.NUMBER
    made.append(Subject("ki67", "Marker", "Ki-67 index", SubjectKind.PERCENT, number, _worded(number), {}, "%"))
    return made


def _volumes(labels: Sequence[str]) -> list[Subject]:
    """Of labels that the language can name: without all three kinds of quotation marks in them."""
    named = [label for label in labels if quoted(label)[1:-1] == label]
    number = FieldType.NUMBER
    change = {Operator.MORE: "up by at least", Operator.LESS: "down by at least"}
    volumes = [
        Subject(f"volume {n}", "Volume", f"{n} volume", SubjectKind.VOLUME, number, _worded(number), {}, "mL", n)
        for n in named
    ]
    changes = [
        Subject(f"change {n}", "Volume", f"{n} change", SubjectKind.CHANGE, number, change, {}, "%", n) for n in named
    ]
    return volumes + changes


def _of_records(profile: TaskProfile | None) -> list[Subject]:
    made = []
    is_or_not = {Operator.IS: "there is one", Operator.IS_NOT: "there is none"}
    for scope in (Scope.VISIT, Scope.FINDING, Scope.SAMPLE, Scope.EVENT, Scope.RESPONSE):
        group = "Histology" if scope is Scope.SAMPLE else scope.value.capitalize()
        for name, field in FIELDS[scope].items():
            if (scope, name) == (Scope.EVENT, "kind"):
                continue  # a row of its own asks it in plainer words
            choices = {choice: choice for choice in field.choices}
            if (scope, name) == (Scope.FINDING, "kind") and profile is not None:
                choices = {kind.code.replace("_", "-"): kind.title for kind in profile.finding_kinds}
            made.append(
                Subject(
                    f"{scope.value}.{name}", group, f"{group}: {name}", SubjectKind.FIELD, field.type,
                    _worded(field.type), choices, field.unit.replace("ml", "mL"), name, scope,
                )
            )  # fmt: skip
        if scope is not Scope.VISIT:
            key, title = f"any {scope.value}", f"{group}: any"
            made.append(Subject(key, group, title, SubjectKind.ANY, None, is_or_not, {}, scope=scope))
    return made


def _events() -> list[Subject]:
    had = {Operator.IS: "the patient had", Operator.IS_NOT: "the patient never had"}
    kinds = {kind.value: kind.value for kind in EventKind}
    made = [Subject("had", "Event", "Event: kind", SubjectKind.HAD, FieldType.CHOICE, had, kinds)]
    number = FieldType.NUMBER
    figures = {kind: (field, unit) for kind, field, unit in FIGURES.values()}
    for kind, (field, unit) in figures.items():
        key, title = f"figure {kind.value}", _FIGURE_TITLES[kind]
        made.append(
            Subject(
                key, "Event", title, SubjectKind.FIGURE, number, _worded(number), {}, unit.replace("gy", "Gy"), field,
                event=kind,
            )
        )  # fmt: skip
    return made


def _vasari(profile: TaskProfile | None) -> list[Subject]:
    made = []
    for feature in profile.vasari if profile is not None else ():
        kind = FieldType.CHOICE if feature.options else FieldType.NUMBER if feature.unit else FieldType.WORDS
        operators = _worded(FieldType.TEXT if kind is FieldType.WORDS else FieldType.NUMBER)  # codes are in an order
        choices = {option.code: f"{option.code}  {option.title}" for option in feature.options}
        key, title = f"vasari {feature.number}", f"{feature.number} {feature.title}"
        made.append(
            Subject(key, "VASARI", title, SubjectKind.VASARI, kind, operators, choices, feature.unit, feature.number)
        )
    return made
