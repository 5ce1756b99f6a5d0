"""Lesions followed from visit to visit, and findings proposed for the next."""

from collections.abc import Sequence

import numpy as np
import pytest
from courses import ET, GRID, Box, Course, mask
from phantoms import head

from glioma_annotator.domain.finding import Finding, FindingSource, FindingStatus, LesionChange
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import Cancelled, UserError
from glioma_annotator.imaging.lesion_map import LesionMap, find_lesions
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow.alignment import SameWorld, VisitAlignment
from glioma_annotator.workflow.tracking import TrackedLesion, merged_since, propose_findings, track_lesions

A: Box = (ET, (5, 5, 5), (5, 5, 5))
B: Box = (ET, (25, 25, 5), (4, 4, 4))
NEAR_A: Box = (ET, (5, 12, 5), (5, 5, 5))
JOINED: Box = (ET, (5, 5, 5), (5, 12, 5))


def visits(count: int) -> list[Timepoint]:
    course = Course()
    return [course.visit(30 * n, images={"T1": Volume(np.ones(GRID.shape, np.float32), GRID)}) for n in range(count)]


def lesions(*boxes: Box) -> LesionMap:
    return find_lesions(mask(*boxes) == ET, GRID)


def track(*maps: LesionMap | None, findings: Sequence[Finding] = ()) -> list[dict[str, TrackedLesion]]:
    found = track_lesions(visits(len(maps)), maps, SameWorld(), findings)
    return [{t.lesion: t for t in visit} for visit in found]


def point(box: Box) -> tuple[float, float, float]:
    _, start, size = box
    x, y, z = GRID.index_to_world(np.add(start, np.subtract(size, 1) / 2)).tolist()
    return x, y, z


class TestTracking:
    def test_a_lesion_keeps_its_name_through_the_course(self) -> None:
        first, second, third = track(lesions(A, B), lesions(A, B), lesions(B))
        assert first["L1"].change is None
        assert second["L1"].change is LesionChange.UNCHANGED
        assert second["L2"].volume_ml == pytest.approx(64 * 0.064)
        assert third["L1"].change is LesionChange.GONE
        assert third["L1"].number is None
        assert third["L2"].change is LesionChange.UNCHANGED

    def test_a_new_lesion_gets_a_name_of_its_own(self) -> None:
        _, second = track(lesions(A), lesions(A, B))
        assert second["L2"].change is LesionChange.NEW

    def test_a_lesion_that_went_up_in_another_is_known_until_it_is_back(self) -> None:
        maps = [lesions(A, NEAR_A), lesions(JOINED), lesions(A), lesions(A, NEAR_A)]
        course = track_lesions(visits(len(maps)), maps, SameWorld())
        went = {"L1": frozenset({"L2"})}
        assert [merged_since(course[: count + 1]) for count in range(len(maps))] == [{}, went, went, {}]
        assert [t.lesion for t in course[-1]] == ["L1", "L2"]
        assert merged_since(course[1:3]) == {}  # it had merged before the first of these

    def test_visits_without_mask_are_stepped_over(self) -> None:
        _, empty, third = track(lesions(A), None, lesions(A))
        assert empty == {}
        assert third["L1"].change is LesionChange.UNCHANGED

    def test_a_lesion_that_returns_has_its_name_again(self) -> None:
        *_, fourth = track(lesions(A, B), lesions(B), lesions(B), lesions(A, B))
        assert fourth["L1"].change is LesionChange.NEW
        assert fourth["L2"].change is LesionChange.UNCHANGED

    def test_merged_lesions_go_on_as_the_one_with_the_largest_overlap(self) -> None:
        small: Box = (ET, (5, 12, 5), (5, 4, 5))
        _, second = track(lesions(A, small), lesions(JOINED))
        assert second["L1"].change is LesionChange.MERGED
        assert second["L1"].merged == ("L2",)

    def test_parts_of_a_split_lesion_share_its_name(self) -> None:
        found = track_lesions(visits(2), [lesions(JOINED), lesions(A, NEAR_A)], SameWorld())
        assert [(t.lesion, t.change) for t in found[1]] == [("L1", LesionChange.SPLIT)] * 2

    def test_a_finding_names_its_lesion(self) -> None:
        finding = Finding("P", "V0", "enhancing-tumour", point(B))
        first, second = track(lesions(A, B), lesions(A, B), findings=[finding])
        assert set(first) == set(second) == {"L1", finding.lesion}

    def test_a_finding_made_later_names_the_lesion_at_the_earlier_visits_too(self) -> None:
        finding = Finding("P", "V2", "enhancing-tumour", point(B))
        for visit in track(lesions(A, B), lesions(A, B), lesions(A, B), findings=[finding]):
            assert set(visit) == {"L1", finding.lesion}
        split = Finding("P", "V1", "enhancing-tumour", point(NEAR_A))
        found = track_lesions(visits(2), [lesions(JOINED), lesions(A, NEAR_A)], SameWorld(), [split])
        assert [t.lesion for visit in found for t in visit] == [split.lesion] * 3

    def test_another_finding_of_a_named_lesion_makes_no_other_lesion_of_it(self) -> None:
        first, later = (Finding("P", key, "enhancing-tumour", point(B)) for key in ("V0", "V1"))
        before, after = track(lesions(B), lesions(B), findings=[first, later])
        assert set(before) == set(after) == {first.lesion}

    def test_a_name_that_the_reader_confirmed_counts_more_than_overlap(self) -> None:
        first, other = Finding("P", "V0", "enhancing-tumour", point(B)), Finding("P", "V0", "cyst", point(A))
        later = Finding("P", "V1", "enhancing-tumour", point(B), lesion=other.lesion, previous=(other.id,))
        before, after = track(lesions(B), lesions(B), findings=[first, later])
        assert (set(before), set(after)) == ({first.lesion}, {other.lesion})

    def test_artefacts_name_nothing(self) -> None:
        finding = Finding("P", "V0", "enhancing-tumour", point(B), status=FindingStatus.ARTEFACT)
        assert set(track(lesions(A, B), findings=[finding])[0]) == {"L1", "L2"}

    def test_names_already_given_are_not_given_again(self) -> None:
        finding = Finding("P", "V0", "enhancing-tumour", point(B), lesion="L1")
        (first,) = track(lesions(A, B), findings=[finding])
        assert set(first) == {"L1", "L2"}
        assert first["L1"].volume_ml < first["L2"].volume_ml

    def test_empty_masks_track_nothing(self) -> None:
        assert track(lesions(), lesions()) == [{}, {}]


