"""Patches of visits to learn from: where they are taken, and how they are varied."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from glioma_annotator.adaptation.augmentation import TorchIOAugmentation, as_on_another_day
from glioma_annotator.adaptation.holdout import Part
from glioma_annotator.domain.geometry import Box, Shape
from glioma_annotator.domain.labels import IGNORE

#: Smallest and largest scale at which three of four varied patches show the visit: sizes and distances of this one are
#: not to be learnt.
_SCALES = (0.75, 1.35)
_SCALED = 0.75


class PatchStrategy(StrEnum):
    """Where patches are taken (thesis of 2022, section on training).

    UNIFORM: anywhere in the brain. BALANCED: around a voxel of a class drawn with equal chances, background among
    them. LABELLED: around any tumour voxel. SEQUENTIAL: next to each other through the brain. WRONG, which the thesis
    does not have: around a voxel that the starting model gets wrong; as BALANCED where it gets none wrong.
    """

    UNIFORM = "uniform"
    BALANCED = "balanced"
    LABELLED = "labelled"
    SEQUENTIAL = "sequential"
    WRONG = "wrong"


#: What the methods use, two by two: tissues together with what has to be corrected (false marks among it), tissues
#: together with any place, so that distant background is not forgotten.
DEFAULT_CYCLE = (PatchStrategy.BALANCED, PatchStrategy.WRONG, PatchStrategy.BALANCED, PatchStrategy.UNIFORM)


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A cube of a visit: z-scored float32 images (channel, i, j, k); uint8 classes (i, j, k), 255 does not count.

    `part` and `start` say whose and where it was cut.
    """

    part: int
    start: Shape
    images: NDArray[np.float32]
    classes: NDArray[np.uint8]


