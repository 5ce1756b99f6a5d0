"""TorchIO's acquisition effects for training samples."""

from __future__ import annotations

import numpy as np
import torch
import torchio as tio
from numpy.typing import NDArray

#: Standard deviation of a brain's intensities as a share of their mean, roughly: brings z-scores back to a scale on
#: which a receive field can multiply.
_SPREAD = np.float32(0.3)


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
