"""From a visit's images to what a network reads: the brain's box, z-scored, at the model's voxel size."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box, Grid, Shape
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.normalisation import find_brain, not_shown, z_score
from glioma_annotator.progress import CancelToken

#: Voxel sizes within this share of the model's are used as they are.
SPACING_TOLERANCE = 0.05
#: No brain is longer than this; a longer one is a wrong voxel size in the header.
LONGEST_BRAIN_MM = 350.0


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A visit ready for a network.

    Attributes
    ----------
    images: float32 (channel, i, j, k) on the brain's box at the model's voxel size, z-scored, 0 outside the brain.
    brain: bool (i, j, k), the brain in `images`.
    grid: the images' own grid.
    box: the brain's box in `grid`.
    inside: bool (i, j, k), the brain in `box` at the images' own voxel size.
    messages: what a reader should know, one sentence each.
    empty: sequences that were left out, as they are the same everywhere in the brain.
    """

    images: NDArray[np.float32]
    brain: NDArray[np.bool_]
    grid: Grid
    box: Box
    inside: NDArray[np.bool_]
    messages: tuple[str, ...]
    empty: frozenset[SequenceRole] = frozenset()


def prepare(images: Mapping[SequenceRole, Volume], card: ModelCard, cancel: CancelToken) -> Prepared:
    """Find the brain, scale every channel of `card` and bring it to the model's voxel size.

    Optional channels that are absent are 0, the mean of a z-scored channel; so is a channel in a part of the brain that
    its image does not reach, and so is an optional one that is the same everywhere in the brain. Images the model does
    not know are ignored.
    Raises `UserError` (missing or empty sequence, different grids, no brain, impossible voxel size) and `Cancelled`.
    """
    check_channels(card, images.keys())
    volumes = [images[role] for role in card.channels if role in images]
    grid = _common_grid(volumes)
    brain = find_brain([volume.data for volume in volumes], grid.voxel_volume_ml)
    cancel.raise_if_cancelled()
    box = Box.around(brain.mask)
    if box is None:
        raise UserError("No brain was found: the images are empty.", "Check the files that were imported.")
    shape = _shape_at(card.spacing_mm, box, grid)
    messages = [brain.note] if brain.note else []
    if shape != box.shape:
        sizes = " to ".join(" x ".join(f"{mm:.2g}" for mm in s) for s in (grid.spacing_mm, card.spacing_mm))
        messages.append(f"The images were resampled from {sizes} mm voxels for the model.")
    absent = [role.value for role in card.channels if role not in images]
    if absent:
        verb = "is" if len(absent) == 1 else "are"
        names = " and ".join([", ".join(absent[:-1]), absent[-1]] if absent[:-1] else absent)
        messages.append(f"{names} {verb} absent; the model works without, but less surely.")

    inside = brain.mask[box.slices]
    channels = np.zeros((len(card.channels), *shape), dtype=np.float32)
    empty: set[SequenceRole] = set()
    for index, role in enumerate(card.channels):
        if role not in images:
            continue
        data = images[role].data
        lacking = not_shown(data, brain.mask, grid.spacing_mm)
        shown = inside if lacking is None else inside & ~lacking[box.slices]
        if lacking is not None:
            share = np.count_nonzero(shown) / np.count_nonzero(inside)
            messages.append(f"The {role.value} shows only {share:.0%} of the brain; beyond it the model works without.")
        scaled = z_score(data[box.slices], shown)
        cancel.raise_if_cancelled()
        if scaled.any():
            channels[index] = resized(scaled, shape)
            continue
        empty.add(role)
        if role not in card.optional or (card.one_of and not set(card.one_of) & (set(images) - empty)):
            raise UserError(
                f"The {role.value} is the same everywhere in the brain: it cannot be segmented.",
                "Check the file that was imported as this sequence.",
            )
        messages.append(f"The {role.value} is the same everywhere in the brain; the model works without.")
    return Prepared(channels, _resized_mask(inside, shape), grid, box, inside, tuple(messages), frozenset(empty))


def check_channels(card: ModelCard, roles: Collection[SequenceRole]) -> None:
    """Raise `UserError` when images of these roles are not enough for the model."""
    needed = [role.value for role in card.channels if role not in card.optional]
    missing = [role.value for role in card.channels if role not in card.optional and role not in roles]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise UserError(
            f"The model “{card.name}” needs {', '.join(needed)}, but {', '.join(missing)} {verb} missing.",
            "Add the missing sequence, correct the sequences' roles, or choose another model.",
        )
    if card.one_of and not set(card.one_of) & set(roles):
        raise UserError(
            f"The model “{card.name}” needs {' or '.join(role.value for role in card.one_of)}, and none is there.",
            "Add one of these sequences, correct the sequences' roles, or choose another model.",
        )


def resized(image: NDArray[np.float32], shape: Shape) -> NDArray[np.float32]:
    """An image (i, j, k) stretched to `shape` by linear interpolation, smoothed first along axes that shrink."""
    if image.shape == shape:
        return image
    from skimage.transform import resize  # costs half a second, and most scans have the model's voxel size

    stretched = resize(image, shape, order=1, mode="edge", anti_aliasing=True)  # type: ignore[no-untyped-call]
    return np.asarray(stretched, dtype=np.float32)


def _resized_mask(mask: NDArray[np.bool_], shape: Shape) -> NDArray[np.bool_]:
    """A mask (i, j, k) stretched to `shape` by the nearest voxel."""
    if mask.shape == shape:
        return mask
    from skimage.transform import resize

    return np.asarray(resize(mask, shape, order=0), dtype=np.bool_)  # type: ignore[no-untyped-call]


def _common_grid(volumes: Sequence[Volume]) -> Grid:
    grid = volumes[0].grid
    if not all(grid.matches(volume.grid) for volume in volumes):
        raise UserError(
            "The sequences do not lie on one grid.", "Import them as one visit: they are then resampled to one grid."
        )
    return grid


def _shape_at(spacing_mm: tuple[float, float, float], box: Box, grid: Grid) -> Shape:
    """Voxels that the box takes at the model's voxel size; its own shape where the sizes agree."""
    lengths = [n * mm for n, mm in zip(box.shape, grid.spacing_mm, strict=True)]
    if max(lengths) > LONGEST_BRAIN_MM:
        raise UserError(
            f"The brain would be {max(lengths):.0f} mm long: the voxel size in the images' header must be wrong, "
            "or much more than the head is shown.",
            "Correct the header, or crop the images to the head.",
        )
    i, j, k = (
        n if abs(mm / wanted - 1) <= SPACING_TOLERANCE else max(1, round(length / wanted))
        for n, mm, wanted, length in zip(box.shape, grid.spacing_mm, spacing_mm, lengths, strict=True)
    )
    return i, j, k
