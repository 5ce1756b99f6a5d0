"""Measuring a model on labelled cases."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from tiny_models import tiny_card

from glioma_annotator.adaptation.score_model import main, score_model
from glioma_annotator.errors import UserError
from glioma_annotator.inference.model_folder import load_card, save_model
from glioma_annotator.inference.networks import RESIDUAL_INCEPTION_UNET, build_network


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    parameters = {"filters": [2, 4], "branch_fraction": 0.5}
    card = tiny_card(parameters=parameters)
    save_model(tmp_path / "model", card, build_network(RESIDUAL_INCEPTION_UNET, parameters, 3, 5))
    return tmp_path / "model"


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    folder = tmp_path / "cases" / "A"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    image = np.zeros((24, 24, 24), dtype=np.float32)
    image[4:20, 4:20, 4:20] = 100 + rng.random((16, 16, 16)) * 50
    labels = np.zeros(image.shape, dtype=np.uint8)
    labels[8:12, 8:12, 8:12] = 4
    for name in ("t1ce", "t2", "flair"):
        nib.save(nib.Nifti1Image(image, np.eye(4)), folder / f"A_{name}.nii.gz")
    nib.save(nib.Nifti1Image(labels, np.eye(4)), folder / "A_seg.nii.gz")
    return folder.parent


def test_scores_name_every_region_and_map_brats_labels(model: Path, cases: Path) -> None:
    scores = score_model(model, cases)
    assert set(scores["A"]) == {"ET", "TC", "WT", "RC"}
    assert scores["A"]["ET"]["reference_ml"] == pytest.approx(0.06, abs=0.005)
    assert scores["A"]["RC"]["reference_ml"] == 0


def test_scores_are_kept_in_the_card_beside_unchanged_weights(model: Path, cases: Path) -> None:
    before = (model / "weights.safetensors").read_bytes()
    main(["--model", str(model), "--cases", str(cases)])
    assert load_card(model).scores["cases"]["A"]["WT"]["dice"] is not None
    assert (model / "weights.safetensors").read_bytes() == before


def test_a_folder_without_cases_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no cases"):
        score_model(model, tmp_path / "empty")


def test_the_masks_of_a_folder_are_read_as_one_set(model: Path, cases: Path) -> None:
    other = shutil.copytree(cases / "A", cases / "B")
    for file in other.iterdir():
        file.rename(other / file.name.replace("A_", "B_"))
    labels = np.asarray(nib.load(other / "B_seg.nii.gz").dataobj)  # type: ignore[attr-defined]
    nib.save(nib.Nifti1Image(np.where(labels == 4, 3, labels).astype(np.uint8), np.eye(4)), other / "B_seg.nii.gz")
    scores = score_model(model, cases)
    assert scores["A"]["RC"]["reference_ml"] == pytest.approx(0.06, abs=0.005)
    assert scores["B"]["ET"]["reference_ml"] == pytest.approx(0.06, abs=0.005)


def test_by_command_what_is_wrong_is_told_without_a_traceback(model: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no cases"):
        main(["--model", str(model), "--cases", str(tmp_path / "none")])
    with pytest.raises(SystemExit, match="none” holds no model"):
        main(["--model", str(tmp_path / "none"), "--cases", str(tmp_path / "none")])
