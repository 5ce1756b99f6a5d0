"""Response through the course: from masks and events to a proposal, and the reader's decision."""

import numpy as np
import pytest
from courses import ET, RC, SNFH, Box, Course, mask

from glioma_annotator.domain.clinical_event import ClinicalEvent, ClinicalState, EventKind, ExtentOfResection
from glioma_annotator.domain.finding import Finding, LesionChange
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.patient import TreatmentPhase
from glioma_annotator.domain.response import DiameterLine, LesionMeasurement, ResponseCategory, ResponseMethod
from glioma_annotator.domain.revision import RevisionOrigin
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow.alignment import SameWorld, VisitAlignment
from glioma_annotator.workflow.diameters import (
    LesionChoice,
    adjust_diameters,
    attach_diameters,
    lesions_near,
    reset_diameters,
)
from glioma_annotator.workflow.patient_course import load_course
from glioma_annotator.workflow.profiles import load_profile
from glioma_annotator.workflow.response import (
    CourseResponse,
    MeasuredCourse,
    assess_response,
    choose_targets,
    decide,
    measure_again,
    measure_lesions,
)

BIDIMENSIONAL, VOLUMETRIC = ResponseMethod.BIDIMENSIONAL, ResponseMethod.VOLUMETRIC
BASELINE = TreatmentPhase.POST_RT_BASELINE

LARGE: Box = (ET, (5, 5, 5), (10, 8, 6))  # 4 mm voxels
SMALL: Box = (ET, (5, 5, 5), (4, 4, 4))
OTHER: Box = (ET, (28, 28, 5), (5, 5, 5))
SPECK: Box = (ET, (28, 28, 5), (2, 2, 2))


def measured(course: Course) -> MeasuredCourse:
    loaded = load_course(course.store, "P")
    return measure_lesions(course.store, loaded, load_profile(), SameWorld(), ignore_progress, CancelToken())


def assess(course: Course, method: ResponseMethod = BIDIMENSIONAL, **options: object) -> CourseResponse:
    return assess_response(course.store, measured(course), method, **options)  # type: ignore[arg-type]


def categories(response: CourseResponse) -> list[ResponseCategory]:
    return [p.category for p in response.proposals]


def two_visits(first: Box, second: Box, days: tuple[int, int] = (100, 200)) -> Course:
    course = Course()
    course.visit(days[0], first, phase=BASELINE)
    course.visit(days[1], second)
    return course


def test_a_shrinking_lesion_is_a_partial_response_in_area_and_volume() -> None:
    course = two_visits(LARGE, SMALL)
    assert categories(assess(course)) == [ResponseCategory.BASELINE, ResponseCategory.PR]
    assert categories(assess(course, VOLUMETRIC)) == [ResponseCategory.BASELINE, ResponseCategory.PR]


def test_a_growing_lesion_is_progression_and_every_input_is_visible() -> None:
    response = assess(two_visits(SMALL, LARGE))
    proposal = response.proposals[-1]
    assert proposal.category is ResponseCategory.PD
    assert response.targets == ("L1",)
    inputs = proposal.inputs
    assert inputs["burden"] == pytest.approx(sum(n["product_mm2"] for n in inputs["lesions"] if n["target"]))
    assert inputs["baseline"]["timepoint"] == inputs["nadir"]["timepoint"] == "V0"
    assert inputs["enhancing_ml"] == pytest.approx(480 * 0.064)
    assert (inputs["steroid_mg"], inputs["clinical_state"], inputs["kps"]) == (None, None, None)
    assert inputs["thresholds"] == {"decrease": 0.5, "increase": 0.25}


def test_visits_before_the_baseline_are_not_assessed_but_give_lesions_their_names() -> None:
    course = Course()
    course.visit(0, LARGE, phase=TreatmentPhase.PRE_OPERATIVE)
    course.visit(100, SPECK, phase=BASELINE)
    course.visit(200, LARGE, SPECK)
    found = measured(course)
    assert [t.lesion for t in found.lesions[2]] == ["L1", "L2"]
    response = assess_response(course.store, found)
    assert [p.timepoint for p in response.proposals] == ["V1", "V2"]
    assert response.proposals[-1].category is ResponseCategory.PD  # back after surgery: new since the baseline
    assert "1 new measurable lesion: L1." in response.proposals[-1].reasons


