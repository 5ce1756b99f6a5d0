"""A real visit in a workspace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from glioma_annotator.db.workspace import Workspace
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import SegmentationRevision
from glioma_annotator.domain.sequences import Sequence, SequenceRole
from glioma_annotator.imaging.nifti import read_labels, read_volume


@pytest.mark.realdata
def test_a_brats_case_is_kept_voxel_by_voxel(
    workspace: Workspace,
    realdata_root: Path,
    make_visit: Callable[..., Timepoint],
    save: Callable[..., SegmentationRevision],
) -> None:
    case = realdata_root / "brats_dev" / "BraTS2021_00006"
    if not case.is_dir():
        pytest.skip(f"{case.name} is absent")
    files = {"T1Gd": "t1ce", "FLAIR": "flair"}
    images = {name: read_volume(case / f"{case.name}_{part}.nii.gz").volume for name, part in files.items()}
    mask = read_labels(case / f"{case.name}_seg.nii.gz").labels
    sequences = tuple(Sequence(name, SequenceRole(name), "") for name in images)
    patient = workspace.add_patient(case.name)
    visit = make_visit(patient.id, grid=images["T1Gd"].grid, sequences=sequences)
    stored = workspace.add_timepoint(visit, images)
    for name, image in images.items():
        np.testing.assert_array_equal(workspace.load_image(stored, name).data, image.data)
        assert (workspace.path / f"patients/{case.name}/2020-01-31/{name}.nii.gz").stat().st_size < 4 * 2**20
    np.testing.assert_array_equal(workspace.load_labels(save(stored, mask)), mask)
    assert not [issue for issue in workspace.check() if issue.path]
