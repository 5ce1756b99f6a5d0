"""Loose files as a case to adapt to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from phantoms import write_nifti

from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, IGNORE
from glioma_annotator.workflow.read_cases import read_loose_case


def test_what_the_file_of_a_mask_does_not_reach_was_not_reviewed(tmp_path: Path) -> None:
    image = write_nifti(tmp_path / "t1gd.nii.gz", np.ones((12, 10, 8), np.float32), np.eye(4))
    marked = np.zeros((9, 10, 8), np.uint8)
    marked[2:5] = 3
    moved = np.eye(4)
    moved[0, 3] = 1.0
    mask = write_nifti(tmp_path / "mask.nii.gz", marked, moved)
    case, _ = read_loose_case([Path(image), None, None], Path(mask), GLIOMA_POST_TREATMENT)
    assert (case.labels[[0, 10, 11]] == IGNORE).all()
    assert (case.labels[3:6] == 3).all()
    assert not case.labels[1:3].any() and not case.labels[6:10].any()


def test_a_mask_on_the_images_grid_stays_as_it_is(tmp_path: Path) -> None:
    image = write_nifti(tmp_path / "flair.nii.gz", np.ones((12, 10, 8), np.float32), np.eye(4))
    marked = np.zeros((12, 10, 8), np.uint8)
    marked[2:5], marked[5] = 2, IGNORE
    mask = write_nifti(tmp_path / "mask.nii.gz", marked, np.eye(4))
    case, _ = read_loose_case([None, None, Path(image)], Path(mask), GLIOMA_POST_TREATMENT)
    assert np.array_equal(case.labels, marked)
