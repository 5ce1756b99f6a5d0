"""Dice of a network while it is trained, on cases or samples that it does not learn from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from monai.inferers.utils import sliding_window_inference
from numpy.typing import NDArray
from torch import Tensor

from glioma_annotator.adaptation.sample_streams import Samples
from glioma_annotator.adaptation.training_cases import TrainingCase
from glioma_annotator.domain.labels import IGNORE, LabelScheme
from glioma_annotator.inference.device import ComputeDevice
from glioma_annotator.inference.networks import SegmentationNetwork
from glioma_annotator.progress import CancelToken


@dataclass(frozen=True, slots=True)
class CaseDice:
    """Dice of one region of one case: 1 when both masks lack it, 0 when one does; whether the expert has it."""

    case: str
    region: str
    dice: float
    present: bool


class Validation(Protocol):
    """Scores a network in evaluation mode."""

    def score(self, network: SegmentationNetwork, device: ComputeDevice, cancel: CancelToken) -> tuple[CaseDice, ...]:
        """Dice per case and region. Raises `Cancelled`."""


class CaseValidation:
    """Whole brains of real cases, in overlapping patches, without any post-processing."""

    def __init__(self, cases: Sequence[TrainingCase], scheme: LabelScheme, patch: int) -> None:
        self._cases, self._scheme, self._patch = cases, scheme, patch

    def score(self, network: SegmentationNetwork, device: ComputeDevice, cancel: CancelToken) -> tuple[CaseDice, ...]:
        found: list[CaseDice] = []
        for case in self._cases:
            images = np.asarray(case.images, dtype=np.float32)
            predicted = _predict(network, images, self._patch, device, cancel)
            found.extend(_dice(case.name, np.asarray(case.classes), predicted, self._scheme))
        return tuple(found)


class SampleValidation:
    """Samples that come from a stream of their own, each counted as a case."""

    def __init__(self, samples: Samples, count: int, scheme: LabelScheme, patch: int) -> None:
        self._samples, self._count, self._scheme, self._patch = samples, count, scheme, patch

    def score(self, network: SegmentationNetwork, device: ComputeDevice, cancel: CancelToken) -> tuple[CaseDice, ...]:
        found: list[CaseDice] = []
        for index in range(self._count):
            images, labels = self._samples.draw(self._patch, index)
            predicted = _predict(network, images, self._patch, device, cancel)
            found.extend(_dice(f"sample {index}", labels, predicted, self._scheme))
        return tuple(found)


def mean_dice(scores: Iterable[CaseDice]) -> float | None:
    """Mean over the cases and regions that the experts marked; None when there is none.

    Regions that a case lacks are left out: there one false voxel turns a Dice of 1 into 0.
    """
    present = [score.dice for score in scores if score.present]
    return float(np.mean(present)) if present else None


def _predict(
    network: SegmentationNetwork, images: NDArray[np.float32], patch: int, device: ComputeDevice, cancel: CancelToken
) -> NDArray[np.uint8]:
    """Classes (i, j, k) of images (channel, i, j, k)."""

    def logits(batch: Tensor) -> Tensor:
        cancel.raise_if_cancelled()
        with torch.autocast(device.device.type, torch.bfloat16, enabled=device.mixed):
            result: Tensor = network(batch.to(memory_format=torch.channels_last_3d))
        return result.float()

    with torch.inference_mode():
        batch = torch.from_numpy(images)[None].to(device.device)
        result = sliding_window_inference(batch, patch, 1, logits, overlap=0.25, mode="gaussian")
        assert isinstance(result, Tensor)
        return np.asarray(result[0].argmax(dim=0).to(torch.uint8).cpu().numpy())


def _dice(case: str, classes: NDArray[np.uint8], predicted: NDArray[np.uint8], scheme: LabelScheme) -> list[CaseDice]:
    reviewed = classes != IGNORE
    numbers = {value: number for number, value in enumerate(scheme.values, start=1)}
    scores = []
    for region in scheme.regions:
        members = [numbers[value] for value in region.values]
        truth, found = np.isin(classes, members) & reviewed, np.isin(predicted, members) & reviewed
        total = int(truth.sum()) + int(found.sum())
        dice = 2 * int((truth & found).sum()) / total if total else 1.0
        scores.append(CaseDice(case, region.name, dice, bool(truth.any())))
    return scores
