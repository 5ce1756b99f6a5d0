"""The log: a few files in the user's data folder, without patients' names and without paths.

Paths of the program's own code are kept, shortened; every other path is replaced by a mark that is the same for the
same path within a run, so that a log can still be followed.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
import sys
import sysconfig
from collections.abc import Iterable
from logging.handlers import RotatingFileHandler
from pathlib import Path, PurePath
from typing import Any

from glioma_annotator import paths

_FILE = "glioma-annotator.log"
_BYTES, _FILES = 2**20, 5
_FORMAT = "%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_NAME = r"[^\s\"'<>|:*?,;()\[\]{}]+"
_ON = rf"(?:(?:[ ][^\s\"'<>|:*?,;/\\]+){{1,3}}[/\\]{_NAME})*"  # folders with up to two spaces in their names
_PATHS = re.compile(
    rf"""
    (?P<quote>["'])(?=[^"'\n]*[/\\])[^"'\n]+(?P=quote)   # quoted and with a separator: spaces may be inside
    | (?<![\w<>])(?:[A-Za-z]:)?[/\\]{{1,2}}{_NAME}{_ON}   # absolute
    | (?<![\w<>/\\.-])(?:\.{{1,2}}|~){{1,2}}[/\\]{_NAME}{_ON} # from here or from home
    | (?<![\w<>/\\])[\w.-]+(?:[/\\][\w.-]+)*\.(?:nii|dcm|ima|nrrd|mha|mhd|db|journal)(?:\.gz)?\b  # a volume's name
    """,
    re.VERBOSE | re.IGNORECASE,
)


class Redactor:
    """Takes paths out of a text."""

    def __init__(self) -> None:
        self._salt = secrets.token_bytes(8)
        roots = {str(Path(__file__).parent.parent), *sysconfig.get_paths().values(), sys.prefix, sys.base_prefix}
        self._program = sorted((root for root in roots if len(root) > 1), key=len, reverse=True)

    def mark(self, path: str) -> str:
        """What stands for a path: the same for the same path within a run."""
        return f"<path {hashlib.sha256(self._salt + path.encode(errors='replace')).hexdigest()[:8]}>"

    def __call__(self, text: str) -> str:
        for root in self._program:
            text = text.replace(root + os.sep, "<program>/")
        return _PATHS.sub(self._replacement, text)

    def _replacement(self, found: re.Match[str]) -> str:
        text = found.group()
        if "<program>" in text:
            return text
        quote = found.group("quote") or ""
        return f"{quote}{self.mark(text.strip(quote) if quote else text)}{quote}"


class RedactingFormatter(logging.Formatter):
    """Formats a record, its traceback included, and redacts it."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__(_FORMAT)
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        known = dict.fromkeys(_paths_in(record), "")
        text = super().format(record)
        for path in sorted(known, key=len, reverse=True):  # whole, whatever characters are in them
            text = text.replace(path, self._redactor.mark(path))
        return self._redactor(text)


def _paths_in(record: logging.LogRecord) -> Iterable[str]:
    """Paths that a record carries as values: arguments, and the file names of its exceptions."""
    arguments = record.args.values() if isinstance(record.args, dict) else record.args or ()
    for argument in arguments:
        if isinstance(argument, PurePath) or (isinstance(argument, str) and (os.sep in argument or "/" in argument)):
            yield str(argument)
    error: BaseException | None = record.exc_info[1] if record.exc_info else None
    while error is not None:
        if isinstance(error, OSError):
            yield from (str(name) for name in (error.filename, error.filename2) if isinstance(name, str | PurePath))
        error = error.__cause__ or error.__context__


def setup_logging(folder: Path | None = None, level: str | None = None) -> None:
    """Write the log to files without any path, replacing an earlier set-up. Messages never name a patient.

    Parameters
    ----------
    folder: where the files go; the user's log folder by default.
    level: from which severity on the program's own messages are kept; the environment's GLIOMA_LOG by default, else
        INFO. Other libraries' messages are kept from WARNING on.

    Where the folder cannot be written, messages go to the standard error stream instead.
    """
    handler = _handler(folder or paths.log_folder())
    handler.setFormatter(RedactingFormatter(Redactor()))
    root = logging.getLogger()
    for earlier in [h for h in root.handlers if isinstance(h.formatter, RedactingFormatter)]:
        root.removeHandler(earlier)
        earlier.close()
    root.addHandler(handler)
    wanted = (level or os.environ.get("GLIOMA_LOG") or "INFO").upper()
    own = logging.getLogger("glioma_annotator")
    own.setLevel(wanted if wanted in _LEVELS else "INFO")
    if wanted not in _LEVELS:
        own.warning("GLIOMA_LOG must be one of %s", ", ".join(_LEVELS))
    logging.captureWarnings(True)


def _handler(folder: Path) -> logging.Handler:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _PrivateFileHandler(folder / _FILE, maxBytes=_BYTES, backupCount=_FILES - 1, encoding="utf-8")
    except OSError:
        return logging.StreamHandler()


class _PrivateFileHandler(RotatingFileHandler):
    """A rotating file that only its owner can read."""

    def _open(self) -> Any:
        os.close(os.open(self.baseFilename, os.O_CREAT | os.O_WRONLY, 0o600))
        return super()._open()
