"""What helps the reader look: blending, subtraction, cine, magnifier, measuring, mirror check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QPointF, Signal

from glioma_annotator.domain.labels import BACKGROUND
from glioma_annotator.ui.viewer.cine import Cine
from glioma_annotator.ui.viewer.magnifier import Magnifier
from glioma_annotator.ui.viewer.measures import MeasureKind, proposed
from glioma_annotator.ui.viewer.measuring import Measuring
from glioma_annotator.ui.viewer.mirroring import Mirror
from glioma_annotator.ui.viewer.scene import Scene
from glioma_annotator.ui.viewer.slice_pane import SlicePane
from glioma_annotator.ui.viewer.surface_pane import SurfacePane
from glioma_annotator.ui.viewer.types import Layout
from glioma_annotator.ui.viewer.visit import SUBTRACTION

if TYPE_CHECKING:
    from glioma_annotator.ui.viewer.study_view import StudyView

_BLEND_STEP = 0.1


class ReadingAids(QObject):
    """The aids of one view.

    Attributes
    ----------
    cine: runs through the slices of the active pane.
    measuring: rulers and diameters.

    Signals
    -------
    changed(): something was switched on or off.
    """

    changed = Signal()

    def __init__(self, scene: Scene, view: StudyView) -> None:
        super().__init__(view)
        self._scene = scene
        self._view = view
        self.cine = Cine(self._step, self)
        self.cine.running_changed.connect(lambda _on: self.changed.emit())
        self.measuring = Measuring(self._on_measured)
        self._measured = False  # whether there is a measurement that can be taken away
        self._magnifier = Magnifier()
        self.magnifying = False
        self._instead: dict[tuple[Layout, int], str] = {}  # what a pane showed before T1Gd minus T1
        self._under: tuple[SlicePane, QPointF] | None = None

    # cine

    def toggle_cine(self) -> None:
        """Run through the slices of the active pane, or stop."""
        self.cine.toggle()

    def _step(self, delta: int) -> bool:
        before = self._view.crosshair_index
        self._view.step_slice(delta)
        return self._view.crosshair_index != before

    # magnifier

    def toggle_magnifier(self) -> None:
        """The glass under the pointer on or off."""
        self.magnifying = not self.magnifying
        if not self.magnifying:
            self._magnifier.withdraw()
        elif self._under is not None:
            self._magnifier.follow(*self._under)
        self.changed.emit()

    def pointer_at(self, pane: SlicePane, at: QPointF) -> None:
        """The pointer is over a pane."""
        self._under = pane, at
        if self.magnifying:
            self._magnifier.follow(pane, at)

    def pointer_left(self) -> None:
        self._under = None
        self._magnifier.withdraw()

    def refresh(self) -> None:
        """The panes were drawn anew."""
        if self.magnifying and self._under is not None:
            self._magnifier.follow(*self._under)

    def close(self) -> None:
        """The panes go away."""
        self.cine.stop()
        self._magnifier.withdraw()

    # sequences

    @property
    def _slot(self) -> int:
        return self._scene.state.active

    @property
    def blending(self) -> bool:
        """Whether the active pane shows two sequences."""
        return bool(self._scene.state.choice(self._slot).blend)

    def blend_with(self, name: str) -> None:
        """Lay a sequence over what the active pane shows; empty for none."""
        self._scene.choose_blend(self._slot, name)
        self._view.schedule()
        self.changed.emit()

    def blend_next(self) -> None:
        """Lay the next sequence in turn over what the active pane shows; after the last, none."""
        visit, pane = self._scene.visit, self._active_pane()
        if visit is None or pane is None:
            return
        turn = ["", *(name for name in visit.sequences if name not in (pane.sequence, SUBTRACTION))]
        now = self._scene.state.choice(self._slot).blend
        self.blend_with(turn[(turn.index(now) + 1) % len(turn)] if now in turn else "")

    def set_blend_weight(self, weight: float) -> None:
        """Share 0..1 of the sequence laid over the other in the active pane."""
        self._scene.choose_blend(self._slot, self._scene.state.choice(self._slot).blend, weight)
        self._view.schedule()

    def step_blend(self, steps: int) -> None:
        """A tenth more or less of the sequence laid over."""
        self.set_blend_weight(self._scene.state.choice(self._slot).weight + steps * _BLEND_STEP)

    @property
    def can_subtract(self) -> bool:
        return self._scene.visit is not None and SUBTRACTION in self._scene.visit.sequences

    def subtract(self) -> None:
        """Show T1Gd minus T1 in the active pane, or again what it showed before."""
        pane, place = self._active_pane(), (self._scene.state.layout, self._slot)
        if pane is not None and pane.sequence == SUBTRACTION:
            self._view.set_pane_sequence(self._instead.pop(place, ""))
        elif pane is not None:
            self._instead[place] = pane.sequence
            self._view.set_pane_sequence(SUBTRACTION)
        self.changed.emit()

    @property
    def subtracting(self) -> bool:
        """Whether the active pane shows T1Gd minus T1."""
        pane = self._active_pane()
        return pane is not None and pane.sequence == SUBTRACTION

    def same_sequence(self) -> None:
        """Show the active pane's sequence in every pane of the layout."""
        pane = self._active_pane()
        if pane is not None and pane.sequence:
            self._scene.choose_everywhere(pane.sequence)
            self._view.schedule()

    def _active_pane(self) -> SlicePane | None:
        panes = self._view.panes
        pane = panes[self._slot] if self._slot < len(panes) else None
        return pane if isinstance(pane, SlicePane) and pane.plane is not None else None

    # measuring

    def measure(self, kind: MeasureKind | None) -> None:
        """The left button lays rulers or diameters; None gives it back to the tool in hand."""
        if self.measuring.kind is not kind:
            self.measuring.kind = kind
            self._view.set_measuring(kind is not None)
            self.changed.emit()

    def toggle_measure(self, kind: MeasureKind) -> None:
        self.measure(None if self.measuring.kind is kind else kind)

    def _on_measured(self) -> None:
        self._view.schedule()
        measured = bool(self.measuring.items)
        if measured is not self._measured:
            self._measured = measured
            self.changed.emit()

    def propose_diameters(self, value: int) -> bool:
        """Lay diameters over a label in the active slice, over all labels where it has none of it; whether it did."""
        visit, pane = self._scene.visit, self._active_pane()
        if visit is None or visit.labels is None or pane is None or pane.plane is None or pane.visit is not visit:
            return False
        cut = np.take(visit.labels, pane.number, axis=pane.plane.axis)
        inside = cut == value
        measure = proposed(inside if inside.any() else cut != BACKGROUND, visit.grid, pane.plane.axis, pane.number)
        if measure is None:
            return False
        self.measuring.add(measure)
        return True

    # mirror check

    def set_mirror(self, mirror: Mirror | None) -> None:
        """Compare the sides of the visit shown in every pane; None for the images as they are."""
        self._scene.mirror = mirror
        self._view.schedule()

    # 3D

    @property
    def head_shown(self) -> bool:
        return self._scene.head_shown

    def toggle_head(self) -> None:
        """The shell of the head in the 3D pane on or off."""
        self._scene.head_shown = not self._scene.head_shown
        self._view.schedule()
        self.changed.emit()

    def turn(self, right: float, up: float) -> None:
        """Turn the surfaces of the 3D pane by degrees, as a drag to the right and up does."""
        for pane in self._view.panes:
            if isinstance(pane, SurfacePane):
                pane.turn_by(right, up)
