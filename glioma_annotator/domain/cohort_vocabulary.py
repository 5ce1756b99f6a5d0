"""The words that questions across patients are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from glioma_annotator.domain.clinical_event import EventKind
from glioma_annotator.domain.cohort import FIELDS, Direction, MarkerState, Operator, Reference, Scope
from glioma_annotator.domain.histology import Marker
from glioma_annotator.errors import UserError

T = TypeVar("T")
Words = tuple[str, ...]


class QuestionError(UserError):
    """A question that cannot be read.

    Parameters
    ----------
    question: the text.
    position, length: the place that is not understood, in characters.
    reason: what is wrong there, a clause without a full stop.
    """

    def __init__(self, question: str, position: int, length: int, reason: str) -> None:
        found = _one_line(question[position : position + min(length, _NAMED + 1)]).strip()
        named = found if len(found) <= _NAMED else f"{found[:_NAMED]}…"
        place = f"at “{named}” (character {position + 1})" if found else "at its end"
        before, after = shown_around(question, position)
        super().__init__(
            f"The question is not understood {place}: {reason}.", f"{before}{after}\n  {' ' * len(before)}^"
        )
        self.question, self.position, self.length, self.reason = question, position, length, reason


#: Characters shown of what is not understood, and before and behind the place.
_NAMED, _AROUND = 40, 100


def shown_around(question: str, position: int) -> tuple[str, str]:
    """The question before a place and from there on, on one line; of a long one only what lies around."""
    start, end = max(0, position - _AROUND), position + _AROUND
    before, after = _one_line(question[start:position]), _one_line(question[position:end])
    return f"{'…' if start else ''}{before}", f"{after}{'…' if end < len(question) else ''}"


def _one_line(text: str) -> str:
    """The text with as many characters, each of which can be printed beside the others."""
    return "".join(" " if c.isspace() else c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


@dataclass(frozen=True, slots=True)
class Token:
    kind: str  # word, number, date, text, sign, end
    text: str
    start: int
    end: int


UNITS = ("%", "percent", "ml", "mg", "gy", "days", "day")
_TOKENS = re.compile(
    r"""(?P<text>"[^"]*"|“[^”]*”|'[^']*')
      | (?P<date>\d{4}-\d{2}-\d{2})(?!\w)
      | (?P<number>(?:(?<![\w])-)?\d+(?:\.\d+)?)(?=$|[^\w/.*]|(?:ml|mg|gy|days?)\b)
      | (?P<word>\+7/-10|[^\W_]+(?:[/.][^\W_]+)*\*?|\*)
      | (?P<sign><=|>=|!=|<>|==|[=<>~:(),%])
      | (?P<gap>[\s_]+|-)
      | (?P<unknown>.)""",
    re.VERBOSE | re.IGNORECASE,
)


def tokens_of(question: str) -> list[Token]:
    broken = re.search(r"[\ud800-\udfff]", question)
    if broken:
        raise QuestionError(question, broken.start(), 1, "this came as a byte that is no letter of UTF-8; type it anew")
    found = []
    for match in _TOKENS.finditer(question):
        kind = match.lastgroup or ""
        if kind == "unknown":
            reason = "a quotation mark is not closed" if match.group() in "\"“'" else "this sign has no meaning here"
            raise QuestionError(question, match.start(), 1, reason)
        if kind != "gap":
            text = match.group()[1:-1] if kind == "text" else match.group().lower()
            found.append(Token(kind, text, match.start(), match.end()))
    return [*found, Token("end", "", len(question), len(question))]


def words_of(phrase: str) -> Words:
    return tuple(token.text for token in tokens_of(phrase)[:-1])


def phrases_of(table: Mapping[str, T]) -> dict[Words, T]:
    return {words_of(phrase): value for phrases, value in table.items() for phrase in phrases.split("; ")}


def phrases_of_labels(labels: Iterable[str]) -> dict[Words, str]:
    """Labels by their words; without those that have a sign which the language does not know."""
    found: dict[Words, str] = {}
    for label in labels:
        with suppress(QuestionError):
            found[words_of(label)] = label
    return found


_IDH = (Marker.IDH1, Marker.IDH2)
MARKERS = phrases_of(
    {
        "idh": _IDH,
        "idh1": (Marker.IDH1,),
        "idh2": (Marker.IDH2,),
        "1p/19q; codeletion 1p19q; 1p19q": (Marker.CODELETION_1P19Q,),
        "atrx": (Marker.ATRX,),
        "tert; tert promoter; tertp": (Marker.TERT,),
        "egfr; egfr amplification": (Marker.EGFR,),
        "+7/-10; 7/10; gain7 loss10; chromosome 7/10": (Marker.GAIN7_LOSS10,),
        "cdkn2a; cdkn2a/b; cdkn2a b deletion; cdkn2a/b deletion": (Marker.CDKN2A,),
        "mgmt; mgmt methylation; mgmt promoter": (Marker.MGMT,),
        "h3 k27; h3k27; h3 k27m": (Marker.H3_K27,),
        "h3 g34; h3g34": (Marker.H3_G34,),
        "p53; tp53": (Marker.P53,),
        "braf; braf v600e": (Marker.BRAF_V600E,),
        "ki67; ki 67; mib1": (Marker.KI67,),
        "microvascular proliferation; mvp": (Marker.MICROVASCULAR_PROLIFERATION,),
        "necrosis": (Marker.NECROSIS,),
    }
)
STATES = phrases_of(
    {
        "altered; mutant; mutated; methylated; codeleted; amplified; deleted; lost; present; positive; yes": (
            MarkerState.ALTERED
        ),
        "unaltered; wildtype; wild type; unmethylated; not codeleted; intact; not amplified; not deleted; retained;"
        " absent; negative; no": MarkerState.UNALTERED,
        "indeterminate": MarkerState.INDETERMINATE,
        "not tested; untested": MarkerState.NOT_TESTED,
    }
)
OPERATORS = phrases_of(
    {
        "=; ==; :; is; are": Operator.IS,
        "!=; <>; is not": Operator.IS_NOT,
        "<; under; below; less than": Operator.LESS,
        "<=; at most": Operator.AT_MOST,
        ">; over; above; more than": Operator.MORE,
        ">=; at least": Operator.AT_LEAST,
        "~; contains": Operator.CONTAINS,
    }
)
SCOPES = phrases_of(
    {
        "finding; findings": Scope.FINDING,
        "sample; samples; histology": Scope.SAMPLE,
        "event; events": Scope.EVENT,
        "response": Scope.RESPONSE,
    }
)
#: Fields of samples and events that need not be introduced.
SHORT = phrases_of({"grade": "grade", "diagnosis": "diagnosis", "extent": "extent", "extent of resection": "extent"})
SHORT_SCOPE = {"grade": Scope.SAMPLE, "diagnosis": Scope.SAMPLE, "extent": Scope.EVENT}
#: Events whose figure is asked about by their name: `kps <= 70`.
FIGURES = phrases_of(
    {
        "kps": (EventKind.KPS, "score", ""),
        "ecog": (EventKind.ECOG, "score", ""),
        "nano": (EventKind.NANO, "score", ""),
        "steroids; steroid": (EventKind.STEROIDS, "daily dose", "mg"),
        "radiotherapy": (EventKind.RADIOTHERAPY, "dose", "gy"),
    }
)
DIRECTIONS = phrases_of(
    {
        "up; grown; increased; up by; increased by": Direction.UP,
        "down; shrunk; decreased; down by; decreased by": Direction.DOWN,
    }
)
REFERENCES = phrases_of({str(reference): reference for reference in Reference})
USUAL_LABELS = ("ET", "TC", "WT", "RC", "NETC", "SNFH")
#: As RANO compares: growth with the smallest volume, response with the baseline.
USUAL_REFERENCE = {Direction.UP: Reference.NADIR, Direction.DOWN: Reference.BASELINE}
HAD = phrases_of({"had; has; has had; with": None})
EVENT_KINDS = phrases_of({kind.value: kind for kind in EventKind})
JOINTS = ("and", "or", "not")
VISIT_FIELDS = phrases_of({name: name for name in FIELDS[Scope.VISIT]})
#: What a label of the same name is asked about with the word *volume* only.
FIRST_WORDS = frozenset({*SCOPES, *SHORT, *FIGURES, *HAD, *VISIT_FIELDS})
