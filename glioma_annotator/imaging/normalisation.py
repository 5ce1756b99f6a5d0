"""Where the brain is, and intensities on a common scale.

Networks expect skull-stripped scans: a constant background and brain in front of it. A scan that still shows the skull
is recognised and said so; its foreground is a stand-in that keeps the scaling sensible, not a brain extraction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.sequences import Window
from glioma_annotator.imaging.components import fill_holes, largest
from glioma_annotator.imaging.label_ops.margins import grow
from glioma_annotator.imaging.label_ops.smoothing import opening

Image = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]

#: Brains with their ventricles and sulci stay below about 2 litres; a head does not.
LARGEST_BRAIN_ML = 2200.0
#: A background fills at least this share of the voxels; less is chance agreement of corners.
LEAST_BACKGROUND = 0.02
#: Values this close to the background are background too, for interpolation leaves dust around a brain: a share of
#: the 90th percentile of what differs from the background, which a few extreme voxels do not move.
DUST = 1e-3
#: A smaller share of the brain that an image does not reach changes its statistics little.
LEAST_NOT_SHOWN = 0.03
_THIN_MM = 3.0  # of dark fluid in sulci
_STRIDE = 16  # a percentile of every 16th voxel is close enough

SKULL_NOTE = (
    "The scan seems to show more than the brain (skull or neck). The model expects skull-stripped scans: "
    "check the result with care, or strip the skull first."
)
EMPTY_NOTE = "The scan is empty: no brain was found in it."


@dataclass(frozen=True, slots=True, eq=False)
class Brain:
    """Where the brain is: `mask` (i, j, k), and a `note` for the reader, empty when all is as expected."""

    mask: Mask
    note: str = ""


def brain_mask(images: Sequence[Image]) -> Mask:
    """The mask of `find_brain`."""
    return find_brain(images).mask


def find_brain(images: Sequence[Image], voxel_volume_ml: float | None = None) -> Brain:
    """The brain in co-registered images (i, j, k) of one shape, at least one.

    Skull-stripped scans: the voxels where any channel differs from its background (the most common value of the eight
    corners; NaN and infinity count as background), largest component, holes filled. Channels without a constant
    background are left out when others have one. When none has one, or the result is larger than a brain can be:
    bright voxels by Otsu's threshold, any channel, largest component, holes filled, with a note that the skull seems
    present.

    Parameters
    ----------
    voxel_volume_ml: volume of a voxel; None leaves the size unchecked.
    """
    stripped = [front for front in map(_in_front_of_background, images) if front is not None and front.any()]
    if stripped:
        mask = _solid(np.logical_or.reduce(stripped))
        size_ml = np.count_nonzero(mask) * voxel_volume_ml if voxel_volume_ml is not None else 0.0
        if not mask.any():
            return Brain(mask, EMPTY_NOTE)
        if size_ml <= LARGEST_BRAIN_ML:
            return Brain(mask)
    bright = _solid(np.logical_or.reduce([_bright(image) for image in images]))
    return Brain(bright, SKULL_NOTE if bright.any() else EMPTY_NOTE)


def z_score(image: Image, mask: Mask) -> NDArray[np.float32]:
    """Mean 0 and standard deviation 1 over the finite voxels of `mask`, 0 elsewhere; all 0 when they are constant.

    `image` and `mask` have axes (i, j, k); the result is float32.
    """
    result = np.zeros(image.shape, dtype=np.float32)
    inside = mask & np.isfinite(image)
    values = image[inside].astype(np.float32)
    if values.size == 0 or values.min() == values.max():
        return result
    mean, deviation = values.mean(dtype=np.float64), values.std(dtype=np.float64)
    result[inside] = (values - np.float32(mean)) / np.float32(deviation)
    return result


def not_shown(image: Image, brain: Mask, spacing_mm: tuple[float, float, float]) -> Mask | None:
    """The part of the brain (i, j, k) that the image does not reach: its constant background, at least 3 mm thick.

    None where that is less than `LEAST_NOT_SHOWN` of the brain, or where the image has no such background.
    """
    front = _in_front_of_background(image)
    if front is None:
        return None
    least = LEAST_NOT_SHOWN * np.count_nonzero(brain)
    lacking = brain & ~front
    if np.count_nonzero(lacking) < least:
        return None
    # Fluid may be as dark as the background, but lies within the brain or in thin sulci.
    lacking &= ~fill_holes(front)
    grid = Grid(brain.shape, np.diag([*spacing_mm, 1.0]))
    lacking &= grow(opening(lacking, _THIN_MM / 2, grid), _THIN_MM, grid)  # with the corners that a ball leaves out
    return lacking if np.count_nonzero(lacking) >= least else None


def robust_window(image: Image, mask: Mask | None = None) -> Window:
    """The default display window: 1st to 99.8th percentile of the voxels in `mask`, never of zero width.

    Without a mask, of the voxels in front of the background.
    """
    if mask is None:
        mask = _in_front_of_background(image)
    values = image[np.isfinite(image) if mask is None else mask & np.isfinite(image)]
    if values.size == 0:
        return Window(0.0, 1.0)
    low, high = (float(p) for p in np.percentile(values, (1.0, 99.8)))
    return Window(low, high if high > low else low + 1.0)


def _in_front_of_background(image: Image) -> Mask | None:
    """Voxels that differ from a constant background; None when there is no such background."""
    front = np.isfinite(image)
    corners = image[np.ix_(*[(0, n - 1) for n in image.shape])].ravel()
    values, counts = np.unique(corners, return_counts=True)
    background = values[counts.argmax()]
    if np.isfinite(background):
        front &= image != background
        distance = np.abs(image[front] - background)
        if distance.size:
            front[front] = distance > DUST * np.percentile(distance[::_STRIDE], 90)
    constant = 1 - np.count_nonzero(front) / front.size
    return front if counts.max() >= corners.size // 2 and constant >= LEAST_BACKGROUND else None


def _bright(image: Image) -> Mask:
    finite = np.isfinite(image)
    values = image[finite]
    if values.size == 0 or values.min() == values.max():
        return np.zeros(image.shape, dtype=bool)
    from skimage.filters import threshold_otsu  # not at the top: the first window needs this module, but not Otsu

    threshold = float(threshold_otsu(values))  # type: ignore[no-untyped-call]
    return np.asarray(finite & (image > threshold))


def _solid(mask: Mask) -> Mask:
    return fill_holes(largest(mask))
