"""What panes ask of whatever draws them, so that they know no renderer and importing them imports none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PySide6.QtWidgets import QWidget

from glioma_annotator.domain.sequences import Window
from glioma_annotator.ui.viewer.surfaces import SurfaceMesh

Vector = NDArray[np.float64]


class SliceCanvas(Protocol):
    """Draws one slice of intensities; the mask and all marks are painted over it by others."""

    @property
    def widget(self) -> QWidget:
        """Goes into a layout."""
        ...

    @property
    def surface(self) -> QWidget:
        """Fills the drawing area, receives the pointer and carries overlays."""
        ...

    def set_picture(self, picture: NDArray[Any], row_mm: float, column_mm: float) -> None:
        """Show intensities with rows and columns from the top left corner; they are copied."""
        ...

    def set_window(self, window: Window) -> None: ...

    def set_camera(self, centre: tuple[float, float], zoom: float) -> None:
        """Plane millimetres (x, y) at the middle of the canvas, and pixels per millimetre."""
        ...

    def set_smooth(self, smooth: bool) -> None:
        """Interpolate between voxels, or show them as squares."""
        ...

    def set_shown(self, shown: bool) -> None:
        """Whether there is a picture at all."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ColouredSurface:
    """A mesh, its `colour` as #RRGGBB, how much of it is seen (`opacity` 0..1), and whether it is shown at all."""

    mesh: SurfaceMesh
    colour: str
    opacity: float
    shown: bool = True


class SurfaceCanvas(Protocol):
    """Draws coloured surfaces in world RAS millimetres."""

    @property
    def widget(self) -> QWidget: ...

    @property
    def surface(self) -> QWidget: ...

    def warm_up(self) -> None:
        """Read, on any thread, what the first surface needs."""
        ...

    def set_surfaces(self, surfaces: Sequence[ColouredSurface]) -> None:
        """Show these surfaces and no others; those inside others come first."""
        ...

    def set_camera(self, centre_mm: Vector, zoom: float, view: Vector, up: Vector) -> None:
        """World RAS point at the middle, pixels per millimetre, and the unit directions of looking and of up."""
        ...

    def close(self) -> None: ...
