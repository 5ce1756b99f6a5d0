"""Smoothing of one label's outline, or of all labels together."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.imaging.brush import Brush, footprint_offsets
from glioma_annotator.imaging.label_ops.margins import grow, shrink
from glioma_annotator.imaging.label_ops.patch import Mask, placed, reach_voxels, widened


def median(mask: Mask, radius_mm: float, grid: Grid) -> Mask:
    """A voxel is in the result when more than half of the ball of `radius_mm` around it is in the mask (i, j, k).

    Beyond the image's edge the mask goes on as it is at the edge, so that the first and last slices keep their outline.
    """
    from scipy import signal  # here, to keep it off the program's start

    box = Box.around(mask)
    offsets = footprint_offsets(Brush(2 * radius_mm), grid)
    if box is None or len(offsets) == 1:
        return mask.copy()
    reach = np.abs(offsets).max(axis=0)
    ball = np.zeros(2 * reach + 1, dtype=np.float32)
    ball[tuple((offsets + reach).T)] = 1
    area = widened(box, (int(reach[0]), int(reach[1]), int(reach[2])), grid.shape)
    before = reach - np.subtract(box.start, area.start)  # how far the ball reaches beyond the image
    after = reach - np.subtract(area.stop, box.stop)
    part = np.pad(mask[area.slices].astype(np.float32), np.column_stack([before, after]), mode="edge")
    count = signal.fftconvolve(part, ball, mode="same")
    inner = tuple(slice(low, low + n) for low, n in zip(before, area.shape, strict=True))
    return placed(np.rint(count[inner]) > len(offsets) / 2, area, grid.shape)


def closing(mask: Mask, radius_mm: float, grid: Grid) -> Mask:
    """Grown, then shrunk: gaps and notches narrower than the diameter are filled; no voxel is lost.

    It grows beyond the image's edge and comes back, so that the room between a mask and the edge counts as no gap.
    """
    box = Box.around(mask)
    if box is None:
        return mask.copy()
    reach = [n + 1 for n in reach_voxels(grid, radius_mm)]
    part = np.pad(mask[box.slices], [(n, n) for n in reach])
    i, j, k = part.shape
    area = Grid((i, j, k), grid.affine)
    closed = shrink(grow(part, radius_mm, area), radius_mm, area)
    inner = closed[tuple(slice(n, -n) for n in reach)]  # a closed mask keeps to its own box
    return placed(inner, box, grid.shape) | mask


def opening(mask: Mask, radius_mm: float, grid: Grid) -> Mask:
    """Shrunk, then grown: bridges and spikes narrower than the diameter go; no voxel is added."""
    return grow(shrink(mask, radius_mm, grid), radius_mm, grid) & mask


def joint(labels: LabelArray, values: Collection[int], radius_mm: float, grid: Grid) -> LabelArray:
    """All labels `values` and background smoothed together, so that no gap opens between neighbours.

    Every voxel takes the label whose share, blurred by a Gaussian of half the radius, is largest (3D Slicer's joint
    smoothing). Voxels of other labels stay.
    """
    from scipy import ndimage  # here, to keep it off the program's start

    chosen = sorted(values)
    box = Box.around(np.isin(labels, chosen))
    if box is None:
        return labels.copy()
    area = widened(box, reach_voxels(grid, 2 * radius_mm), grid.shape)
    part = labels[area.slices]
    sigma = [radius_mm / 2 / spacing for spacing in grid.spacing_mm]
    free = (part == 0) | np.isin(part, chosen)
    best: NDArray[np.float32] = ndimage.gaussian_filter((part == 0).astype(np.float32), sigma)
    result = np.zeros_like(part)
    for value in chosen:
        share = ndimage.gaussian_filter((part == value).astype(np.float32), sigma)
        better = share > best
        result[better] = value
        best = np.maximum(best, share)
    smoothed = labels.copy()
    smoothed[area.slices] = np.where(free, result, part)
    return smoothed
