"""A slice of a mask, ready to be painted: coloured voxels and outlines along voxel edges."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF
from PySide6.QtGui import QColor, QImage

from glioma_annotator.domain.labels import BACKGROUND, LabelScheme
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.ui.viewer.planes import SlicePlane

ColourTable = NDArray[np.uint32]
#: Rows and columns of a slice, from the top left.
Part = tuple[slice, slice]
_MORE, _KEPT_PARTS = 2, 8


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


def label_outlines(labels: LabelArray, values: Sequence[int]) -> list[NDArray[np.intp]]:
    """Edges of each label of `values`, as `outline_segments` has them, all at once.

    `labels` has rows and columns with a rim of one voxel, which says what lies beyond and gets no edges of its own;
    corners are counted from the top left of what is within the rim.
    """
    inside = labels[None] == np.asarray(values, dtype=np.uint8)[:, None, None]
    across = inside[:, 1:, 1:-1] != inside[:, :-1, 1:-1]
    along = (inside[:, 1:-1, 1:] != inside[:, 1:-1, :-1]).transpose(0, 2, 1)
    found: list[list[NDArray[np.intp]]] = [[] for _ in values]
    for edges, horizontal in ((across, True), (along, False)):
        step = np.diff(np.pad(edges.astype(np.int8), ((0, 0), (0, 0), (1, 1))), axis=2)
        which, line, start = np.nonzero(step == 1)
        stop = np.nonzero(step == -1)[2]
        runs = np.stack((start, line, stop, line) if horizontal else (line, start, line, stop), axis=1)
        borders = np.searchsorted(which, range(1, len(values)))
        for pieces, of_value in zip(found, np.split(runs, borders), strict=True):
            pieces.append(of_value)
    return [np.concatenate(pieces) for pieces in found]


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
        # As they were last coloured, with a rim of background; in one piece, which a volume's slice is not.
        self._rimmed: LabelArray = np.zeros((plane.rows + 2, plane.columns + 2), dtype=np.uint8)
        self._coloured = self._rimmed[1:-1, 1:-1]
        # Outlines of the parts painted since the last change, by first and last row and column: panes share them.
        self._lines: dict[tuple[int, int, int, int], Mapping[int, list[QLineF]]] = {}
        self._extent: Part | None = None

    def colour(self, table: ColourTable, part: Part | None = None) -> None:
        """Colour the voxels anew, all or those in `part`; background is clear in `table`."""
        self._lines.clear()
        self._extent = None
        if part is None:
            self._coloured[:] = self._labels
            part = self.extent  # what holds no label is clear in every table
            self._buffer[:] = 0
        else:
            self._coloured[part] = self._labels[part]
        self._buffer[part] = table[self._coloured[part]]

    @property
    def extent(self) -> Part:
        """Rows and columns that hold labels; empty slices when there are none."""
        if self._extent is None:
            rows = np.flatnonzero(self._coloured.any(axis=1))
            columns = np.flatnonzero(self._coloured.any(axis=0))
            if rows.size:
                self._extent = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
            else:
                self._extent = slice(0, 0), slice(0, 0)
        return self._extent

    def lines(self, values: Collection[int], part: Part | None = None) -> Mapping[int, list[QLineF]]:
        """Outlines of the labels `values` in voxel corners (x to the right, y down), by value.

        All of them, or those within `part` and on its border.
        """
        rows, columns = self.extent if part is None else part
        lines = self._lines_around(rows, columns)
        return {value: found for value, found in lines.items() if value in values and found}

    def _lines_around(self, rows: slice, columns: slice) -> Mapping[int, list[QLineF]]:
        for (top, bottom, left, right), known in self._lines.items():
            if top <= rows.start and rows.stop <= bottom and left <= columns.start and columns.stop <= right:
                return known
        # A little more than is asked for: panes of another size by a pixel ask for nearly the same.
        top, bottom = max(rows.start - _MORE, 0), min(rows.stop + _MORE, self.plane.rows)
        left, right = max(columns.start - _MORE, 0), min(columns.stop + _MORE, self.plane.columns)
        if len(self._lines) >= _KEPT_PARTS:  # the pointer wanders over a slice that does not change
            self._lines.clear()
        lines = self._lines[top, bottom, left, right] = self._outlines(slice(top, bottom), slice(left, right))
        return lines

    def _outlines(self, rows: slice, columns: slice) -> Mapping[int, list[QLineF]]:
        labels = self._rimmed[rows.start : rows.stop + 2, columns.start : columns.stop + 2]
        held = np.flatnonzero(np.bincount(labels.ravel(), minlength=256))
        values = [value for value in held.tolist() if value != BACKGROUND]
        if not values:
            return {}
        outlines = label_outlines(labels, values)
        return {v: shifted_lines(o, columns.start, rows.start) for v, o in zip(values, outlines, strict=True)}