class TestProposals:
    template = Finding("P", "", "new-enhancement", (0, 0, 0), label="ET", revision=2, author="Reader")

    def propose(
        self, findings: Sequence[Finding], before: LesionMap, after: LesionMap, matrix: np.ndarray | None = None
    ) -> tuple[Finding, ...]:
        earlier, later = visits(2)
        where = np.eye(4) if matrix is None else matrix
        return propose_findings(earlier, later, findings, (before, after), where, self.template)

    def test_the_same_lesion_comes_back_open_with_its_ml(self) -> None:
        finding = Finding("P", "V0", "enhancing-tumour", point(A), text="solid", status=FindingStatus.CONFIRMED)
        (made,) = self.propose([finding], lesions(A), lesions((ET, (5, 5, 5), (8, 5, 5))))
        assert (made.lesion, made.previous, made.timepoint) == (finding.lesion, (finding.id,), "V1")
        assert (made.change, made.status, made.source) == (
            LesionChange.GROWN,
            FindingStatus.OPEN,
            FindingSource.TRACKED,
        )
        assert made.volume_ml == pytest.approx(200 * 0.064)
        assert made.id != finding.id
        assert (made.kind, made.text, made.label, made.revision) == ("enhancing-tumour", "", "ET", 2)
        assert lesions((ET, (5, 5, 5), (8, 5, 5))).at(made.point_mm) is not None

    def test_a_new_lesion_is_proposed_under_the_template_s_kind(self) -> None:
        made = self.propose([], lesions(), lesions(A, B))
        assert [m.change for m in made] == [LesionChange.NEW] * 2
        assert {m.kind for m in made} == {"new-enhancement"}
        assert len({m.lesion for m in made}) == 2
        assert all(m.lesion == m.id for m in made)

    def test_a_gone_lesion_is_proposed_where_it_was(self) -> None:
        finding = Finding("P", "V0", "enhancing-tumour", point(A))
        (made,) = self.propose([finding], lesions(A), lesions())
        assert (made.change, made.volume_ml, made.box) == (LesionChange.GONE, 0.0, None)
        assert made.point_mm == pytest.approx(finding.point_mm)

    def test_merged_findings_become_one_that_continues_both(self) -> None:
        one, two = (Finding("P", "V0", "enhancing-tumour", point(box)) for box in (A, NEAR_A))
        (made,) = self.propose([two, one], lesions(A, NEAR_A), lesions(JOINED))
        assert made.change is LesionChange.MERGED
        assert set(made.previous) == {one.id, two.id}

    def test_findings_of_two_kinds_on_one_lesion_both_come_back(self) -> None:
        kinds = [Finding("P", "V0", kind, point(A)) for kind in ("enhancing-tumour", "haemorrhage")]
        made = self.propose(kinds, lesions(A), lesions(A))
        assert {m.kind for m in made} == {"enhancing-tumour", "haemorrhage"}

    def test_a_mere_point_is_carried_by_the_registration(self) -> None:
        finding = Finding("P", "V0", "mass-effect", (10.0, 20.0, 30.0))
        later_to_earlier = np.eye(4)
        later_to_earlier[:3, 3] = (5, 0, -2)
        (made,) = self.propose([finding], lesions(), lesions(), later_to_earlier)
        assert made.point_mm == pytest.approx((5, 20, 32))
        assert (made.change, made.volume_ml, made.previous) == (None, None, (finding.id,))

    def test_artefacts_gone_lesions_and_other_visits_are_left_behind(self) -> None:
        dead = [
            Finding("P", "V0", "enhancing-tumour", point(A), status=FindingStatus.ARTEFACT),
            Finding("P", "V0", "enhancing-tumour", point(A), change=LesionChange.GONE),
            Finding("P", "V7", "enhancing-tumour", point(A)),
        ]
        assert self.propose(dead, lesions(A), lesions(A)) == ()


