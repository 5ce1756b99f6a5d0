"""Whole heads of any contrast, to learn where the brain is: painted from anatomical label maps on the fly.

After SynthStrip (Hoopes et al., NeuroImage 2022): a network that has only seen random contrasts does not care which it
is given. Contrasts as scanners give them, tumours, cavities and acquisition are mixed in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.adaptation.synthesis.head_acquisition import acquire
from glioma_annotator.adaptation.synthesis.head_contrast import CLASSES, draw_contrast
from glioma_annotator.adaptation.synthesis.head_shapes import HeadShapes
from glioma_annotator.adaptation.synthesis.noise import Field, smooth_noise
from glioma_annotator.domain.geometry import Box, Shape
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.components import fill_holes, largest
from glioma_annotator.imaging.nifti import read_volume

SPACING_MM = 2.0
"""Voxel size of the brain model."""

#: The brain is its tissue with the sulci between; the closing bridges fissures of this width.
_CLOSING_MM = 6.0
#: Fluid around the tissue that belongs to the mask: all within the skull but for what is far, in large cisterns.
_FLUID_MM = 15.0
#: Meninges, which the maps call bone; the mask goes over them as in the stripped scans that the tumour models expect:
#: on TCGA-FG-6692 their border lies 1 to 2 mm outside the fluid.
_MENINGES_MM = 1.0
_FLUID = 24
_FIRST_OUTSIDE = 500
#: Share of heads that are given a new shape, where shapes are known.
_BENT = 0.75


@dataclass(frozen=True, slots=True, eq=False)
class HeadMap:
    """An anatomical label map at 1 mm.

    Attributes
    ----------
    name: the file it came from.
    classes: uint8 (i, j, k), RAS order, 0 air, else 1 + position in `CLASSES`; one voxel of air all around.
    brain: uint8 (i, j, k), share of brain around each voxel times 255, smoothed over a voxel.
    middle: (3,) index of the brain's centre.
    """

    name: str
    classes: NDArray[np.uint8]
    brain: NDArray[np.uint8]
    middle: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class HeadSample:
    """`image` float32 (i, j, k), 0 to 1, and `brain` float32 (i, j, k), the share of brain in each voxel.

    `scanned`: whether the contrast is as scanners give it, not at random.
    """

    image: Field
    brain: Field
    scanned: bool


def load_head_maps(paths: Iterable[Path]) -> list[HeadMap]:
    """The label maps in the files named. Raises `UserError` when there are none, or one cannot be read."""
    maps = [head_map(path.name, _labels(path)) for path in paths]
    if not maps:
        raise UserError("No whole-head label maps were found.", "Name a folder with label_maps/synthseg.")
    return maps


def _labels(path: Path) -> NDArray[np.int16]:
    return read_volume(path).volume.data.astype(np.int16)


def head_map(name: str, labels: NDArray[np.int16]) -> HeadMap:
    """A label map in FreeSurfer's numbers, int16 (i, j, k) at 1 mm, made ready for painting."""
    table = np.full(int(labels.max()) + 1, list(CLASSES).index("rest") + 1, dtype=np.uint8)
    table[0] = 0
    for number, values in enumerate(CLASSES.values(), start=1):
        for value in values:
            if value < table.size:
                table[value] = number
    brain = brain_of_labels(labels)
    classes = np.pad(table[labels], 1)
    soft = ndimage.gaussian_filter(np.pad(brain, 1).astype(np.float32), 0.8)
    middle = np.argwhere(brain[::4, ::4, ::4]).mean(axis=0) * 4 + 1
    return HeadMap(name, classes, np.rint(255 * soft).astype(np.uint8), middle.astype(np.float32))


def brain_of_labels(labels: NDArray[np.int16]) -> NDArray[np.bool_]:
    """The brain mask that a label map (i, j, k at 1 mm) means: tissue, ventricles, fluid within the skull, meninges.

    The fluid ends where the brainstem does: that of the spine does not belong to it.
    """
    inside = (labels > 0) & (labels < _FIRST_OUTSIDE)
    tissue = largest(inside & (labels != _FLUID))
    box = Box.around(tissue)
    if box is None:
        raise UserError("A label map holds no brain.", "Remove it from the data folder.")
    reach = int(_FLUID_MM) + 2
    start = tuple(max(a - reach, 0) for a in box.start)
    around = tuple(slice(a, b + reach) for a, b in zip(start, box.stop, strict=True))
    here = tissue[around]
    distance = ndimage.distance_transform_edt(~np.pad(here, reach))
    depth = ndimage.distance_transform_edt(distance <= _CLOSING_MM)
    inner = (slice(reach, -reach),) * 3
    fluid = inside[around] & (distance[inner] <= _FLUID_MM)
    fluid[:, :, : box.start[2] - start[2]] = False
    brain = largest(here | fluid | (depth[inner] > _CLOSING_MM))
    brain = ndimage.distance_transform_edt(~brain) <= _MENINGES_MM
    result = np.zeros_like(tissue)
    result[around] = fill_holes(largest(ndimage.gaussian_filter(brain.astype(np.float32), 1.0) > 0.5))
    return result


