"""VASARI features from masks and geometry."""

import numpy as np
import pytest

from glioma_annotator.domain.finding import Side
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.imaging.midline import MidPlane
from glioma_annotator.imaging.vasari_features import (
    ComputedFeature,
    TissueMasks,
    proportion_class,
    side_of,
    tissue_masks,
    vasari_features,
)

GRID = Grid((60, 40, 20), np.array([[2.0, 0, 0, -59], [0, 2, 0, -39], [0, 0, 2, -19], [0, 0, 0, 1]]))
MIDDLE = MidPlane((1.0, 0.0, 0.0), 0.0, 1.0)
ROLES = {"enhancing": 3, "core": 1, "oedema": 2}
RIGHT = (slice(40, 50), slice(10, 20), slice(5, 15))


def tumour(*parts: tuple[tuple[slice, slice, slice], int]) -> TissueMasks:
    labels = np.zeros(GRID.shape, dtype=np.uint8)
    for where, value in parts:
        labels[where] = value
    return tissue_masks(labels, GRID, ROLES)


def values(found: tuple[ComputedFeature, ...]) -> dict[str, str]:
    return {feature.feature: feature.value for feature in found}


@pytest.mark.parametrize(
    ("share", "code"),
    [(0, "2"), (0.01, "3"), (0.05, "3"), (0.06, "4"), (0.33, "4"), (0.34, "5"), (0.67, "5"), (0.68, "6"), (0.95, "6"),
     (0.96, "7"), (0.999, "7"), (1.0, "8")],
)  # fmt: skip
def test_proportions_fall_into_the_sheet_s_classes(share: float, code: str) -> None:
    assert proportion_class(share) == code


def test_proportions_are_of_the_whole_abnormality() -> None:
    outer, middle, inner = (
        RIGHT,
        (slice(40, 50), slice(10, 20), slice(5, 9)),
        (slice(40, 50), slice(10, 20), slice(5, 6)),
    )
    found = vasari_features(tumour((outer, 2), (middle, 3), (inner, 1)))
    assert values(found)["F5"] == "4"  # 3 of 10 slices
    assert values(found)["F7"] == "4"  # 1 of 10
    assert values(found)["F14"] == "5"  # 6 of 10
    reason = next(f.reason for f in found if f.feature == "F5")
    assert "2.40 of 8.00 mL (30%)" in reason


def test_side_is_that_of_the_centre_of_the_core() -> None:
    left = (slice(10, 20), slice(10, 20), slice(5, 15))
    central = (slice(26, 34), slice(10, 20), slice(5, 15))
    assert values(vasari_features(tumour((RIGHT, 3)), MIDDLE))["F2"] == "1"
    assert values(vasari_features(tumour((left, 3)), MIDDLE))["F2"] == "3"
    assert values(vasari_features(tumour((central, 3)), MIDDLE))["F2"] == "2"
    assert values(vasari_features(tumour((RIGHT, 2), (left, 3)), MIDDLE))["F2"] == "3"
    assert side_of(tumour((RIGHT, 3)).enhancing, GRID, MIDDLE) is Side.RIGHT


def test_without_a_midline_nothing_is_said_about_sides() -> None:
    assert not {"F2", "F15", "F22", "F23"} & set(values(vasari_features(tumour((RIGHT, 3)))))


def test_crossing_needs_one_component_on_both_sides() -> None:
    across = (slice(20, 40), slice(10, 20), slice(5, 15))
    found = values(vasari_features(tumour((across, 3)), MIDDLE))
    assert (found["F23"], found["F22"], found["F15"]) == ("3", "1", "1")
    both = ((slice(10, 20), slice(10, 20), slice(5, 15)), 3), (RIGHT, 3)
    assert values(vasari_features(tumour(*both), MIDDLE))["F23"] == "2"


def test_a_touched_midline_is_not_crossed() -> None:
    touching = (slice(29, 40), slice(10, 12), slice(5, 10))  # one column of 10 voxels, 0.08 mL, on the left
    assert values(vasari_features(tumour((touching, 2)), MIDDLE))["F15"] == "2"


def test_a_focus_outside_the_abnormality_is_multifocal_and_one_within_is_a_satellite() -> None:
    around = (slice(36, 58), slice(4, 30), slice(2, 18))
    far, within = (slice(4, 10), slice(10, 16), slice(5, 10)), (slice(53, 57), slice(22, 28), slice(5, 10))
    assert values(vasari_features(tumour((RIGHT, 3))))["F9"] == "1"
    multifocal = values(vasari_features(tumour((around, 2), (RIGHT, 3), (far, 3))))
    assert (multifocal["F9"], multifocal["F24"]) == ("2", "1")
    satellite = values(vasari_features(tumour((around, 2), (RIGHT, 3), (within, 3))))
    assert (satellite["F9"], satellite["F24"]) == ("1", "2")


def test_spread_follows_the_core_s_share_of_the_flair_abnormality() -> None:
    wide = (slice(36, 58), slice(4, 30), slice(2, 18))
    assert values(vasari_features(tumour((RIGHT, 3))))["F10"] == "1"
    assert values(vasari_features(tumour((RIGHT, 2), ((*RIGHT[:2], slice(5, 10)), 3))))["F10"] == "2"
    assert values(vasari_features(tumour((wide, 2), (RIGHT, 3))))["F10"] == "3"


def test_size_is_in_millimetres_on_the_axial_slice() -> None:
    found = values(vasari_features(tumour(((slice(10, 40), slice(10, 20), slice(5, 7)), 2))))
    assert float(found["F29"]) == pytest.approx(np.hypot(60, 20), rel=0.05)
    assert float(found["F30"]) < 40


def test_extent_of_resection_is_against_the_pre_operative_mask() -> None:
    half = (slice(40, 45), slice(10, 20), slice(5, 15))
    before = tumour((RIGHT, 3))
    found = values(vasari_features(tumour((half, 3)), None, before))
    assert (found["F26"], found["F27"]) == ("5", "1")
    assert values(vasari_features(tumour(), None, before)) == {"F26": "8", "F27": "1", "F28": "1"}
    grown = values(vasari_features(tumour((RIGHT, 3)), None, tumour((half, 3))))
    assert grown["F26"] == "2"


def test_an_empty_mask_has_no_features() -> None:
    assert vasari_features(tumour(), MIDDLE) == ()


@pytest.mark.parametrize("spacing_mm", [(5.3829, 5.3019, 4.1953), (5.8448, 5.9817, 5.3089), (0.9, 0.7, 1.3)])
@pytest.mark.parametrize(("percent", "code"), [(0, "2"), (5, "3"), (33, "4"), (67, "5"), (95, "6"), (100, "8")])
def test_a_share_of_exactly_a_class_s_end_lies_in_it_on_every_grid(
    spacing_mm: tuple[float, float, float], percent: int, code: str
) -> None:
    grid = Grid((20, 20, 10), np.diag([*spacing_mm, 1.0]))
    for many in (100, 300, 700, 1000):
        labels = np.zeros(grid.shape, dtype=np.uint8)
        labels.reshape(-1)[:many] = 2
        before = tissue_masks(np.where(labels, np.uint8(3), labels), grid, ROLES)
        labels.reshape(-1)[: many - many * percent // 100] = 3
        found = values(vasari_features(tissue_masks(labels, grid, ROLES), None, before))
        assert (found["F14"], found["F26"]) == (code, code)
