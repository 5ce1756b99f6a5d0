"""The command that trains the shipped model, on a made-up data folder."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from glioma_annotator.adaptation.synthesis.backgrounds import load_backgrounds
from glioma_annotator.adaptation.train_first_model import main
from glioma_annotator.inference.model_folder import load_model


def write_brain(folder: Path) -> None:
    """T1, T2 and FLAIR of a ball with white, grey and fluid shells."""
    folder.mkdir(parents=True)
    axes = np.meshgrid(*[np.linspace(-1.1, 1.1, 44)] * 3, indexing="ij")
    radius = np.sqrt(sum(a**2 for a in axes))
    tissue = np.digitize(-radius, [-1.0, -0.9, -0.7])
    noise = np.random.default_rng(0).normal(1, 0.02, tissue.shape)
    for name, values in {"MPRAGE": (0, 20, 70, 100), "T2w": (0, 300, 140, 100), "FLAIR": (0, 30, 120, 100)}.items():
        image = (np.array(values)[tissue] * noise).astype(np.float32)
        nib.save(nib.Nifti1Image(image, np.diag([-1, -1, 1, 1])), folder / f"{name}.nii.gz")


def test_real_backgrounds_have_white_matter_one_and_nothing_outside_the_brain(tmp_path: Path) -> None:
    write_brain(tmp_path / "healthy" / "ball")
    (background,) = load_backgrounds(tmp_path)
    white = background.tissue == 3
    assert np.allclose(np.median(background.images[:, white].astype(float), axis=1), 1, atol=0.05)
    assert not background.images[:, background.tissue == 0].any()
    assert not background.has_gadolinium


def test_the_command_trains_and_writes_a_model_with_its_provenance(tmp_path: Path) -> None:
    write_brain(tmp_path / "data" / "healthy" / "ball")
    arguments = ["--data", str(tmp_path / "data"), "--run", str(tmp_path / "run"), "--minutes", "0.001"]
    main(arguments)
    card, _ = load_model(tmp_path / "run" / "model")
    assert card.training["backgrounds"] == ["ball"]
    assert card.training["steps"] >= 1
    assert card.limits
    main([*arguments, "--resume"])
    assert load_model(tmp_path / "run" / "model")[0].training == card.training
