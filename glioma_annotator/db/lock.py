"""One writer per workspace.

The operating system's lock on an open file is what counts: it goes away with its process, however that ends. Who
holds it is written into the file for others to read.
"""

from __future__ import annotations

import datetime as dt
import getpass
import json
import os
import platform
import sys
from pathlib import Path

from glioma_annotator.db.failures import os_failure
from glioma_annotator.errors import WorkspaceBusy

if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # a locked byte cannot be read by others, so one behind the text is locked

    def _take(handle: int) -> None:
        os.lseek(handle, _FAR, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)
else:
    import fcntl

    def _take(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


class WorkspaceLock:
    """Held from construction to `release`.

    Raises `WorkspaceBusy` when another process, or this one, holds it already, and `EnvironmentFailure` when the
    file cannot be written or its file system knows no locks.
    """

    def __init__(self, path: Path) -> None:
        what = "The workspace could not be locked for writing"
        try:
            self._handle: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise os_failure(what, error) from error
        try:
            _take(self._handle)
        except (BlockingIOError, PermissionError) as error:
            self._close()
            raise WorkspaceBusy(_holder(path)) from error
        except OSError as error:
            self._close()
            raise os_failure(what, error) from error
        try:
            os.ftruncate(self._handle, 0)
            os.write(self._handle, _introduction())
        except OSError as error:
            self._close()
            raise os_failure(what, error) from error

    def release(self) -> None:
        """Let others write; harmless when done before."""
        if self._handle is None:
            return
        try:
            os.ftruncate(self._handle, 0)
        except OSError as error:
            raise os_failure("The workspace's lock could not be cleared", error) from error
        finally:
            self._close()

    def _close(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


def current_user() -> str:
    """The user's name on this computer."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        return "unknown user"


def _introduction() -> bytes:
    user = current_user()
    since = dt.datetime.now().astimezone().isoformat(sep=" ", timespec="minutes")
    return json.dumps({"user": user, "computer": platform.node(), "process": os.getpid(), "since": since}).encode()


def _holder(path: Path) -> str:
    """Who holds the lock, for a reader."""
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        since = dt.datetime.fromisoformat(holder["since"]).astimezone()  # the reader's own time
        return f"{holder['user']} on {holder['computer']}, process {holder['process']}, since {since:%Y-%m-%d %H:%M}"
    except (OSError, ValueError, KeyError, TypeError):  # being written at this moment, or unreadable
        return "by another process"
