from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT as SCHEME
from glioma_annotator.domain.mask_rules import (
    GLIOMA_POST_PROCESSING,
    Doubtful,
    Enclosed,
    Likelier,
    Lining,
    Mirrored,
    Outline,
    Outside,
    PostProcessing,
    TooSmall,
    Unenclosed,
)
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.imaging.midline import MidPlane, find_midplane
from glioma_annotator.inference import both_sides, post_processing
from glioma_annotator.inference.post_processing import post_processed

NETC, SNFH, ET, RC = 1, 2, 3, 4
GRID = Grid((20, 20, 20), np.eye(4))  # a voxel is 0.001 mL


def processed(
    labels: np.ndarray,
    rules: PostProcessing,
    softmax: np.ndarray | None = None,
    images: dict[SequenceRole, np.ndarray] | None = None,
    operated: bool = False,
) -> tuple[Any, Any]:
    if softmax is None:
        softmax = np.zeros((5, *labels.shape), np.uint8)
    brain = np.ones(labels.shape, bool)
    return post_processed(labels, softmax, brain, rules, SCHEME, GRID, images or {}, operated=operated)


@pytest.fixture
def labels() -> np.ndarray:
    """A block of SNFH of 0.512 mL with a hole of 1 voxel and one of 27, and an island of 8 voxels."""
    made = np.zeros(GRID.shape, np.uint8)
    made[2:10, 2:10, 2:10] = SNFH
    made[4, 4, 4] = 0
    made[6:9, 6:9, 6:9] = 0
    made[15:17, 15:17, 15:17] = NETC
    return made


def test_islands_below_the_volume_go(labels: np.ndarray) -> None:
    found, messages = processed(labels, PostProcessing(min_component_ml=0.01))
    assert not found[12:].any()
    assert np.array_equal(found[:12], labels[:12])
    assert messages == ()
    assert labels[15, 15, 15] == NETC  # the input stays


def test_small_holes_become_their_most_probable_tissue(labels: np.ndarray) -> None:
    softmax = np.zeros((5, *GRID.shape), np.uint8)
    softmax[0], softmax[ET] = 150, 100
    found, _ = processed(labels, PostProcessing(0, fill_holes_ml=0.01), softmax)
    assert found[4, 4, 4] == ET
    assert not found[6:9, 6:9, 6:9].any()
    found, _ = processed(labels, PostProcessing(0, fill_holes_ml=0.1), softmax)
    assert (found[6:9, 6:9, 6:9] == ET).all()


def test_too_little_of_a_label_becomes_another_and_the_reader_is_told(labels: np.ndarray) -> None:
    labels[2, 2, 2:7] = ET
    rules = PostProcessing(0, too_small=(TooSmall(ET, 0.2, NETC),))
    found, messages = processed(labels, rules)
    assert (found[2, 2, 2:7] == NETC).all()
    assert messages == ("0.01 mL of ET, less than 0.2 mL, were taken for NETC.",)
    labels[2, 2, 3:7] = 0
    assert processed(labels, rules)[1] == ("Under 0.01 mL of ET, less than 0.2 mL, were taken for NETC.",)
    enough = np.full(GRID.shape, ET, np.uint8)
    found, messages = processed(enough, rules)
    assert (found == ET).all() and messages == ()


def _softmax_of(labels: np.ndarray, island: float, finding: float) -> np.ndarray:
    """How sure the model is of the island at 15 and of the block at 2, by class."""
    softmax = np.zeros((5, *labels.shape), np.uint8)
    softmax[0] = 255
    for part, sure in ((np.s_[12:], island), (np.s_[:12], finding)):
        tissue = round(255 * sure)
        here = labels[part] > 0
        softmax[0][part][here] = 255 - tissue
        softmax[SNFH][part][here], softmax[NETC][part][here] = tissue // 2, tissue - tissue // 2
    return softmax


def test_an_island_that_the_model_doubts_is_left_out_and_the_reader_is_told(labels: np.ndarray) -> None:
    labels[13:17, 13:17, 13:17] = NETC  # 0.064 mL
    rules = PostProcessing(0, doubtful=Doubtful(below_ml=0.1, sure=0.8))
    found, messages = processed(labels, rules, _softmax_of(labels, 0.6, 0.7))
    assert not found[12:].any()
    assert np.array_equal(found[:12], labels[:12])  # the largest finding stays, however doubtful
    assert messages == ("0.1 mL of islands, of which the model is less than 80% sure, were left out.",)


@pytest.mark.parametrize(("island", "finding", "below_ml"), [(0.9, 0.95, 0.1), (0.7, 0.6, 0.1), (0.6, 0.7, 0.06)])
def test_an_island_stays_that_is_sure_or_surer_than_the_largest_finding_or_large(
    labels: np.ndarray, island: float, finding: float, below_ml: float
) -> None:
    labels[13:17, 13:17, 13:17] = NETC
    rules = PostProcessing(0, doubtful=Doubtful(below_ml, 0.8))
    found, messages = processed(labels, rules, _softmax_of(labels, island, finding))
    assert np.array_equal(found, labels)
    assert messages == ()


