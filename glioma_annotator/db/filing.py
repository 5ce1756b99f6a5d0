"""Images and masks of a visit on their way into the workspace's folders; nothing here touches the database."""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from glioma_annotator.db import volumes
from glioma_annotator.db.failures import explained
from glioma_annotator.db.layout import Layout
from glioma_annotator.db.names import free_name, safe_name
from glioma_annotator.domain.measurement import label_volumes_ml
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import ImportedMask, RevisionOrigin, SegmentationRevision
from glioma_annotator.domain.sequences import Sequence
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import EnvironmentFailure, UserError

VOLUME = ".nii.gz"


def require_fitting(timepoint: Timepoint, images: Mapping[str, Volume]) -> None:
    """Raise `UserError` for a visit without a key, `ValueError` when sequences and images do not belong together."""
    names = [sequence.name for sequence in timepoint.sequences]
    if not timepoint.key.strip():
        raise UserError("A visit needs a key.", "Name the visit, by its date for example.")
    if sorted(names) != sorted(images) or timepoint.reference not in names:
        raise ValueError(f"sequences {names} with images {list(images)}, reference {timepoint.reference}")
    for name, image in images.items():
        if not image.grid.matches(timepoint.grid):
            raise ValueError(f"sequence {name} lies on another grid than its visit")


def require_mask(labels: LabelArray, timepoint: Timepoint) -> None:
    """Raise `ValueError` for labels of another type or shape than the visit's."""
    if labels.dtype != "uint8" or labels.shape != timepoint.grid.shape:
        raise ValueError("a revision needs a visit and uint8 labels on its grid")


def unused_name(folder: Path, wanted: str, suffix: str = "", recorded: Collection[str] = ()) -> str:
    """`wanted`, numbered if that name with `suffix` is in `folder` or `recorded`, whatever the case of its letters."""
    present = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
    taken = {name.casefold() for name in (*present, *recorded)}
    return free_name(wanted, lambda name: f"{name}{suffix}".casefold() in taken)


def write_images(
    layout: Layout, folder: Path, timepoint: Timepoint, images: Mapping[str, Volume]
) -> tuple[Timepoint, dict[str, str]]:
    """The visit with its sequences' paths, and their files' hashes; on failure nothing stays."""
    placed: list[Sequence] = []
    sha256: dict[str, str] = {}
    with explained("The visit's folder could not be made"):
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700)
    try:
        for sequence in timepoint.sequences:
            path = folder / f"{unused_name(folder, safe_name(sequence.name, 'sequence'), VOLUME)}{VOLUME}"
            sha256[sequence.name] = volumes.save_image(path, images[sequence.name])
            placed.append(dataclasses.replace(sequence, path=layout.relative(path)))
    except EnvironmentFailure:
        shutil.rmtree(folder, ignore_errors=True)  # nothing in it is recorded
        raise
    return dataclasses.replace(timepoint, sequences=tuple(placed)), sha256


def write_mask(
    layout: Layout, visit_folder: Path, timepoint: Timepoint, mask: ImportedMask, number: int
) -> tuple[SegmentationRevision, str]:
    """Write a mask as revision `number` of a visit; the revision, not yet recorded, and its file's hash."""
    folder = visit_folder / "segmentations"
    with explained("The mask's folder could not be made"):
        folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{unused_name(folder, f'{number:04d}', VOLUME)}{VOLUME}"
    file_sha256 = volumes.save_labels(path, mask.labels, timepoint.grid)
    revision = SegmentationRevision(
        timepoint_id=timepoint.id or 0,
        number=number,
        origin=RevisionOrigin.IMPORTED,
        author=mask.author,
        created_utc=dt.datetime.now(dt.UTC),
        content_sha256=volumes.content_sha256(mask.labels),
        path=layout.relative(path),
        scheme=mask.scheme.name,
        volumes_ml=label_volumes_ml(mask.labels, timepoint.grid.voxel_volume_ml, mask.scheme),
        note=mask.note,
    )
    return revision, file_sha256
