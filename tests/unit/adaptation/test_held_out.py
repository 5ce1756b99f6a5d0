"""What is held out, and what is marked where no tumour is near."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny_models import tiny_card
from torch import nn

from glioma_annotator.adaptation.cases import PreparedCase
from glioma_annotator.adaptation.features import CaseFeatures, Marked
from glioma_annotator.adaptation.held_out import HeldOut, as_proposed
from glioma_annotator.adaptation.holdout import Part
from glioma_annotator.domain.labels import IGNORE
from glioma_annotator.domain.mask_rules import GLIOMA_POST_PROCESSING, Doubtful, PostProcessing, TooSmall
from glioma_annotator.domain.model_card import ModelCard

SHAPE = (60, 30, 30)
RC = 4


def cavity() -> NDArray[np.uint8]:
    """Classes of a visit with a cavity of 1 mL at one end."""
    classes = np.zeros(SHAPE, np.uint8)
    classes[2:12, 10:20, 10:20] = RC
    return classes


def marked(classes: NDArray[np.uint8], sure: NDArray[np.float64] | float = 1.0) -> Marked:
    """A network's answer that is so sure of its tissue, everywhere or slice by slice of the first axis."""
    softmax = np.zeros((5, *SHAPE))
    share = np.broadcast_to(np.reshape(sure, (-1, 1, 1)), SHAPE)
    np.put_along_axis(softmax, classes[None].astype(int), share[None], axis=0)
    softmax[0] += 1 - softmax.sum(axis=0)
    return Marked(classes, np.rint(255 * softmax).astype(np.uint8))


def held_out(
    classes: NDArray[np.uint8], seen: int = 0, start: ModelCard | None = None, card: ModelCard | None = None
) -> HeldOut:
    """One half of a visit, in which the starting model sees one class everywhere."""
    brain = np.ones(SHAPE, dtype=bool)
    mask = brain.copy()
    mask[30:] = False
    case = PreparedCase("visit", np.zeros((3, *SHAPE), np.float32), brain, classes, 0.001)
    head = nn.Conv3d(1, 5, 1)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.eye(5)[seen])  # type: ignore[union-attr]
    features = CaseFeatures(case, np.zeros((brain.sum(), 1), np.float16))
    return HeldOut([Part(case, mask)], [features], head, card or tiny_card(), start or tiny_card())


def test_a_candidate_that_finds_the_cavity_is_accepted() -> None:
    found = held_out(cavity()).verdict([marked(cavity())])
    assert found.accepted, found.reasons


def test_the_starting_model_is_judged_after_its_own_card_s_rules() -> None:
    none_left = PostProcessing(0, too_small=(TooSmall(RC, 1000, 0),))
    assert (held_out(cavity(), seen=RC).verdict([marked(cavity())]).before or 0) > 0
    assert held_out(cavity(), RC, tiny_card(post_processing=none_left)).verdict([marked(cavity())]).before == 0


@pytest.mark.parametrize(("start", "accepted"), [(16, True), (26, False), (40, False)])
def test_false_marks_away_from_the_tumour_refuse_a_candidate_whose_dice_rises(start: int, accepted: bool) -> None:
    after = cavity()
    after[start : start + 4, 10:20, 10:20] = RC  # 0.4 mL: near, away, and away where it was learnt from
    found = held_out(cavity()).verdict([marked(after)])
    assert (found.after or 0) > (found.before or 0)
    assert found.accepted is accepted
    if not accepted:
        assert found.reasons == ("0.4 mL of RC are marked away from any tumour, 0.0 mL before.",)


def test_false_marks_where_nobody_has_looked_speak_against_no_candidate() -> None:
    classes, after = cavity(), cavity()
    classes[30:] = IGNORE
    after[40:48, 10:20, 10:20] = RC
    assert held_out(classes).verdict([marked(after)]).accepted


def test_the_rules_of_a_shipped_card_are_applied() -> None:
    classes = cavity()
    classes[40:43, 10:13, 10:13] = RC  # 0.03 mL
    case = PreparedCase("visit", np.zeros((3, *SHAPE), np.float32), np.ones(SHAPE, bool), classes, 0.001)
    proposed = as_proposed(marked(classes), case, tiny_card(post_processing=GLIOMA_POST_PROCESSING))
    assert np.array_equal(proposed, cavity())


@pytest.mark.parametrize(("sure", "stays"), [(0.6, False), (0.9, True)])
def test_islands_are_proposed_and_judged_as_the_segmenter_does(sure: float, stays: bool) -> None:
    island = np.zeros(SHAPE, bool)
    island[40:48, 10:20, 10:20] = True  # 0.8 mL, away from the tumour
    classes = np.where(island, np.uint8(RC), cavity())
    found = marked(classes, np.where(np.arange(SHAPE[0]) < 30, 0.95, sure))
    rules = PostProcessing(0, doubtful=Doubtful(below_ml=5, sure=0.8))
    card = tiny_card(post_processing=rules)
    case = PreparedCase("visit", np.zeros((3, *SHAPE), np.float32), np.ones(SHAPE, bool), cavity(), 0.001)
    assert as_proposed(found, case, card)[island].all() == stays
    assert as_proposed(found, case, card, islands=True)[island].all()
    reasons = held_out(cavity(), card=card).verdict([found]).reasons
    assert reasons[-1] == "0.8 mL of RC are marked away from any tumour, 0.0 mL before."
    assert any("islands that the model doubts" in reason for reason in reasons) is not stays
    assert held_out(cavity(), card=card).verdict([marked(cavity())]).accepted


def test_a_candidate_that_is_better_only_with_doubted_islands_is_refused() -> None:
    """The starting model's islands are not proposed, so there is nothing to gain by leaving them out."""
    classes = cavity()
    classes[20:28, 10:20, 10:20] = RC  # in the held-out half
    rules = PostProcessing(0, doubtful=Doubtful(below_ml=5, sure=0.8))
    judge = held_out(cavity(), card=tiny_card(post_processing=rules), start=tiny_card(post_processing=rules))
    sure = np.where(np.arange(SHAPE[0]) < 15, 0.95, 0.6)
    visit = judge._visits[0]
    judge._visits = (replace(visit, before=marked(classes, sure)),)
    assert not judge.verdict([marked(cavity())]).accepted
    judge._visits = (replace(visit, before=marked(classes)),)
    judge._processed_visits.clear()
    assert judge.verdict([marked(cavity())]).accepted


def test_a_hole_gets_the_tissue_that_it_most_probably_is() -> None:
    classes = cavity()
    classes[6, 14, 14] = 0
    found = marked(classes)
    found.softmax[:, 6, 14, 14] = (150, 15, 60, 20, 10)
    case = PreparedCase("visit", np.zeros((3, *SHAPE), np.float32), np.ones(SHAPE, bool), classes, 0.001)
    assert as_proposed(found, case, tiny_card(post_processing=PostProcessing(0, fill_holes_ml=0.1)))[6, 14, 14] == 2
