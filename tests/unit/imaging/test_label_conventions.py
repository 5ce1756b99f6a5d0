"""Masks in a stated convention."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.label_conventions import LabelConvention, read_mask


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
