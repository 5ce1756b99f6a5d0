"""What a view shows of masks: the visit's own, a proposal, uncertainty, and how they look."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from glioma_annotator.domain.geometry import Box
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.ui.viewer.mask_display import MaskDisplay
from glioma_annotator.ui.viewer.repainting import Repainter
from glioma_annotator.ui.viewer.scene import Scene
from glioma_annotator.ui.viewer.types import MaskStyle


class MaskView(QWidget):
    """The side of `StudyView` that masks are told to."""

    _scene: Scene
    _masks: MaskDisplay
    _repainter: Repainter

    def schedule(self) -> None:
        """Refresh the panes at the next turn of the event loop."""
        raise NotImplementedError

    def labels_changed(self, box: Box) -> None:
        """Voxels in `box` of the shared labels changed: redraw them where they are shown."""
        self._repainter.labels_changed(box)

    def set_proposal(self, added: LabelArray | None, removed: LabelArray | None = None) -> None:
        """What a proposal adds and takes away, uint8 (i, j, k), hatched in two directions over the mask; None for none.

        The arrays may change later: `proposal_changed` says where.
        """
        if self._scene.visit is not None:
            self._scene.visit.proposal, self._scene.visit.removed = added, removed
            self.schedule()

    def proposal_changed(self, box: Box) -> None:
        """Voxels in `box` of the proposal's arrays changed: colour and redraw them where they are shown."""
        self._repainter.proposal_changed(box)

    def set_heat(self, heat: LabelArray | None) -> None:
        """Uncertainty or the like, uint8 (i, j, k), 0 clear to 255 strong, drawn under the mask; None for none."""
        if self._scene.visit is not None:
            self._scene.visit.heat = heat
            self.schedule()

    def set_mask_style(self, style: MaskStyle | str, opacity: float) -> None:
        """`opacity` 0..1 of the fill."""
        self._masks.set_style(MaskStyle(style), opacity)
        self.schedule()

    def set_mask_visible(self, visible: bool) -> None:
        """Show or hide mask and proposal."""
        self._masks.visible = visible
        self.schedule()

    def set_scheme(self, scheme: LabelScheme) -> None:
        """Labels were added, or have other colours."""
        self._masks.set_scheme(scheme)
        self.schedule()

    def set_label_visible(self, value: int, visible: bool) -> None:
        self._masks.set_label_visible(value, visible)
        self.schedule()
