"""Dates of BIDS sessions, from the subject's `sessions.tsv`."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Mapping


def session_dates(table: str) -> Mapping[str, dt.date]:
    """Dates by session key (`ses-...`) from the text of a `sessions.tsv`; rows without a readable date are absent."""
    dates: dict[str, dt.date] = {}
    for row in csv.DictReader(table.splitlines(), delimiter="\t"):
        session = (row.get("session_id") or "").strip()
        told = (row.get("acq_time") or row.get("acq_date") or "").strip()
        try:
            date = dt.date.fromisoformat(told[:10])
        except ValueError:  # n/a, or another way of writing
            continue
        if session:
            dates[session if session.startswith("ses-") else f"ses-{session}"] = date
    return dates
