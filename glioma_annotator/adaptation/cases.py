"""Visits with masks, brought to what the network reads: z-scored channels and class numbers on the model's voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.domain.adaptation import AdaptationCase
from glioma_annotator.domain.geometry import Box, Shape
from glioma_annotator.domain.labels import IGNORE, LEFT_BY_SURGERY
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.inference.preparation import check_channels
from glioma_annotator.inference.preparation import prepare as inference_prepare
from glioma_annotator.progress import CancelToken

Mask = NDArray[np.bool_]

#: A brain's mean lies at least so many of its deviations above no signal; where it does not, the images were scaled
#: before, and their zero says nothing.
_ZERO = -2.0


@dataclass(frozen=True, slots=True, eq=False)
class PreparedCase:
    """A visit as the network reads it: the box around its brain at the model's voxel size.

    Attributes
    ----------
    name: for a reader.
    images: float32 (channel, i, j, k) in the card's order, z-scored over the brain, 0 outside it.
    brain: bool (i, j, k).
    classes: uint8 (i, j, k): 0 background, n the n-th label of the card's scheme; 255 not reviewed, or no brain.
    voxel_ml: volume of a voxel in mL.
    carried: as `classes`, of an earlier visit's mask carried over; None where there is none.
    messages: what a reader should know about it.
    zero: of every channel, the z-score of no signal.
    barred: classes that the segmenter does not propose for this visit: what surgery leaves, before any.
    operated: whether the patient is known to have had a resection.
    own_slices: slices (along k) of the visit's own images that lie in `brain`; 0 where they are its voxels.
    """

    name: str
    images: NDArray[np.float32]
    brain: Mask
    classes: LabelArray
    voxel_ml: float
    carried: LabelArray | None = None
    messages: tuple[str, ...] = ()
    zero: tuple[float, ...] = ()
    barred: tuple[int, ...] = ()
    operated: bool = False
    own_slices: int = 0

    @property
    def shape(self) -> Shape:
        i, j, k = self.brain.shape
        return i, j, k

    @property
    def tumour(self) -> Mask:
        """Reviewed voxels (i, j, k) of any tissue."""
        return np.asarray((self.classes > 0) & (self.classes != IGNORE))

    def near_tumour(self, voxels: int) -> Mask:
        """Bool (i, j, k): tumour and at most so many voxels from it."""
        result = np.zeros(self.shape, dtype=bool)
        around = Box.around(self.tumour)
        if around is not None:
            box = around.grown(voxels).clipped(self.shape).slices
            result[box] = ndimage.distance_transform_edt(~self.tumour[box]) <= voxels
        return result


def prepare(case: AdaptationCase, card: ModelCard, cancel: CancelToken) -> PreparedCase:
    """A visit on the model's voxels, cropped to its brain.

    A sequence that the visit lacks, and the model can do without, is 0 everywhere: the brain's mean, as the network
    sees it. Raises `UserError` for a visit that the model cannot segment for want of a sequence, images on other grids
    than the mask, values the scheme does not know, and an empty scan.
    """
    present = [case.images[role] for role in card.channels if role in case.images]
    if not present:
        raise UserError(f"{case.name} has none of the sequences that the model needs.", "Give at least one of them.")
    _check_sequences(case, card)
    _check_grids(case, present)
    ready = inference_prepare(case.images, card, cancel)
    shape = ready.brain.shape
    messages = [f"{case.name}: {message}" for message in ready.messages]
    inside = case.labels[ready.box.slices][ready.inside]
    lost = int(np.count_nonzero(_tissue(case.labels))) - int(np.count_nonzero(_tissue(inside)))
    if lost:
        ml = lost * case.grid.voxel_volume_ml
        messages.append(f"{ml:.2f} mL of the mask of {case.name} lies outside the brain and is left out.")
    classes = _nearest(_classes(case.labels, card, case.name)[ready.box.slices], shape).copy()
    classes[~ready.brain] = IGNORE
    carried = None
    if case.carried is not None:
        carried = _nearest(_classes(case.carried, card, case.name)[ready.box.slices], shape) * ready.brain
    voxel_ml = case.grid.voxel_volume_ml * float(np.prod(ready.box.shape)) / float(np.prod(shape))
    zero = tuple(
        _zero(case.images[role].data[ready.box.slices][ready.inside]) if role in case.images else _ZERO
        for role in card.channels
    )
    barred = _left_by_surgery(card, classes) if case.operated is False else ()
    return PreparedCase(
        case.name,
        ready.images,
        ready.brain,
        classes,
        voxel_ml,
        carried,
        tuple(messages),
        zero,
        barred,
        bool(case.operated),
        ready.box.shape[2],
    )


def _left_by_surgery(card: ModelCard, classes: LabelArray) -> tuple[int, ...]:
    """Classes of what only surgery leaves; a mask that shows one all the same is believed."""
    numbers = (n for n, label in enumerate(card.scheme.labels, start=1) if label.name in LEFT_BY_SURGERY)
    return tuple(n for n in numbers if not (classes == n).any())


def _zero(values: NDArray[np.floating[Any]]) -> float:
    """The z-score of no signal among a brain's intensities (n,)."""
    known = values[np.isfinite(values)]
    return min(-float(known.mean(dtype=np.float64) / max(known.std(dtype=np.float64), 1e-9)), _ZERO)


def _check_sequences(case: AdaptationCase, card: ModelCard) -> None:
    try:
        check_channels(card, case.images.keys())
    except UserError as error:
        raise UserError(
            f"{case.name}: {error.what}",
            "Leave this visit out, add the sequence, or start from a model that does without it.",
        ) from error


def _check_grids(case: AdaptationCase, volumes: Sequence[Volume]) -> None:
    if not all(volume.grid.matches(case.grid) for volume in volumes) or case.labels.shape != case.grid.shape:
        raise UserError(
            f"The sequences and the mask of {case.name} do not lie on one grid.",
            "Import them as one visit, or give files that show the same place.",
        )


def _tissue(labels: LabelArray) -> Mask:
    return np.asarray((labels > 0) & (labels != IGNORE))


def _classes(labels: LabelArray, card: ModelCard, name: str) -> LabelArray:
    unknown = sorted(set(np.unique(labels).tolist()) - {0, IGNORE} - set(card.scheme.values))
    if unknown:
        raise UserError(
            f"The mask of {name} holds the values {', '.join(map(str, unknown))}, which the model “{card.name}” "
            "does not know.",
            "Map its values to the model's labels first.",
        )
    table = np.zeros(256, dtype=np.uint8)
    for number, value in enumerate(card.scheme.values, start=1):
        table[value] = number
    table[IGNORE] = IGNORE
    return np.asarray(table[labels])


def _nearest(labels: LabelArray, shape: tuple[int, ...]) -> LabelArray:
    if labels.shape == shape:
        return labels
    from skimage.transform import resize  # costs half a second, and most scans have the model's voxel size

    result = resize(labels, shape, order=0, preserve_range=True, anti_aliasing=False)  # type: ignore[no-untyped-call]
    return np.asarray(result).astype(np.uint8)
