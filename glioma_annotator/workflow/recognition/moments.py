"""When a visit took place, as far as a name tells: a date, a day offset, a number, a phase of treatment."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from glioma_annotator.domain.patient import TreatmentPhase

SINGLE_VISIT = "visit-1"
"""Key of the visit where a name tells of none."""

_YEAR = r"((?:19|20)\d{2})"
#: Months in English, German, Spanish, French and Italian, whole or shortened; "set", "gen" and "mag" are words of
#: scans, too.
_MONTHS = (
    "jan(?:uary|uar|v(?:ier)?)?|ene(?:ro)?|genn(?:aio)?",
    "feb(?:ruary|ruar|rero|braio)?|f[ée]v(?:r(?:ier)?)?",
    "mar(?:ch|zo|s)?|märz?|mrz",
    "a[pbv]r(?:il(?:e)?)?",
    "mayo?|mai|magg(?:io)?",
    "juin|jun(?:e|io?)?|giu(?:gno)?",
    "juil(?:l(?:et)?)?|jul(?:y|io?)?|lug(?:lio)?",
    "aug(?:ust)?|ago(?:sto)?|ao[ûu]t",
    "sep(?:t|tember|tiembre|tembre)?|sett(?:embre)?",
    "o[ck]t(?:ober|ubre|obre)?|ott(?:obre)?",
    "nov(?:ember|iembre|embre)?",
    "dec(?:ember)?|dez(?:ember)?|dic(?:iembre|embre)?|d[ée]c(?:embre)?",
)
_MONTH = rf"({'|'.join(_MONTHS)})[-_. ]*"
_DATE = re.compile(rf"(?<!\d){_YEAR}([-_. ]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?:\d{{6}})?(?!\d)")
_DATE_SHORT = re.compile(rf"(?<![\d.]){_YEAR}([-.])([1-9]|1[0-2])\2([1-9]|[12]\d|3[01])(?!\.?\d)")
_DATE_NAMED = re.compile(rf"(?<![\da-z])(\d{{1,2}})[-_. ]*{_MONTH}{_YEAR}(?!\d)", re.I)
_DATE_NAMED_FIRST = re.compile(rf"(?<![a-zäéû]){_MONTH}(\d{{1,2}})[-_., ]+{_YEAR}(?!\d)", re.I)
_DATE_NAMED_LAST = re.compile(rf"(?<!\d){_YEAR}[-_. ]*{_MONTH}(\d{{1,2}})(?![\da-z])", re.I)
_DATE_SHORT_YEAR = re.compile(r"(?<![\w.])(0[1-9]|[12]\d|3[01])\.(0[1-9]|1[0-2])\.(\d{2})(?![\w.])")
_DATE_LAST_YEAR = re.compile(rf"(?<![\d.])(\d{{1,2}})([-.]|(?<=\d\d)_(?=\d\d))(\d{{1,2}})\2{_YEAR}(?!\d)")
#: Nothing else may stand there: Jan 1961 and April 1985 are people.
_MONTH_OF_YEAR = re.compile(rf"^\s*{_MONTH}(199\d|20\d\d)\s*$", re.I)
#: A year of two digits from here on is of the last century.
_CENTURY = 70
_DAY = re.compile(r"(?<![a-z])days?[-_ ]?(\d{1,5})(?!\d)", re.I)
_WEEK = re.compile(r"(?<![a-z])(?:week|wk)[-_ ]?(\d{1,4})(?:-(\d))?(?!\d)", re.I)
_NUMBER = re.compile(
    r"(?<![a-z])(?:tp|time[-_ ]?point|time|visit|ses(?:sion)?|month|fu|follow[-_ ]?up)"
    r"[-_ ]?(\d{1,4})(?![a-z0-9])",
    re.I,
)
_PHASES = (
    (TreatmentPhase.PRE_OPERATIVE, r"pre[-_ ]?(?:op(?:erative|eratively)?|surg(?:ery|ical)?|treatment|resection)"),
    (
        TreatmentPhase.POST_RT_BASELINE,
        r"post[-_ ]?(?:rt|radio(?:therapy)?|radiation|chemoradiation|crt)(?:[-_ ]?baseline)?|rt[-_ ]?baseline",
    ),
    (
        TreatmentPhase.EARLY_POST_OPERATIVE,
        r"(?:early[-_ ]?)?post[-_ ]?(?:op(?:erative|eratively)?|surg(?:ery|ical)?|resection)",
    ),
    (TreatmentPhase.PROGRESSION, r"progression|progress|recurrence|recurrent|recur|relapse"),
    (TreatmentPhase.FOLLOW_UP, r"follow[-_ ]?up\d*|fu\d*"),
)
_PHASE_PATTERNS = tuple((p, re.compile(rf"(?<![a-z])(?:{text})(?![a-z])", re.I)) for p, text in _PHASES)
_BASELINE = re.compile(r"(?<![a-z])baseline(?![a-z])", re.I)
_PHASE_RANK = {
    TreatmentPhase.PRE_OPERATIVE: 0,
    TreatmentPhase.EARLY_POST_OPERATIVE: 1,
    TreatmentPhase.POST_RT_BASELINE: 2,
    TreatmentPhase.UNKNOWN: 3,
    TreatmentPhase.FOLLOW_UP: 3,
    TreatmentPhase.PROGRESSION: 4,
}


@dataclass(frozen=True, slots=True)
class Moment:
    """What a name tells about when.

    Attributes
    ----------
    key: key for the visit.
    date, day: calendar date; days since the first visit.
    number: a number that orders visits, such as a timepoint's.
    phase: phase of treatment.
    baseline: the name says "baseline", which is the post-radiotherapy scan only when earlier visits exist.
    """

    key: str
    date: dt.date | None = None
    day: int | None = None
    number: int | None = None
    phase: TreatmentPhase = TreatmentPhase.UNKNOWN
    baseline: bool = False

    @property
    def sort_key(self) -> tuple[object, ...]:
        """Orders a patient's visits: by date, by day, by number, by phase, by name in natural order.

        A phase that tells its place by itself does where nothing else is known: preop, month3, recurrence. A day
        without a date comes before dates.
        """
        rank = _PHASE_RANK[TreatmentPhase.POST_RT_BASELINE if self.baseline else self.phase]
        text = _year_first(self.key.lower())
        natural = tuple((0, int(t), "") if t.isdigit() else (1, 0, t) for t in re.split(r"(\d+)", text) if t)
        return (
            rank if not self.kind else _PHASE_RANK[TreatmentPhase.UNKNOWN],
            self.date is not None or self.day is None,
            self.date or dt.date.max,
            _or_last(self.day),
            _or_last(self.number),
            rank,
            natural,
        )

    @property
    def kind(self) -> str:
        """What orders it among others: "date", "day", "number" or nothing."""
        kinds = (("date", self.date), ("day", self.day), ("number", self.number))
        return next((kind for kind, value in kinds if value is not None), "")

    @property
    def tells_its_place(self) -> bool:
        """Whether its phase alone says where in a course it belongs."""
        return self.baseline or self.phase not in (TreatmentPhase.UNKNOWN, TreatmentPhase.FOLLOW_UP)

    @property
    def unclear(self) -> bool:
        """Whether its key is a date of which nobody can tell day and month apart."""
        return self.date is None and _DATE_LAST_YEAR.search(self.key) is not None


def _year_first(text: str) -> str:
    return _DATE_LAST_YEAR.sub(r"\4-\1-\3", text)


def _or_last(number: int | None) -> int:
    return 10**9 if number is None else number


def find_moment(text: str) -> Moment | None:
    """The moment that a folder's or file's name tells; None when it tells none."""
    rest, date = take_date(text)
    day, number, key = None, None, date.isoformat() if date else ""
    if unclear := _DATE_LAST_YEAR.search(rest):  # 03-04-2019: which is the month cannot be known
        key = key or unclear.group()
        rest = rest.replace(unclear.group(), " ")
    if match := _DAY.search(rest):
        day = int(match.group(1))
        key = key or f"day{day:04d}"
    elif match := _WEEK.search(rest):
        day = 7 * int(match.group(1))
        number = int(match.group(2)) if match.group(2) else None
        key = key or match.group().lower()
    if match := _NUMBER.search(rest):
        number = int(match.group(1)) if number is None else number
        key = key or match.group().lower()
    if not key and (match := _MONTH_OF_YEAR.search(rest)):
        number = 12 * int(match.group(2)) + _month(match.group(1))
        key = match.group().lower()
    phase, phrase = _find_phase(rest)
    baseline = _BASELINE.search(rest)
    key = key or phrase or (baseline.group().lower() if baseline else "")
    if not key:
        return None
    return Moment(key, date, day, number, phase, baseline is not None and phase is TreatmentPhase.UNKNOWN)


def without_moment(text: str) -> str:
    """`text` without dates, days, numbers of visits and phases, so that "postop" is not read as a contrast word."""
    text, _ = take_date(text)
    for pattern in (_DATE_LAST_YEAR, _MONTH_OF_YEAR, _DAY, _WEEK, _NUMBER, *(p for _, p in _PHASE_PATTERNS), _BASELINE):
        text = pattern.sub(" ", text)
    return text


def merge(outer: Moment, inner: Moment) -> Moment:
    """One moment from what a folder and what a deeper folder or the file's name tell; what the outer one leaves
    open the inner one fills, and a key that is a date or a day is preferred.
    """
    return replace(
        outer,
        key=outer.key
        if outer.date or outer.day is not None or not (inner.date or inner.day is not None)
        else inner.key,
        date=outer.date or inner.date,
        day=outer.day if outer.day is not None else inner.day,
        number=outer.number if outer.number is not None else inner.number,
        phase=inner.phase if outer.phase is TreatmentPhase.UNKNOWN else outer.phase,
        baseline=outer.baseline or inner.baseline,
    )


def take_date(text: str) -> tuple[str, dt.date | None]:
    """`text` without the first date in it, and that date; None where there is none."""
    for match, year, month, day in _dates(text):
        try:
            date = dt.date(year, month, day)
        except ValueError:  # 31 April
            continue
        return text[: match.start()] + " " + text[match.end() :], date
    return text, None


def _dates(text: str) -> Iterator[tuple[re.Match[str], int, int, int]]:
    """What may be a date: where it stands, year, month, day."""
    for pattern in (_DATE, _DATE_SHORT):
        for m in pattern.finditer(text):
            yield m, int(m[1]), int(m[3]), int(m[4])
    for pattern, day, month, year in (
        (_DATE_NAMED, 1, 2, 3),
        (_DATE_NAMED_FIRST, 2, 1, 3),
        (_DATE_NAMED_LAST, 3, 2, 1),
    ):
        for m in pattern.finditer(text):
            yield m, int(m[year]), _month(m[month]), int(m[day])
    for m in _DATE_LAST_YEAR.finditer(text):
        one, two = int(m[1]), int(m[3])
        dots = m[2] == "."  # nobody writes the month first with dots
        if dots or one == two or (one > 12) != (two > 12):
            day, month = (one, two) if dots or one > 12 else (two, one)
            yield m, int(m[4]), month, day
    for m in _DATE_SHORT_YEAR.finditer(text):
        yield m, int(m[3]) + (1900 if int(m[3]) >= _CENTURY else 2000), int(m[2]), int(m[1])


def _month(name: str) -> int:
    return 1 + next(n for n, names in enumerate(_MONTHS) if re.fullmatch(names, name, re.I))


def _find_phase(text: str) -> tuple[TreatmentPhase, str]:
    for phase, pattern in _PHASE_PATTERNS:
        if match := pattern.search(text):
            return phase, match.group().lower()
    return TreatmentPhase.UNKNOWN, ""
