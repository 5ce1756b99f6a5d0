"""Tiny models: a random one, and one with weights set by hand so that its answer is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import CHANNELS, PARAMETERS, enhancing_network, tiny_card

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.inference.model_folder import save_model
from glioma_annotator.inference.networks import RESIDUAL_INCEPTION_UNET, ResidualInceptionUNet, build_network


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _openvino_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def card() -> ModelCard:
    return tiny_card()


@pytest.fixture
def network() -> ResidualInceptionUNet:
    torch.manual_seed(7)
    network = build_network(RESIDUAL_INCEPTION_UNET, PARAMETERS, 3, 5)
    assert isinstance(network, ResidualInceptionUNet)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
            module.weight.data.uniform_(0.5, 2.0)
            module.bias.data.normal_()
    return network.eval()


@pytest.fixture
def models(tmp_path: Path, card: ModelCard) -> Path:
    """A folder of models with one in it, which finds enhancing tumour."""
    folder = tmp_path / "models"
    save_model(folder / "enhancing", replace(card, name="enhancing"), enhancing_network())
    return folder


class Phantom:
    """A brain (ellipsoid, 0 outside) with a bright ball in the T1Gd, sampled on any grid.

    Attributes
    ----------
    images: Volumes by role.
    brain, ball: true masks (i, j, k).
    """

    def __init__(self, grid: Grid, radius_mm: float = 6.0) -> None:
        index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
        world = grid.index_to_world(index)
        self.grid = grid
        self.brain = ((world / (18.0, 22.0, 16.0)) ** 2).sum(axis=-1) < 1
        self.ball = ((world - (5.0, 6.0, 3.0)) ** 2).sum(axis=-1) < radius_mm**2
        noise = np.random.default_rng(3).normal(0, 5, grid.shape)
        tissue = 100 + noise
        brain = {role: np.where(self.brain, tissue, 0) for role in CHANNELS}
        brain[SequenceRole.T1GD] = np.where(self.ball & self.brain, 300 + noise, brain[SequenceRole.T1GD])
        self.images = {role: Volume(data.astype(np.float32), grid) for role, data in brain.items()}


def grid_around_origin(shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]) -> Grid:
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = -np.asarray(spacing_mm) * (np.asarray(shape) - 1) / 2
    return Grid(shape, affine)


@pytest.fixture
def phantom() -> Phantom:
    return Phantom(grid_around_origin((44, 52, 40), (1.0, 1.0, 1.0)))


@pytest.fixture
def thick_phantom() -> Phantom:
    """The same brain in slices of 4 mm with pixels of 0.8 mm."""
    return Phantom(grid_around_origin((54, 64, 10), (0.8, 0.8, 4.0)))