class PatchSampler:
    """Draws patches from the parts of visits that may be learnt from.

    Parameters
    ----------
    edge: of the cube in voxels; patches reach over the visit's border, filled with 0 and 255.
    step: patches start at multiples of so many voxels.
    augment: whether patches are shown larger and smaller, as on another day, with a bias field and noise, and every
        other one mirrored left to right.
    marked: of every part, the starting model's classes uint8 (i, j, k); without them WRONG is as BALANCED.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        edge: int,
        rng: np.random.Generator,
        *,
        step: int = 1,
        augment: bool = True,
        cycle: Sequence[PatchStrategy] = DEFAULT_CYCLE,
        marked: Sequence[NDArray[np.uint8]] = (),
    ) -> None:
        self._parts, self._edge, self._rng, self._step, self._augment = parts, edge, rng, step, augment
        self._cycle = itertools.cycle(cycle)
        self._centres = [_centres(part) for part in parts]
        self._wrong = [
            np.flatnonzero((found != part.case.classes) & part.mask) for part, found in zip(parts, marked, strict=False)
        ]
        self._row = itertools.cycle(
            [(number, start) for number, part in enumerate(parts) for start in _rows(part.case.shape, edge)]
        )

    def draw(self) -> Patch:
        """The next patch."""
        strategy = next(self._cycle)
        if strategy is PatchStrategy.SEQUENTIAL:
            number, start = next(self._row)
            return self._cut(number, start, self._edge)
        number = int(self._rng.integers(len(self._parts)))
        edge = self._drawn_edge()
        return self._cut(number, self._start_around(number, strategy, edge), edge)

    def draw_several(self, count: int) -> list[Patch]:
        """The next `count` patches."""
        return [self.draw() for _ in range(count)]

    def _drawn_edge(self) -> int:
        """How many voxels of the visit a patch shows along each axis."""
        if not self._augment or self._rng.random() >= _SCALED:
            return self._edge
        scale = float(np.exp(self._rng.uniform(*np.log(_SCALES))))
        return max(2 * round(self._edge / scale / 2), 2)

    def _start_around(self, number: int, strategy: PatchStrategy, edge: int) -> Shape:
        centres = self._centres[number]
        tissues = [value for value in centres if value > 0]
        if strategy is PatchStrategy.UNIFORM or not tissues:
            voxels = centres[-1]
        elif strategy is PatchStrategy.LABELLED:
            voxels = np.concatenate([centres[value] for value in tissues])
        elif strategy is PatchStrategy.WRONG and self._wrong and len(self._wrong[number]):
            voxels = self._wrong[number]
        else:
            voxels = centres[int(self._rng.choice([value for value in centres if value >= 0]))]
        centre = np.unravel_index(int(voxels[self._rng.integers(len(voxels))]), self._parts[number].case.shape)
        shift = self._rng.integers(-edge // 4, edge // 4 + 1, size=3)
        i, j, k = (
            int(np.clip(c + s - edge // 2, 0, max(n - edge, 0))) // self._step * self._step
            for c, s, n in zip(centre, shift, self._parts[number].case.shape, strict=True)
        )
        return i, j, k

    def _cut(self, number: int, start: Shape, edge: int) -> Patch:
        part = self._parts[number]
        stop = tuple(min(a + edge, n) for a, n in zip(start, part.case.shape, strict=True))
        box = Box(start, (stop[0], stop[1], stop[2]))
        filled = (slice(0, box.shape[0]), slice(0, box.shape[1]), slice(0, box.shape[2]))
        images = np.zeros((len(part.case.images), *[edge] * 3), dtype=np.float32)
        images[(slice(None), *filled)] = part.case.images[(slice(None), *box.slices)]
        classes = np.full([edge] * 3, IGNORE, dtype=np.uint8)
        inside = part.case.classes[box.slices].copy()
        inside[~part.mask[box.slices]] = IGNORE
        classes[filled] = inside
        if self._augment:
            images, classes = scaled(images, classes, self._edge)
            images = varied(images, classes, self._rng)
            if self._rng.random() < 0.5:  # the first axis runs from left to right
                images, classes = np.ascontiguousarray(images[:, ::-1]), np.ascontiguousarray(classes[::-1])
        return Patch(number, start, images, classes)


def scaled(
    images: NDArray[np.float32], classes: NDArray[np.uint8], edge: int
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A cube's images (channel, i, j, k) and classes (i, j, k) on `edge` voxels along each axis."""
    if classes.shape[0] == edge:
        return images, classes
    size = (edge, edge, edge)
    finer = interpolate(torch.from_numpy(images)[None], size=size, mode="trilinear", align_corners=False)
    nearest = interpolate(torch.from_numpy(classes)[None, None], size=size, mode="nearest-exact")
    return finer[0].numpy(), nearest[0, 0].numpy()


def varied(images: NDArray[np.float32], classes: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    """Z-scored images (channel, i, j, k) as on another day, with TorchIO's bias field and noise; 0 stays 0, outside the
    brain as in a channel that is not there.
    """
    absent, outside = ~images.any(axis=(1, 2, 3)), ~images.any(axis=0)
    result = _augmentation().on_z_scores(as_on_another_day(images, classes, rng), int(rng.integers(2**31)))
    result[:, outside] = 0
    result[absent] = 0
    return result


@cache
def _augmentation() -> TorchIOAugmentation:
    return TorchIOAugmentation()


def _centres(part: Part) -> dict[int, NDArray[np.int64]]:
    """Flat numbers of the voxels of every class that may be learnt from; under -1 all of them."""
    flat = np.where(part.mask, part.case.classes, IGNORE).ravel()
    found = {int(value): np.flatnonzero(flat == value) for value in np.unique(flat) if value != IGNORE}
    return {-1: np.flatnonzero(flat != IGNORE), **found}


def _rows(shape: Shape, edge: int) -> list[Shape]:
    starts = [range(0, max(n - edge, 0) + 1, max(edge // 2, 1)) for n in shape]
    return [(i, j, k) for i, j, k in itertools.product(*starts)]
