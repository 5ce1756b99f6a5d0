"""Painted heads: what the brain model learns from."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.adaptation.synthesis.head_acquisition import acquire
from glioma_annotator.adaptation.synthesis.head_contrast import CLASSES
from glioma_annotator.adaptation.synthesis.heads import HeadMap, brain_of_labels, draw_head, head_map, load_head_maps
from glioma_annotator.adaptation.train_brain import BrainPlan, BrainTrainer, View, brain_loss
from glioma_annotator.errors import UserError
from glioma_annotator.inference.networks import RESIDUAL_INCEPTION_UNET, build_network

SHAPE = (32, 40, 32)


def labels() -> NDArray[np.int16]:
    """A small head at 1 mm in FreeSurfer's numbers: white, grey, a ventricle, a sulcus, fluid, bone, skin."""
    x, y, z = np.indices((64, 76, 66)) - np.array([32, 38, 33])[:, None, None, None]
    radius = np.sqrt((x / 28) ** 2 + (y / 34) ** 2 + (z / 28) ** 2)
    out = np.zeros(radius.shape, np.int16)
    out[radius < 1.05] = 511
    out[radius < 0.95] = 515
    out[radius < 0.82] = 24
    out[radius < 0.74] = 3
    out[radius < 0.6] = 2
    out[radius < 0.15] = 4
    out[(np.abs(x) < 2) & (z > 10) & (radius < 0.74)] = 24
    return out


@pytest.fixture(scope="module")
def maps() -> list[HeadMap]:
    return [head_map("small", labels())]


def test_the_brain_is_tissue_and_fluid_within_the_skull_and_the_meninges_alone() -> None:
    head = labels()
    brain = brain_of_labels(head)
    within = (head > 0) & (head < 500)
    assert brain[within].mean() > 0.995
    outside = brain & ~within
    assert outside.any()
    assert ndimage.distance_transform_edt(~within)[outside].max() < 2.5
    assert ndimage.label(brain)[1] == 1


def test_fluid_of_the_spine_and_far_from_tissue_is_no_brain() -> None:
    head = labels()
    head[29:36, 35:42, :8] = 24  # a canal that leads down from the fluid around the brain
    spine = np.zeros(head.shape, bool)
    spine[29:36, 35:42, :8] = True
    assert brain_of_labels(head)[spine].mean() < 0.4
    wide = np.pad(head, ((0, 0), (0, 30), (0, 0)), constant_values=24)
    assert not brain_of_labels(wide)[:, -8:].any()


def test_coarse_and_fine_samples_show_a_brain_of_one_size(maps: list[HeadMap]) -> None:
    def typical_ml(shape: tuple[int, int, int], mm: float) -> float:
        return float(np.median([draw_head(maps, shape, 1, n, mm).brain.sum() * mm**3 / 1000 for n in range(20)]))

    assert typical_ml((16, 20, 16), 4.0) == pytest.approx(typical_ml((32, 40, 32), 2.0), rel=0.3)


def test_every_label_is_painted_as_one_tissue() -> None:
    numbers = [value for values in CLASSES.values() for value in values]
    assert len(numbers) == len(set(numbers))


def test_a_sample_is_what_its_seed_says(maps: list[HeadMap]) -> None:
    one, same, other = (draw_head(maps, SHAPE, 3, n) for n in (5, 5, 6))
    assert np.array_equal(one.image, same.image)
    assert np.array_equal(one.brain, same.brain)
    assert not np.array_equal(one.image, other.image)


def test_samples_are_scaled_and_their_mask_is_a_share(maps: list[HeadMap]) -> None:
    for number in range(12):
        sample = draw_head(maps, SHAPE, 0, number)
        assert sample.image.shape == sample.brain.shape == SHAPE
        assert sample.image.dtype == sample.brain.dtype == np.float32
        assert sample.image.min() >= 0
        assert sample.image.max() <= 1
        assert sample.brain.min() >= 0
        assert sample.brain.max() <= 1
        assert np.isfinite(sample.image).all()


def test_brains_have_about_the_size_of_the_map_and_lie_in_the_picture(maps: list[HeadMap]) -> None:
    true_ml = brain_of_labels(labels()).sum() / 1000
    found = [draw_head(maps, SHAPE, 1, n).brain.sum() * 8 / 1000 for n in range(20)]
    assert 0.5 * true_ml < np.median(found) < 1.5 * true_ml


def test_beyond_the_field_of_view_there_is_neither_image_nor_mask() -> None:
    image, brain = np.ones((24, 24, 24), np.float32), np.ones((24, 24, 24), np.float32)
    cut = 0
    for number in range(20):
        mask = brain.copy()
        seen = acquire(image, mask, np.random.default_rng(number), 2.0)
        assert (seen[mask == 0] == 0).all()
        cut += bool((mask == 0).any())
    assert 5 < cut < 20


def test_folders_without_label_maps_or_brain_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="label maps"):
        load_head_maps([])
    path = tmp_path / "empty.nii.gz"
    nib.save(nib.Nifti1Image(np.full((8, 8, 8), 511, np.int16), np.eye(4)), path)
    with pytest.raises(UserError, match="no brain"):
        load_head_maps([path])


def test_the_loss_falls_as_the_answer_gets_better() -> None:
    brain = torch.zeros(1, 8, 8, 8)
    brain[:, 2:6, 2:6, 2:6] = 1
    good = torch.stack([-5 * (2 * brain - 1), 5 * (2 * brain - 1)], dim=1)
    losses = [float(brain_loss(scale * good, brain)) for scale in (-1, 0, 0.5, 1)]
    assert losses == sorted(losses, reverse=True)


def test_a_training_learns_and_is_taken_up_again(tmp_path: Path, maps: list[HeadMap]) -> None:
    torch.manual_seed(0)
    plan = BrainPlan(minutes=60, views=(View((16, 24, 16), 2.0, 1.0),), max_steps=12, warm_up=2, checkpoint_every=6)
    parameters = {"filters": [4, 8], "branch_fraction": 0.5}
    trainer = BrainTrainer(build_network(RESIDUAL_INCEPTION_UNET, parameters, 1, 2), maps, tmp_path, plan)
    seen: list[str] = []
    trainer.train(lambda progress: seen.append(progress.message))
    first, last = (float(message.split()[-1]) for message in (seen[0], seen[-1]))
    assert last < first
    again = BrainTrainer(build_network(RESIDUAL_INCEPTION_UNET, parameters, 1, 2), maps, tmp_path, plan)
    assert again.resume()
    assert again.steps == 12
    ours, theirs = trainer.averaged.state_dict(), again.averaged.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