def test_a_new_small_lesion_is_no_progression() -> None:
    course = Course()
    course.visit(100, LARGE, phase=BASELINE)
    course.visit(200, LARGE, SPECK)
    assert categories(assess(course))[-1] is ResponseCategory.SD


def test_a_small_part_of_a_split_lesion_is_not_measurable_beside_a_large_one() -> None:
    course = Course()
    course.visit(100, LARGE, phase=BASELINE)
    course.visit(200, (ET, (5, 5, 5), (10, 4, 6)), (ET, (5, 11, 5), (2, 2, 2)))
    found = measured(course)
    assert [t.lesion for t in found.lesions[1]] == ["L1", "L1"]
    last = found.visits[1]
    assert last.measurable == {"L1"}
    assert [last.measures(part) for part in last.lesions] == [True, False]
    inputs = assess_response(course.store, found).proposals[-1].inputs
    assert [lesion["measurable"] for lesion in inputs["lesions"]] == [True, False]


def test_the_cavity_is_no_tumour() -> None:
    course = Course()
    course.visit(100, LARGE, phase=BASELINE)
    course.visit(200, (RC, *LARGE[1:]))
    assert categories(assess(course))[-1] is ResponseCategory.CR


def test_a_target_that_merges_with_another_lesion_stays_in_the_sum() -> None:
    first: Box = (ET, (3, 3, 5), (8, 8, 6))
    target: Box = (ET, (20, 20, 5), (6, 6, 6))
    course = Course()
    course.visit(100, first, target, (ET, (27, 20, 5), (5, 5, 6)), phase=BASELINE)
    course.visit(200, first, target, (ET, (27, 20, 5), (8, 6, 6)))
    course.visit(300, first, (ET, (20, 20, 5), (16, 6, 6)))
    course.visit(400, first, (ET, (20, 20, 5), (16, 6, 6)))
    found = measured(course)
    assert [t.lesion for t in found.lesions[2]] == ["L3", "L1"]  # the larger overlap gives the identity
    response = assess_response(course.store, found)
    assert response.targets == ("L1", "L2")
    assert categories(response)[1:] == [ResponseCategory.SD, ResponseCategory.PD, ResponseCategory.PD]
    for visit, proposal in zip(found.visits[2:], response.proposals[2:], strict=True):
        assert proposal.inputs["burden"] == pytest.approx(sum(lesion.product_mm2 for lesion in visit.lesions))
        assert [lesion["target"] for lesion in proposal.inputs["lesions"]] == [True, True]
        assert "L2, a target, has merged with L3, which counts in the sum." in proposal.reasons


def test_without_contrast_nothing_is_said_of_enhancing_tumour() -> None:
    both, flair = (SequenceRole.T1GD, SequenceRole.FLAIR), (SequenceRole.FLAIR,)
    course = Course()
    course.visit(100, LARGE, phase=BASELINE, roles=both)
    course.visit(200, (SNFH, (5, 5, 5), (12, 12, 6)), roles=flair)
    course.visit(300, LARGE, roles=both)
    for method in ResponseMethod:
        response = assess(course, method)
        assert categories(response)[1:] == [ResponseCategory.NOT_EVALUABLE, ResponseCategory.SD]
        assert response.proposals[1].reasons == ("day 200 has no T1Gd to show what enhances.",)
    assert [t.change for t in measured(course).lesions[2]] == [LesionChange.UNCHANGED]
    course.visit(400, SMALL, roles=flair)  # the reader stands behind what is drawn
    assert categories(assess(course))[-1] is ResponseCategory.PR


def test_what_a_second_surgery_takes_is_no_response() -> None:
    course = Course()
    course.visit(100, LARGE, phase=BASELINE)
    course.visit(200, LARGE)
    course.visit(230, (RC, *LARGE[1:]))
    course.visit(300, LARGE)
    events = course.store.events
    events.add(
        ClinicalEvent("P", EventKind.SURGERY, day=50, extent=ExtentOfResection.GROSS_TOTAL),
        ClinicalEvent("P", EventKind.SURGERY, day=210, extent=ExtentOfResection.BIOPSY),
    )
    assert categories(assess(course))[1:] == [ResponseCategory.SD, ResponseCategory.CR, ResponseCategory.PD]
    events.add(ClinicalEvent("P", EventKind.SURGERY, day=220, extent=ExtentOfResection.GROSS_TOTAL))
    response = assess(course)
    assert categories(response)[1:] == [ResponseCategory.SD, ResponseCategory.SD, ResponseCategory.PD]
    told = "Tumour was resected since the baseline: what surgery took is no response."
    assert [told in proposal.reasons for proposal in response.proposals] == [False, False, True, False]


