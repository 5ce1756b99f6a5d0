from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT as SCHEME
from glioma_annotator.domain.mask_rules import Lining, Paired, PostProcessing, TooSmall
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.inference import both_sides
from glioma_annotator.inference.post_processing import post_processed

NETC, SNFH, ET, RC = 1, 2, 3, 4
FLUID = Paired(RC, alike=(SequenceRole.T2, SequenceRole.FLAIR), slack=0.5, within_mm=2.0, around_mm=4.0)
GRID = Grid((60, 48, 40), np.diag([1.5, 1.5, 2.0, 1.0]))
RULE = Paired(label=ET, as_bright=(SequenceRole.T1GD,), thinner_mm=4.0, bordering=0.25)
TOLD = "mL of ET that the other side shows as well were left out as normal anatomy."
LEFT, RIGHT = slice(20, 22), slice(38, 40)  # a sheet on either side of the plane through voxel 29.5
SHEET = (slice(12, 24), slice(14, 26))


def brain() -> np.ndarray:
    i, j, k = np.ogrid[:60, :48, :40]
    return ((i - 29.5) / 22) ** 2 + ((j - 24) / 20) ** 2 + ((k - 20) / 17) ** 2 < 1


def head(bright_on_the_left: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Labels with a sheet of ET, 3 mm thick, on the right, and T1Gd in which it is bright, as may be its like."""
    image = np.where(brain(), 100, 0).astype(np.float32)
    image[RIGHT, *SHEET] = 180
    if bright_on_the_left:
        image[LEFT, *SHEET] = 185
    labels = np.zeros(GRID.shape, np.uint8)
    labels[RIGHT, *SHEET] = ET
    return labels, image


def processed(
    labels: np.ndarray, image: np.ndarray, rules: PostProcessing | None = None, *, operated: bool = False
) -> tuple[np.ndarray, tuple[str, ...]]:
    rules = rules or PostProcessing(0, paired=(RULE,))
    softmax = np.zeros((5, *labels.shape), np.uint8)
    return post_processed(labels, softmax, brain(), rules, SCHEME, GRID, {SequenceRole.T1GD: image}, operated=operated)


def test_a_sheet_that_the_other_side_shows_as_well_is_no_tumour_and_the_reader_is_told() -> None:
    labels, image = head()
    found, messages = processed(labels, image)
    assert not found.any()
    assert messages == (f"1.3 {TOLD}",)


def test_a_sheet_that_one_side_alone_shows_stays() -> None:
    labels, image = head(bright_on_the_left=False)
    found, messages = processed(labels, image)
    assert np.array_equal(found, labels) and messages == ()


@pytest.mark.parametrize(("moved", "stays"), [(2, False), (4, True)])
def test_its_like_may_lie_a_little_elsewhere(moved: int, stays: bool) -> None:
    labels, image = head(bright_on_the_left=False)
    image[LEFT.start - moved : LEFT.stop - moved, *SHEET] = 185  # 3 mm, or 6
    found, _ = processed(labels, image)
    assert found.any() == stays


def test_a_thick_part_stays() -> None:
    labels, image = head()
    labels[38:43, 14:19, 16:20] = ET  # a ball of 4 mm fits
    found, _ = processed(labels, image)
    assert np.array_equal(found, labels)


def test_a_sheet_within_the_tumour_stays() -> None:
    labels, image = head()
    labels[36:42, 10:26, 12:28][labels[36:42, 10:26, 12:28] == 0] = SNFH
    found, _ = processed(labels, image)
    assert np.array_equal(found, labels)


def test_half_of_the_voxels_must_have_their_like() -> None:
    labels, image = head(bright_on_the_left=False)
    image[LEFT, 12:17, 14:26] = 185  # with 4 mm around, 7 of 12 rows
    assert not processed(labels, image)[0].any()
    strict = PostProcessing(0, paired=(replace(RULE, share=0.9),))
    assert np.array_equal(processed(labels, image, strict)[0], labels)


def test_without_its_sequence_nothing_is_left_out() -> None:
    labels, _ = head()
    softmax = np.zeros((5, *labels.shape), np.uint8)
    found, _ = post_processed(labels, softmax, brain(), PostProcessing(0, paired=(RULE,)), SCHEME, GRID, {})
    assert np.array_equal(found, labels)


def test_the_plane_is_not_looked_for_where_nothing_is_thin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(both_sides, "find_midplane", lambda image: pytest.fail("looked for"))
    labels, image = head()
    labels[36:44, 12:24, 14:26] = ET
    assert np.array_equal(processed(labels, image)[0], labels)


def test_little_enhancement_that_is_left_over_counts_as_little() -> None:
    labels, image = head()
    labels[36:42, 34:40, 16:22] = SNFH
    labels[38:40, 36:38, 18:20] = ET  # 0.04 mL of it elsewhere
    rules = PostProcessing(0, paired=(RULE,), too_small=(TooSmall(label=ET, below_ml=0.2, becomes=NETC),))
    found, messages = processed(labels, image, rules)
    assert not (found == ET).any() and (found[38:40, 36:38, 18:20] == NETC).all()
    assert len(messages) == 2


def test_what_the_lining_of_a_cavity_had_joined_to_other_tissue_is_left_out_after_it() -> None:
    labels, image = head()
    labels[36:48, 10:26, 22:26][labels[36:48, 10:26, 22:26] == 0] = SNFH
    labels[36:48, 10:26, 26] = ET  # the lining; the sheet ends at it
    labels[36:48, 10:26, 27:33] = RC
    lining = Lining(label=ET, cavity=RC, becomes=SNFH, thinner_mm=4.0, within_mm=2.0)
    rules = PostProcessing(0, paired=(replace(RULE, share=0.9),), linings=(lining,))
    assert (processed(labels, image, rules)[0] == ET).any()
    assert not (processed(labels, image, rules, operated=True)[0] == ET).any()


def test_a_part_at_the_image_s_edge_has_no_like_beyond_it() -> None:
    labels, image = head(bright_on_the_left=False)
    labels[:] = 0
    labels[57:60, 20:28, 16:24] = ET
    image[57:60, 20:28, 16:24] = 180
    assert np.array_equal(processed(labels, image)[0], labels)


def test_a_sheet_across_the_plane_is_not_its_own_like_but_one_along_it_is() -> None:
    labels, image = head(bright_on_the_left=False)
    labels[:], image = 0, np.where(brain(), 100, 0).astype(np.float32)
    labels[20:40, 12:24, 20] = ET
    image[20:40, 12:24, 20] = 180
    assert np.array_equal(processed(labels, image)[0], labels)  # across the corpus callosum
    labels[:], image = 0, np.where(brain(), 100, 0).astype(np.float32)
    labels[29:31, 12:36, 28:34] = ET
    image[29:31, 12:36, 28:34] = 180
    assert not processed(labels, image)[0].any()  # the falx


def ventricles(t2: float = 300, flair: float = 20) -> tuple[np.ndarray, dict[SequenceRole, np.ndarray]]:
    """A cavity on the right, RC, and a ventricle on either side, of which the right one is called RC too.

    Fluid in the cavity has these intensities; brain has 100, with noise.
    """
    rng = np.random.default_rng(0)
    images = {
        role: 100 + rng.normal(0, 10, GRID.shape).astype(np.float32) for role in (SequenceRole.T2, SequenceRole.FLAIR)
    }
    labels = np.zeros(GRID.shape, np.uint8)
    labels[34:38, 16:28, 14:22] = RC
    labels[42:50, 26:34, 16:22] = RC
    for place in (np.s_[34:38, 16:28, 14:22], np.s_[22:26, 16:28, 14:22]):
        images[SequenceRole.T2][place], images[SequenceRole.FLAIR][place] = 300, 20
    images[SequenceRole.T2][42:50, 26:34, 16:22], images[SequenceRole.FLAIR][42:50, 26:34, 16:22] = t2, flair
    for image in images.values():
        image[~brain()] = 0
    return labels, images


@pytest.mark.parametrize(("t2", "flair"), [(300, 20), (300, 110), (180, 60)])
def test_a_ventricle_is_no_cavity_and_a_cavity_stays(t2: float, flair: float) -> None:
    labels, images = ventricles(t2, flair)
    softmax = np.zeros((5, *labels.shape), np.uint8)
    rules = PostProcessing(0, paired=(RULE, FLUID))
    found, messages = post_processed(labels, softmax, brain(), rules, SCHEME, GRID, images)
    assert not (found[34:38] == RC).any() and (found[42:50, 26:34, 16:22] == RC).all()
    assert messages == ("1.7 mL of RC that the other side shows as well were left out as normal anatomy.",)


@pytest.mark.parametrize("scale", [1e-3, 1e4])
def test_the_unit_of_the_images_says_nothing(scale: float) -> None:
    labels, images = ventricles()
    softmax = np.zeros((5, *labels.shape), np.uint8)
    scaled = {role: image * scale + 7 * scale for role, image in images.items()}
    found, _ = post_processed(labels, softmax, brain(), PostProcessing(0, paired=(FLUID,)), SCHEME, GRID, scaled)
    assert not (found[34:38] == RC).any() and (found[42:50, 26:34, 16:22] == RC).all()


def test_one_of_its_sequences_is_not_enough() -> None:
    labels, images = ventricles()
    softmax = np.zeros((5, *labels.shape), np.uint8)
    del images[SequenceRole.FLAIR]
    found, _ = post_processed(labels, softmax, brain(), PostProcessing(0, paired=(FLUID,)), SCHEME, GRID, images)
    assert np.array_equal(found, labels)


def test_a_cavity_stays_that_has_run_into_a_larger_ventricle() -> None:
    labels, images = ventricles()
    for side in (slice(38, 46), slice(14, 22)):  # the ventricles reach farther, the right one as far as the cavity
        images[SequenceRole.T2][side, 16:26, 14:22], images[SequenceRole.FLAIR][side, 16:26, 14:22] = 300, 20
    labels[38:46, 16:26, 14:22] = RC
    softmax = np.zeros((5, *labels.shape), np.uint8)
    found, _ = post_processed(labels, softmax, brain(), PostProcessing(0, paired=(FLUID,)), SCHEME, GRID, images)
    assert (found[42:50, 29:34, 16:22] == RC).all()
    assert not (found[34:44, 16:23, 14:22] == RC).any()
    whole = PostProcessing(0, paired=(replace(FLUID, around_mm=0),))
    gone, _ = post_processed(labels, softmax, brain(), whole, SCHEME, GRID, images)
    assert not (gone == RC).any()
