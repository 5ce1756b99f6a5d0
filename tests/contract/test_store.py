"""What the use cases rely on in a store: the real workspace and the tests' fake keep the same promises."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeStore
from phantoms import T1GD, grid_of, head

from glioma_annotator.db.workspace import open_workspace
from glioma_annotator.domain.editing import JournalAction, JournalEntry, edit_from_arrays
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import ImportedMask, RevisionOrigin, RevisionStatus, SegmentationRevision
from glioma_annotator.domain.sequences import Sequence, Window
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.workflow.ports import Store

GRID: Grid = grid_of(affine=np.diag([6.0, 6.0, 6.0, 1.0]))


@pytest.fixture(params=["fake", "workspace"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    make: Callable[[], Store] = FakeStore if request.param == "fake" else lambda: open_workspace(tmp_path / "w")
    opened = make()
    yield opened
    opened.close()


@pytest.fixture
def visit(store: Store) -> Timepoint:
    patient = store.add_patient("PAT-1")
    assert patient.id is not None
    return store.add_timepoint(new_visit(patient.id, "day0000", 0), {"T1Gd": image()})


def new_visit(patient_id: int, key: str, order: int) -> Timepoint:
    sequences = (Sequence("T1Gd", T1GD, "", "t1ce.nii.gz"),)
    return Timepoint(patient_id, key, order, GRID, "T1Gd", "LPS", day=order, sequences=sequences)


def image() -> Volume:
    return Volume(head(T1GD, GRID), GRID)


def mask(value: int) -> LabelArray:
    labels = np.zeros(GRID.shape, np.uint8)
    labels[3:6, 4:8, 5:9] = value
    return labels


def save(store: Store, visit: Timepoint, value: int, parent_id: int | None = None) -> SegmentationRevision:
    return store.add_revision(
        visit, mask(value), GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="reader", parent_id=parent_id
    )


def test_a_visit_comes_back_as_it_was_stored(store: Store, visit: Timepoint) -> None:
    assert visit.id is not None
    again = store.timepoint(visit.id)
    assert (again.key, again.source_axes, again.reference) == ("day0000", "LPS", "T1Gd")
    assert again.grid.matches(GRID)
    loaded = store.load_image(again, "T1Gd")
    assert loaded.data.dtype == np.float32
    assert np.array_equal(loaded.data, image().data)


def test_visits_are_listed_in_order_of_the_course(store: Store, visit: Timepoint) -> None:
    store.add_timepoint(new_visit(visit.patient_id, "day0262", 2), {"T1Gd": image()})
    store.add_timepoint(new_visit(visit.patient_id, "day0100", 1), {"T1Gd": image()})
    assert [t.key for t in store.timepoints(visit.patient_id)] == ["day0000", "day0100", "day0262"]


def test_a_visit_cannot_be_stored_twice(store: Store, visit: Timepoint) -> None:
    with pytest.raises(UserError, match="already"):
        store.add_timepoint(new_visit(visit.patient_id, "day0000", 0), {"T1Gd": image()})
    assert len(store.timepoints(visit.patient_id)) == 1


def test_a_visit_comes_with_its_masks_as_imported_revisions(store: Store, visit: Timepoint) -> None:
    masks = [ImportedMask(mask(value), GLIOMA_POST_TREATMENT, "reader", f"mask {value}") for value in (3, 1)]
    stored = store.add_timepoint(new_visit(visit.patient_id, "day0100", 1), {"T1Gd": image()}, masks)
    assert stored.id is not None
    revisions = store.revisions(stored.id)
    assert [(r.number, r.origin, r.note) for r in revisions] == [
        (1, RevisionOrigin.IMPORTED, "mask 3"),
        (2, RevisionOrigin.IMPORTED, "mask 1"),
    ]
    assert np.array_equal(store.load_labels(revisions[0]), mask(3))


def test_revisions_are_numbered_and_keep_their_masks(store: Store, visit: Timepoint) -> None:
    assert visit.id is not None
    first = save(store, visit, 3)
    second = save(store, visit, 1, first.id)
    assert [r.number for r in store.revisions(visit.id)] == [1, 2]
    assert second.parent_id == first.id
    assert first.content_sha256 != second.content_sha256
    assert np.array_equal(store.load_labels(first), mask(3))
    assert first.volumes_ml["ET"] == pytest.approx(48 * 0.216)


def test_a_revision_can_be_approved(store: Store, visit: Timepoint) -> None:
    assert visit.id is not None
    revision = save(store, visit, 3)
    assert revision.id is not None
    store.set_status(revision.id, RevisionStatus.APPROVED)
    assert store.revisions(visit.id)[0].status is RevisionStatus.APPROVED


def test_windows_and_view_states_are_remembered(store: Store, visit: Timepoint) -> None:
    assert visit.id is not None
    sequence = visit.sequence("T1Gd")
    assert sequence is not None
    assert sequence.id is not None
    store.set_window(sequence.id, Window(10, 900))
    remembered = store.timepoint(visit.id).sequence("T1Gd")
    assert remembered is not None
    assert remembered.window == Window(10, 900)
    assert store.view_state(visit.patient_id) == {}
    assert store.last_opened() == {}
    store.set_view_state(visit.patient_id, {"layout": "planes"})
    assert store.view_state(visit.patient_id) == {"layout": "planes"}
    (opened,) = store.last_opened().items()
    assert opened[0] == visit.patient_id
    assert abs(dt.datetime.now(dt.UTC) - opened[1]) < dt.timedelta(minutes=5)


def test_the_journal_keeps_steps_until_it_is_restarted(store: Store, visit: Timepoint) -> None:
    assert visit.id is not None
    revision = save(store, visit, 3)
    journal = store.journal(visit.id)
    journal.restart(revision.id)
    edit = edit_from_arrays("Brush NETC", mask(3), mask(1))
    assert edit is not None
    journal.append(JournalEntry(JournalAction.EDIT, edit))
    journal.append(JournalEntry(JournalAction.UNDO))
    again = store.journal(visit.id)
    assert again.parent_revision_id == revision.id
    kinds = [entry.action for entry in again.entries()]
    assert kinds == [JournalAction.EDIT, JournalAction.UNDO]
    kept = again.entries()[0].edit
    assert kept is not None
    assert (kept.name, kept.box) == (edit.name, edit.box)
    assert np.array_equal(kept.index, edit.index)
    assert np.array_equal(kept.old, edit.old)
    journal.restart(None)
    assert store.journal(visit.id).entries() == ()
