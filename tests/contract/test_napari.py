"""What the viewer relies on in napari, by public names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot


@pytest.fixture(scope="module", autouse=True)
def _settings_of_our_own() -> None:
    from napari.settings import get_settings

    with contextlib.suppress(RuntimeError):  # another test module has opened them, in the same way
        get_settings(None)


@pytest.fixture
def model_and_view(qapp: QApplication) -> Iterator[tuple[Any, Any]]:
    from napari.components import ViewerModel
    from napari.qt import QtViewer

    model = ViewerModel()
    view = QtViewer(model)
    yield model, view
    model.layers.clear()
    view.close()
    qapp.processEvents()


def test_the_canvas_is_a_widget_of_its_own(model_and_view: tuple[Any, Any]) -> None:
    _, view = model_and_view
    assert isinstance(view.canvas.native, QWidget)
    assert isinstance(view.dims, QWidget)


def test_mouse_callbacks_are_lists_that_can_be_cleared(model_and_view: tuple[Any, Any]) -> None:
    model, _ = model_and_view
    for name in ("drag", "wheel", "move", "double_click"):
        callbacks = getattr(model, f"mouse_{name}_callbacks")
        callbacks.clear()
        assert not callbacks


def test_settings_can_be_had_without_the_users_file() -> None:
    from napari.settings import get_settings

    assert get_settings().config_path is None


def test_once_the_table_of_shortcuts_is_emptied_in_place_a_new_view_binds_none(qapp: QApplication) -> None:
    from napari.components import ViewerModel
    from napari.qt import QtViewer
    from napari.settings import get_settings
    from napari.utils.action_manager import action_manager

    table = get_settings().shortcuts.shortcuts
    kept = dict(table)
    bound: list[str] = []
    action_manager.events.shortcut_changed.connect(lambda event: bound.append(event.name))
    try:
        table.clear()
        QtViewer(ViewerModel()).close()
        assert get_settings().shortcuts.shortcuts == {}
    finally:
        table.update(kept)
        action_manager.events.shortcut_changed.disconnect()
    qapp.processEvents()
    assert bound == []


def test_refreshing_an_image_layer_draws_what_its_array_now_holds(
    model_and_view: tuple[Any, Any], qtbot: QtBot
) -> None:
    model, view = model_and_view
    data = np.zeros((8, 8), dtype=np.float32)
    layer = model.add_image(data, contrast_limits=(0.0, 1.0), interpolation2d="nearest")
    view.resize(200, 200)
    with qtbot.waitExposed(view):
        view.show()
    qtbot.waitUntil(lambda: view.screenshot(flash=False).shape[0] > 50)
    assert view.screenshot(flash=False)[..., 0].max() < 60
    data[:] = 1.0
    layer.refresh(thumbnail=False, highlight=False, extent=False)
    assert view.screenshot(flash=False)[..., 0].max() == 255
    assert np.shares_memory(layer.data, data)


def test_zoom_is_pixels_per_unit_and_the_centre_is_row_and_column(
    model_and_view: tuple[Any, Any], qtbot: QtBot
) -> None:
    model, view = model_and_view
    data = np.zeros((20, 20), dtype=np.float32)
    data[4, 12] = 1.0
    model.add_image(data, contrast_limits=(0.0, 1.0), interpolation2d="nearest", scale=(2.0, 1.0))
    view.resize(300, 300)
    with qtbot.waitExposed(view):
        view.show()
    model.scene.camera.center = (0.0, 8.0, 12.0)
    model.scene.camera.zoom = 10.0
    QApplication.processEvents()
    picture = view.screenshot(flash=False)[..., 0]
    rows, columns = np.nonzero(picture > 128)
    assert np.ptp(rows) + 1 == pytest.approx(20, abs=2)  # a voxel of 2 by 1 units at 10 pixels each
    assert np.ptp(columns) + 1 == pytest.approx(10, abs=2)
    assert rows.mean() == pytest.approx(picture.shape[0] / 2, abs=1.5)
    assert columns.mean() == pytest.approx(picture.shape[1] / 2, abs=1.5)


def test_depth_comes_towards_the_reader_rows_go_down_columns_right(model_and_view: tuple[Any, Any]) -> None:
    model, _ = model_and_view
    model.dims.ndisplay = 3
    assert [str(axis) for axis in model.scene.camera.orientation] == ["towards", "down", "right"]
    model.scene.camera.angles = (0.0, 0.0, 0.0)
    assert model.scene.camera.view_direction == pytest.approx((-1.0, 0.0, 0.0))
    assert model.scene.camera.up_direction == pytest.approx((0.0, -1.0, 0.0))


def test_a_surface_takes_new_vertices_colour_and_direction_of_view(model_and_view: tuple[Any, Any]) -> None:
    model, _ = model_and_view
    model.dims.ndisplay = 3
    faces = np.array([[0, 1, 2]], dtype=np.int32)
    layer = model.add_surface((np.eye(3, dtype=np.float32), faces), shading="smooth")
    layer.data = (np.eye(3, dtype=np.float32) * 2, faces)
    layer.colormap = ["black", "#D55E00"]
    model.scene.camera.set_view_direction((0.0, -1.0, 0.0), (1.0, 0.0, 0.0))
    assert model.scene.camera.view_direction == pytest.approx((0.0, -1.0, 0.0), abs=1e-6)
    assert model.scene.camera.up_direction == pytest.approx((1.0, 0.0, 0.0), abs=1e-6)