def test_visits_that_cannot_be_registered_are_measured_and_the_doubt_is_told() -> None:
    course = Course()
    course.visit(100, LARGE, phase=BASELINE, roles=[SequenceRole.T1GD])
    course.visit(200, SMALL, roles=[SequenceRole.FLAIR])
    align = VisitAlignment(course.store)
    found = measure_lesions(
        course.store, load_course(course.store, "P"), load_profile(), align, ignore_progress, CancelToken()
    )
    for seen in (found, measure_again(course.store, found)):
        last = assess_response(course.store, seen).proposals[-1]
        assert last.category is ResponseCategory.PR
        (doubt,) = [reason for reason in last.reasons if "no sequence in common" in reason]
        assert "as the headers put the visits" in doubt


def test_a_visit_without_mask_is_not_evaluable() -> None:
    course = Course()
    course.visit(100, LARGE, phase=BASELINE)
    course.visit(200, masked=False)
    course.visit(300, LARGE)
    assert categories(assess(course)) == [
        ResponseCategory.BASELINE,
        ResponseCategory.NOT_EVALUABLE,
        ResponseCategory.SD,
    ]


def test_steroids_state_and_scores_come_from_the_events() -> None:
    course = two_visits(LARGE, SMALL)
    events = course.store.events
    events.add(
        ClinicalEvent("P", EventKind.STEROIDS, day=50, dose_mg=4, drug="dexamethasone"),
        ClinicalEvent("P", EventKind.STEROIDS, day=150, dose_mg=2),
        ClinicalEvent("P", EventKind.STEROIDS, day=250, dose_mg=8),
        ClinicalEvent("P", EventKind.KPS, day=90, score=90),
        ClinicalEvent("P", EventKind.CLINICAL_STATE, day=200, state=ClinicalState.IMPROVED),
    )
    first, second = measured(course).visits
    assert (first.steroid_mg, second.steroid_mg) == (4, 2)
    assert (first.state, second.state) == (None, ClinicalState.IMPROVED)
    assert (first.kps, second.kps, second.ecog) == (90, 90, None)
    assert categories(assess(course))[-1] is ResponseCategory.PR
    events.add(ClinicalEvent("P", EventKind.CLINICAL_STATE, day=201 - 1, state=ClinicalState.WORSE))
    assert categories(assess(course))[-1] is ResponseCategory.PD


def test_a_state_recorded_at_an_earlier_visit_does_not_count_again() -> None:
    course = two_visits(LARGE, LARGE)
    course.store.events.add(ClinicalEvent("P", EventKind.CLINICAL_STATE, day=100, state=ClinicalState.WORSE))
    assert categories(assess(course))[-1] is ResponseCategory.SD


def test_a_visit_without_a_day_brings_no_earlier_state_back() -> None:
    course = Course()
    for day, phase in (
        (100, TreatmentPhase.POST_RT_BASELINE),
        (None, TreatmentPhase.UNKNOWN),
        (201, TreatmentPhase.UNKNOWN),
    ):
        course.visit(day, LARGE, phase=phase)
    course.store.events.add(ClinicalEvent("P", EventKind.CLINICAL_STATE, day=90, state=ClinicalState.WORSE))
    assert measured(course).visits[2].state is None
    assert categories(assess(course))[-1] is ResponseCategory.SD


def test_steroids_stopped_and_not_yet_begun_are_none() -> None:
    course = two_visits(LARGE, SMALL)
    course.store.events.add(ClinicalEvent("P", EventKind.STEROIDS, day=120, end_day=150, dose_mg=4))
    assert [v.steroid_mg for v in measured(course).visits] == [0.0, 0.0]


def test_the_last_day_of_steroids_still_counts() -> None:
    course = two_visits(LARGE, SMALL)
    course.store.events.add(ClinicalEvent("P", EventKind.STEROIDS, day=120, end_day=200, dose_mg=4))
    assert measured(course).visits[1].steroid_mg == 4


