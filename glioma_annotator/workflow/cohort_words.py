"""What a search or a question found, in words for lists."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_WIDTH = 96  # characters of an excerpt: a line of the list
_WORD = re.compile(r"(?:[^\W_]|[\u0300-\u036f])+")  # accents may be letters of their own in it


def word_places(text: str, query: str) -> Iterator[tuple[int, int]]:
    """Where the words of `text` lie that begin as a word of a search, capitals and accents apart."""
    wanted = tuple(_plain(word) for word in _WORD.findall(query))
    for found in _WORD.finditer(text):
        if _plain(found.group()).startswith(wanted):
            yield found.span()


def _plain(word: str) -> str:
    small = word.casefold()
    if small.isascii():
        return small
    return "".join(c for c in unicodedata.normalize("NFD", small) if not unicodedata.combining(c))


def excerpt(text: str, query: str, width: int = _WIDTH) -> str:
    """One line of `text` around the first word of a search that it holds."""
    line = " ".join(text.split())
    if len(line) <= width:
        return line
    first, _ = next(word_places(line, query), (0, 0))
    start = max(first - width // 3, 0)
    start = min(start, len(line) - width)
    if start:
        start = line.find(" ", start) + 1 or start
    end = start + width
    return f"{'… ' if start else ''}{line[start:end].rstrip()}{' …' if end < len(line) else ''}"
