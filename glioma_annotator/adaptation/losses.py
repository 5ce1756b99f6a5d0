"""Losses of a segmentation network, for one tissue per voxel and for a question per tissue."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from glioma_annotator.adaptation.config import LossConfig, LossKind, Output
from glioma_annotator.domain.labels import IGNORE


def make_loss(config: LossConfig, output: Output) -> SegmentationLoss:
    """The loss that a configuration names."""
    entropy = config.kind is LossKind.DICE_CE
    if output is Output.MULTI_LABEL:
        return MultiLabelLoss(config.smooth, entropy)
    return MultiClassLoss(config.smooth, entropy, config.class_weights or None)


class SegmentationLoss(nn.Module):
    """Mean soft Dice loss over the tissues, with or without a cross-entropy.

    Dice is taken over the whole batch. With cross-entropy, tissues that a batch lacks are left to it: their Dice is the
    same for a few wrong voxels as for many, and drives a rare tissue such as ET out of every prediction. Voxels
    labelled 255 count nowhere.

    Parameters
    ----------
    smooth: added to numerator and denominator of Dice, in voxels.
    entropy: whether the cross-entropy is added.
    """

    def __init__(self, smooth: float = 50.0, entropy: bool = True) -> None:
        super().__init__()
        self._smooth, self._entropy = smooth, entropy

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Loss of logits (batch, class, i, j, k), class 0 background, against classes (batch, i, j, k)."""
        raise NotImplementedError

    def _dice(self, shares: Tensor, labels: Tensor) -> Tensor | None:
        """Mean over the tissues of `shares` (batch, class, i, j, k); None when there is none to count."""
        known = labels != IGNORE
        losses = []
        for value in range(1, shares.shape[1]):
            truth = (labels == value).float()
            if self._entropy and not truth.any():
                continue
            share = shares[:, value] * known
            overlap, total = (share * truth).sum(), share.sum() + truth.sum()
            losses.append(1 - (2 * overlap + self._smooth) / (total + self._smooth))
        return torch.stack(losses).mean() if losses else None


class MultiClassLoss(SegmentationLoss):
    """One tissue per voxel: Dice of the softmax, and cross-entropy.

    Parameters
    ----------
    weights: of the classes in the cross-entropy, background first; None for equal ones.
    """

    def __init__(self, smooth: float = 50.0, entropy: bool = True, weights: Sequence[float] | None = None) -> None:
        super().__init__(smooth, entropy)
        self._weights: Tensor | None
        self.register_buffer(
            "_weights", None if weights is None else torch.tensor(weights, dtype=torch.float32), persistent=False
        )

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        log_shares = torch.log_softmax(logits.float(), dim=1)
        dice = self._dice(log_shares.exp(), labels)
        if not self._entropy:
            return dice if dice is not None else logits.sum() * 0
        entropy = nn.functional.nll_loss(log_shares, labels, self._weights, ignore_index=IGNORE)
        return entropy if dice is None else entropy + dice


class MultiLabelLoss(SegmentationLoss):
    """A question per tissue: Dice of the sigmoids, and binary cross-entropy. The background's logit is not read."""

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        tissues = logits.float()[:, 1:]
        dice = self._dice(nn.functional.pad(tissues.sigmoid(), (0, 0, 0, 0, 0, 0, 1, 0)), labels)
        if not self._entropy:
            return dice if dice is not None else logits.sum() * 0
        values = torch.arange(1, logits.shape[1], device=labels.device).view(1, -1, 1, 1, 1)
        truth = (labels[:, None] == values).float()
        known = (labels != IGNORE)[:, None].expand_as(truth)
        entropy = nn.functional.binary_cross_entropy_with_logits(tissues[known], truth[known])
        return entropy if dice is None else entropy + dice
