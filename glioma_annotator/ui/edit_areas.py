"""Where the mask may be edited, and what may be painted over: acts for panel and commands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.edit_rules import EditArea
from glioma_annotator.domain.labels import BACKGROUND
from glioma_annotator.imaging.normalisation import brain_mask
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.ui.reading_state import ReadingState, ToolName
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.workflow.commands import Command

BRAIN, TUMOUR, BOX = "the brain", "the whole tumour", "the box"


class EditAreas:
    """Sets the rules of the open visit's editor; without a visit nothing happens."""

    def __init__(self, study: StudyController, reading: ReadingState) -> None:
        self._study = study
        self._reading = reading

    @property
    def name(self) -> str:
        """Of the area that may be edited; empty for everywhere."""
        visit = self._study.visit
        area = visit.editor.rules.inside if visit is not None else None
        return area.name if area is not None else ""

    def everywhere(self) -> None:
        visit = self._study.visit
        if visit is not None:
            visit.editor.set_inside(None)

    def whole_tumour(self) -> None:
        """Only the whole tumour as it is now."""
        visit = self._study.visit
        if visit is not None:
            whole = max(self._study.scheme.regions, key=lambda region: len(region.values))
            mask = whole.mask(visit.editor.labels)
            if not mask.any():  # nothing at all could be edited
                self._study.notice.emit("The mask holds no tumour yet: paint or segment it, then choose this again.")
                return
            visit.editor.set_inside(EditArea(TUMOUR, mask))

    def drag_box(self) -> None:
        """Let the reader drag the box."""
        self._reading.set_tool(ToolName.BOX)
        self._study.notice.emit("Drag a box in a slice: nothing outside it can be edited then.")

    def brain(self) -> None:
        """Only the brain, once a worker has found it."""
        visit = self._study.visit
        if visit is None:
            return
        images = [volume.data for volume in visit.images.values()]

        def work(_report: Report, _cancel: CancelToken) -> NDArray[np.bool_]:
            return brain_mask(images)

        def done(mask: NDArray[np.bool_]) -> None:
            if self._study.visit is not visit:
                return
            visit.editor.set_inside(EditArea(BRAIN, mask))
            self._study.notice.emit("Only the brain can be edited now.")

        self._study.workers.editing.submit("Finding the brain", work, done, self._study.failed.emit)

    @property
    def only_background(self) -> bool:
        """Whether a label may replace background only."""
        visit = self._study.visit
        return visit is not None and visit.editor.rules.paint_over == frozenset({BACKGROUND})

    def flip_only_background(self) -> None:
        visit = self._study.visit
        if visit is not None:
            visit.editor.set_paint_over(None if self.only_background else {BACKGROUND})


def area_commands(study: StudyController, reading: ReadingState) -> list[Command]:
    """Edit inside, and paint over background only."""
    areas = EditAreas(study, reading)

    def editable() -> bool:
        return study.editable

    def inside(name: str) -> Callable[[], bool]:
        return lambda: areas.name == name

    return [
        Command("edit.box", "Edit inside a box", "Drag a box: nothing outside it is changed by any tool or proposal",
                areas.drag_box, "Tools", ("Shift+X",), editable, inside(BOX)),
        Command("edit.in_brain", "Edit inside the brain", "Nothing outside the brain is changed by tools or proposals",
                areas.brain, "Tools", ("Alt+Shift+B",), editable, inside(BRAIN)),
        Command("edit.in_tumour", "Edit inside the whole tumour", "Nothing outside the whole tumour, as it is now, "
                "is changed", areas.whole_tumour, "Tools", ("Alt+Shift+W",), editable, inside(TUMOUR)),
        Command("edit.everywhere", "Edit everywhere", "No area is kept from being edited", areas.everywhere, "Tools",
                ("Alt+Shift+E",), editable, inside("")),
        Command("edit.only_background", "Paint over background only", "No label replaces another one; erasing still "
                "works", areas.flip_only_background, "Tools", ("Alt+Shift+O",), editable,
                lambda: areas.only_background),
    ]  # fmt: skip
