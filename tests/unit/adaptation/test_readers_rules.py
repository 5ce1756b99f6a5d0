"""Rules for visits after surgery, and readers who outline otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_models import tiny_card

from glioma_annotator.adaptation.cases import PreparedCase
from glioma_annotator.adaptation.readers_rules import as_readers_outline
from glioma_annotator.domain.labels import IGNORE
from glioma_annotator.domain.mask_rules import GLIOMA_POST_PROCESSING
from glioma_annotator.domain.sequences import SequenceRole

SHAPE = (40, 30, 30)
NETC, SNFH, ET, RC = 1, 2, 3, 4
CARD = tiny_card(
    channels=(SequenceRole.T1GD, SequenceRole.T2, SequenceRole.FLAIR), post_processing=GLIOMA_POST_PROCESSING
)


def visit(classes: NDArray[np.uint8], *, operated: bool = True) -> PreparedCase:
    """Enhancement and fluid look like that, and nothing else does."""
    images = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)
    images[0, classes == ET] = images[1, classes == RC] = 9
    images[2, classes == RC] = -9
    return PreparedCase("visit", images, np.ones(SHAPE, bool), classes, 0.001, operated=operated)


@pytest.fixture
def core() -> NDArray[np.uint8]:
    """1 mL of core without a rim."""
    classes = np.zeros(SHAPE, np.uint8)
    classes[5:15, 5:15, 5:15] = NETC
    return classes


def test_a_reader_who_keeps_core_without_a_rim_gets_a_model_that_does(core: NDArray[np.uint8]) -> None:
    card, messages = as_readers_outline(CARD, [visit(core)])
    assert card.post_processing == replace(CARD.post_processing, unenclosed=())
    assert messages == (
        "The masks show core without an enhancing rim after surgery: the adapted model leaves it as it is.",
    )


def test_a_reader_who_keeps_thin_enhancement_gets_a_model_that_does() -> None:
    classes = np.zeros(SHAPE, np.uint8)
    classes[5:35, 5:25, 5:15] = RC
    classes[5:35, 5:25, 15] = ET
    card, messages = as_readers_outline(CARD, [visit(np.zeros(SHAPE, np.uint8)), visit(classes)])
    assert card.post_processing == replace(CARD.post_processing, linings=())
    assert len(messages) == 1 and "thin enhancement along a cavity" in messages[0]


def test_before_surgery_nothing_is_contradicted(core: NDArray[np.uint8]) -> None:
    assert as_readers_outline(CARD, [visit(core, operated=False)]) == (CARD, ())


def test_a_little_of_it_and_what_nobody_looked_at_contradict_nothing(core: NDArray[np.uint8]) -> None:
    core[9:] = 0  # 0.4 mL
    assert as_readers_outline(CARD, [visit(core)]) == (CARD, ())
    core[9:15, 5:15, 5:15] = IGNORE
    assert as_readers_outline(CARD, [visit(core)]) == (CARD, ())


@pytest.mark.parametrize("operated", [True, False])
def test_a_reader_who_keeps_what_both_sides_show_gets_a_model_that_does(operated: bool) -> None:
    classes = np.zeros(SHAPE, np.uint8)
    classes[8:10, 2:28, 2:28] = ET  # 1.4 mL
    case = visit(classes, operated=operated)
    case.images[0, 30:32, 2:28, 2:28] = 9.5
    card, messages = as_readers_outline(CARD, [case])
    assert card.post_processing == replace(CARD.post_processing, paired=())
    assert len(messages) == 1 and "parts that the other side shows as well" in messages[0]
    case.images[0, 30:32, 2:28, 2:28] = 0
    assert as_readers_outline(CARD, [case]) == (CARD, ())


def test_masks_that_follow_the_rules_keep_them() -> None:
    classes = np.zeros(SHAPE, np.uint8)
    classes[5:20, 5:20, 5:20] = ET
    classes[9:16, 9:16, 9:16] = NETC
    classes[25:35, 5:15, 5:15] = RC
    assert as_readers_outline(CARD, [visit(classes)]) == (CARD, ())


@pytest.mark.parametrize(("marked", "kept"), [(9.0, True), (7.0, False)])
@pytest.mark.parametrize("operated", [True, False])
def test_a_reader_who_draws_oedema_closer_than_its_brightness_gets_a_model_that_does(
    marked: float, kept: bool, operated: bool
) -> None:
    i, j, k = np.indices(SHAPE)
    far = np.sqrt((i - 15) ** 2 + (j - 15) ** 2 + (k - 15) ** 2)
    case = visit(np.where(far <= marked, SNFH, 0).astype(np.uint8), operated=operated)
    case.images[2] = np.where(far <= 9, 4, 0) + 0.1 * case.images[2]
    rules = replace(CARD.post_processing, least_cores=())
    card, messages = as_readers_outline(replace(CARD, post_processing=rules), [case])
    assert card.post_processing == (rules if kept else replace(rules, extents=()))
    assert messages == (
        ()
        if kept
        else ("The masks are drawn closer than by brightness on FLAIR: the adapted model does not add to it.",)
    )


@pytest.mark.parametrize(("core_mm", "keeps"), [(0, False), (8, False), (9, True), (12, True)])
def test_a_reader_who_draws_little_core_in_what_does_not_enhance_gets_a_model_that_does(
    core_mm: int, keeps: bool
) -> None:
    classes = np.zeros(SHAPE, np.uint8)
    classes[5:25, 5:25, 5:25] = SNFH
    classes[5 : 5 + core_mm, 5:25, 5:25] = NETC
    rules = replace(CARD.post_processing, extents=())
    card, messages = as_readers_outline(replace(CARD, post_processing=rules), [visit(classes, operated=False)])
    assert card.post_processing == (rules if keeps else replace(rules, least_cores=()))
    assert bool(messages) is not keeps and all("less than half of which is core" in words for words in messages)
    assert as_readers_outline(replace(CARD, post_processing=rules), [visit(classes * (classes == SNFH))])[1] == ()
