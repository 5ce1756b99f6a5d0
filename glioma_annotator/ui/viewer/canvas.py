"""Napari canvases, which fulfil the protocols of `drawing`; imported when the first one is made, as napari takes long.

Only this module knows napari. It relies on public names: `ViewerModel`, `QtViewer` and its `canvas.native` widget,
`camera`, `add_image`, `add_surface`, `Layer.refresh`, `get_settings`. A contract test states what they must do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Surface
from napari.qt import QtViewer
from napari.settings import get_settings
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from glioma_annotator.domain.sequences import Window
from glioma_annotator.imaging.reslicing import drawn_width
from glioma_annotator.ui.viewer.drawing import ColouredSurface, Vector
from glioma_annotator.ui.viewer.surfaces import SurfaceMesh


@cache
def _own_settings() -> None:
    """Keep the user's own napari settings, such as asynchronous slicing, out of this program."""
    # Something else in this process may have opened napari's settings already; they must do then.
    with contextlib.suppress(RuntimeError):
        get_settings(None)
    # Every view would bind all of them anew and tell all views of each, more than half of the time that it takes to
    # make one; keys never reach it. Emptied in place: napari fills up with its own what is given to it.
    get_settings().shortcuts.shortcuts.clear()


def warm_up() -> None:
    """Do now, on any thread, what the first layer would do: read tables of units, import filters. A second's work."""
    _own_settings()
    Image(np.zeros((2, 2), dtype=np.float32), contrast_limits=(0.0, 1.0))


@cache
def _warm_up_surfaces() -> None:
    """Do now, on any thread, what the first surface would do: napari's import of pandas, for a table of vertices."""
    Surface((np.eye(3, dtype=np.float32), np.array([[0, 1, 2]])))


