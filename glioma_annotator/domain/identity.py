"""Stable identifiers of clinical records: the same in every workspace that holds the record."""

from __future__ import annotations

import datetime as dt
import uuid


def new_id() -> str:
    """A random UUID (version 4) as 32 hexadecimal digits."""
    return uuid.uuid4().hex


def utc_now() -> dt.datetime:
    """Now, timezone-aware, UTC."""
    return dt.datetime.now(dt.UTC)