def test_growth_soon_after_radiotherapy_is_to_be_confirmed() -> None:
    course = two_visits(SMALL, LARGE, days=(40, 90))
    course.store.events.add(ClinicalEvent("P", EventKind.RADIOTHERAPY, day=0, end_day=35, dose_gy=60, fractions=30))
    assert categories(assess(course))[-1] is ResponseCategory.PRELIMINARY_PD
    course.visit(130, LARGE)
    assert categories(assess(course))[-1] is ResponseCategory.PD


def test_adjusted_diameters_replace_the_measured_ones() -> None:
    course = two_visits(LARGE, LARGE)
    by_hand = LesionMeasurement("P", "V1", "L1", 60.0, 55.0, adjusted=True, author="Reader")
    course.store.measurements.add(by_hand)
    proposal = assess(course).proposals[-1]
    assert proposal.inputs["burden"] == pytest.approx(3300)
    assert proposal.inputs["lesions"][0]["adjusted"] is True
    assert proposal.category is ResponseCategory.PD


class TestHandles:
    long = DiameterLine((-58.0, -66.0, -10.0), (-28.0, -26.0, -10.0))  # over the lesion
    short = DiameterLine((-24.0, -62.0, -10.0), (-64.0, -32.0, -10.0))

    def test_moved_ends_give_lengths_that_the_next_assessment_uses(self) -> None:
        course = two_visits(LARGE, LARGE)
        before = measured(course).visits[1].lesions[0]
        made = adjust_diameters(course.store, before, self.long, self.short, "Dr Reader")
        assert (made.longest_mm, made.perpendicular_mm) == pytest.approx((50, 50))
        after = measured(course).visits[1].lesions[0]
        assert (after.product_mm2, after.adjusted, after.author) == (pytest.approx(2500), True, "Dr Reader")

    def test_the_longer_line_becomes_the_longest_diameter(self) -> None:
        course = two_visits(LARGE, LARGE)
        shorter = DiameterLine((0.0, 0.0, 0.0), (-8.0, 6.0, 0.0))
        made = adjust_diameters(course.store, measured(course).visits[1].lesions[0], shorter, self.long, "Reader")
        assert (made.longest, made.perpendicular) == (self.long, shorter)

    def test_moving_again_changes_the_record(self) -> None:
        course = two_visits(LARGE, LARGE)
        for _ in range(2):
            adjust_diameters(course.store, measured(course).visits[1].lesions[0], self.long, self.short, "Reader")
        assert len(course.store.measurements.of_timepoint("P", "V1")) == 1

    @pytest.mark.parametrize("end", [(0.0, 0.0, 0.0), (30.0, 40.0, 0.0), (-33.0, 30.0, 0.0)])
    def test_lines_that_are_no_perpendicular_diameters_are_refused(self, end: tuple[float, float, float]) -> None:
        course = two_visits(LARGE, LARGE)
        with pytest.raises(UserError, match=r"diameter"):
            wrong = DiameterLine((0.0, 0.0, 0.0), end)
            adjust_diameters(course.store, measured(course).visits[1].lesions[0], self.long, wrong, "Reader")
        assert course.store.measurements.of_patient("P") == ()


def test_diameters_set_on_another_mask_are_said_to_be_out_of_date_until_they_are_measured_or_set_again() -> None:
    course = two_visits(LARGE, LARGE)
    line, across = TestHandles.long, TestHandles.short
    first = measured(course).visits[1]
    assert first.lesions[0].revision == 1
    adjust_diameters(course.store, first.lesions[0], line, across, "Dr Reader")
    assert not assess(course).proposals[-1].inputs["lesions"][0]["out_of_date"]
    visit = course.store.timepoints(course.patient.id or 0)[1]
    newer = (ET, (5, 5, 5), (11, 8, 6))
    course.store.add_revision(
        visit, mask(newer), GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="Dr Reader"
    )  # fmt: skip
    proposal = assess(course).proposals[-1]
    assert proposal.inputs["lesions"][0]["out_of_date"]
    assert "The diameters of L1 were set on mask 1; mask 2 counts now: measure them again." in proposal.reasons
    now = measured(course).visits[1]
    assert now.lesions[0].longest_mm == pytest.approx(50)  # what the reader set counts until then
    adjust_diameters(course.store, now.lesions[0], line, across, "Dr Reader", revision=2)
    again = measured(course).visits[1]
    assert not again.out_of_date(again.lesions[0])
    reset_diameters(course.store, again.lesions[0], "Dr Reader")
    computed = measured(course).visits[1].lesions[0]
    assert (computed.adjusted, computed.revision) == (False, 2)


