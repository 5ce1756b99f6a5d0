"""The time as the database records it."""

from __future__ import annotations

import datetime as dt


def utc_text() -> str:
    """Now, in UTC, ISO 8601 with microseconds."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
