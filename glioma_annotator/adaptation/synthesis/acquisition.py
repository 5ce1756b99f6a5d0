"""What the scanner does to an image: receive field, gain, contrast curve, resolution, noise.

Channels are the first axis; intensities are relative to white matter = 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.adaptation.synthesis.noise import Field, smooth_noise
from glioma_annotator.domain.volume import LabelArray


def bias_field(rng: np.random.Generator, shape: tuple[int, ...], amplitude: float, scale: float = 60.0) -> Field:
    """A smooth multiplicative field about 1, float32 (i, j, k); `amplitude` is its standard deviation in log scale."""
    return np.asarray(np.exp(amplitude * smooth_noise(rng, shape, scale)), dtype=np.float32)


def vary_mask(
    images: Field, labels: LabelArray, brain: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """What skull stripping leaves: sometimes residue of skull and scalp, sometimes too little brain.

    Parameters
    ----------
    images: float32 (channel, i, j, k), white matter 1, changed in place.
    labels: uint8 (i, j, k); background where brain is lost, changed in place.
    brain: bool (i, j, k).

    Returns the mask after that, bool (i, j, k).
    """
    choice = rng.random()
    if choice < 0.1:
        patches = smooth_noise(rng, brain.shape, float(rng.uniform(8.0, 25.0))) > rng.uniform(0.3, 1.2)
        residue = ndimage.binary_dilation(brain, iterations=int(rng.integers(1, 5))) & ~brain & patches
        texture = 1 + 0.3 * smooth_noise(rng, brain.shape, 3.0)
        for image in images:
            image[residue] = np.maximum(rng.uniform(0.2, 2.4) * texture[residue], 0.01)
        return np.asarray(brain | residue)
    if choice < 0.16:
        bites = smooth_noise(rng, brain.shape, float(rng.uniform(8.0, 25.0))) > rng.uniform(0.5, 1.5)
        lost = ~ndimage.binary_erosion(brain, iterations=int(rng.integers(1, 4)), border_value=1) & brain & bites
        images[:, lost] = 0
        labels[lost] = 0
        return np.asarray(brain & ~lost)
    return brain


def distort(images: Field, brain: NDArray[np.bool_], rng: np.random.Generator) -> None:
    """Apply drawn acquisition effects to `images` (channel, i, j, k), in place; 0 stays 0 outside `brain`.

    Common receive field with a part per channel (amplitude to 0.3), a surface brighter by up to 0.4 as under an array
    coil, gain within 0.22, contrast about white matter, gamma 0.85 to 1.2, blur or thick slices, ghosts of motion, in
    some samples.
    """
    motion = rng.spawn(1)[0]  # what else is drawn stays as it was before motion was
    shape = images.shape[1:]
    under_coil = None
    if rng.random() < 0.3:
        reach = float(rng.uniform(4.0, 10.0))
        one_sided = np.clip(0.5 + smooth_noise(rng, shape, 60.0), 0, 1.5)
        near_surface = 2 * (1 - ndimage.gaussian_filter(brain.astype(np.float32), reach, truncate=2.0))
        under_coil = rng.uniform(0.0, 0.4) * one_sided * near_surface
    common = bias_field(rng, shape, rng.uniform(0.0, 0.3), rng.uniform(35.0, 90.0)) if rng.random() < 0.6 else None
    thick_axis = int(rng.integers(3)) if rng.random() < 0.2 else None
    for image in images:
        if rng.random() < 0.35:
            sigma = [float(rng.uniform(0.2, 0.8))] * 3
            if thick_axis is not None:
                sigma[thick_axis] = float(rng.uniform(0.8, 2.2))
            image[...] = ndimage.gaussian_filter(image, sigma)
        if rng.random() < 0.4:
            image[...] = np.maximum(1 + (image - 1) * rng.uniform(0.75, 1.25), 0.01)
        if rng.random() < 0.4:
            np.power(np.maximum(image, 0), rng.uniform(0.85, 1.2), out=image)
        if common is not None:
            image *= common
        if under_coil is not None and rng.random() < 0.7:
            image *= 1 + under_coil
        if rng.random() < 0.4:
            image *= bias_field(rng, shape, rng.uniform(0.0, 0.2), rng.uniform(35.0, 90.0))
        image *= 1 + rng.uniform(-0.22, 0.22)
        if motion.random() < 0.06:
            image[...] = with_ghosts(image, motion)
        image[~brain] = 0


def with_ghosts(image: Field, rng: np.random.Generator) -> Field:
    """The image (i, j, k) as of somebody who moved: with a faint copy of itself, shifted along the phase direction."""
    shift = int(rng.integers(4, 30))
    axis = int(rng.integers(2))
    return np.asarray(image + np.float32(rng.uniform(0.02, 0.12)) * np.roll(image, shift, axis))


def add_noise(images: Field, brain: NDArray[np.bool_], rng: np.random.Generator, sigma: float) -> None:
    """Rician noise of standard deviation `sigma`, in place, within `brain`."""
    for image in images:
        real = image + sigma * rng.standard_normal(image.shape, dtype=np.float32)
        imaginary = sigma * rng.standard_normal(image.shape, dtype=np.float32)
        image[...] = np.where(brain, np.hypot(real, imaginary), 0)
