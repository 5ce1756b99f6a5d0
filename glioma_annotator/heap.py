"""Freed memory kept for the next large tensor.

The C library of Linux gives every freed block of over 32 MB back to the system at once, and gets it anew, page by page,
at the next use. A training step frees and asks for gigabytes: with 80-cube patches that was 40 % of its time.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Numbers of mallopt(3), and what they are when nobody has changed them.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_USUAL = {_TRIM_THRESHOLD: 128 * 1024, _TOP_PAD: 128 * 1024, _MMAP_MAX: 65536}
_KEEPING = {_TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 256 * 1024 * 1024, _MMAP_MAX: 0}

_lock = threading.Lock()
_users = 0


def share_one_heap() -> None:
    """Let all threads that are yet to start use one heap: memory is kept in that one only. For a program's start."""
    _set({_ARENA_MAX: 1})


@contextmanager
def kept_memory() -> Iterator[None]:
    """Within it, freed memory stays with the process; at the end of the last such block all of it is given back.

    Counts for all threads that use the common heap. Does nothing where the C library is another than glibc.
    """
    global _users
    with _lock:
        _users += 1
        _set(_KEEPING)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _set(_USUAL)
                give_back()


def give_back() -> None:
    """Give what is free now back to the system, also within `kept_memory`: before what needs other sizes of memory."""
    library = _library()
    if library is not None:
        library.malloc_trim(0)


def _set(parameters: dict[int, int]) -> None:
    library = _library()
    if library is not None:
        for parameter, value in parameters.items():
            library.mallopt(parameter, value)


def _library() -> ctypes.CDLL | None:
    """The C library, where it is glibc."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
