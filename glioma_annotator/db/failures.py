"""Says in a reader's words what the disk or SQLite refused."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from glioma_annotator.errors import EnvironmentFailure, GliomaError, UserError

_DISK_FULL = "Make room on the disk and try again; everything saved before is still there."
_DENIED = "Check that you may write to the workspace folder, or open the workspace for reading only."
_DISK_FAULT = "The disk or the network folder may be failing: copy the workspace to another disk, then try again."
_LOCKED = "Close other programs that use the workspace folder (a backup or a database browser, say), then try again."
DAMAGED = (
    "Close the program, keep a copy of the folder, and put the newest copy from the folder `backups` in place of "
    "`glioma.db` (docs/workspace.md says how)."
)

_TOO_LONG = "Choose a shorter name, or a folder less deep."

_OS_REASONS = {
    errno.ENOSPC: ("the disk is full", _DISK_FULL),
    errno.EDQUOT: ("your disk quota is used up", _DISK_FULL),
    errno.EFBIG: ("the file would become larger than the system allows", _DISK_FULL),
    errno.EACCES: ("access was denied", _DENIED),
    errno.EPERM: ("access was denied", _DENIED),
    errno.EROFS: ("the disk is read-only", _DENIED),
    errno.ENAMETOOLONG: ("the name or the path is too long", _TOO_LONG),
    errno.EIO: ("the disk reported a fault", _DISK_FAULT),
}


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn failures of the disk and of SQLite into errors for the reader.

    Parameters
    ----------
    what: what did not come about, without a full stop, e.g. "The mask could not be saved".

    Raises `EnvironmentFailure` (disk full, no permission, disk fault, locked) or `UserError` (damaged database).
    Violated constraints and misuse of SQLite are bugs and pass through.
    """
    try:
        yield
    except OSError as error:
        raise os_failure(what, error) from error
    except sqlite3.DatabaseError as error:
        explanation = _sqlite_failure(what, error)
        if explanation is None:
            raise
        raise explanation from error


def os_failure(what: str, error: OSError) -> EnvironmentFailure:
    """The explanation of a failed system call; `what` as in `explained`."""
    reason, advice = _OS_REASONS.get(error.errno or 0, (error.strerror or type(error).__name__, _DISK_FAULT))
    return EnvironmentFailure(f"{what}: {reason}.", advice)


def _sqlite_failure(what: str, error: sqlite3.DatabaseError) -> GliomaError | None:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
    if code == sqlite3.SQLITE_FULL:
        return EnvironmentFailure(f"{what}: the disk is full.", _DISK_FULL)
    if code == sqlite3.SQLITE_IOERR:
        return EnvironmentFailure(f"{what}: the disk reported a fault or is full.", _DISK_FAULT)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return EnvironmentFailure(f"{what}: the database cannot be opened or written.", _DENIED)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return EnvironmentFailure(f"{what}: another program holds the database.", _LOCKED)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return UserError(f"{what}: the database glioma.db is damaged.", DAMAGED)
    return None
