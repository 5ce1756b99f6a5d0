"""The stream of training samples: patches of real cases, of the synthetic generator, or both.

Sample number n of a seed is the same whoever draws it, so a training that is taken up again sees what it would have
seen, and several processes can draw ahead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from glioma_annotator.adaptation.augmentation import TorchIOAugmentation
from glioma_annotator.adaptation.config import PatchConfig, Strategy
from glioma_annotator.adaptation.patch_sampling import ClassVoxels, cut, patch_corner, whole_shape
from glioma_annotator.adaptation.synthesis.samples import SampleSource, draw_sample
from glioma_annotator.adaptation.training_cases import TrainingCase
from glioma_annotator.domain.labels import IGNORE

Images = NDArray[np.float32]
Labels = NDArray[np.uint8]

# Independent streams of random numbers under one seed.
_ORDER, _PATCH, _KIND, _CHANNELS = 1, 2, 3, 4


class Samples(Protocol):
    """An endless sequence of samples."""

    def draw(self, patch: int, index: int) -> tuple[Images, Labels]:
        """Sample `index` as images (channel, i, j, k), z-scored, and classes (i, j, k), in a cube of `patch` voxels."""


class SyntheticSamples:
    """Samples of the synthetic generator, reduced to the wanted channels.

    Parameters
    ----------
    channels: numbers of the generator's channels, in the order that the network reads.
    """

    def __init__(self, source: SampleSource, seed: int, channels: Sequence[int]) -> None:
        self._source, self._seed, self._channels = source, seed, list(channels)

    def draw(self, patch: int, index: int) -> tuple[Images, Labels]:
        sample = draw_sample(self._source, patch, self._seed, index)
        return sample.images[self._channels], sample.labels


class CaseSamples:
    """Patches of real cases: `per_volume` in a row from each, the cases in an order that is shuffled every round.

    Parameters
    ----------
    cases: at least one.
    augment: TorchIO's effects; None for none.
    flip: probability that left and right change places.
    multiple: for whole brains, the sizes that the network takes.
    """

    def __init__(
        self,
        cases: Sequence[TrainingCase],
        patches: PatchConfig,
        seed: int,
        augment: TorchIOAugmentation | None = None,
        flip: float = 0.0,
        multiple: int = 8,
    ) -> None:
        self._cases, self._config, self._seed = cases, patches, seed
        self._augment, self._flip, self._multiple = augment, flip, multiple
        self._voxels = [ClassVoxels.of(np.asarray(case.classes)) for case in cases]

    def draw(self, patch: int, index: int) -> tuple[Images, Labels]:
        config, count = self._config, len(self._cases)
        group, within = divmod(index, config.per_volume)
        round_, place = divmod(group, count)
        which = int(np.random.default_rng([self._seed, _ORDER, round_]).permutation(count)[place])
        case, voxels = self._cases[which], self._voxels[which]
        rng = np.random.default_rng([self._seed, _PATCH, index])
        whole = config.strategy is Strategy.WHOLE
        shape = whole_shape(voxels.shape, self._multiple) if whole else (patch, patch, patch)
        corner = patch_corner(config.strategy, voxels, shape, rng, round_ * config.per_volume + within)
        images = cut(case.images, corner, shape).astype(np.float32)
        labels = cut(case.classes, corner, shape, IGNORE).astype(np.uint8)
        if self._augment is not None:
            brain = images.any(axis=0)
            absent = ~images.any(axis=(1, 2, 3))
            images = self._augment.on_z_scores(images, int(rng.integers(2**31))) * brain
            images[absent] = 0
        if rng.random() < self._flip:
            images, labels = images[:, ::-1], labels[::-1]
        return np.ascontiguousarray(images), np.ascontiguousarray(labels)


class MixedSamples:
    """Real samples with probability `real_share`, synthetic ones else."""

    def __init__(self, real: Samples, synthetic: Samples, real_share: float, seed: int) -> None:
        self._real, self._synthetic, self._share, self._seed = real, synthetic, real_share, seed

    def draw(self, patch: int, index: int) -> tuple[Images, Labels]:
        chance = np.random.default_rng([self._seed, _KIND, index]).random()
        return (self._real if chance < self._share else self._synthetic).draw(patch, index)


@dataclass(frozen=True, slots=True)
class DroppedChannels:
    """Samples of which optional channels are left out at random: 0, the mean of a z-scored channel.

    Attributes
    ----------
    optional: channels that may be left out, by number.
    one_of: of these at least one stays; empty for no such rule.
    probability: of each optional channel to be left out.
    """

    samples: Samples
    optional: tuple[int, ...]
    one_of: tuple[int, ...]
    probability: float
    seed: int

    def draw(self, patch: int, index: int) -> tuple[Images, Labels]:
        images, labels = self.samples.draw(patch, index)
        rng = np.random.default_rng([self.seed, _CHANNELS, index])
        dropped = {channel for channel in self.optional if rng.random() < self.probability}
        if self.one_of and dropped.issuperset(self.one_of):
            dropped.discard(self.one_of[int(rng.integers(len(self.one_of)))])
        if dropped:
            images = images.copy()
            images[sorted(dropped)] = 0
        return images, labels


class SampleStream(Dataset[tuple[Tensor, Tensor]]):
    """Samples `first`, `first + 1`, ... for torch's loader."""

    def __init__(self, samples: Samples, patch: int, first: int) -> None:
        self._samples, self._patch, self._first = samples, patch, first

    def __len__(self) -> int:
        return 10**9

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        images, labels = self._samples.draw(self._patch, self._first + index)
        return torch.from_numpy(images), torch.from_numpy(labels)
