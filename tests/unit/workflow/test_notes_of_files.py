"""What a reader must know about a file reaches whoever asked for a mask from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fakes import FakeStore
from phantoms import T1GD, head, write_nifti

from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.segmentation import SegmentationOutcome
from glioma_annotator.domain.sequences import Sequence, SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.imaging.nifti import read_labels, read_volume
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow.proposal import propose_from_file
from glioma_annotator.workflow.segment_files import segment_files


class EmptySegmenter:
    """Finds nothing."""

    def models(self) -> tuple[()]:
        return ()

    def check(self, *_: object) -> None:
        pass

    def segment(
        self, images: dict[SequenceRole, Volume], *_: object, operated: bool | None = None
    ) -> SegmentationOutcome:
        labels = np.zeros(images[T1GD].data.shape, np.uint8)
        return SegmentationOutcome(labels, None, "CPU", 0.1, 1, ("The model speaks.",))  # type: ignore[arg-type]


def segmented(file: Path, folder: Path) -> tuple[str, ...]:
    """What is told of a file by which it is segmented."""
    outcome, _ = segment_files(
        EmptySegmenter(),  # type: ignore[arg-type]
        {T1GD: file},
        folder / "mask.nii.gz",
        model="",
        device="cpu",
        operated=True,
        report=ignore_progress,
        cancel=CancelToken(),
    )
    return outcome.messages


def test_segmenting_a_file_of_unknown_orientation_says_that_left_and_right_are_assumed(tmp_path: Path) -> None:
    told = segmented(write_nifti(tmp_path / "t1c.nii.gz", head(T1GD), None), tmp_path)
    assert "check left and right" in told[0]
    assert told[-1] == "The model speaks."


def test_segmenting_a_file_with_a_voxel_size_that_no_head_has_says_so(tmp_path: Path) -> None:
    data = head(T1GD)
    for size, is_odd in ((0.1, True), (180 / max(data.shape), False)):
        told = segmented(write_nifti(tmp_path / "t1c.nii.gz", data, np.diag([size, size, size, 1.0])), tmp_path)
        assert any("check the voxel size in its header" in message for message in told) == is_odd


def test_a_prior_mask_of_unknown_orientation_says_that_left_and_right_are_assumed(tmp_path: Path) -> None:
    image = read_volume(write_nifti(tmp_path / "t1c.nii.gz", head(T1GD), None)).volume
    store = FakeStore()
    patient = store.add_patient("PAT-1")
    visit = Timepoint(patient.id or 0, "day0000", 0, image.grid, "T1Gd", sequences=(Sequence("T1Gd", T1GD, ""),))
    visit = store.add_timepoint(visit, {"T1Gd": image})
    mask = write_nifti(tmp_path / "mask.nii.gz", np.full_like(head(T1GD), 3, dtype=np.uint8), None)
    assert read_labels(mask).grid.matches(image.grid)
    proposal = propose_from_file(mask, visit, GLIOMA_POST_TREATMENT, {3: 3})
    assert any("check left and right" in message for message in proposal.messages)
