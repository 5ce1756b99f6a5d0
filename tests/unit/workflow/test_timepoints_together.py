"""Two visits registered, a mask carried over, what changed."""

from __future__ import annotations

from dataclasses import replace
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
from glioma_annotator.imaging.registration import Method, Registration
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow.alignment import VisitAlignment
from glioma_annotator.workflow.import_study import propose_import, run_import
from glioma_annotator.workflow.other_masks import MaskSource, load_source
from glioma_annotator.workflow.study import StudySession
from glioma_annotator.workflow.timepoints_together import (
    VisitRegistration,
    carried_over,
    keep_registration,
    kept_registration,
    measured,
    register_visits,
    withdraw_registration,
)
from glioma_annotator.workflow.visit_changes import Change, change_map, changes_between, outside_ml

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
    assert together.moved_mm > 10


def test_a_nudge_moves_what_follows_and_is_told_by_the_quality(
    course: tuple[FakeStore, Timepoint, Timepoint],
) -> None:
    store, later, earlier = course
    together = register_visits(store, later, earlier, Method.RIGID, ignore_progress, CancelToken())
    fixed, moving = store.load_image(later, "T1Gd"), store.load_image(earlier, "T1Gd")
    nudged = measured(together.nudged((25.0, 0, 0), (0, 0, 0)), fixed, moving)
    assert nudged.by_hand
    assert nudged.quality < 0.7 * together.quality
    assert nudged.doubtful
    assert "doubtful" in nudged.summary
    (revision,) = store.revisions(earlier.id or 0)
    labels = store.load_labels(revision)
    here, there = (
        np.argwhere(carried_over(store, revision, earlier, later, one, GLIOMA_POST_TREATMENT).labels).mean(axis=0)
        for one in (together, nudged)
    )
    shift = later.grid.index_to_world(there) - later.grid.index_to_world(here)
    assert shift == pytest.approx((25, 0, 0), abs=1)
    same = carried_over(store, revision, earlier, later, together, GLIOMA_POST_TREATMENT).labels
    assert changes_between(same, labels, later, earlier, together.placed).volumes_ml["gained"] == 0
    assert changes_between(same, labels, later, earlier, nudged.placed).volumes_ml["gained"] > 0
    back = nudged.nudged((0, 0, 0), (0, 0, 0))
    assert not back.by_hand
    assert (back.placed.matrix == together.registration.matrix).all()
    assert back.quality == together.registration.quality, "no figure of the nudge stays with it"


def test_seen_from_the_other_visit_a_nudge_turns_about_the_same_place_in_the_head() -> None:
    far = np.eye(4)
    far[:3, 3] = (0, -120, 300)  # another scanner's world
    found = Registration(far, Method.RIGID, 1.0, 0.4, 0.1)
    together = VisitRegistration("2020-06-01", "2020-01-01", "T1Gd", found, (5.0, 10.0, 15.0), quality=0.4)
    other = together.seen_from_other()
    assert other.centre_mm == (5.0, -110.0, 315.0)
    assert other.moved_mm == pytest.approx(together.moved_mm)
    turned = other.nudged((0.0, 0.0, 0.0), (0.0, 0.0, 10.0))
    assert turned.placed.apply(other.centre_mm) == pytest.approx((5, 10, 15)), "what it turns about stays"


def test_an_accepted_registration_is_kept_and_followed_both_ways(
    course: tuple[FakeStore, Timepoint, Timepoint],
) -> None:
    store, later, earlier = course
    found = Registration(moved(), Method.RIGID, 1.0, 0.4, 0.1)
    together = VisitRegistration(later.key, earlier.key, "T1Gd", found, (1, 2, 3), (2, 0, 0), (0, 0, 5), 0.45)
    together = replace(together, accepted_by="Dr New", accepted="2026-11-20")
    key = store.patients()[0].key
    keep_registration(store, key, together)
    known = kept_registration(store, later, earlier)
    assert known is not None
    assert (known.accepted_by, known.quality, known.shift_mm) == ("Dr New", 0.45, (2, 0, 0))
    np.testing.assert_allclose(known.placed.matrix, together.placed.matrix)
    other_way = kept_registration(store, earlier, later)
    assert other_way is not None
    np.testing.assert_allclose(other_way.placed.matrix, np.linalg.inv(together.placed.matrix))
    align = VisitAlignment(store)
    np.testing.assert_allclose(align(later, earlier), together.placed.matrix)
    np.testing.assert_allclose(align(earlier, later), np.linalg.inv(together.placed.matrix))
    assert "Dr New" in align.messages[0]
    keep_registration(store, key, together.seen_from_other())  # in place of the other one
    (kept,) = store.registrations.of_patient(key)
    assert [entry.actor for entry in store.audit.of(kept.id)] == ["Dr New", "Dr New"]
    store.registrations.change(replace(kept, matrix=(0.0,) * 16))
    assert kept_registration(store, later, earlier) is None  # no point can be carried by it


