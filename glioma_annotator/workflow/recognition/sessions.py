"""Dates of BIDS sessions, from the subject's `sessions.tsv`."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
from collections.abc import Iterator, Mapping


def session_dates(table: str) -> Mapping[str, dt.date]:
    """Dates by session key (`ses-...`) from the text of a `sessions.tsv`; rows without a readable date are absent."""
    dates: dict[str, dt.date] = {}
    for row in _rows(table):
        session = (row.get("session_id") or "").strip()
        told = (row.get("acq_time") or row.get("acq_date") or "").strip()
        try:
            date = dt.date.fromisoformat(told[:10])
        except ValueError:  # n/a, or another way of writing
            continue
        if session:
            dates[session if session.startswith("ses-") else f"ses-{session}"] = date
    return dates


def _rows(table: str) -> Iterator[Mapping[str, str]]:
    with contextlib.suppress(csv.Error):  # no table: dates are a help, not a need
        yield from csv.DictReader(table.splitlines(), delimiter="\t")
