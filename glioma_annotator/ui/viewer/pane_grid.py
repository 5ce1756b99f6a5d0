"""The panes in their two rows, with dividers that drag."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from PySide6.QtCore import QCoreApplication, QEvent, Qt, Signal
from PySide6.QtWidgets import QSplitter, QWidget

from glioma_annotator.ui.viewer.pane import Pane
from glioma_annotator.ui.viewer.slice_pane import SlicePane
from glioma_annotator.ui.viewer.surface_pane import SurfacePane
from glioma_annotator.ui.viewer.types import Layout

SLOTS = 4
_SLICES = {Layout.PLANES: 3, Layout.SEQUENCES: 4, Layout.TIMEPOINTS: 2, Layout.THREE_D: 0}
_WITH_SURFACE = (Layout.PLANES, Layout.THREE_D)
_DIVIDER_PX = 3
_EVEN_PX = 10_000  # more than there is: what matters is that all ask for the same


class PaneGrid(QSplitter):
    """Two rows of two slots. Every layout shows some of the same panes, made when first needed and never moved:
    a canvas that changes its window loses its OpenGL context.

    Slot 3 holds a slice pane and the surface pane, of which one shows at a time.

    Parameters
    ----------
    make_slice, make_surface: build a pane.
    """

    dividers_moved = Signal()

    def __init__(self, make_slice: Callable[[], SlicePane], make_surface: Callable[[], SurfacePane]) -> None:
        super().__init__(Qt.Orientation.Vertical)
        self._make_slice, self._make_surface = make_slice, make_surface
        self.setHandleWidth(_DIVIDER_PX)
        self.setChildrenCollapsible(False)
        self._rows = []
        for _ in range(2):
            row = QSplitter(Qt.Orientation.Horizontal)
            row.setHandleWidth(_DIVIDER_PX)
            row.setChildrenCollapsible(False)
            row.splitterMoved.connect(lambda *_: self.dividers_moved.emit())
            self.addWidget(row)
            self._rows.append(row)
        self.splitterMoved.connect(lambda *_: self.dividers_moved.emit())
        self._slices: dict[int, SlicePane] = {}
        self._surface: SurfacePane | None = None
        self._shown: tuple[Pane, ...] = ()

    @property
    def shown(self) -> tuple[Pane, ...]:
        """The panes of the layout, maximised or not, in reading order."""
        return self._shown

    @property
    def slices(self) -> tuple[SlicePane, ...]:
        """Every slice pane made so far, in the order of the slots."""
        return tuple(pane for _, pane in sorted(self._slices.items()))

    @property
    def surface(self) -> SurfacePane | None:
        return self._surface

    def _slice(self, slot: int) -> SlicePane:
        if slot not in self._slices:
            pane = self._make_slice()
            self._slices[slot] = pane
            self._place(slot, pane)
        return self._slices[slot]

    def _surface_pane(self) -> SurfacePane:
        if self._surface is None:
            self._surface = self._make_surface()
            self._place(SLOTS, self._surface)
        return self._surface

    def _place(self, slot: int, pane: QWidget) -> None:
        row = self._rows[min(slot // 2, 1)]
        pane.hide()  # until the layout shows it: the panes beside would be resized for it, and once more without it
        earlier = [s for s in self._slices if min(s // 2, 1) == min(slot // 2, 1) and s < slot]
        sizes = row.sizes()
        room = max(sizes, default=0) or _EVEN_PX
        row.insertWidget(len(earlier), pane)
        # Once shown, the newcomer would get what the others leave, next to nothing; the others stay as they are.
        row.setSizes([size or room for size in (*sizes[: len(earlier)], room, *sizes[len(earlier) :])])

    def make_one(self, layout: Layout) -> bool:
        """Make the next pane that a layout lacks; False when it has all."""
        missing = next((slot for slot in range(_SLICES[layout]) if slot not in self._slices), None)
        if missing is not None:
            self._slice(missing)
        elif layout in _WITH_SURFACE and self._surface is None:
            self._surface_pane()
        else:
            return False
        return True

    @contextmanager
    def drawn_once(self) -> Iterator[None]:
        """Sizes change within; the canvases draw once, in the size that they have at the end.

        Left to the event loop, every splitter and layout between the window and a canvas passes its new size on in a
        turn of its own, and an OpenGL widget draws whenever it gets one: large 3D surfaces four times over.
        """
        self.setUpdatesEnabled(False)
        try:
            yield
            QCoreApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest.value)
        finally:
            self.setUpdatesEnabled(True)

    def arrange(self, layout: Layout, maximised: int | None) -> None:
        """Show the panes of a layout; of them only the one at `maximised` where given."""
        panes: list[Pane] = [self._slice(slot) for slot in range(_SLICES[layout])]
        if layout in _WITH_SURFACE:
            panes.append(self._surface_pane())
        self._shown = tuple(panes)
        seen = [panes[maximised]] if maximised is not None and maximised < len(panes) else panes
        made: list[Pane] = list(self._slices.values())
        if self._surface is not None:
            made.append(self._surface)
        for pane in made:
            pane.setVisible(pane in seen)
        for row in self._rows:
            row.setVisible(any(row.widget(n) in seen for n in range(row.count())))

    def even(self) -> None:
        """Rows of one height, and panes of one width in each."""
        for splitter in (self, *self._rows):
            splitter.setSizes([_EVEN_PX] * splitter.count())

    def dividers(self) -> list[list[int]]:
        """Sizes in pixels: of the rows, and of the slots in each row."""
        return [self.sizes(), *(row.sizes() for row in self._rows)]

    def set_dividers(self, sizes: Sequence[Sequence[int]]) -> None:
        """Go back to earlier `dividers`, but for those that were taken while a pane now shown was hidden.

        What was hidden then comes back one day with as much room as the largest of the others.
        """
        for splitter, wanted in zip((self, *self._rows), sizes, strict=False):
            panes = [splitter.widget(n) for n in range(splitter.count())]
            seen = [pane is not None and not pane.isHidden() for pane in panes]
            if len(wanted) == len(seen) and all(v > 0 for v, shown in zip(wanted, seen, strict=True) if shown):
                splitter.setSizes([int(v) or int(max(wanted)) for v in wanted])
