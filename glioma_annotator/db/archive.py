"""Zip archives of ours: written whole or not at all, and read with mistrust.

An archive holds `manifest.json`, which names the archive's kind and the size and SHA-256 of every other member. A
member that the manifest does not name, that leads out of the folder, or that is larger or other than the manifest says
is refused before or while it is unpacked.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from glioma_annotator.db.clock import utc_text
from glioma_annotator.db.failures import explained
from glioma_annotator.db.names import is_safe_name
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.atomic_file import atomic_write

MANIFEST = "manifest.json"
_VERSION = 1
_MOST_MEMBERS = 200_000
_LARGEST_MANIFEST = 64 * 2**20
_BLOCK = 2**20
_FIRST_TIME, _LAST_TIME = (1980, 1, 1, 0, 0, 0), (2107, 12, 31, 23, 59, 58)  # that a zip can express
_REFUSED = "Nothing was changed. Take the archive from where it was made once more."


class ArchiveWriter:
    """Adds members to an archive that is being written."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._zip = file
        self._members: dict[str, dict[str, Any]] = {}

    def add(self, name: str, content: bytes) -> None:
        self._write(name, content)
        self._members[name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    def add_file(self, name: str, file: Path) -> str:
        """The file's SHA-256. Raises OSError."""
        digest, size = hashlib.sha256(), 0
        method = zipfile.ZIP_STORED if file.suffix == ".gz" else zipfile.ZIP_DEFLATED
        entry = zipfile.ZipInfo.from_file(file, name, strict_timestamps=False)
        entry.compress_type = method
        with file.open("rb") as source, self._zip.open(entry, "w", force_zip64=True) as target:
            while block := source.read(_BLOCK):
                digest.update(block)
                size += len(block)
                target.write(block)
        self._members[name] = {"bytes": size, "sha256": digest.hexdigest()}
        return digest.hexdigest()

    def _finish(self, kind: str, facts: Mapping[str, Any]) -> None:
        manifest = {"kind": kind, "version": _VERSION, "created_utc": utc_text(), **facts, "members": self._members}
        self._write(MANIFEST, json.dumps(manifest, indent=1).encode())

    def _write(self, name: str, content: bytes) -> None:
        entry = zipfile.ZipInfo(name, min(max(time.localtime()[:6], _FIRST_TIME), _LAST_TIME))
        entry.external_attr = (stat.S_IFREG | 0o600) << 16
        self._zip.writestr(entry, content, zipfile.ZIP_DEFLATED)


@contextmanager
def write_archive(target: Path, kind: str, facts: Mapping[str, Any]) -> Iterator[ArchiveWriter]:
    """An archive for the owner's eyes only that appears at `target` once everything is in it.

    `facts` go into the manifest. Raises `EnvironmentFailure` when the disk is full or the folder cannot be written.
    """
    with explained(f"{target.name} could not be written"), atomic_write(target) as file:
        Path(file.name).chmod(0o600)
        with zipfile.ZipFile(file, "w") as opened:
            writer = ArchiveWriter(opened)
            yield writer
            writer._finish(kind, facts)


class ArchiveReader:
    """A checked archive; made by `read_archive`."""

    def __init__(self, file: zipfile.ZipFile, manifest: Mapping[str, Any]) -> None:
        self._zip = file
        self.manifest = manifest
        self.members: Mapping[str, Mapping[str, Any]] = manifest["members"]

    @property
    def total_bytes(self) -> int:
        """Of all members, unpacked."""
        return sum(member["bytes"] for member in self.members.values())

    def require_room(self, folder: Path) -> None:
        """Raise `UserError` when the members do not fit on the folder's disk."""
        if self.total_bytes > shutil.disk_usage(folder).free:
            needed = f"{self.total_bytes / 2**30:.1f} GiB"
            raise UserError(
                f"The disk has no room for the {needed} of the archive.", "Make room, or take another disk."
            )

    def read(self, name: str, most_bytes: int = _LARGEST_MANIFEST) -> bytes:
        """A small member. Raises `UserError` when it is absent, larger, or not what the manifest says."""
        member = self.members.get(name)
        if member is None or member["bytes"] > most_bytes:
            raise _refusal(f"it has no usable {name}")
        return b"".join(self._blocks(name, member))

    def unpack(self, name: str, target: Path) -> None:
        """Write a member to a new file, for the owner's eyes only. Raises `UserError` as `read`, and OSError."""
        with target.open("xb") as file:
            target.chmod(0o600)
            for block in self._blocks(name, self.members[name]):
                file.write(block)

    def _blocks(self, name: str, member: Mapping[str, Any]) -> Iterator[bytes]:
        digest, size = hashlib.sha256(), 0
        try:
            with self._zip.open(name) as source:
                while block := source.read(_BLOCK):
                    size += len(block)
                    if size > member["bytes"]:
                        raise _refusal(f"{name} is larger than it says")
                    digest.update(block)
                    yield block
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            raise _refusal(f"{name} is damaged") from error
        if size != member["bytes"] or digest.hexdigest() != member["sha256"]:
            raise _refusal(f"{name} is not what was put into it")


@contextmanager
def read_archive(path: Path, kind: str) -> Iterator[ArchiveReader]:
    """Open an archive of a kind. Raises `UserError` for anything else, and for one that was tampered with."""
    if not path.is_file():
        raise UserError(f"There is no archive {path}.", "Check the path.")
    with explained(f"{path.name} could not be read"):
        try:
            opened = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise _refusal("it is damaged, or no archive at all") from error
        with opened:
            yield ArchiveReader(opened, _checked_manifest(opened, kind))


def _checked_manifest(file: zipfile.ZipFile, kind: str) -> Mapping[str, Any]:
    entries = {entry.filename: entry for entry in file.infolist()}
    if len(entries) != len(file.infolist()) or len({name.casefold() for name in entries}) != len(entries):
        raise _refusal("it holds two members of one name")
    if len(entries) > _MOST_MEMBERS:
        raise _refusal(f"it holds more than {_MOST_MEMBERS} members")
    if MANIFEST not in entries or entries[MANIFEST].file_size > _LARGEST_MANIFEST:
        raise _refusal("it was not made by Glioma Annotator")
    manifest = _parsed(_read_manifest(file))
    if manifest.get("kind") != kind:
        raise _refusal(f"it is no {kind} of Glioma Annotator")
    if manifest.get("version") != _VERSION:
        raise UserError("The archive was made by a newer version of the program.", "Install the newer version.")
    members = manifest.get("members")
    if not isinstance(members, dict) or members.keys() | {MANIFEST} != entries.keys():
        raise _refusal("its members are not those that it lists")
    for name, member in members.items():
        _check_member(name, member, entries[name])
    return manifest


def _read_manifest(file: zipfile.ZipFile) -> bytes:
    try:
        with file.open(MANIFEST) as source:
            return source.read(_LARGEST_MANIFEST + 1)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise _refusal(f"{MANIFEST} is damaged") from error


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _refusal(f"{MANIFEST} cannot be read") from error
    if not isinstance(manifest, dict):
        raise _refusal(f"{MANIFEST} cannot be read")
    return manifest


def _check_member(name: str, member: Any, entry: zipfile.ZipInfo) -> None:
    if not is_safe_path(name):
        raise _refusal(f"the name {name!r} leads out of the folder or is no name")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if entry.is_dir() or kind not in (0, stat.S_IFREG):
        raise _refusal(f"{name} is no plain file")
    if entry.flag_bits & 1:
        raise _refusal(f"{name} is encrypted")
    if not isinstance(member, dict) or type(member.get("bytes")) is not int or entry.file_size != member["bytes"]:
        raise _refusal(f"{name} has another size than it says")
    if not isinstance(member.get("sha256"), str):
        raise _refusal(f"{name} has no hash")


def is_safe_path(name: str) -> bool:
    """Whether a member's name is a relative path in POSIX form of parts that every file system takes."""
    parts = PurePosixPath(name).parts
    return bool(parts) and "/".join(parts) == name and all(map(is_safe_name, parts))


def _refusal(reason: str) -> UserError:
    return UserError(f"The archive is refused: {reason}.", _REFUSED)
