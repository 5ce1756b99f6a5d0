"""Contrast of whole heads: an intensity for every tissue, at random or as scanners give it, and lesions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.adaptation.synthesis.noise import Field, smooth_noise

#: FreeSurfer's numbers, both sides together, and those of the tissues outside the brain, by what they are painted as.
CLASSES: dict[str, tuple[int, ...]] = {
    "white": (2, 41),
    "grey": (3, 42),
    "ventricle": (4, 5, 14, 15, 43, 44, 72),
    "cerebellar white": (7, 46),
    "cerebellar grey": (8, 47),
    "thalamus": (10, 49, 28, 60),
    "caudate": (11, 50, 26, 58),
    "putamen": (12, 51),
    "pallidum": (13, 52),
    "hippocampus": (17, 18, 53, 54),
    "brainstem": (16,),
    "fluid": (24,),
    "small": (25, 57, 85, 136, 137, 163, 164),
    "vessel": (30, 62, 502, 514),
    "eye": (506,),
    "soft tissue": (507,),
    "muscle": (508,),
    "mucosa": (509,),
    "skin": (511,),
    "cord": (512,),
    "bone": (515,),
    "marrow": (516,),
    "rest": (530,),
}
_SPLIT = ("soft tissue", "skin", "marrow", "bone", "mucosa")

Range = tuple[float, float]

#: Intensities as on T1, T2, FLAIR and proton density, white matter 1; tissues not named take "small"'s.
_SCANNED: dict[str, tuple[Range, Range, Range, Range]] = {
    "white": ((1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0)),
    "grey": ((0.6, 0.85), (1.2, 1.8), (1.1, 1.5), (1.1, 1.3)),
    "ventricle": ((0.15, 0.4), (2.2, 4.0), (0.1, 0.4), (0.8, 1.5)),
    "cerebellar white": ((0.9, 1.05), (0.9, 1.1), (0.9, 1.1), (0.95, 1.05)),
    "cerebellar grey": ((0.6, 0.85), (1.2, 1.7), (1.1, 1.5), (1.1, 1.3)),
    "thalamus": ((0.75, 0.95), (1.0, 1.3), (1.0, 1.2), (1.0, 1.15)),
    "caudate": ((0.65, 0.85), (1.1, 1.5), (1.0, 1.3), (1.0, 1.2)),
    "putamen": ((0.7, 0.9), (1.0, 1.4), (1.0, 1.3), (1.0, 1.2)),
    "pallidum": ((0.85, 1.05), (0.6, 1.0), (0.7, 1.0), (0.8, 1.0)),
    "hippocampus": ((0.6, 0.85), (1.2, 1.7), (1.1, 1.5), (1.1, 1.3)),
    "brainstem": ((0.85, 1.0), (0.9, 1.2), (0.9, 1.2), (0.95, 1.1)),
    "fluid": ((0.12, 0.4), (1.8, 4.0), (0.1, 0.6), (0.8, 1.5)),
    "small": ((0.6, 1.0), (0.9, 1.6), (0.9, 1.4), (0.9, 1.2)),
    "vessel": ((0.2, 2.2), (0.1, 0.8), (0.2, 0.9), (0.2, 1.0)),
    "eye": ((0.2, 0.4), (2.5, 4.0), (0.2, 0.6), (0.8, 1.4)),
    "soft tissue": ((0.4, 1.8), (0.3, 1.6), (0.3, 1.5), (0.4, 1.5)),
    "muscle": ((0.4, 0.7), (0.3, 0.7), (0.4, 0.8), (0.5, 0.8)),
    "mucosa": ((0.5, 2.0), (1.2, 3.0), (0.9, 2.2), (0.9, 1.4)),
    "skin": ((0.6, 2.2), (0.4, 2.0), (0.4, 1.8), (0.5, 1.7)),
    "cord": ((0.8, 1.0), (0.9, 1.2), (0.9, 1.2), (0.9, 1.1)),
    "bone": ((0.03, 0.3), (0.03, 0.3), (0.03, 0.3), (0.03, 0.3)),
    "marrow": ((0.5, 2.0), (0.4, 1.5), (0.4, 1.4), (0.5, 1.4)),
    "rest": ((0.3, 1.0), (0.3, 1.5), (0.3, 1.2), (0.3, 1.2)),
}


def draw_contrast(
    looks: Sequence[NDArray[np.uint8]], brain: Field, rng: np.random.Generator, spacing_mm: float
) -> tuple[Field, bool]:
    """An image, float32 (i, j, k), of the classes that each voxel's looks found, with lesions and texture.

    And whether its contrast is as scanners give it, not at random.

    Parameters
    ----------
    looks: uint8 (i, j, k), 0 air, else 1 + position in `CLASSES`.
    brain: float32 (i, j, k), share of brain.
    spacing_mm: edge of the voxels.
    """
    (table, scanned), (other, _) = _table(rng), _table(rng)
    split = np.zeros(len(CLASSES) + 1, dtype=bool)
    split[[list(CLASSES).index(name) + 1 for name in _SPLIT]] = True
    # Fat lies beside muscle, and marrow beside compact bone, within one class of the maps.
    changed = table.copy()
    changed[split] = other[split]
    where = smooth_noise(rng, brain.shape, float(rng.uniform(3, 12))) > rng.uniform(-0.8, 0.8)
    image = np.zeros(brain.shape, dtype=np.float32)
    for classes in looks:
        image += np.where(where, table[classes], changed[classes])
    image /= len(looks)
    if rng.random() < 0.35:  # dura, or what enhances at the surface
        image[(brain > 0.03) & (brain < 0.6)] = rng.uniform(0, 2)
    for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.5, 0.3, 0.15, 0.05]))):
        _add_lesion(image, brain, rng, spacing_mm)
    image *= 1 + np.float32(rng.uniform(0, 0.07)) * smooth_noise(rng, brain.shape, float(rng.uniform(1.5, 8)))
    return np.maximum(image, 0), scanned


def _table(rng: np.random.Generator) -> tuple[Field, bool]:
    """An intensity for every class, index 0 is air, and whether they are a scanner's."""
    names = list(CLASSES)
    table = np.zeros(len(names) + 1, dtype=np.float32)
    table[0] = 0 if rng.random() < 0.8 else rng.uniform(0, 0.3)
    at_random = rng.random() < 0.25
    column = int(rng.integers(4))
    for number, name in enumerate(names, start=1):
        low, high = (0.0, 2.0) if at_random else _SCANNED[name][column]
        table[number] = rng.uniform(low, high)
    if at_random and rng.random() < 0.5:  # few contrasts within the brain, as many sequences have
        grey = [names.index(n) + 1 for n in ("grey", "cerebellar grey", "caudate", "putamen", "hippocampus")]
        white = [names.index(n) + 1 for n in ("white", "cerebellar white", "brainstem", "thalamus", "cord")]
        fluid = [names.index(n) + 1 for n in ("ventricle", "fluid")]
        for group in (grey, white, fluid):
            table[group] = table[group[0]] * rng.uniform(0.9, 1.1, len(group))
    return table, not at_random


