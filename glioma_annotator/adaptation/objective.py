"""What every method minimises: Dice and cross-entropy over the voxels that count."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

#: Added to numerator and denominator of Dice, in voxels; keeps small tissues calm, as in the base model's training.
SMOOTH = 50.0


def weighted_dice_cross_entropy(logits: Tensor, classes: Tensor, weights: Tensor, unseen: Sequence[int] = ()) -> Tensor:
    """Mean soft Dice loss of the tissues that are there, plus the weighted mean of the cross-entropy.

    With weights that say how many voxels of the visit each one stands for, both estimate their value over the visit:
    background that is drawn rarely counts as much as it does in the whole brain, and is not forgotten.

    Parameters
    ----------
    logits: (n, class). classes: int64 (n,). weights: float (n,), 0 for voxels that do not count.
    unseen: tissues that no corrected visit shows. Where there is no tumour they take no part in the softmax: voxels
        that are all background would teach the network never to find them again, as in the next visit it may have to.
        Where the reader marked another tissue they do: a cavity taken for necrosis is learnt to be none.
    """
    logits = logits.float()
    left_out = [value for value in unseen if not (classes == value).any()]
    if left_out:
        barred = torch.zeros(logits.shape[1], dtype=torch.bool, device=logits.device)
        barred[left_out] = True
        logits = logits.masked_fill(barred & (classes == 0)[:, None], -1e4)
    log_shares = torch.log_softmax(logits, dim=1)
    entropy = -log_shares.gather(1, classes[:, None])[:, 0]
    loss = (entropy * weights).sum() / weights.sum().clamp_min(1e-6)
    shares = log_shares.exp() * weights[:, None]
    losses = []
    for value in range(1, logits.shape[1]):
        truth = (classes == value).float()
        present = (truth * weights).sum()
        if present == 0:
            continue
        overlap = (shares[:, value] * truth).sum()
        losses.append(1 - (2 * overlap + SMOOTH) / (shares[:, value].sum() + present + SMOOTH))
    return loss + torch.stack(losses).mean() if losses else loss
