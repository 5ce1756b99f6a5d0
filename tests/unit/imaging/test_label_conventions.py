"""Masks in a stated convention."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.label_conventions import (
    LabelConvention,
    ambiguous_as,
    convention_of_set,
    conventions_of_sides,
    read_mask,
)
from glioma_annotator.imaging.nifti import write_labels


@pytest.mark.parametrize(
    ("values", "said"),
    [((17,), "the value 17, which means nothing"), ((17, 30), "the values 17, 30, which mean nothing")],
)
def test_values_without_a_meaning_are_named(tmp_path: Path, values: tuple[int, ...], said: str) -> None:
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0, 0, : len(values)] = values
    path = tmp_path / "mask.nii.gz"
    nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), path)
    with pytest.raises(UserError, match=said):
        read_mask(path, GLIOMA_POST_TREATMENT, LabelConvention.PROGRAM)


def test_labels_that_readers_added_count_as_not_reviewed(tmp_path: Path) -> None:
    labels = np.arange(64, dtype=np.uint8).reshape(4, 4, 4) % 7
    write_labels(tmp_path / "own.nii.gz", labels, Grid((4, 4, 4), np.eye(4)))
    read, convention = read_mask(tmp_path / "own.nii.gz", GLIOMA_POST_TREATMENT)
    assert convention is LabelConvention.PROGRAM
    assert np.array_equal(read.data, np.where(labels > 4, 255, labels))


PROGRAM, BRATS = LabelConvention.PROGRAM, LabelConvention.BRATS_2021


def mask(folder: Path, name: str, *values: int) -> Path:
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0, 0, : len(values)] = values
    path = folder / f"{name}.nii.gz"
    nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), path)
    return path


@pytest.mark.parametrize(
    ("values", "ambiguous", "expected"),
    [
        ((1, 2, 3), BRATS, PROGRAM),
        ((2, 3, 4), BRATS, PROGRAM),
        ((1, 2, 4), PROGRAM, BRATS),
        ((1, 2), BRATS, PROGRAM),
        ((2, 4), BRATS, BRATS),
        ((2, 4), PROGRAM, PROGRAM),
        ((4, 255), PROGRAM, PROGRAM),
    ],
)
def test_what_a_four_is_without_a_three(
    tmp_path: Path, values: tuple[int, ...], ambiguous: LabelConvention, expected: LabelConvention
) -> None:
    read, convention = read_mask(mask(tmp_path, "m", *values), GLIOMA_POST_TREATMENT, ambiguous=ambiguous)
    assert convention is expected
    assert read.data[0, 0, values.index(4)] == (3 if expected is BRATS else 4) if 4 in values else True


def test_masks_that_come_together_tell_what_a_four_alone_is(tmp_path: Path) -> None:
    after, before = mask(tmp_path, "after", 2, 4), mask(tmp_path, "before", 1, 2, 3)
    older, plain = mask(tmp_path, "older", 1, 2, 4), mask(tmp_path, "plain", 2)
    assert ambiguous_as([after, plain, before]) is PROGRAM
    assert ambiguous_as([after, older]) is BRATS
    assert ambiguous_as([after, plain]) is BRATS
    assert ambiguous_as([after], operated=True) is PROGRAM
    write_labels(tmp_path / "own.nii.gz", np.full((4, 4, 4), 4, np.uint8), Grid((4, 4, 4), np.eye(4)))
    assert ambiguous_as([after, tmp_path / "own.nii.gz"]) is PROGRAM


def test_a_set_is_read_as_the_mask_that_tells_the_program_s_labels(tmp_path: Path) -> None:
    older, plain = mask(tmp_path, "older", 1, 2, 4), mask(tmp_path, "plain", 2)
    newer, damaged = mask(tmp_path, "newer", 1, 2, 3), tmp_path / "damaged.nii.gz"
    damaged.write_bytes(b"damaged")
    auto = LabelConvention.AUTO
    assert convention_of_set([older, plain, damaged]) is auto
    assert convention_of_set([older, damaged, newer]) is PROGRAM
    assert convention_of_set([older], operated=True) is PROGRAM
    assert convention_of_set([newer], BRATS) is BRATS
    assert conventions_of_sides([newer], [older]) == (PROGRAM, PROGRAM)
    assert conventions_of_sides([newer], [older], prediction_labels=BRATS) == (PROGRAM, BRATS)
    assert conventions_of_sides([older], [newer]) == (auto, PROGRAM)
