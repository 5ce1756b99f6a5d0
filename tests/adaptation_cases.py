"""Small visits that a tiny model gets wrong in a way that its head can learn to put right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from phantoms import write_nifti
from tiny_models import CHANNELS, enhancing_network, tiny_card

from glioma_annotator.domain.adaptation import AdaptationCase, AdaptationRequest
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.inference.model_folder import save_model

SHAPE = (28, 26, 24)


def small_model(folder: Path, name: str = "base") -> Path:
    """A model that calls ET what is brighter than 2 deviations on T1Gd; saved as folder/name."""
    network = enhancing_network()
    with torch.no_grad():  # the same answer with less certainty: a few steps can change it
        for parameter in network.head.parameters():
            parameter *= 0.1
    save_model(folder / name, tiny_card(name=name, title="Base", parent="", training={"seed": 1}), network)
    return folder / name


def visit(
    name: str = "visit",
    *,
    seed: int = 0,
    shape: tuple[int, int, int] = SHAPE,
    tumour: bool = True,
    brightness: float = 12.0,
    centre: tuple[float, float, float] = (14.0, 13.0, 12.0),
    spacing_mm: float = 1.0,
) -> AdaptationCase:
    """A brain with a faintly enhancing ball, fainter than the model's threshold by default; the mask marks it ET."""
    rng = np.random.default_rng(seed)
    grid = Grid(shape, np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0]))
    i, j, k = np.indices(shape)
    middle = [(n - 1) / 2 for n in shape]
    brain = sum(((x - m) / (0.47 * n)) ** 2 for x, m, n in zip((i, j, k), middle, shape, strict=True)) < 1
    ball = (i - centre[0]) ** 2 + (j - centre[1]) ** 2 + (k - centre[2]) ** 2 < 6**2
    images = {}
    for role in CHANNELS:
        data = 100 + rng.normal(0, 6, shape)
        if role is SequenceRole.T1GD and tumour:
            data[ball] += brightness
        images[role] = Volume(np.where(brain, data, 0).astype(np.float32), grid)
    labels = np.where(ball & brain & tumour, 3, 0).astype(np.uint8)
    return AdaptationCase(name, images, labels, grid)


def request(*cases: AdaptationCase, **changes: object) -> AdaptationRequest:
    given: dict[str, object] = {"model": "", "cases": cases, "name": "adapted", "budget_s": 3600.0, "device": "cpu"}
    return AdaptationRequest(**(given | changes))  # type: ignore[arg-type]


def with_labels(case: AdaptationCase, labels: LabelArray, *, operated: bool = True) -> AdaptationCase:
    return AdaptationCase(case.name, case.images, labels, case.grid, case.carried, operated)


def write_case(folder: Path, case: AdaptationCase) -> list[str]:
    """The case as files T1GD T2 FLAIR MASK; their names."""
    names = []
    for role in CHANNELS:
        volume = case.images[role]
        names.append(str(write_nifti(folder / f"{role.value}.nii.gz", volume.data, volume.grid.affine)))
    names.append(str(write_nifti(folder / "mask.nii.gz", case.labels, case.grid.affine)))
    return names
