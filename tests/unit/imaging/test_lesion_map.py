"""Lesions of a visit and what became of them at the next."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glioma_annotator.domain.finding import LesionChange
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.response import DiameterLine
from glioma_annotator.imaging.lesion_map import (
    LesionLink,
    LesionMap,
    find_lesions,
    length_inside_mm,
    lesion_size,
    match_lesions,
)

GRID = Grid((40, 36, 24), np.diag([1.0, 1.25, 2.0, 1.0]))


def box_mask(*boxes: tuple[tuple[int, int], tuple[int, int], tuple[int, int]], grid: Grid = GRID) -> np.ndarray:
    mask = np.zeros(grid.shape, dtype=bool)
    for (a, b), (c, d), (e, f) in boxes:
        mask[a:b, c:d, e:f] = True
    return mask


def lesions(*boxes: tuple[tuple[int, int], tuple[int, int], tuple[int, int]], grid: Grid = GRID) -> LesionMap:
    return find_lesions(box_mask(*boxes, grid=grid), grid)


A = ((4, 12), (4, 12), (4, 10))
B = ((24, 30), (20, 28), (6, 12))


def by_later(links: tuple[LesionLink, ...]) -> dict[int | None, LesionLink]:
    return {link.later: link for link in links}


class TestFinding:
    def test_volume_is_exactly_voxels_times_voxel_volume(self) -> None:
        found = lesions(A, B).lesions
        assert [n.voxels for n in found] == [8 * 8 * 6, 6 * 8 * 6]
        assert found[0].volume_ml == pytest.approx(384 * 2.5 / 1000, abs=1e-12)

    def test_lesions_are_numbered_largest_first(self) -> None:
        found = lesions(B, A)
        assert found.numbered[5, 5, 5] == 1
        assert found.numbered[25, 21, 7] == 2

    def test_specks_are_left_out_and_do_not_take_a_number(self) -> None:
        found = lesions(A, ((20, 22), (20, 21), (3, 4)))
        assert len(found.lesions) == 1
        assert found.numbered.max() == 1
        everything = find_lesions(box_mask(A, ((20, 22), (20, 21), (3, 4))), GRID, 0.0)
        assert len(everything.lesions) == 2

    def test_an_empty_mask_has_none(self) -> None:
        found = lesions()
        assert found.lesions == ()
        assert not found.numbered.any()
        assert found.at((0, 0, 0), 1000) is None

    def test_the_point_of_a_ring_lies_in_the_ring(self) -> None:
        mask = box_mask(((4, 20), (4, 20), (4, 8)))
        mask[8:16, 8:16] = False
        found = find_lesions(mask, GRID)
        index = np.rint(GRID.world_to_index(found.lesions[0].point_mm)).astype(int)
        centre = np.rint(GRID.world_to_index(found.lesions[0].centroid_mm)).astype(int)
        assert mask[tuple(index)]
        assert not mask[tuple(centre)]

    def test_a_point_finds_its_lesion_and_the_nearest_within_reach(self) -> None:
        found = lesions(A, B)
        inside = GRID.index_to_world((25, 22, 8))
        beside = GRID.index_to_world((21, 22, 8))
        assert found.at(inside) == found.lesions[1]
        assert found.at(beside) is None
        assert found.at(beside, 3.0) == found.lesions[1]
        assert found.at(beside, 2.9) is None
        assert found.at((-500.0, 0, 0)) is None

    @settings(max_examples=25, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_lesions_share_out_the_mask(self, seed: int) -> None:
        mask = np.random.default_rng(seed).random((7, 6, 5)) < 0.2
        grid = Grid(mask.shape, np.diag([0.7, 1.1, 5.0, 1.0]))
        found = find_lesions(mask, grid, 0.0)
        assert ((found.numbered > 0) == mask).all()
        assert sum(n.voxels for n in found.lesions) == np.count_nonzero(mask)
        total = sum(n.volume_ml for n in found.lesions)
        assert total == pytest.approx(np.count_nonzero(mask) * grid.voxel_volume_ml, abs=1e-12)


class TestSize:
    def test_diameters_are_taken_where_the_area_is_largest(self) -> None:
        mask = box_mask(((4, 10), (4, 8), (4, 9)), ((4, 24), (4, 14), (6, 7)))
        size = lesion_size(find_lesions(mask, GRID), 1)
        assert size.k == 6
        diagonal = np.hypot(20 * 1.0, 10 * 1.25)
        assert size.longest_mm == pytest.approx(diagonal, rel=0.05)
        assert size.perpendicular_mm <= size.longest_mm

    def test_lines_lie_in_the_lesion_s_world_and_are_perpendicular(self) -> None:
        size = lesion_size(lesions(A, B), 2)
        long = np.subtract(size.longest.end_mm, size.longest.start_mm)
        short = np.subtract(size.perpendicular.end_mm, size.perpendicular.start_mm)
        assert np.linalg.norm(long) == pytest.approx(size.longest_mm)
        assert np.linalg.norm(short) == pytest.approx(size.perpendicular_mm)
        assert long @ short == pytest.approx(0, abs=1e-9)
        k = GRID.world_to_index(size.longest.start_mm)[2]
        assert 6 <= k < 12

    def test_a_ring_measures_as_its_outline(self) -> None:
        mask = box_mask(((4, 20), (4, 20), (4, 12)))
        solid = lesion_size(find_lesions(mask, GRID), 1)
        mask[6:18, 6:18, 5:11] = False
        ring = lesion_size(find_lesions(mask, GRID), 1)
        assert ring.longest_mm == pytest.approx(solid.longest_mm)
        assert ring.perpendicular_mm == pytest.approx(solid.perpendicular_mm)


class TestMatching:
    @pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 1.0, 3.0), (2.0, 2.0, 3.0), (0.9, 0.9, 1.2)])
    def test_a_share_of_exactly_the_threshold_reaches_it_on_every_grid(
        self, spacing: tuple[float, float, float]
    ) -> None:
        grid = Grid((40, 36, 24), np.diag([*spacing, 1.0]))

        def one(length: int, start: int = 4) -> LesionMap:
            return find_lesions(box_mask(((start, start + length), (4, 8), (4, 6)), grid=grid), grid, 0.0)

        (grown,) = match_lesions(one(5), one(6))
        assert grown.change is LesionChange.UNCHANGED
        (touching,) = match_lesions(one(10), one(10, 13), distance_mm=0.0)
        assert touching.earlier == (1,)

    def test_the_same_lesion_is_unchanged(self) -> None:
        (link,) = match_lesions(lesions(A), lesions(A))
        assert (link.later, link.earlier, link.change) == (1, (1,), LesionChange.UNCHANGED)
        assert link.earlier_ml == link.later_ml

    def test_a_larger_one_has_grown_and_a_smaller_one_shrunk(self) -> None:
        larger = ((4, 14), (4, 14), (4, 10))
        assert match_lesions(lesions(A), lesions(larger))[0].change is LesionChange.GROWN
        assert match_lesions(lesions(larger), lesions(A))[0].change is LesionChange.SHRUNK

    def test_new_and_gone_lesions_are_told(self) -> None:
        links = by_later(match_lesions(lesions(A), lesions(B)))
        assert links[1].change is LesionChange.NEW
        assert links[1].earlier == ()
        assert links[None].change is LesionChange.GONE
        assert links[None].earlier_ml == pytest.approx(0.96)
        assert links[None].later_ml == 0

    def test_two_that_became_one_have_merged(self) -> None:
        parts = (((4, 10), (4, 12), (4, 10)), ((12, 22), (4, 12), (4, 10)))
        (link,) = match_lesions(lesions(*parts), lesions(((4, 22), (4, 12), (4, 10))))
        assert link.change is LesionChange.MERGED
        assert link.earlier == (1, 2)  # the larger part first
        assert link.earlier_ml == pytest.approx((10 + 6) * 8 * 6 * 0.0025)

    def test_one_that_became_two_has_split(self) -> None:
        parts = (((4, 10), (4, 12), (4, 10)), ((12, 22), (4, 12), (4, 10)))
        links = match_lesions(lesions(((4, 22), (4, 12), (4, 10))), lesions(*parts))
        assert [n.change for n in links] == [LesionChange.SPLIT, LesionChange.SPLIT]
        assert all(n.earlier == (1,) for n in links)

    def test_a_sliver_of_overlap_does_not_join_lesions(self) -> None:
        itself, neighbour = ((4, 10), (4, 12), (4, 10)), ((11, 21), (4, 12), (4, 10))  # one of A's eight columns
        joined = by_later(match_lesions(lesions(A), lesions(itself, neighbour), overlap=0.1))
        assert joined[1].change is LesionChange.SPLIT
        apart = by_later(match_lesions(lesions(A), lesions(itself, neighbour), overlap=0.2))
        assert apart[1].change is LesionChange.NEW  # the neighbour is the larger one
        assert apart[2].earlier == (1,)

    def test_a_lesion_that_moved_a_little_is_still_the_same(self) -> None:
        moved = ((14, 22), (4, 12), (4, 10))  # 3 mm between the borders' voxel centres
        assert match_lesions(lesions(A), lesions(moved))[0].change is LesionChange.UNCHANGED
        far = ((20, 28), (4, 12), (4, 10))
        assert match_lesions(lesions(A), lesions(far))[0].change is LesionChange.NEW

    def test_of_two_near_ones_the_nearest_is_taken(self) -> None:
        near, nearer = ((15, 20), (4, 12), (4, 10)), ((4, 12), (14, 20), (4, 10))
        links = match_lesions(lesions(A), lesions(near, nearer), distance_mm=6.0)
        matched = [n.later for n in links if n.earlier]
        assert matched == [by_later(links)[1].later if by_later(links)[1].earlier else by_later(links)[2].later]
        assert len(matched) == 1

    def test_a_turned_and_shifted_visit_is_matched_through_its_registration(self) -> None:
        angle = np.radians(25)
        move = np.eye(4)
        move[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        move[:3, 3] = (80, -40, 12)
        moved = Grid(GRID.shape, move @ GRID.affine)
        later = lesions(A, B, grid=moved)
        apart = match_lesions(lesions(A, B), later)
        assert {n.change for n in apart} == {LesionChange.NEW, LesionChange.GONE}
        links = match_lesions(lesions(A, B), later, np.linalg.inv(move))
        assert [(n.later, n.earlier, n.change) for n in links] == [
            (1, (1,), LesionChange.UNCHANGED),
            (2, (2,), LesionChange.UNCHANGED),
        ]

    def test_grids_of_different_voxel_size_are_matched_either_way(self) -> None:
        fine = Grid((80, 72, 48), np.array([[0.5, 0, 0, -0.25], [0, 0.625, 0, -0.3125], [0, 0, 1, -0.5], [0, 0, 0, 1]]))
        mask = np.repeat(np.repeat(np.repeat(box_mask(A, B), 2, 0), 2, 1), 2, 2)
        dense = find_lesions(mask, fine)
        for links in (match_lesions(lesions(A, B), dense), match_lesions(dense, lesions(A, B))):
            assert [(n.later, n.earlier, n.change) for n in links] == [
                (1, (1,), LesionChange.UNCHANGED),
                (2, (2,), LesionChange.UNCHANGED),
            ]

    @pytest.mark.parametrize("corner", [-1.5, 1.5])
    def test_a_lesion_within_one_coarse_voxel_is_found_at_its_edge(self, corner: float) -> None:
        shift = 100.0
        coarse = Grid((3, 3, 3), np.diag([4.0, 4, 4, 1]))
        fine = Grid((2, 2, 2), np.array([[1.0, 0, 0, 4 + corner + shift], [0, 1, 0, 4], [0, 0, 1, 4], [0, 0, 0, 1]]))
        large = find_lesions(np.pad(np.ones((1, 1, 1), dtype=bool), 1), coarse, 0.0)
        small = np.zeros((2, 2, 2), dtype=bool)
        small[0, 0, 0] = True
        tiny = find_lesions(small, fine, 0.0)
        to_coarse = np.eye(4)
        to_coarse[0, 3] = -shift
        assert match_lesions(large, tiny, to_coarse, distance_mm=0.0)[0].change is LesionChange.SHRUNK
        assert match_lesions(tiny, large, np.linalg.inv(to_coarse), distance_mm=0.0)[0].change is LesionChange.GROWN

    def test_only_the_named_lesions_take_part(self) -> None:
        links = match_lesions(lesions(A, B), lesions(A, B), among_earlier={2}, among_later={1})
        assert {(n.later, n.change) for n in links} == {(1, LesionChange.NEW), (None, LesionChange.GONE)}

    def test_empty_visits_have_nothing_to_match(self) -> None:
        assert match_lesions(lesions(), lesions()) == ()
        assert match_lesions(lesions(), lesions(A))[0].change is LesionChange.NEW
        assert match_lesions(lesions(A), lesions())[0].change is LesionChange.GONE


def test_the_part_of_a_line_in_a_mask_is_measured_in_millimetres_and_what_lies_outside_counts_as_none() -> None:
    grid = Grid((10, 10, 10), np.diag([2.0, 2, 2, 1]))
    mask = np.zeros(grid.shape, np.bool_)
    mask[2:6, 5, 5] = True
    across = DiameterLine((-10.0, 10.0, 10.0), (30.0, 10.0, 10.0))
    assert length_inside_mm(across, mask, grid) == pytest.approx(8, abs=0.3)
    assert length_inside_mm(DiameterLine((4.0, 0.0, 10.0), (4.0, 8.0, 10.0)), mask, grid) == 0
    assert length_inside_mm(DiameterLine((6.0, 10.0, 10.0), (6.0, 10.0, 10.0)), mask, grid) == 0
