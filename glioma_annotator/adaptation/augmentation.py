"""TorchIO's acquisition effects for training samples."""

from __future__ import annotations

import numpy as np
import torch
import torchio as tio

from glioma_annotator.adaptation.synthesis.noise import Field


class TorchIOAugmentation:
    """MRI bias field and Gaussian noise, each with probability 0.5, as the reference design has it.

    Called on images (channel, i, j, k) with white matter 1, before z-scoring: a receive field multiplies intensities.
    """

    def __init__(self) -> None:
        self._transform = tio.Compose(
            [tio.RandomBiasField(coefficients=0.25, order=2, p=0.5), tio.RandomNoise(std=(0.0, 0.08), p=0.5)]
        )

    def __call__(self, images: Field, seed: int) -> Field:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            changed = self._transform(torch.from_numpy(np.ascontiguousarray(images)))
        return np.asarray(changed.numpy(), dtype=np.float32)
