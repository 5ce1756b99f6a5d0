"""The rule that decides whether a candidate may become current."""

from __future__ import annotations

import numpy as np
import pytest

from glioma_annotator.adaptation.acceptance import (
    MOST_LOST,
    MOST_STRAY_ML,
    MOST_STRAY_SHARE,
    SLACK_ML,
    TINY_ML,
    Judged,
    judge,
    preference,
    stray_faults,
)
from glioma_annotator.domain.adaptation import RegionVerdict, Verdict
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.volume import LabelArray

SHAPE = (20, 20, 20)


def mask(**boxes: tuple[int, int]) -> LabelArray:
    """Labels by name: slabs along i from start to stop."""
    labels = np.zeros(SHAPE, np.uint8)
    for name, (start, stop) in boxes.items():
        label = GLIOMA_POST_TREATMENT.named(name)
        assert label is not None
        labels[start:stop] = label.value
    return labels


def verdict(reference: LabelArray, before: LabelArray, after: LabelArray, **more: object) -> Verdict:
    return judge([Judged(reference, before, after, **({"voxel_ml": 0.001} | more))], GLIOMA_POST_TREATMENT)  # type: ignore[arg-type]


def region(found: Verdict, name: str) -> RegionVerdict:
    return next(r for r in found.regions if r.region == name)


def test_a_better_candidate_is_accepted() -> None:
    found = verdict(mask(SNFH=(0, 10)), mask(SNFH=(0, 5)), mask(SNFH=(0, 9)))
    assert found.accepted
    assert found.after == pytest.approx(18 / 19)
    assert preference(found) == pytest.approx(found.after - (found.before or 0))


def test_an_equal_candidate_is_refused_with_the_figures() -> None:
    same = mask(SNFH=(0, 5))
    found = verdict(mask(SNFH=(0, 10)), same, same)
    assert not found.accepted
    assert "does not rise: 0.667 before, 0.667 after" in found.reasons[0]


def test_a_gain_too_small_to_say_anything_about_the_next_visit_is_refused() -> None:
    reference, before = np.zeros((100, 10, 10), np.uint8), np.zeros((100, 10, 10), np.uint8)
    reference[:50], before[:25] = 2, 2  # Dice 0.667: a twentieth of the error is 0.017
    after = before.copy()
    after[25] = 2  # 0.684
    found = judge([Judged(reference, before, after, 0.1)], GLIOMA_POST_TREATMENT)
    assert found.accepted, found.reasons
    after[25, 5:] = 0  # 0.675
    found = judge([Judged(reference, before, after, 0.1)], GLIOMA_POST_TREATMENT)
    assert not found.accepted and "hardly rises" in found.reasons[0]


def test_slabs_of_a_visit_learnt_from_ask_for_a_larger_gain() -> None:
    reference, before = np.zeros((100, 10, 10), np.uint8), np.zeros((100, 10, 10), np.uint8)
    reference[:50], before[:25] = 2, 2  # Dice 0.667: 15 % of the error is 0.05
    after = before.copy()
    after[25:27] = 2  # 0.701
    assert judge([Judged(reference, before, after, 0.1)], GLIOMA_POST_TREATMENT).accepted
    found = judge([Judged(reference, before, after, 0.1, slabs=True)], GLIOMA_POST_TREATMENT)
    assert not found.accepted
    assert found.reasons == (
        "The mean Dice hardly rises: 0.667 before, 0.701 after; at least 15% of the error must be gone.",
    )
    after[27:29] = 2  # 0.734
    assert judge([Judged(reference, before, after, 0.1, slabs=True)], GLIOMA_POST_TREATMENT).accepted


def test_a_candidate_that_gains_on_average_but_loses_a_region_is_refused() -> None:
    reference = mask(SNFH=(0, 8), RC=(10, 18))
    found = verdict(reference, mask(SNFH=(0, 2), RC=(10, 18)), mask(SNFH=(0, 8), RC=(10, 17)))
    assert (found.after or 0) > (found.before or 0)
    assert not found.accepted
    assert region(found, "RC").fault and not region(found, "WT").fault
    assert preference(found) < (found.after or 0) - (found.before or 0)


def test_a_loss_of_exactly_the_allowed_dice_is_no_fault() -> None:
    reference = np.zeros((100, 10, 1), np.uint8)
    reference[:, :5] = 4
    reference[:, 5:] = 2
    before, after = reference.copy(), reference.copy()
    before[:50, 5:] = 0
    after[0, :5] = 0  # Dice of RC 2 * 495 / 995: a loss of half a per cent
    found = judge([Judged(reference, before, after, 0.1)], GLIOMA_POST_TREATMENT)
    lost = 1 - (region(found, "RC").after or 0)
    assert 0 < lost < MOST_LOST
    assert found.accepted


def test_a_tiny_region_is_judged_by_its_volume_and_leaves_the_mean_alone() -> None:
    reference = mask(SNFH=(0, 10))
    reference[15, :10, :10] = 3  # 100 voxels: 0.1 mL
    before, after = mask(SNFH=(0, 5)), mask(SNFH=(0, 9))
    before[15, :10, :10] = 3
    found = verdict(reference, before, after)
    assert region(found, "ET").kind == "tiny" and TINY_ML > 0.1
    assert region(found, "ET").fault == ""  # off by 0.1 mL: Dice fell from 1 to 0, the volume by no more than the slack
    assert found.accepted
    after[16:, :10, :10] = 3
    assert "tiny" in region(verdict(reference, before, after), "ET").fault


