"""What brush and eraser paint: plain, within a range of intensity, like their middle, or what a proposal has."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.errors import UserError
from glioma_annotator.imaging.brush import Brush
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.ui.tools.options import BrushOptions
from glioma_annotator.workflow.operations import name_of
from glioma_annotator.workflow.strokes import LikeCentre, Paint, WithinRange


class Painting:
    """Makes strokes from the brush's options.

    Parameters
    ----------
    options: the brush's mode and what belongs to it; changed by `sample`.
    changed: told when `sample` changed them.
    """

    def __init__(self, study: StudyController, options: BrushOptions, changed: Callable[[], None]) -> None:
        self._study = study
        self._options = options
        self._changed = changed

    def paint(self, brush: Brush, value: int) -> Paint:
        visit = self._study.require_visit()
        options = self._options
        if options.mode == "plain" or options.sequence not in visit.images:
            return Paint(brush, value)
        image = visit.images[options.sequence].data
        label = name_of(visit.scheme, value)
        if options.mode == "threshold":
            name = f"Threshold brush {label}" if value else "Threshold erase"
            return Paint(brush, value, name, WithinRange(image, options.low, options.high, options.inverted))
        name = f"Adaptive brush {label}" if value else "Adaptive erase"
        return Paint(brush, value, name, LikeCentre(image, options.tolerance_sd))

    def paint_proposal(self, brush: Brush, value: int) -> Paint:  # noqa: ARG002 - a brush's
        visit = self._study.require_visit()
        proposal = visit.proposal
        if proposal is None:
            raise UserError("There is no proposal to accept.", "Segment the visit first.")
        name = "Accept proposal (brushed)"
        return Paint(brush, 1, name, source=proposal.labels, model=proposal.model, spared=visit.spared)

    def sample(self, voxels: NDArray[np.intp]) -> None:
        """Take the range of the threshold brush from an example."""
        visit = self._study.require_visit()
        if self._options.sequence not in visit.images:
            return
        from glioma_annotator.imaging.label_ops.fill import sampled_range

        inside = voxels[((voxels >= 0) & (voxels < visit.timepoint.grid.shape)).all(axis=1)]
        if not len(inside):
            return
        values = visit.images[self._options.sequence].data[tuple(inside.T)]
        low, high = sampled_range(values)
        self._options.low, self._options.high = float(f"{low:.4g}"), float(f"{high:.4g}")
        self._options.mode = "threshold"
        self._changed()
        self._study.notice.emit(f"Range from the example: {self._options.low:g} to {self._options.high:g}")
