"""What a search or a question found, in words for lists."""

from __future__ import annotations

import re

_WIDTH = 96  # characters of an excerpt: a line of the list


def excerpt(text: str, query: str, width: int = _WIDTH) -> str:
    """One line of `text` around the first word of a search that it holds."""
    line = " ".join(text.split())
    if len(line) <= width:
        return line
    words = re.findall(r"\w+", query)
    found = re.search("|".join(rf"\b{re.escape(word)}" for word in words), line, re.IGNORECASE) if words else None
    start = max(found.start() - width // 3, 0) if found else 0
    start = min(start, len(line) - width)
    if start:
        start = line.find(" ", start) + 1 or start
    end = start + width
    return f"{'… ' if start else ''}{line[start:end].rstrip()}{' …' if end < len(line) else ''}"
