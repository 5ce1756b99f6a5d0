"""Rules of the post-processing that go by brightness: how far a label reaches, and what is core."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.mask_rules import Extent, LeastCore, Outline
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.imaging.components import components
from glioma_annotator.imaging.label_ops.margins import grow
from glioma_annotator.imaging.label_ops.smoothing import opening

_CORE_BLUR_MM = 1.5  # where core is told from what surrounds it
_BLUR_MM = 1.0  # where tissue is told from tissue by its brightness
BLURRED_VOXELS = 4
"""That this blur reaches, on voxels of 1 mm."""
_RIM_SIGMA_MM, _TISSUE_SIGMA_MM = 3.0, 5.0  # over which the brightness of a label and of its neighbours is averaged
_UNUSUAL = 2.0  # standard deviations of a tissue's brightness: what lies within belongs to the tissue
_CLEAR_MM = 2.5  # a neighbour's voxels nearer to the label may hold some of its brightness


def extended(
    labels: LabelArray, brain: NDArray[np.bool_], image: NDArray[np.float32], rule: Extent, grid: Grid
) -> NDArray[np.bool_]:
    """Background, (i, j, k), around the rule's label that is bright enough to belong to it."""
    found = np.zeros(labels.shape, dtype=bool)
    own, rest = labels == rule.label, brain & (labels == 0)
    box = Box.around(own)
    if box is None or not rest.any() or np.count_nonzero(own) * grid.voxel_volume_ml < rule.least_ml:
        return found
    blurred = _local_mean(image, brain, _BLUR_MM, grid.spacing_mm)
    usual, brighter = np.quantile(blurred[rest], (0.5, rule.brighter))
    above = np.quantile(blurred[own], rule.quantile) - usual
    if above <= 0:
        return found
    least = max(usual + rule.level * above, brighter)
    reach = int(np.ceil((rule.within_mm + rule.narrow_mm) / min(grid.spacing_mm))) + 1
    near = box.grown(reach).clipped(labels.shape).slices
    here = Grid(own[near].shape, np.diag([*grid.spacing_mm, 1.0]))
    more = rest[near] & (blurred[near] >= least) & grow(own[near], rule.within_mm, here)
    more &= without_thin(more | (labels[near] != 0), rule.narrow_mm, here)
    numbered, count = components(more | own[near])
    touching = np.bincount(numbered[own[near]], minlength=count + 1) > 0
    found[near] = more & touching[numbered]
    return found