def likelier_cavity() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Core; the probabilities, RC against background 1 to 24 and within two cubes 1 to 6; and the larger cube."""
    labels = np.zeros(GRID.shape, np.uint8)
    labels[2:6, 2:6, 2:6] = NETC
    softmax = np.zeros((5, *GRID.shape), np.uint8)
    softmax[0], softmax[RC] = 245, 10
    cube = np.zeros(GRID.shape, bool)
    cube[10:15, 10:15, 10:15] = True
    smaller = np.zeros(GRID.shape, bool)
    smaller[17:20, 17:20, 17:20] = True
    softmax[:, cube | smaller] = np.array([220, 0, 0, 0, 35])[:, None]
    softmax[:, labels > 0] = np.array([0, 155, 0, 0, 100])[:, None]
    return labels, softmax, cube


LIKELIER = PostProcessing(0, likelier=(Likelier(RC),))


def test_background_that_may_be_a_cavity_is_one_where_a_surgery_is_known() -> None:
    labels, softmax, cube = likelier_cavity()
    found, messages = processed(labels, LIKELIER, softmax, operated=True)
    assert np.array_equal(found == RC, cube)  # the largest alone
    assert np.array_equal(found == NETC, labels == NETC)  # what is called tissue stays
    assert messages == ("0.1 mL of background that the model thought might be RC were taken for it, after surgery.",)
    found, messages = processed(labels, LIKELIER, softmax)
    assert np.array_equal(found, labels) and messages == ()


def test_what_changed_most_is_told_first(labels: np.ndarray) -> None:
    labels[13:17, 13:17, 13:17] = NETC  # 0.064 mL, in doubt; of the block 0.484 mL
    rules = PostProcessing(0, too_small=(TooSmall(SNFH, 1, NETC),), doubtful=Doubtful(below_ml=0.1, sure=0.8))
    _found, messages = processed(labels, rules, _softmax_of(labels, 0.6, 0.7))
    assert [words.split(" mL")[0] for words in messages] == ["0.48", "0.1"]


@pytest.mark.parametrize(("columns", "grows"), [(22, True), (23, False)])
def test_a_cavity_of_which_most_is_found_stays_as_it_is(columns: int, grows: bool) -> None:
    """Of 25; all but 0.9 of it."""
    labels, softmax, cube = likelier_cavity()
    i, j = np.unravel_index(np.arange(columns), (5, 5))
    labels[10 + i, 10 + j, 10:15] = RC
    found, _ = processed(labels, LIKELIER, softmax, operated=True)
    assert np.array_equal(found == RC, cube if grows else labels == RC)


def fluid_found(labels: np.ndarray, cube: np.ndarray) -> dict[SequenceRole, np.ndarray]:
    """Two of the cube's slices found, and images on which all of it is fluid."""
    labels[10:12, 10:15, 10:15] = RC  # 0.05 mL
    flair, t2 = np.full(GRID.shape, 5, np.float32), np.full(GRID.shape, 5, np.float32)
    flair[cube], t2[cube] = 2, 9
    return {SequenceRole.FLAIR: flair, SequenceRole.T2: t2}


@pytest.mark.parametrize(("least_ml", "slices"), [(0.05, 4), (0.06, 5)])
def test_what_was_missed_of_a_cavity_lies_beside_what_was_found_unless_that_is_little(
    least_ml: float, slices: int
) -> None:
    labels, softmax, cube = likelier_cavity()
    images = fluid_found(labels, cube)
    rules = PostProcessing(0, likelier=(Likelier(RC, least_ml=least_ml),))
    found, _ = processed(labels, rules, softmax, images, operated=True)
    cube[10 + slices :] = False
    assert np.array_equal(found == RC, cube)


@pytest.mark.parametrize(("role", "way", "grows"), [("FLAIR", 0.2, True), ("FLAIR", 0.0, False), ("T2", 0.2, True)])
def test_what_was_missed_of_a_cavity_is_the_same_fluid(role: str, way: float, grows: bool) -> None:
    """On one sequence the next slice is but a part of the way from brain to fluid."""
    labels, softmax, cube = likelier_cavity()
    images = fluid_found(labels, cube)
    image = images[SequenceRole(role)]
    image[12] = np.where(cube[12], 5 + way * (image[11] - 5), 5)
    found, _ = processed(labels, LIKELIER, softmax, images, operated=True)
    assert np.array_equal(found[12] == RC, cube[12] & grows)
    without, _ = processed(labels, LIKELIER, softmax, operated=True)
    assert np.array_equal(without == RC, cube)


@pytest.mark.parametrize(("flair", "grows"), [(9.0, True), (2.5, True), (0.5, False)])
def test_what_was_missed_of_a_turbid_cavity_is_as_turbid(flair: float, grows: bool) -> None:
    """Its fluid is brighter on FLAIR than the brain; clear fluid is darker than that."""
    labels, softmax, cube = likelier_cavity()
    images = fluid_found(labels, cube)
    images[SequenceRole.FLAIR][cube] = 6
    images[SequenceRole.FLAIR][12] = np.where(cube[12], flair, 5)
    images[SequenceRole.FLAIR][:2] = -2  # ventricles
    images[SequenceRole.T2][cube] = 20
    found, _ = processed(labels, LIKELIER, softmax, images, operated=True)
    assert np.array_equal(found[12] == RC, cube[12] & grows)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("clear", [True, False])
