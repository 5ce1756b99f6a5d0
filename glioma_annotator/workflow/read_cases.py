"""Loose image and mask files as a case to adapt to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from glioma_annotator.domain.adaptation import AdaptationCase
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import IGNORE, LabelScheme
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.label_conventions import LabelConvention, read_mask
from glioma_annotator.imaging.nifti import read_volume
from glioma_annotator.imaging.nifti_header import shown
from glioma_annotator.imaging.resampling import reconcile, resample_labels, resample_to

_ROLES = (SequenceRole.T1GD, SequenceRole.T2, SequenceRole.FLAIR)


def read_loose_case(
    images: Sequence[Path | None],
    mask: Path,
    scheme: LabelScheme,
    convention: LabelConvention = LabelConvention.AUTO,
) -> tuple[AdaptationCase, LabelConvention]:
    """T1Gd, T2 and FLAIR files (None for one that is absent) and a mask, on the grid of the first image there is.

    Also how the mask's values were read: as those of `scheme` or of BraTS 2021 (see `read_mask`). Voxels of value 255,
    and those that the mask's file does not reach, were not reviewed. Raises `UserError` for unreadable files and those
    that do not show the same place.
    """
    files = {role: path for role, path in zip(_ROLES, images, strict=True) if path is not None}
    if not files:
        raise UserError(f"The case of {shown(mask)} has no image.", "Give at least one of T1Gd, T2 and FLAIR.")
    loaded = {role: read_volume(path).volume for role, path in files.items()}
    reference = next(iter(loaded))
    grid = loaded[reference].grid
    labels, read_as = read_mask(mask, scheme, convention)
    grids = {shown(files[role]): volume.grid for role, volume in loaded.items()} | {shown(mask): labels.grid}
    reconcile(grids, shown(files[reference]))
    case = AdaptationCase(
        name=mask.name.removesuffix(".gz").removesuffix(".nii"),
        images={role: resample_to(volume, grid) for role, volume in loaded.items()},
        labels=_on(labels, grid),
        grid=grid,
    )
    return case, read_as


def _on(labels: Volume, grid: Grid) -> LabelArray:
    """The mask on the images' voxels; 255 where its file does not reach: nobody has looked there."""
    covered = resample_labels(np.ones_like(labels.data), labels.grid, grid)
    return np.where(covered, resample_labels(labels.data, labels.grid, grid), np.uint8(IGNORE))
