"""Redraws what a change of a label array touches, and nothing else."""

from __future__ import annotations

from glioma_annotator.domain.geometry import Box
from glioma_annotator.ui.viewer.mask_display import MaskDisplay
from glioma_annotator.ui.viewer.pane_grid import PaneGrid
from glioma_annotator.ui.viewer.scene import Scene


class Repainter:
    """Colours the changed voxels anew and updates the rectangles of the panes that show them."""

    def __init__(self, scene: Scene, masks: MaskDisplay, grid: PaneGrid) -> None:
        self._scene = scene
        self._masks = masks
        self._grid = grid

    def labels_changed(self, box: Box) -> None:
        """Voxels in `box` of the mask changed."""
        visit = self._scene.visit
        if visit is None or visit.labels is None:
            return
        for mask, part in self._masks.changed(visit.labels, box):
            for pane in self._grid.slices:
                if pane.overlay.marks.mask is mask:
                    pane.overlay.update(pane.overlay.part_rect(part))
        if self._grid.surface is not None:
            self._grid.surface.mask_changed()

    def proposal_changed(self, box: Box) -> None:
        """Voxels in `box` of what is hatched changed."""
        visit = self._scene.visit
        if visit is None:
            return
        for labels in (visit.proposal, visit.removed):
            if labels is not None:
                for mask, part in self._masks.changed(labels, box, proposed=True):
                    for pane in self._grid.slices:
                        if mask in (pane.overlay.marks.proposal, pane.overlay.marks.removed):
                            pane.overlay.update(pane.overlay.part_rect(part))
