"""The mirror check: a slice beside, or minus, what lies opposite across the midline. It changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import BACKGROUND
from glioma_annotator.domain.sequences import Window
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.imaging.midline import MidPlane
from glioma_annotator.imaging.mirror import midline_in_slice, mirror_matrix, mirrored_labels, mirrored_slice
from glioma_annotator.ui.viewer.mask_slice import label_outlines, shifted_lines
from glioma_annotator.ui.viewer.planes import SlicePlane

#: Shown black in every window: where there is nothing on either side, outside the head.
_BLACK = np.float32(-1e9)


class MirrorMode(StrEnum):
    """What a pane shows: the image minus its mirror image, or the mirror image; the words stand in its header."""

    DIFFERENCE = "minus mirrored"
    OPPOSITE = "mirrored"


class Mirror:
    """The mirror images of one visit's slices.

    Parameters
    ----------
    grid: of the visit.
    plane: between the hemispheres.
    mode: what the panes show.
    """

    def __init__(self, grid: Grid, plane: MidPlane, mode: MirrorMode) -> None:
        self._grid = grid
        self.plane = plane
        self.mode = mode
        self._matrix = mirror_matrix(grid, plane)
        self._outlines: dict[SlicePlane, tuple[int, Mapping[int, list[QLineF]]]] = {}

    def forget_outlines(self) -> None:
        """The mask changed: what lies opposite it is elsewhere."""
        self._outlines.clear()

    def picture(self, data: NDArray[Any], plane: SlicePlane, number: int) -> NDArray[Any]:
        """Of intensities (i, j, k): rows and columns from the top left corner of a slice, as `SlicePlane.picture`."""
        opposite = mirrored_slice(data, self._matrix, plane.axis, number)
        shown = opposite
        if self.mode is MirrorMode.DIFFERENCE:
            here = data[tuple(number if axis == plane.axis else slice(None) for axis in range(3))]
            shown = np.where((here == 0) & (opposite == 0), _BLACK, here - opposite)
        return plane.picture(np.expand_dims(shown, plane.axis), 0)

    def window(self, window: Window) -> Window:
        """To show it in, where the image itself is shown in `window`: a difference of nought is grey."""
        if self.mode is MirrorMode.OPPOSITE:
            return window
        return Window(-window.width / 2, window.width / 2)

    def outlines(self, labels: LabelArray | None, plane: SlicePlane, number: int) -> Mapping[int, list[QLineF]]:
        """Outlines of the mask's mirror image in voxel corners, by label value."""
        if labels is None:
            return {}
        if plane not in self._outlines or self._outlines[plane][0] != number:
            opposite = mirrored_labels(labels, self._matrix, plane.axis, number)
            picture = np.pad(plane.picture(np.expand_dims(opposite, plane.axis), 0), 1)
            values = [int(value) for value in np.unique(picture) if value != BACKGROUND]
            edges = label_outlines(picture, values) if values else []
            lines = {value: shifted_lines(of_value, 0, 0) for value, of_value in zip(values, edges, strict=True)}
            self._outlines[plane] = number, lines
        return self._outlines[plane][1]

    def midline(self, plane: SlicePlane, number: int) -> tuple[QLineF, ...]:
        """Where the slice is mirrored, in voxel corners; empty for a slice that runs alongside."""
        ends = midline_in_slice(self._grid, self.plane, plane.axis, number)
        if ends is None:
            return ()
        points = [plane.to_plane(end) for end in ends]
        corners = [(x / plane.column_mm + 0.5, y / plane.row_mm + 0.5) for x, y in points]
        return (QLineF(*corners[0], *corners[1]),)
