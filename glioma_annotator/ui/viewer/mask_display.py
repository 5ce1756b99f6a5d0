"""How masks look, and the slices of them that are on the screen."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtGui import QColor

from glioma_annotator.domain.geometry import Box
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.ui.viewer.mask_slice import CHANGE_TABLE, HEAT_TABLE, ColourTable, MaskSlice, colour_table
from glioma_annotator.ui.viewer.planes import SlicePlane
from glioma_annotator.ui.viewer.types import MaskStyle

_Key = tuple[int, SlicePlane, int]
_HATCH_OPACITY = 0.9


class MaskDisplay:
    """Style, visibility and coloured slices; panes on the same slice share one `MaskSlice`."""

    def __init__(self) -> None:
        self._scheme: LabelScheme | None = None
        self.style = MaskStyle.BOTH
        self.opacity = 0.45
        self.visible = True
        self._hidden: set[int] = set()
        self._slices: dict[_Key, tuple[LabelArray, MaskSlice]] = {}
        self._used: set[_Key] = set()
        self.colours: dict[int, QColor] = {}

    def set_scheme(self, scheme: LabelScheme) -> None:
        self._scheme = scheme
        self._restyle()

    def set_style(self, style: MaskStyle, opacity: float) -> None:
        self.style, self.opacity = style, opacity
        self._restyle()

    def set_label_visible(self, value: int, visible: bool) -> None:
        if visible:
            self._hidden.discard(value)
        else:
            self._hidden.add(value)
        self._restyle()

    @property
    def fill(self) -> bool:
        return self.style is not MaskStyle.OUTLINE

    @property
    def outline(self) -> bool:
        return self.style is not MaskStyle.FILL

    def _restyle(self) -> None:
        self._slices.clear()
        if self._scheme is None:
            return
        self._table = colour_table(self._scheme, self._hidden, self.opacity)
        self._hatch_table = colour_table(self._scheme, self._hidden, _HATCH_OPACITY)
        self.colours = {
            label.value: QColor(label.colour) for label in self._scheme.labels if label.value not in self._hidden
        }

    def forget(self) -> None:
        """Drop every slice, after arrays were exchanged."""
        self._slices.clear()

    def labels_slice(
        self, labels: LabelArray | None, plane: SlicePlane, number: int, proposed: bool = False
    ) -> MaskSlice | None:
        """The coloured slice of a label array; None without an array or while masks are hidden.

        A proposal's hatch lets the image through, so its colour is strong.
        """
        if labels is None or not self.visible or self._scheme is None:
            return None
        key = (id(labels), plane, number)
        if key not in self._slices:
            mask = MaskSlice(plane, number, labels)
            mask.colour(self._hatch_table if proposed else self._table)
            self._slices[key] = (labels, mask)  # holding the array keeps its id its own
        self._used.add(key)
        return self._slices[key][1]

    def prune(self) -> None:
        """Forget the slices not asked for since the last call."""
        for key in self._slices.keys() - self._used:
            del self._slices[key]
        self._used.clear()

    def heat_slice(self, heat: LabelArray | None, plane: SlicePlane, number: int) -> MaskSlice | None:
        """The slice of an array of 0 to 255 in the colours of heat; None without an array."""
        return self._coloured(heat, plane, number, HEAT_TABLE)

    def changes_slice(self, changes: LabelArray | None, plane: SlicePlane, number: int) -> MaskSlice | None:
        """The slice of a change map in its colours; None without one."""
        return self._coloured(changes, plane, number, CHANGE_TABLE)

    def _coloured(
        self, values: LabelArray | None, plane: SlicePlane, number: int, table: ColourTable
    ) -> MaskSlice | None:
        if values is None:
            return None
        key = (id(values), plane, number)
        if key not in self._slices:
            mask = MaskSlice(plane, number, values)
            mask.colour(table)
            self._slices[key] = (values, mask)
        self._used.add(key)
        return self._slices[key][1]

    def changed(
        self, labels: LabelArray, box: Box, proposed: bool = False
    ) -> Iterator[tuple[MaskSlice, tuple[slice, slice]]]:
        """Colour `box` of `labels` anew in the slices it touches; yields them with the touched rows and columns."""
        for array, mask in self._slices.values():
            if array is labels and mask.plane.touches(box, mask.number):
                part = mask.plane.picture_box(box)
                mask.colour(self._hatch_table if proposed else self._table, part)
                yield mask, part
