"""How far oedema reaches by its brightness, and what of a tumour without enhancement is core."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT as SCHEME
from glioma_annotator.domain.mask_rules import Extent, LeastCore, PostProcessing
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.inference.brightness import core_lacking, extended, without_thin
from glioma_annotator.inference.post_processing import post_processed

NETC, SNFH, ET, RC = 1, 2, 3, 4
SHAPE = (64, 48, 48)
GRID = Grid(SHAPE, np.eye(4))
RULE = Extent(SNFH, SequenceRole.FLAIR)
CORE = LeastCore(NETC, SNFH, (ET, RC), SequenceRole.T1GD, (SequenceRole.FLAIR, SequenceRole.T2))
BRAIN = np.ones(SHAPE, bool)


def away(*middle: int) -> np.ndarray:
    """Distance in voxels from a place."""
    return np.asarray(np.sqrt(sum((axis - at) ** 2 for axis, at in zip(np.indices(SHAPE), middle, strict=True))))


@pytest.fixture
def far() -> np.ndarray:
    return away(24, 24, 24)


@pytest.fixture
def labels(far: np.ndarray) -> np.ndarray:
    """2.1 mL in the middle of the oedema."""
    return np.where(far <= 8, SNFH, 0).astype(np.uint8)


def flair(far: np.ndarray) -> np.ndarray:
    """Brain of 1, oedema of 2 that fades out to 1.7 and 1.3."""
    image = np.select([far <= 10, far <= 13, far <= 16], [2.0, 1.7, 1.3], 1.0)
    return np.asarray(image + np.random.default_rng(0).normal(0, 0.02, SHAPE), np.float32)


@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (300, -70)])
def test_oedema_reaches_to_half_of_its_brightness_in_any_unit(
    far: np.ndarray, labels: np.ndarray, scale: float, offset: float
) -> None:
    more = extended(labels, BRAIN, flair(far) * np.float32(scale) + np.float32(offset), RULE, GRID)
    assert more[(far > 8) & (far <= 12)].all()
    assert not more[(far <= 8) | (far > 14)].any()


def test_the_reader_is_told_how_much_was_added(far: np.ndarray, labels: np.ndarray) -> None:
    rules = PostProcessing(0, extents=(RULE,))
    found, messages = post_processed(
        labels, np.zeros((5, *SHAPE), np.uint8), BRAIN, rules, SCHEME, GRID, {SequenceRole.FLAIR: flair(far)}
    )
    ml = (np.count_nonzero(found) - np.count_nonzero(labels)) * 0.001
    assert set(np.unique(found)) == {0, SNFH} and ml > 5
    assert messages == (f"{ml:.1f} mL of brain around SNFH, much brighter on FLAIR than the rest, were added to it.",)


def test_without_the_sequence_nothing_is_added(far: np.ndarray, labels: np.ndarray) -> None:
    rules = PostProcessing(0, extents=(RULE,))
    images = {SequenceRole.T2: flair(far)}
    found, messages = post_processed(labels, np.zeros((5, *SHAPE), np.uint8), BRAIN, rules, SCHEME, GRID, images)
    assert np.array_equal(found, labels) and messages == ()


def test_it_reaches_no_farther_than_the_rule_says(far: np.ndarray, labels: np.ndarray) -> None:
    image = np.where(far <= 22, 2, 1).astype(np.float32)
    more = extended(labels, BRAIN, image, replace(RULE, within_mm=5), GRID)
    assert more[(far > 8) & (far <= 12)].all() and not more[far > 13.1].any()


def test_other_labels_and_what_lies_outside_the_brain_stay(far: np.ndarray, labels: np.ndarray) -> None:
    labels[30:40, 20:28, 20:28] = NETC
    brain = BRAIN.copy()
    brain[:, :14] = False
    more = extended(labels, brain, flair(far), RULE, GRID)
    assert more.any() and not more[labels != 0].any() and not more[~brain].any()


def test_what_a_thin_bridge_links_is_not_taken(far: np.ndarray, labels: np.ndarray) -> None:
    image = np.where(far <= 10, 2, 1).astype(np.float32)
    other = away(45, 24, 24) <= 4
    image[other] = 2
    image[24:45, 23:26, 23:26] = 2
    rule = replace(RULE, within_mm=30)
    more = extended(labels, BRAIN, image, rule, GRID)
    assert more.any() and not more[other].any()
    assert extended(labels, BRAIN, image, replace(rule, narrow_mm=0), GRID)[other].any()


def test_bright_tissue_apart_from_it_is_not_taken(far: np.ndarray, labels: np.ndarray) -> None:
    image = np.where(far <= 9, 2, 1).astype(np.float32)
    apart = away(38, 24, 24) <= 3
    image[apart] = 2
    assert not extended(labels, BRAIN, image, RULE, GRID)[apart].any()


def test_oedema_hardly_brighter_than_much_of_the_brain_takes_little_of_it(far: np.ndarray, labels: np.ndarray) -> None:
    image = np.random.default_rng(0).normal(1, 0.05, SHAPE).astype(np.float32)
    image[:40] += 0.3  # two tissues of the brain; the oedema is as bright as the brighter
    more = extended(labels, BRAIN, image, RULE, GRID)
    assert np.count_nonzero(more) < np.count_nonzero(labels) / 2
    flooded = extended(labels, BRAIN, image, replace(RULE, brighter=0.0, level=0.2), GRID)
    assert np.count_nonzero(flooded) > 3 * np.count_nonzero(labels)


def test_of_oedema_darker_than_the_brain_or_of_little_nothing_is_known(far: np.ndarray, labels: np.ndarray) -> None:
    assert not extended(labels, BRAIN, 3 - flair(far), RULE, GRID).any()
    assert not extended(labels, BRAIN, flair(far), replace(RULE, least_ml=2.5), GRID).any()
    assert not extended(np.zeros_like(labels), BRAIN, flair(far), RULE, GRID).any()
    assert not extended(labels, labels > 0, flair(far), RULE, GRID).any()


def test_a_mask_that_takes_in_brain_is_judged_by_its_brighter_part(far: np.ndarray) -> None:
    labels = np.where(far <= 10, SNFH, 0).astype(np.uint8)
    image = np.select([far <= 8, far <= 14], [2.0, 1.2], 1.0)  # oedema, of 0.51 of the mask, and cortex around it
    image = np.asarray(image + np.random.default_rng(0).normal(0, 0.02, SHAPE), np.float32)
    assert not extended(labels, BRAIN, image, RULE, GRID).any()
    assert extended(labels, BRAIN, image, replace(RULE, quantile=0.3), GRID)[(far > 10) & (far <= 12)].all()


@pytest.mark.parametrize("mm", [0.8, 0.9, 1.0, 1.05, 1.2, 1.5, 1.9])
def test_a_thin_sheet_is_thin_whatever_the_voxels_are(mm: float) -> None:
    mask = np.zeros((24, 24, 24), bool)
    mask[2:22, 2:22, 4] = True  # a voxel thick
    mask[4:20, 4:20, 10:16] = True
    thick = without_thin(mask, 2.0, Grid(mask.shape, np.diag([mm, mm, mm, 1])))
    assert not thick[:, :, 4].any()
    assert thick[6:18, 6:18, 11:15].all()
    assert not (thick & ~mask).any()


@pytest.mark.parametrize("mm", [2.0, 2.2, 3.0])
def test_a_narrow_sheet_beside_oedema_is_not_added_on_coarse_voxels(mm: float) -> None:
    mask = np.zeros((20, 20, 20), bool)
    mask[2:18, 2:18, 10] = True
    assert not without_thin(mask, 4.0, Grid(mask.shape, np.diag([mm, mm, mm, 1]))).any()


@pytest.fixture
def lesion(far: np.ndarray) -> np.ndarray:
    """14 mL of which nothing is called core, and 1 mL elsewhere."""
    labels = np.where(far <= 15, SNFH, 0).astype(np.uint8)
    labels[50:60, 10:20, 10:20] = SNFH
    return labels


def sequences(bright: np.ndarray, scale: float = 1) -> dict[SequenceRole, np.ndarray]:
    """FLAIR and T2 of 2 there and 1 elsewhere, an even T1Gd."""
    noise = np.random.default_rng(0).normal(0, 0.05, SHAPE)
    image = ((1 + bright + noise) * scale).astype(np.float32)
    return {SequenceRole.FLAIR: image, SequenceRole.T2: image, SequenceRole.T1GD: np.ones(SHAPE, np.float32)}


@pytest.mark.parametrize("scale", [1, 700])
def test_half_of_what_does_not_enhance_is_core_the_brighter_one(
    far: np.ndarray, lesion: np.ndarray, scale: float
) -> None:
    left = np.indices(SHAPE)[0] < 24
    core = core_lacking(lesion, BRAIN, sequences(left, scale), CORE, GRID)
    half = np.count_nonzero(far <= 15) // 2
    assert np.count_nonzero(core) == half
    assert not core[far > 15].any() and np.count_nonzero(core & left) > 0.75 * half


def test_where_all_is_as_bright_the_core_lies_inside(far: np.ndarray, lesion: np.ndarray) -> None:
    images = {role: np.ones(SHAPE, np.float32) for role in SequenceRole}
    core = core_lacking(lesion, BRAIN, images, CORE, GRID)
    assert core[far <= 11].all() and not core[far > 13].any()


@pytest.mark.parametrize("found", [0.2, 0.45, 0.5, 0.8])
def test_core_that_was_found_counts_and_stays(far: np.ndarray, lesion: np.ndarray, found: float) -> None:
    own = far <= 15
    place = np.indices(SHAPE)[2]
    lesion[own & (place < np.quantile(place[own], found))] = NETC
    before = np.count_nonzero(lesion == NETC)
    rules = PostProcessing(0, least_cores=(CORE,))
    images = sequences(far <= 11)
    after, messages = post_processed(lesion, np.zeros((5, *SHAPE), np.uint8), BRAIN, rules, SCHEME, GRID, images)
    half = np.count_nonzero(own) // 2
    assert np.count_nonzero(after == NETC) == max(before, half) and (after[lesion == NETC] == NETC).all()
    assert np.array_equal(after != 0, lesion != 0)
    ml = max(half - before, 0) / 1000
    says = f"{ml:.1f} mL of SNFH were taken for NETC, as the tumour does not enhance; where the two meet is a guess."
    assert messages == ((says,) if ml >= 0.05 else ())


@pytest.mark.parametrize("label", [ET, RC])
def test_what_enhances_anywhere_or_has_a_cavity_is_left_alone(far: np.ndarray, lesion: np.ndarray, label: int) -> None:
    lesion[55, 15, 15] = label
    assert not core_lacking(lesion, BRAIN, sequences(far <= 11), CORE, GRID).any()


def test_after_surgery_without_t1gd_and_in_little_ones_nothing_is_called_core(
    far: np.ndarray, lesion: np.ndarray
) -> None:
    rules, images = PostProcessing(0, least_cores=(CORE,)), sequences(far <= 11)
    softmax = np.zeros((5, *SHAPE), np.uint8)
    after, messages = post_processed(lesion, softmax, BRAIN, rules, SCHEME, GRID, images, operated=True)
    assert np.array_equal(after, lesion) and messages == ()
    without = {role: image for role, image in images.items() if role is not SequenceRole.T1GD}
    assert not core_lacking(lesion, BRAIN, without, CORE, GRID).any()
    assert core_lacking(lesion, BRAIN, images, replace(CORE, least_ml=14), GRID).any()
    assert not core_lacking(lesion, BRAIN, images, replace(CORE, least_ml=15), GRID).any()
    assert not core_lacking(np.zeros_like(lesion), BRAIN, images, CORE, GRID).any()


def test_one_sequence_is_enough_to_tell_the_core(far: np.ndarray, lesion: np.ndarray) -> None:
    images = sequences(np.indices(SHAPE)[0] < 24)
    both = core_lacking(lesion, BRAIN, images, CORE, GRID)
    del images[SequenceRole.T2]
    assert np.mean(core_lacking(lesion, BRAIN, images, CORE, GRID)[both]) > 0.95
