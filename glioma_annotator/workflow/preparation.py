"""Raw scans made ready for reading: sequences registered to the reference, skull and air set to zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.import_plan import Preparation
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.normalisation import SKULL_NOTE, find_brain
from glioma_annotator.imaging.resampling import resample_labels, resample_to
from glioma_annotator.progress import CancelToken, StepProgress, ignore_progress
from glioma_annotator.workflow.ports import BrainFinder

#: Registration looks this far beyond the brain: its outline is what different contrasts agree on best.
_MARGIN_MM = 10.0
_FINEST_MM = 2.0
#: A reference brighter than this share of brain is brain; of the average over sequences.
_HALF = 0.5

NO_MODEL = "No model for finding the brain is installed: the skull was left in the images."


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A visit's images on its reference's grid.

    Attributes
    ----------
    images: float32 volumes by sequence name.
    resampled: names of the sequences whose voxels are not their file's.
    notes: what a reader should know, one sentence each.
    places: grid that a sequence's file has, and where registration put it, for masks drawn on that sequence.
    """

    images: dict[str, Volume]
    resampled: frozenset[str]
    notes: tuple[str, ...] = ()
    places: tuple[tuple[Grid, Grid], ...] = field(default=())


def proposed_preparation(images: Sequence[Volume]) -> Preparation:
    """What the images of a visit need, judged from coarse copies, each on its own grid.

    Where one shows the skull they are raw: nobody has registered them either.
    """
    skull = any(find_brain([i.data], i.grid.voxel_volume_ml).note == SKULL_NOTE for i in images)
    return Preparation.STRIP if skull else Preparation.NONE


def steps_of(preparation: Preparation) -> int:
    """Steps of progress that `prepare` takes for each image."""
    return {Preparation.NONE: 0, Preparation.REGISTER: 1, Preparation.STRIP: 2}[preparation]


def prepare(
    volumes: Mapping[str, Volume],
    reference: str,
    preparation: Preparation,
    brain: BrainFinder | None,
    steps: StepProgress,
    cancel: CancelToken,
) -> Prepared:
    """Register a visit's sequences rigidly to its reference, and strip the skull where `preparation` says so.

    The brain is found in every sequence by itself; the mask is where the sequences together call at least half of a
    voxel brain. A registration that fits worse than the headers is given up.

    Parameters
    ----------
    volumes: by sequence name, each on its file's grid.
    reference: name of the sequence whose grid is kept.
    steps: counts `steps_of(preparation)` steps for each image.

    Raises `UserError` when there is no brain or the scans cannot be registered, `EnvironmentFailure`, `Cancelled`.
    """
    target = volumes[reference].grid
    notes: list[str] = []
    shares: dict[str, NDArray[np.float32]] = {}
    if preparation is Preparation.STRIP:
        usable = brain is not None and brain.available
        for name, volume in volumes.items():
            cancel.raise_if_cancelled()
            steps.step(f"Finding the brain in {name}")
            if brain is not None and usable:
                try:
                    shares[name] = brain.share(volume, ignore_progress, cancel)
                except UserError as error:
                    raise UserError(f"{name}: {error.what}", error.todo) from error
        if not usable:
            notes.append(NO_MODEL)
    placed = dict(volumes)
    for name in volumes:
        cancel.raise_if_cancelled()
        steps.step(f"Registering {name}" if name != reference else "Registering")
        if name != reference:
            placed[name], note = _registered(volumes, shares, name, reference, cancel)
            notes.append(note)
    images = {name: resample_to(volume, target) for name, volume in placed.items()}
    if shares:
        _strip(images, {n: Volume(share, placed[n].grid) for n, share in shares.items()}, target)
    resampled = frozenset(n for n, volume in placed.items() if not volume.grid.matches(target))
    return Prepared(images, resampled, tuple(notes), tuple((volumes[n].grid, placed[n].grid) for n in volumes))


def place_mask(labels: LabelArray, grid: Grid, prepared: Prepared, target: Grid) -> LabelArray:
    """A mask (i, j, k on `grid`) on `target` by the nearest voxel, moved as the sequence was that it was drawn on.

    Of sequences on the same voxels it is the reference, which is not moved, else the first.
    """
    if grid.matches(target):
        return labels
    return resample_labels(labels, (*places_of(grid, prepared), grid)[0], target)


def places_of(grid: Grid, prepared: Prepared) -> list[Grid]:
    """Where registration put the sequences whose files have this grid."""
    return [now for before, now in prepared.places if before.matches(grid)]


def _registered(
    volumes: Mapping[str, Volume],
    shares: Mapping[str, NDArray[np.float32]],
    name: str,
    reference: str,
    cancel: CancelToken,
) -> tuple[Volume, str]:
    """A sequence where it belongs in the reference's world, and what was done, for the reader."""
    from glioma_annotator.imaging.registration import LEAST_SLICES, register  # scipy's optimiser: not at the start
    from glioma_annotator.imaging.registration import placed as moved

    fixed, moving = volumes[reference], volumes[name]
    for one, volume in ((reference, fixed), (name, moving)):
        if (slices := min(volume.data.shape)) < LEAST_SLICES:  # a localiser, which must not keep the visit out
            thin = "it" if one == name else one
            return (
                moving,
                f"{name} was left where its header puts it: {thin} has too few slices ({slices}) to register.",
            )
    masks = [_around_brain(shares.get(n), volumes[n].grid) for n in (reference, name)]
    found = register(fixed, moving, fixed_mask=masks[0], moving_mask=masks[1], finest_mm=_FINEST_MM, cancel=cancel)
    if found.quality < found.quality_before:
        return moving, f"{name} was left where its header puts it: registration to {reference} did not fit better."
    middle = fixed.grid.index_to_world((np.asarray(fixed.grid.shape) - 1) / 2)
    shift = float(np.linalg.norm(found.apply(middle) - middle))
    note = f"{name} was registered to {reference}: moved by {shift:.1f} mm and {found.rotation_deg:.1f}°."
    return moved(moving, found), note + (" The result is doubtful: look at it." if found.doubtful else "")


def _around_brain(share: NDArray[np.float32] | None, grid: Grid) -> NDArray[np.bool_] | None:
    """Voxels up to `_MARGIN_MM` from the brain; None for everything when no brain was found."""
    if share is None or not (share >= _HALF).any():
        return None
    from scipy.ndimage import distance_transform_edt  # here, to keep it off the program's start

    return np.asarray(distance_transform_edt(share < _HALF, sampling=grid.spacing_mm) <= _MARGIN_MM)


def _strip(images: dict[str, Volume], shares: Mapping[str, Volume], target: Grid) -> None:
    """Set what is not brain to zero in every image, in place of the dictionary's volumes."""
    from glioma_annotator.imaging.brain_extraction import mask_of_share, mean_share

    mask = mask_of_share(mean_share(list(shares.values()), target), target)
    for name, volume in images.items():
        data = np.where(mask, volume.data, np.float32(0))
        if not data.any():
            raise UserError(f"The {name} does not show the brain.", "Leave it out.")
        images[name] = Volume(data, target)
