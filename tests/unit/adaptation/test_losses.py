"""Losses: where they are smallest, and what they leave out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from glioma_annotator.adaptation.config import LossConfig, LossKind, Output
from glioma_annotator.adaptation.losses import MultiClassLoss, MultiLabelLoss, make_loss


def ball() -> Tensor:
    labels = torch.zeros(1, 8, 8, 8, dtype=torch.long)
    labels[:, 2:6, 2:6, 2:6] = 3
    return labels


def certain(labels: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(labels, 5).permute(0, 4, 1, 2, 3).float() * 40 - 20


@pytest.mark.parametrize("kind", LossKind)
@pytest.mark.parametrize("output", Output)
def test_the_loss_falls_as_the_prediction_nears_the_truth(kind: LossKind, output: Output) -> None:
    loss = make_loss(LossConfig(kind, smooth=1.0), output)
    undecided = torch.zeros(1, 5, 8, 8, 8)
    missed = certain(torch.zeros_like(ball()))
    assert float(loss(certain(ball()), ball())) < 0.01
    assert min(float(loss(undecided, ball())), float(loss(missed, ball()))) > 0.2


def test_a_tissue_that_a_batch_lacks_is_left_to_the_cross_entropy() -> None:
    nothing = torch.zeros(1, 8, 8, 8, dtype=torch.long)
    undecided = torch.zeros(1, 5, 8, 8, 8)
    assert float(MultiClassLoss()(undecided, nothing)) == pytest.approx(float(np.log(5)), abs=1e-4)
    assert float(MultiLabelLoss()(undecided, nothing)) == pytest.approx(float(np.log(2)), abs=1e-4)
    assert float(MultiClassLoss(1.0, entropy=False)(undecided, nothing)) > 0.9


@pytest.mark.parametrize("kind", LossKind)
@pytest.mark.parametrize("output", Output)
def test_voxels_not_reviewed_count_nowhere(kind: LossKind, output: Output) -> None:
    loss = make_loss(LossConfig(kind, smooth=1.0), output)
    labels = ball()
    labels[:, :, :, 6:] = 255
    right, wrong = certain(ball()), certain(ball())
    wrong[:, :, :, :, 6:] = certain(torch.full((1, 8, 8, 2), 1))
    assert float(loss(right, labels)) == pytest.approx(float(loss(wrong, labels)), abs=1e-6)


def test_class_weights_weigh_the_cross_entropy() -> None:
    weighted = make_loss(LossConfig(class_weights=(1, 1, 1, 4, 1)), Output.MULTI_CLASS)
    plain = make_loss(LossConfig(), Output.MULTI_CLASS)
    missed = certain(torch.zeros_like(ball()))
    assert float(weighted(missed, ball())) > 2 * float(plain(missed, ball()))
