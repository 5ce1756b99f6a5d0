"""Keeps the viewer showing the open visit, and the study knowing what the reader did in the viewer."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QWidget

from glioma_annotator.domain.geometry import Box
from glioma_annotator.domain.sequences import Window
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.ui.reading_state import ReadingState, ToolName
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.ui.tools.toolbox import Toolbox
from glioma_annotator.ui.viewer.study_view import StudyView
from glioma_annotator.ui.viewer.types import Layout
from glioma_annotator.workflow.study import OpenTimepoint

#: Dragging the window changes it many times a second; it is written down this long after the last change.
_WRITE_DELAY_MS = 600


def place_to_start(labels: LabelArray) -> tuple[int, int, int]:
    """The voxel to look at first: in the axial slice that shows most of the mask (i, j, k), else the middle."""
    areas = np.count_nonzero(labels, axis=(0, 1))
    if not areas.any():
        i, j, k = labels.shape
        return i // 2, j // 2, k // 2
    k = int(areas.argmax())
    i, j = (round(float(c.mean())) for c in np.nonzero(labels[:, :, k]))
    return i, j, k


class ViewerLink(QObject):
    """Connects `StudyController` and `ReadingState` with the `StudyView`."""

    layout_changed = Signal()

    def __init__(
        self, view: StudyView, study: StudyController, reading: ReadingState, toolbox: Toolbox, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._view = view
        self._study = study
        self._reading = reading
        self._toolbox = toolbox
        self._windows: dict[str, Window] = {}
        self._proposed: LabelArray | None = None
        self._in_hand: tuple[ToolName, OpenTimepoint | None] = (ToolName.CROSSHAIR, None)
        self._hand: tuple[ToolName, int, float, bool] = (ToolName.CROSSHAIR, 0, 0.0, False)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_WRITE_DELAY_MS)
        self._timer.timeout.connect(self.write_state)
        study.patient_changed.connect(self._on_patient)
        study.visit_changed.connect(self._on_visit)
        study.scheme_changed.connect(self._on_scheme)
        study.leaving_visit.connect(view.let_go)
        study.leaving_visit.connect(self.write_state)
        study.beside.told.connect(view.say_beside)
        study.mask_changed.connect(self._on_mask)
        study.proposal_changed.connect(self._on_proposal)
        toolbox.previewing.changed.connect(self._on_hatched)
        toolbox.previewing.drawn.connect(view.proposal_changed)
        toolbox.sketch_changed.connect(view.refresh_cursor)
        reading.tool_changed.connect(self._on_tool)
        reading.tool_changed.connect(self._end_measuring)
        view.aids.changed.connect(self.layout_changed)
        reading.mask_display_changed.connect(self._on_display)
        view.window_changed.connect(self._on_window)
        view.brush_size_step.connect(reading.step_diameter)
        view.layout_changed.connect(self._on_layout)
        view.state_changed.connect(self._timer.start)
        view.crosshair_moved.connect(lambda _place: toolbox.look_elsewhere())
        view.active_pane_changed.connect(lambda _slot: toolbox.look_elsewhere())
        for acted in (study.mask_changed, reading.tool_changed, view.crosshair_moved, view.hovered):
            acted.connect(self._on_act)
        for widget in (view, *view.findChildren(QWidget)):
            widget.setAcceptDrops(False)  # a dropped folder belongs to the window, not to a canvas

    # what is shown

    def _on_patient(self) -> None:
        """A visit will be shown: make the panes while the worker reads it."""
        if self._study.patient_key and self._study.visit is None:
            kept = self._kept_state().get("layout")
            self._view.prepare(kept if kept in set(Layout) else None)

    def _on_visit(self) -> None:
        visit = self._study.visit
        if visit is None:
            self._view.clear()
            self._on_tool()
            return
        self._view.show_images(visit.images, visit.editor.labels, visit.scheme, visit.windows, visit.timepoint.title)
        measuring = self._view.aids.measuring
        grid = next(iter(visit.images.values())).grid
        measuring.bring_back(visit.timepoint.title, grid, self._kept_measures(visit.timepoint.key))
        kept = self._kept_state()
        if kept:
            self._view.restore(kept)
        else:
            self._view.crosshair_index = place_to_start(visit.editor.labels)
        self._on_display()
        self._on_tool()
        self._on_hatched()
        self._show_other()

    def _on_scheme(self) -> None:
        if self._study.visit is not None:
            self._view.set_scheme(self._study.scheme)

    def _kept_state(self) -> dict[str, Any]:
        session = self._study.session
        if session is None or session.patient is None or session.patient.id is None:
            return {}
        kept = self._study.writing.view_state(session.store, session.patient.id).get("view")
        return dict(kept) if isinstance(kept, dict) else {}

    def _kept_measures(self, key: str) -> list[dict[str, Any]]:
        """Rulers and diameters of a visit of the open patient."""
        session = self._study.session
        if session is None or session.patient is None or session.patient.id is None:
            return []
        kept = self._study.writing.view_state(session.store, session.patient.id).get("measures")
        found = kept.get(key) if isinstance(kept, dict) else None
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def _on_mask(self, box: Box) -> None:
        self._view.labels_changed(box)
        if self._reading.tool is not ToolName.CROSSHAIR:
            self._tell_unseen()

    def _tell_unseen(self) -> None:
        """Strokes that nobody sees look as if they were not made."""
        reading = self._reading
        label = self._study.scheme.label(reading.brush.value)
        if not reading.mask_visible:
            self._study.notice.emit("The mask is hidden: H shows it.")
        elif label is not None and label.value in reading.hidden and reading.tool is not ToolName.ERASER:
            self._study.notice.emit(f"{label.name} is hidden: the eye beside its name shows it.")

    def _on_hatched(self) -> None:
        self._view.set_proposal(*self._toolbox.previewing.hatched)

    def _on_proposal(self) -> None:
        """A new proposal is looked at, where the slices shown have none of it; after the visit's own place is back."""
        difference = self._toolbox.previewing.difference
        proposed = difference.proposed if difference is not None else None
        if proposed is not None and proposed is not self._proposed:
            QTimer.singleShot(0, self, self._look_at_proposal)
        self._proposed = proposed

    def _look_at_proposal(self) -> None:
        """Once the stroke in progress has ended: it must not go on in another slice."""
        visit = self._study.visit
        if visit is not None:
            visit.editor.after_stroke(self._bring_into_view)

    def _bring_into_view(self) -> None:
        difference = self._toolbox.previewing.difference
        if difference is not None and not difference.empty:
            self._view.crosshair_index = difference.place_to_see(self._view.crosshair_index)

    def _show_other(self) -> None:
        if self._view.layout_name == Layout.TIMEPOINTS.value:
            self._study.beside.load()
        else:
            self._view.show_other(None)

    def _on_layout(self) -> None:
        if self._view.layout_name == Layout.TIMEPOINTS.value:
            self._study.beside.load()
        self.layout_changed.emit()

    # the reader's hand

    def _on_tool(self) -> None:
        visit, reading = self._study.visit, self._reading
        paints = reading.tool is not ToolName.CROSSHAIR and visit is not None and self._study.editable
        wanted = (reading.tool, visit) if paints else (ToolName.CROSSHAIR, None)
        if wanted != self._in_hand:  # a tool that is merely resized must not be replaced in the middle of a stroke
            self._in_hand = wanted
            if paints and visit is not None:
                self._view.set_tool(self._toolbox.make(reading.tool))
            else:
                self._view.set_tool(self._toolbox.make(ToolName.CROSSHAIR))
        self._view.refresh_cursor()

    def _end_measuring(self) -> None:
        """Give the left button back when a tool is taken in hand, not when only its label or size is another."""
        brush, before = self._reading.brush, self._hand
        self._hand = (self._reading.tool, brush.value, brush.diameter_mm, brush.ball)
        if self._hand[0] is not before[0] or self._hand == before:
            self._view.aids.measure(None)

    def _on_act(self, *_: object) -> None:
        """The reader is at work."""
        self._study.time_log.on = self._reading.time_log
        self._study.time_log.acted(self._reading.tool.value)

    def _on_display(self) -> None:
        view, reading = self._view, self._reading
        view.set_mask_style(reading.style, reading.opacity)
        view.set_mask_visible(reading.mask_visible)
        for value in self._study.scheme.values:
            view.set_label_visible(value, value not in reading.hidden)
        view.set_crosshair_visible(reading.crosshair_visible)

    def _on_window(self, sequence: str, window: Window) -> None:
        self._windows[sequence] = window
        self._timer.start()

    # what is remembered

    def write_state(self) -> None:
        """Keep windows, layout, crosshair and zoom of the open visit, as they are now."""
        self._timer.stop()
        session, visit = self._study.session, self._study.visit
        windows, self._windows = self._windows, {}
        if session is None or visit is None:
            return
        changed = {name: window for name, window in windows.items() if name in visit.images}
        visit.windows.update(changed)
        if session.store.read_only:
            return
        patient_id = visit.timepoint.patient_id
        before = self._study.writing.view_state(session.store, patient_id)
        known = before.get("measures")
        measures = {
            **(known if isinstance(known, dict) else {}),
            visit.timepoint.key: self._view.aids.measuring.kept(),
        }
        state = {**before, "visit": visit.timepoint.key, "view": self._view.state(), "measures": measures}
        self._study.writing.keep_view(session.store, patient_id, state, visit.sequence_windows(changed))
