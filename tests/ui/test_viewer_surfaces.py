"""Surfaces of masks, in world millimetres."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.volume import Volume
from glioma_annotator.ui.viewer.drawing import ColouredSurface
from glioma_annotator.ui.viewer.surface_pane import SurfacePane
from glioma_annotator.ui.viewer.surfaces import (
    MOST_TRIANGLES,
    MOST_VOXELS,
    SurfaceMesh,
    head_surface,
    label_surfaces,
    unchanged,
)
from glioma_annotator.ui.viewer.visit import Visit

AFFINE = np.array([[1.0, 0, 0, -20], [0, 1.2, -1.0, 10], [0, 0.5, 2.5, -5], [0, 0, 0, 1]])
GRID = Grid((30, 30, 20), AFFINE)


def enclosed_ml(mesh: SurfaceMesh) -> float:
    """Volume inside a closed mesh whose triangles are all turned the same way."""
    a, b, c = (mesh.vertices[mesh.faces[:, n]].astype(np.float64) for n in range(3))
    return abs(float(np.einsum("ni,ni->", a, np.cross(b, c)))) / 6 / 1000


def test_a_surface_lies_where_the_label_is_and_encloses_its_volume() -> None:
    labels = np.zeros(GRID.shape, dtype=np.uint8)
    labels[8:20, 10:24, 5:15] = 3
    mesh = label_surfaces(labels, GRID, [1, 3])[3]
    centre = GRID.index_to_world(np.argwhere(labels).mean(axis=0))
    assert mesh.vertices.mean(axis=0) == pytest.approx(centre, abs=0.5)
    assert enclosed_ml(mesh) == pytest.approx(np.count_nonzero(labels) * GRID.voxel_volume_ml, rel=0.08)


def test_labels_that_are_absent_have_no_surface() -> None:
    assert label_surfaces(np.zeros(GRID.shape, dtype=np.uint8), GRID, [1, 2]) == {}


def test_only_labels_that_changed_get_another_surface() -> None:
    before = np.zeros(GRID.shape, dtype=np.uint8)
    before[5:10, 5:10, 5:10], before[15:20, 15:20, 5:10] = 1, 2
    after = before.copy()
    after[20:24, 15:20, 5:10] = 3
    after[15, 15:20, 5:10] = 0
    assert unchanged(before, after, [1, 2, 3]) == {1}
    known = label_surfaces(before, GRID, [1, 2])
    meshes = label_surfaces(after, GRID, [1, 2, 3], {1: known[1]})
    assert meshes[1] is known[1]
    assert meshes[2] is not known[2] and set(meshes) == {1, 2, 3}


def test_a_single_voxel_and_a_label_at_the_border_have_closed_surfaces() -> None:
    labels = np.zeros(GRID.shape, dtype=np.uint8)
    labels[0, 0, 0] = 1
    labels[25:, 25:, 15:] = 2
    meshes = label_surfaces(labels, GRID, [1, 2])
    for mesh in meshes.values():
        edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        _, count = np.unique(edges, axis=0, return_counts=True)
        assert (count == 2).all()


def test_specks_far_apart_and_a_thin_sheet_are_seen() -> None:
    """Their box is large, so that it is sampled coarsely, between all that there is to see."""
    grid = Grid((240, 240, 155), np.diag([1.0, 1, 1, 1]))
    labels = np.zeros(grid.shape, np.uint8)
    specks = np.array([(1, 3, 5), (201, 222, 151)])
    labels[tuple(specks.T)] = 1
    labels[50, 3:, :] = 2
    meshes = label_surfaces(labels, grid, [1, 2])
    for speck in specks:
        away = np.linalg.norm(meshes[1].vertices - speck, axis=1)
        assert away.min() < 3
    ends = meshes[2].vertices.min(axis=0), meshes[2].vertices.max(axis=0)
    np.testing.assert_allclose(ends, [(50, 3, 0), (50, 239, 154)], atol=4)


def test_a_rugged_surface_is_sampled_more_coarsely_than_a_plain_one() -> None:
    """What the window draws stays within bounds, whatever a mask looks like; a plain surface keeps its voxels."""
    rugged = (np.random.default_rng(0).random((66, 66, 66)) < 0.5).astype(np.uint8)
    assert rugged.size <= MOST_VOXELS
    (mesh,) = label_surfaces(rugged, Grid(rugged.shape, np.eye(4)), [1]).values()
    assert 0 < len(mesh.faces) <= 1.3 * MOST_TRIANGLES
    plain = np.zeros((66, 66, 66), dtype=np.uint8)
    plain[20:45, 20:45, 20:45] = 1
    (mesh,) = label_surfaces(plain, Grid(plain.shape, np.eye(4)), [1]).values()
    assert len(mesh.faces) > 6 * 25 * 25


def test_a_large_label_is_sampled_more_coarsely() -> None:
    grid = Grid((100, 100, 100), np.eye(4))
    assert np.prod(grid.shape) > MOST_VOXELS
    mesh = label_surfaces(np.ones(grid.shape, dtype=np.uint8), grid, [1])[1]
    assert len(mesh.faces) < 50_000
    assert enclosed_ml(mesh) == pytest.approx(1000, rel=0.05)


def test_the_head_is_found_on_thick_slices_and_its_box_is_what_a_view_is_fitted_to() -> None:
    grid = Grid((60, 60, 12), np.diag([1.0, 1.0, 6.0, 1.0]))
    data = np.zeros(grid.shape, dtype=np.float32)
    data[12:48, 9:54, 2:10] = 100.0
    visit = Visit({"T1": Volume(data, grid)}, None, "visit")
    assert visit.head_steps == (3, 3, 1)
    assert visit.extent.start == (12, 9, 2)
    assert visit.extent.stop == (48, 54, 10)
    mesh = head_surface(visit.head, visit.head_steps, grid)
    assert mesh is not None
    assert mesh.vertices.min(axis=0) == pytest.approx((12, 9, 12), abs=4)
    assert mesh.vertices.max(axis=0) == pytest.approx((47, 53, 54), abs=4)


def test_a_visit_without_contrast_is_fitted_whole() -> None:
    visit = Visit({"T1": Volume(np.full((9, 9, 9), 5.0, dtype=np.float32), Grid((9, 9, 9), np.eye(4)))}, None, "v")
    assert visit.extent.stop == (9, 9, 9)
    assert head_surface(np.zeros((3, 3, 3), dtype=np.bool_), (3, 3, 3), visit.grid) is None


class Canvas:
    """Remembers the surfaces that it was given, turn by turn."""

    def __init__(self) -> None:
        self.widget = self.surface = QWidget()
        self.given: list[list[ColouredSurface]] = []

    def set_surfaces(self, surfaces: Sequence[ColouredSurface]) -> None:
        self.given.append(list(surfaces))

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *_: None


def shown_pane(qtbot: QtBot) -> tuple[SurfacePane, Canvas, Visit]:
    """A pane that shows two labels and the head."""
    labels = np.zeros(GRID.shape, dtype=np.uint8)
    labels[5:10, 5:10, 5:10], labels[15:25, 15:25, 5:14] = 1, 2
    head = Volume(np.pad(np.full((26, 26, 16), 100.0, dtype=np.float32), 2), GRID)
    canvas = Canvas()
    pane = SurfacePane(canvas, lambda work, done: done(work()))  # type: ignore[arg-type]
    qtbot.addWidget(pane)
    pane.show()
    visit = Visit({"T1Gd": head}, labels, "visit")
    with qtbot.waitSignal(pane.surfaces_shown):
        pane.show_visit(visit, COLOURS, True)
    return pane, canvas, visit


COLOURS = {1: QColor("#aa0000"), 2: QColor("#00aa00")}


def new_meshes(before: list[ColouredSurface], after: list[ColouredSurface]) -> int:
    known = {id(part.mesh) for part in before}
    return sum(id(part.mesh) not in known for part in after)


def test_the_canvas_gets_one_new_surface_in_a_turn_of_the_event_loop(qtbot: QtBot) -> None:
    pane, canvas, visit = shown_pane(qtbot)
    turns = [[], *canvas.given]
    assert max(new_meshes(a, b) for a, b in itertools.pairwise(turns)) == 1
    assert len(canvas.given[-1]) == 3
    assert visit.labels is not None
    visit.labels[6, 6, 5:8], visit.labels[16, 16, 5:8] = 0, 0
    before = len(canvas.given)
    with qtbot.waitSignal(pane.surfaces_shown):
        pane.mask_changed()
    turns = canvas.given[before - 1 :]
    assert [new_meshes(a, b) for a, b in itertools.pairwise(turns)] == [1, 1]
    assert all(len(given) == 3 for given in turns)


def test_a_mask_that_is_hidden_and_shown_again_is_given_no_new_surface(qtbot: QtBot) -> None:
    pane, canvas, visit = shown_pane(qtbot)
    before = canvas.given[-1]
    pane.show_visit(visit, COLOURS, False)
    assert [part.shown for part in canvas.given[-1]] == [False, False, True]
    pane.show_visit(visit, {2: COLOURS[2]}, True)
    assert [part.shown for part in canvas.given[-1]] == [False, True, True]
    assert canvas.given[-1][1].opacity == 1.0
    pane.show_visit(visit, COLOURS, True)
    assert canvas.given[-1] == before
    pane.show_visit(None, COLOURS, True)
    assert canvas.given[-1] == []
