"""How training samples are varied: TorchIO's acquisition effects, and what differs from one day to the next."""

from __future__ import annotations

import numpy as np
import torch
import torchio as tio
from numpy.typing import NDArray

from glioma_annotator.domain.labels import IGNORE

#: Standard deviation of a brain's intensities as a share of their mean, roughly: brings z-scores back to a scale on
#: which a receive field can multiply.
_SPREAD = np.float32(0.3)
#: How far scans of one patient differ from day to day: standard deviation of the logarithms of every channel's gain,
#: contrast and exponent, and of a tissue's brightness as a share of it.
_DAY = 0.12
_TISSUE = 0.06


class TorchIOAugmentation:
    """MRI bias field and Gaussian noise, each with its probability (one half in the reference design).

    Called on images (channel, i, j, k) with white matter 1, before z-scoring: a receive field multiplies intensities.
    """

    def __init__(self, bias_field: float = 0.5, noise: float = 0.5) -> None:
        self._transform = tio.Compose(
            [
                tio.RandomBiasField(coefficients=0.25, order=2, p=bias_field),
                tio.RandomNoise(std=(0.0, 0.08), p=noise),
            ]
        )

    def __call__(self, images: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            changed = self._transform(torch.from_numpy(np.ascontiguousarray(images)))
        return np.asarray(changed.numpy(), dtype=np.float32)

    def on_z_scores(self, images: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
        """The same for z-scored images: brought to a scale with the brain's mean 1, changed, and brought back."""
        return (self(1 + _SPREAD * images, seed) - 1) / _SPREAD


def as_on_another_day(
    images: NDArray[np.float32], classes: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Z-scored images (channel, i, j, k) with drawn gain, contrast and exponent for every channel, and every tissue of
    `classes` (i, j, k) a little brighter or darker in each.
    """
    value = 1 + _SPREAD * images
    for tissue in np.unique(classes[(classes > 0) & (classes != IGNORE)]):
        value[:, classes == tissue] *= rng.normal(1, _TISSUE, (len(value), 1)).astype(np.float32)
    each = (3, len(value), 1, 1, 1)
    contrast, exponent, gain = np.exp(rng.normal(0, _DAY, each)).astype(np.float32)
    value = gain * np.maximum(1 + contrast * (value - 1), np.float32(0.02)) ** exponent
    return np.asarray((value - 1) / _SPREAD, dtype=np.float32)
