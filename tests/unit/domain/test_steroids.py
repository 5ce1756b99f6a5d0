"""Doses of different steroids on one scale."""

from __future__ import annotations

import pytest

from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind
from glioma_annotator.domain.course import CourseClock, steroid_dose_mg
from glioma_annotator.domain.steroids import as_dexamethasone_mg


@pytest.mark.parametrize(
    ("dose_mg", "drug", "as_dexamethasone"),
    [
        (8.0, "dexamethasone", 8.0),
        (8.0, "", 8.0),
        (8.0, "something new", 8.0),
        (20.0, "Prednisolone", 3.0),
        (5.0, "oral prednison", 0.75),
        (16.0, "methyl-prednisolone", 3.0),
        (20.0, "Hydrocortisone", 0.75),
        (20.0, "hidrocortisona", 0.75),
        (16.0, "metilprednisolona", 3.0),
        (25.0, "cortisone acetate", 0.75),
        (0.0, "prednisone", 0.0),
    ],
)
def test_a_dose_of_another_steroid_counts_by_what_it_does(dose_mg: float, drug: str, as_dexamethasone: float) -> None:
    assert as_dexamethasone_mg(dose_mg, drug) == pytest.approx(as_dexamethasone)


def test_a_change_of_the_drug_is_no_change_of_the_dose() -> None:
    steps = ((0, 3.0, "dexamethasone"), (30, 20.0, "prednisolone"), (60, 10.0, "prednisolone"))
    events = [ClinicalEvent("P", EventKind.STEROIDS, day=day, dose_mg=mg, drug=drug) for day, mg, drug in steps]
    assert [steroid_dose_mg(events, day, CourseClock()) for day in (10, 40, 70)] == [3.0, 3.0, 1.5]
