"""Scores of mask files."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, IGNORE
from glioma_annotator.imaging.nifti import write_labels
from glioma_annotator.workflow.evaluate import evaluate_files


def test_voxels_that_the_reference_marks_as_not_reviewed_do_not_count(tmp_path: Path) -> None:
    reference = np.zeros((8, 8, 8), np.uint8)
    reference[1:3] = 3
    prediction = reference.copy()
    reference[6:] = IGNORE
    prediction[6:] = 3
    for name, labels in (("r.nii.gz", reference), ("p.nii.gz", prediction)):
        write_labels(tmp_path / name, labels, Grid(labels.shape, np.eye(4)))
    scores = evaluate_files(tmp_path / "r.nii.gz", tmp_path / "p.nii.gz", GLIOMA_POST_TREATMENT).scores
    assert {s.region: s.precision for s in scores}["ET"] == 1


def test_a_cavity_is_not_taken_for_the_enhancement_that_the_reference_shows(tmp_path: Path) -> None:
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[1], labels[2], labels[3] = 1, 2, 3
    nib.save(nib.Nifti1Image(labels, np.eye(4)), tmp_path / "r.nii.gz")
    nib.save(nib.Nifti1Image(np.where(labels == 3, 4, labels).astype(np.uint8), np.eye(4)), tmp_path / "p.nii.gz")
    result = evaluate_files(tmp_path / "r.nii.gz", tmp_path / "p.nii.gz", GLIOMA_POST_TREATMENT)
    assert {s.region: s.dice for s in result.scores}["ET"] == 0
    assert result.prediction_labels.value == "program"
