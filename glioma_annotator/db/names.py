"""File and folder names made from what users call things."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from itertools import count

_LONGEST = 64
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # device names on Windows


def safe_name(text: str, fallback: str) -> str:
    """A name that is safe on every file system: ASCII letters, digits, `.`, `_` and `-`, at most 64 characters.

    `fallback` serves when nothing of `text` is left.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", plain)[:_LONGEST].strip(".-")
    if not name:
        return fallback
    return f"_{name}" if _RESERVED.fullmatch(name) else name


def free_name(wanted: str, taken: Callable[[str], bool]) -> str:
    """`wanted`, or with `-2`, `-3` and so on behind it, whichever is not `taken` first."""
    if not taken(wanted):
        return wanted
    return next(name for n in count(2) if not taken(name := f"{wanted}-{n}"))


def is_safe_name(name: str) -> bool:
    """Whether a file's name, made by somebody else, is one that this program could have made, or starts with a dot."""
    return bool(re.fullmatch(r"[A-Za-z0-9._-]{1,96}", name)) and name.strip(".") != "" and not _RESERVED.fullmatch(name)
