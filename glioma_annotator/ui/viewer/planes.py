"""How a slice of a grid lies on the screen: axes, flips, millimetres and orientation letters. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.ui.viewer.types import Convention

PLANE_NAMES = {0: "sagittal", 1: "coronal", 2: "axial"}
#: Share of a unit direction from which a second anatomical letter is worth showing (about 17 degrees of tilt).
OBLIQUE = 0.3

Point = tuple[float, float]
Letters = tuple[str, str, str, str]


def direction_letters(direction: ArrayLike) -> str:
    """Anatomical letters of a world RAS direction (3,), strongest first, such as "A" or, when oblique, "AS"."""
    vector = np.asarray(direction, dtype=np.float64)
    vector = vector / np.linalg.norm(vector)
    names = [("R" if vector[0] > 0 else "L"), ("A" if vector[1] > 0 else "P"), ("S" if vector[2] > 0 else "I")]
    order = np.argsort(-np.abs(vector), kind="stable")
    return "".join(names[axis] for n, axis in enumerate(order) if n == 0 or abs(vector[axis]) > OBLIQUE)


@dataclass(frozen=True, slots=True)
class SlicePlane:
    """The slices of a grid along one array axis, as they are drawn.

    Arrays are in closest-canonical RAS order, so superior and, in sagittal slices, anterior-to-the-left follow from
    the axis alone; the convention decides the side of the patient's right.

    The plane's millimetres (x to the right, y down) are distances between voxel centres, measured from the centre of
    the voxel in the top left corner of the slice.

    Attributes
    ----------
    grid: the voxel grid.
    axis: array axis normal to the slices: 0 sagittal, 1 coronal, 2 axial.
    convention: side of the patient's right in coronal and axial slices.
    """

    grid: Grid
    axis: int
    convention: Convention = Convention.RADIOLOGICAL

    @property
    def column_axis(self) -> int:
        """Array axis along the screen's x."""
        return 1 if self.axis == 0 else 0

    @property
    def row_axis(self) -> int:
        """Array axis along the screen's y."""
        return 1 if self.axis == 2 else 2

    @property
    def flip_columns(self) -> bool:
        """Whether the array index falls from left to right. Sagittal slices have anterior on the left."""
        return self.axis == 0 or self.convention is Convention.RADIOLOGICAL

    # Rows are always flipped: anterior and superior are at the top, array indices grow towards them.

    @property
    def depth(self) -> int:
        """Number of slices."""
        return self.grid.shape[self.axis]

    @property
    def rows(self) -> int:
        return self.grid.shape[self.row_axis]

    @property
    def columns(self) -> int:
        return self.grid.shape[self.column_axis]

    @property
    def row_mm(self) -> float:
        """Distance between rows in mm."""
        return self.grid.spacing_mm[self.row_axis]

    @property
    def column_mm(self) -> float:
        """Distance between columns in mm."""
        return self.grid.spacing_mm[self.column_axis]

    def picture(self, volume: NDArray[Any], number: int) -> NDArray[Any]:
        """Slice `number` of a volume (i, j, k) as rows and columns from the top left corner: a view, no copy."""
        index: list[Any] = [slice(None)] * 3
        index[self.axis] = number
        flat = volume[tuple(index)]
        oriented = flat.T if self.row_axis > self.column_axis else flat
        view: NDArray[Any] = oriented[::-1, ::-1] if self.flip_columns else oriented[::-1]
        return view

    def to_plane(self, index: ArrayLike) -> Point:
        """Plane millimetres (x, y) of a fractional array index (3,)."""
        point = np.asarray(index, dtype=np.float64)
        column = point[self.column_axis]
        if self.flip_columns:
            column = self.columns - 1 - column
        row = self.rows - 1 - point[self.row_axis]
        return float(column * self.column_mm), float(row * self.row_mm)

    def to_index(self, point: Point, number: float) -> tuple[float, float, float]:
        """Fractional array index of plane millimetres (x, y) in slice `number`."""
        column, row = point[0] / self.column_mm, point[1] / self.row_mm
        index = [0.0, 0.0, 0.0]
        index[self.axis] = float(number)
        index[self.column_axis] = self.columns - 1 - column if self.flip_columns else column
        index[self.row_axis] = self.rows - 1 - row
        return index[0], index[1], index[2]

    def picture_box(self, box: Box) -> tuple[slice, slice]:
        """Rows and columns of `picture` that a box of array indices covers."""
        r0, r1 = box.start[self.row_axis], box.stop[self.row_axis]
        c0, c1 = box.start[self.column_axis], box.stop[self.column_axis]
        rows = slice(self.rows - r1, self.rows - r0)
        if self.flip_columns:
            return rows, slice(self.columns - c1, self.columns - c0)
        return rows, slice(c0, c1)

    def touches(self, box: Box, number: int) -> bool:
        """Whether slice `number` passes through a box of array indices."""
        return not box.empty and box.start[self.axis] <= number < box.stop[self.axis]

    def letters(self) -> Letters:
        """Anatomical letters at the left, right, top and bottom edge."""
        columns = self.grid.affine[:3, self.column_axis] * (-1 if self.flip_columns else 1)
        up = self.grid.affine[:3, self.row_axis]
        return direction_letters(-columns), direction_letters(columns), direction_letters(up), direction_letters(-up)


def nice_length_mm(mm_per_pixel: float, most_px: float = 140.0) -> float:
    """The longest of 1, 2, 5, 10, 20, 50 ... mm whose bar is at most `most_px` pixels long."""
    longest = max(most_px * mm_per_pixel, 1e-6)
    decade = 10.0 ** np.floor(np.log10(longest))
    return float(max(m * decade for m in (1.0, 2.0, 5.0) if m * decade <= longest * (1 + 1e-9)))
