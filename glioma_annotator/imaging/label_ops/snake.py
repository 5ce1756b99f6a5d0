"""A level-set snake that grows from a seed until it meets tissue of another intensity.

Region competition between what is like the seed and what is not, held together by curvature: Yushkevich et al.,
"User-guided 3D active contour segmentation of anatomical structures", NeuroImage 31 (2006) 1116-1128, with SimpleITK's
threshold level set. The contour moves outwards where the intensity is within the tolerance, inwards where it is not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.imaging.label_ops.growing import seed_intensity
from glioma_annotator.imaging.label_ops.patch import Index, Mask, box_around, placed, reach_voxels

#: The contour counts as at rest when a step changes fewer of its voxels than this share.
_AT_REST = 0.002
#: Beyond this many tolerances from the seed the contour turns back no faster.
_FARTHEST = 3.0
_BLUR_MM = 0.5


@dataclass(frozen=True, slots=True)
class SnakeSettings:
    """How a snake moves.

    Attributes
    ----------
    radius_mm: of the ball it starts from.
    tolerance: intensity difference from the seed, in the image's units, at which it turns back.
    smoothness: weight of curvature, 0 (none) to 2.
    reach_mm: how far from the seed it may go.
    steps: how often it is shown at most.
    iterations: of the level set from one showing to the next.
    """

    radius_mm: float = 3.0
    tolerance: float = 100.0
    smoothness: float = 0.6
    reach_mm: float = 40.0
    steps: int = 40
    iterations: int = 15


def evolve(image: NDArray[Any], seed: Index, grid: Grid, settings: SnakeSettings) -> Iterator[Mask]:
    """The snake's inside (i, j, k) after each showing, until it is at rest or the steps are used up.

    `image` holds intensities (i, j, k); `seed` is a voxel of what is wanted.
    """
    box = box_around(seed, reach_voxels(grid, settings.reach_mm), grid.shape)
    part = np.asarray(image[box.slices], dtype=np.float32)
    level = _as_itk(_ball_distance(seed, box.start, part.shape, grid, settings.radius_mm), grid)
    likeness = np.clip((_calmed(part, grid) - seed_intensity(image, seed)) / settings.tolerance, -_FARTHEST, _FARTHEST)
    feature = _as_itk(likeness.astype(np.float32), grid)
    flow = SimpleITK.ThresholdSegmentationLevelSetImageFilter()
    flow.SetLowerThreshold(-1.0)
    flow.SetUpperThreshold(1.0)
    flow.SetPropagationScaling(1.0)
    flow.SetCurvatureScaling(settings.smoothness)
    flow.SetMaximumRMSError(0.0)
    flow.SetNumberOfIterations(settings.iterations)
    flow.SetNumberOfThreads(max((os.cpu_count() or 2) - 1, 1))  # the window draws what is shown meanwhile
    before: Mask | None = None
    for _ in range(settings.steps):
        level = flow.Execute(level, feature)
        now: Mask = np.asarray(SimpleITK.GetArrayFromImage(level).transpose(2, 1, 0) < 0)
        yield placed(now, box, grid.shape)
        if before is not None and np.count_nonzero(now != before) <= _AT_REST * (np.count_nonzero(now) + 1):
            return
        before = now


def _ball_distance(
    seed: Index, start: Index, shape: tuple[int, ...], grid: Grid, radius_mm: float
) -> NDArray[np.float32]:
    """Distance in mm from the surface of a ball around the seed, negative inside."""
    axes = [(np.arange(n) + s - c) for n, s, c in zip(shape, start, seed, strict=True)]
    offsets = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) @ grid.affine[:3, :3].T
    distance: NDArray[np.float32] = (np.linalg.norm(offsets, axis=-1) - radius_mm).astype(np.float32)
    return distance


def _calmed(part: NDArray[np.float32], grid: Grid) -> NDArray[np.float32]:
    """The image with the noise of single voxels blurred away."""
    blurred: NDArray[np.float32] = ndimage.gaussian_filter(part, [_BLUR_MM / spacing for spacing in grid.spacing_mm])
    return blurred


def _as_itk(part: NDArray[np.float32], grid: Grid) -> Any:
    """An ITK image on the part's own axes; distances count, the place in the world does not."""
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(part.transpose(2, 1, 0)))
    image.SetSpacing(grid.spacing_mm)
    return image