def test_what_was_missed_of_a_cavity_lies_on_its_side_of_the_brain_where_ventricles_look_alike(
    monkeypatch: pytest.MonkeyPatch, side: int, clear: bool
) -> None:
    monkeypatch.setattr(post_processing, "middle_of", lambda _brain, _mm: MidPlane((side, 0, 0), side * 12.0, 0.9))
    labels, softmax, cube = likelier_cavity()
    images = fluid_found(labels, cube)
    if not clear:
        images[SequenceRole.FLAIR][cube] = 6
        images[SequenceRole.FLAIR][:2] = -2
    found, _ = processed(labels, LIKELIER, softmax, images, operated=True)
    if clear:
        cube[14:] = False  # the midline is not known to the voxel
    assert np.array_equal(found == RC, cube)


@pytest.mark.parametrize(("sure", "stays"), [(0.8, False), (0.7, True)])
def test_how_sure_the_model_is_of_a_likelier_cavity_counts_with_its_odds(sure: float, stays: bool) -> None:
    """Odds of 1 to 6.3 are 20 to 6.3."""
    labels, softmax, cube = likelier_cavity()
    rules = replace(LIKELIER, doubtful=Doubtful(below_ml=1, sure=sure))
    softmax[:, labels > 0] = np.array([0, 255, 0, 0, 0])[:, None]
    labels[2:9, 2:9, 2:9] = NETC  # the largest finding, most of it in doubt
    softmax[:, labels > 0] = np.array([40, 215, 0, 0, 0])[:, None]
    found, _ = processed(labels, rules, softmax, operated=True)
    assert (found[cube] == RC).all() == stays


def test_nothing_to_do_changes_nothing(labels: np.ndarray) -> None:
    found, messages = processed(labels, PostProcessing(0))
    assert np.array_equal(found, labels) and messages == ()
    empty = np.zeros(GRID.shape, np.uint8)
    found, messages = processed(empty, GLIOMA_POST_PROCESSING)
    assert not found.any() and messages == ()


def test_a_little_cavity_stays_where_something_else_was_found() -> None:
    rules = PostProcessing(0, too_small=(TooSmall(RC, 1.0, 0, alone=True),))
    labels = np.zeros(GRID.shape, np.uint8)
    labels[4:10, 4:10, 4:10] = RC
    found, messages = processed(labels, rules)
    assert not found.any()
    assert messages == ("0.22 mL of RC, less than 1 mL, were taken for background.",)
    labels[15:17, 4:10, 4:10] = SNFH
    found, messages = processed(labels, rules)
    assert np.array_equal(found, labels) and messages == ()


def test_the_glioma_rules_name_the_program_s_labels() -> None:
    names = {label.value: label.name for label in SCHEME.labels}
    enhancing, recurrence, cavity, speck = GLIOMA_POST_PROCESSING.too_small
    assert (names[enhancing.label], names[enhancing.becomes], enhancing.below_ml) == ("ET", "NETC", 0.2)
    assert (names[recurrence.label], names[recurrence.becomes], recurrence.below_ml) == ("ET", "SNFH", 0.1)
    assert (enhancing.operated, recurrence.operated) == (False, True)
    assert (names[cavity.label], cavity.becomes, cavity.below_ml, cavity.alone) == ("RC", 0, 1.0, True)
    assert (names[speck.label], names[speck.becomes], speck.below_ml, speck.alone) == ("RC", "SNFH", 0.1, False)


@pytest.mark.parametrize(("edge", "stays"), [(4, False), (5, True)])
def test_a_speck_of_cavity_in_a_tumour_is_none(edge: int, stays: bool) -> None:
    labels = np.full(GRID.shape, SNFH, np.uint8)
    labels[4 : 4 + edge, 4 : 4 + edge, 4 : 4 + edge] = RC  # 0.06 and 0.13 mL
    rules = PostProcessing(0, too_small=GLIOMA_POST_PROCESSING.too_small)
    found, messages = processed(labels, rules)
    assert (found == RC).any() == stays
    assert messages == (() if stays else ("0.06 mL of RC, less than 0.1 mL, were taken for SNFH.",))


HEAD = Grid((60, 48, 40), np.diag([1.5, 1.5, 2.0, 1.0]))


def on_a_head(
    labels: np.ndarray, *mirrored: Mirrored, aside: int = 0, operated: bool = False
) -> tuple[np.ndarray, tuple[str, ...]]:
    """What the rules leave of labels on an ellipsoidal brain about voxel 30 + aside, 24, 20."""
    i, j, k = np.ogrid[:60, :48, :40]
    brain = ((i - 30 - aside) / 22) ** 2 + ((j - 24) / 20) ** 2 + ((k - 20) / 17) ** 2 < 1
    rules, softmax = PostProcessing(0, mirrored=mirrored), np.zeros((5, *labels.shape), np.uint8)
    return post_processed(labels, softmax, brain, rules, SCHEME, HEAD, {}, operated=operated)


