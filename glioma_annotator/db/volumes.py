"""The images and masks of a workspace as files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from glioma_annotator.db.failures import explained
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.nifti import read_labels, read_volume, write_labels, write_volume

_GRID_TOLERANCE_MM = 0.05  # NIfTI keeps affines in single precision
_RESTORE = "Restore the workspace folder from a copy; `glioma-annotator doctor` lists every file that is affected."


def content_sha256(labels: LabelArray) -> str:
    """Identity of a mask: SHA-256 of its shape (three little-endian int64) and its bytes (i, j, k in C order)."""
    digest = hashlib.sha256(np.asarray(labels.shape, dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(labels, dtype=np.uint8).data)
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save_image(path: Path, volume: Volume) -> str:
    """Write intensities, durably and whole or not at all; the file's SHA-256. Raises `EnvironmentFailure`."""
    write_volume(path, volume)
    return _sealed(path)


def save_labels(path: Path, labels: LabelArray, grid: Grid) -> str:
    """Write a mask (i, j, k on `grid`), as `save_image`."""
    write_labels(path, labels, grid)
    return _sealed(path)


def _sealed(path: Path) -> str:
    with explained(f"{path.name} could not be kept"):
        path.chmod(0o600)
        return file_sha256(path)


def load_image(path: Path, grid: Grid, title: str) -> Volume:
    """Float32 intensities on `grid`. Raises `UserError`, calling the file `title`, when it is damaged or gone."""
    _require_file(path, title)
    found = read_volume(path).volume
    _require_grid(found.grid, grid, title)
    return Volume(found.data, grid)


def load_labels(path: Path, grid: Grid, content: str, title: str) -> LabelArray:
    """A mask (i, j, k on `grid`) whose `content_sha256` is `content`. Raises as `load_image`."""
    _require_file(path, title)
    found = read_labels(path)
    _require_grid(found.grid, grid, title)
    if content_sha256(found.labels) != content:
        raise UserError(f"{title} has been changed since it was saved.", _RESTORE)
    return found.labels


def _require_file(path: Path, title: str) -> None:
    if not path.is_file():
        raise UserError(f"{title} is missing from the workspace.", _RESTORE)


def _require_grid(found: Grid, expected: Grid, title: str) -> None:
    if not found.matches(expected, _GRID_TOLERANCE_MM):
        raise UserError(f"{title} no longer fits its visit: its voxels lie elsewhere.", _RESTORE)
