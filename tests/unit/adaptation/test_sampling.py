"""Patches of real cases, and the streams they come in."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glioma_annotator.adaptation.augmentation import TorchIOAugmentation
from glioma_annotator.adaptation.config import PatchConfig, Strategy
from glioma_annotator.adaptation.patch_sampling import ClassVoxels, cut, patch_corner, whole_shape
from glioma_annotator.adaptation.sample_streams import CaseSamples, DroppedChannels, MixedSamples
from glioma_annotator.adaptation.training_cases import TrainingCase

SHAPE = (40, 36, 32)


def classes() -> Any:
    """Tissue 2 in a large block, tissue 3 in one voxel, the rest background; a rim that is not reviewed."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[20:30, 20:30, 20:30] = 2
    labels[5, 6, 7] = 3
    labels[:, :, 0] = 255
    return labels


def case(name: str = "a", value: float = 1.0) -> TrainingCase:
    images = np.full((3, *SHAPE), value, np.float16)
    images[0] += np.arange(SHAPE[0], dtype=np.float16)[:, None, None]
    return TrainingCase(name, images, classes())


def corners(strategy: Strategy, patch: tuple[int, int, int], count: int) -> list[tuple[int, int, int]]:
    voxels = ClassVoxels.of(classes())
    return [patch_corner(strategy, voxels, patch, np.random.default_rng(n), n) for n in range(count)]


@pytest.mark.parametrize("strategy", [Strategy.RANDOM, Strategy.BALANCED, Strategy.LABELLED, Strategy.SEQUENTIAL])
def test_patches_lie_within_the_case(strategy: Strategy) -> None:
    for corner in corners(strategy, (16, 16, 16), 60):
        assert all(0 <= c <= n - 16 for c, n in zip(corner, SHAPE, strict=True))


def test_random_patches_reach_every_part() -> None:
    found = np.array(corners(Strategy.RANDOM, (16, 16, 16), 400))
    assert (found.min(axis=0) <= 1).all()
    assert (found.max(axis=0) >= np.array(SHAPE) - 17).all()


def test_labelled_patches_show_tissue() -> None:
    labels = classes()
    for corner in corners(Strategy.LABELLED, (8, 8, 8), 50):
        assert np.isin(cut(labels, corner, (8, 8, 8)), (2, 3)).any()


def test_balanced_patches_show_rare_and_frequent_classes_alike() -> None:
    labels = classes()
    seen = Counter(
        "rare" if ((patch := cut(labels, corner, (8, 8, 8))) == 3).any() else "tissue" if (patch == 2).any() else "none"
        for corner in corners(Strategy.BALANCED, (8, 8, 8), 300)
    )
    assert 70 < seen["rare"] < 130
    assert seen["tissue"] > 80
    assert seen["none"] > 50


def test_sequential_patches_cover_the_case_and_begin_again() -> None:
    found = corners(Strategy.SEQUENTIAL, (16, 16, 16), 19)
    covered = np.zeros(SHAPE, bool)
    for i, j, k in found[:18]:
        covered[i : i + 16, j : j + 16, k : k + 16] = True
    assert covered.all()
    assert found[18] == found[0]


def test_a_whole_brain_fits_into_its_patch() -> None:
    shape = whole_shape((41, 36, 30), 8)
    assert shape == (48, 40, 32)
    labels = np.ones((41, 36, 30), np.uint8)
    voxels = ClassVoxels.of(labels)
    corner = patch_corner(Strategy.WHOLE, voxels, shape, np.random.default_rng(0), 0)
    assert int(cut(labels, corner, shape).sum()) == labels.size


def test_a_patch_larger_than_the_case_holds_it_all() -> None:
    (corner,) = corners(Strategy.RANDOM, (64, 64, 64), 1)
    assert int((cut(classes(), corner, (64, 64, 64)) == 2).sum()) == 1000


def test_what_lies_beyond_a_case_is_not_taken_for_reviewed_background() -> None:
    one = case()
    samples = CaseSamples([one], PatchConfig(Strategy.RANDOM, 64, 1, 1), 1)
    images, labels = samples.draw(64, 0)
    assert int((labels != 255).sum()) == int((one.classes != 255).sum())
    assert not images[:, labels == 255].all()
    whole = CaseSamples([one], PatchConfig(Strategy.WHOLE, 64, 1, 1), 1, multiple=16).draw(64, 0)[1]
    assert int((whole != 255).sum()) == int((one.classes != 255).sum())


