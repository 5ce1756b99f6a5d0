"""The reference method: everything frozen but the last layer, trained on features that were computed once.

Normalisation layers: not touched; they run with the starting model's statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glioma_annotator.adaptation.features import CaseFeatures, classes_of
from glioma_annotator.adaptation.holdout import Part
from glioma_annotator.adaptation.methods.context import Best, Context, cosine, require_finite, set_rate
from glioma_annotator.adaptation.objective import weighted_dice_cross_entropy
from glioma_annotator.domain.adaptation import AdaptationMethod, CurvePoint, Verdict
from glioma_annotator.inference.networks import SegmentationNetwork

METHOD = AdaptationMethod.LAST_LAYER
STEPS = 300
#: Voxels per step: tumour, the band around it, and the rest of the brain.
DRAWN = (14_000, 10_000, 8_768)
BAND_VOXELS = 10
#: Voxels of the rest of the brain that are kept of each visit.
FAR_KEPT = 200_000
#: Of Adam, on features brought to mean 0 and deviation 1.
RATE = 2e-2
_EVERY = 30


@dataclass(frozen=True, slots=True, eq=False)
class Voxels:
    """Voxels to learn from: features float16 (n, filters), classes uint8 (n,), and for each stratum its voxels'
    numbers and how many voxels of the visits one of them stands for."""

    features: NDArray[np.float16]
    classes: NDArray[np.uint8]
    strata: tuple[tuple[NDArray[np.int64], float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """One minibatch: numbers of the voxels int64 (n,), and what each stands for, float32 (n,)."""

    rows: NDArray[np.int64]
    weights: NDArray[np.float32]


def train(network: SegmentationNetwork, context: Context) -> int:
    """Train the head of `network` in place on cached features; the number of steps. Keeps the best weights met."""
    rng = context.rng(METHOD)
    learnt = (*context.train, *context.lesions), (*context.train_features, *context.lesion_features)
    voxels = collect(*learnt, rng)
    steps = STEPS
    head = network.head.cpu()
    scaled = ScaledHead(head, voxels)
    optimiser = torch.optim.Adam(scaled.parameters(), lr=RATE)

    def verdict() -> Verdict:
        scaled.write_to(head)
        return context.held_out.whole([classes_of(found, head) for found in context.held_features])

    first = verdict()
    best = Best.start({name: p.data for name, p in scaled.named_parameters()}, first)
    unseen = context.unseen(head.out_channels)
    step = 0
    for step in range(1, steps + 1):
        context.cancel.raise_if_cancelled()
        draw = draw_voxels(voxels, rng)
        set_rate(optimiser, cosine(step - 1, steps, RATE))
        features = torch.from_numpy(voxels.features[draw.rows].astype(np.float32))
        loss = one_step(scaled, optimiser, features, voxels.classes[draw.rows], draw.weights, unseen)
        number = require_finite(loss, METHOD)
        last = step == steps or context.seconds_left() < 0
        dice = None
        if step % _EVERY == 0 or last:
            found = verdict()
            best.offer(step, found)
            dice = found.after
        context.note(CurvePoint(METHOD, step, number, dice), step / steps)
        if last:
            break
    best.restore()
    scaled.write_to(head)
    return step


def one_step(
    scaled: ScaledHead,
    optimiser: torch.optim.Optimizer,
    features: Tensor,
    classes: NDArray[np.uint8],
    weights: NDArray[np.float32],
    unseen: Sequence[int] = (),
) -> Tensor:
    """One step on features (n, filters) float32; the loss. `unseen` as in `weighted_dice_cross_entropy`."""
    optimiser.zero_grad(set_to_none=True)
    loss = weighted_dice_cross_entropy(
        scaled(features), torch.from_numpy(classes.astype(np.int64)), torch.from_numpy(weights), unseen
    )
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return loss


class ScaledHead(nn.Module):
    """The head as it reads features of mean 0 and deviation 1: one learning rate then suits every feature.

    Parameters
    ----------
    voxels: what it will learn from. The weights of tissues that do not occur there stay as they are: a visit without
        necrosis must not teach that there is none.
    """

    def __init__(self, head: nn.Conv3d, voxels: Voxels) -> None:
        super().__init__()
        features = voxels.features
        sample = features[:: max(1, len(features) // 100_000)].astype(np.float32)
        self._mean = torch.from_numpy(sample.mean(axis=0))
        self._deviation = torch.from_numpy(np.maximum(sample.std(axis=0), 1e-3))
        weight = head.weight.detach().flatten(1).float()
        bias = torch.zeros(len(weight)) if head.bias is None else head.bias.detach().float()
        self.weight = nn.Parameter(weight * self._deviation)
        self.bias = nn.Parameter(bias + weight @ self._mean)
        learnt = torch.zeros(len(weight))
        learnt[torch.from_numpy(np.unique(voxels.classes).astype(np.int64))] = 1
        self.weight.register_hook(lambda gradient: gradient * learnt[:, None])  # type: ignore[no-untyped-call]
        self.bias.register_hook(lambda gradient: gradient * learnt)  # type: ignore[no-untyped-call]

    def forward(self, features: Tensor) -> Tensor:
        return nn.functional.linear((features - self._mean) / self._deviation, self.weight, self.bias)

    def write_to(self, head: nn.Conv3d) -> None:
        """Give `head` the weights that do the same on features as they are."""
        with torch.no_grad():
            weight = self.weight / self._deviation
            head.weight.copy_(weight.view_as(head.weight))
            if head.bias is None:
                head.bias = nn.Parameter(torch.zeros(len(weight)))
            head.bias.copy_(self.bias - weight @ self._mean)


def collect(parts: Sequence[Part], features: Sequence[CaseFeatures], rng: np.random.Generator) -> Voxels:
    """Tumour, a band of `BAND_VOXELS` around it and a sample of the rest, of the voxels that may be learnt from."""
    kept_features, kept_classes = [], []
    strata: list[list[NDArray[np.int64]]] = [[], [], []]
    sizes = [0, 0, 0]
    offset = 0
    for part, found in zip(parts, features, strict=True):
        case = part.case
        usable = part.mask[case.brain]
        tumour = case.tumour[case.brain] & usable
        band = case.near_tumour(BAND_VOXELS)[case.brain] & usable & ~tumour
        far = np.flatnonzero(usable & ~tumour & ~band)
        chosen = [np.flatnonzero(tumour), np.flatnonzero(band)]
        sizes[2] += len(far)
        if len(far) > FAR_KEPT:
            far = np.sort(rng.choice(far, FAR_KEPT, replace=False))
        chosen.append(far)
        rows = np.concatenate(chosen)
        kept_features.append(found.values[rows])
        kept_classes.append(case.classes[case.brain][rows])
        for number, stratum in enumerate(chosen):
            strata[number].append(np.arange(offset, offset + len(stratum)))
            offset += len(stratum)
            sizes[number] += len(stratum) if number < 2 else 0
    joined = [np.concatenate(stratum) for stratum in strata]
    return Voxels(
        np.concatenate(kept_features),
        np.concatenate(kept_classes),
        tuple((rows, size / max(len(rows), 1)) for rows, size in zip(joined, sizes, strict=True)),
    )


def draw_voxels(voxels: Voxels, rng: np.random.Generator) -> Draw:
    """A minibatch with `DRAWN` voxels of each stratum, weighted so that it stands for the whole visits."""
    rows, weights = [], []
    for (stratum, each), count in zip(voxels.strata, DRAWN, strict=True):
        if len(stratum) == 0:
            continue
        taken = stratum[rng.integers(len(stratum), size=min(count, len(stratum)))]
        rows.append(taken)
        weights.append(np.full(len(taken), len(stratum) * each / len(taken), dtype=np.float32))
    return Draw(np.concatenate(rows), np.concatenate(weights))
