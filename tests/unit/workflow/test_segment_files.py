"""Where the mask of loose files may go."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_models import BASE
from phantoms import T1GD, head, write_nifti

from glioma_annotator.domain.segmentation import SegmentationOutcome
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow import segment_files as module
from glioma_annotator.workflow.segment_files import segment_files


class EmptySegmenter:
    """Finds nothing, and must not be asked while it is idle."""

    def __init__(self, idle: bool = False) -> None:
        self._idle = idle

    def check(self, *_: object) -> None:
        pass

    def segment(
        self, images: dict[SequenceRole, Volume], *_: object, operated: bool | None = None
    ) -> SegmentationOutcome:
        assert not self._idle
        return SegmentationOutcome(np.zeros(images[T1GD].data.shape, np.uint8), BASE, "CPU", 0.1, 1)


def segment(scan: Path, out: Path, segmenter: EmptySegmenter) -> None:
    segment_files(
        segmenter,  # type: ignore[arg-type]
        {T1GD: scan},
        out,
        model="",
        device="cpu",
        operated=None,
        report=ignore_progress,
        cancel=CancelToken(),
    )


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    return write_nifti(tmp_path / "t1c.nii.gz", head(T1GD))


@pytest.mark.parametrize("name", ["t1c.nii.gz", "same.nii.gz"])
def test_a_mask_never_takes_an_image_s_place(scan: Path, name: str) -> None:
    before = scan.read_bytes()
    if name != scan.name:
        os.link(scan, scan.with_name(name))
    with pytest.raises(UserError, match="place of the image"):
        segment(scan, scan.parent / "." / name, EmptySegmenter(idle=True))
    assert scan.read_bytes() == before


def test_a_place_that_cannot_be_written_is_told_first(scan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (scan.parent / "folder.nii.gz").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        segment(scan, scan.parent / "folder.nii.gz", EmptySegmenter(idle=True))
    with pytest.raises(UserError, match="not a folder"):
        segment(scan, scan / "below" / "mask.nii.gz", EmptySegmenter(idle=True))

    def refuse(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module, "new_file", refuse)
    with pytest.raises(EnvironmentFailure, match="Permission denied"):
        segment(scan, scan.parent / "mask.nii.gz", EmptySegmenter(idle=True))


def test_the_mask_s_folder_is_made(scan: Path) -> None:
    out = scan.parent / "new" / "below" / "mask.nii.gz"
    segment(scan, out, EmptySegmenter())
    assert [path.name for path in out.parent.iterdir()] == ["mask.nii.gz"]


class NeedsFlair(EmptySegmenter):
    def check(self, _model: object, roles: Collection[SequenceRole], *_: object) -> None:  # type: ignore[override]
        if SequenceRole.FLAIR not in roles:
            raise UserError("The model needs FLAIR.", "Add it.")


def test_an_image_that_shows_nothing_is_left_out_or_named(scan: Path) -> None:
    blank = write_nifti(scan.parent / "blank.nii.gz", np.zeros_like(head(T1GD)))
    told = "blank.nii.gz shows nothing: all its voxels have the same value."

    def run(files: dict[SequenceRole, Path]) -> SegmentationOutcome:
        options: dict[str, Any] = {"model": "", "device": "cpu", "operated": None}
        progress: dict[str, Any] = {"report": ignore_progress, "cancel": CancelToken()}
        return segment_files(NeedsFlair(), files, scan.parent / "mask.nii.gz", **options, **progress)[0]  # type: ignore[arg-type]

    found = run({T1GD: scan, SequenceRole.FLAIR: scan, SequenceRole.T1: blank})
    assert any(message.endswith(f"{told} The mask was found without it.") for message in found.messages)
    with pytest.raises(UserError, match=f"{told} The model needs FLAIR"):
        run({T1GD: scan, SequenceRole.FLAIR: blank})
    with pytest.raises(UserError, match=f"{told} Check the file"):
        run({T1GD: blank, SequenceRole.FLAIR: scan})
