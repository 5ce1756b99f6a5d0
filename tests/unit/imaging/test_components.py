from __future__ import annotations

import numpy as np

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import IGNORE
from glioma_annotator.imaging.components import components, fill_holes, largest, remove_small

GRID = Grid((10, 10, 10), np.diag([1.0, 1.0, 2.0, 1.0]))  # voxels of 0.002 mL


def test_voxels_that_touch_at_a_corner_are_one_component() -> None:
    mask = np.zeros((10, 10, 10), bool)
    mask[2, 2, 2] = mask[3, 3, 3] = mask[7, 7, 7] = True
    numbered, count = components(mask)
    assert count == 2
    assert numbered[2, 2, 2] == numbered[3, 3, 3] == 1
    assert numbered[7, 7, 7] == 2
    assert np.array_equal(numbered > 0, mask)


def test_an_empty_mask_has_no_components() -> None:
    empty = np.zeros((3, 3, 3), bool)
    assert components(empty)[1] == 0
    assert not largest(empty).any()
    assert not fill_holes(empty).any()


def test_the_largest_component_is_kept() -> None:
    mask = np.zeros((10, 10, 10), bool)
    mask[0, 0, :2] = True
    mask[5, 5, :5] = True
    assert np.array_equal(np.argwhere(largest(mask))[:, 2], range(5))
    assert largest(mask).sum() == 5


def test_cavities_are_filled_and_bays_are_not() -> None:
    mask = np.zeros((10, 10, 10), bool)
    mask[1:8, 1:8, 1:8] = True
    mask[3:5, 3:5, 3:5] = False
    mask[6, 6, 6:] = False
    filled = fill_holes(mask)
    assert filled[3:5, 3:5, 3:5].all()
    assert not filled[6, 6, 6]


def test_components_below_the_limit_are_removed_whole() -> None:
    labels = np.zeros((10, 10, 10), np.uint8)
    labels[0:2, 0:2, 0] = 1
    labels[0, 0, 1] = 3  # with label 1: 5 voxels, 0.010 mL
    labels[5, 5, 0:4] = 2  # 0.008 mL
    kept = remove_small(labels, 0.0095, GRID)
    assert np.array_equal(kept[:3], labels[:3])
    assert not kept[5].any()
    assert labels[5].any()
    assert not remove_small(labels, 1.0, GRID).any()
    assert np.array_equal(remove_small(labels, 0.0, GRID), labels)


def test_voxels_not_reviewed_are_left_alone() -> None:
    labels = np.zeros((10, 10, 10), np.uint8)
    labels[5, 5, 5] = IGNORE
    assert np.array_equal(remove_small(labels, 1.0, GRID), labels)