def outlined(
    labels: LabelArray, image: NDArray[np.float32], rule: Outline, spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Voxels, (i, j, k), beside the rule's label that are bright enough to belong to it."""
    from scipy import ndimage  # here, to keep it off the program's start

    found = np.zeros(labels.shape, dtype=bool)
    box = Box.around(labels == rule.label)
    if box is None:
        return found
    box = box.grown(int(np.ceil((3 * _TISSUE_SIGMA_MM + _CLEAR_MM) / min(spacing_mm)))).clipped(labels.shape)
    near, values = labels[box.slices], image[box.slices].astype(np.float32)
    values -= values.mean()  # squares of what is left keep their digits
    bright = near == rule.label
    away_mm = ndimage.distance_transform_edt(~bright, sampling=spacing_mm)
    # Measured against the label's usual brightness as well, so that faint false islands of it do not grow.
    rim = np.maximum(_local_mean(values, bright, _RIM_SIGMA_MM, spacing_mm), np.median(values[bright]))
    for value in rule.into:
        tissue = near == value
        clear = tissue & (away_mm > _CLEAR_MM)
        base = _local_mean(values, clear, _TISSUE_SIGMA_MM, spacing_mm)
        variance = _local_mean(values**2, clear, _TISSUE_SIGMA_MM, spacing_mm) - base**2
        step = np.maximum(rule.level * (rim - base), _UNUSUAL * np.sqrt(np.maximum(variance, 0)))
        enough = (rim > base) & (values >= base + step)  # false where a mean is not known
        found[box.slices] |= tissue & (away_mm <= rule.reach_mm) & enough
    return found


def core_lacking(
    labels: LabelArray,
    brain: NDArray[np.bool_],
    images: Mapping[SequenceRole, NDArray[np.float32]],
    rule: LeastCore,
    grid: Grid,
) -> NDArray[np.bool_]:
    """Voxels, (i, j, k), that the rule calls core: of the largest lesion the brighter and deeper ones."""
    from scipy import ndimage  # here, to keep it off the program's start

    found = np.zeros(labels.shape, dtype=bool)
    if rule.shown_by not in images or np.isin(labels, rule.without).any():
        return found
    numbered, _ = components(labels != 0)
    sizes = np.bincount(numbered.reshape(-1))
    sizes[0] = 0
    lesion = numbered == sizes.argmax()
    box = Box.around(lesion) if sizes.max() * grid.voxel_volume_ml >= rule.least_ml else None
    if box is None:
        return found
    lacking = int(rule.share * sizes.max()) - np.count_nonzero(lesion & (labels == rule.label))
    if lacking <= 0:
        return found
    near = box.grown(round(4 * _CORE_BLUR_MM / min(grid.spacing_mm))).clipped(labels.shape).slices
    lesion = lesion[near]
    sigma = [_CORE_BLUR_MM / mm for mm in grid.spacing_mm]
    bright = np.zeros(lesion.shape, dtype=np.float32)
    for role in rule.bright_on:
        if role in images:
            bright += ndimage.gaussian_filter(images[role][near], sigma) / max(float(images[role][brain].std()), 1e-6)
    depth = ndimage.distance_transform_edt(np.pad(lesion, 1), sampling=grid.spacing_mm)[1:-1, 1:-1, 1:-1]
    taken = np.flatnonzero(lesion & (labels[near] == rule.taken_from))
    likely = sum((part - part[lesion].mean()) / max(float(part[lesion].std()), 1e-6) for part in (bright, depth))
    core = np.zeros(lesion.size, dtype=bool)
    core[taken[np.argsort(-np.ravel(likely)[taken], kind="stable")[:lacking]]] = True
    found[near] = core.reshape(lesion.shape)
    return found


def without_thin(mask: NDArray[np.bool_], thinner_mm: float, grid: Grid) -> NDArray[np.bool_]:
    """The mask's parts (i, j, k on a right-angled grid) that a ball of this diameter fits into.

    A radius below the voxel size would take nothing away, so that axes on which it is are halved, unless a single
    voxel is as thick as the ball.
    """
    box = Box.around(mask)
    if box is None:
        return mask.copy()
    halved = [thinner_mm / 2 < mm < thinner_mm for mm in grid.spacing_mm]
    box = box.grown(1).clipped(mask.shape)
    fine = mask[box.slices]
    for axis in np.flatnonzero(halved):
        fine = fine.repeat(2, axis)
    spacing = [mm / 2 if half else mm for mm, half in zip(grid.spacing_mm, halved, strict=True)]
    fine = opening(fine, thinner_mm / 2, Grid(fine.shape, np.diag([*spacing, 1.0])))
    for axis in np.flatnonzero(halved):
        fine = fine.take(range(0, fine.shape[axis], 2), axis) | fine.take(range(1, fine.shape[axis], 2), axis)
    kept = np.zeros_like(mask)
    kept[box.slices] = fine
    return kept


def against_brain(
    image: NDArray[np.float32], brain: NDArray[np.bool_], box: tuple[slice, ...], grid: Grid
) -> NDArray[np.float32]:
    """The blurred image in a box, 0 what 2 % of the brain's voxels lie below and 1 what 75 % do."""
    from scipy import ndimage  # here, to keep it off the program's start

    low, high = np.percentile(image[brain], (2, 75))
    blurred = ndimage.gaussian_filter(image[box].astype(np.float32), [_BLUR_MM / mm for mm in grid.spacing_mm])
    return np.asarray((blurred - low) / max(high - low, 1e-6), dtype=np.float32)


def _local_mean(
    values: NDArray[np.float32], mask: NDArray[np.bool_], sigma_mm: float, spacing_mm: tuple[float, float, float]
) -> NDArray[np.float32]:
    """Gaussian mean of the values (i, j, k) within the mask alone, everywhere; NaN where the mask is far."""
    from scipy import ndimage  # here, to keep it off the program's start

    sigma = [sigma_mm / spacing for spacing in spacing_mm]
    weight = ndimage.gaussian_filter(mask.astype(np.float32), sigma, truncate=3.0)
    total = ndimage.gaussian_filter(np.where(mask, values, np.float32(0)), sigma, truncate=3.0)
    known = weight > 1e-4
    return np.where(known, total / np.where(known, weight, 1), np.float32(np.nan))