def test_a_finding_made_later_keeps_adjusted_diameters_and_chosen_targets_of_its_lesion() -> None:
    course = Course()
    course.visit(100, LARGE, OTHER, phase=BASELINE)
    course.visit(200, LARGE, OTHER)
    found = measured(course)
    response = assess_response(course.store, found)
    small = found.visits[0].lesions[1]
    line, across = small.longest, small.perpendicular
    assert line is not None and across is not None
    longer = DiameterLine(line.start_mm, tuple(2 * np.subtract(line.end_mm, line.start_mm) + line.start_mm))  # type: ignore[arg-type]
    adjust_diameters(course.store, found.visits[1].lesions[1], longer, across, "Dr Reader")
    choose_targets(course.store, found, response, [small.lesion], "Dr Reader")
    finding = Finding("P", "V1", "enhancing-tumour", line.start_mm)
    course.store.findings.add(finding)
    later = measured(course)
    assert later.visits[1].new == frozenset()
    assert later.visits[1].lesions[1].adjusted
    assert assess_response(course.store, later).targets == (finding.lesion,)
    assert assess_response(course.store, later).proposals[-1].category is ResponseCategory.PD


class TestAttaching:
    long = DiameterLine((-58.0, -50.0, -10.0), (-28.0, -50.0, -10.0))
    short = DiameterLine((-40.0, -60.0, -10.0), (-40.0, -40.0, -10.0))
    middle = (-43.0, -50.0, -10.0)

    def near(self, course: Course) -> tuple[LesionChoice, ...]:
        visit = course.store.timepoints(course.patient.id or 0)[-1]
        return lesions_near(course.store, "P", visit, self.middle, load_profile(), "Dr Reader")

    def test_the_lesion_under_the_diameters_is_offered_first_and_becomes_a_finding(self) -> None:
        course = Course()
        course.visit(100, LARGE, OTHER, phase=BASELINE)
        course.visit(200, LARGE, OTHER)
        first, second = self.near(course)
        assert (first.away_mm, first.recorded) == (0.0, False)
        assert second.away_mm > 30
        attach_diameters(course.store, first, self.long, self.short, "Dr Reader")
        (finding,) = course.store.findings.of_patient("P")
        assert (finding.volume_ml, finding.revision, finding.label) == (pytest.approx(480 * 0.064), 1, "ET")
        used = measured(course).visits[1].lesions[0]
        assert (used.lesion, used.longest_mm, used.adjusted) == (finding.lesion, pytest.approx(30), True)
        assert measured(course).visits[1].new == frozenset()
        (again, _) = self.near(course)
        assert (again.recorded, again.finding) == (True, finding)
        attach_diameters(course.store, again, self.long, self.short, "Dr New")
        assert [m.author for m in course.store.measurements.of_patient("P")] == ["Dr New"]

    def test_lines_that_are_no_diameters_leave_nothing_behind(self) -> None:
        course = two_visits(LARGE, LARGE)
        with pytest.raises(UserError, match="right angle"):
            attach_diameters(course.store, self.near(course)[0], self.long, self.long, "Dr Reader")
        assert course.store.findings.of_patient("P") == course.store.measurements.of_patient("P") == ()

    def test_a_visit_without_mask_or_lesion_is_explained(self) -> None:
        course = Course()
        course.visit(100, masked=False)
        with pytest.raises(UserError, match="no saved mask"):
            self.near(course)
        course.visit(200, (RC, *LARGE[1:]))
        with pytest.raises(UserError, match="has no ET"):
            self.near(course)


def test_measurements_that_were_not_adjusted_are_measured_anew() -> None:
    course = two_visits(LARGE, LARGE)
    course.store.measurements.add(LesionMeasurement("P", "V1", "L1", 60.0, 55.0))
    assert categories(assess(course))[-1] is ResponseCategory.SD


def test_a_finding_s_lesion_is_the_target() -> None:
    course = two_visits(LARGE, SMALL)
    finding = Finding("P", "V0", "enhancing-tumour", (-50.0, -60.0, -15.0))
    course.store.findings.add(finding)
    found = measured(course)
    assert found.lesions[1][0].lesion == finding.lesion
    assert found.lesions[1][0].change is LesionChange.SHRUNK
    assert assess_response(course.store, found).targets == (finding.lesion,)


