"""Visits as the network reads them, and what is held out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from adaptation_cases import SHAPE, visit, with_labels
from tiny_models import CHANNELS, tiny_card

from glioma_annotator.adaptation.cases import PreparedCase, prepare
from glioma_annotator.adaptation.features import best_class
from glioma_annotator.adaptation.holdout import split
from glioma_annotator.domain.adaptation import AdaptationCase
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import IGNORE
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken


def prepared(case: AdaptationCase, **card: object) -> PreparedCase:
    return prepare(case, tiny_card(**card), CancelToken())


def test_classes_follow_the_cards_labels_and_what_was_not_reviewed_stays_out() -> None:
    case = visit()
    labels = case.labels.copy()
    labels[:, :, :8] = IGNORE
    ready = prepared(with_labels(case, labels))
    assert set(np.unique(ready.classes)) == {0, 3, IGNORE}
    assert (ready.classes[~ready.brain] == IGNORE).all()
    assert not ready.tumour[:, :, :5].any()


def test_a_sequence_that_is_absent_is_zero_and_said_so() -> None:
    case = visit()
    without = AdaptationCase("visit", {CHANNELS[0]: case.images[CHANNELS[0]]}, case.labels, case.grid)
    ready = prepared(without, optional=CHANNELS[1:])
    assert ready.images[0].any() and not ready.images[1:].any()
    assert any("absent" in message for message in ready.messages)


def test_a_visit_that_the_model_could_not_segment_teaches_and_judges_nothing() -> None:
    case = visit()
    without = replace(case, images={CHANNELS[1]: case.images[CHANNELS[1]]})
    with pytest.raises(UserError, match="visit: The model “tiny” needs T1Gd, T2, FLAIR, but T1Gd, FLAIR are missing"):
        prepared(without)
    with pytest.raises(UserError, match="visit: The model “tiny” needs T1Gd or FLAIR, and none is there"):
        prepared(without, optional=CHANNELS, one_of=(CHANNELS[0], CHANNELS[2]))


def test_a_visit_without_any_sequence_of_the_model_is_refused() -> None:
    with pytest.raises(UserError, match="none of the sequences"):
        prepared(replace(visit(), images={}))


def test_before_surgery_no_cavity_is_proposed_unless_the_mask_shows_one() -> None:
    case = replace(visit(), operated=False)
    assert prepared(visit()).barred == ()
    assert prepared(case).barred == (4,)
    assert prepared(with_labels(case, np.where(case.labels, 4, 0).astype(np.uint8), operated=False)).barred == ()


def test_the_best_class_is_one_that_the_visit_may_have() -> None:
    scores = np.array([[0.1, 0.1, 0.5], [0.2, 0.8, 0.2], [0.7, 0.1, 0.3]], dtype=np.float32)
    assert best_class(scores).tolist() == [2, 1, 0]
    assert best_class(scores, (2,)).tolist() == [1, 1, 0]


def test_values_that_the_model_does_not_know_are_refused() -> None:
    case = visit()
    with pytest.raises(UserError, match="holds the values 9"):
        prepared(with_labels(case, np.where(case.labels, 9, 0).astype(np.uint8)))


def test_a_mask_on_another_grid_is_refused() -> None:
    case = visit()
    shifted = Grid(SHAPE, np.diag([2.0, 2.0, 2.0, 1.0]))
    with pytest.raises(UserError, match="one grid"):
        prepared(replace(case, grid=shifted))


def test_coarse_images_come_to_the_models_voxel_size_with_their_mask() -> None:
    ready = prepared(visit(spacing_mm=2.0))
    fine = prepared(visit())
    assert ready.shape == tuple(2 * n for n in fine.shape)
    assert ready.voxel_ml == pytest.approx(0.001)
    assert ready.tumour.sum() == 8 * fine.tumour.sum()


def test_mask_outside_the_brain_is_left_out_and_said_so() -> None:
    case = visit()
    labels = case.labels.copy()
    labels[0, 0, :10] = 3
    assert any("0.01 mL" in message for message in prepared(with_labels(case, labels)).messages)


def test_of_one_visit_slabs_are_held_out_that_show_the_middle_of_the_tumour() -> None:
    found = split([prepared(visit())], [])
    (train,), (held,) = found.train, found.held_out
    assert not (train.mask & held.mask).any()
    assert (train.mask | held.mask).sum() == (train.case.classes != IGNORE).sum()
    in_train, in_held = (int((part.case.tumour & part.mask).sum()) for part in (train, held))
    assert 0.2 < in_held / (in_held + in_train) < 0.5
    assert "every third slab" in found.words
    assert train.slabs and held.slabs


def test_a_small_cavity_does_not_fall_into_one_held_out_slab_as_a_whole() -> None:
    shape = (24, 24, 60)
    labels = np.zeros(shape, dtype=np.uint8)
    labels[2:22, 2:22, 4:56] = 2
    labels[7:17, 7:17, 26:34] = 4  # 0.8 mL in the middle: a slab of eight slices
    case = PreparedCase("a", np.zeros((1, *shape), np.float32), np.ones(shape, bool), labels, 0.001)
    found = split([case], [])
    learnt, judged = (int(((labels == 4) & part.mask).sum()) for part in (*found.train, *found.held_out))
    assert 0.1 < judged / (learnt + judged) < 0.55


@pytest.mark.parametrize("thickness_mm", [1.5, 2.0, 2.5, 3.0, 5.0])
def test_no_slice_of_the_images_is_in_both_parts_where_it_is_thicker_than_the_models_voxels(
    thickness_mm: float,
) -> None:
    count = round(60 / thickness_mm)
    shape = (20, 20, count)
    affine = np.diag([1.0, 1.0, thickness_mm, 1.0])
    labels = np.zeros(shape, np.uint8)
    labels[5:15, 5:15, 1:-1] = 3
    data = np.random.default_rng(0).normal(100, 6, shape).astype(np.float32)
    grid = Grid(shape, affine)
    case = AdaptationCase("thick", {role: Volume(data, grid) for role in CHANNELS}, labels, grid)
    ready = prepared(case)
    assert ready.shape[2] == 60
    (held,) = split([ready], []).held_out
    judged = held.mask.any(axis=(0, 1))
    of_slice = np.minimum((np.arange(60) + 0.5) / thickness_mm, count - 1e-9).astype(int)
    assert all(len(set(judged[of_slice == number])) == 1 for number in range(count))
    assert 0.2 < judged.mean() < 0.5


def test_of_two_visits_the_last_is_held_out_whole() -> None:
    found = split([prepared(visit("a")), prepared(visit("b", seed=1))], [])
    assert [part.case.name for part in found.train] == ["a"]
    assert [part.case.name for part in found.held_out] == ["b"]
    assert not found.held_out[0].slabs


def test_visits_set_aside_are_judged_on_and_nothing_else() -> None:
    found = split([prepared(visit("a")), prepared(visit("b"))], [prepared(visit("c"))])
    assert [part.case.name for part in found.train] == ["a", "b"]
    assert [part.case.name for part in found.held_out] == ["c"]


def test_a_visit_of_which_nothing_was_reviewed_cannot_judge() -> None:
    unseen = with_labels(visit("b"), np.full_like(visit().labels, IGNORE))
    for cases, held in (([visit("a"), unseen], []), ([visit("a")], [unseen])):
        with pytest.raises(UserError, match="Nothing of the brain in b, which is to judge, was reviewed"):
            split([prepared(case) for case in cases], [prepared(case) for case in held])


def test_masks_without_tumour_teach_nothing() -> None:
    with pytest.raises(UserError, match="nothing to learn"):
        split([prepared(visit(tumour=False))], [])


def test_a_tumour_in_a_single_slice_cannot_be_divided() -> None:
    case = visit()
    labels = np.zeros_like(case.labels)
    labels[10:14, 10:14, 12] = 3
    with pytest.raises(UserError, match="too small to be divided"):
        split([prepared(with_labels(case, labels))], [])


def test_images_of_infinite_values_do_not_reach_the_network() -> None:
    case = visit()
    broken = case.images[CHANNELS[1]].data.copy()
    broken[12, 12, 12] = np.inf
    images = {**case.images, CHANNELS[1]: Volume(broken, case.grid)}
    assert np.isfinite(prepared(replace(case, images=images)).images).all()