def draw_head(
    maps: list[HeadMap],
    shape: Shape,
    seed: int,
    number: int,
    spacing_mm: float = SPACING_MM,
    shapes: HeadShapes | None = None,
) -> HeadSample:
    """Sample `number` of a seed, `shape` in voxels of `spacing_mm`: the same whoever draws it.

    `shapes` are those of `maps`; with them three of four heads are given a new shape.
    """
    rng = np.random.default_rng((seed, number))
    chosen = int(rng.integers(len(maps)))
    head = maps[chosen]
    index = _place(head, shape, rng, spacing_mm)
    if shapes is not None and rng.random() < _BENT:
        away = shapes.bent(chosen, tuple(field - m for field, m in zip(index, head.middle, strict=True)), rng)
        index = tuple(field + m for field, m in zip(away, head.middle, strict=True))
    offset = (0.2 * spacing_mm * rng.uniform(-1, 1, 3)).astype(np.float32)
    # Two looks per voxel, a part of it apart, make borders partial as a scanner's voxels do.
    looks = [_look_up(head, index, step) for step in (offset, -offset)]
    brain = np.asarray((looks[0][1] + looks[1][1]) / 2, dtype=np.float32)
    image, scanned = draw_contrast([classes for classes, _ in looks], brain, rng, spacing_mm)
    if rng.random() < 0.08:  # already stripped: the brain is what is left
        image *= brain >= 0.5
    return HeadSample(acquire(image, brain, rng, spacing_mm), brain, scanned)


def _place(head: HeadMap, shape: Shape, rng: np.random.Generator, spacing_mm: float) -> tuple[Field, Field, Field]:
    """Where in the map, in its voxels, each voxel of the sample looks: turned, scaled, bent, off centre, mirrored."""
    angles = np.radians(rng.uniform(-20, 20, 3) * (1.0, 0.6, 0.6))
    scales = np.exp(rng.uniform(-0.14, 0.14)) * np.exp(rng.uniform(-0.06, 0.06, 3)) * spacing_mm
    matrix = _rotation(angles) @ np.diag(scales) + rng.uniform(-0.04, 0.04, (3, 3)) * spacing_mm
    if rng.random() < 0.5:
        matrix[:, 0] *= -1
    slack = np.maximum(np.asarray(head.classes.shape) - np.asarray(shape) * spacing_mm, 0) / 2 + 12
    middle = head.middle + rng.uniform(-1, 1, 3) * np.minimum(slack, 40)
    axes = [np.arange(n, dtype=np.float32) - (n - 1) / 2 for n in shape]
    bend, scale = float(rng.uniform(0, 3.5)), float(rng.uniform(10, 24))
    result = []
    for row in range(3):
        a, b, c = (np.float32(x) for x in matrix[row])
        field = a * axes[0][:, None, None] + b * axes[1][:, None] + c * axes[2] + np.float32(middle[row])
        result.append(field + np.float32(bend) * smooth_noise(rng, shape, scale))
    return result[0], result[1], result[2]


def _rotation(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        one, other = [a for a in range(3) if a != axis]
        turn = np.eye(3)
        turn[one, one] = turn[other, other] = np.cos(angle)
        turn[one, other], turn[other, one] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def _look_up(head: HeadMap, index: tuple[Field, Field, Field], step: Field) -> tuple[NDArray[np.uint8], Field]:
    """Classes and share of brain at `index` + `step`; beyond the map its border, which is air."""
    flat = np.zeros(index[0].shape, dtype=np.int32)
    for field, size, shift in zip(index, head.classes.shape, step, strict=True):
        flat *= size
        flat += np.clip(field + np.float32(shift + 0.5), 0, size - 1).astype(np.int32)
    return head.classes.ravel()[flat], head.brain.ravel()[flat] * np.float32(1 / 255)