class _KeyGate(QObject):
    """Sends the keys on to the window: napari's view would take them for its own shortcuts."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: ARG002 - Qt's
        if event.type() in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            event.ignore()
            return True
        return False


class _NapariCanvas:
    """A napari model and its Qt view with everything but the canvas hidden and every handler switched off."""

    def __init__(self, ndisplay: int) -> None:
        _own_settings()
        self._model = ViewerModel(ndisplay=ndisplay)
        for callbacks in (
            self._model.mouse_drag_callbacks,
            self._model.mouse_wheel_callbacks,
            self._model.mouse_move_callbacks,
            self._model.mouse_double_click_callbacks,
        ):
            callbacks.clear()
        self._model.scene.camera.mouse_pan = False
        self._model.scene.camera.mouse_zoom = False
        self._model.theme = "dark"
        self._view = QtViewer(self._model)
        self._view.dims.hide()
        self._view.setAcceptDrops(False)
        self._view.installEventFilter(_KeyGate(self._view))
        # The view brings margins of its own; its canvas alone goes into ours.
        self._holder = QWidget()
        layout = QVBoxLayout(self._holder)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._view)
        self.surface.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.surface.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)

    @property
    def widget(self) -> QWidget:
        return self._holder

    @property
    def surface(self) -> QWidget:
        native: QWidget = self._view.canvas.native
        return native

    def close(self) -> None:
        """Release the layers, then the OpenGL context with the widget."""
        self._model.layers.clear()
        self._view.close()


class NapariSliceCanvas(_NapariCanvas):
    """A slice as a napari image layer of its own, so that a scroll uploads one slice and slices nothing.

    The mask is not a layer: each visible layer costs a pass over the pane, and napari rebuilds its scene for every
    dab, where an overlay widget repaints the touched rectangle alone (see `benchmarks/`).
    """

    def __init__(self) -> None:
        super().__init__(ndisplay=2)
        self._layer: Image | None = None  # made with the first picture: as long again as the view takes
        self._buffer = np.zeros((2, 2), dtype=np.float32)
        self._interpolation = "linear"
        self._camera: tuple[tuple[float, float], float] | None = None

    def set_picture(self, picture: NDArray[Any], row_mm: float, column_mm: float) -> None:
        layer = self._layer
        if layer is not None and picture.shape == self._buffer.shape and tuple(layer.scale) == (row_mm, column_mm):
            np.copyto(self._buffer, picture)
            layer.refresh(thumbnail=False, highlight=False, extent=False)
            return
        self._buffer = np.array(picture, dtype=np.float32, order="C")
        if layer is not None:
            layer.data = self._buffer
            layer.scale = (row_mm, column_mm)
            return
        self._layer = self._model.add_image(
            self._buffer,
            scale=(row_mm, column_mm),
            contrast_limits=(0.0, 1.0),
            interpolation2d=self._interpolation,
            name="slice",
            visible=False,
        )
        if self._camera is not None:
            self.set_camera(*self._camera)  # napari fits its first layer into the view

    def set_window(self, window: Window) -> None:
        # The shader computes in single precision: a window of no width would divide by zero.
        limits = window.low, window.low + drawn_width(window)
        if self._layer is not None and tuple(self._layer.contrast_limits) != limits:
            self._layer.contrast_limits = limits

    def set_camera(self, centre: tuple[float, float], zoom: float) -> None:
        self._camera = centre, zoom
        camera = self._model.scene.camera
        camera.center = (0.0, centre[1], centre[0])
        camera.zoom = zoom

    def set_smooth(self, smooth: bool) -> None:
        self._interpolation = "linear" if smooth else "nearest"
        if self._layer is not None:
            self._layer.interpolation2d = self._interpolation

    def set_shown(self, shown: bool) -> None:
        if self._layer is not None and self._layer.visible != shown:
            self._layer.visible = shown


def _to_napari(points: NDArray[Any]) -> NDArray[Any]:
    """World RAS (..., 3) as napari's depth, row, column: superior, anterior, left.

    napari draws depth towards the reader, row down, column to the right: as column, row, depth that is left-handed, so
    left takes the place of right. A mesh so mirrored has its triangles turned, to keep its outside outside.
    """
    return np.ascontiguousarray(points[..., ::-1] * np.array([1, 1, -1], dtype=points.dtype))


def _in_napari(mesh: SurfaceMesh) -> tuple[NDArray[Any], NDArray[Any]]:
    return _to_napari(mesh.vertices), mesh.faces[:, ::-1]


class NapariSurfaceCanvas(_NapariCanvas):
    """Surfaces as napari layers. A layer once made is hidden, not removed: removing one collects all garbage.

    A surface that stays as it was is left alone: napari computes the normals of a mesh anew whenever it is given one.
    """

    def __init__(self) -> None:
        super().__init__(ndisplay=3)
        self._layers: list[Any] = []
        self._surfaces: list[ColouredSurface] = []
        self._camera: tuple[Vector, float, Vector, Vector] | None = None

    def warm_up(self) -> None:
        _warm_up_surfaces()

    def set_surfaces(self, surfaces: Sequence[ColouredSurface]) -> None:
        for number, surface in enumerate(surfaces):
            drawn = self._surfaces[number] if number < len(self._surfaces) else None
            if drawn == surface:
                continue
            if number == len(self._layers):
                self._layers.append(self._model.add_surface(_in_napari(surface.mesh), shading="smooth"))
            elif drawn is None or drawn.mesh is not surface.mesh:
                self._layers[number].data = _in_napari(surface.mesh)
            layer = self._layers[number]
            if drawn is None or drawn.colour != surface.colour:  # else the shaders would be compiled for nothing
                layer.colormap = ["black", surface.colour]  # napari gives every vertex the value 1
            layer.opacity = surface.opacity
            layer.visible = surface.shown
        for layer in self._layers[len(surfaces) :]:
            layer.visible = False
        self._surfaces = list(surfaces)
        if self._camera is not None:
            self.set_camera(*self._camera)  # napari fits its first layer into the view

    def set_camera(self, centre_mm: Vector, zoom: float, view: Vector, up: Vector) -> None:
        self._camera = (centre_mm, zoom, view, up)
        camera = self._model.scene.camera
        camera.center = tuple(_to_napari(centre_mm).tolist())
        camera.zoom = zoom
        camera.set_view_direction(tuple(_to_napari(view).tolist()), tuple(_to_napari(up).tolist()))