def test_cases_take_turns_and_every_sample_is_the_same_whoever_draws_it() -> None:
    cases = [case(name, value) for name, value in (("a", 0.0), ("b", 100.0), ("c", 200.0))]
    samples = CaseSamples(cases, PatchConfig(Strategy.RANDOM, 16, 2, 4), seed=1, flip=0.5)
    means = [float(samples.draw(16, index)[0][1].mean()) for index in range(24)]
    for start in (0, 12):  # every case once per round, four patches in a row from each
        groups = [means[n : n + 4] for n in range(start, start + 12, 4)]
        assert all(len(set(group)) == 1 for group in groups)
        assert {group[0] for group in groups} == {0.0, 100.0, 200.0}
    again = CaseSamples(cases, PatchConfig(Strategy.RANDOM, 16, 2, 4), seed=1, flip=0.5)
    for index in (17, 3):
        assert all(np.array_equal(a, b) for a, b in zip(samples.draw(16, index), again.draw(16, index), strict=True))


def test_augmentation_leaves_background_labels_and_absent_channels_alone() -> None:
    one = case()
    images = one.images.copy()
    images[:, :20] = 0
    images[2] = 0
    plain = CaseSamples([TrainingCase("a", images, one.classes)], PatchConfig(Strategy.RANDOM, 16, 1, 1), 1)
    changed = CaseSamples(
        [TrainingCase("a", images, one.classes)], PatchConfig(Strategy.RANDOM, 16, 1, 1), 1, TorchIOAugmentation(1, 1)
    )
    for index in range(4):
        (a, labels_a), (b, labels_b) = plain.draw(16, index), changed.draw(16, index)
        assert np.array_equal(labels_a, labels_b)
        assert not b[2].any()
        assert not b[:, ~a.any(axis=0)].any()
        assert not a.any() or not np.array_equal(a, b)


def test_a_case_on_disk_is_handed_to_other_processes_by_its_place(tmp_path: Path) -> None:
    one = case()
    for name, array in (("images", one.images), ("classes", one.classes)):
        np.save(tmp_path / f"a.{name}.npy", array)
    handed = pickle.dumps(TrainingCase.opened(tmp_path, "a", "hash"))
    assert len(handed) < 1000
    again = pickle.loads(handed)
    assert again.sha256 == "hash"
    assert np.array_equal(again.images, one.images)
    assert np.array_equal(pickle.loads(pickle.dumps(one)).classes, one.classes)


def test_files_of_cases_are_open_only_while_they_are_drawn_from(tmp_path: Path) -> None:
    opened = Path("/proc/self/fd")
    if not opened.is_dir():
        pytest.skip("open files cannot be counted here")
    one = case()
    for name, array in (("images", one.images), ("classes", one.classes)):
        np.save(tmp_path / f"a.{name}.npy", array)
    before = len(list(opened.iterdir()))
    cases = [TrainingCase.opened(tmp_path, "a", "hash") for _ in range(20)]
    samples = CaseSamples(cases, PatchConfig(Strategy.RANDOM, 16, 1, 1), 1)
    for index in range(20):
        samples.draw(16, index)
    assert len(list(opened.iterdir())) <= before + 4


class Constant:
    def __init__(self, value: float) -> None:
        self._value = value

    def draw(self, patch: int, index: int) -> tuple[Any, Any]:
        return np.full((4, patch, patch, patch), self._value, np.float32), np.zeros((patch,) * 3, np.uint8)


def test_real_and_synthetic_samples_are_mixed_by_their_share() -> None:
    mixed = MixedSamples(Constant(1), Constant(2), 0.25, seed=0)
    values = [mixed.draw(1, n)[0].flat[0] for n in range(400)]
    assert 70 < values.count(1) < 130


def test_optional_channels_are_left_out_but_never_all_of_those_of_which_one_is_needed() -> None:
    dropped = DroppedChannels(Constant(1), (0, 2, 3), (0, 3), 0.7, seed=0)
    kept = np.array([dropped.draw(1, n)[0].reshape(4) for n in range(300)])
    assert kept[:, 1].all()
    assert ((kept[:, 0] + kept[:, 3]) > 0).all()
    assert 0.2 < kept[:, 2].mean() < 0.4


def test_torchio_augmentation_repeats_itself_for_a_seed() -> None:
    images = np.random.default_rng(0).random((3, 16, 16, 16), dtype=np.float32) + 0.5
    augment = TorchIOAugmentation()
    outcomes = [augment(images, seed) for seed in (1, 1, 2, 3, 4, 5)]
    assert np.array_equal(outcomes[0], outcomes[1])
    assert any(not np.array_equal(outcomes[0], other) for other in outcomes[2:])