def tumour_and_cerebellum() -> np.ndarray:
    labels = np.zeros(HEAD.shape, np.uint8)
    labels[34:44, 20:30, 22:30] = SNFH  # a tumour on one side
    labels[36:40, 22:26, 24:27] = ET
    labels[16:26, 8:16, 6:11] = SNFH  # both hemispheres of the cerebellum
    labels[35:45, 8:16, 6:11] = SNFH
    return labels


@pytest.mark.parametrize("aside", [0, -6])
def test_tissue_that_both_sides_show_alike_is_left_out_and_the_reader_is_told(aside: int) -> None:
    labels = np.roll(tumour_and_cerebellum(), aside, axis=0)
    found, messages = on_a_head(labels, Mirrored(SNFH), aside=aside)
    assert not found[:, :, :18].any()
    assert np.array_equal(found[:, :, 18:], labels[:, :, 18:])
    assert messages == ("3.6 mL of SNFH that lie on both sides alike were left out as normal anatomy.",)


def test_the_plane_between_the_sides_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(both_sides, "find_midplane", lambda image: asked.append(image) or find_midplane(image))
    labels = tumour_and_cerebellum()
    labels[22:27, 30:34, 20:26] = labels[34:39, 30:34, 20:26] = RC
    found, messages = on_a_head(labels, Mirrored(SNFH), Mirrored(RC, alone=True))
    assert not found[16:26, 8:16, 6:11].any() and not (found == RC).any()
    assert len(messages) == 2 and len(asked) == 1


@pytest.mark.parametrize("operated", [False, True])
def test_fluid_in_what_both_sides_show_is_a_cavity_only_where_there_was_surgery(operated: bool) -> None:
    labels = tumour_and_cerebellum()
    labels[18:24, 9:15, 7:10] = RC
    found, messages = on_a_head(labels, Mirrored(SNFH, also=(RC,)), operated=operated)
    assert (found[16:26, 8:16, 6:11] > 0).any() == operated
    assert not found[35:45, 8:16, 6:11].any()
    words = "SNFH" if operated else "SNFH and RC"
    assert messages[0].endswith(f" mL of {words} that lie on both sides alike were left out as normal anatomy.")


def test_a_core_on_both_sides_stays() -> None:
    labels = tumour_and_cerebellum()
    labels[18:24, 9:15, 7:10] = ET
    found, _ = on_a_head(labels, Mirrored(SNFH))
    assert (found[16:26, 8:16, 6:11] > 0).all()
    assert not found[35:45, 8:16, 6:11].any()


def test_tissue_on_both_sides_stays_when_there_is_no_other() -> None:
    labels = tumour_and_cerebellum()
    labels[:, :, 20:] = 0
    found, messages = on_a_head(labels, Mirrored(SNFH))
    assert np.array_equal(found, labels) and messages == ()


def test_a_tumour_across_the_midline_stays_whatever_little_lies_elsewhere() -> None:
    labels = np.zeros(HEAD.shape, np.uint8)
    labels[18:43, 14:30, 20:26] = SNFH
    labels[22:26, 34:38, 20:23] = SNFH
    found, messages = on_a_head(labels, Mirrored(SNFH))
    assert np.array_equal(found, labels) and messages == ()


def test_fluid_of_both_ventricles_is_no_cavity_whatever_touches_it() -> None:
    labels = np.zeros(HEAD.shape, np.uint8)
    labels[22:27, 14:30, 20:26] = RC
    labels[34:39, 14:30, 20:26] = RC
    labels[39:46, 16:28, 20:26] = SNFH  # a tumour beside one of them
    labels[14:18, 34:40, 20:26] = RC  # and the cavity itself
    found, messages = on_a_head(labels, Mirrored(RC, alone=True))
    assert not (found[:, :31] == RC).any()
    assert (found[14:18, 34:40, 20:26] == RC).all() and (found[39:46, 16:28, 20:26] == SNFH).all()
    assert messages == ("4.3 mL of RC that lie on both sides alike were left out as normal anatomy.",)


def test_a_cavity_across_the_midline_stays() -> None:
    labels = np.zeros(HEAD.shape, np.uint8)
    labels[22:39, 14:30, 20:26] = RC
    found, messages = on_a_head(labels, Mirrored(RC, alone=True))
    assert np.array_equal(found, labels) and messages == ()


def ring(gap: int = 0, thickness: int = 2) -> np.ndarray:
    """A shell of ET about NETC and SNFH, in SNFH; `gap` voxels wide an opening toward the front."""
    labels = np.full(GRID.shape, SNFH, np.uint8)
    labels[4:16, 4:16, 4:16] = ET
    inner = slice(4 + thickness, 16 - thickness)
    labels[inner, inner, inner] = SNFH
    labels[inner, inner, 10] = NETC
    labels[10 : 10 + gap, 14:16, 10 : 10 + gap] = SNFH
    return labels


