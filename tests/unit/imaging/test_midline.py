"""The mid-sagittal plane of a head."""

import numpy as np
import pytest
from phantoms import grid_of, head

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.midline import find_midplane

GRID = grid_of((38, 44, 34), np.array([[4.0, 0, 0, -75], [0, 4.5, 0, -97], [0, 0, 4.5, -76], [0, 0, 0, 1]]))


def phantom() -> Volume:
    return Volume(head(SequenceRole.T1, GRID), GRID)


def test_the_plane_of_a_straight_head_is_sagittal() -> None:
    plane = find_midplane(phantom())
    assert abs(plane.normal[0]) > 0.999
    assert abs(plane.offset_mm) < 2
    assert plane.symmetry > 0.95


def test_right_is_positive() -> None:
    away = find_midplane(phantom()).right_of_mm([(40, 0, 0), (-40, 0, 0)])
    assert away[0] == pytest.approx(40, abs=3)
    assert away[1] == pytest.approx(-40, abs=3)


@pytest.mark.parametrize("axes", [(0, 1), (2, 0)], ids=["turned", "tilted"])
@pytest.mark.parametrize("degrees", [10, 30])
def test_the_plane_follows_a_turned_and_shifted_head(axes: tuple[int, int], degrees: float) -> None:
    straight = phantom()
    angle = np.radians(degrees)
    move = np.eye(4)
    move[np.ix_(axes, axes)] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    move[:3, 3] = (23, -8, 5)
    turned = find_midplane(Volume(straight.data, Grid(GRID.shape, move @ GRID.affine)))
    expected = move[:3, :3] @ find_midplane(straight).normal
    assert np.degrees(np.arccos(np.clip(expected @ turned.normal, -1, 1))) < 3
    middle = move[:3, :3] @ np.zeros(3) + move[:3, 3]
    assert abs(float(turned.right_of_mm(middle))) < 2.5


def test_an_empty_image_is_refused() -> None:
    with pytest.raises(UserError, match="empty"):
        find_midplane(Volume(np.zeros(GRID.shape, dtype=np.float32), GRID))