def _add_lesion(image: Field, brain: Field, rng: np.random.Generator, spacing_mm: float) -> None:
    """Paint a blob in place: tumour, with or without a rim, cavity or bleeding; some reach through the surface.

    The blob lies in the brain; so does the mask under it. A few lie at the surface and go on outside: operated bone.
    """
    inside = np.flatnonzero(brain.ravel() > 0.5)
    if inside.size == 0:
        return
    middle = np.unravel_index(int(rng.choice(inside)), brain.shape)
    radius = float(np.exp(rng.uniform(np.log(5), np.log(32)))) / spacing_mm
    reach = int(np.ceil(radius * 1.6))
    box = tuple(slice(max(m - reach, 0), min(m + reach + 1, n)) for m, n in zip(middle, brain.shape, strict=True))
    grid = np.ogrid[box]
    stretch = rng.uniform(0.7, 1.4, 3)
    distance = np.sqrt(sum(((g - m) * s) ** 2 for g, m, s in zip(grid, middle, stretch, strict=True)))
    distance = distance + radius * 0.25 * smooth_noise(rng, distance.shape, max(radius * 0.6, 2.0))
    ambient = float(np.median(image[box]))
    low, high = (0.2, 3.0) if rng.random() < 0.8 else (0.0, 0.2)
    weight = 1 / (1 + np.exp(np.clip((distance - radius) / rng.uniform(0.3, 1.5), -20, 20)))
    if rng.random() > 0.12:
        weight = weight * (brain[box] > 0.5)
    part = image[box]
    part += weight * (max(ambient, 0.3) * rng.uniform(low, high) - part)
    if rng.random() < 0.5:  # a rim
        width = rng.uniform(0.6, 2.0)
        rim = np.exp(-(((distance - 0.8 * radius) / width) ** 2)) * (brain[box] > 0.5)
        part += rim * (max(ambient, 0.3) * rng.uniform(0.8, 2.5) - part)
    image[box] = ndimage.gaussian_filter(part, 0.4)
