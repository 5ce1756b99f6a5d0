"""Tiny models whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.inference.model_folder import Z_SCORE_BRAIN
from glioma_annotator.inference.networks import RESIDUAL_INCEPTION_UNET, ResidualInceptionUNet, build_network

CHANNELS = (SequenceRole.T1GD, SequenceRole.T2, SequenceRole.FLAIR)
PARAMETERS = {"filters": [2, 3], "branch_fraction": 0.5}


def tiny_card(**changes: Any) -> ModelCard:
    card = ModelCard(
        name="tiny",
        title="A network for tests",
        architecture=RESIDUAL_INCEPTION_UNET,
        parameters=PARAMETERS,
        channels=CHANNELS,
        scheme=GLIOMA_POST_TREATMENT,
        spacing_mm=(1.0, 1.0, 1.0),
        normalisation=Z_SCORE_BRAIN,
        weights_sha256="",
        patch=(16, 16, 16),
        parent="base",
        training={"seed": 1},
        scores={"demo": {"WT": 0.5}},
        limits=("Made for tests.",),
    )
    return replace(card, **changes)


def enhancing_network() -> ResidualInceptionUNet:
    """Calls a voxel ET where the z-scored T1Gd exceeds 2 there, else background: every other path is zero."""
    network = build_network(RESIDUAL_INCEPTION_UNET, PARAMETERS, 3, 5)
    assert isinstance(network, ResidualInceptionUNet)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.Conv3d | torch.nn.ConvTranspose3d):
                module.weight.zero_()
                if module.bias is not None:
                    module.bias.zero_()
        network.encoders[0].get_parameter("shortcut.weight")[0, 0] = 1.0  # T1Gd into feature 0
        network.decoders[0].get_parameter("shortcut.weight")[0, 2] = 1.0  # channels 2.. of the decoder are the skip's
        network.head.weight[3, 0] = 10.0
        assert network.head.bias is not None
        network.head.bias += torch.tensor([0.0, -50.0, -50.0, -20.0, -50.0])
    return network.eval()
