"""What a workspace knows of a patient's surgery, for the segmenter and the acceptance rule."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from fakes import FakeStore
from phantoms import T1GD, head

from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind, ExtentOfResection
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import RevisionOrigin
from glioma_annotator.domain.sequences import Sequence
from glioma_annotator.domain.volume import Volume
from glioma_annotator.workflow.surgery import was_operated

GRID = Grid((20, 22, 18), np.diag([8.0, 8.0, 8.0, 1.0]))  # a voxel is 0.5 mL


@pytest.fixture
def store() -> FakeStore:
    made = FakeStore()
    patient = made.add_patient("A")
    for order in range(3):
        date = dt.date(2020, 1 + order, 1)
        sequences = (Sequence("T1Gd", T1GD, ""),)
        visit = Timepoint(patient.id or 0, f"v{order}", order, GRID, "T1Gd", date=date, sequences=sequences)
        made.add_timepoint(visit, {"T1Gd": Volume(head(T1GD, GRID), GRID)})
    return made


def known(store: FakeStore) -> list[bool | None]:
    return [was_operated(store, visit) for visit in store.timepoints(1)]


def save(store: FakeStore, order: int, voxels: int, origin: RevisionOrigin = RevisionOrigin.SEMI_AUTOMATIC) -> None:
    labels = np.zeros(GRID.shape, dtype=np.uint8)
    labels[5, 5, :voxels] = 4
    store.add_revision(
        store.timepoints(1)[order], labels, GLIOMA_POST_TREATMENT, origin=origin, author="reader", parent_id=None
    )


def test_nothing_is_known_without_records(store: FakeStore) -> None:
    assert known(store) == [None, None, None]


def test_a_recorded_resection_tells(store: FakeStore) -> None:
    extent = ExtentOfResection.GROSS_TOTAL
    store.events.add(ClinicalEvent("A", EventKind.SURGERY, date=dt.date(2020, 1, 20), extent=extent))
    assert known(store) == [None, True, True]


def test_a_cavity_in_a_reader_s_mask_tells_from_that_visit_on(store: FakeStore) -> None:
    save(store, 1, voxels=4)
    assert known(store) == [None, True, True]


@pytest.mark.parametrize(("voxels", "origin"), [(1, RevisionOrigin.MANUAL), (9, RevisionOrigin.AUTOMATIC)])
def test_a_little_cavity_or_one_that_nobody_looked_at_does_not(
    store: FakeStore, voxels: int, origin: RevisionOrigin
) -> None:
    save(store, 0, voxels, origin)
    assert known(store) == [None, None, None]


def test_the_newest_mask_counts(store: FakeStore) -> None:
    save(store, 0, voxels=9)
    save(store, 0, voxels=0)
    assert known(store) == [None, None, None]