def test_a_withdrawn_registration_is_not_built_on_until_it_is_restored(
    course: tuple[FakeStore, Timepoint, Timepoint],
) -> None:
    store, later, earlier = course
    key = store.patients()[0].key
    with pytest.raises(KeyError):
        withdraw_registration(store, key, later, earlier, "Dr New")
    found = Registration(moved(), Method.RIGID, 1.0, 0.4, 0.1)
    keep_registration(store, key, VisitRegistration(later.key, earlier.key, "T1Gd", found, accepted_by="Dr New"))
    (kept,) = store.registrations.of_patient(key)
    withdraw_registration(store, key, earlier, later, "Dr Other")  # whichever of them is fixed
    assert kept_registration(store, later, earlier) is None
    assert "accepted" not in " ".join(messages_of(store, later, earlier))
    assert [(e.action, e.actor) for e in store.audit.of(kept.id)] == [("add", "Dr New"), ("delete", "Dr Other")]
    store.registrations.restore(kept.id, "Dr New")
    assert kept_registration(store, later, earlier) is not None


def messages_of(store: FakeStore, later: Timepoint, earlier: Timepoint) -> list[str]:
    align = VisitAlignment(store)
    align(later, earlier)
    return align.messages


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


def test_what_lies_beyond_the_images_of_the_other_visit_is_told(
    course: tuple[FakeStore, Timepoint, Timepoint],
) -> None:
    """The tumour of 34 mm, 18 mm, 16 mm on a scan that begins above 16 mm, seen through the registration."""
    store, later, earlier = course
    (revision,) = store.revisions(earlier.id or 0)
    labels = store.load_labels(revision)
    found = VisitRegistration(later.key, earlier.key, "T1Gd", Registration(moved(), Method.RIGID, 1.0, 0.4, 0.1))
    whole = outside_ml(labels, earlier.grid, found.placed, later.grid)
    assert whole == 0
    assert carried_over(store, revision, earlier, later, found, GLIOMA_POST_TREATMENT).messages == (found.summary,)
    affine = later.grid.affine.copy()
    affine[2, 3] += 20 * 5.0
    half = replace(later, grid=Grid((37, 44, 15), affine))
    index = np.argwhere(labels)
    height = (earlier.grid.index_to_world(index) - moved()[:3, 3]) @ moved()[:3, :3][:, 2]
    below = np.count_nonzero(height < 12.5) * earlier.grid.voxel_volume_ml
    assert 5 < below < np.count_nonzero(labels) * earlier.grid.voxel_volume_ml - 5
    empty = np.zeros(half.grid.shape, np.uint8)
    changed = changes_between(empty, labels, half, earlier, found.placed)
    assert changed.outside_ml == pytest.approx(below)
    assert changed.volumes_ml["lost"] + below == pytest.approx(
        np.count_nonzero(labels) * earlier.grid.voxel_volume_ml, rel=0.1
    )
    message = carried_over(store, revision, earlier, half, found, GLIOMA_POST_TREATMENT).messages[1]
    assert message == f"{below:.1f} mL of the mask lie beyond the images of this visit and are left out."


def test_a_mask_copied_from_another_visit_follows_the_accepted_registration(
    course: tuple[FakeStore, Timepoint, Timepoint],
) -> None:
    store, later, earlier = course
    (revision,) = store.revisions(earlier.id or 0)
    session = StudySession(store, None, "Dr New")  # type: ignore[arg-type]
    source = MaskSource("there", earlier.title, revision.id or 0, earlier.id or 0, same_visit=False)
    truth = tumour_mask(later.grid, (1, 2, 3))
    agreed = []
    for accept in (False, True):
        if accept:
            found = Registration(moved(), Method.RIGID, 1.0, 0.4, 0.1)
            together = VisitRegistration(later.key, earlier.key, "T1Gd", found, accepted_by="Dr New")
            keep_registration(store, store.patients()[0].key, together)
        labels = load_source(session, source, later)
        agreed.append(np.count_nonzero((labels == truth) & (truth > 0)) / np.count_nonzero(truth))
    assert agreed[0] < 0.6
    assert agreed[1] > 0.85
    back = MaskSource("here", later.title, revision.id or 0, earlier.id or 0, same_visit=True)
    assert (load_source(session, back, earlier) == store.load_labels(revision)).all()