CORE = PostProcessing(0, enclosed=(Enclosed(SNFH, (NETC, ET), NETC),))


@pytest.mark.parametrize("gap", [0, 2])
def test_what_a_rim_encloses_is_core_even_with_a_small_gap_and_the_reader_is_told(gap: int) -> None:
    labels = ring(gap)
    found, (message,) = processed(labels, CORE)
    assert (found[6:14, 6:14, 6:14] == NETC).all()
    assert (found[:3] == SNFH).all() and (found[labels == ET] == ET).all()
    assert message == f"0.{'4' if gap == 0 else '5'} mL of SNFH within NETC and ET were taken for NETC."


def test_a_part_of_a_larger_grid_is_enough() -> None:
    labels = ring()
    part = labels[2:18, 2:18, 2:18]
    softmax = np.zeros((5, *part.shape), np.uint8)
    found, _ = post_processed(part, softmax, np.ones(part.shape, bool), CORE, SCHEME, GRID, {})
    assert (found[4:12, 4:12, 4:12] == NETC).all()


def test_an_open_rim_encloses_nothing_but_its_notches() -> None:
    labels = ring()
    labels[labels == NETC] = SNFH
    labels[4:16, 10:16, 4:16] = SNFH
    found, _ = processed(labels, CORE)
    assert (found[8:12, 8:16, 8:12] == SNFH).all()
    assert (found[:, 11:] == SNFH).all()


def test_a_cavity_within_a_rim_stays_a_cavity() -> None:
    labels = ring()
    labels[6:14, 6:14, 6:14] = RC
    labels[8, 8, 8] = 0
    found, _ = processed(labels, CORE)
    assert np.array_equal(found, labels)


def test_a_tube_open_at_both_ends_is_closed_in_one_plane_only() -> None:
    labels = np.full(GRID.shape, SNFH, np.uint8)
    labels[4:16, 4:16] = ET
    labels[7:13, 7:13] = SNFH
    found, _ = processed(labels, CORE)
    assert np.array_equal(found, labels)


def ringed_tumour() -> np.ndarray:
    """SNFH about a ring of ET that encloses 0.512 mL of NETC; 0.108 mL more NETC lies outside, 0.5 mL elsewhere."""
    labels = np.zeros((40, 20, 20), np.uint8)
    labels[1:20] = SNFH
    labels[6:16, 4:14, 4:14] = ET
    labels[7:15, 5:13, 5:13] = NETC
    labels[6:16, 17:20, 4:8] = NETC
    labels[25:35, 5:10, 5:15] = NETC
    return labels


def outside(least_ml: float = 0.4, share: float = 1 / 3) -> PostProcessing:
    return PostProcessing(0, outside=(Outside(NETC, (ET,), SNFH, notch_mm=4.0, least_ml=least_ml, share=share),))


def test_core_outside_a_ring_is_oedema_and_the_reader_is_told() -> None:
    labels = ringed_tumour()
    found, messages = processed(labels, outside())
    assert (found[6:16, 17:20, 4:8] == SNFH).all()
    assert messages == ("0.1 mL of NETC outside a rim of ET were taken for SNFH.",)
    found[6:16, 17:20, 4:8] = NETC
    assert np.array_equal(found, labels)  # the core within, the rim, and the other lesion stay


def test_what_would_be_told_as_nothing_is_not_told() -> None:
    labels = ringed_tumour()
    labels[8:16, 17:20, 4:8] = SNFH  # 0.024 mL of core are left outside
    found, messages = processed(labels, outside())
    assert (found[6:16, 17:20, 4:8] == SNFH).all() and messages == ()


def test_core_stays_where_the_ring_encloses_too_little_or_is_a_small_part_of_the_lesion() -> None:
    labels = ringed_tumour()
    assert np.array_equal(processed(labels, outside(least_ml=0.6))[0], labels)
    assert np.array_equal(processed(labels, outside(share=0.95))[0], labels)


def test_core_in_a_notch_of_the_ring_is_not_outside() -> None:
    labels = ringed_tumour()
    labels[9:12, 13, 8:11] = NETC  # a gap of 3 mm, which core fills
    assert (processed(labels, outside())[0][9:12, 13, 8:11] == NETC).all()


def test_a_ring_open_on_one_side_has_an_inside_and_an_outside() -> None:
    labels = ringed_tumour()
    labels[7:15, 13, 5:13] = NETC  # no rim on that side; its edges stand
    found, _ = processed(labels, outside())
    assert (found[6:16, 17:20, 4:8] == SNFH).all()
    assert (found[7:15, 5:14, 5:13] == NETC).all()


def test_a_far_island_of_enhancement_does_not_widen_the_ring() -> None:
    labels = ringed_tumour()
    labels[10:12, 19, 15:17] = ET
    assert (processed(labels, outside())[0][6:16, 17:20, 4:8] == SNFH).all()


def test_core_beside_a_flat_sheet_of_enhancement_stays() -> None:
    labels = np.full((12, 12, 12), NETC, np.uint8)
    labels[5] = ET
    assert np.array_equal(processed(labels, outside(least_ml=0.1, share=0.0))[0], labels)


