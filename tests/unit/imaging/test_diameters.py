"""Diameters of masks whose lengths are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from glioma_annotator.imaging.diameters import Diameters, bidimensional, largest_axial_bidimensional


def block(rows: int, columns: int) -> NDArray[np.bool_]:
    mask = np.zeros((40, 50), dtype=np.bool_)
    mask[10 : 10 + rows, 5 : 5 + columns] = True
    return mask


def ellipse(a_mm: float, b_mm: float, degrees: float, spacing: tuple[float, float]) -> NDArray[np.bool_]:
    """Half axes a and b; a leans by `degrees` from the first axis."""
    shape = tuple(int(3 * a_mm / mm) for mm in spacing)
    i, j = np.indices(shape)
    x, y = (i - shape[0] / 2) * spacing[0], (j - shape[1] / 2) * spacing[1]
    lean = np.radians(degrees)
    u, v = x * np.cos(lean) + y * np.sin(lean), -x * np.sin(lean) + y * np.cos(lean)
    inside: NDArray[np.bool_] = (u / a_mm) ** 2 + (v / b_mm) ** 2 <= 1
    return inside


def measured(mask: NDArray[np.bool_], spacing: tuple[float, float]) -> Diameters:
    found = bidimensional(mask, spacing)
    assert found is not None
    return found


def test_an_empty_slice_has_no_diameters() -> None:
    assert bidimensional(np.zeros((5, 6), dtype=np.bool_), (1.0, 1.0)) is None
    assert largest_axial_bidimensional(np.zeros((5, 6, 3), dtype=np.bool_), (1.0, 1.0, 1.0)) is None


def test_a_row_of_voxels_is_as_long_as_its_voxels() -> None:
    row = measured(block(1, 7), (2.0, 1.5))
    assert row.long_mm == pytest.approx(7 * 1.5)
    assert row.short_mm == pytest.approx(2.0)
    assert sorted(row.long_ends) == [(10.0, 4.5), (10.0, 11.5)]


def test_one_voxel_is_one_voxel_wide() -> None:
    voxel = measured(block(1, 1), (1.0, 1.0))
    assert (voxel.long_mm, voxel.short_mm) == pytest.approx((1.0, 1.0))


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 0.5), (1.0, 0.6), (2.0, 1.0)])
@pytest.mark.parametrize("degrees", [0.0, 20.0, 45.0, 110.0])
def test_an_ellipse_is_measured_along_its_axes(spacing: tuple[float, float], degrees: float) -> None:
    found = measured(ellipse(22.0, 12.0, degrees, spacing), spacing)
    assert found.long_mm == pytest.approx(44.0, abs=1.2 * max(spacing))
    assert found.short_mm == pytest.approx(24.0, abs=1.2 * max(spacing))


def test_the_ends_lie_on_the_edge_and_the_lines_stand_upright_on_each_other() -> None:
    spacing = (1.0, 0.7)
    mask = ellipse(15.0, 9.0, 30.0, spacing)
    found = measured(mask, spacing)
    long, short = (np.subtract(b, a) * spacing for a, b in (found.long_ends, found.short_ends))
    assert np.linalg.norm(long) == pytest.approx(found.long_mm)
    assert np.linalg.norm(short) == pytest.approx(found.short_mm)
    assert float(long @ short) == pytest.approx(0.0, abs=1e-6)
    for end in (*found.long_ends, *found.short_ends):
        i, j = np.floor(end).astype(int)
        around = mask[i : i + 2, j : j + 2]
        assert around.any()
        assert not mask[i - 1 : i + 3, j - 1 : j + 3].all()


def test_the_hole_of_a_ring_counts_as_inside() -> None:
    whole = ellipse(15.0, 10.0, 0.0, (1.0, 1.0))
    ring = whole.copy()
    middle = tuple(n // 2 for n in whole.shape)
    ring[middle[0] - 4 : middle[0] + 4, middle[1] - 4 : middle[1] + 4] = False
    assert bidimensional(ring, (1.0, 1.0)) == bidimensional(whole, (1.0, 1.0))


def test_the_perpendicular_of_a_bent_shape_ends_on_the_shape() -> None:
    bent = block(4, 30)
    bent[10:20, 5:9] = True  # an L
    found = measured(bent, (1.0, 1.0))
    assert found.long_mm > 30
    for i, j in found.short_ends:
        assert bent[
            max(int(np.floor(i)) - 1, 0) : int(np.ceil(i)) + 2, int(np.floor(j)) - 1 : int(np.ceil(j)) + 2
        ].any()


def test_two_lesions_are_never_bridged() -> None:
    mask = block(6, 6)
    mask[10:14, 40:44] = True
    assert bidimensional(mask, (1.0, 1.0)) == bidimensional(block(6, 6), (1.0, 1.0))


def test_the_axial_slice_with_the_largest_product_is_found() -> None:
    mask = np.zeros((40, 50, 6), dtype=np.bool_)
    mask[..., 1] = block(3, 30)
    mask[..., 3] = block(12, 14)
    mask[..., 4] = block(2, 36)
    found = largest_axial_bidimensional(mask, (1.0, 0.5, 4.0))
    assert found is not None
    assert found[0] == 3
    assert found[1] == bidimensional(mask[..., 3], (1.0, 0.5))


@pytest.mark.parametrize("first", [0, 8])
def test_of_equal_products_the_longer_line_counts_whichever_lesion_comes_first(first: int) -> None:
    mask = np.zeros((12, 12), dtype=np.bool_)
    mask[first : first + 2, 3] = True  # 2 mm by 0.5 mm
    mask[4, 0:2] = True  # 1 mm by 1 mm, 1.1 mm across its corners
    found = measured(mask, (1.0, 0.5))
    assert (found.long_mm, found.product_mm2) == (pytest.approx(2.0), pytest.approx(1.0))


@settings(max_examples=60, deadline=None)
@example(cells=[(0, 3), (1, 0), (1, 1), (1, 3)], spacing=(1.0, 0.5))
@given(
    cells=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), min_size=1, max_size=40),
    spacing=st.tuples(st.floats(0.3, 3.0), st.floats(0.3, 3.0)),
)
def test_any_mask_has_a_short_diameter_no_longer_than_the_long_one(
    cells: list[tuple[int, int]], spacing: tuple[float, float]
) -> None:
    mask = np.zeros((12, 12), dtype=np.bool_)
    mask[tuple(np.array(cells).T)] = True
    found = measured(mask, spacing)
    assert 0 < found.short_mm <= found.long_mm * (1 + 1e-9)
    assert found.long_mm <= np.hypot(12 * spacing[0], 12 * spacing[1])
    assert measured(mask.T, (spacing[1], spacing[0])).long_mm == pytest.approx(found.long_mm)


def test_a_lesion_and_its_mirror_image_measure_alike() -> None:
    """Of equally long lines that with the longest across counts, whichever comes first."""
    generator, alike = np.random.default_rng(1), 0
    for _ in range(300):
        mask = generator.random(tuple(generator.integers(2, 12, 2))) < generator.uniform(0.3, 0.9)
        spacing = (float(generator.uniform(0.4, 3)), float(generator.uniform(0.4, 3)))
        found, mirrored = bidimensional(mask, spacing), bidimensional(mask[::-1], spacing)
        if found is not None and mirrored is not None:
            assert found.product_mm2 == pytest.approx(mirrored.product_mm2)
            alike += 1
    assert alike > 200
