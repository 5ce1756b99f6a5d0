"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from glioma_annotator.errors import EnvironmentFailure

_MOST_LETTERS = 40  # of a temporary file's name from its target's; up to four bytes each, and a name takes 255


@contextmanager
def atomic_write(path: Path, *, flush: bool = True) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` once everything is on disk.

    What is written goes to a temporary file beside `path`, which is removed when anything fails. Without `flush`
    nothing waits for the disk: the file appears whole or not at all when the program ends, but not if the machine does.
    Raises `EnvironmentFailure` when the disk is full or the folder cannot be written.
    """
    try:
        with new_file(path) as file:
            yield file
            file.flush()
            if flush:
                os.fsync(file.fileno())
            file.close()
            Path(file.name).replace(path)
        if flush:
            flush_folder(path.parent)
    except OSError as error:
        raise EnvironmentFailure(
            f"{path.name} could not be written to {path.parent} ({error.strerror or error}).",
            "Make room on the disk or check that the folder can be written, then try again.",
        ) from error


def make_folder(folder: Path) -> None:
    """Make a folder and those above it. Raises `EnvironmentFailure`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFailure(
            f"The folder “{folder}” could not be made: {error.strerror}.", "Choose a folder you may write to."
        ) from error


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file beside `path`, for the caller to close and put in its place; else it is removed. Raises `OSError`."""
    temporary = path.with_name(f".{path.name[:_MOST_LETTERS]}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
    finally:
        temporary.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Make a new or renamed file's name durable; Windows has no such call and needs none. Raises `OSError`."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