def test_core_without_any_enhancement_stays() -> None:
    labels = ringed_tumour()
    labels[labels == ET] = NETC
    assert np.array_equal(processed(labels, GLIOMA_POST_PROCESSING)[0], labels)


T1GD = SequenceRole.T1GD
EDGES = PostProcessing(0, outlines=(Outline(ET, T1GD, (NETC, SNFH)),))


def sheet(level: float) -> tuple[np.ndarray, np.ndarray]:
    """A sheet of ET of 100 between NETC of 20 and SNFH of 40; the voxels beside it hold `level` of the difference."""
    labels = np.full((20, 20, 20), NETC, np.uint8)
    labels[10:13] = ET
    labels[13:] = SNFH
    image = np.select([labels == NETC, labels == ET], [20.0, 100.0], 40.0).astype(np.float32)
    image[9] += level * 80
    image[13] += level * 60
    return labels, image


@pytest.mark.parametrize(("level", "first", "last"), [(0.2, 10, 12), (0.3, 9, 13)])
def test_a_voxel_that_enhances_by_a_quarter_belongs_to_the_enhancing_tumour(
    level: float, first: int, last: int
) -> None:
    labels, image = sheet(level)
    found, messages = processed(labels, EDGES, images={T1GD: image * 7 - 300})  # the unit does not matter
    enhancing = (found == ET).all(axis=(1, 2))
    assert np.flatnonzero(enhancing).tolist() == list(range(first, last + 1))
    assert np.array_equal(found[~enhancing], labels[~enhancing])
    assert messages == ()


def test_the_outline_moves_by_no_more_than_its_reach_and_never_into_healthy_tissue() -> None:
    labels, image = sheet(0.45)
    image[8] = 90
    labels[:, 15:] = 0
    labels[10:13, 15:] = ET
    found, _ = processed(labels, EDGES, images={T1GD: image})
    assert (found[9, :15] == ET).all() and (found[:9, :15] == NETC).all()
    assert (found[9, 15:] == 0).all()


def test_without_its_sequence_or_where_the_rim_is_the_darker_an_outline_stays() -> None:
    labels, image = sheet(0.45)
    assert np.array_equal(processed(labels, EDGES, images={SequenceRole.FLAIR: image})[0], labels)
    assert np.array_equal(processed(labels, EDGES, images={T1GD: -image})[0], labels)


def test_uneven_tissue_beside_faint_enhancement_is_left_to_the_tissue() -> None:
    labels, image = sheet(0.0)
    noise = np.random.default_rng(0).normal(0, 30, image.shape).astype(np.float32)
    image += np.where(labels == SNFH, noise, 0)
    image[13] = 40 + 0.45 * 60  # less than one standard deviation of the tissue
    found, _ = processed(labels, EDGES, images={T1GD: image})
    assert np.array_equal(found, labels)


def test_a_faint_island_does_not_grow_into_what_is_brighter_than_usual_only_beside_it() -> None:
    labels, image = sheet(0.0)
    labels[17, 5:15, 5:15] = ET
    image[17, 5:15, 5:15] = 55  # against 100 of the sheet
    image[18, 5:15, 5:15] = 48
    found, _ = processed(labels, EDGES, images={T1GD: image})
    assert np.array_equal(found, labels)


WITHOUT_RIM = PostProcessing(0, unenclosed=(Unenclosed(NETC, (ET,), cavity=RC, becomes=SNFH),))


def operated_brain() -> tuple[np.ndarray, dict[SequenceRole, np.ndarray]]:
    """Core of 1 mL without a rim, half of it fluid, and a ring of ET with core, as bright as that fluid; FLAIR and T2.

    White matter is 1; fluid 1.2 on FLAIR, as turbid as that, and 2.5 on T2; oedema 1.8 and 1.6.
    """
    labels = np.zeros((40, 20, 20), np.uint8)
    labels[3:13, 5:15, 5:15] = NETC
    labels[22:34, 4:16, 4:16] = ET
    labels[25:31, 7:13, 7:13] = NETC
    flair, t2 = np.ones(labels.shape, np.float32), np.ones(labels.shape, np.float32)
    flair[:, ::2], t2[:, ::2] = 1.3, 1.6  # grey matter
    flair[:, :2], t2[:, :2] = 0.1, 3.0  # cerebrospinal fluid
    flair[labels == NETC], t2[labels == NETC] = 1.2, 2.5
    flair[8:13, 5:15, 5:15], t2[8:13, 5:15, 5:15] = 1.8, 1.6
    return labels, {SequenceRole.FLAIR: flair, SequenceRole.T2: t2}


def test_core_without_a_rim_is_cavity_or_oedema_after_surgery() -> None:
    labels, images = operated_brain()
    found, messages = processed(labels, WITHOUT_RIM, images=images, operated=True)
    assert (found[3:7, 5:15, 5:15] == RC).mean() > 0.95  # a voxel at the border may go to either
    assert (found[9:13, 5:15, 5:15] == SNFH).mean() > 0.95
    assert np.array_equal(found[20:], labels[20:])  # what a rim encloses stays core
    assert messages[0].endswith("mL of NETC without a rim of ET were taken for RC, after surgery.")
    assert messages[1].endswith("mL of NETC without a rim of ET were taken for SNFH, after surgery.")


