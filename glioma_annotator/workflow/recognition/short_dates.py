"""Dates of six digits in names: 190131 is 31 January 2019, but 190114 may be of 2019 or of 2014.

Six digits are read only where one order of year, month and day is possible for all of a patient's visits. Where those
of any patient cannot be a date, all are numbers of examinations. What stays open is left to the reader.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from glioma_annotator.domain.import_plan import ImportKind
from glioma_annotator.imaging.nifti_header import composed
from glioma_annotator.workflow.recognition.moments import SINGLE_VISIT

if TYPE_CHECKING:
    from glioma_annotator.workflow.recognition.files import Recognised

_SIX = re.compile(r"(?<!\d)\d{6}(?!\d)")
#: Where year, month and day stand among three pairs of digits.
_ORDERS = ((0, 1, 2), (2, 1, 0), (2, 0, 1))
#: Nobody's glioma was followed with MRI before.
_FIRST_YEAR = 1990
#: So many visits are not all on the same day of the month: the pair that they share is a year or a month.
_NEVER_ON_ONE_DAY = 3
#: A patient's key beside which six digits may be a date.
_WITH_DATE = re.compile(r"((?:sub|subj|subject|pat|patient|case|id|p|pt)[-_ ]?\d{1,5})[-_ ](\d{6})", re.I)
#: So many folders above a file may be its visit's where none is its patient's.
_NEAR = 2


def with_short_dates(found: Sequence[Recognised], today: dt.date | None = None) -> list[Recognised]:
    """The files with the dates that six digits in their own or their folders' names tell; the visits' keys stay.

    P012_190131 is a visit of P012 where its digits are a date. Files of one visit that tell several dates become a
    visit for each.
    """
    now = today or dt.date.today()
    items = _of_one_patient(found, now)
    told = _in_names(items)
    by_patient: dict[str, set[str]] = {}
    by_visit: dict[tuple[str, str], set[str]] = {}
    for item, digits in zip(items, told, strict=True):
        if digits:
            by_patient.setdefault(item.patient, set()).add(digits)
            by_visit.setdefault((item.patient, item.moment.key), set()).add(digits)
    dates = _dates(by_patient, now)
    result = []
    for item, digits in zip(items, told, strict=True):
        if date := dates.get(item.patient, {}).get(digits):
            several = len(by_visit[item.patient, item.moment.key]) > 1 and (item.loose or not item.moment.kind)
            item = replace(item, moment=replace(item.moment, key=digits if several else item.moment.key, date=date))
        result.append(item)
    return result


def _dates(texts: Mapping[str, Collection[str]], today: dt.date) -> Mapping[str, Mapping[str, dt.date]]:
    """What the six digits of each patient mean; nothing where some patient's cannot be a date."""
    if any(not any(_read(text, order, today) for order in _ORDERS) for told in texts.values() for text in told):
        return {}
    return {patient: read_together(told, today) for patient, told in texts.items()}


def read_together(texts: Collection[str], today: dt.date) -> Mapping[str, dt.date]:
    """The dates that texts of six digits mean, if all of them can be read in one way alone; else nothing."""
    ways: list[dict[str, dt.date]] = []
    for order in _ORDERS:
        dates = {text: date for text in texts if (date := _read(text, order, today))}
        on_one_day = len(dates) >= _NEVER_ON_ONE_DAY and len({date.day for date in dates.values()}) == 1
        if dates and len(dates) == len(set(texts)) and not on_one_day and dates not in ways:
            ways.append(dates)
    return ways[0] if len(ways) == 1 else {}


def _read(text: str, order: tuple[int, int, int], today: dt.date) -> dt.date | None:
    year, month, day = (int(text[2 * place : 2 * place + 2]) for place in order)
    year += 1900 if year >= _FIRST_YEAR % 100 else 2000
    try:
        date = dt.date(year, month, day)
    except ValueError:
        return None
    return date if date <= today else None


def _of_one_patient(found: Sequence[Recognised], today: dt.date) -> list[Recognised]:
    """The files with those patients made one whose names differ in nothing but a date."""
    parts = [_WITH_DATE.fullmatch(item.patient) if item.moment.key == SINGLE_VISIT else None for item in found]
    texts: dict[str, set[str]] = {}
    for part in parts:
        if part:
            texts.setdefault(part[1], set()).add(part[2])
    sure = {patient for patient, told in _dates(texts, today).items() if told}
    return [
        replace(item, patient=part[1], moment=replace(item.moment, key=part[2], number=None))
        if part and part[1] in sure
        else item
        for item, part in zip(found, parts, strict=True)
    ]


def _in_names(items: Sequence[Recognised]) -> list[str]:
    """The six digits that may be the date of each file's visit; empty where there are none.

    Digits in a file's name count only where another image of its folder has them too: alone they may be a time of day
    or a number of the scan.
    """
    own = [_six_in(item.path.name) for item in items]
    images: dict[tuple[Path, str], int] = {}
    for item, digits in zip(items, own, strict=True):
        if item.content.kind is ImportKind.IMAGE:
            images[item.path.parent, digits] = images.get((item.path.parent, digits), 0) + 1
    result = []
    for item, digits in zip(items, own, strict=True):
        shared = digits if images.get((item.path.parent, digits), 0) > 1 else ""
        known = item.moment.date is not None or item.moment.day is not None
        candidates = (_six_in(item.moment.key), _of_folders(item), shared)
        result.append("" if known else next((d for d in candidates if d and d not in item.patient), ""))
    return result


def _of_folders(item: Recognised) -> str:
    """The digits in the folders below the patient's, outermost first, else those that a folder consists of."""
    names = [composed(folder.name) for folder in item.path.parents]
    if item.patient in names:
        below = names[: names.index(item.patient)]
        return next((digits for name in reversed(below) if (digits := _six_in(name))), "")
    return next((name for name in names[:_NEAR] if _SIX.fullmatch(name)), "")


def _six_in(name: str) -> str:
    """The only run of six digits in a name; empty where there is none, or more than one."""
    runs = _SIX.findall(name)
    return runs[0] if len(runs) == 1 else ""
