"""A home folder that cannot be written (read-only, or somebody else's), or none at all."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from glioma_annotator import paths


def can_be_written(folder: Path) -> bool:
    """Whether files can be made in a folder, or in the nearest one above it that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def lend_home() -> None:
    """Give a user without a home, as in some containers, a folder that lasts as long as the program."""
    try:
        paths.user_data()
    except RuntimeError:
        os.environ["GLIOMA_HOME"] = _lent_folder()


def find_room_for_caches() -> None:
    """Give the libraries a cache folder that can be written: napari writes there at every start, or does not load.

    It lies in the program's own folder where that can be written (`GLIOMA_HOME`), else it lasts as long as the program.
    """
    caches = _caches()
    if sys.platform != "linux" or (caches is not None and can_be_written(caches)):
        return
    place = paths.user_data() / "cache"
    if not can_be_written(place):
        place = Path(_lent_folder())
    os.environ["XDG_CACHE_HOME"] = str(place)
    os.environ.setdefault("MPLCONFIGDIR", str(place / "matplotlib"))


def _lent_folder() -> str:
    folder = tempfile.mkdtemp(prefix="glioma-annotator-")
    atexit.register(shutil.rmtree, Path(folder), ignore_errors=True)
    return folder


def _caches() -> Path | None:
    """The libraries' cache folder; None for a user without a home, as in some containers."""
    if named := os.environ.get("XDG_CACHE_HOME"):
        return Path(named)
    with suppress(RuntimeError):
        return Path("~/.cache").expanduser()
    return None