def test_the_number_of_targets_is_the_reader_s_choice() -> None:
    course = Course()
    boxes = [(ET, (5, 5 + 12 * n, 5), (6 - n, 6 - n, 6)) for n in range(3)]
    course.visit(100, *boxes, phase=BASELINE)
    assert assess(course).targets == ("L1", "L2")
    assert assess(course, limit=3).targets == ("L1", "L2", "L3")


def test_progression_of_other_disease_seen_by_the_reader_counts_and_is_remembered() -> None:
    course = two_visits(LARGE, LARGE)
    proposal = assess(course, non_target_worse=["V1"]).proposals[-1]
    assert proposal.category is ResponseCategory.PD
    decide(course.store, "P", BIDIMENSIONAL, proposal, ResponseCategory.PD, "Reader")
    assert assess(course).proposals[-1].inputs["non_target_worse"] is True


def test_the_last_judgement_of_other_disease_counts_whichever_method_was_decided_first() -> None:
    course = two_visits(LARGE, LARGE)
    for method in (BIDIMENSIONAL, VOLUMETRIC):
        decide(course.store, "P", method, assess(course, method).proposals[-1], ResponseCategory.SD, "Reader")
    ticked = assess(course, BIDIMENSIONAL, non_target_worse=["V1"]).proposals[-1]
    decide(course.store, "P", BIDIMENSIONAL, ticked, ResponseCategory.PD, "Reader")
    for method in (BIDIMENSIONAL, VOLUMETRIC):
        assert assess(course, method).proposals[-1].category is ResponseCategory.PD


class TestDecision:
    def test_the_reader_s_decision_is_recorded_with_name_time_and_what_was_proposed(self) -> None:
        course = two_visits(SMALL, LARGE)
        proposal = assess(course).proposals[-1]
        made = decide(
            course.store, "P", BIDIMENSIONAL, proposal, ResponseCategory.SD, " Dr Reader ", "treatment effect"
        )
        assert course.store.responses.of_timepoint("P", "V1") == (made,)
        assert (made.proposed, made.decided, made.reader) == (ResponseCategory.PD, ResponseCategory.SD, "Dr Reader")
        assert made.decided_utc is not None
        assert made.reasons == proposal.reasons
        assert assess(course).decisions["V1"] == made
        assert "V1" not in assess(course, VOLUMETRIC).decisions

    def test_deciding_again_changes_the_record(self) -> None:
        course = two_visits(SMALL, LARGE)
        proposal = assess(course).proposals[-1]
        first = decide(course.store, "P", BIDIMENSIONAL, proposal, ResponseCategory.SD, "Reader")
        second = decide(course.store, "P", BIDIMENSIONAL, proposal, ResponseCategory.PD, "Reader")
        assert course.store.responses.of_timepoint("P", "V1") == (second,)
        assert first.id == second.id

    def test_a_decision_needs_a_name(self) -> None:
        course = two_visits(SMALL, LARGE)
        with pytest.raises(UserError, match="name"):
            decide(course.store, "P", BIDIMENSIONAL, assess(course).proposals[-1], ResponseCategory.SD, "  ")

    def test_later_visits_build_on_the_decision(self) -> None:
        course = two_visits(SMALL, LARGE, days=(40, 60))
        course.store.events.add(ClinicalEvent("P", EventKind.RADIOTHERAPY, day=0, end_day=35, dose_gy=60, fractions=30))
        course.visit(100, LARGE)
        assert categories(assess(course))[-1] is ResponseCategory.PD
        decide(course.store, "P", BIDIMENSIONAL, assess(course).proposals[1], ResponseCategory.SD, "Reader")
        assert categories(assess(course))[-1] is ResponseCategory.PRELIMINARY_PD


