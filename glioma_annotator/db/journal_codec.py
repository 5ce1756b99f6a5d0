"""How a journal's entries look as bytes.

A file is a magic number and then frames; a frame is the length and the CRC-32 of what follows (little-endian uint32
each), then the payload, compressed with zlib. The first payload is the header, a JSON object. Every further one is an
entry: a JSON line, then for an edit the distances between its indices, the old and the new label values.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from glioma_annotator.domain.editing import JournalAction, JournalEntry, VoxelEdit
from glioma_annotator.domain.geometry import Box

MAGIC = b"GLIOJRN1"
_FRAME = struct.Struct("<II")
_FAST = 1  # zlib level: a stroke must be on disk before the next one begins


def frame(payload: bytes) -> bytes:
    packed = zlib.compress(payload, _FAST)
    return _FRAME.pack(len(packed), zlib.crc32(packed)) + packed


def frames(content: bytes) -> Iterator[tuple[bytes, int]]:
    """Payloads and the offset behind each, up to the first frame that is torn or corrupt; nothing for another file."""
    if not content.startswith(MAGIC):
        return
    at = len(MAGIC)
    while at + _FRAME.size <= len(content):
        length, checksum = _FRAME.unpack_from(content, at)
        packed = content[at + _FRAME.size : at + _FRAME.size + length]
        if len(packed) < length or zlib.crc32(packed) != checksum:
            return
        at += _FRAME.size + length
        try:
            payload = zlib.decompress(packed)
        except zlib.error:
            return
        yield payload, at


def encode(entry: JournalEntry) -> bytes:
    head: dict[str, Any] = {"action": entry.action.value}
    arrays: tuple[bytes, ...] = ()
    if entry.edit is not None:
        edit = entry.edit
        steps = np.diff(edit.index)
        kind = np.min_scalar_type(int(steps.max(initial=0))).newbyteorder("<")
        head |= {
            "name": edit.name,
            "model": edit.model,
            "start": edit.box.start,
            "stop": edit.box.stop,
            "count": edit.index.size,
            "first": int(edit.index[0]) if edit.index.size else 0,
            "steps": kind.str,
        }
        arrays = steps.astype(kind).tobytes(), edit.old.tobytes(), edit.new.tobytes()
    return b"".join((json.dumps(head).encode(), b"\n", *arrays))


def decode(payload: bytes) -> JournalEntry:
    """Raises ValueError, KeyError or TypeError for what `encode` did not write."""
    line, _, arrays = payload.partition(b"\n")
    head = json.loads(line)
    action = JournalAction(head["action"])
    if "count" not in head:
        return JournalEntry(action)
    count, kind = int(head["count"]), np.dtype(head["steps"])
    stepped = max(count - 1, 0) * kind.itemsize
    if len(arrays) != stepped + 2 * count:
        raise ValueError("a journal entry's arrays do not fit its count")
    index = np.full(min(count, 1), head["first"], dtype=np.int64)
    if count > 1:
        index = np.cumsum(np.concatenate([index, np.frombuffer(arrays[:stepped], dtype=kind).astype(np.int64)]))
    values = np.frombuffer(arrays[stepped:], dtype=np.uint8)
    (i, j, k), (u, v, w) = head["start"], head["stop"]
    box = Box((i, j, k), (u, v, w))
    edit = VoxelEdit(head["name"], box, index, values[:count], values[count:], head.get("model", ""))
    return JournalEntry(action, edit)
