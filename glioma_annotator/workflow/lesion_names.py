"""What a reader calls a lesion: by its finding where it has one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from glioma_annotator.domain.finding import Finding, Side
from glioma_annotator.domain.task_profile import TaskProfile

_IDENTITY = re.compile(r"\b([0-9a-f]{6})[0-9a-f]{26}\b")


def lesion_titles(lesions: Iterable[str], findings: Sequence[Finding], profile: TaskProfile) -> dict[str, str]:
    """Kind and side of the first finding of each lesion, numbered where several read alike.

    Lesions without a finding keep the name that tracking gave them, which is left out here.
    """
    named: dict[str, str] = {}
    taken: dict[str, int] = {}
    for lesion in dict.fromkeys(lesions):
        first = next((f for f in findings if f.lesion == lesion), None)
        if first is None:
            continue
        kind = profile.finding_kind(first.kind)
        title = kind.title if kind is not None else first.kind
        if first.side is not Side.UNKNOWN:
            title = f"{title}, {first.side.value}"
        taken[title] = taken.get(title, 0) + 1
        named[lesion] = f"{title} {taken[title]}" if taken[title] > 1 else title
    return named


def readable(text: str, titles: Mapping[str, str]) -> str:
    """A sentence with titles in the place of lesions' identities; of one without a title its first digits."""
    return _IDENTITY.sub(lambda found: titles.get(found[0], found[1]), text)
