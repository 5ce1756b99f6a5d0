"""A slice of a mask, ready to be painted: coloured voxels and outlines along voxel edges."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF
from PySide6.QtGui import QColor, QImage

from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.ui.viewer.planes import SlicePlane

ColourTable = NDArray[np.uint32]


def colour_table(scheme: LabelScheme, hidden: Collection[int], opacity: float) -> ColourTable:
    """Premultiplied ARGB (256,) by label value; hidden and unknown values are transparent."""
    table = np.zeros(256, dtype=np.uint32)
    alpha = round(255 * min(max(opacity, 0.0), 1.0))
    for label in scheme.labels:
        if label.value not in hidden:
            colour = QColor(label.colour)
            red, green, blue = (c * alpha // 255 for c in (colour.red(), colour.green(), colour.blue()))
            table[label.value] = alpha << 24 | red << 16 | green << 8 | blue
    return table


def _heat_table() -> ColourTable:
    """Premultiplied ARGB (256,) of heat: clear at 0, magenta, then yellow and nearly opaque at 255."""
    share = np.arange(256) / 255
    alpha = np.clip(share * 1.4, 0, 0.85)
    red, green, blue = np.clip(0.75 + share / 2, 0, 1), np.clip(2 * share - 1, 0, 1), np.clip(1 - share, 0, 1)
    parts = [np.rint(255 * part).astype(np.uint32) for part in (alpha, red * alpha, green * alpha, blue * alpha)]
    return np.asarray(parts[0] << 24 | parts[1] << 16 | parts[2] << 8 | parts[3], dtype=np.uint32)


HEAT_TABLE = _heat_table()

#: Colours of what changed between two masks, by the values of `Change`: only here, only there, both, another label.
CHANGE_COLOURS = {1: "#E69F00", 2: "#56B4E9", 3: "#9AA0A6", 4: "#CC79A7"}


def change_table() -> ColourTable:
    """Premultiplied ARGB (256,) of a change map; what is in both masks is faint."""
    table = np.zeros(256, dtype=np.uint32)
    for value, name in CHANGE_COLOURS.items():
        alpha, colour = (70 if value == 3 else 160), QColor(name)
        red, green, blue = (c * alpha // 255 for c in (colour.red(), colour.green(), colour.blue()))
        table[value] = alpha << 24 | red << 16 | green << 8 | blue
    return table


CHANGE_TABLE = change_table()


def outline_segments(inside: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Edges between inside and outside, (n, 4) as x0, y0, x1, y1 in voxel corners from the top left; runs are joined.

    `inside` has rows and columns. Outside the array counts as outside.
    """
    padded = np.pad(inside, 1)
    across = padded[1:, 1:-1] != padded[:-1, 1:-1]  # edge above row r, (rows + 1, columns)
    along = (padded[1:-1, 1:] != padded[1:-1, :-1]).T  # edge left of column c, (columns + 1, rows)
    pieces = []
    for edges, horizontal in ((across, True), (along, False)):
        step = np.diff(np.pad(edges.astype(np.int8), ((0, 0), (1, 1))), axis=1)
        line, start = np.nonzero(step == 1)
        stop = np.nonzero(step == -1)[1]
        pieces.append(np.stack((start, line, stop, line) if horizontal else (line, start, line, stop), axis=1))
    return np.concatenate(pieces)


def shifted_lines(segments: NDArray[np.intp], column: int, row: int) -> list[QLineF]:
    """Lines of edge segments (n, 4), moved by a column and a row."""
    moved = segments + np.array([column, row, column, row])
    return [QLineF(*line) for line in moved.tolist()]


class MaskSlice:
    """One slice of a label array; panes that show the same slice share it.

    Parameters
    ----------
    plane, number: which slice.
    labels: uint8 (i, j, k); a view of the slice is kept, never a copy of the array.
    """

    def __init__(self, plane: SlicePlane, number: int, labels: LabelArray) -> None:
        self.plane = plane
        self.number = number
        self._labels = plane.picture(labels, number)
        self._buffer = np.zeros((plane.rows, plane.columns), dtype=np.uint32)
        self.image = QImage(
            self._buffer.data, plane.columns, plane.rows, 4 * plane.columns, QImage.Format.Format_ARGB32_Premultiplied
        )
        # As they were last coloured; in one piece, which the strides of a volume's slice are not.
        self._coloured: LabelArray = np.zeros((plane.rows, plane.columns), dtype=np.uint8)
        self._lines: dict[int, list[QLineF]] = {}
        self._extent: tuple[slice, slice] | None = None

    def colour(self, table: ColourTable, part: tuple[slice, slice] | None = None) -> None:
        """Colour the voxels anew, all or those in `part` (rows, columns)."""
        part = part or (slice(None), slice(None))
        labels, before = self._labels[part], self._coloured[part]
        self._buffer[part] = table[labels]
        changed = labels != before
        held = np.bincount(np.concatenate([labels[changed], before[changed]]), minlength=256)
        for value in [value for value in self._lines if held[value]]:  # the others' outlines are as they were
            del self._lines[value]
        before[...] = labels
        self._extent = None

    @property
    def extent(self) -> tuple[slice, slice]:
        """Rows and columns that hold labels; empty slices when there are none."""
        if self._extent is None:
            rows = np.flatnonzero(self._coloured.any(axis=1))
            columns = np.flatnonzero(self._coloured.any(axis=0))
            if rows.size:
                self._extent = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
            else:
                self._extent = slice(0, 0), slice(0, 0)
        return self._extent

    def lines(self, values: Collection[int]) -> Mapping[int, list[QLineF]]:
        """Outlines of the labels `values` in voxel corners (x to the right, y down), by value."""
        for value in values:
            if value not in self._lines:
                self._lines[value] = self._outline(value)
        return {value: self._lines[value] for value in values}

    def _outline(self, value: int) -> list[QLineF]:
        rows, columns = self.extent
        inside = self._coloured[rows, columns] == value
        if not inside.any():
            return []
        return shifted_lines(outline_segments(inside), columns.start, rows.start)
