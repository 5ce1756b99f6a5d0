"""What lies where in a workspace folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from glioma_annotator.errors import UserError

_README = """\
This folder is a workspace of Glioma Annotator. Open it with the program; do not
rename, move or edit what is inside.

glioma.db   patients, visits, sequences and segmentation revisions (SQLite)
patients/   the images and the masks, one folder per patient and visit (NIfTI)
models/     models adapted to the patients of this workspace
journal/    strokes that are not saved yet
backups/    copies of glioma.db

To back the workspace up, close the program and copy the whole folder. It holds
health data: keep it where only those who may see it can.
"""

#: Left of a database that is gone, or that was just being replaced.
_OF_DATABASE = {"glioma.db", "glioma.db-wal", "glioma.db-shm", "glioma.db-journal"}

#: Left by file managers in folders that people call empty.
_CLUTTER = {".DS_Store", "Thumbs.db", "desktop.ini", ".directory", "lost+found"}


def full_path(path: Path) -> Path:
    """An absolute path; `~` is the user's home folder, and a name like any other where no such user is known."""
    return Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 - Path's own raises RuntimeError there


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths below a workspace's folder `root`."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "glioma.db"

    @property
    def restoring(self) -> Path:
        """A copy that is about to take the database's place."""
        return self.root / "glioma.db.restoring"

    @property
    def unfinished(self) -> tuple[Path, ...]:
        """What a restore that was killed leaves beside the database."""
        return self.restoring, self.root / f".{self.restoring.name}.tmp"

    @property
    def patients(self) -> Path:
        return self.root / "patients"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def journal(self) -> Path:
        return self.root / "journal"

    @property
    def backups(self) -> Path:
        return self.root / "backups"

    @property
    def set_aside(self) -> Path:
        """Whole volumes that the database does not know; made when needed."""
        return self.root / "set-aside"

    @property
    def readme(self) -> Path:
        return self.root / "README.txt"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    def require_usable(self) -> None:
        """Raise `UserError` unless the folder is a workspace, is empty, or can be made.

        A database that is an empty file is a lost one where there are patients or backups of it.
        """
        if self.database.is_file() and self.database.stat().st_size:
            return
        if self.root.exists() and not self.root.is_dir():
            raise UserError(f"{self.root} is a file, not a folder.", "Choose a folder for the workspace.")
        if not self.root.exists():
            return
        ours = (self.patients, self.models, self.journal, self.backups, self.set_aside, self.readme, self.lock)
        own = {path.name for path in (*ours, *self.unfinished)} | _OF_DATABASE
        if {entry.name for entry in self.root.iterdir()} - own - _CLUTTER:
            raise UserError(
                f"The folder {self.root} is no workspace and is not empty.",
                "Choose a workspace, or an empty or new folder; images are brought in with Import.",
            )
        if any(folder.is_dir() and any(folder.iterdir()) for folder in (self.patients, self.backups)):
            raise UserError(
                f"The workspace {self.root} has lost its database glioma.db.",
                "Put the newest copy from its folder `backups` in its place (docs/workspace.md says how).",
            )

    def make(self) -> None:
        """Create what is missing, for the owner's eyes only. Raises OSError."""
        for folder in (self.root, self.patients, self.models, self.journal, self.backups):
            folder.mkdir(mode=0o700, parents=folder == self.root, exist_ok=True)
        if not self.readme.exists():
            self.readme.write_text(_README, encoding="utf-8")
            self.readme.chmod(0o600)
        if not self.database.exists():
            # SQLite takes an empty file for a new database and gives its side files the same permissions.
            os.close(os.open(self.database, os.O_CREAT | os.O_WRONLY, 0o600))

    def relative(self, path: Path) -> str:
        """`path` as the database records it: relative to the workspace, in POSIX form."""
        return path.relative_to(self.root).as_posix()

    def absolute(self, recorded: str) -> Path:
        """The file of a recorded path. Raises `UserError` for a path that leads out of the workspace."""
        path = Path(os.path.normpath(self.root / recorded))  # links inside the workspace may lead elsewhere
        if not path.is_relative_to(self.root):
            raise UserError(f"The database names a file outside the workspace: {recorded}.", "Restore a backup of it.")
        return path