def test_fluid_too_turbid_for_flair_is_told_by_t1gd() -> None:
    labels, images = operated_brain()
    images[SequenceRole.FLAIR][3:8, 5:15, 5:15], images[SequenceRole.T2][3:8, 5:15, 5:15] = 1.6, 1.8
    t1gd = np.ones(labels.shape, np.float32)
    t1gd[:, ::2], t1gd[:, :2] = 0.8, 0.2
    t1gd[labels == NETC] = 0.8
    t1gd[3:8, 5:15, 5:15] = 0.3
    images[SequenceRole.T1GD] = t1gd
    rules = replace(WITHOUT_RIM, unenclosed=(replace(WITHOUT_RIM.unenclosed[0], dark_level=1.05),))
    found, _ = processed(labels, rules, images=images, operated=True)
    assert (found[4:7, 6:14, 6:14] == RC).mean() > 0.95
    assert (found[9:12, 6:14, 6:14] == SNFH).mean() > 0.95
    del images[SequenceRole.T1GD]
    found, _ = processed(labels, rules, images=images, operated=True)
    assert (found[4:7, 6:14, 6:14] == SNFH).mean() > 0.95


@pytest.mark.parametrize(("voxels", "before", "after"), [(5, NETC, SNFH), (15, NETC, ET), (25, ET, ET)])
def test_a_recurrence_may_be_smaller_than_a_tumour(voxels: int, before: int, after: int) -> None:
    labels = np.zeros(GRID.shape, np.uint8)
    labels[4:16, 4:16, 4:16] = SNFH
    labels.reshape(-1)[np.flatnonzero(labels == SNFH)[:voxels]] = ET
    small = (
        TooSmall(label=ET, below_ml=0.02, becomes=NETC, operated=False),
        TooSmall(label=ET, below_ml=0.01, becomes=SNFH, operated=True),
    )
    for operated, value in ((False, before), (True, after)):
        found, messages = processed(labels, PostProcessing(0, too_small=small), operated=operated)
        assert (found[labels == ET] == value).all() and len(messages) == (value != ET)


def core_and_oedema(
    core: tuple[float, float], oedema: tuple[float, float]
) -> tuple[np.ndarray, dict[SequenceRole, np.ndarray]]:
    """A mask of core and oedema apart from each other, and images: how bright each is on FLAIR and T1Gd, all else 1."""
    shape = (40, 20, 20)
    labels = np.zeros(shape, np.uint8)
    labels[3:13, 5:15, 5:15] = NETC
    labels[20:36, 5:15, 5:15] = SNFH
    images = {role: np.ones(shape, np.float32) for role in (SequenceRole.FLAIR, SequenceRole.T2, T1GD)}
    for image in images.values():
        image[:, :2] = 0
    for label, brightness in ((NETC, core), (SNFH, oedema)):
        images[SequenceRole.FLAIR][labels == label], images[T1GD][labels == label] = brightness
    return labels, images


@pytest.mark.parametrize(
    ("flair", "sure", "kept", "fluid"),
    [(1.25, 0.9, 1.0, True), (1.25, 0.7, 1.0, False), (1.25, 0.9, 0.0, False), (1.6, 0.9, 1.0, False)],
)
def test_core_much_darker_than_the_patients_own_oedema_is_fluid(
    flair: float, sure: float, kept: float, fluid: bool
) -> None:
    """The level that suits most patients does not tell it; on this scale it has 1.5 (or 2.0), oedema 2.2."""
    labels, images = core_and_oedema((flair, 0.75), (1.8, 0.9))
    softmax = np.zeros((5, *labels.shape), np.uint8)
    softmax[NETC][labels == NETC] = round(255 * sure)
    rule = replace(WITHOUT_RIM.unenclosed[0], dark_level=1.05, darker=0.85 * kept)
    rules = replace(WITHOUT_RIM, unenclosed=(rule,))
    found, _ = processed(labels, rules, softmax, images, operated=True)
    assert (found[4:12, 6:14, 6:14] == (RC if fluid else SNFH)).all()
    assert (found[labels == SNFH] == SNFH).all()


@pytest.mark.parametrize(("flair", "fluid"), [(1.0, False), (0.7, False), (0.35, True)])
def test_core_as_dark_as_the_patients_own_oedema_is_none_though_it_is_below_the_levels(
    flair: float, fluid: bool
) -> None:
    """On these scales oedema has 0.6 and with T1Gd 1.0, core half less than its FLAIR and 0.1 less than that."""
    labels, images = core_and_oedema((flair, 0.4), (1.1, 0.4))
    rule = replace(WITHOUT_RIM.unenclosed[0], dark_level=1.05)
    for apart, called in ((0.6, RC if fluid else SNFH), (0.0, RC)):
        rules = replace(WITHOUT_RIM, unenclosed=(replace(rule, apart=apart),))
        found, _ = processed(labels, rules, images=images, operated=True)
        assert (found[4:12, 6:14, 6:14] == called).all()
        assert (found[labels == SNFH] == SNFH).all()