def test_a_tiny_region_that_was_found_must_not_be_lost() -> None:
    reference = mask(SNFH=(0, 10))
    reference[15, :10, :15] = 3  # 150 voxels: 0.15 mL
    before, after = mask(SNFH=(0, 5)), mask(SNFH=(0, 9))
    before[15, :10, :15] = 3
    after[16, :10, :15] = 3  # as much, elsewhere: by its volume no worse
    found = verdict(reference, before, after)
    assert region(found, "ET").kind == "tiny" and not found.accepted
    assert "ET is tiny, and found less well: Dice 1.000 before, 0.000 after." in found.reasons
    after[15, :10, :15] = 3
    after[16, :10, :15] = 0
    after[15, 0, :5] = 0
    assert verdict(reference, before, after).accepted


def test_a_region_that_is_absent_may_not_be_marked_more() -> None:
    reference, before, after = mask(SNFH=(0, 10)), mask(SNFH=(0, 5)), mask(SNFH=(0, 9), RC=(15, 16))
    found = verdict(reference, before, after)
    assert region(found, "RC").kind == "absent" and region(found, "RC").before is None
    assert not found.accepted
    assert "RC is absent, but 0.40 mL are marked" in " ".join(found.reasons)
    after = mask(SNFH=(0, 9))
    after[15, :, :5] = 4
    assert region(verdict(reference, before, after), "RC").after_ml <= SLACK_ML
    assert verdict(reference, before, after).accepted


def test_without_any_tumour_held_out_the_candidate_must_mark_less() -> None:
    empty = mask()
    assert verdict(empty, mask(SNFH=(0, 5)), empty).accepted
    assert not verdict(empty, empty, empty).accepted
    assert not verdict(empty, empty, mask(SNFH=(0, 1))).accepted


def test_only_tiny_regions_make_up_the_mean_by_themselves() -> None:
    reference, before = mask(), mask()
    reference[0, :10, :10] = 2
    found = verdict(reference, before, reference)
    assert (found.before, found.after, found.accepted) == (0.0, 1.0, True)


def test_a_mask_carried_over_that_fits_better_does_not_refuse_and_the_verdict_says_so() -> None:
    reference, before, after = mask(SNFH=(0, 10)), mask(SNFH=(0, 5)), mask(SNFH=(0, 8))
    found = verdict(reference, before, after, carried=mask(SNFH=(0, 7)))
    assert found.accepted and found.advice == "" and found.carried == pytest.approx(14 / 17)
    found = verdict(reference, before, after, carried=mask(SNFH=(0, 9)))
    assert found.accepted and not any("carried" in reason for reason in found.reasons)
    assert "0.947 against 0.889" in found.advice and "carry it over and correct that" in found.advice
    assert verdict(reference, before, after, carried=after).advice == ""
    assert verdict(reference, before, after).advice == ""


def test_a_refused_candidate_is_compared_with_the_mask_carried_over_too() -> None:
    reference, same = mask(SNFH=(0, 10)), mask(SNFH=(0, 5))
    found = verdict(reference, same, same, carried=reference)
    assert not found.accepted and len(found.reasons) == 1
    assert "1.000 against 0.667" in found.advice


def test_where_nothing_is_held_out_that_shows_tumour_no_mask_is_recommended() -> None:
    assert verdict(mask(), mask(SNFH=(0, 5)), mask(), carried=mask()).advice == ""


def test_dice_is_averaged_over_the_visits_that_show_the_region() -> None:
    shown = Judged(mask(SNFH=(0, 10)), mask(SNFH=(0, 5)), mask(SNFH=(0, 10)), 0.001)
    empty = Judged(mask(), mask(), mask(), 0.001)
    found = judge([shown, empty], GLIOMA_POST_TREATMENT)
    assert found.after == 1.0


def test_what_is_marked_away_from_the_tumour_may_grow_by_a_little_for_every_label() -> None:
    none, ml = np.zeros(SHAPE, np.uint8), 0.3 / 4000  # ten slabs of 400 voxels make 0.3 mL
    assert MOST_STRAY_ML == 0.3

    def faults(before: LabelArray, after: LabelArray) -> tuple[str, ...]:
        return stray_faults([Judged(none, before, after, ml)], GLIOMA_POST_TREATMENT)

    assert faults(none, mask(RC=(0, 10))) == ()
    assert faults(mask(RC=(9, 10)), mask(RC=(0, 11))) == ()
    assert faults(mask(SNFH=(0, 20)), mask(RC=(0, 11))) == (
        "0.3 mL of RC are marked away from any tumour, 0.0 mL before.",
    )


def test_what_may_be_marked_away_from_the_tumour_grows_with_the_label_s_own_volume() -> None:
    none, ml = np.zeros(SHAPE, np.uint8), 0.1 / 400  # a slab of 400 voxels makes 0.1 mL
    assert MOST_STRAY_SHARE == 0.2

    def faults(reference: LabelArray, after: LabelArray) -> tuple[str, ...]:
        return stray_faults([Judged(reference, none, after, ml)], GLIOMA_POST_TREATMENT)

    assert faults(mask(RC=(0, 20)), mask(RC=(0, 4))) == ()
    assert faults(mask(RC=(0, 20)), mask(RC=(0, 5))) != ()
    assert faults(mask(SNFH=(0, 20)), mask(RC=(0, 4))) != ()
