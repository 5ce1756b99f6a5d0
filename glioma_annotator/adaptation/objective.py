"""What the methods minimise: Dice and cross-entropy over the voxels that count, and what is known is kept."""

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


def forgotten(logits: Tensor, known: Tensor, classes: Tensor) -> Tensor:
    """How far the answers have moved from the starting model's where that one is right; 0 where it never is.

    The Kullback-Leibler divergence from its softmax, mean over tissue and mean over background, and of the two their
    mean (Li and Hoiem, "Learning without forgetting", ECCV 2016, there over everything). A mask alone asks for the
    whole probability in every voxel; a network that follows it leans on what this one scan shows, such as how bright
    its oedema is, and misses the next visit's.

    Parameters
    ----------
    logits, known: (n, class), of the model that learns and of the starting model. classes: int64 (n,); voxels with a
        value that is no class, such as 255, do not count.
    """
    start = torch.log_softmax(known.float(), dim=1)
    moved = (start.exp() * (start - torch.log_softmax(logits.float(), dim=1))).sum(dim=1)
    right = known.argmax(dim=1) == classes
    parts = [part for part in (right & (classes > 0), right & (classes == 0)) if part.any()]
    if not parts:
        return moved.sum() * 0
    return torch.stack([moved[part].mean() for part in parts]).mean()
