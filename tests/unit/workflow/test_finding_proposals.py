"""A visit's findings proposed from the visit before."""

import numpy as np
import pytest
from courses import ET, GRID, SNFH, Box, Course

from glioma_annotator.domain.finding import Finding, FindingStatus, LesionChange, Side
from glioma_annotator.errors import Cancelled, UserError
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow.alignment import SameWorld
from glioma_annotator.workflow.finding_proposals import confirmed, propose_for_visit
from glioma_annotator.workflow.profiles import load_profile

A: Box = (ET, (5, 5, 5), (5, 5, 5))
GROWN: Box = (ET, (5, 5, 5), (8, 5, 5))
B: Box = (ET, (25, 25, 5), (4, 4, 4))
OEDEMA: Box = (SNFH, (5, 25, 5), (6, 6, 6))


def point(box: Box) -> tuple[float, float, float]:
    _, start, size = box
    x, y, z = GRID.index_to_world(np.add(start, np.subtract(size, 1) / 2)).tolist()
    return x, y, z


def propose(course: Course, timepoint: str = "V1") -> tuple[Finding, ...]:
    return propose_for_visit(
        course.store, "P", timepoint, load_profile(), SameWorld(), "Reader", ignore_progress, CancelToken()
    )


def two_visits() -> Course:
    course = Course()
    course.visit(0, A, OEDEMA)
    course.visit(60, GROWN, B, OEDEMA)
    return course


def test_recorded_lesions_come_back_with_what_became_of_them_and_new_ones_are_proposed() -> None:
    course = two_visits()
    tumour = Finding("P", "V0", "enhancing-tumour", point(A), label="ET")
    oedema = Finding("P", "V0", "oedema", point(OEDEMA), label="SNFH")
    remark = Finding("P", "V0", "mass-effect", (0.0, 0.0, 0.0))
    course.store.findings.add(tumour, oedema, remark)
    made = {p.kind: p for p in propose(course)}
    assert made["enhancing-tumour"].change is LesionChange.GROWN
    assert made["enhancing-tumour"].volume_ml == pytest.approx(200 * 0.064)
    assert made["oedema"].change is LesionChange.UNCHANGED
    assert made["new-enhancement"].change is LesionChange.NEW
    assert made["new-enhancement"].side is Side.RIGHT
    assert made["mass-effect"].change is None
    assert len(made) == 4
    assert course.store.findings.of_timepoint("P", "V1") == ()


def test_what_the_visit_already_has_is_not_proposed_again() -> None:
    course = two_visits()
    tumour = Finding("P", "V0", "enhancing-tumour", point(A), label="ET")
    course.store.findings.add(tumour)
    for proposal in propose(course):
        course.store.findings.add(confirmed(proposal, "Dr Reader"))
    assert propose(course) == ()
    stored = course.store.findings.of_lesion(tumour.lesion)
    assert [f.timepoint for f in stored] == ["V0", "V1"]
    assert stored[1].status is FindingStatus.CONFIRMED


def test_a_gone_lesion_is_confirmed_as_resolved_and_is_not_carried_on() -> None:
    course = Course()
    course.visit(0, A)
    course.visit(60)
    course.visit(120)
    course.store.findings.add(Finding("P", "V0", "enhancing-tumour", point(A), label="ET"))
    (gone,) = propose(course)
    course.store.findings.add(confirmed(gone, "Dr Reader"))
    assert course.store.findings.of_timepoint("P", "V1")[0].status is FindingStatus.RESOLVED
    assert propose(course, "V2") == ()


def test_visits_without_mask_are_stepped_over_or_refused() -> None:
    course = Course()
    course.visit(0, A)
    course.visit(30, masked=False)
    course.visit(60, A)
    course.store.findings.add(Finding("P", "V0", "enhancing-tumour", point(A), label="ET"))
    assert [p.change for p in propose(course, "V2")] == [LesionChange.UNCHANGED]
    with pytest.raises(UserError, match="no mask"):
        propose(course, "V1")
    with pytest.raises(UserError, match="visits before"):
        propose(course, "V0")
    with pytest.raises(UserError, match="no visit V9"):
        propose(course, "V9")


def test_proposing_stops_when_cancelled() -> None:
    course = two_visits()
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        propose_for_visit(course.store, "P", "V1", load_profile(), SameWorld(), "Reader", ignore_progress, token)


def test_a_lesion_that_a_finding_lies_beside_is_not_proposed_as_new() -> None:
    course = two_visits()
    x, y, z = GRID.index_to_world((25, 25, 5)).tolist()
    beside = Finding("P", "V1", "new-enhancement", (x - 2.0, y, z), label="ET")  # a thin rim is easily missed
    course.store.findings.add(beside)
    assert [p.kind for p in propose(course) if p.change is LesionChange.NEW] == []
