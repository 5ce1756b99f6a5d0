"""Where patches are taken, and that images and classes stay together; the running mean of weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from glioma_annotator.adaptation import patches
from glioma_annotator.adaptation.augmentation import as_on_another_day
from glioma_annotator.adaptation.cases import PreparedCase
from glioma_annotator.adaptation.holdout import Part
from glioma_annotator.adaptation.methods.by_gradient import Averaged, patch_loss
from glioma_annotator.adaptation.patches import Patch, PatchSampler, PatchStrategy
from glioma_annotator.domain.labels import IGNORE

SHAPE = (40, 36, 32)
EDGE = 8


def part(classes: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> Part:
    """A brain without a gap whose first channel is each voxel's own number."""
    numbers = np.arange(1, 1 + classes.size, dtype=np.float32).reshape(SHAPE)
    whole = np.ones(SHAPE, dtype=bool)
    case = PreparedCase("case", numbers[None], whole, classes, 0.001)
    return Part(case, whole if mask is None else mask)


def sampler(taught: Part, *cycle: PatchStrategy, augment: bool = False, **more: object) -> PatchSampler:
    rng = np.random.default_rng(3)
    return PatchSampler([taught], EDGE, rng, augment=augment, cycle=cycle, **more)  # type: ignore[arg-type]


def contains(patch: Patch, voxel: tuple[int, int, int]) -> bool:
    return all(start <= at < start + EDGE for start, at in zip(patch.start, voxel, strict=True))


def test_patches_are_taken_around_what_the_starting_model_gets_wrong() -> None:
    classes, marked = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    classes[2:4, 2:4, 2:4] = marked[2:4, 2:4, 2:4] = 1
    marked[30, 20, 20] = 2  # background that it takes for oedema
    drawn = sampler(part(classes), PatchStrategy.WRONG, marked=[marked])
    assert all(contains(drawn.draw(), (30, 20, 20)) for _ in range(10))


def test_a_wrong_voxel_that_may_not_be_learnt_from_draws_no_patch() -> None:
    classes, marked = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    marked[30, 20, 20] = 2
    mask = np.ones(SHAPE, dtype=bool)
    mask[:, :, 16:] = False
    drawn = sampler(part(classes, mask), PatchStrategy.WRONG, marked=[marked])
    found = [drawn.draw() for _ in range(20)]
    assert len({patch.start for patch in found}) > 10  # anywhere instead
    assert all((p.classes[:, :, max(0, 16 - p.start[2]) :] == IGNORE).all() for p in found)


def test_a_model_that_errs_nowhere_gets_balanced_patches() -> None:
    classes = np.zeros(SHAPE, np.uint8)
    classes[10, 10, 10] = 3
    drawn = sampler(part(classes), PatchStrategy.WRONG, marked=[classes])
    assert any((drawn.draw().classes == 3).any() for _ in range(20))


def test_mirrored_patches_keep_images_and_classes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patches, "varied", lambda images, _classes, _rng: images)
    monkeypatch.setattr(patches, "_SCALED", 0.0)
    classes = np.zeros(SHAPE, np.uint8)
    classes[:20] = 1
    taught = part(classes)
    drawn = sampler(taught, PatchStrategy.UNIFORM, augment=True)
    mirrored = 0
    for _ in range(20):
        patch = drawn.draw()
        voxels = patch.images[0].astype(np.int64) - 1
        assert np.array_equal(classes.ravel()[voxels], patch.classes)
        mirrored += int(voxels[0, 0, 0] > voxels[-1, 0, 0])
    assert 0 < mirrored < 20


def test_scaled_patches_show_more_and_less_of_the_visit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patches, "varied", lambda images, _classes, _rng: images)
    classes = np.zeros(SHAPE, np.uint8)
    classes[16:24, 14:22, 12:20] = 1  # 512 voxels
    drawn = sampler(part(classes), PatchStrategy.LABELLED, augment=True)
    shown = [drawn.draw() for _ in range(60)]
    assert {patch.classes.shape for patch in shown} == {(EDGE,) * 3}
    steps = {round(float(np.abs(np.diff(patch.images[0, 4, 4])).mean()), 2) for patch in shown}
    assert min(steps) < 0.8 and max(steps) > 1.2  # the numbers of neighbouring voxels differ by 1 in the visit