def test_where_there_is_no_oedema_to_compare_with_the_level_decides() -> None:
    labels, images = operated_brain()
    images[T1GD] = images[SequenceRole.FLAIR]
    softmax = np.full((5, *labels.shape), 255, np.uint8)
    plain = replace(WITHOUT_RIM, unenclosed=(replace(WITHOUT_RIM.unenclosed[0], dark_level=1.05),))
    rules = replace(plain, unenclosed=(replace(plain.unenclosed[0], darker=0.85, apart=0.6),))
    found = [processed(labels, which, softmax, images, operated=True)[0] for which in (plain, rules)]
    assert np.array_equal(*found)


def test_the_scale_of_the_images_says_nothing_about_fluid() -> None:
    labels, images = operated_brain()
    scaled = {role: 300 * image - 40 for role, image in images.items()}
    found, _ = processed(labels, WITHOUT_RIM, images=images, operated=True)
    assert np.array_equal(processed(labels, WITHOUT_RIM, images=scaled, operated=True)[0], found)


@pytest.mark.parametrize("absent", [SequenceRole.FLAIR, SequenceRole.T2])
def test_core_without_a_rim_stays_where_nothing_tells_fluid_from_oedema(absent: SequenceRole) -> None:
    labels, images = operated_brain()
    del images[absent]
    assert np.array_equal(processed(labels, WITHOUT_RIM, images=images, operated=True)[0], labels)


def test_core_without_a_rim_stays_where_no_surgery_is_known() -> None:
    labels, images = operated_brain()
    assert np.array_equal(processed(labels, WITHOUT_RIM, images=images)[0], labels)


def test_a_rim_that_covers_little_of_a_core_does_not_count() -> None:
    labels, images = operated_brain()
    labels[3:13, 15, 5:15] = ET  # one side of six
    assert (processed(labels, WITHOUT_RIM, images=images, operated=True)[0][3:7, 5:15, 5:15] == RC).mean() > 0.95
    labels[3:13, 5:15, 15] = labels[3:13, 4, 5:15] = ET  # three of six
    assert np.array_equal(processed(labels, WITHOUT_RIM, images=images, operated=True)[0], labels)


def test_the_thin_lining_of_a_cavity_is_no_rim_of_core() -> None:
    labels, images = operated_brain()
    # One voxel thick, on three sides of six.
    labels[3:13, 5:15, 15] = labels[3:13, 15, 5:15] = labels[3:13, 4, 5:15] = ET
    lined = replace(WITHOUT_RIM, unenclosed=(replace(WITHOUT_RIM.unenclosed[0], thinner_mm=2.0),))
    found, _ = processed(labels, lined, images=images, operated=True)
    assert (found[3:7, 5:15, 5:15] == RC).mean() > 0.95
    assert np.array_equal(found[20:], labels[20:])  # the ring is three voxels thick
    labels[3:13, 5:15, 15:18] = labels[3:13, 15:18, 5:15] = labels[3:13, 2:5, 5:15] = ET
    assert np.array_equal(processed(labels, lined, images=images, operated=True)[0], labels)


def test_a_droplet_of_fluid_in_core_is_no_cavity() -> None:
    labels, images = operated_brain()
    labels[3:13] = 0
    labels[6:13, 8:12, 8:12] = NETC  # 0.03 mL of it fluid
    found, _ = processed(labels, WITHOUT_RIM, images=images, operated=True)
    assert not (found == RC).any() and (found[6:13, 8:12, 8:12] == SNFH).all()


LINING = PostProcessing(0, linings=(Lining(ET, cavity=RC, becomes=SNFH),))


def lined_cavity() -> np.ndarray:
    """A cavity lined by ET of one voxel on one side, with a nodule of ET on another; a thin sheet of ET far away."""
    labels = np.zeros((40, 20, 20), np.uint8)
    labels[5:15, 5:15, 5:15] = RC
    labels[4, 5:15, 5:15] = ET
    labels[15:20, 7:12, 7:12] = ET
    labels[30, 5:15, 5:15] = ET
    return labels


def test_a_thin_line_along_a_cavity_is_no_tumour_after_surgery() -> None:
    labels = lined_cavity()
    found, messages = processed(labels, LINING, operated=True)
    assert (found[4, 5:15, 5:15] == SNFH).all()
    assert messages == ("0.1 mL of ET in thin lines along RC were left out, after surgery.",)
    found[4, 5:15, 5:15] = ET
    assert np.array_equal(found, labels)  # the nodule, and what lies elsewhere


def test_a_line_along_a_cavity_stays_where_no_surgery_is_known() -> None:
    labels = lined_cavity()
    assert np.array_equal(processed(labels, LINING)[0], labels)


def test_without_a_cavity_nothing_is_a_lining() -> None:
    labels = lined_cavity()
    labels[labels == RC] = SNFH
    assert np.array_equal(processed(labels, LINING, operated=True)[0], labels)
