"""`sqlite_utils.Database`, without the pandas that it imports where it finds it.

It wants pandas only for the column type of timestamps in data frames, which the store never writes; importing it
takes longer than opening a workspace.
"""

from __future__ import annotations

import importlib.abc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _WithoutPandas(importlib.abc.MetaPathFinder):
    """Tells one thread that pandas is not installed; other threads import it as ever."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:  # noqa: ARG002 - given by name
        if fullname == "pandas" and threading.get_ident() == self._thread:
            raise ModuleNotFoundError("pandas is left out here", name="pandas")


@contextmanager
def _pandas_left_out() -> Iterator[None]:
    finder = _WithoutPandas()
    # New lists instead of changes in place: another thread may be going through the present one.
    sys.meta_path = [finder, *sys.meta_path]
    try:
        yield
    finally:
        sys.meta_path = [other for other in sys.meta_path if other is not finder]


with _pandas_left_out():
    from sqlite_utils import Database

__all__ = ["Database"]
