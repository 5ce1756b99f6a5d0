"""New findings at a voxel."""

from __future__ import annotations

import numpy as np
import pytest

from glioma_annotator.domain.finding import FindingSource, Side
from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.errors import UserError
from glioma_annotator.workflow.finding_entry import finding_at, finding_of_region, kind_for, side_of
from glioma_annotator.workflow.profiles import load_profile

GRID = Grid((40, 30, 20), np.array([[2.0, 0, 0, -40], [0, 2, 0, -30], [0, 0, 3, -30], [0, 0, 0, 1]]))
VISIT = Timepoint(1, "v1", 0, GRID, "T1Gd")
PROFILE = load_profile()


def labels() -> np.ndarray:
    mask = np.zeros(GRID.shape, dtype=np.uint8)
    mask[28:32, 10:15, 5:9] = 3
    mask[5:7, 10:12, 5:7] = 3
    return mask


@pytest.mark.parametrize(("i", "side"), [(30, Side.RIGHT), (8, Side.LEFT), (19, Side.MIDLINE)])
def test_the_side_is_the_patients(i: int, side: Side) -> None:
    assert side_of((i, 15, 10), GRID, None) is side


def test_the_side_is_judged_by_the_head_not_by_the_grid() -> None:
    head = np.zeros(GRID.shape, dtype=bool)
    head[20:40] = True
    assert side_of((24, 15, 10), GRID, None) is Side.RIGHT
    assert side_of((24, 15, 10), GRID, head) is Side.LEFT


def test_a_finding_on_the_mask_is_of_the_component_there() -> None:
    finding = finding_at((30, 12, 7), VISIT, "P", labels(), PROFILE, "Reader", 4)
    assert (finding.label, finding.source, finding.revision) == ("ET", FindingSource.COMPONENT, 4)
    assert finding.volume_ml == pytest.approx(4 * 5 * 4 * 12 / 1000)
    assert finding.box is not None
    assert (finding.box.start, finding.box.stop) == ((28, 10, 5), (32, 15, 9))
    assert finding.kind == kind_for(PROFILE, "ET")
    assert finding.point_mm == (20.0, -6.0, -9.0)


def test_a_finding_beside_the_mask_is_a_point() -> None:
    finding = finding_at((20, 20, 10), VISIT, "P", labels(), PROFILE, "Reader", 4)
    assert (finding.label, finding.source, finding.volume_ml, finding.revision) == (
        "",
        FindingSource.CROSSHAIR,
        None,
        None,
    )


def test_a_drawn_region_gives_its_box_its_ml_and_the_kind_of_its_main_label() -> None:
    mask = np.zeros(GRID.shape, np.uint8)
    mask[4:9, 4:8, 3] = 3
    square = np.array([[4.0, 4, 3], [8, 4, 3], [8, 8, 3], [4, 8, 3]])
    found = finding_of_region(square, 2, 3, VISIT, "P", mask, PROFILE, "Dr A")
    assert found.box == Box((4, 4, 3), (9, 9, 4))
    assert found.volume_ml == pytest.approx(25 * GRID.voxel_volume_ml)
    assert found.point_mm == tuple(GRID.index_to_world((6, 6, 3)))
    assert (found.source, found.label, found.kind, found.revision) == (
        FindingSource.REGION,
        "",
        "enhancing-tumour",
        None,
    )


def test_the_point_of_a_bent_region_lies_within_it() -> None:
    mask = np.zeros(GRID.shape, np.uint8)
    hook = np.array([[2.0, 2, 3], [9, 2, 3], [9, 3, 3], [3, 3, 3], [3, 9, 3], [2, 9, 3]])
    found = finding_of_region(hook, 2, 3, VISIT, "P", mask, PROFILE, "Dr A")
    i, j, _ = GRID.world_to_index(found.point_mm)
    assert i <= 3 or j <= 3


def test_an_outline_around_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="no voxel"):
        finding_of_region(np.zeros((2, 3)), 2, 3, VISIT, "P", labels(), PROFILE, "Dr A")
