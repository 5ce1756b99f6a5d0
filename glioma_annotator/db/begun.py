"""That an adaptation was begun: a small file beside the candidates, for the program that opens the workspace next."""

from __future__ import annotations

import datetime as dt
import json
import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from glioma_annotator.db.clock import utc_text
from glioma_annotator.db.failures import explained
from glioma_annotator.imaging.atomic_file import atomic_write

_THIS_RUN = uuid.uuid4().hex  # of the program
_log = logging.getLogger(__name__)


class Begun:
    """The file `.begun.json` in the folder of the candidates."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / ".begun.json"
        self._told = ""  # of an adaptation that another run of the program began

    @contextmanager
    def noted(self, who: str) -> Iterator[None]:
        """While an adaptation to `who` runs. Raises `EnvironmentFailure` where the file cannot be written."""
        with explained("The folder for the candidate could not be made"):
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with atomic_write(self._file) as output:
            output.write(json.dumps({"who": who, "since_utc": utc_text(), "run": _THIS_RUN}).encode() + b"\n")
        self._told = ""
        try:
            yield
        finally:
            with suppress(OSError):
                self._file.unlink()

    def told(self, read_only: bool) -> str:
        """That an adaptation was interrupted, in words; the file goes, the words stay while the workspace is open."""
        if self._told or read_only or not self._file.is_file():
            return self._told
        try:
            begun = json.loads(self._file.read_bytes())
            if begun["run"] == _THIS_RUN:
                return ""
            since = dt.datetime.fromisoformat(begun["since_utc"]).astimezone()  # the reader's own time
            self._told = (
                f"The adaptation to {begun['who']} of {since:%Y-%m-%d %H:%M} was interrupted when the program ended. "
                "The current model is unchanged: adapt again."
            )
        except (OSError, ValueError, KeyError, TypeError):
            _log.warning("What was left of an interrupted adaptation cannot be read.")
        with suppress(OSError):
            self._file.unlink()
        return self._told
