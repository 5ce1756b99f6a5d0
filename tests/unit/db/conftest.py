"""A small visit and workspaces to keep it in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from glioma_annotator.db.workspace import Workspace, open_workspace
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.patient import Timepoint, TreatmentPhase
from glioma_annotator.domain.revision import RevisionOrigin, SegmentationRevision
from glioma_annotator.domain.sequences import Sequence, SequenceRole
from glioma_annotator.domain.volume import LabelArray, Volume

SHAPE = (6, 5, 4)


@pytest.fixture
def grid() -> Grid:
    return Grid(SHAPE, np.array([[0.9, 0.1, 0, -70], [-0.1, 1.1, 0, -80], [0, 0, 2.5, -40], [0, 0, 0, 1]]))


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with open_workspace(tmp_path / "study") as opened:
        yield opened


@pytest.fixture
def images(grid: Grid) -> dict[str, Volume]:
    ramp = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    return {"T1Gd": Volume(ramp, grid), "FLAIR": Volume(ramp[::-1] * 0.25, grid)}


@pytest.fixture
def make_visit(grid: Grid) -> Callable[..., Timepoint]:
    def make(patient_id: int, key: str = "2020-01-31", **fields: object) -> Timepoint:
        sequences = (
            Sequence("T1Gd", SequenceRole.T1GD, "", source_name="t1ce.nii.gz"),
            Sequence("FLAIR", SequenceRole.FLAIR, "", source_name="flair.nii.gz", resampled=True),
        )
        given: dict[str, object] = {
            "order": 0,
            "grid": grid,
            "reference": "T1Gd",
            "source_axes": "LPS",
            "date": dt.date(2020, 1, 31),
            "phase": TreatmentPhase.PRE_OPERATIVE,
            "sequences": sequences,
        }
        return Timepoint(patient_id, key, **(given | fields))  # type: ignore[arg-type]

    return make


@pytest.fixture
def visit(workspace: Workspace, make_visit: Callable[..., Timepoint], images: dict[str, Volume]) -> Timepoint:
    """A stored visit."""
    patient = workspace.add_patient("PAT-0042")
    assert patient.id is not None
    return workspace.add_timepoint(make_visit(patient.id), images)


@pytest.fixture
def labels() -> LabelArray:
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[1:4, 1:3, 1] = 3
    mask[2, 2, 2] = 1
    return mask


@pytest.fixture
def save(workspace: Workspace) -> Callable[..., SegmentationRevision]:
    def add(visit: Timepoint, labels: LabelArray, **fields: object) -> SegmentationRevision:
        given: dict[str, object] = {"origin": RevisionOrigin.MANUAL, "author": "Reader"}
        return workspace.add_revision(visit, labels, GLIOMA_POST_TREATMENT, **(given | fields))  # type: ignore[arg-type]

    return add
