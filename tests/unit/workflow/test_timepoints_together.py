"""Two visits registered, a mask carried over, what changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fakes import FakeStore
from numpy.typing import NDArray
from phantoms import FLAIR, T1GD, head, tumour_mask, write_nifti
from scipy.spatial.transform import Rotation

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.errors import Cancelled, UserError
from glioma_annotator.imaging.registration import Method
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow.import_study import propose_import, run_import
from glioma_annotator.workflow.timepoints_together import (
    Change,
    carried_over,
    change_map,
    checkerboard,
    moved_image,
    register_visits,
)

GRID = Grid((37, 44, 35), np.array([[5.0, 0, 0, -90], [0, 5, 0, -107], [0, 0, 5, -85], [0, 0, 0, 1]]))


def moved() -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", (6, -3, 8), degrees=True).as_matrix()
    matrix[:3, 3] = (8, -12, 6)
    return matrix


@pytest.fixture
def course(tmp_path: Path) -> tuple[FakeStore, Timepoint, Timepoint]:
    """A pre-operative visit with a mask, and a follow-up whose scanner saw the head elsewhere."""
    for day, place in (("2020-01-01", moved()), ("2020-06-01", np.eye(4))):
        affine = place @ GRID.affine
        folder = tmp_path / "PAT-1" / day
        write_nifti(folder / "t1c.nii.gz", head(T1GD, GRID).astype(np.int16), affine)
        if day == "2020-01-01":
            write_nifti(folder / "seg.nii.gz", tumour_mask(GRID, (1, 2, 3)), affine)
    store = FakeStore()
    run_import(propose_import([tmp_path], ignore_progress, CancelToken()), store, "A", ignore_progress, CancelToken())
    (patient,) = store.patients()
    earlier, later = store.timepoints(patient.id or 0)
    return store, later, earlier


def test_visits_are_registered_and_the_mask_lands_on_the_tumour(
    course: tuple[FakeStore, Timepoint, Timepoint],
) -> None:
    store, later, earlier = course
    together = register_visits(store, later, earlier, Method.RIGID, ignore_progress, CancelToken())
    points = np.random.default_rng(0).uniform(-60, 60, (100, 3))
    expected = points @ moved()[:3, :3].T + moved()[:3, 3]
    assert np.linalg.norm(together.registration.apply(points) - expected, axis=1).max() < 0.6
    assert together.sequence == "T1Gd"
    assert "shared information" in together.summary
    (revision,) = store.revisions(earlier.id or 0)
    proposal = carried_over(store, revision, earlier, later, together, GLIOMA_POST_TREATMENT)
    truth = tumour_mask(later.grid, (1, 2, 3)) > 0
    both = np.count_nonzero((proposal.labels > 0) & truth)
    assert 2 * both / (np.count_nonzero(proposal.labels) + np.count_nonzero(truth)) > 0.9
    assert proposal.timepoint_id == later.id
    assert "carried over" in proposal.source
    assert proposal.messages == (together.summary,)
    image = moved_image(store, earlier, "T1Gd", later, together)
    assert image.grid.matches(later.grid)
    assert np.corrcoef(image.data.ravel(), store.load_image(later, "T1Gd").data.ravel())[0, 1] > 0.9


def test_visits_without_a_common_sequence_are_refused(tmp_path: Path) -> None:
    for day, role, name in (("2020-01-01", T1GD, "t1c"), ("2020-06-01", FLAIR, "flair")):
        write_nifti(tmp_path / "PAT-1" / day / f"{name}.nii.gz", head(role, GRID).astype(np.int16), GRID.affine)
    store = FakeStore()
    run_import(propose_import([tmp_path], ignore_progress, CancelToken()), store, "A", ignore_progress, CancelToken())
    (patient,) = store.patients()
    earlier, later = store.timepoints(patient.id or 0)
    with pytest.raises(UserError, match="no sequence in common"):
        register_visits(store, later, earlier, Method.RIGID, ignore_progress, CancelToken())


def test_registration_of_visits_can_be_cancelled(course: tuple[FakeStore, Timepoint, Timepoint]) -> None:
    store, later, earlier = course
    token = CancelToken()
    with pytest.raises(Cancelled):
        register_visits(store, later, earlier, Method.RIGID, lambda _progress: token.cancel(), token)


def test_the_change_map_counts_every_voxel_once() -> None:
    before = np.array([0, 1, 2, 3, 0, 255, 3], np.uint8).reshape(7, 1, 1)
    present = np.array([0, 1, 3, 0, 2, 2, 255], np.uint8).reshape(7, 1, 1)
    found = change_map(present, before, 0.5)
    expected = [Change.NONE, Change.KEPT, Change.RELABELLED, Change.LOST, Change.GAINED, Change.NONE, Change.NONE]
    assert found.changes.ravel().tolist() == expected
    assert found.volumes_ml == {"gained": 0.5, "lost": 0.5, "kept": 0.5, "relabelled": 0.5}


def test_a_checkerboard_shows_both_slices_in_turn() -> None:
    one = np.tile(np.linspace(0, 900, 8, dtype=np.float32), (8, 1))
    other = np.zeros((8, 8), np.float32)
    board = checkerboard(one, other, 4)
    assert (board[:4, 4:] == 0).all()
    assert (board[4:, :4] == 0).all()
    assert board[:4, 1:4].min() > 0
    assert board[4:, 4:].max() == pytest.approx(1, abs=0.01)
    with pytest.raises(ValueError, match="one shape"):
        checkerboard(one, other[:4], 2)