class TestAlignment:
    GRID = Grid((38, 44, 34), np.array([[4.0, 0, 0, -75], [0, 4.5, 0, -97], [0, 0, 4.5, -76], [0, 0, 0, 1]]))

    def images(self, move: np.ndarray, seed: int) -> dict[str, Volume]:
        return {
            "T1Gd": Volume(head(SequenceRole.T1GD, self.GRID, seed), Grid(self.GRID.shape, move @ self.GRID.affine))
        }

    def test_visits_whose_images_agree_are_left_where_they_are(self) -> None:
        course = Course()
        one = course.visit(0, grid=self.GRID, masked=False, images=self.images(np.eye(4), 0))
        two = course.visit(9, grid=self.GRID, masked=False, images=self.images(np.eye(4), 1))
        align = VisitAlignment(course.store)
        assert np.array_equal(align(two, one), np.eye(4))
        assert align.messages == []

    def test_visits_apart_are_registered_once_and_said_so(self) -> None:
        move = np.eye(4)
        move[:3, 3] = (40, -25, 30)
        grid = Grid(self.GRID.shape, move @ self.GRID.affine)
        course = Course()
        one = course.visit(0, grid=self.GRID, masked=False, images=self.images(np.eye(4), 0))
        two = course.visit(9, grid=grid, masked=False, images=self.images(move, 1))
        align = VisitAlignment(course.store)
        found = align(two, one)
        corner = np.array([20.0, 30, 10, 1])
        assert np.linalg.norm((found @ move @ corner - corner)[:3]) < 3
        assert align(two, one) is found
        assert len(align.messages) == 1
        assert "registered" in align.messages[0]

    def test_visits_without_a_common_sequence_are_refused(self) -> None:
        course = Course()
        one = course.visit(0, roles=[SequenceRole.T1])
        two = course.visit(9, roles=[SequenceRole.FLAIR])
        with pytest.raises(UserError, match="no sequence in common"):
            VisitAlignment(course.store)(two, one)

    def test_alignment_stops_when_cancelled(self) -> None:
        course = Course()
        one, two = course.visit(0), course.visit(9)
        token = CancelToken()
        token.cancel()
        with pytest.raises(Cancelled):
            VisitAlignment(course.store, ignore_progress, token)(two, one)
