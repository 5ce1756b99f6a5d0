"""What the scanner does to an image: receive field, gain, contrast curve, resolution, noise.

Channels are the first axis; intensities are relative to white matter = 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.adaptation.synthesis.noise import Field, smooth_noise


def bias_field(rng: np.random.Generator, shape: tuple[int, ...], amplitude: float, scale: float = 60.0) -> Field:
    """A smooth multiplicative field about 1, float32 (i, j, k); `amplitude` is its standard deviation in log scale."""
    return np.asarray(np.exp(amplitude * smooth_noise(rng, shape, scale)), dtype=np.float32)


def distort(images: Field, brain: NDArray[np.bool_], rng: np.random.Generator) -> None:
    """Apply drawn acquisition effects to `images` (channel, i, j, k), in place; 0 stays 0 outside `brain`.

    Common receive field with a part per channel (amplitude to 0.3), gain within 0.22, gamma 0.85 to 1.2,
    blur or thick slices, in some samples.
    """
    shape = images.shape[1:]
    common = bias_field(rng, shape, rng.uniform(0.0, 0.3), rng.uniform(35.0, 90.0)) if rng.random() < 0.6 else None
    thick_axis = int(rng.integers(3)) if rng.random() < 0.2 else None
    for image in images:
        if rng.random() < 0.35:
            sigma = [float(rng.uniform(0.2, 0.8))] * 3
            if thick_axis is not None:
                sigma[thick_axis] = float(rng.uniform(0.8, 2.2))
            image[...] = ndimage.gaussian_filter(image, sigma)
        if rng.random() < 0.4:
            np.power(np.maximum(image, 0), rng.uniform(0.85, 1.2), out=image)
        if common is not None:
            image *= common
        if rng.random() < 0.4:
            image *= bias_field(rng, shape, rng.uniform(0.0, 0.2), rng.uniform(35.0, 90.0))
        image *= 1 + rng.uniform(-0.22, 0.22)
        image[~brain] = 0


def add_noise(images: Field, brain: NDArray[np.bool_], rng: np.random.Generator, sigma: float) -> None:
    """Rician noise of standard deviation `sigma`, in place, within `brain`."""
    for image in images:
        real = image + sigma * rng.standard_normal(image.shape, dtype=np.float32)
        imaginary = sigma * rng.standard_normal(image.shape, dtype=np.float32)
        image[...] = np.where(brain, np.hypot(real, imaginary), 0)
