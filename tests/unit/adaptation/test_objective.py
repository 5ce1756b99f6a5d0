"""What the methods of adaptation minimise."""

from __future__ import annotations

import pytest
import torch

from glioma_annotator.adaptation.objective import forgotten, weighted_dice_cross_entropy


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


def _answers(*classes: int, sure: float = 2.0) -> torch.Tensor:
    """Logits (n, 3) whose largest is that of each class given."""
    return sure * torch.nn.functional.one_hot(torch.tensor(classes), 3).float()


def test_what_was_known_is_kept_where_it_was_right_alone() -> None:
    known, truth = _answers(0, 1, 1, 2), torch.tensor([0, 1, 2, 1])
    assert float(forgotten(known, known, truth)) == 0
    moved = _answers(0, 1, 2, 1, sure=5.0).requires_grad_()  # surer of the right ones, and two faults mended
    forgotten(moved, known, truth).backward()  # type: ignore[no-untyped-call]
    assert moved.grad is not None
    assert (moved.grad[2:] == 0).all()
    assert moved.grad[0, 0] > 0 and moved.grad[1, 1] > 0  # as sure as before, not surer


def test_tissue_and_background_count_the_same_however_much_there_is_of_each() -> None:
    few = forgotten(_answers(2, 0), _answers(1, 0), torch.tensor([1, 0]))
    many = forgotten(_answers(2, *[0] * 50), _answers(1, *[0] * 50), torch.tensor([1, *[0] * 50]))
    assert float(few) > 0.1 and float(many) == pytest.approx(float(few))


def test_voxels_nobody_looked_at_and_a_start_that_is_never_right_keep_nothing() -> None:
    known = _answers(0, 1)
    assert float(forgotten(_answers(2, 2), known, torch.tensor([255, 255]))) == 0
    assert float(forgotten(_answers(2, 2), known, torch.tensor([1, 2]))) == 0
