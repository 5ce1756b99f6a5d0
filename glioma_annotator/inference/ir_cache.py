"""Converted networks kept on disk: converting takes seconds, reading a converted network does not.

One file per network: a line of JSON (key, SHA-256 of the rest, sizes of its parts, facts), then the parts. A damaged
file is made anew; what has not been used for longest is removed.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.imaging.atomic_file import atomic_write

#: Raised when the conversion changes, so that older files are not read.
FORM = 2
#: Networks kept; the published one takes 29 MB.
KEPT = 12
_log = logging.getLogger(__name__)


def key_of(card: ModelCard, version: str, eight_bit: bool = False) -> str:
    """What a converted network depends on: the weights, the network's card and the converter's version."""
    facts = [FORM, version, card.architecture, card.parameters, len(card.channels), card.weights_sha256]
    text = json.dumps([*facts, sorted(card.ranges.items())] if eight_bit else facts)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Converted:
    """A converted network: `facts` (JSON values by name), and graph and weights of each of its models."""

    facts: Mapping[str, Any]
    models: tuple[tuple[bytes, bytes], ...]


def load_or_make(
    folder: Path, key: str, make: Callable[[], Converted], take: Callable[[Converted], object] = lambda _: None
) -> Converted:
    """A converted network from `folder`, made and kept there when it is not.

    `take` is given the network; where it fails with one that was kept, that one is made anew.
    A folder that cannot be written costs time, nothing else: the log notes it.
    """
    file = folder / f"{key}.network"
    found = _read(file, take)
    if found is not None:
        with suppress(OSError):
            os.utime(file)
        return found
    made = make()
    take(made)
    content = b"".join(part for model in made.models for part in model)
    sizes = [len(part) for model in made.models for part in model]
    head = {"key": key, "sha256": hashlib.sha256(content).hexdigest(), "sizes": sizes, "facts": dict(made.facts)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(file) as stream:
            stream.write(json.dumps(head).encode() + b"\n")
            stream.write(content)
        _remove_oldest(folder)
    except (OSError, EnvironmentFailure) as error:
        _log.warning("A converted network could not be kept: %s", error)
    return made


def _read(file: Path, take: Callable[[Converted], object]) -> Converted | None:
    """The network in a file, taken; None when there is none or it is damaged."""
    try:
        line, _, content = file.read_bytes().partition(b"\n")
        head = json.loads(line)
        ends = [0, *itertools.accumulate(int(size) for size in head["sizes"])]
        if head["key"] != file.stem:
            raise ValueError("it is another network's")
        if hashlib.sha256(content).hexdigest() != head["sha256"]:
            raise ValueError("the content is not what was written")
        parts = [content[start:end] for start, end in itertools.pairwise(ends)]
        found = Converted(dict(head["facts"]), tuple(zip(parts[::2], parts[1::2], strict=True)))
        take(found)
        return found
    except FileNotFoundError:
        return None
    except (OSError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        _log.warning("A converted network could not be read and is made anew: %s", error)
        return None


def _remove_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.network"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[KEPT:]:
        with suppress(OSError):
            file.unlink()
