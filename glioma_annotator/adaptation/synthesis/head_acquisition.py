"""What a scanner and its operator do to a head: bias field, thick slices, noise, field of view, scaling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.adaptation.synthesis.acquisition import with_ghosts
from glioma_annotator.adaptation.synthesis.noise import Field, smooth_noise
from glioma_annotator.imaging.brain_extraction import scaled


def acquire(image: Field, brain: Field, rng: np.random.Generator, spacing_mm: float) -> Field:
    """The image (i, j, k) as scanned, scaled for a network; `brain` is cut with the field of view, in place."""
    if rng.random() < 0.85:
        image = image * np.exp(
            np.float32(rng.uniform(0.03, 0.35)) * smooth_noise(rng, image.shape, float(rng.uniform(22, 60)))
        )
    image = np.maximum(image, 0) ** np.float32(np.exp(rng.uniform(-0.3, 0.3)))
    sigma = rng.uniform(0.25, 0.9)
    image = ndimage.gaussian_filter(image, sigma, truncate=2.5)
    if rng.random() < 0.6:
        thick = float(rng.uniform(2.0, 7.0))
        image = _thick_slices(image, int(rng.choice(3, p=[0.2, 0.2, 0.6])), thick / spacing_mm, rng)
    if rng.random() < 0.1:
        image = with_ghosts(image, rng)
    level = float(np.percentile(image[::4, ::4, ::4], 95)) * rng.uniform(0, 0.05)
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    if rng.random() < 0.5:
        image = np.abs(image + np.float32(level) * noise)
    else:  # as a reconstruction that masks the air leaves it
        image = np.where(image > 0.02, np.maximum(image + np.float32(level) * noise, 0), 0)
    _cut_field_of_view(image, brain, rng)
    return scaled(image)


def _thick_slices(image: Field, axis: int, voxels: float, rng: np.random.Generator) -> Field:
    """Average over slices of so many voxels along an axis, and interpolate linearly back, as the importer does."""
    if voxels <= 1:
        return image
    n = image.shape[axis]
    centres = np.arange(rng.uniform(0, voxels), n, voxels)
    if centres.size < 3:
        return image
    edge = np.clip(0.5 * voxels * rng.uniform(0.7, 1.0) + 0.5 - np.abs(np.arange(n) - centres[:, None]), 0, 1)
    down = edge / np.maximum(edge.sum(axis=1, keepdims=True), 1e-6)
    up = np.clip(1 - np.abs(np.arange(n)[:, None] - centres) / voxels, 0, 1)
    up /= np.maximum(up.sum(axis=1, keepdims=True), 1e-6)
    matrix = (up @ down).astype(np.float32)
    return np.ascontiguousarray(np.moveaxis(np.tensordot(matrix, image, axes=(1, axis)), 0, axis))


def _cut_field_of_view(image: Field, brain: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Nothing beyond the field of view, in place, in image and mask; sometimes through the brain."""
    for axis in range(3):
        for end in (False, True):
            if rng.random() > (0.35 if axis == 2 else 0.15):
                continue
            length = image.shape[axis]
            cut = int(rng.integers(1, max(length // (4 if axis == 2 else 7), 2)))
            where: list[slice] = [slice(None)] * 3
            where[axis] = slice(length - cut, None) if end else slice(0, cut)
            image[tuple(where)] = 0
            brain[tuple(where)] = 0
