"""The steps of a timepoint that are not saved yet, in a file before the next stroke begins.

Writing hands a step to the operating system, so that it outlives this process. Waiting until the disk has it, so that
it outlives the machine, takes up to a fifth of a second and is left to `flush`, which may be called on another thread.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeGuard

from glioma_annotator.db.failures import explained
from glioma_annotator.db.journal_codec import MAGIC, decode, encode, frame, frames
from glioma_annotator.db.names import free_name
from glioma_annotator.domain.editing import JournalAction, JournalEntry, VoxelEdit
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.imaging.atomic_file import atomic_write, flush_folder, new_file

_log = logging.getLogger(__name__)

_SET_ASIDE = ".set-aside"  # within the name of such a journal
_UNWRITTEN = "The last step could not be written to the journal of unsaved steps"
_UNFLUSHED = "The disk did not confirm the journal of unsaved steps"


@dataclass(frozen=True, slots=True)
class _Start:
    """A journal's header: the revision its steps start from, by id and by content, and whose steps they are.

    `visit` is the visit's uid; empty in a journal of an older version.
    """

    parent_revision_id: int | None
    content_sha256: str | None
    visit: str = ""


@dataclass(frozen=True, slots=True)
class _Found:
    """What a file held, and the offsets behind its header and its last good entry.

    `start` is None when the header is unreadable.
    """

    start: _Start | None
    entries: tuple[JournalEntry, ...]
    first: int
    end: int

    @property
    def steps(self) -> bool:
        """Whether any entry is a step that no revision has."""
        return any(entry.action is not JournalAction.PAST for entry in self.entries)


class FileJournal:
    """An append-only file of steps.

    A journal whose parent revision is unknown, or has other content than it had (the database was replaced by a
    backup, say), is set aside under another name: its steps must not be repeated on another mask, nor be lost. Once
    that revision is the newest again and has no other steps, it is taken back.

    Parameters
    ----------
    path: the file; it need not exist.
    content_of: content hash of a revision of this timepoint by its id; None for an unknown one.
    read_only: refuse every change.
    visit: the timepoint's uid; its number may be another visit's after an older database was put in place.
    newest: id of the timepoint's newest revision; None while it has none.
    kept: files that were set aside of this timepoint's journals.

    Raises `EnvironmentFailure` when the file cannot be read.
    """

    def __init__(
        self,
        path: Path,
        content_of: Callable[[int], str | None],
        *,
        read_only: bool,
        visit: str = "",
        newest: int | None = None,
        kept: Sequence[Path] = (),
    ) -> None:
        self._path = path
        self._visit = visit
        self._content_of = content_of
        self._read_only = read_only
        self._lock = threading.Lock()
        self._handle: int | None = None
        self._start = _Start(None, None, visit)
        self._first = 0  # offset behind the header
        self._end = 0  # offset behind the last good frame; 0 while there is no file to append to
        self._pending = b""  # frames that are not in the file yet
        self._unflushed = self._new = False  # entries, and the file's own name, that the disk may not have yet
        found = self._read(self._path)
        if not read_only:
            if found is not None and not self._fits(found.start):
                self._set_aside()
                found = None
            if found is None or not found.steps:
                found = self._taken_back(kept, newest) or found
        if found is not None and self._fits(found.start):
            self._start, self._first, self._end = found.start, found.first, found.end

    @property
    def parent_revision_id(self) -> int | None:
        return self._start.parent_revision_id

    def entries(self) -> tuple[JournalEntry, ...]:
        with self._lock:
            found = self._read(self._path) if self._end else None
            return found.entries if found else ()

    def append(self, entry: JournalEntry) -> None:
        """On return the entry survives the end of this process; after `flush` that of the machine, too.

        Raises `EnvironmentFailure` when it could not be written; the entries before it stay, and it is written
        together with the next one, so that no step is missing between others.
        """
        self._require_writable()
        with self._lock:
            self._pending += frame(encode(entry))
            with explained(_UNWRITTEN):
                try:
                    if self._end == 0:
                        self._make()
                    self._write_pending()
                except OSError:
                    self._close()  # opening it again cuts off what was written of it
                    raise

    def mark(self) -> int:
        with self._lock:
            return self._end - self._first + len(self._pending)

    def restart(self, parent_revision_id: int | None, past: Sequence[VoxelEdit] = (), since: int | None = None) -> None:
        """Put a new file in place of the old one, which stays when that fails.

        Only the steps since the mark keep others waiting, and only while they are copied.
        Raises `KeyError` for a revision that is not this timepoint's, `EnvironmentFailure` as `append`.
        """
        self._require_writable()
        content = None
        if parent_revision_id is not None:
            content = self._content_of(parent_revision_id)
            if content is None:
                raise KeyError(parent_revision_id)
        start = _Start(parent_revision_id, content, self._visit)
        header = _header(start)
        steps = b"".join(frame(encode(JournalEntry(JournalAction.PAST, edit))) for edit in past)
        with explained(_UNWRITTEN), new_file(self._path) as file:
            Path(file.name).chmod(0o600)
            file.write(header + steps)
            file.flush()
            os.fsync(file.fileno())
            with self._lock:
                kept = b"" if since is None else self._since(since)
                file.write(kept)
                file.close()
                self._close()  # Windows replaces no open file
                Path(file.name).replace(self._path)
                self._start, self._first = start, len(header)
                self._end = len(header) + len(steps) + len(kept)
                self._pending = b""
                self._unflushed = self._new = True
        # The new file is in place and counts. Should the disk refuse its name, the next flush tells; should a power
        # cut bring the old one back, its steps are those of a revision that is saved, and those after it.
        with contextlib.suppress(EnvironmentFailure):
            self.flush()

    def _since(self, mark: int) -> bytes:
        """The frames behind a mark, also those that are not in the file yet."""
        at = self._first + mark
        written = b""
        if at < self._end:
            with self._path.open("rb") as file:
                file.seek(at)
                written = file.read(self._end - at)
        return written + self._pending[max(at - self._end, 0) :]

    def flush(self) -> None:
        """On return every entry appended before survives the end of the machine; other threads may append meanwhile.

        Raises `EnvironmentFailure` when the disk does not take them.
        """
        with self._lock:
            if not self._unflushed:
                return
            self._unflushed = False
            new, self._new = self._new, False
            with explained(_UNFLUSHED):
                handle = os.open(self._path, os.O_RDWR) if self._handle is None else os.dup(self._handle)
        try:
            with explained(_UNFLUSHED):
                os.fsync(handle)
                if new:
                    flush_folder(self._path.parent)
        except EnvironmentFailure:
            with self._lock:
                self._unflushed, self._new = True, self._new or new
            raise
        finally:
            os.close(handle)

    def close(self) -> None:
        try:
            self.flush()
        except EnvironmentFailure as error:  # the entries are in the file; the workspace must close all the same
            _log.warning("a journal was closed before the disk had confirmed it: %s", error.what)
        with self._lock:
            self._close()

    def _require_writable(self) -> None:
        if self._read_only:
            raise UserError("This workspace is open for reading only.", "Open it for writing to edit masks.")

    @staticmethod
    def _read(path: Path) -> _Found | None:
        """What a file holds up to the first torn or corrupt entry; None without a file."""
        with explained("The journal of unsaved steps could not be read"):
            if not path.exists():
                return None
            content = path.read_bytes()
        parts = frames(content)
        try:
            payload, end = next(parts, (b"", 0))
            start = _Start(**json.loads(payload))
        except (ValueError, TypeError):
            return _Found(None, (), 0, 0)
        first, entries = end, []
        for payload, behind in parts:
            try:
                entries.append(decode(payload))
            except (ValueError, KeyError, TypeError):
                break
            end = behind
        return _Found(start, tuple(entries), first, end)

    def _fits(self, start: _Start | None) -> TypeGuard[_Start]:
        if start is None or start.visit not in ("", self._visit):
            return False
        parent = start.parent_revision_id
        return parent is None or self._content_of(parent) == start.content_sha256

    def _set_aside(self) -> None:
        name = free_name(f"{self._path.stem}{_SET_ASIDE}", lambda n: self._path.with_name(n).exists())
        with explained("A journal of unsaved steps could not be set aside"):
            self._path.rename(self._path.with_name(name))
        _log.warning("a journal was set aside: it starts from another state of its mask, or is damaged")

    def _taken_back(self, kept: Sequence[Path], newest: int | None) -> _Found | None:
        """What the last journal set aside holds whose steps start from the newest revision; its file is ours again."""
        with explained("A journal of unsaved steps could not be taken back"):
            there = [file for file in kept if file.exists()]
            for file in sorted(there, key=lambda file: file.stat().st_mtime, reverse=True):
                found = self._read(file)
                if found and found.steps and self._fits(found.start) and found.start.parent_revision_id == newest:
                    file.replace(self._path)
                    return found
        return None

    def _write_pending(self) -> None:
        if self._handle is None:
            self._handle = os.open(self._path, os.O_RDWR | getattr(os, "O_BINARY", 0))
            os.ftruncate(self._handle, self._end)  # a torn entry
            os.lseek(self._handle, self._end, os.SEEK_SET)
        written = 0
        while written < len(self._pending):
            written += os.write(self._handle, self._pending[written:])
        self._unflushed = True
        self._end += written
        self._pending = b""

    def _make(self) -> None:
        """A new file that starts from the empty mask. No old one is lost by it, so nothing waits for the disk."""
        start = _Start(None, None, self._visit)
        content = _header(start)
        with atomic_write(self._path, flush=False) as file:
            Path(file.name).chmod(0o600)
            file.write(content)
        self._start, self._new = start, True
        self._first = self._end = len(content)

    def _close(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


def journals_set_aside(folder: Path) -> dict[str, list[Path]]:
    """The journals that were set aside, by the stem of the name that they had. Raises `EnvironmentFailure`."""
    found: dict[str, list[Path]] = {}
    with explained("The journals of unsaved steps could not be read"):
        for file in folder.glob(f"*{_SET_ASIDE}*"):
            found.setdefault(file.name.partition(_SET_ASIDE)[0], []).append(file)
    return found


def _header(start: _Start) -> bytes:
    return MAGIC + frame(json.dumps(asdict(start)).encode())
