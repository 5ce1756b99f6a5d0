"""A model that finds the phantom's enhancing rim, and phantoms on disk."""

from __future__ import annotations

from pathlib import Path

import phantoms
import pytest
import torch

from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.inference.model_folder import Z_SCORE_BRAIN, save_model
from glioma_annotator.inference.networks import RESIDUAL_INCEPTION_UNET, build_network


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """One patient, day 0 and day 262, four sequences each."""
    return phantoms.longitudinal(tmp_path / "data")


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A BraTS 2021 case with its mask."""
    return phantoms.brats_2021(tmp_path / "data")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder: a voxel is ET where the z-scored T1Gd exceeds 2; every other path is zero."""
    parameters = {"filters": [2, 3], "branch_fraction": 0.5}
    network = build_network(RESIDUAL_INCEPTION_UNET, parameters, 3, 5)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.Conv3d | torch.nn.ConvTranspose3d):
                module.weight.zero_()
                if module.bias is not None:
                    module.bias.zero_()
        network.encoders[0].get_parameter("shortcut.weight")[0, 0] = 1.0
        network.decoders[0].get_parameter("shortcut.weight")[0, 2] = 1.0
        network.head.weight[3, 0] = 10.0
        assert network.head.bias is not None
        network.head.bias += torch.tensor([0.0, -50.0, -50.0, -20.0, -50.0])
    card = ModelCard(
        name="threshold",
        title="A threshold on T1Gd",
        architecture=RESIDUAL_INCEPTION_UNET,
        parameters=parameters,
        channels=(phantoms.T1GD, phantoms.T2, phantoms.FLAIR),
        scheme=GLIOMA_POST_TREATMENT,
        spacing_mm=(3.0, 3.0, 3.0),
        normalisation=Z_SCORE_BRAIN,
        weights_sha256="",
    )
    folder = tmp_path_factory.mktemp("models") / "threshold"
    save_model(folder, card, network.eval())
    return folder
