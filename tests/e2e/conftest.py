"""A model that finds the phantom's enhancing rim, and phantoms on disk."""

from __future__ import annotations

from pathlib import Path

import phantoms
import pytest
from tiny_models import enhancing_network, tiny_card

from glioma_annotator.inference.model_folder import save_model


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
    """A model folder: a voxel is ET where the z-scored T1Gd exceeds 2."""
    folder = tmp_path_factory.mktemp("models") / "threshold"
    card = tiny_card(name="threshold", spacing_mm=(3.0, 3.0, 3.0), patch=(64, 64, 64))
    save_model(folder, card, enhancing_network())
    return folder
