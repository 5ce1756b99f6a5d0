"""Regions that grow from what the reader points at: by tolerance from a seed, or from painted seeds in a box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.imaging.label_ops.fill import same_intensity
from glioma_annotator.imaging.label_ops.patch import Index, Mask, box_around, placed, reach_voxels


def seed_intensity(image: NDArray[Any], seed: Index) -> float:
    """Median of the 3 x 3 x 3 voxels around a seed: one noisy voxel must not decide what a region is like."""
    box = box_around(seed, (1, 1, 1), (image.shape[0], image.shape[1], image.shape[2]))
    return float(np.median(image[box.slices]))


def region(
    image: NDArray[Any], seed: Index, tolerance: float, grid: Grid, reach_mm: float, axis: int | None = None
) -> Mask:
    """Voxels connected to the seed whose intensity differs from it by no more than `tolerance`.

    Parameters
    ----------
    image: intensities (i, j, k).
    tolerance: in the image's own units, to either side of `seed_intensity`.
    reach_mm: the region stays in a box of this reach around the seed.
    axis: array axis normal to the slice to stay in; None for 3D.
    """
    reach = list(reach_voxels(grid, reach_mm))
    if axis is not None:
        reach[axis] = 0
    box = box_around(seed, (reach[0], reach[1], reach[2]), grid.shape)
    part = image[box.slices]
    at = (seed[0] - box.start[0], seed[1] - box.start[1], seed[2] - box.start[2])
    middle = seed_intensity(image, seed)
    return placed(same_intensity(part, at, middle - tolerance, middle + tolerance), box, grid.shape)


def from_seeds(images: Sequence[NDArray[Any]], labels: LabelArray, box: Box, grid: Grid) -> LabelArray:
    """Labels (i, j, k) in which the seeds painted within `box` have grown until they meet.

    Every painted voxel in the box is a seed of its label and stays; unpainted voxels on the faces of the box are
    seeds of background. Each other voxel goes to the seed from which it is reached over the lowest ridge of image
    gradient (watershed; Meyer, "Topographic distance and watershed lines", Signal Processing 38 (1994) 113-125).

    Parameters
    ----------
    images: one or more sequences (i, j, k); their gradients are scaled to one spread and the largest counts.
    labels: the mask; outside the box it is given back as it is.

    Raises `ValueError` when the box holds no painted voxel.
    """
    box = box.clipped(grid.shape)
    seeds = labels[box.slices]
    if box.empty or not seeds.any():
        raise ValueError("the box holds no painted voxel")
    ridge = np.zeros(seeds.shape, dtype=np.float32)
    for image in images:
        ridge = np.maximum(ridge, _gradient(image[box.slices], grid))
    background = int(seeds.max()) + 1
    markers = seeds.astype(np.int32)
    rim = np.ones(seeds.shape, dtype=np.bool_)
    rim[tuple(slice(1, -1) if n > 2 else slice(None) for n in seeds.shape)] = False
    markers[rim & (seeds == 0)] = background
    grown = watershed(ridge, markers)  # type: ignore[no-untyped-call]
    grown[grown == background] = 0
    result = labels.copy()
    result[box.slices] = np.where(seeds > 0, seeds, grown.astype(np.uint8))
    return result


def _gradient(part: NDArray[Any], grid: Grid) -> NDArray[np.float32]:
    sigma = [min(0.7 / spacing, 0.7) for spacing in grid.spacing_mm]
    smooth = ndimage.gaussian_filter(np.asarray(part, dtype=np.float32), sigma)
    steps = [np.gradient(smooth, grid.spacing_mm[a], axis=a) for a in range(3) if part.shape[a] > 1]
    size = np.sqrt(sum(np.square(step) for step in steps))
    spread = float(size.std()) or 1.0
    scaled: NDArray[np.float32] = (size / spread).astype(np.float32)
    return scaled
