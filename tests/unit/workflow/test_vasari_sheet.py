"""The VASARI sheet: proposed from the mask, confirmed by a reader."""

from dataclasses import replace

import pytest
from courses import ET, SNFH, Box, Course

from glioma_annotator.domain.patient import TreatmentPhase
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.vasari import VasariEntry
from glioma_annotator.errors import Cancelled, UserError
from glioma_annotator.progress import CancelToken
from glioma_annotator.workflow.patient_course import load_course
from glioma_annotator.workflow.profiles import load_profile
from glioma_annotator.workflow.vasari_entry import current_sheet, merged_sheet, value_text
from glioma_annotator.workflow.vasari_sheet import propose_sheet

RIGHT: Box = (ET, (30, 15, 8), (5, 6, 5))
AROUND: Box = (SNFH, (27, 12, 6), (10, 12, 9))
HALF: Box = (ET, (30, 15, 8), (3, 5, 5))


def sheet(course: Course, index: int) -> dict[str, VasariEntry]:
    found = propose_sheet(course.store, load_course(course.store, "P"), index, load_profile(), CancelToken())
    return {entry.feature: entry for entry in found}


def test_computed_values_are_offered_unconfirmed_with_reason_and_mask() -> None:
    course = Course()
    course.visit(0, AROUND, RIGHT, roles=[SequenceRole.T1GD, SequenceRole.T1])
    found = sheet(course, 0)
    assert {"F2", "F5", "F7", "F9", "F10", "F14", "F15", "F23", "F24", "F29", "F30"} <= set(found)
    assert not {"F26", "F27", "F28"} & set(found)
    assert all(e.computed and not e.confirmed and e.reason and e.revision == 1 for e in found.values())
    profile = load_profile()
    assert value_text(profile, found["F2"]) == "right"
    assert value_text(profile, found["F5"]) == "6 to 33 %"
    assert value_text(profile, found["F29"]).endswith(" mm")


def test_extent_of_resection_is_of_the_first_visit_after_surgery() -> None:
    course = Course()
    course.visit(0, RIGHT, phase=TreatmentPhase.PRE_OPERATIVE)
    course.visit(3, HALF, phase=TreatmentPhase.EARLY_POST_OPERATIVE)
    course.visit(60, HALF, phase=TreatmentPhase.FOLLOW_UP)
    assert "50% resected" in sheet(course, 1)["F26"].reason
    assert "F26" not in sheet(course, 0)
    assert "F26" not in sheet(course, 2)


def test_a_visit_without_mask_and_a_profile_without_sheet_are_refused() -> None:
    course = Course()
    course.visit(0, RIGHT)
    course.visit(9, masked=False)
    loaded = load_course(course.store, "P")
    with pytest.raises(UserError, match="no mask"):
        propose_sheet(course.store, loaded, 1, load_profile(), CancelToken())
    with pytest.raises(UserError, match="no VASARI sheet"):
        propose_sheet(course.store, loaded, 0, replace(load_profile(), vasari=()), CancelToken())
    with pytest.raises(UserError, match="does not say which label is core, oedema"):
        propose_sheet(course.store, loaded, 0, replace(load_profile(), roles={"enhancing": "ET"}), CancelToken())


def test_computing_stops_when_cancelled() -> None:
    course = Course()
    course.visit(0, RIGHT)
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        propose_sheet(course.store, load_course(course.store, "P"), 0, load_profile(), token)


def test_confirmed_values_stand_against_new_proposals_and_older_proposals_do_not() -> None:
    confirmed = VasariEntry("P", "V0", "F5", "4", computed=True, confirmed=True)
    stale = VasariEntry("P", "V0", "F7", "3", computed=True)
    entered = VasariEntry("P", "V0", "F1", "2", confirmed=True)
    proposed = (
        VasariEntry("P", "V0", "F5", "5", computed=True),
        VasariEntry("P", "V0", "F7", "4", computed=True),
        VasariEntry("P", "V0", "F9", "1", computed=True),
    )
    merged = merged_sheet({e.feature: e for e in (confirmed, stale, entered)}, proposed)
    assert {e.feature: e.value for e in merged.values()} == {"F5": "4", "F7": "4", "F9": "1", "F1": "2"}


def test_the_newest_recorded_entry_counts() -> None:
    course = Course()
    course.visit(0, RIGHT)
    entries = [VasariEntry("P", "V0", "F1", value, confirmed=True) for value in ("1", "2")]
    course.store.vasari.add(*entries)
    assert current_sheet(course.store, "P", "V0") == {"F1": entries[1]}
    assert value_text(load_profile(), entries[1]) == "temporal"
