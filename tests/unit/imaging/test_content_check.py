"""Does an image look like what its name says?"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from phantoms import FLAIR, T1, T1GD, T2, head

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.imaging.content_check import check_contents, shrink
from glioma_annotator.imaging.nifti import read_volume

GRID = Grid((30, 34, 28), np.array([[6.0, 0, 0, -87], [0, 6, 0, -99], [0, 0, 6, -81], [0, 0, 0, 1]]))
Images = dict[SequenceRole, Volume]
SWAPS = ((T1GD, T2), (FLAIR, T2), (T1, FLAIR), (T1GD, FLAIR), (T1, T2))


@pytest.fixture(scope="module")
def phantom() -> Images:
    return {role: Volume(head(role, GRID), GRID) for role in (T1, T1GD, T2, FLAIR)}


def swapped(images: Images, one: SequenceRole, other: SequenceRole) -> Images:
    return {**images, one: images[other], other: images[one]}


def test_images_named_rightly_give_no_warning(phantom: Images) -> None:
    assert check_contents(phantom) == {}


@pytest.mark.parametrize("size", [1, 2, 3])
def test_some_of_the_images_named_rightly_give_no_warning(phantom: Images, size: int) -> None:
    for roles in combinations(phantom, size):
        assert check_contents({role: phantom[role] for role in roles}) == {}, roles


@pytest.mark.parametrize(("one", "other"), [*SWAPS, (T1, T1GD)])
def test_swapped_images_are_both_doubted_and_the_exchange_named(
    phantom: Images, one: SequenceRole, other: SequenceRole
) -> None:
    warnings = check_contents(swapped(phantom, one, other))
    assert set(warnings) == {one, other}
    assert f"{one.value} and {other.value} may be swapped" in warnings[one][0]


def test_a_lone_image_with_bright_fluid_is_not_believed_to_be_flair(phantom: Images) -> None:
    assert "may be a T2" in check_contents({FLAIR: phantom[T2]})[FLAIR][0]


def test_a_lone_image_with_dark_fluid_is_not_believed_to_be_t2(phantom: Images) -> None:
    assert "not bright" in check_contents({T2: phantom[T1]})[T2][0]


def test_one_image_under_two_names_is_noticed(phantom: Images) -> None:
    warnings = check_contents({**phantom, T1GD: phantom[T1]})
    assert "same image as T1" in warnings[T1GD][0]


def test_images_on_different_grids_are_compared_in_the_world(phantom: Images) -> None:
    other = Grid((46, 50, 20), np.array([[4.0, 0, 0, -90], [0, 4, 0, -98], [0, 0, 8, -80], [0, 0, 0, 1]]))
    mixed = {**phantom, T2: Volume(head(T2, other), other), FLAIR: Volume(head(FLAIR, other), other)}
    assert check_contents(mixed) == {}
    assert set(check_contents(swapped(mixed, FLAIR, T2))) == {FLAIR, T2}


def test_an_image_of_one_value_beside_others_gives_no_warning(phantom: Images) -> None:
    flat = Volume(np.full(GRID.shape, 7, np.float32), GRID)
    assert check_contents({**phantom, FLAIR: flat}) == {}


def test_an_empty_image_gives_no_warning_of_contrast() -> None:
    assert check_contents({T1: Volume(np.zeros(GRID.shape, np.float32), GRID)}) == {}
    assert check_contents({}) == {}


def test_a_coarse_copy_covers_the_same_place_with_the_same_mean() -> None:
    fine = Grid((41, 60, 26), np.diag([0.9, 1.0, 5.5, 1]))
    volume = Volume(np.random.default_rng(0).normal(100, 9, fine.shape).astype(np.float32), fine)
    coarse = shrink(volume)
    assert coarse.grid.shape == (13, 20, 26)
    assert np.allclose(coarse.grid.spacing_mm, (2.7, 3.0, 5.5))
    assert np.allclose(coarse.grid.index_to_world((0, 0, 0)), fine.index_to_world((1, 1, 0)))
    assert coarse.data.mean() == pytest.approx(volume.data[:39].mean(), rel=1e-4)


BRATS = ((T1, "t1"), (T1GD, "t1ce"), (T2, "t2"), (FLAIR, "flair"))
REAL = {
    **{f"brats_dev/BraTS2021_{n}/BraTS2021_{n}_": BRATS for n in ("00006", "01476", "01480", "01482")},
    "longitudinal/BraTSReg_002/tp0_preop_day0000/": BRATS,
    "longitudinal/BraTSReg_002/tp1_followup_day0262/": BRATS,
    "raw_clinical/TCGA-FG-6692/raw_native/": ((T1, "t1"), (T1GD, "t1c"), (T2, "t2"), (FLAIR, "flair")),
    "raw_clinical/TCGA-FG-6692/sri24_bet/": ((T1, "t1"), (T1GD, "t1c"), (T2, "t2"), (FLAIR, "flair")),
    "raw_clinical/TCGA-DU-7294/sri24_bet/": ((T1, "t1"), (T1GD, "t1c"), (T2, "t2"), (FLAIR, "flair")),
    "unlabelled/BraTS-GLI-00001-000/BraTS-GLI-00001-000-": ((T1, "t1n"), (T1GD, "t1c"), (T2, "t2w"), (FLAIR, "t2f")),
    "healthy/kirby21_113-02/": ((T1, "MPRAGE"), (T2, "T2w"), (FLAIR, "FLAIR")),
}
#: Visits whose T1 and T1Gd are too far from registered to tell which one is enhanced.
ENHANCEMENT_UNCLEAR = ("brats_dev/BraTS2021_01480", "raw_clinical/TCGA-FG-6692/raw_native")


@pytest.mark.realdata
@pytest.mark.parametrize("visit", REAL)
def test_real_visits_are_believed_as_named_and_doubted_when_swapped(realdata_root: Path, visit: str) -> None:
    images = {role: shrink(read_volume(Path(f"{realdata_root / visit}" + end)).volume) for role, end in _files(visit)}
    assert check_contents(images) == {}
    swaps = SWAPS if visit.startswith(ENHANCEMENT_UNCLEAR) else (*SWAPS, (T1, T1GD))
    for one, other in swaps:
        if one in images and other in images:
            assert set(check_contents(swapped(images, one, other))) == {one, other}, (one, other)


def _files(visit: str) -> list[tuple[SequenceRole, str]]:
    return [(role, f"{'/' if visit.endswith('/') else ''}{word}.nii.gz") for role, word in REAL[visit]]