def test_scaled_classes_are_those_of_the_nearest_voxels() -> None:
    images, classes = np.zeros((1, 4, 4, 4), np.float32), np.zeros((4, 4, 4), np.uint8)
    images[0, 2:], classes[2:], classes[:, :, 3] = 1.0, 4, IGNORE
    finer, nearest = patches.scaled(images, classes, 8)
    assert finer.shape == (1, 8, 8, 8) and nearest.dtype == np.uint8
    assert np.array_equal(np.unique(nearest), [0, 4, IGNORE])
    assert (nearest[4:, :, :6] == 4).all() and (nearest[:, :, 6:] == IGNORE).all()
    assert finer[0, 0, 0, 0] == 0 and finer[0, 7, 0, 0] == 1


def test_varied_patches_keep_what_is_not_there_empty() -> None:
    rng = np.random.default_rng(1)
    images = rng.normal(size=(3, 12, 12, 12)).astype(np.float32)
    images[:, :3] = 0  # outside the brain
    images[2] = 0  # a channel that the visit lacks
    changed = patches.varied(images, np.zeros((12, 12, 12), np.uint8), rng)
    assert changed.dtype == np.float32 and np.isfinite(changed).all()
    assert not changed[:, :3].any() and not changed[2].any()
    assert np.abs(changed[:2, 3:] - images[:2, 3:]).mean() > 0.05


def test_another_day_changes_each_tissue_on_its_own() -> None:
    classes = np.zeros((10, 10, 10), np.uint8)
    classes[:5], classes[9] = 2, IGNORE
    images = np.full((2, 10, 10, 10), 0.5, np.float32)
    days = [as_on_another_day(images, classes, np.random.default_rng(seed)) for seed in range(200)]
    tissue, rest = (np.array([day[:, at, 0, 0] for day in days]) for at in (0, 6))
    assert all(np.array_equal(day[:, 9], day[:, 6]) for day in days)  # what was not reviewed is no tissue
    assert 0.1 < np.std(tissue - rest) < 0.5 and 0.2 < np.std(rest) < 0.8
    assert abs(np.corrcoef(rest[:, 0], rest[:, 1])[0, 1]) < 0.3  # every channel on its own


def test_patches_next_to_each_other_cover_the_brain() -> None:
    drawn = sampler(part(np.zeros(SHAPE, np.uint8)), PatchStrategy.SEQUENTIAL)
    seen = np.zeros(SHAPE, dtype=bool)
    for _ in range(9 * 8 * 7):
        seen[tuple(slice(at, at + EDGE) for at in drawn.draw().start)] = True
    assert seen.all()


def test_the_running_mean_stands_in_only_within_its_block() -> None:
    weight = nn.Parameter(torch.zeros(1))
    averaged = Averaged([weight])
    for step, value in enumerate((1.0, 1.0, 4.0)):
        weight.data.fill_(value)
        averaged.follow(step)
    with averaged.in_place():
        assert 1.0 < float(weight.detach()) < 4.0
    assert float(weight.detach()) == 4.0


def test_false_marks_in_one_patch_count_against_the_tissue_in_the_other() -> None:
    tissue, none = np.zeros((12, 12, 12), np.uint8), np.zeros((12, 12, 12), np.uint8)
    tissue[:6] = 1

    def loss(marked_in_the_second: int) -> float:
        logits = torch.full((2, 2, 12, 12, 12), -9.0)
        marked = torch.from_numpy(np.stack([tissue, none]).astype(np.int64))
        marked[1, :marked_in_the_second] = 1
        logits.scatter_(1, marked[:, None], 9.0)
        return float(patch_loss(logits, [tissue, none]))

    background, wrong = 3 * 3 * 864, 3 * 864  # a voxel of background counts three times
    assert loss(0) < 0.01
    assert loss(6) == pytest.approx(18 * wrong / (864 + background) + 1 - 2 * 864 / (2 * 864 + wrong), abs=0.02)


def test_voxels_that_do_not_count_teach_nothing() -> None:
    classes = np.full((4, 4, 4), IGNORE, np.uint8)
    classes[0] = 1
    logits = torch.zeros((1, 3, 4, 4, 4), requires_grad=True)
    patch_loss(logits, [classes]).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad[0, :, 0].abs().min() > 0 and logits.grad[0, :, 1:].abs().max() == 0
