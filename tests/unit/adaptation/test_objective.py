"""What the methods of adaptation minimise."""

from __future__ import annotations

import torch

from glioma_annotator.adaptation.objective import weighted_dice_cross_entropy


def _gradient(classes: list[int], unseen: tuple[int, ...]) -> torch.Tensor:
    logits = torch.randn(len(classes), 4, generator=torch.Generator().manual_seed(1)).requires_grad_()
    weighted_dice_cross_entropy(logits, torch.tensor(classes), torch.ones(len(classes)), unseen).backward()
    assert logits.grad is not None
    return logits.grad


def test_a_tissue_that_no_visit_shows_is_not_unlearnt() -> None:
    classes = [0, 1, 1, 2, 0, 2]
    assert (_gradient(classes, ())[:, 3] > 0).all()  # every voxel is something else: its logit falls
    gradient = _gradient(classes, (3,))
    assert (gradient[[0, 4], 3] == 0).all()  # of the background it is not learnt that it is none
    assert (gradient[:, :3] != 0).any()


def test_what_was_marked_as_another_tissue_is_learnt_to_be_none_that_no_visit_shows() -> None:
    gradient = _gradient([0, 1, 1, 2, 0, 2], (3,))
    assert (gradient[[1, 2, 3, 5], 3] > 0).all()


def test_a_tissue_that_a_replayed_case_shows_is_learnt() -> None:
    gradient = _gradient([0, 1, 3, 2], (3,))
    assert gradient[2, 3] < 0
