from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, IGNORE
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.metrics import hd95_mm, region_scores, volume_scores

SHAPE = (9, 10, 8)
OBLIQUE = np.array([[0.8, 0.3, 0.0, 5.0], [-0.3, 1.1, 0.2, -7.0], [0.1, 0.0, 3.0, 2.0], [0, 0, 0, 1]])
GRID = Grid(SHAPE, OBLIQUE)
Mask = NDArray[np.bool_]


def surface(mask: Mask) -> list[tuple[int, int, int]]:
    padded = np.pad(mask, 1)
    found = []
    for i, j, k in np.argwhere(padded):
        faces = [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]
        if not all(padded[i + a, j + b, k + c] for a, b, c in faces):
            found.append((i - 1, j - 1, k - 1))
    return found


def slow_hd95_mm(a: Mask, b: Mask, grid: Grid) -> float:
    distances = cdist(grid.index_to_world(surface(a)), grid.index_to_world(surface(b)))
    return float(max(np.percentile(distances.min(axis=1), 95), np.percentile(distances.min(axis=0), 95)))


@pytest.mark.parametrize("seed", range(6))
def test_figures_equal_those_counted_voxel_by_voxel(seed: int) -> None:
    random = np.random.default_rng(seed)
    reference, prediction = (random.choice(5, SHAPE, p=[0.6, 0.1, 0.1, 0.1, 0.1]).astype(np.uint8) for _ in "ab")
    prediction[:5] = reference[:5]
    for region, score in zip(
        GLIOMA_POST_TREATMENT.regions,
        region_scores(reference, prediction, GRID, GLIOMA_POST_TREATMENT),
        strict=True,
    ):
        pairs = [(r in region.values, p in region.values) for r, p in zip(reference.flat, prediction.flat, strict=True)]
        both, in_r, in_p = sum(r and p for r, p in pairs), sum(r for r, _ in pairs), sum(p for _, p in pairs)
        assert score.region == region.name
        assert score.dice == pytest.approx(2 * both / (in_r + in_p))
        assert score.sensitivity == pytest.approx(both / in_r)
        assert score.precision == pytest.approx(both / in_p)
        assert score.reference_ml == pytest.approx(in_r * GRID.voxel_volume_ml)
        assert score.prediction_ml == pytest.approx(in_p * GRID.voxel_volume_ml)
        assert score.hd95_mm == pytest.approx(slow_hd95_mm(region.mask(reference), region.mask(prediction), GRID))


def test_the_distance_counts_millimetres_along_each_axis() -> None:
    grid = Grid((20, 20, 20), np.diag([1.0, 2.0, 5.0, 1.0]))
    a = np.zeros(grid.shape, bool)
    a[3:6, 3:6, 3:6] = True
    for axis, millimetres in enumerate((4.0, 8.0, 20.0)):
        assert hd95_mm(a, np.roll(a, 4, axis), grid) == pytest.approx(millimetres)
    assert hd95_mm(a, a, grid) == 0


def test_two_empty_regions_agree() -> None:
    empty = np.zeros(SHAPE, np.uint8)
    for score in region_scores(empty, empty, GRID, GLIOMA_POST_TREATMENT):
        assert (score.dice, score.hd95_mm, score.sensitivity, score.precision) == (1.0, 0.0, None, None)
        assert (score.reference_ml, score.prediction_ml) == (0.0, 0.0)


def test_one_empty_region_scores_nothing() -> None:
    empty, full = np.zeros(SHAPE, np.uint8), np.full(SHAPE, 3, np.uint8)
    missed = region_scores(full, empty, GRID, GLIOMA_POST_TREATMENT)[0]
    assert (missed.dice, missed.hd95_mm, missed.sensitivity, missed.precision) == (0.0, None, 0.0, None)
    invented = region_scores(empty, full, GRID, GLIOMA_POST_TREATMENT)[0]
    assert (invented.dice, invented.hd95_mm, invented.sensitivity, invented.precision) == (0.0, None, None, 0.0)


def test_voxels_not_reviewed_do_not_count() -> None:
    reference = np.zeros(SHAPE, np.uint8)
    reference[:3], reference[6:] = 3, IGNORE
    prediction = np.zeros(SHAPE, np.uint8)
    prediction[:3], prediction[6:] = 3, 3
    assert region_scores(reference, prediction, GRID, GLIOMA_POST_TREATMENT)[0].dice == 1.0


def test_masks_of_different_shape_are_refused() -> None:
    with pytest.raises(UserError, match="do not match"):
        region_scores(np.zeros(SHAPE, np.uint8), np.zeros((9, 10, 7), np.uint8), GRID, GLIOMA_POST_TREATMENT)


def test_masks_on_different_grids_are_refused() -> None:
    reference = Volume(np.ones(SHAPE, np.uint8), GRID)
    prediction = Volume(np.ones(SHAPE, np.uint8), Grid(SHAPE, np.diag([1.0, 1.0, 3.0, 1.0])))
    with pytest.raises(UserError, match="same grid"):
        volume_scores(reference, prediction, GLIOMA_POST_TREATMENT)
    assert volume_scores(reference, reference, GLIOMA_POST_TREATMENT)[1].dice == 1.0


def test_voxels_of_one_size_in_another_place_are_refused_with_how_far_they_lie_apart() -> None:
    mask = np.ones(SHAPE, np.uint8)
    moved = OBLIQUE.copy()
    moved[2, 3] += 4
    with pytest.raises(UserError, match=r"both have 9 x 10 x 8 voxels of .* lies up to 4 mm apart"):
        volume_scores(Volume(mask, GRID), Volume(mask, Grid(SHAPE, moved)), GLIOMA_POST_TREATMENT)
    moved[2, 3] -= 3.9  # as where ITK-SNAP saves a mask of an image whose axes lean a little
    assert volume_scores(Volume(mask, GRID), Volume(mask, Grid(SHAPE, moved)), GLIOMA_POST_TREATMENT)[1].dice == 1.0