def test_the_reader_s_targets_replace_the_rule_s_and_outlast_a_decision() -> None:
    course = Course()
    course.visit(100, LARGE, OTHER, phase=BASELINE)
    course.visit(200, LARGE, OTHER)
    lesions = measured(course)
    response = assess_response(course.store, lesions)
    assert response.targets == ("L1", "L2")
    choose_targets(course.store, lesions, response, ["L2"], "Dr New")
    response = assess_response(course.store, lesions)
    assert response.targets == ("L2",)
    (followed,) = (n for n in lesions.visits[1].lesions if n.lesion == "L2")
    assert response.proposals[1].inputs["burden"] == pytest.approx(followed.product_mm2)
    decide(course.store, "P", BIDIMENSIONAL, response.proposals[0], ResponseCategory.BASELINE, "Dr New")
    assert assess(course).targets == ("L2",)
    assert assess(course, VOLUMETRIC).targets == ("L2",)
    choose_targets(course.store, lesions, response, [], "Dr New")
    assert assess(course).targets == ("L1", "L2")
    for wrong, reason in ((["L9"], "no lesion L9"), (["L1", "L2", "L3", "L4"], "at most 3")):
        with pytest.raises(UserError, match=reason):
            choose_targets(course.store, lesions, response, wrong, "Dr New")
    with pytest.raises(UserError, match="reader's name"):
        choose_targets(course.store, lesions, response, ["L1"], " ")


def test_what_was_said_of_a_lesion_that_the_mask_no_longer_has_goes_to_no_other() -> None:
    third: Box = (ET, (5, 30, 5), (4, 4, 5))
    course = Course()
    first = course.visit(100, LARGE, OTHER, third, phase=BASELINE)
    lesions = measured(course)
    choose_targets(course.store, lesions, assess_response(course.store, lesions), ["L2"], "Dr New")
    other = lesions.visits[0].lesions[1]
    assert other.longest is not None and other.perpendicular is not None
    adjust_diameters(course.store, other, other.longest, other.perpendicular, "Dr New")
    course.revise(first, mask(LARGE, third))  # the third is L2 now
    assert [made.adjusted for made in measured(course).visits[0].lesions] == [False, False]
    response = assess(course)
    assert (response.targets, response.chosen_by) == (("L1", "L2"), "")
    assert any("A target lesion that Dr New chose is not in the mask" in r for r in response.proposals[0].reasons)
    course.revise(first, mask(LARGE, OTHER, third))
    assert (assess(course).targets, assess(course).chosen_by) == (("L2",), "Dr New")
    assert [made.adjusted for made in measured(course).visits[0].lesions] == [False, True, False]


def test_adjusted_diameters_are_taken_over_and_given_back_without_looking_for_lesions_again() -> None:
    course = two_visits(LARGE, LARGE)
    lesions = measured(course)
    before = lesions.visits[1].lesions[0]
    assert before.longest is not None
    assert before.perpendicular is not None
    (x, y, z), end = before.longest.start_mm, before.longest.end_mm
    half = DiameterLine((x, y, z), ((x + end[0]) / 2, (y + end[1]) / 2, z))
    made = adjust_diameters(course.store, before, half, before.perpendicular, "Dr New")
    again = measure_again(course.store, lesions)
    assert again.maps is lesions.maps
    (seen,) = again.visits[1].lesions
    assert seen.adjusted
    assert seen.product_mm2 == pytest.approx(before.product_mm2 / 2)
    assert again.visits[1].total_ml == lesions.visits[1].total_ml
    reset_diameters(course.store, made, "Dr New")
    (back,) = measure_again(course.store, lesions).visits[1].lesions
    assert not back.adjusted
    assert back.product_mm2 == pytest.approx(before.product_mm2)
    reset_diameters(course.store, back, "Dr New")  # computed already: nothing to take back


def test_diameters_across_the_cavity_are_pointed_out_until_they_are_set_on_the_solid_part() -> None:
    course = Course()
    course.visit(100, LARGE, phase=BASELINE)
    course.visit(200, LARGE, (RC, (8, 7, 5), (4, 4, 6)))
    found = measured(course)
    (lesion,) = found.visits[1].over_cavity
    said = "run across the resection cavity"
    assert said in " ".join(assess_response(course.store, found, BIDIMENSIONAL).proposals[-1].reasons)
    assert said not in " ".join(assess_response(course.store, found, VOLUMETRIC).proposals[-1].reasons)
    assert not found.visits[0].over_cavity
    (made,) = found.visits[1].lesions
    ends = found.maps[1].grid.index_to_world([(5, 5, 7), (7, 5, 7), (6, 4, 7), (6, 6, 7)])  # type: ignore[union-attr]
    a, b, c, d = ((float(x), float(y), float(z)) for x, y, z in ends)
    adjust_diameters(course.store, made, DiameterLine(a, b), DiameterLine(c, d), "Dr New")
    again = measure_again(course.store, found)
    assert again.visits[1].lesions[0].adjusted
    assert lesion not in again.visits[1].over_cavity
